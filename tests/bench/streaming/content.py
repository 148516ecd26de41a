"""What is on the screen while streaming is measured: an X client of the bench's own, the same under every X server.

`python -m tests.bench.streaming.content KIND WIDTHxHEIGHT`, with DISPLAY set, once the screen has (or will have) that
size. It covers the screen without asking the window manager, prints `ready` when it is drawn, and runs until it is
ended. Along the bottom lie what the page is watched by: a probe that changes between black and white at each press of
a mouse button, and a bar code that counts the frames of `motion`. It must not know who streams it, or how.
"""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xcffib
import xcffib.xproto as xp

KINDS = ("static", "terminal", "motion")
FPS = 60
LINES_PER_SECOND = 30
"""Terminal scrolling: what a compiler prints, not what `yes` does."""
STRIP = 96
CELL, BITS = 24, 10
BANDS = 12
SCREEN_LIMIT = 15.0


@dataclass(frozen=True)
class Layout:
    """Where things are on a screen of this size, in framebuffer pixels."""

    width: int
    height: int

    @property
    def middle(self) -> tuple[int, int]:
        """Of the probe."""
        return self.width // 2, self.height - STRIP // 2

    @property
    def probe(self) -> tuple[int, int]:
        """The pixel that is looked at."""
        return self.middle[0] - 20, self.middle[1] - 20

    @property
    def target(self) -> tuple[int, int]:
        """Where it is clicked: some pictures have the pointer in them, which must not cover what is looked at."""
        return self.middle[0] + 20, self.middle[1] + 20

    @property
    def code(self) -> list[tuple[int, int]]:
        """Middles of the bar code's cells, lowest bit first."""
        left, top = self.width // 2 + STRIP, self.height - STRIP // 2
        return [(left + CELL * bit + CELL // 2, top) for bit in range(BITS)]


class Screen:
    """Windows over the whole screen, and drawing in them."""

    def __init__(self, layout: Layout) -> None:
        self.connection = xcffib.connect()
        self.core = self.connection.core
        self.layout = layout
        self.setup = self.connection.get_setup().roots[0]
        self._wait_for_size()
        self.white, self.black = self.setup.white_pixel, self.setup.black_pixel
        self.window = self._window(self.setup.root, (0, 0, layout.width, layout.height), 0x203040)
        x, y = layout.middle
        self.probe = self._window(self.window, (x - 40, y - 40, 80, 80), self.black, xp.EventMask.ButtonPress)
        self.lit = False
        self.gc = self.connection.generate_id()
        self.core.CreateGC(self.gc, self.window, xp.GC.GraphicsExposures, [0])

    def show(self) -> None:
        self.core.MapSubwindows(self.window)
        self.core.MapWindow(self.window)
        self.core.ConfigureWindow(self.window, xp.ConfigWindow.StackMode, [xp.StackMode.Above])
        self.sync()

    def sync(self) -> None:
        """Wait until the X server has done all that it was asked: frames never pile up in its socket."""
        self.core.GetInputFocus().reply()

    def press(self) -> None:
        """Handle what has come: each press turns the probe's colour over."""
        while (event := self.connection.poll_for_event()) is not None:
            if isinstance(event, xp.ButtonPressEvent):
                self.lit = not self.lit
                self.core.ChangeWindowAttributes(self.probe, xp.CW.BackPixel, [self.white if self.lit else self.black])
                self.core.ClearArea(0, self.probe, 0, 0, 0, 0)
                self.connection.flush()

    def texture(self) -> int:
        """A pixmap, larger than the screen, with what a camera sees: soft shapes, hard edges and some noise."""
        width, height = self.layout.width + 256, self.layout.height + 256
        rng = np.random.default_rng(1)
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        red = 128 + 90 * np.sin(x / 61 + np.sin(y / 97) * 2)
        green = 128 + 90 * np.sin(y / 47 + np.sin(x / 83) * 2)
        blue = 128 + 60 * np.sin((x + y) / 71) + 40 * ((x // 64 + y // 64) % 2)
        image = np.stack([blue, green, red, np.zeros_like(x)], axis=-1)
        image[..., :3] += rng.normal(0, 3, (height, width, 1))
        pixels = np.clip(image, 0, 255).astype(np.uint8)
        pixmap: int = self.connection.generate_id()
        self.core.CreatePixmap(self.setup.root_depth, pixmap, self.window, width, height)
        rows = 200_000 // (width * 4)
        for top in range(0, height, rows):
            part = pixels[top : top + rows]
            self.core.PutImage(
                xp.ImageFormat.ZPixmap, pixmap, self.gc, width, len(part), 0, top, 0,
                self.setup.root_depth, part.nbytes, part.tobytes(),
            )  # fmt: skip
            self.sync()
        return pixmap

    def draw(self, pixmap: int, frame: int) -> None:
        """One frame: bands of the texture, each moving its own way, and the frame's number."""
        height = (self.layout.height - STRIP) // BANDS + 1
        for band in range(BANDS):
            top = band * height
            shift = frame * (1 + band % 5)
            x = triangle(shift, 256)
            y = triangle(shift // 2 + band * 40, 256)
            size = min(height, self.layout.height - STRIP - top)
            self.core.CopyArea(pixmap, self.window, self.gc, x, top + y, 0, top, self.layout.width, size)
        self.number(frame)

    def number(self, number: int) -> None:
        """Draw the bar code."""
        for pixel, wanted in ((self.black, 0), (self.white, 1)):
            cells = [
                xp.RECTANGLE.synthetic(x - CELL // 2, y - CELL // 2, CELL, CELL)
                for bit, (x, y) in enumerate(self.layout.code)
                if number >> bit & 1 == wanted
            ]
            self.core.ChangeGC(self.gc, xp.GC.Foreground, [pixel])
            self.core.PolyFillRectangle(self.window, self.gc, len(cells), cells)
        self.sync()

    def _window(self, parent: int, place: tuple[int, int, int, int], pixel: int, events: int = 0) -> int:
        window: int = self.connection.generate_id()
        # Override-redirect: the same place and size under every window manager, and without one.
        self.core.CreateWindow(
            self.setup.root_depth, window, parent, *place, 0, xp.WindowClass.InputOutput,
            self.setup.root_visual, xp.CW.BackPixel | xp.CW.OverrideRedirect | xp.CW.EventMask, [pixel, 1, events],
        )  # fmt: skip
        return window

    def _wait_for_size(self) -> None:
        wanted = (self.layout.width, self.layout.height)
        deadline = time.monotonic() + SCREEN_LIMIT
        while (size := self._size()) != wanted:
            if time.monotonic() > deadline:
                sys.exit(f"the screen has {size[0]}x{size[1]} pixels, not {wanted[0]}x{wanted[1]}")
            time.sleep(0.05)

    def _size(self) -> tuple[int, int]:
        geometry = self.core.GetGeometry(self.setup.root).reply()
        return geometry.width, geometry.height


def triangle(value: int, period: int) -> int:
    """Up to `period` - 1 and down again."""
    value %= 2 * period - 2
    return min(value, 2 * period - 2 - value)


def wait_for_events(screen: Screen) -> Iterator[None]:
    """Each time that something has come from the X server."""
    while True:
        select.select([screen.connection.get_file_descriptor()], [], [])
        yield


def static(screen: Screen) -> None:
    screen.core.CopyArea(
        screen.texture(), screen.window, screen.gc, 0, 0, 0, 0, screen.layout.width, screen.layout.height - STRIP
    )
    screen.number((1 << BITS) - 1)
    ready()
    for _ in wait_for_events(screen):
        screen.press()


def terminal(screen: Screen) -> None:
    """A real xterm in the window, fed with lines."""
    columns, rows = screen.layout.width // 6, (screen.layout.height - STRIP) // 13
    feed = [sys.executable, "-m", "tests.bench.streaming.content", "feed"]
    process = subprocess.Popen(
        ["xterm", "-into", str(screen.window), "-fn", "fixed", "-b", "0", "-bw", "0", "+sb",
         "-bg", "black", "-fg", "grey80", "-geometry", f"{columns}x{rows}", "-e", *feed],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        time.sleep(1)
        ready()
        for _ in wait_for_events(screen):
            screen.press()
    finally:
        process.terminate()
        process.wait()


def feed() -> None:
    """Lines as a build prints them, at a steady rate."""
    rng = random.Random(1)
    due = time.monotonic()
    for number in range(1 << 30):
        words = " ".join(rng.choice(("gcc", "-O2", "src/module.c", "warning:", "unused", "[ok]")) for _ in range(14))
        print(f"\33[3{number % 7 + 1}m{number:06} {words}", flush=True)
        due += 1 / LINES_PER_SECOND
        time.sleep(max(0, due - time.monotonic()))


def motion(screen: Screen) -> None:
    pixmap = screen.texture()
    begun = time.monotonic()
    for frame in range(1 << 30):
        screen.draw(pixmap, frame % (1 << BITS))
        if frame == 0:
            ready()
        screen.press()
        time.sleep(max(0, begun + (frame + 1) / FPS - time.monotonic()))
        late = time.monotonic() - begun - (frame + 1) / FPS
        if late > 1 / FPS:
            begun += late  # a frame that could not be drawn in time is left out, not made up for


def ready() -> None:
    print("ready", flush=True)


def main() -> None:
    kind = sys.argv[1]
    if kind == "feed":
        feed()
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    width, height = map(int, sys.argv[2].split("x"))
    screen = Screen(Layout(width, height))
    screen.show()
    {"static": static, "terminal": terminal, "motion": motion}[kind](screen)


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, xcffib.ConnectionException):
        os._exit(0)
