"""StreamSpace by itself: browser -> streamer, on a transport that is forced. No hub, no Jupyter server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from streamspace_hub.demo.settings import free_port
from tests.bench.processes import session_processes
from tests.bench.streaming.running import ended, session
from tests.bench.streaming.variant import Size, Target, Variant
from tests.support.running import PYTHONPATH, ROOT

TRANSPORTS = ("websocket", "webrtc", "rfb")


@contextmanager
def start(transport: str, size: Size) -> Iterator[Target]:
    """Run a session whose app does nothing, with a front door that adds next to nothing."""
    with session("sleep", "100000") as running:
        port = free_port()
        front = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.streaming.front", running.runtime_dir / "streamer.sock", str(port)],
            cwd=ROOT,
            env={"PYTHONPATH": PYTHONPATH},
        )
        with ended(front, port):
            yield Target(
                url=f"http://127.0.0.1:{port}/?transport={transport}",
                display=lambda: running.display,
                parts=lambda: session_processes(running.process.pid),
                viewer_socket=f"http://127.0.0.1:{port}/ws" if transport == "websocket" else "",
            )


VARIANTS = [Variant(f"streamspace-{transport}", partial(start, transport), ours=True) for transport in TRANSPORTS]
