"""Input through a real Xtigervnc: what X clients see of it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import xcffib
import xcffib.xproto
from streamspace_proxy.streamer import x11
from streamspace_proxy.streamer.input import HeldInput, InputInjector

from tests.support.waiting import PATIENCE, eventually
from tests.support.xserver import XServer, x_server

pytestmark = pytest.mark.x11

EVENT_MASK = (
    xcffib.xproto.EventMask.KeyPress
    | xcffib.xproto.EventMask.KeyRelease
    | xcffib.xproto.EventMask.ButtonPress
    | xcffib.xproto.EventMask.ButtonRelease
    | xcffib.xproto.EventMask.PointerMotion
)


@pytest.fixture
def server() -> Iterator[XServer]:
    with x_server() as server:
        yield server


@pytest.fixture
async def injector(server: XServer) -> AsyncIterator[InputInjector]:
    injector = InputInjector(server.rfb_path, server.display, server.xauthority)
    await injector.connect()
    yield injector
    injector.close()


class Watcher:
    """A window over the whole screen that notes the pointer and key events that it gets."""

    def __init__(self, server: XServer) -> None:
        self.connection = x11.connect(server.display, server.xauthority)
        core = self.connection.core
        self.root = self.connection.get_setup().roots[0].root
        self.window = self.connection.generate_id()
        core.CreateWindow(
            0, self.window, self.root, 0, 0, 3000, 3000, 0, xcffib.xproto.WindowClass.InputOnly, 0,
            xcffib.xproto.CW.OverrideRedirect | xcffib.xproto.CW.EventMask, [1, EVENT_MASK],
        )  # fmt: skip
        core.MapWindow(self.window)
        core.SetInputFocus(
            xcffib.xproto.InputFocus.PointerRoot, self.window, xcffib.CurrentTime, is_checked=True
        ).check()
        self.events: list[tuple[str, int]] = []

    def pointer(self) -> tuple[int, int, int]:
        reply = self.connection.core.QueryPointer(self.root).reply()
        return reply.root_x, reply.root_y, reply.mask

    async def wait(self, expected: list[tuple[str, int]], seconds: float = PATIENCE) -> None:
        """Wait until exactly `expected` (motion left out) has arrived."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            while (event := self.connection.poll_for_event()) is not None:
                name = type(event).__name__.removesuffix("Event")
                if name in ("KeyPress", "KeyRelease", "ButtonPress", "ButtonRelease"):
                    self.events.append((name, event.detail))
            if self.events == expected:
                return
            await asyncio.sleep(0.01)
        assert self.events == expected

    async def wait_pointer(self, x: int, y: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.pointer()[:2] != (x, y) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert self.pointer()[:2] == (x, y)


@pytest.fixture
def watcher(server: XServer) -> Iterator[Watcher]:
    watcher = Watcher(server)
    yield watcher
    watcher.connection.disconnect()


def press(*buttons: int) -> list[tuple[str, int]]:
    return [event for button in buttons for event in (("ButtonPress", button), ("ButtonRelease", button))]


async def type_text(injector: InputInjector, text: str) -> None:
    for character in text:
        keysym = 0xFF0D if character == "\n" else ord(character)
        if keysym > 0xFF and character != "\n":
            keysym |= 0x1000000
        injector.key(keysym, True)
        injector.key(keysym, False)
        await asyncio.sleep(0.01)


async def test_every_button_reaches_the_x_server_as_the_protocol_names_it(
    injector: InputInjector, watcher: Watcher
) -> None:
    for mask in (1, 2, 4, 8, 16):
        injector.pointer(50, 60, mask)
        await asyncio.sleep(0.05)  # two sockets: their order is only that of arrival
        injector.pointer(50, 60, 0)
        await asyncio.sleep(0.05)
    await watcher.wait(press(1, 2, 3, 8, 9))
    assert watcher.pointer()[:2] == (50, 60)


async def test_wheel_steps_are_buttons_4_to_7_and_keep_a_held_button(injector: InputInjector, watcher: Watcher) -> None:
    injector.wheel(10, 10, 0, -2)
    injector.wheel(10, 10, 0, 1)
    injector.wheel(10, 10, -1, 0)
    injector.wheel(10, 10, 1, 0)
    injector.pointer(10, 10, 1)
    injector.wheel(10, 10, 0, 1)
    injector.pointer(10, 10, 0)
    await watcher.wait([*press(4, 4, 5, 6, 7), ("ButtonPress", 1), *press(5), ("ButtonRelease", 1)])


async def test_relative_motion_moves_by_exactly_the_given_pixels(injector: InputInjector, watcher: Watcher) -> None:
    injector.pointer(100, 100, 0)
    await watcher.wait_pointer(100, 100)
    injector.pointer_relative(50, -30, 0)
    await watcher.wait_pointer(150, 70)
    injector.pointer_relative(-7, 3, 0)
    await watcher.wait_pointer(143, 73)


async def test_a_button_pressed_before_pointer_lock_is_released_during_it(
    injector: InputInjector, watcher: Watcher
) -> None:
    injector.pointer(100, 100, 1)
    await watcher.wait([("ButtonPress", 1)])
    injector.pointer_relative(5, 5, 1)
    await watcher.wait_pointer(105, 105)
    injector.pointer_relative(0, 0, 0)
    await watcher.wait(press(1))
    assert watcher.pointer()[:2] == (105, 105)
    injector.pointer_relative(0, 0, 4)
    await watcher.wait([*press(1), ("ButtonPress", 3)])
    injector.pointer(10, 10, 0)
    await watcher.wait(press(1, 3))


async def test_lifting_held_input_releases_keys_and_buttons(injector: InputInjector, watcher: Watcher) -> None:
    held = HeldInput()
    injector.pointer(20, 20, 1)
    held.pointer(1)
    injector.key(0xFFE1, True)
    held.key(0xFFE1, True)
    await asyncio.sleep(0.2)
    for lift in held.release():
        injector.lift(lift)
    shift = 50
    await watcher.wait([("ButtonPress", 1), ("KeyPress", shift), ("KeyRelease", shift), ("ButtonRelease", 1)])
    assert watcher.pointer()[2] == 0


async def test_resize_changes_the_root_window(server: XServer, injector: InputInjector) -> None:
    for size in ((1024, 700), (333, 217), (1920, 1080)):
        injector.resize(*size)
        wanted = "{}x{}".format(*size)
        deadline = time.monotonic() + PATIENCE
        while wanted not in (geometry := server.output("xdpyinfo")) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert f"dimensions:    {wanted} pixels" in geometry


@pytest.mark.parametrize("layout", ["us", "de", "ru", "gr"])
async def test_text_of_any_script_arrives_whatever_the_layout(
    server: XServer, injector: InputInjector, layout: str
) -> None:
    server.output("setxkbmap", layout)
    typed = server.folder / "typed"
    server.start("xterm", "-u8", "-geometry", "80x24+0+0", "-e", "sh", "-c", f"cat > {typed}")
    await asyncio.to_thread(eventually, typed.exists, "xterm")
    injector.pointer(100, 100, 0)
    await asyncio.sleep(0.5)
    text = "Hello, World! 123 @#{}\nпривет Ж\nΓειά ω\nnaïve café €5\n日本語\nß|~\\\n"
    await type_text(injector, text)
    deadline = time.monotonic() + 10
    while typed.read_text() != text and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    assert typed.read_text() == text


async def test_hundreds_of_characters_that_no_layout_has_arrive(server: XServer, injector: InputInjector) -> None:
    """As an input method commits them: all at once, far more than the keymap has free keycodes."""
    typed = server.folder / "typed"
    server.start("xterm", "-u8", "-geometry", "80x24+0+0", "-e", "sh", "-c", f"cat > {typed}")
    await asyncio.to_thread(eventually, typed.exists, "xterm")
    injector.pointer(100, 100, 0)
    await asyncio.sleep(0.5)
    alphabet = "".join(chr(0x0430 + number) + chr(0x0410 + number) for number in range(32))
    lines = [
        alphabet,
        *("".join(chr(0x4E00 + 60 * line + number) for number in range(60)) for line in range(4)),
        alphabet,
    ]
    for line in lines:
        for character in line + "\n":
            keysym = 0xFF0D if character == "\n" else 0x1000000 | ord(character)
            injector.key(keysym, True)
            injector.key(keysym, False)
    text = "".join(line + "\n" for line in lines)
    deadline = time.monotonic() + 20
    while typed.read_text() != text and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    assert typed.read_text() == text


async def test_keys_come_and_go_after_the_x_server_has_closed_the_connection(
    server: XServer, injector: InputInjector, watcher: Watcher
) -> None:
    injector.key(0x61, True)
    await watcher.wait([("KeyPress", 38)])
    # A non-shared RFB client makes the server end all others (RFC 6143 section 7.3.1).
    reader, writer = await asyncio.open_unix_connection(str(server.rfb_path))
    await reader.readexactly(12)
    writer.write(b"RFB 003.008\n")
    await reader.readexactly(2)
    writer.write(b"\1")
    await reader.readexactly(4)
    writer.write(b"\0")
    await watcher.wait([("KeyPress", 38), ("KeyRelease", 38)])  # the server lifts what the lost client held
    writer.close()
    await asyncio.sleep(0.05)
    deadline = time.monotonic() + PATIENCE
    while not injector.connected and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    injector.key(0x62, True)
    # 50 is the Shift that each new connection begins with
    await watcher.wait([("KeyPress", 38), ("KeyRelease", 38), ("KeyPress", 50), ("KeyRelease", 50), ("KeyPress", 56)])


async def test_a_stopped_x_server_does_not_stop_the_loop_and_input_returns(
    server: XServer, injector: InputInjector, watcher: Watcher
) -> None:
    os.kill(server.process.pid, signal.SIGSTOP)
    for step in range(50_000):
        injector.pointer(step % 800, 5, 0)
        injector.pointer_relative(1, 0, 0)
    await asyncio.sleep(0.1)
    os.kill(server.process.pid, signal.SIGCONT)
    deadline = time.monotonic() + 10
    while not injector.connected and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    injector.pointer(321, 123, 0)
    await watcher.wait_pointer(321, 123)


async def test_connecting_without_an_x_server_raises_a_sentence(tmp_path: Path) -> None:
    injector = InputInjector(tmp_path / "rfb.sock", ":987", tmp_path / "Xauthority")
    with pytest.raises(OSError, match=re.escape("the X server :987 cannot be reached")):
        await injector.connect()


async def test_a_cookie_with_a_colon_in_it_is_accepted() -> None:
    with x_server(cookie=b"0123456:89:bcdef") as server:
        connection = x11.connect(server.display, server.xauthority)
        connection.disconnect()
