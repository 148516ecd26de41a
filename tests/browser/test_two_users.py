"""Two people at once, each with a session: neither reaches the other's by any path, and being an admin is no role."""

from __future__ import annotations

import base64
import http.client
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.bench.processes import session_processes
from tests.browser.conftest import new_context
from tests.browser.test_way_of_a_click import home, type_line
from tests.support.demo import Demo
from tests.support.lab import desktop, sign_in, tile, wait_for_picture
from tests.support.session_paths import PAGES, REQUESTS, SOCKETS
from tests.support.sessions import runner_pid
from tests.support.viewer import wait_for_app
from tests.support.waiting import PATIENCE, eventually

pytestmark = [pytest.mark.browser, pytest.mark.hub, pytest.mark.x11]

SIGN_IN = "/hub/api/oauth2/authorize"


@dataclass
class Person:
    """Somebody at a browser, with a terminal session open in JupyterLab."""

    name: str
    page: Page
    runner: int

    @property
    def context(self) -> BrowserContext:
        return self.page.context

    @property
    def viewer(self) -> str:
        """Path of this person's viewer page."""
        return f"/user/{self.name}/terminal/streamspace/"


@pytest.fixture(scope="module")
def people(browser: Browser, demo: Demo) -> Iterator[dict[str, Person]]:
    found = {}
    for name in ("demo", "admin"):
        page = new_context(browser, demo).new_page()
        sign_in(page, demo, name)
        tile(page, "Terminal").click()
        wait_for_picture(desktop(page, "terminal"))
        found[name] = Person(name, page, runner_pid("terminal"))
    yield found
    for person in found.values():
        person.context.close()
    demo.stop("terminal", "admin")


@pytest.fixture(params=[("demo", "admin"), ("admin", "demo")], ids=["demo-to-admin", "admin-to-demo"])
def pair(request: pytest.FixtureRequest, people: dict[str, Person]) -> tuple[Person, Person]:
    """Who tries, and whose session it is."""
    intruder, owner = request.param
    return people[intruder], people[owner]


def asked(person: Person, demo: Demo, method: str, path: str) -> str:
    """The answer's status, or where it leads, asked with the person's cookies and as no script of a page may ask.

    Not as a page's script, because those are refused for want of a cross-site token already.
    """
    reply = person.context.request.fetch(
        demo.url + path, method=method, headers={"Sec-Fetch-Mode": "navigate"}, max_redirects=0
    )
    return reply.headers["location"].split("?")[0] if reply.status == 302 else str(reply.status)


def socket_opens(page: Page, path: str) -> bool:
    opens: bool = page.evaluate(
        """path => new Promise(resolve => {
             const socket = new WebSocket(path.replace(/^/, location.origin.replace('http', 'ws')), 'streamspace.v1');
             socket.onopen = () => { socket.close(); resolve(true); };
             socket.onerror = () => resolve(false);
           })""",
        path,
    )
    return opens


def assert_closed_to_cookies(person: Person, demo: Demo, viewer: str, answers: set[str]) -> None:
    for method, path in (*PAGES, *REQUESTS):
        assert asked(person, demo, method, viewer + path) in answers, (method, path)
    for path in SOCKETS:
        assert not socket_opens(person.page, viewer + path), path


