"""`python -m streamspace_proxy.streamer`: one session's streamer (docs/reference/environment.md)."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from aiohttp import web

from streamspace_proxy.desktop.processes import die_with_parent, hide_from_same_user
from streamspace_proxy.streamer.config import Config, ConfigError, read_config
from streamspace_proxy.streamer.core import Streamer
from streamspace_proxy.streamer.handover import HandoverServer
from streamspace_proxy.streamer.server import listen, make_app
from streamspace_proxy.streamer.start_trace import StartTrace
from streamspace_proxy.telemetry import configure_logging

logger = logging.getLogger("streamspace_proxy.streamer")


async def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT. A fault that would leave a streamer without pictures is raised."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    trace = StartTrace(os.environ, config.app.name)
    core = Streamer(config, trace)
    # Paths and query strings of viewers are nobody's business: no access log.
    handovers = HandoverServer()
    runner = web.AppRunner(make_app(core, handovers), access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    assert runner.server is not None
    path = config.path("streamer.sock")
    # First: who finds the other one may rely on this.
    handovers.start(config.path("handover.sock"), runner.server)
    await web.SockSite(runner, listen(path)).start()
    vital = core.start()
    trace.listening()
    logger.info("listening on %s", path)
    try:
        # Dead is better than deaf: the session runner starts it again, and viewers connect again.
        await asyncio.wait((asyncio.create_task(ended.wait()), *vital), return_when=asyncio.FIRST_COMPLETED)
        for task in vital:
            if task.done():
                task.result()
    finally:
        handovers.close()
        await core.close()
        await runner.cleanup()
        await asyncio.to_thread(trace.close)
        path.unlink(missing_ok=True)


def main() -> int:
    """Return the exit code: 0 ended by a signal, 1 by a fault, 2 wrong environment."""
    die_with_parent(signal.SIGTERM, os.getppid())
    # The user's programs run under the same uid locally: they must not read roles and policy out of our memory.
    hide_from_same_user()
    configure_logging("[%(asctime)s] %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S")
    try:
        config = read_config(os.environ)
    except ConfigError as error:
        logger.error("%s", error)
        return 2
    try:
        asyncio.run(serve(config))
    except Exception:
        logger.exception("the streamer failed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
