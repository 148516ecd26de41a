"""Simulated sessions: a spawner that starts nothing, and one process that answers for all of them with real pictures.

Hub, proxy and service meet them as they meet others: a server that answers at its address, and a streamer that gives a
JPEG, 320 pixels wide, other each time that it is asked.
"""

from __future__ import annotations

import io
import os
import random
import sys
from typing import Any

from aiohttp import web
from jupyterhub import __version__ as hub_version
from jupyterhub.spawner import Spawner
from PIL import Image, ImageDraw
from streamspace_spawner.mixin import StreamSpaceMixin

PORT_VARIABLE = "BENCH_WALL_PORT"
PICTURES = 60
SIZE = (320, 180)


class SimulatedSpawner(StreamSpaceMixin, Spawner):
    """Starts a session that is there already."""

    _up = False

    def session_home(self) -> str:
        """Return a folder that nobody uses."""
        return "/nonexistent"

    async def start(self) -> tuple[str, int]:
        """Return where all of them are."""
        await self.prepare_session()
        self._up = True
        return "127.0.0.1", int(os.environ[PORT_VARIABLE])

    async def stop(self, now: bool = False) -> None:
        """Forget it."""
        self._up = False

    async def poll(self) -> int | None:
        """Return None while it runs."""
        return None if self._up else 0


def pictures() -> list[bytes]:
    """Return screens of a desktop as the streamer sends them: windows, text and a photograph."""
    made = []
    dice = random.Random(7)
    for _ in range(PICTURES):
        image = Image.new("RGB", SIZE, (dice.randrange(60), dice.randrange(90), dice.randrange(120)))
        draw = ImageDraw.Draw(image)
        for _ in range(3):
            left, top = dice.randrange(200), dice.randrange(100)
            draw.rectangle((left, top, left + 110, top + 75), fill=(245, 245, 245), outline=(90, 90, 90))
            for line in range(8):
                draw.text((left + 4, top + 2 + 9 * line), f"{dice.getrandbits(60):x}", fill=(20, 20, 20))
        noise = Image.effect_noise((90, 60), 60).convert("RGB")
        image.paste(noise, (dice.randrange(220), dice.randrange(110)))
        body = io.BytesIO()
        image.save(body, "JPEG", quality=75)
        made.append(body.getvalue())
    return made


def serve(port: int) -> None:
    """Answer for all sessions until ended."""
    shown, number = pictures(), iter(range(sys.maxsize))

    async def thumbnail(_: web.Request) -> web.Response:
        return web.Response(body=shown[next(number) % len(shown)], content_type="image/jpeg")

    async def anything(_: web.Request) -> web.Response:
        return web.json_response({"version": hub_version}, headers={"X-JupyterHub-Version": hub_version})

    app: Any = web.Application()
    app.router.add_get("/user/{user}/{server}/streamspace/api/v1/thumbnail", thumbnail)
    app.router.add_route("*", "/{path:.*}", anything)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
