"""The ladder of sleep as a user sees it: a warning, a way to stay awake, a frozen app that input wakes, and the end."""

from __future__ import annotations

import asyncio
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright, expect

from tests.browser.test_activity import opened, sign_in
from tests.support.chromium import ARGUMENTS
from tests.support.hub import processes_of
from tests.support.service import ADMIN, Api, service_hub
from tests.support.waiting import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.hub, pytest.mark.x11, pytest.mark.timeout(600)]

LADDER = {"default": {"freeze_after": 30, "stop_after": 75, "delete_after": 31}, "longest": {"freeze_after": 60}}
CONFIG = f"c.StreamSpace.sleep = {LADDER!r}"
APP = """\
    name: left-alone
    title: Left alone
    command: [xterm, -e, sh, -c, "while :; do date; sleep 0.2; done"]
    """


async def until(api: Api, path: str, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 3 * PATIENCE
    while time.monotonic() < deadline:
        reply = await api("GET", path)
        if (reply.json().get("state") if reply.status_code == 200 else "gone") in states:
            return dict(reply.json())
        await asyncio.sleep(0.5)
    raise AssertionError(f"{path} is not {states}: {reply.text}")


def stopped_tree(folder: Path) -> set[str]:
    """State letters of the app's processes of the only session that there is."""
    (run,) = (folder / "run").iterdir()
    found = set()
    for pid in processes_of(run.name):
        with suppress(FileNotFoundError):  # it has just ended
            head, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
            if head.partition("(")[2] in ("xterm", "Xtigervnc", "date", "sleep"):
                found.add(rest.split()[0])
    return found


async def test_a_session_left_alone_comes_down_the_ladder_and_is_told_before() -> None:
    async with service_hub(config=CONFIG) as running, async_playwright() as playwright:
        hub, user = running.hub, running.ann
        (hub.folder / "apps" / "left-alone.yaml").write_text(textwrap.dedent(APP))
        await hub.start_server(user, "left", {"app": "left-alone"})
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        context = await browser.new_context()
        context.set_default_timeout(3 * PATIENCE * 1000)
        await sign_in(context, hub)
        page = await opened(context, hub, "left")
        ann, admin, path = await running.api(user), await running.api(ADMIN), f"/sessions/{user}/left"

        warning, keep = page.get_by_text("Left alone is frozen in"), page.get_by_role("button", name="Keep awake")
        await warning.wait_for()
        await keep.click()
        await expect(warning).to_be_hidden(timeout=PATIENCE * 1000)
        assert (await until(ann, path, "running"))["asleep_since"] is None

        await warning.wait_for()
        frozen = page.get_by_role("heading", name="Left alone is frozen")
        await frozen.wait_for()
        session = await until(ann, path, "frozen")
        assert session["asleep_since"] >= session["started"]
        assert stopped_tree(hub.folder) == {"T"}

        await page.locator(".ss-surface").press("a")
        await page.locator("#streamspace[data-state=connected]").wait_for()
        await until(ann, path, "running")
        assert "T" not in stopped_tree(hub.folder)

        await page.get_by_text("Left alone is stopped in").wait_for()
        await page.get_by_text("What is not saved is lost").wait_for()
        await until(ann, path, "stopped", "gone")
        await until(ann, path, "gone")
        await browser.close()
        lines = (await admin("GET", "/audit", params={"target": f"{user}/left", "limit": 100})).json()["events"]
        own = [(line["action"], line["outcome"]) for line in reversed(lines) if line["origin"] == "sleep"]
        assert own == [
            ("session.freeze", "allowed"),
            ("session.freeze", "allowed"),
            ("session.stop", "allowed"),
            ("session.delete", "allowed"),
        ], lines
        assert all(line["actor"] == "service:streamspace" for line in lines if line["origin"] == "sleep")
