"""One viewer: its socket, what it may do, and what it holds down.

Obeys `messages.permit`, leaves pictures and sound to `media`, and reaches the rest through the streamer's core.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from aiohttp import WSMsgType

from streamspace_hub.model import Role
from streamspace_hub.model.turn import IceServer
from streamspace_proxy.streamer import messages, polling
from streamspace_proxy.streamer.capture import CODECS
from streamspace_proxy.streamer.desktop_link import DesktopError
from streamspace_proxy.streamer.frames import CursorShape
from streamspace_proxy.streamer.input import HeldInput, InputInjector
from streamspace_proxy.streamer.limits import RateLimit
from streamspace_proxy.streamer.media import InBand, SinkKey, ViewerMedia
from streamspace_proxy.streamer.messages import Message, Refusal
from streamspace_proxy.streamer.outbox import Channel, Outbox
from streamspace_proxy.streamer.quality import Preset
from streamspace_proxy.streamer.steering import AckSteering
from streamspace_proxy.streamer.window import Window

if TYPE_CHECKING:
    from streamspace_proxy.streamer.core import Streamer

logger = logging.getLogger(__name__)
NOT_READY: Final = "The desktop is not ready yet. Wait until its picture appears, then try again."


def cursor_message(cursor: CursorShape) -> dict[str, Any]:
    """Return the `cursor` message for a shape."""
    return {
        "type": "cursor",
        "width": cursor.width,
        "height": cursor.height,
        "hot_x": cursor.hot_x,
        "hot_y": cursor.hot_y,
        "png": None if cursor.png is None else base64.b64encode(cursor.png).decode(),
    }


class Viewer:
    """One connected browser page."""

    def __init__(
        self,
        core: Streamer,
        channel: Channel,
        user: str,
        role: Role,
        ice_servers: tuple[IceServer, ...] = (),
    ) -> None:
        self.id = core.new_id()
        self.user = user
        self.role = role
        self._ice_servers = ice_servers
        self._core = core
        self._policy = core.config.policy
        self._channel = channel
        self._outbox = Outbox(channel, self._written)
        self._limit = RateLimit()
        self._held = HeldInput()
        self._tasks: set[asyncio.Task[None]] = set()
        inband: InBand = "http" if isinstance(channel, polling.Polled) else "websocket"
        self.media = ViewerMedia(core, self.id, self._outbox, self.refuse, inband)
        most = polling.MAX_CLIPBOARD if inband == "http" else self._policy.clipboard_limit
        self._clipboard_limit = min(self._policy.clipboard_limit, most)
        self._steering = AckSteering(self._policy.max_bitrate, self._policy.min_bitrate)
        self._window = Window()
        self.refusals = 0
        self._ack_ms = 0.0
        self._decode_queue = 0

    # Life

    async def run(self) -> None:
        """Serve the viewer until its socket ends; leaves nothing pressed and nothing running."""
        writer = asyncio.create_task(self._outbox.run(), name=f"{self.id}-outbox")
        reader = asyncio.create_task(self._read(), name=f"{self.id}-reader")
        try:
            await asyncio.wait((writer, reader), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (writer, reader, *self._tasks):
                task.cancel()
            results = await asyncio.gather(writer, reader, *self._tasks, return_exceptions=True)
            for error in results:
                if isinstance(error, Exception) and not isinstance(error, ConnectionError):
                    logger.error("%s: a task failed", self.id, exc_info=error)
            self._end()

    async def goodbye(self, reason: str, message: str) -> None:
        """Tell the viewer why, and close."""
        self.send({"type": "bye", "reason": reason, "message": message})
        await self._outbox.flush()
        await self._channel.close()

    def _end(self) -> None:
        self._release_held()
        self.media.close()
        self._core.leave(self)

    def greet(self) -> None:
        """Say what the session is, before anything else is said."""
        core, policy = self._core, self._policy
        self.send(
            {
                "type": "hello",
                "protocol": 1,
                "viewer": self.id,
                "user": self.user,
                "role": self.role.value,
                "app": {"name": core.config.app.name, "title": core.config.app.title},
                "policy": {
                    "clipboard": policy.clipboard.value,
                    "clipboard_limit": self._clipboard_limit,
                    "audio": policy.audio,
                    "microphone": policy.microphone,
                    "max_width": policy.max_width,
                    "max_height": policy.max_height,
                    "max_bitrate": policy.max_bitrate,
                },
                "transports": self.media.offered,
                "codecs": list(CODECS),
                "presets": [preset.value for preset in Preset],
                "preset": core.preset.value,
                "screen": None if core.screen is None else {"width": core.screen[0], "height": core.screen[1]},
                "ice_servers": [server.model_dump(mode="json") for server in self._ice_servers],
            }
        )
        self.send(core.status_message())
        self.send(core.sleep.message())
        if core.announcement:
            self.send(core.announcement_message())
        if core.cursor is not None:
            self.send(cursor_message(core.cursor))

    async def _read(self) -> None:
        async for message in self._channel:
            if message.type is WSMsgType.TEXT:
                self._take_text(message.data)
            elif message.type is WSMsgType.BINARY:
                self._take_binary(message.data)
            elif message.type is WSMsgType.ERROR:
                self._closed_for(messages.code_of_close(message.data))

    def _closed_for(self, code: messages.Code | None) -> None:
        """Count what the socket was closed for; the close frame has said it, where it arrived."""
        if code is not None:
            self.refusals += 1
            self._core.count_refusal(code)

    # To the viewer

    @property
    def may_read_clipboard(self) -> bool:
        """Whether the session's clipboard is told to this viewer."""
        return messages.may_read_clipboard(self.role, self._policy)

    def send(self, message: dict[str, Any]) -> None:
        """Queue one JSON message."""
        self._outbox.put(messages.dump(message))

    def refuse(self, refusal: Refusal) -> None:
        """Count a refused message, and say why unless that has been said too often."""
        self.refusals += 1
        self._core.count_refusal(refusal.code)
        if self._limit.error(time.monotonic()):
            self.send(refusal.as_json())

    def _written(self, size: int, encoded_at: float | None) -> None:
        self._core.metrics.sent(self.media.inband, size)
        self.media.left(self.media.inband, encoded_at)

    # From the viewer

    def _take_binary(self, raw: bytes) -> None:
        match messages.parse_binary(raw):
            case Refusal() as refusal:
                self.refuse(refusal)
            case messages.Voice() as voice:
                self._hear(voice)
            case messages.Ack() as ack:
                self._take_ack(ack)

    def _hear(self, voice: messages.Voice) -> None:
        now = time.monotonic()
        refusal = messages.permit_voice(self.role, self._policy)
        if refusal is None and not self._limit.kind("microphone", now):
            refusal = Refusal("rate_limited", "Too many packets of sound; this one was dropped.")
        if refusal is None:
            refusal = self._core.microphone.take(self.id, voice, now)
        if refusal is not None:
            self.refuse(refusal)

    def _take_ack(self, ack: messages.Ack) -> None:
        if not self.media.has_sent(ack.frame_id):
            self.refuse(Refusal("bad_message", f"No frame {ack.frame_id} has been sent on this socket.", "frame_id"))
            return
        key: SinkKey = (self.id, self.media.inband)
        arrival = self._core.acknowledge(key, ack.frame_id)
        if arrival is None:
            return
        self._core.trace.seen(self.id, self.media.inband)
        now = time.monotonic()
        self._ack_ms, self._decode_queue = arrival.delay * 1000, ack.decode_queue
        delay, held, fps = arrival.delay, min(ack.held, arrival.delay), self._core.frame_rate(key)
        self._core.limit_bitrate(key, self._steering.sample(delay - held, arrival.bits, now, fps))
        frames = self._window.acknowledged(arrival, held, self._steering.congested, now, fps)
        self._core.set_window(key, frames)

    def _take_text(self, raw: str) -> None:
        now = time.monotonic()
        if not self._limit.message(now):
            self.refuse(Refusal("rate_limited", "Too many messages; some were dropped."))
            return
        message = messages.parse_text(raw, self._clipboard_limit)
        if not isinstance(message, Refusal):
            refusal = messages.permit(message, self.role, self._policy)
            if refusal is None and not self._limit.kind(message.type, now):
                refusal = Refusal("rate_limited", f"Too many {message.type} messages; this one was dropped.")
            if refusal is None:
                self._obey(message)
                return
            message = refusal
        self.refuse(message)

    def _obey(self, message: Message) -> None:
        if isinstance(message, messages.ACTIVITY):
            self._core.sleep.used()
        match message:
            case messages.Pointer() | messages.PointerRelative() | messages.Wheel() | messages.Key():
                self._inject(message)
            case messages.ReleaseKeys():
                self._release_held()
            case messages.Resize():
                if (injector := self._injector()) is not None:
                    # Even, as H.264 4:2:0 has it: otherwise the picture would lack the last column or row.
                    injector.resize(message.width & ~1, message.height & ~1)
            case messages.Clipboard():
                self._core.display.set_clipboard(message.text)
                self._core.share_clipboard(message.text, self)
            case messages.Ping():
                self.send(
                    {
                        "type": "pong",
                        "t": message.t,
                        "frames": self.media.frames,
                        "now": time.monotonic_ns() // 1000,
                        "bitrate": self._core.target_bitrate,
                        "viewers": len(self._core.viewers),
                        "phases": self.media.phases.spreads(),
                    }
                )
            case messages.Report():
                self._core.metrics.report(message, self.media.shown)
                if message.first_picture_ms is not None:
                    self._core.trace.seen(self.id, self.media.shown)
            case messages.ChooseQuality():
                self._core.set_preset(message.preset)
            case messages.RestartApp():
                self._spawn(self._restart_app())
            case _:
                self._obey_media(message)

    def _obey_media(self, message: Message) -> None:
        match message:
            case messages.Start():
                if not self.media.hidden:
                    self._core.sleep.looked_at()
                self.media.start(message.transport, message.audio, message.codecs)
            case messages.Stop():
                self.media.stop(message.transport)
            case messages.Keyframe():
                self.media.ask_keyframe()
            case messages.Visibility():
                self.media.hide(message.hidden)
                if not message.hidden:
                    self._core.sleep.looked_at()
            case messages.RtcOffer():
                self._spawn(self.media.peers.answer(message.sdp))
            case messages.RtcCandidate():
                self._spawn(self.media.peers.add_candidate(message))

    # Input

    def _injector(self) -> InputInjector | None:
        injector = self._core.display.input
        if injector is None:
            self.refuse(Refusal("not_ready", NOT_READY))
        return injector

    def _inject(self, message: messages.Pointer | messages.PointerRelative | messages.Wheel | messages.Key) -> None:
        injector = self._injector()
        if injector is None:
            return
        match message:
            case messages.Pointer():
                self._held.pointer(message.buttons)
                injector.pointer(message.x, message.y, message.buttons)
            case messages.PointerRelative():
                self._held.pointer(message.buttons)
                injector.pointer_relative(message.dx, message.dy, message.buttons)
            case messages.Wheel():
                injector.wheel(message.x, message.y, message.dx, message.dy)
            case messages.Key():
                self._held.key(message.keysym, message.down)
                injector.key(message.keysym, message.down)

    def _release_held(self) -> None:
        injector = self._core.display.input
        for held in self._held.release():
            if injector is not None:
                injector.lift(held)

    async def _restart_app(self) -> None:
        try:
            await self._core.desktop.request("restart_app")
        except DesktopError as error:
            self.refuse(Refusal("not_ready", str(error)))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stats(self) -> dict[str, Any]:
        """Return this viewer's part of `api/v1/stats`."""
        return {
            "viewer": self.id,
            "role": self.role.value,
            **self.media.stats(),
            "bytes": self._outbox.sent_bytes,
            "waiting": self._outbox.waiting,
            "ack_ms": round(self._ack_ms, 1),
            "decode_queue": self._decode_queue,
            "refusals": self.refusals,
        }
