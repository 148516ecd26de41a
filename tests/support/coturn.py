"""A real TURN server (Debian's coturn) for a test: with a secret of its own, and everything in a folder of its own."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import make_certificate
from tests.support.waiting import PATIENCE

TURNSERVER = Path("/usr/bin/turnserver")
SECRET = b"a-secret-of-this-test"
HOST = "turn.test"


@dataclass(frozen=True)
class Coturn:
    """A running TURN server."""

    port: int
    tls_port: int
    certificate: Path
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "coturn.log").read_text(errors="replace")


@contextmanager
def coturn(folder: Path, listen: Sequence[str], relay: str, port: int = 3478, tls_port: int = 5349) -> Iterator[Coturn]:
    """Run coturn in this thread's network namespace: UDP, TCP and TLS on all of `listen`, relaying from `relay`."""
    certificate, key = make_certificate(folder, HOST, ["127.0.0.1", "10.200.0.1"])
    log = folder / "coturn.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                TURNSERVER, "-n", "--no-cli", "--no-rfc5780", "--log-file=stdout", "--simple-log", "--verbose",
                *(f"--listening-ip={address}" for address in listen), f"--relay-ip={relay}",
                f"--listening-port={port}", f"--tls-listening-port={tls_port}",
                f"--cert={certificate}", f"--pkey={key}", f"--userdb={folder / 'turndb'}",
                f"--pidfile={folder / 'turnserver.pid'}", "--realm=turn.test", "--allow-loopback-peers",
                "--use-auth-secret", f"--static-auth-secret={SECRET.decode()}",
            ],
            cwd=folder, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE
        while not all(_answers(address, port) for address in listen):
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, log.read_text(errors="replace")
        yield Coturn(port, tls_port, certificate, folder)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(address: str, port: int) -> bool:
    """Whether a STUN binding request is answered (RFC 8489, 5)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(0.1)
        with contextlib.suppress(OSError):
            udp.connect((address, port))
            udp.send(struct.pack(">HHI12s", 1, 0, 0x2112A442, bytes(12)))
            return bool(udp.recv(1500))
    time.sleep(0.05)
    return False
