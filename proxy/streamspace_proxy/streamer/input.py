"""Input into the desktop: keyboard, pointer, wheel and screen size, the same way for every transport.

Keys, absolute pointer and size go over RFB (`rfb_client`), the rest over XTEST (`xtest`). Knows nothing of viewers'
messages and roles: whoever calls has checked them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamspace_proxy.streamer import x11
from streamspace_proxy.streamer.keymap import KeymapRoom
from streamspace_proxy.streamer.limits import TokenBucket
from streamspace_proxy.streamer.rfb_client import RfbClient
from streamspace_proxy.streamer.xtest import XTestPointer

logger = logging.getLogger(__name__)

# Protocol mask bit -> X button. RFB's mask ends at X button 8, which TigerVNC 1.12 ignores: 8 and 9 go over XTEST.
X_BUTTONS: Final = {1: 1, 2: 2, 4: 3, 8: 8, 16: 9}
RFB_BUTTONS: Final = 1 | 2 | 4
WHEEL_UP, WHEEL_DOWN, WHEEL_LEFT, WHEEL_RIGHT = 1 << 3, 1 << 4, 1 << 5, 1 << 6
SHIFT_L: Final = 0xFFE1
HANDSHAKE_SECONDS: Final = 5.0
RETRY_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
MAX_COORDINATE: Final = 65535
# New characters need room in the keymap, which must be made in time (`keymap`): so many at once, so many a second.
NEW_KEYSYMS_BURST, NEW_KEYSYMS_PER_SECOND = 12, 200
REMEMBERED_KEYSYMS: Final = 24
MAX_WAITING: Final = 4096
WAIT_SECONDS: Final = 0.01


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
        self._keymap = KeymapRoom(display, xauthority)
        self._known: OrderedDict[int, None] = OrderedDict()
        self._new_keysyms = TokenBucket(NEW_KEYSYMS_PER_SECOND, NEW_KEYSYMS_BURST)
        self._waiting: deque[tuple[int | None, Callable[[], None]]] = deque()

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
        self._keymap.start()
        self._rfb_held = self._xtest_held = 0
        # With the first key of a device X makes that device's keymap everybody's, after the event: were it a new
        # keysym, programs would look it up in the old one.
        for down in (True, False):
            rfb.key(SHIFT_L, down)

    @property
    def connected(self) -> bool:
        """Whether input arrives at present."""
        return self._rfb is not None and self._rfb.connected

    def key(self, keysym: int, down: bool) -> None:
        """Press or release the key with this X11 keysym."""
        self._in_turn(keysym if down else None, lambda: self._key(keysym, down))

    def pointer(self, x: int, y: int, buttons: int) -> None:
        """Move to framebuffer pixel (x, y) with the protocol's button mask."""
        self._in_turn(None, lambda: self._pointer(x, y, buttons))

    def pointer_relative(self, dx: int, dy: int, buttons: int) -> None:
        """Move by (dx, dy) pixels, as under pointer lock, with the protocol's button mask."""
        self._in_turn(None, lambda: self._pointer_relative(dx, dy, buttons))

    def wheel(self, x: int, y: int, dx: int, dy: int) -> None:
        """Turn the wheel at (x, y) by whole steps: positive is right and down."""
        self._in_turn(None, lambda: self._wheel(x, y, dx, dy))

    def lift(self, held: Lift) -> None:
        """Let go of what `HeldInput.release` named."""
        self._in_turn(None, lambda: self._lift(held))

    def _in_turn(self, keysym: int | None, act: Callable[[], None]) -> None:
        """Do it now, or after what waits for room in the keymap; `keysym`: a key that is pressed."""
        if not self._waiting and self._has_room(keysym):
            act()
        elif len(self._waiting) < MAX_WAITING:
            self._waiting.append((keysym, act))
            if len(self._waiting) == 1:
                asyncio.get_running_loop().call_later(WAIT_SECONDS, self._go_on)
        else:
            # Leaving out a release would leave a key held: the end of the connection lifts them all.
            self._waiting.clear()
            if self._rfb is not None:
                self._rfb.close()

    def _go_on(self) -> None:
        while self._waiting and self._has_room(self._waiting[0][0]):
            self._waiting.popleft()[1]()
        if self._waiting:
            asyncio.get_running_loop().call_later(WAIT_SECONDS, self._go_on)

    def _has_room(self, keysym: int | None) -> bool:
        """Whether this keysym can be pressed now: it is in every keymap, was used of late, or there is room for it."""
        if keysym is None or not _needs_keycode(keysym):
            return True
        if keysym not in self._known and not self._new_keysyms.take(time.monotonic()):
            return False
        self._known[keysym] = None
        self._known.move_to_end(keysym)
        if len(self._known) > REMEMBERED_KEYSYMS:
            self._known.popitem(last=False)
        return True

    def _key(self, keysym: int, down: bool) -> None:
        if self._rfb is not None:
            self._rfb.key(keysym, down)

    def _pointer(self, x: int, y: int, buttons: int) -> None:
        self._position = (_coordinate(x), _coordinate(y))
        self._lift_xtest(buttons)
        self._rfb_held = buttons & RFB_BUTTONS & ~self._xtest_held
        self._send_pointer(self._rfb_held)
        self._press_xtest(buttons & ~RFB_BUTTONS)

    def _pointer_relative(self, dx: int, dy: int, buttons: int) -> None:
        if self._xtest is not None and (dx or dy):
            self._xtest.motion(dx, dy)
            self._position = (_coordinate(self._position[0] + dx), _coordinate(self._position[1] + dy))
        self._lift_xtest(buttons)
        if self._rfb_held & ~buttons:
            self._rfb_held &= buttons
            self._send_pointer(self._rfb_held)
        self._press_xtest(buttons & ~self._rfb_held)

    def _wheel(self, x: int, y: int, dx: int, dy: int) -> None:
        self._position = (_coordinate(x), _coordinate(y))
        for steps, backward, forward in ((dy, WHEEL_UP, WHEEL_DOWN), (dx, WHEEL_LEFT, WHEEL_RIGHT)):
            for _ in range(abs(steps)):
                self._send_pointer(self._rfb_held | (forward if steps > 0 else backward))
                self._send_pointer(self._rfb_held)

    def _lift(self, held: Lift) -> None:
        if held.keysym is not None:
            self._key(held.keysym, False)
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
        self._waiting.clear()
        self._keymap.close()
        self._drop_connections()

    def join(self) -> None:
        """Wait until all has ended, after `close`. Blocks: call it off the event loop."""
        self._keymap.join()

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


def _needs_keycode(keysym: int) -> bool:
    """Whether a layout may lack it: neither ASCII nor one of the function and modifier keys (0xfe00 to 0xffff)."""
    return not (0x20 <= keysym < 0x7F or 0xFE00 <= keysym <= 0xFFFF)


def _coordinate(value: int) -> int:
    return max(0, min(MAX_COORDINATE, value))
