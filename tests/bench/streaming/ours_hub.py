"""StreamSpace by the whole way of a user: browser -> configurable-http-proxy -> single-user server -> streamer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psutil
from playwright.sync_api import Page

from tests.bench.processes import session_processes, tree
from tests.bench.streaming.ours import TRANSPORTS
from tests.bench.streaming.variant import Size, Target, Variant
from tests.support.demo import Demo, running_demo

APP = "terminal"


@contextmanager
def start(transport: str, _: Size) -> Iterator[Target]:
    """The demo's hub, with one session."""
    with running_demo() as demo:
        demo.start(APP)
        yield Target(
            url=f"{demo.url}/user/demo/{APP}/streamspace/?transport={transport}",
            display=lambda: _display(demo),
            parts=lambda: _parts(demo),
            prepare=lambda page: _sign_in(page, demo),
        )


def _sign_in(page: Page, demo: Demo) -> None:
    # To the hub's own page: JupyterLab would be started, and is not what is measured.
    page.goto(f"{demo.url}/hub/login?next=%2Fhub%2Fhome")
    page.fill("#username_input", "demo")
    page.fill("#password_input", demo.password)
    page.click("#login_submit")
    page.wait_for_url("**/hub/home")


def _runner(demo: Demo) -> int:
    for process in tree(demo.process.pid):
        if "streamspace_proxy.local" in process.cmdline():
            return int(process.pid)
    raise RuntimeError(f"no session of {APP} runs")


def _parts(demo: Demo) -> dict[str, list[psutil.Process]]:
    parts = session_processes(_runner(demo))
    of_session = {process.pid for processes in parts.values() for process in processes}
    for process in tree(demo.process.pid):
        if process.pid not in of_session:
            name = "proxy" if "configurable-http-proxy" in " ".join(process.cmdline()) else "hub"
            parts.setdefault(name, []).append(process)
    return parts


def _display(demo: Demo) -> dict[str, str]:
    for process in psutil.Process(_runner(demo)).children(recursive=True):
        environment = process.environ()
        if environment.get("DISPLAY"):
            return {name: environment[name] for name in ("DISPLAY", "XAUTHORITY")}
    raise RuntimeError(f"the session of {APP} has no display")


VARIANTS = [
    Variant(f"streamspace-hub-{transport}", partial(start, transport), ours=True) for transport in (*TRANSPORTS, "http")
]
