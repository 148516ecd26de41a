"""The clipboard bridge with a real X server; xclip is the other program."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import xcffib
import xcffib.xproto
from streamspace_proxy.streamer import x11
from streamspace_proxy.streamer.clipboard import ClipboardBridge

from tests.support.waiting import PATIENCE
from tests.support.xserver import XServer, x_server

pytestmark = pytest.mark.x11
LIMIT = 1_048_576


@pytest.fixture
def server() -> Iterator[XServer]:
    with x_server() as server:
        yield server


class Heard:
    """What the bridge has told."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.too_large = 0

    def text(self, text: str) -> None:
        asyncio.get_running_loop()  # raises outside the event loop's thread
        self.texts.append(text)

    def refuse(self) -> None:
        self.too_large += 1

    async def wait(self, count: int, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while len(self.texts) < count and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert len(self.texts) >= count


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def bridge(server: XServer, heard: Heard) -> AsyncIterator[ClipboardBridge]:
    bridge = ClipboardBridge(server.display, server.xauthority, LIMIT, heard.text, heard.refuse)
    bridge.start()
    await asyncio.sleep(0.3)
    yield bridge
    bridge.close()


def copy(server: XServer, data: bytes, *arguments: str) -> None:
    """Copy as a program of the session would; xclip stays behind as the owner."""
    client = server.start("xclip", "-selection", "clipboard", "-quiet", *arguments, stdin=subprocess.PIPE)
    assert client.stdin is not None
    client.stdin.write(data)
    client.stdin.close()


async def paste(server: XServer, target: str = "UTF8_STRING", selection: str = "clipboard") -> bytes:
    process = await asyncio.create_subprocess_exec(
        "xclip", "-selection", selection, "-o", "-t", target,
        env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors
    return output


async def paste_when(server: XServer, expected: bytes, **options: str) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if await paste(server, **options) == expected:
                return
        except AssertionError:
            await asyncio.sleep(0.05)
    assert await paste(server, **options) == expected


async def test_a_copied_text_is_reported(server: XServer, bridge: ClipboardBridge, heard: Heard) -> None:
    copy(server, "Grüße, 世界 €".encode())
    await heard.wait(1)
    assert heard.texts == ["Grüße, 世界 €"]
    copy(server, b"second")
    await heard.wait(2)
    copy(server, b"second")
    await heard.wait(3)
    assert heard.texts[1:] == ["second", "second"]


async def test_a_long_text_comes_in_increments(server: XServer, bridge: ClipboardBridge, heard: Heard) -> None:
    text = "0123456789abcdé\n" * 60_000
    copy(server, text.encode())
    await heard.wait(1)
    assert heard.texts == [text]


@pytest.mark.parametrize("size", [LIMIT + 1, 12 * LIMIT])
async def test_a_text_beyond_the_limit_is_refused_and_the_next_one_arrives(
    server: XServer, bridge: ClipboardBridge, heard: Heard, size: int
) -> None:
    copy(server, b"x" * size)
    deadline = time.monotonic() + 10
    while not heard.too_large and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    copy(server, b"small")
    await heard.wait(1)
    assert (heard.texts, heard.too_large) == (["small"], 1)


async def test_a_text_of_exactly_the_limit_is_accepted(server: XServer, bridge: ClipboardBridge, heard: Heard) -> None:
    copy(server, b"x" * LIMIT)
    await heard.wait(1)
    assert len(heard.texts[0]) == LIMIT


@pytest.mark.parametrize("selection", ["clipboard", "primary"])
async def test_a_viewers_text_can_be_pasted(server: XServer, bridge: ClipboardBridge, selection: str) -> None:
    bridge.set_text("żółć €5")
    await paste_when(server, "żółć €5".encode(), selection=selection)
    for target in ("text/plain;charset=utf-8", "text/plain", "TEXT"):
        assert await paste(server, target, selection) == "żółć €5".encode()
    assert await paste(server, "STRING", selection) == "?ó?? ?5".encode("latin-1")
    targets = (await paste(server, "TARGETS", selection)).decode().split()
    assert {"TARGETS", "UTF8_STRING", "STRING", "text/plain;charset=utf-8"} <= set(targets)


async def test_a_viewers_long_text_goes_out_in_increments(server: XServer, bridge: ClipboardBridge) -> None:
    text = "ä" * (LIMIT // 2)
    bridge.set_text(text)
    await paste_when(server, text.encode())
    first, second = await asyncio.gather(paste(server), paste(server))
    assert first == second == text.encode()


async def test_an_unknown_target_is_refused(server: XServer, bridge: ClipboardBridge) -> None:
    bridge.set_text("text")
    await paste_when(server, b"text")
    with pytest.raises(AssertionError):
        await paste(server, "image/png")


async def test_a_viewers_text_is_not_echoed_even_by_a_clipboard_manager(
    server: XServer, bridge: ClipboardBridge, heard: Heard
) -> None:
    bridge.set_text("from the viewer")
    await paste_when(server, b"from the viewer")
    copy(server, b"from the viewer")  # what a clipboard manager does
    await asyncio.sleep(0.5)
    assert heard.texts == []
    copy(server, b"from a program")
    await heard.wait(1)
    copy(server, b"from the viewer")
    await heard.wait(2)
    assert heard.texts == ["from a program", "from the viewer"]


async def test_a_picture_in_the_clipboard_is_no_text(server: XServer, bridge: ClipboardBridge, heard: Heard) -> None:
    copy(server, b"\x89PNG", "-t", "image/png")
    await asyncio.sleep(0.5)
    copy(server, b"text")
    await heard.wait(1)
    assert heard.texts == ["text"]


async def test_an_owner_that_never_answers_does_not_block_the_next(
    server: XServer, bridge: ClipboardBridge, heard: Heard
) -> None:
    mute = x11.connect(server.display, server.xauthority)
    window = mute.generate_id()
    root = mute.get_setup().roots[0].root
    mute.core.CreateWindow(0, window, root, 0, 0, 1, 1, 0, xcffib.xproto.WindowClass.InputOnly, 0, 0, [])
    clipboard = mute.core.InternAtom(False, 9, "CLIPBOARD").reply().atom
    mute.core.SetSelectionOwner(window, clipboard, xcffib.CurrentTime, is_checked=True).check()
    await asyncio.sleep(0.3)
    copy(server, b"after")
    await heard.wait(1)
    mute.disconnect()
    assert heard.texts == ["after"]


async def test_the_text_survives_a_lost_connection_to_the_x_server(
    server: XServer, bridge: ClipboardBridge, heard: Heard
) -> None:
    bridge.set_text("mine")
    await paste_when(server, b"mine")
    server.output("xkill", "-display", server.display, "-id", str(bridge._window))
    await paste_when(server, b"mine")
    copy(server, b"again")
    await heard.wait(1)
    bridge.set_text("there")
    await paste_when(server, b"there")


async def test_closing_ends_the_thread(server: XServer, bridge: ClipboardBridge) -> None:
    bridge.close()
    await asyncio.to_thread(bridge._thread.join, 2)
    assert not bridge._thread.is_alive()
