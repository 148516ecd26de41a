"""`python -m streamspace_hub.service`: one replica, as the hub or an administrator starts it."""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import signal
import sys

import uvicorn

from streamspace_hub.service.app import create_app
from streamspace_hub.service.settings import ServiceSettings, SettingsError
from streamspace_hub.telemetry.logs import configure_logging

GRACE = 5
"""Seconds that open requests get when the replica is ended; event streams go on at another one."""

PR_SET_PDEATHSIG = 1


def main() -> int:
    """Run until a signal ends it; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m streamspace_hub.service", description="One replica of the service."
    )
    parser.add_argument(
        "--end-with-parent", action="store_true", help="end when the process that started it does, however it ends"
    )
    if parser.parse_args().end_with_parent:
        _end_with_parent()
    # The database tells who did what: it is nobody else's on this machine.
    os.umask(0o077)
    configure_logging(logging.WARNING)
    logging.getLogger("streamspace").setLevel(logging.INFO)
    try:
        settings = ServiceSettings.read()
        app = create_app(settings)
    except SettingsError as error:
        print(f"StreamSpace service: {error}", file=sys.stderr)
        return 2
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
    )
    return 0


def _end_with_parent() -> None:
    """Don't outlive a hub that was killed: the next one has another token for its service, and needs the port."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died meanwhile
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
