"""A machine outside of the cluster: a network namespace from which the node's ports are reached, and nothing else.

with outside() as machine, machine.entered():
    ...  # a browser that is started in here opens https://{NODE}:30443
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import CalledProcessError

from tests.support.shaped_link import CLONE_NEWNET, LIBC, Side, check, current_namespace, enter, ip

NODE, MACHINE = "10.250.0.1", "10.250.0.2"
"""The node's address on the wire to it, and its own."""


class Outside(Side):
    """The machine. Its `entered` is what tests need."""

    def __init__(self) -> None:
        self.address = MACHINE
        before = current_namespace()
        try:
            check(LIBC.unshare(CLONE_NEWNET))
            self.namespace = current_namespace()
            ip("link set lo up")
            enter(before)
            # Its end here is gone with it.
            ip(f"link add outside0 type veth peer name outside1 netns /proc/{os.getpid()}/fd/{self.namespace}")
            ip(f"address add {NODE}/24 dev outside0")
            ip("link set outside0 up")
            enter(self.namespace)
            ip(f"address add {MACHINE}/24 dev outside1")
            ip("link set outside1 up")
        finally:
            enter(before)
            os.close(before)

    def close(self) -> None:
        """Pull the plug."""
        with suppress(CalledProcessError):
            ip("link del outside0")
        super().close()


@contextmanager
def outside() -> Iterator[Outside]:
    """Give such a machine."""
    machine = Outside()
    try:
        yield machine
    finally:
        machine.close()
