"""Tabs of Chromium and of Firefox with the same few methods, for tests that hold in both.

with tabs("firefox", link) as browser, browser.page(script) as page:
    page.goto(address(session))
    page.wait_for("window.streamspace?.connected")
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from playwright.sync_api import Browser, Page

from tests.support.bridge_server import BASE, FORWARDED
from tests.support.chromium import chromium
from tests.support.firefox import firefox
from tests.support.shaped_link import SERVER, Link
from tests.support.viewer_session import ViewerSession
from tests.support.waiting import PATIENCE, STALL

BROWSERS = ("chromium", "firefox")
FRAMES = "window.streamspace.stats().frames"


class Tab(Protocol):
    """One tab."""

    def goto(self, url: str) -> None:
        """Load `url`."""

    def reload(self) -> None:
        """Load the page again."""

    def evaluate(self, expression: str) -> Any:
        """Return what a JavaScript expression (or promise) gives, as JSON has it."""

    def wait_for(self, expression: str, limit: float = PATIENCE) -> Any:
        """Wait for a JavaScript expression to be true."""

    def move(self, x: int, y: int) -> None:
        """Move the pointer."""


class Tabs(Protocol):
    """A running browser."""

    def page(self, *scripts: str) -> AbstractContextManager[Tab]:
        """Give a new tab that shares no storage with others. `scripts` run in its pages."""


class ChromiumTab:
    """A tab of Chromium, by Playwright."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def goto(self, url: str) -> None:
        self._page.goto(url)

    def reload(self) -> None:
        self._page.reload()

    def evaluate(self, expression: str) -> Any:
        return self._page.evaluate(f"() => ({expression})")

    def wait_for(self, expression: str, limit: float = PATIENCE) -> Any:
        return self._page.wait_for_function(f"() => ({expression})", timeout=limit * 1000).json_value()

    def move(self, x: int, y: int) -> None:
        self._page.mouse.move(x, y)


class ChromiumTabs:
    """Chromium, by Playwright."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    @contextmanager
    def page(self, *scripts: str) -> Iterator[ChromiumTab]:
        context = self._browser.new_context(viewport={"width": 900, "height": 600})
        for script in scripts:
            context.add_init_script(script)
        try:
            yield ChromiumTab(context.new_page())
        finally:
            context.close()


@contextmanager
def tabs(name: str, link: Link, any_certificate: bool = False) -> Iterator[Tabs]:
    """Start the browser `name`, one of `BROWSERS`, on the client's side of `link`; `address` names what it can open.

    `any_certificate`: it takes any for TLS.
    """
    with link.client.entered():
        if name == "firefox":
            # It looks up no address and not `localhost`, but other names below that.
            started: AbstractContextManager[Any] = firefox(any_certificate, network__dns__forceResolve=SERVER)
        else:
            arguments = ["--ignore-certificate-errors"] if any_certificate else []
            started = chromium(f"--host-resolver-rules=MAP {FORWARDED} {SERVER}", *arguments)
        browser = started.__enter__()
    try:
        yield browser if name == "firefox" else ChromiumTabs(browser)
    finally:
        started.__exit__(None, None, None)


def address(session: ViewerSession, port: int = 0, base: str = BASE, **query: str) -> str:
    """The page's address from the client's side; `port` of a proxy, if there is one."""
    local = f"127.0.0.1:{session.port}"
    return session.url(base, **query).replace(local, f"{FORWARDED}:{port or session.port}")


def wait_for_transport(page: Tab, transport: str, limit: float = PATIENCE) -> None:
    """Until `transport` shows pictures, and nothing is said over them."""
    page.wait_for(f"window.streamspace?.transport === '{transport}' && {FRAMES} > 0", limit)
    page.wait_for("document.querySelector('#streamspace').dataset.state === 'connected'")


def wait_for_more(page: Tab, count: int = 10, limit: float = STALL) -> None:
    """Until `count` further pictures have been shown, none of them more than `limit` seconds after the one before."""
    shown = page.evaluate(FRAMES)
    wanted = shown + count
    while shown < wanted:
        page.wait_for(f"{FRAMES} > {shown}", limit)
        shown = page.evaluate(FRAMES)


def memory(page: Tab, base: str = BASE) -> Any:
    """What this browser remembers of WebRTC with the hub at `base`."""
    return page.evaluate(f"JSON.parse(localStorage.getItem('streamspace.webrtc {base}'))")
