"""A real streamer process beside a real X server, and viewers that speak its protocol over its unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy as np
import xcffib
import xcffib.xproto
from streamspace_proxy.desktop.control import ControlServer, RefusedError
from streamspace_proxy.streamer import x11
from streamspace_proxy.streamer.frames import OpusPacket

from tests.support.waiting import PATIENCE
from tests.support.xserver import XServer, end, x_server

ROOT = Path(__file__).parents[2]
TEMPLATE = {"name": "xterm", "title": "Terminal", "command": ["xterm"]}
FOREIGN = ("STREAMSPACE_", "JUPYTERHUB_")
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class Desktop:
    """Stands for the desktop's init behind the real control socket: the tests themselves start what it would start."""

    def __init__(self) -> None:
        self.status: dict[str, Any] = {
            "state": "starting", "display": None, "message": "Starting the screen",
            "app": {"state": "starting", "pid": None, "exit_code": None, "signal": None, "restarts": 0},
        }  # fmt: skip
        self.requests: list[str] = []
        self.refuse: str | None = None
        self.control = ControlServer(self, self)

    def status_object(self) -> dict[str, Any]:
        return self.status

    def publish(self, **changes: Any) -> None:
        self.status = {**self.status, **changes}
        self.control.publish()

    async def check(self) -> dict[str, Any]:
        return {"memory": False, "why_not": "This is a test.", "turn_on": None}

    async def freeze(self) -> dict[str, Any]:
        self._note("freeze")
        self.publish(sleep={"state": "frozen", "since": "2026-01-31T12:00:00+00:00"})
        return {"seconds": 0.001}

    async def thaw(self) -> dict[str, Any]:
        self._note("thaw")
        self.publish(sleep={"state": "awake", "since": "2026-01-31T12:00:01+00:00"})
        return {"seconds": 0.001}

    async def hibernate(self, folder: str) -> dict[str, Any]:
        raise RefusedError(f"Nothing of a test is kept in {folder}.")

    def restart_app(self) -> None:
        self._note("restart_app")

    def open_file(self, path: str) -> None:
        self._note(f"open {path}")

    def request_stop(self) -> None:
        self._note("stop")

    def _note(self, request: str) -> None:
        if self.refuse is not None:
            raise RefusedError(self.refuse)
        self.requests.append(request)


@dataclass
class Frame:
    """One video message as a viewer gets it."""

    keyframe: bool
    epoch: int
    id: int
    capture_us: int
    data: bytes
    at: float


