"""The desktop of a hub's session, seen from the machine that it runs on: its screen, its keyboard, its processes."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from tests.support.hub import TempHub, processes_of
from tests.support.running import output
from tests.support.waiting import PATIENCE

SLEEPER = """\
name: sleeper
title: Sleeper
command: [xterm, -e, bash, --norc]
sleep: {memory: "yes"}
"""
"""An app whose memory can be kept, and that shows what is typed."""


class HubDesktop:
    """The desktop of the only session that runs on a hub."""

    def __init__(self, hub: TempHub) -> None:
        (self.runtime_dir,) = (hub.folder / "run").iterdir()
        self.marker = self.runtime_dir.name

    async def status(self) -> dict[str, Any]:
        """Return the desktop's status object."""
        reader, writer = await asyncio.open_unix_connection(str(self.runtime_dir / "desktop.sock"))
        try:
            writer.write(b'{"id": 1, "op": "status"}\n')
            answer = json.loads(await asyncio.wait_for(reader.readline(), PATIENCE))
        finally:
            writer.close()
        return dict(answer["status"])

    async def running(self) -> dict[str, Any]:
        """Wait until the app has a window; return the desktop's status."""
        deadline = time.monotonic() + PATIENCE
        while (status := await self.status())["app"]["state"] != "running":
            assert time.monotonic() < deadline, status
            await asyncio.sleep(0.05)
        return status

    async def environment(self) -> dict[str, str]:
        """Environment for X clients of the test: display and cookie."""
        display = (await self.running())["display"]
        return {**os.environ, "DISPLAY": display, "XAUTHORITY": str(self.runtime_dir / "Xauthority")}

    async def x(self, *command: str) -> str:
        """Run an X client in the desktop and return what it prints."""
        return await output(*command, env=await self.environment())

    def processes(self) -> list[int]:
        """Return the PIDs of what lives of the session."""
        return processes_of(self.marker)


def add_app(hub: TempHub, text: str = SLEEPER) -> None:
    """Add an app to the hub's catalog."""
    name = text.partition("name: ")[2].partition("\n")[0]
    (hub.folder / "apps" / f"{name}.yaml").write_text(text)


def image_of(hub: TempHub, user: str, server: str) -> Path:
    """Return where the memory of a user's session is kept."""
    return hub.folder / "home" / user / ".streamspace" / "sleep" / server
