"""What Kubernetes runs in a desktop's container before it ends it (preStop): its memory is kept, where it can be.

`python -m streamspace_proxy.desktop.farewell`. Whoever ends a session for good ends its desktop first: then there is
nothing to be kept. How long this may take is the kubelet's to say, who ends us.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO

ATTEMPTS, PAUSE = 3, 1.0
"""How often it is tried, and the seconds between: the streamer, which ends at the same time, may let go late."""


def keep_memory(environ: Mapping[str, str]) -> None:
    """Have the memory kept, and wait until its image is as small as it gets. The desktop logs why it does not."""
    folder, runtime_dir = environ.get("STREAMSPACE_SLEEP_FOLDER"), environ.get("STREAMSPACE_RUNTIME_DIR")
    if not folder or not runtime_dir:
        return
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"{runtime_dir}/desktop.sock")
        with connection.makefile("rb") as lines:
            for attempt in range(ATTEMPTS):
                time.sleep(PAUSE if attempt else 0)
                if _ask(connection, lines, op="hibernate", folder=folder)["ok"]:
                    break
            else:
                return
            told = _ask(connection, lines, op="subscribe")
            while not told["status"]["sleep"]["packed"]:
                told = json.loads(lines.readline())


def _ask(connection: socket.socket, lines: BinaryIO, **request: str) -> dict[str, Any]:
    connection.sendall(json.dumps({"id": 1, **request}).encode() + b"\n")
    answer: dict[str, Any] = json.loads(lines.readline())
    return answer


if __name__ == "__main__":
    # A desktop that is not there, or goes meanwhile, has nothing to keep.
    with suppress(OSError, ValueError):
        keep_memory(os.environ)
    sys.exit(0)