@dataclass
class Viewer:
    """One connected page: collects what comes, acknowledges as `acknowledge` says."""

    ws: aiohttp.ClientWebSocketResponse
    acknowledge: bool = True
    messages: list[dict[str, Any]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    sounds: list[OpusPacket] = field(default_factory=list)
    closed: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> None:
        async for message in self.ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.messages.append(json.loads(message.data))
            elif message.type is aiohttp.WSMsgType.BINARY:
                kind, flags, epoch, number, capture_us = struct.unpack_from(">BBHIQ", message.data)
                if kind == 1:
                    self.frames.append(
                        Frame(bool(flags & 1), epoch, number, capture_us, message.data[16:], time.monotonic())
                    )
                    if self.acknowledge:
                        await self.ack(number)
                else:
                    self.sounds.append(OpusPacket(message.data[16:], capture_us))
            self._news.set()
        self.closed = True
        self._news.set()

    async def ack(self, number: int) -> None:
        await self.ws.send_bytes(struct.pack(">BBHI", 1, 0, 0, number))

    async def send(self, kind: str, **fields: Any) -> None:
        await self.ws.send_str(json.dumps({"type": kind, **fields}))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
        async with asyncio.timeout(seconds) as limit:
            try:
                while not (result := condition()):
                    self._news.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), 0.1)
                return result
            except asyncio.CancelledError:
                if limit.expired():
                    raise AssertionError(
                        f"waited {seconds} s in vain for {what}; messages: {self.messages[-5:]}"
                    ) from None
                raise

    async def message(self, kind: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The first message of this kind that comes from now on, or has come already; it is taken out."""
        found: dict[str, Any] = await self.until(lambda: next(iter(self.of(kind)), None), f"a {kind} message", seconds)
        self.messages.remove(found)
        return found

    async def start(self) -> Frame:
        """Start on the WebSocket; returns the first frame from then on."""
        count = len(self.frames)
        await self.send("start", transport="websocket", audio=False)
        await self.until(lambda: len(self.frames) > count, "a frame")
        return self.frames[count]

    async def settled(self, quiet: float = 1.5) -> None:
        """Wait until no frame has come for `quiet` seconds."""
        await self.until(lambda: self.frames and time.monotonic() - self.frames[-1].at > quiet, "a still picture")

    def picture(self, matrix: int = 6) -> Pixels:
        """Decode the frames since the last keyframe: height x width x RGB."""
        last = max(index for index, frame in enumerate(self.frames) if frame.keyframe)
        return decode([frame.data for frame in self.frames[last:]], matrix)


def decode(units: list[bytes], matrix: int = 6) -> Pixels:
    """Decode H.264 access units, the first being a keyframe; returns the last picture as RGB.

    `matrix`: H.273 MatrixCoefficients that the stream must be flagged with, BT.601 unless told.
    """
    decoder = av.CodecContext.create("h264", "r")
    picture = None
    decoder.thread_count = 1  # frame threads would hold pictures back
    for unit in units:
        for picture in decoder.decode(av.Packet(unit)):
            assert (picture.colorspace, picture.color_range) == (matrix, 1), "limited range, as converted"
    assert picture is not None
    return np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)


def screenshot(server: XServer) -> Pixels:
    """What X itself says is on the screen: height x width x RGB."""
    return picture(server.display, server.xauthority)


def picture(display: str, xauthority: Path) -> Pixels:
    """What is on the screen of `display`."""
    connection = x11.connect(display, xauthority)
    root = connection.get_setup().roots[0].root
    size = connection.core.GetGeometry(root).reply()
    image = connection.core.GetImage(
        xcffib.xproto.ImageFormat.ZPixmap, root, 0, 0, size.width, size.height, 0xFFFFFFFF
    ).reply()
    pixels = np.frombuffer(bytes(image.data), np.uint8).reshape(size.height, size.width, 4)[:, :, 2::-1].copy()
    connection.disconnect()
    return pixels


def difference(one: Pixels, other: Pixels) -> float:
    """Mean absolute difference of two pictures of one size (0..255)."""
    assert one.shape == other.shape
    return float(np.mean(np.abs(one.astype(np.int16) - other.astype(np.int16))))


@dataclass
class Running:
    """A streamer, its X server and its (stand-in) desktop."""

    x: XServer
    desktop: Desktop
    process: subprocess.Popen[bytes]
    http: aiohttp.ClientSession
    _readers: list[asyncio.Task[None]] = field(default_factory=list)

    async def viewer(
        self, role: str = "owner", user: str = "ada", query: str = "", *, acknowledge: bool = True
    ) -> Viewer:
        ws = await self.http.ws_connect(
            f"http://session/ws{query}", headers=identity(role, user), protocols=["streamspace.v1"],
            max_msg_size=0, autoclose=True,
        )  # fmt: skip
        viewer = Viewer(ws, acknowledge)
        self._readers.append(asyncio.create_task(viewer.read()))
        return viewer

    async def get(self, path: str, role: str = "owner") -> Any:
        async with self.http.get(f"http://session/api/v1/{path}", headers=identity(role)) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def post(self, path: str, body: Any = None, role: str = "owner") -> tuple[int, Any]:
        async with self.http.post(
            f"http://session/api/v1/{path}",
            headers=identity(role),
            data=body if isinstance(body, str) else json.dumps(body),
        ) as response:
            return response.status, await response.json()

    async def ready(self) -> None:
        """Wait until it is attached to the display."""
        for _ in range(int(PATIENCE * 20)):
            if (await self.get("status"))["ready"]:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the streamer did not attach: " + (self.x.folder / "streamer.log").read_text())

    def log(self) -> str:
        return (self.x.folder / "streamer.log").read_text()


def identity(role: str, user: str = "ada") -> dict[str, str]:
    return {"X-Streamspace-User": user, "X-Streamspace-Role": role}


@contextlib.asynccontextmanager
async def running_streamer(
    geometry: str = "800x600",
    policy: dict[str, Any] | None = None,
    *x_arguments: str,
    attach: bool = True,
    capture: str = "auto",
) -> AsyncIterator[Running]:
    """Start X server, control socket and streamer; the desktop says that it runs, unless `attach` is False."""
    with x_server(*x_arguments, geometry=geometry) as x:
        desktop = Desktop()
        await desktop.control.start(x.folder / "desktop.sock")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)},
            "STREAMSPACE_RUNTIME_DIR": str(x.folder),
            "STREAMSPACE_TEMPLATE": json.dumps(TEMPLATE),
            "STREAMSPACE_POLICY": json.dumps(policy or {}),
            "STREAMSPACE_CAPTURE": capture,
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT), str(ROOT / "proxy"), os.environ.get("PYTHONPATH", "")]
            ).rstrip(os.pathsep),
        }  # fmt: skip
        with (x.folder / "streamer.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "streamspace_proxy.streamer"],
                env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        socket = x.folder / "streamer.sock"
        http = aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)))
        running = Running(x, desktop, process, http)
        try:
            async with asyncio.timeout(PATIENCE):
                while not socket.exists():
                    assert process.poll() is None, running.log()
                    await asyncio.sleep(0.02)
            if attach:
                desktop.publish(state="running", display=x.display, message="")
                await running.ready()
            yield running
        finally:
            for task in running._readers:
                task.cancel()
            await asyncio.gather(*running._readers, return_exceptions=True)
            await http.close()
            end(process)
            await desktop.control.close()
