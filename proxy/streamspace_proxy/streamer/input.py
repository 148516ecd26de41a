"""Input into the desktop: keyboard, pointer, wheel and screen size, the same way for every transport.

Keys, absolute pointer and size go over RFB (`rfb_client`), the rest over XTEST (`xtest`). Knows nothing of viewers'
messages and roles: whoever calls has checked them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamspace_proxy.streamer import x11
from streamspace_proxy.streamer.rfb_client import RfbClient
from streamspace_proxy.streamer.xtest import XTestPointer

logger = logging.getLogger(__name__)

# Protocol mask bit -> X button. RFB's mask ends at X button 8, which TigerVNC 1.12 ignores: 8 and 9 go over XTEST.
X_BUTTONS: Final = {1: 1, 2: 2, 4: 3, 8: 8, 16: 9}
RFB_BUTTONS: Final = 1 | 2 | 4
WHEEL_UP, WHEEL_DOWN, WHEEL_LEFT, WHEEL_RIGHT = 1 << 3, 1 << 4, 1 << 5, 1 << 6
HANDSHAKE_SECONDS: Final = 5.0
RETRY_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
MAX_COORDINATE: Final = 65535


@dataclass(frozen=True, slots=True)
class Lift:
    """One thing to let go of: a key, or (keysym None) all pointer buttons."""

    keysym: int | None


class HeldInput:
    """What one viewer holds down, so that it can be lifted when the viewer blurs, leaves or loses control."""

    def __init__(self) -> None:
        self._keysyms: dict[int, None] = {}
        self._buttons = 0

    def key(self, keysym: int, down: bool) -> None:
        """Note a key event that was passed on."""
        if down:
            self._keysyms[keysym] = None
        else:
            self._keysyms.pop(keysym, None)

    def pointer(self, buttons: int) -> None:
        """Note the button mask of a pointer event, absolute or relative, that was passed on."""
        self._buttons = buttons

    def release(self) -> Iterator[Lift]:
        """Yield what must be lifted, the key pressed last first; afterwards nothing is held."""
        keysyms, self._keysyms = self._keysyms, {}
        buttons, self._buttons = self._buttons, 0
        for keysym in reversed(keysyms):
            yield Lift(keysym)
        if buttons:
            yield Lift(None)


class InputInjector:
    """Types, points and resizes. Its methods never wait; while the X server is away, input is dropped."""

    def __init__(self, rfb_path: Path, display: str, xauthority: Path) -> None:
        self._rfb_path = rfb_path
        self._display = display
        self._xauthority = xauthority
        self._rfb: RfbClient | None = None
        self._xtest: XTestPointer | None = None
        self._reconnecting: asyncio.Task[None] | None = None
        self._closed = False
        self._position = (0, 0)
        # A button is lifted by the device that pressed it: X counts them for each device.
        self._rfb_held = 0
        self._xtest_held = 0

    async def connect(self) -> None:
        """Connect; afterwards a lost connection is made again by itself. Raises `OSError` when there is no X server."""
        xtest = XTestPointer(await asyncio.to_thread(x11.connect, self._display, self._xauthority))
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                _, rfb = await loop.create_unix_connection(lambda: RfbClient(self._lost), str(self._rfb_path))
                try:
                    await asyncio.shield(rfb.ready)
                    if not rfb.connected:
                        raise ConnectionError("the X server closed the RFB connection")
                except BaseException:
                    rfb.close()
                    raise
        except BaseException:
            xtest.close()
            raise
        if self._closed:
            xtest.close()
            rfb.close()
            return
        self._drop_connections()
        self._rfb, self._xtest = rfb, xtest
        self._rfb_held = self._xtest_held = 0

    @property
    def connected(self) -> bool:
        """Whether input arrives at present."""
        return self._rfb is not None and self._rfb.connected

    def key(self, keysym: int, down: bool) -> None:
        """Press or release the key with this X11 keysym."""
        if self._rfb is not None:
            self._rfb.key(keysym, down)

    def pointer(self, x: int, y: int, buttons: int) -> None:
        """Move to framebuffer pixel (x, y) with the protocol's button mask."""
        self._position = (_coordinate(x), _coordinate(y))
        self._lift_xtest(buttons)
        self._rfb_held = buttons & RFB_BUTTONS & ~self._xtest_held
        self._send_pointer(self._rfb_held)
        self._press_xtest(buttons & ~RFB_BUTTONS)

    def pointer_relative(self, dx: int, dy: int, buttons: int) -> None:
        """Move by (dx, dy) pixels, as under pointer lock, with the protocol's button mask."""
        if self._xtest is not None and (dx or dy):
            self._xtest.motion(dx, dy)
            self._position = (_coordinate(self._position[0] + dx), _coordinate(self._position[1] + dy))
        self._lift_xtest(buttons)
        if self._rfb_held & ~buttons:
            self._rfb_held &= buttons
            self._send_pointer(self._rfb_held)
        self._press_xtest(buttons & ~self._rfb_held)

    def wheel(self, x: int, y: int, dx: int, dy: int) -> None:
        """Turn the wheel at (x, y) by whole steps: positive is right and down."""
        self._position = (_coordinate(x), _coordinate(y))
        for steps, backward, forward in ((dy, WHEEL_UP, WHEEL_DOWN), (dx, WHEEL_LEFT, WHEEL_RIGHT)):
            for _ in range(abs(steps)):
                self._send_pointer(self._rfb_held | (forward if steps > 0 else backward))
                self._send_pointer(self._rfb_held)

    def lift(self, held: Lift) -> None:
        """Let go of what `HeldInput.release` named."""
        if held.keysym is not None:
            self.key(held.keysym, False)
            return
        self._lift_xtest(0)
        if self._rfb_held:
            self._rfb_held = 0
            self._send_pointer(0)

    def resize(self, width: int, height: int) -> None:
        """Ask the X server for a framebuffer of this size in pixels."""
        if self._rfb is not None:
            self._rfb.set_desktop_size(width, height)

    def close(self) -> None:
        """End both connections, for good."""
        self._closed = True
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        self._drop_connections()

    def _send_pointer(self, mask: int) -> None:
        if self._rfb is not None:
            self._rfb.pointer(*self._position, mask)

    def _press_xtest(self, buttons: int) -> None:
        for bit, button in X_BUTTONS.items():
            if buttons & ~self._xtest_held & bit and self._xtest is not None:
                self._xtest.button(button, True)
                self._xtest_held |= bit

    def _lift_xtest(self, still_held: int) -> None:
        for bit, button in X_BUTTONS.items():
            if self._xtest_held & ~still_held & bit and self._xtest is not None:
                self._xtest.button(button, False)
                self._xtest_held &= ~bit

    def _drop_connections(self) -> None:
        rfb, self._rfb = self._rfb, None
        xtest, self._xtest = self._xtest, None
        if rfb is not None:
            rfb.close()
        if xtest is not None:
            xtest.close()

    def _lost(self) -> None:
        if self._closed or self._rfb is None or self._rfb.connected or self._reconnecting is not None:
            return
        self._drop_connections()
        self._reconnecting = asyncio.create_task(self._reconnect())

    async def _reconnect(self) -> None:
        logger.warning("input: the connection to the X server was lost; connecting again")
        attempt = 0
        try:
            while True:
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
                with contextlib.suppress(OSError):
                    await self.connect()
                    return
        finally:
            self._reconnecting = None


def _coordinate(value: int) -> int:
    return max(0, min(MAX_COORDINATE, value))