def status_with_token(demo: Demo, token: str, method: str, path: str, *, socket: bool = False) -> int:
    """Status of the request as a script with an API token makes it; 101 where a socket opens."""
    headers = {
        "Authorization": f"token {token}",
        "X-Streamspace-User": "root",
        "X-Streamspace-Role": "owner",
    }
    if socket:
        headers |= {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
            "Sec-WebSocket-Protocol": "streamspace.v1",
        }
    connection = http.client.HTTPConnection(urlsplit(demo.url).netloc, timeout=PATIENCE)
    try:
        connection.request(method, path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_each_has_a_picture_of_their_own(people: dict[str, Person], demo: Demo) -> None:
    for person in people.values():
        frame = desktop(person.page, "terminal")
        assert frame.evaluate("() => window.streamspace.role") == "owner"
        wait_for_app(frame)
        frame.locator("#streamspace").click()
        type_line(person.page, f"touch signed-{person.name}")
    for name in people:
        eventually((home(demo, name) / f"signed-{name}").exists, f"{name}'s command to run")
        if os.geteuid() == 0:
            assert len(list(home(demo, name).glob("signed-*"))) == 1


def test_no_path_opens_with_the_cookies_of_another(pair: tuple[Person, Person], demo: Demo) -> None:
    intruder, owner = pair
    assert_closed_to_cookies(intruder, demo, owner.viewer, {"403", SIGN_IN})
    # The same questions of one's own session are answered: it is not the questions that are refused.
    for method, path in (*PAGES, ("GET", "api/v1/status")):
        assert asked(owner, demo, method, owner.viewer + path) == "200"
    assert socket_opens(owner.page, owner.viewer + "ws?view=1")


def test_no_path_opens_with_the_token_of_another(pair: tuple[Person, Person], demo: Demo) -> None:
    intruder, owner = pair
    stolen = demo.token(intruder.name)
    for method, path in (*PAGES, *REQUESTS):
        assert status_with_token(demo, stolen, method, owner.viewer + path) == 403, (method, path)
    for path in SOCKETS:
        assert status_with_token(demo, stolen, "GET", owner.viewer + path, socket=True) == 403, path
    own = demo.token(owner.name)
    assert status_with_token(demo, own, "GET", owner.viewer + "api/v1/status") == 200
    assert status_with_token(demo, own, "GET", owner.viewer + "ws?view=1", socket=True) == 101


def test_the_page_of_another_says_no(pair: tuple[Person, Person], demo: Demo) -> None:
    intruder, owner = pair
    page = intruder.context.new_page()
    page.goto(demo.url + owner.viewer)
    authorize = page.get_by_role("button", name="Authorize")
    if authorize.count():
        # The hub lets its admins into every server, and asks first. The session itself has no role for them.
        assert intruder.name == "admin"
        authorize.click()
        expect(page.locator("body")).to_contain_text("You have no part in this session.")
    else:
        expect(page.locator("body")).to_contain_text("403")
    assert page.evaluate("() => window.streamspace") is None
    page.close()
    # With the cookies that this left behind, everything is as closed as before.
    assert_closed_to_cookies(intruder, demo, owner.viewer, {"403", SIGN_IN})


def test_a_stranger_is_sent_to_sign_in(browser: Browser, people: dict[str, Person], demo: Demo) -> None:
    context = new_context(browser, demo)
    page = context.new_page()
    page.goto(demo.url + people["demo"].viewer)
    assert "/hub/login" in page.url
    for method, path in (*PAGES, *REQUESTS):
        assert status_with_token(demo, "made-up", method, people["demo"].viewer + path) in (302, 403), (method, path)
    for path in SOCKETS:
        assert not socket_opens(page, people["demo"].viewer + path)
    context.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="run by an ordinary user, all sessions are that user's")
def test_processes_and_files_are_kept_apart(people: dict[str, Person], demo: Demo) -> None:
    uids: dict[str, set[int]] = {}
    for person in people.values():
        processes = [process for part in session_processes(person.runner).values() for process in part]
        uids[person.name] = {uid for process in processes for uid in process.uids()}
        assert len(uids[person.name]) == 1, f"{person.name}'s session has processes of {uids[person.name]}"
        runtime = Path(psutil.Process(person.runner).environ()["STREAMSPACE_RUNTIME_DIR"])
        for folder in (runtime, home(demo, person.name)):
            found = folder.stat()
            assert {found.st_uid} == uids[person.name]
            assert stat.S_IMODE(found.st_mode) == 0o700, folder
    assert not uids["demo"] & uids["admin"]
    assert 0 not in uids["demo"] | uids["admin"]


@pytest.mark.skipif(os.geteuid() != 0, reason="run by an ordinary user, all sessions are that user's")
def test_a_shell_in_one_session_sees_nothing_of_the_other(people: dict[str, Person], demo: Demo) -> None:
    spy, owner = people["demo"], people["admin"]
    runtime = psutil.Process(owner.runner).environ()["STREAMSPACE_RUNTIME_DIR"]
    desktop(spy.page, "terminal").locator("#streamspace").click()
    secrets_of_owner = f"{home(demo, owner.name)}/.* {runtime}/* /proc/{owner.runner}/environ"
    type_line(spy.page, f"cat {secrets_of_owner} > seen; touch spied")
    eventually((home(demo) / "spied").exists, "the shell to have tried")
    assert (home(demo) / "seen").read_bytes() == b""
