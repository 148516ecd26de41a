"""What breaks comes back by itself, or says in a plain sentence what to do."""

from __future__ import annotations

import contextlib
import os
import signal

import httpx
import psutil
import pytest
from playwright.sync_api import BrowserContext

from tests.bench.processes import session_processes
from tests.browser.test_transports import viewer
from tests.browser.test_way_of_a_click import home, type_line
from tests.support.demo import Demo
from tests.support.lab import sign_in, wait_for_picture
from tests.support.sessions import runner_pid
from tests.support.viewer import stats, wait_for_app
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser


def part(name: str) -> psutil.Process:
    """One process of the terminal session."""
    return session_processes(runner_pid("terminal"))[name][0]


def test_killed_streamer_comes_back_and_the_desktop_survives(
    context: BrowserContext, demo: Demo, terminal: str
) -> None:
    page = viewer(context, demo, terminal)
    wait_for_picture(page)
    page.locator("#streamspace").click()
    x_server = part("x").pid
    part("streamer").kill()
    page.wait_for_function("() => !window.streamspace.connected")
    page.wait_for_function("() => window.streamspace.connected")
    assert part("x").pid == x_server
    frames = stats(page)["frames"]
    page.locator("#streamspace").click()
    type_line(page, "touch after-streamer")
    eventually((home(demo) / "after-streamer").exists, "input to arrive again")
    eventually(lambda: stats(page)["frames"] != frames, "pictures to come again")


def test_ended_app_says_so_and_starts_again(context: BrowserContext, demo: Demo, terminal: str) -> None:
    page = viewer(context, demo, terminal)
    wait_for_picture(page)
    wait_for_app(page)
    for process in session_processes(runner_pid("terminal"))["app"]:
        with contextlib.suppress(psutil.NoSuchProcess):
            if "xfce4-terminal" in " ".join(process.cmdline()):
                process.kill()
    page.get_by_text("has ended").first.wait_for()
    page.get_by_role("button", name="Start again").click()
    page.get_by_text("has ended").first.wait_for(state="hidden")
    wait_for_app(page)
    page.locator("#streamspace").click()
    type_line(page, "touch after-restart")
    eventually((home(demo) / "after-restart").exists, "the new app to take input")


def test_killed_hub_leaves_streams_alone_and_finds_sessions_again(
    context: BrowserContext, demo: Demo, terminal: str
) -> None:
    page = viewer(context, demo, terminal)
    wait_for_picture(page)
    page.locator("#streamspace").click()
    runner = runner_pid("terminal")
    os.kill(demo.hub_pid(), signal.SIGKILL)
    type_line(page, "touch hub-was-killed")
    eventually((home(demo) / "hub-was-killed").exists, "the stream to go on")

    def back() -> bool:
        try:
            return bool(demo.server(terminal).get("ready"))
        except (httpx.HTTPError, ValueError, KeyError):
            return False

    eventually(back, "the hub to find the session again")
    assert runner_pid("terminal") == runner
    page.wait_for_function("() => window.streamspace.connected")
    page.locator("#streamspace").click()
    type_line(page, "touch hub-is-back")
    eventually((home(demo) / "hub-is-back").exists, "the stream to go on after the hub's return")
    # The JupyterLab server that was running all along knows the hub again too: a newcomer can sign in.
    context.clear_cookies()
    sign_in(context.new_page(), demo)
