"""Looks after the screen as an X client: its colour, when a window comes up, and that the app goes on filling it.

Openbox maximises the app's windows when they appear, but many apps then restore a size that they remember, and some
have a button to minimise, with nothing to bring them back. Knows nothing of processes or apps.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import struct
import time
from collections import deque
from collections.abc import Callable

from streamspace_proxy.desktop import x11

SOCKETS = "\0/tmp/.X11-unix/X"
"""Abstract names, as libxcb tries them first: in that folder, whoever made it can put a socket in another's place."""
RARE_DISPLAYS = range(1000, 59_000)
BACKGROUND = 0x23272E
"""Colour of the bare screen, 0xRRGGBB."""
POKES, POKE_INTERVAL = 100, 0.1
CORRECTIONS, CORRECTION_WINDOW = 20, 2.0
"""An app that undoes every correction wins after so many in so many seconds."""
UNDECORATED = "_OB_WM_STATE_UNDECORATED"
"""Openbox says it of the windows that our rules take the frame from: the app's own, and not its dialogs."""
STATE, ACTIVE = "_NET_WM_STATE", "_NET_ACTIVE_WINDOW"
FULLSCREEN, HIDDEN = "_NET_WM_STATE_FULLSCREEN", "_NET_WM_STATE_HIDDEN"
TALL, WIDE = "_NET_WM_STATE_MAXIMIZED_VERT", "_NET_WM_STATE_MAXIMIZED_HORZ"
MANAGER = "_NET_SUPPORTING_WM_CHECK"
"""Window managers set it on the root window once they manage it (EWMH)."""
ATOMS = (STATE, ACTIVE, MANAGER, UNDECORATED, FULLSCREEN, HIDDEN, TALL, WIDE)
_ADD, _PAGER = 1, 2


def rare_display() -> int:
    """Return a free display number that nobody will have taken when a desktop that sleeps wants it back.

    X servers choose the lowest that is free: two would get the same one after another.
    """
    while True:
        number = RARE_DISPLAYS.start + secrets.randbelow(len(RARE_DISPLAYS))
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.bind(f"{SOCKETS}{number}")
            return number


async def look_after_screen(
    display: str,
    cookie: bytes,
    ready: asyncio.Future[None],
    window_up: Callable[[], None],
    managed: Callable[[], None],
) -> None:
    """Colour the screen, resolve `ready`, and keep the app's windows maximised.

    `window_up` is called for each window that comes up, `managed` when a window manager has taken over.

    Never fails: without this connection the screen is merely plainer. Returns when the X server closes it.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(SOCKETS + display.removeprefix(":"))
        with contextlib.closing(writer):
            screen = Screen(reader, writer, window_up, managed)
            await screen.connect(cookie)
            ready.set_result(None)
            await screen.serve()
    except (OSError, asyncio.IncompleteReadError):
        return
    finally:
        if not ready.done():
            ready.set_result(None)


class Screen:
    """One connection to the X server."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        window_up: Callable[[], None],
        managed: Callable[[], None],
    ) -> None:
        self._reader, self._writer, self._window_up, self._managed = reader, writer, window_up, managed
        self._root = 0
        self._requests = 0
        self._asked: dict[int, int] = {}
        self._corrected: deque[float] = deque(maxlen=CORRECTIONS)
        self._atoms: dict[str, int] = {}

    async def connect(self, cookie: bytes) -> None:
        """Set the connection up and colour the screen; raises ConnectionError when the server refuses us."""
        self._writer.write(x11.setup(cookie))
        head = await self._reader.readexactly(8)
        answer = await self._reader.readexactly(4 * struct.unpack_from("<H", head, 6)[0])
        if head[0] != 1:
            raise ConnectionRefusedError(answer[: head[1]].decode("latin-1"))
        self._root = x11.root_window(answer)
        for name in ATOMS:
            self._send(x11.intern_atom(name))
        for name in ATOMS:  # nothing else is sent before we ask for events
            self._atoms[name] = x11.atom_reply(await self._read())
        self._send(x11.watch_root(self._root, BACKGROUND))
        self._send(x11.clear(self._root))
        await self._writer.drain()

    async def serve(self) -> None:
        """Look after the screen until the server closes the connection."""
        poking = asyncio.create_task(self._poke())
        try:
            while True:
                message = await self._read()
                if message[0] in (x11.REPLY, x11.ERROR):  # error: the window is gone
                    window = self._asked.pop(struct.unpack_from("<H", message, 2)[0], None)
                    if window is not None and message[0] == x11.REPLY:
                        self._correct(window, x11.atoms_reply(message))
                else:
                    self._see(message)
        finally:
            poking.cancel()

    def _see(self, event: bytes) -> None:
        if x11.is_window_up(event, self._root):
            self._window_up()
        if (window := x11.framed_window(event, self._root)) is not None:
            self._send(x11.watch_properties(window))
            self._ask(window)
        elif changed := x11.changed_property(event):
            if changed == (self._root, self._atoms[MANAGER]):
                self._managed()
            elif changed[1] == self._atoms[STATE]:
                self._ask(changed[0])

    def _ask(self, window: int) -> None:
        self._asked[self._send(x11.get_atoms(window, self._atoms[STATE]))] = window

    def _correct(self, window: int, state: set[int]) -> None:
        messages = corrections({name for name, atom in self._atoms.items() if atom in state})
        now = time.monotonic()
        if not messages or (len(self._corrected) == CORRECTIONS and now - self._corrected[0] < CORRECTION_WINDOW):
            return
        self._corrected.append(now)
        for kind, data in messages:
            numbers = [self._atoms[item] if isinstance(item, str) else item for item in data]
            self._send(x11.root_message(self._root, window, self._atoms[kind], *numbers))

    async def _poke(self) -> None:
        """Wake the window manager again and again while it starts.

        Openbox 3.6 does not look at what came in while it started before the next event comes: a window mapped in
        these milliseconds would stay invisible until somebody moved the pointer.
        """
        for _ in range(POKES):
            await asyncio.sleep(POKE_INTERVAL)
            self._send(x11.poke(self._root))

    def _send(self, request: bytes) -> int:
        """Send a request; returns its sequence number as answers carry it."""
        self._writer.write(request)
        self._requests = (self._requests + 1) & 0xFFFF
        return self._requests

    async def _read(self) -> bytes:
        """Read the next error, reply or event."""
        message = await self._reader.readexactly(32)
        if message[0] == x11.REPLY:
            message += await self._reader.readexactly(4 * struct.unpack_from("<I", message, 4)[0])
        return message


def corrections(state: set[str]) -> list[tuple[str, tuple[str | int, ...]]]:
    """Say what to ask the window manager so that a window of this state fills the screen: message and its data.

    EWMH 1.5: `_NET_WM_STATE` and `_NET_ACTIVE_WINDOW`, sent as a pager does on behalf of the user.
    """
    if UNDECORATED not in state:
        return []
    messages: list[tuple[str, tuple[str | int, ...]]] = []
    if HIDDEN in state:
        messages.append((ACTIVE, (_PAGER,)))
    if FULLSCREEN not in state and not {TALL, WIDE} <= state:
        messages.append((STATE, (_ADD, TALL, WIDE, _PAGER)))
    return messages
