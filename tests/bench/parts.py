"""What single parts take: metrics, event loop, input client, a display taken again, a hidden tab, crisp text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import psutil
from streamspace_proxy.streamer.frames import EncodedFrame, Timings
from streamspace_proxy.streamer.input import InputInjector
from streamspace_proxy.streamer.metrics import Metrics, Snapshot

from streamspace_hub.model import Role
from tests.bench.processes import cpu_seconds
from tests.bench.report import Figure
from tests.support.crispness import CRISP_DB, crispness_of_text
from tests.support.hub import temp_hub
from tests.support.own_streamer import KEY, OwnStreamer
from tests.support.steps import WATCHED, Steps, steps
from tests.support.streamer import running_streamer
from tests.support.waiting import PATIENCE
from tests.support.xserver import x_server

SESSIONS = 10
FRAMES, SCRAPES = 20_000, 100
WATCH = 10.0
RELEASES, PAGES = 20, 20


def measure() -> Iterator[Figure]:
    """One after the other; each takes some seconds."""
    yield from _metrics()
    yield from _event_loop()
    yield from asyncio.run(_input_client())
    yield from asyncio.run(_display_again())
    yield from asyncio.run(_hidden_tab())
    for geometry in ("1280x720", "1920x1080"):
        found = asyncio.run(crispness_of_text(geometry, PAGES))
        conditions = {"size": geometry, "text": "black on white", "crisp": f"{CRISP_DB:g} dB"}
        # What never became crisp is no shorter a time for that.
        samples = [PATIENCE if one.seconds is None else one.seconds for one in found]
        yield Figure("text crisp after its last change", "streamspace", "s", samples=samples, conditions=conditions)


def _metrics() -> Iterator[Figure]:
    metrics = Metrics()
    frame = EncodedFrame(b"x" * 100, True, 1, 0, 2, 2, Timings(0.003, 0.001, 0.007, 0))
    started = time.process_time()
    for _ in range(FRAMES):
        metrics.frame(frame)
        metrics.queued("websocket", 0)
        metrics.sent("websocket", 100)
    taken = (time.process_time() - started) / FRAMES
    yield Figure("metrics of one frame: processor time", "streamspace", "us", value=1e6 * taken)
    snapshot = Snapshot(60, 4e6, 8e6, dict.fromkeys(Role, 1), {"websocket": 2})
    started = time.process_time()
    for _ in range(SCRAPES):
        metrics.render(snapshot)
    taken = (time.process_time() - started) / SCRAPES
    yield Figure("metrics scrape: processor time", "streamspace", "ms", value=1e3 * taken)


def _event_loop() -> Iterator[Figure]:
    seen = asyncio.run(_steps())
    for call in sorted({step.call for step in seen}):
        for clock in ("cpu", "wall"):
            samples = [1e3 * getattr(step, clock) for step in seen if step.call == call]
            conditions = {"call": call, "clock": clock}
            yield Figure("hub's event loop: longest step", "streamspace", "ms", samples=samples, conditions=conditions)


async def _steps() -> list[Steps]:
    async with temp_hub(extra=WATCHED) as hub:
        for _ in range(SESSIONS):
            async with hub.session(hub.users[0]):
                pass
        return steps(hub)


async def _input_client() -> list[Figure]:
    """The X server compares pictures for RFB clients that ask for them; the streamer's input client must not."""
    with x_server() as server:
        server.start("xterm", "-geometry", "100x40+0+0", "-e", "sh", "-c", "while :; do date +%N; sleep 0.005; done")
        await asyncio.sleep(2)
        process = psutil.Process(server.process.pid)
        injector = InputInjector(server.rfb_path, server.display, server.xauthority)
        await injector.connect()
        connected = await _share(process)
        injector.close()
        await asyncio.sleep(0.5)
        alone = await _share(process)
    return [
        Figure("X server CPU on a busy screen", variant, "% of a core", value=value)
        for variant, value in (("alone", alone), ("with the streamer's input client", connected))
    ]


async def _display_again() -> list[Figure]:
    """After sleep the display is let go of and taken again: how long until the first frame."""
    with x_server(geometry="1920x1080") as server:
        server.start("xterm", "-fa", "Monospace", "-geometry", "80x24+50+50", "-e", "sh", "-c", "ls -l /; sleep 1000")
        streamer = OwnStreamer(server)
        display = streamer.core.display
        task = display.start()
        try:
            streamer.core.open_sink(KEY, acknowledges=True, hidden=False)
            display.follow(server.display)
            await streamer.frame(0)
            samples = []
            for _ in range(RELEASES):
                await asyncio.sleep(0.3)
                await display.release()
                samples.append(1000 * await streamer.taken_again(server))
        finally:
            streamer.core.close_sink(KEY)
            await display.close()
            task.cancel()
    conditions = {"size": "1920x1080"}
    return [Figure("display taken again, to the first frame", "streamspace", "ms", None, samples, conditions)]


async def _hidden_tab() -> list[Figure]:
    """What the streamer does for a page that is shown, hidden, and gone, while the screen is busy. Without sound."""
    figures = []
    async with running_streamer("1280x720") as running:
        running.x.start("xterm", "-geometry", "100x40+0+0", "-e", "sh", "-c", "while :; do date +%N; sleep 0.005; done")
        process = psutil.Process(running.process.pid)
        viewer = await running.viewer()
        await viewer.start()
        for name, hidden in (("shown", False), ("hidden", True)):
            await viewer.send("visibility", hidden=hidden)
            await asyncio.sleep(2)
            share = await _share(process)
            figures.append(_tab(name, share))
        await viewer.ws.close()
        await asyncio.sleep(2)
        figures.append(_tab("closed", await _share(process)))
    return figures


def _tab(state: str, share: float) -> Figure:
    conditions = {"content": "terminal", "size": "1280x720", "tab": state}
    return Figure("streamer CPU for a tab", "streamspace", "% of a core", share, conditions=conditions)


async def _share(process: psutil.Process) -> float:
    before = cpu_seconds([process])
    await asyncio.sleep(WATCH)
    return (cpu_seconds([process]) - before) / WATCH * 100
