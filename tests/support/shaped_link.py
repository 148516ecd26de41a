"""A network link with delay, rate, queue and loss, between two network namespaces of its own.

    with shaped_link(delay_ms=20, rate_bps=8e6) as link, ExitStack() as stack:
        with link.server.entered():      # what this thread starts or connects to in here is on the server's side
            demo = stack.enter_context(running_demo())
        with link.client.entered():      # a browser started in here reaches 127.0.0.1 of the server's side
            browser = stack.enter_context(chromium(*CHROMIUM_ARGUMENTS))
        link.set(loss=0.01)              # at any time; `link.set(up=False)` pulls the plug
        link.roam()                      # the client has another address, and connections from the old one are dead

For kernels without netem: each namespace has a TUN device, and a process of its own (`shaped_link_process`) moves the
packets. The kernel's TCP and UDP run at both ends, so retransmission and congestion control are the real ones. The
namespaces have no names: they are gone with the last process that is in them, however that ends.

TCP that the client sends to `SERVER` arrives at the server side's 127.0.0.1, where our servers listen; UDP keeps its
address, since that is what ICE candidates name. It must not know what runs at either end.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

SERVER, CLIENT = "10.200.0.1", "10.200.0.2"
CLIENT_ELSEWHERE = "10.200.1.2"
"""The client's address in another network, from which the server's is reached as well."""
CHROMIUM_ARGUMENTS = (f"--host-resolver-rules=MAP 127.0.0.1 {SERVER}",)
"""The browser opens the server's own URL, http://127.0.0.1:port, which stays a secure context (WebCodecs needs one)."""

ROOT = Path(__file__).parents[2]
CLONE_NEWNET = 0x40000000
TUNSETIFF, TUN_WITHOUT_HEADER = 0x400454CA, 0x1001
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Settings:
    """What the link does to packets, the same in both directions."""

    delay_ms: float = 0
    """One way: the round trip takes twice as long."""
    rate_bps: float = 0
    """0: as fast as it goes."""
    queue_bytes: int = 100_000
    """How much waits for its turn at `rate_bps`; what comes beyond that is dropped."""
    loss: float = 0
    """Share of packets lost at random, 0 to 1."""
    up: bool = True
    block_udp: bool = False
    udp_loss: float = 0
    """Share of UDP's packets that are lost, 0 to 1, as where somebody on the way holds UDP down."""

    def __post_init__(self) -> None:
        if (
            self.delay_ms < 0
            or self.rate_bps < 0
            or self.queue_bytes < 1500
            or not 0 <= self.loss <= 1
            or not 0 <= self.udp_loss <= 1
        ):
            raise ValueError(f"delay and rate must be >= 0, the queue >= 1500, loss from 0 to 1: {self}")


class Side:
    """One end of the link: a network namespace with a TUN device."""

    def __init__(self, address: str) -> None:
        self.address = address
        before = current_namespace()
        try:
            check(LIBC.unshare(CLONE_NEWNET))
            self.namespace = current_namespace()
            self.tun = _open_tun("link0")
            ip("link set lo up")
            ip(f"address add {address}/32 dev link0")
            # A longer device queue would hold seconds of video that the link's own queue should have dropped.
            ip("link set link0 mtu 1500 txqueuelen 50 up")
            ip(f"route add {CLIENT if address == SERVER else SERVER} dev link0 src {address}")
            for name, value in (("all/route_localnet", "1"), ("all/rp_filter", "0"), ("link0/rp_filter", "0")):
                Path("/proc/sys/net/ipv4/conf", name).write_text(value)
        finally:
            enter(before)
            os.close(before)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread, and the threads and processes that it starts meanwhile, are on this side."""
        before = current_namespace()
        enter(self.namespace)
        try:
            yield
        finally:
            enter(before)
            os.close(before)

    def command(self, *command: str) -> list[str]:
        """The command line that runs `command` on this side, wherever it is started."""
        return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self.namespace}", *command]

    def close(self) -> None:
        os.close(self.namespace)


class Link:
    """Two sides, and the process between them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.server, self.client = Side(SERVER), Side(CLIENT)
        self._control, theirs = socket.socketpair()
        fds = (self.server.tun, self.client.tun, theirs.fileno())
        self._process = subprocess.Popen(
            [sys.executable, "-P", ROOT / "tests" / "support" / "shaped_link_process.py", *map(str, fds)],
            pass_fds=fds,
        )
        for fd in (self.server.tun, self.client.tun):
            os.close(fd)
        theirs.close()
        self._client_address, self._client_elsewhere = CLIENT, CLIENT_ELSEWHERE
        with self.server.entered():
            ip(f"route add {CLIENT_ELSEWHERE} dev link0")
        self.set()

    def set(self, **changes: Any) -> None:
        """Change settings, from the next packet on; what is on its way already arrives, unless the link goes down."""
        self.settings = replace(self.settings, **changes)
        self._ask(asdict(self.settings))

    def roam(self) -> None:
        """Take the client to the other network, or back: a new address, and then the old one is gone."""
        old, new = self._client_address, self._client_elsewhere
        with self.client.entered():
            ip(f"address add {new}/32 dev link0")
            ip(f"route replace {SERVER} dev link0 src {new}")
            ip(f"address del {old}/32 dev link0")
        self._client_address, self._client_elsewhere = new, old

    def counts(self) -> dict[str, int]:
        """Bytes and packets delivered so far: `down_bytes` to the client, `up_bytes` to the server; and `dropped`."""
        return self._ask({})

    def _ask(self, message: dict[str, Any]) -> dict[str, int]:
        self._control.sendall(json.dumps(message).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            more = self._control.recv(4096)
            if not more:
                raise RuntimeError("the link's process has ended")
            answer += more
        counts: dict[str, int] = json.loads(answer)
        return counts

    def close(self) -> None:
        self._control.close()  # its end of the world
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.server.close()
        self.client.close()


@contextmanager
def shaped_link(**settings: Any) -> Iterator[Link]:
    """Give a link with these `Settings`."""
    link = Link(Settings(**settings))
    try:
        yield link
    finally:
        link.close()


def unavailable() -> str:
    """Why there can be no link here; empty when there can."""
    if os.geteuid() != 0:
        return "a network link of the test's own needs root (network namespaces, TUN)"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        reason = "a network link of the test's own needs /dev/net/tun"
        if os.environ.get("CI") == "true":
            # Where all is meant to be tested, what is passed over must not look like what has passed.
            raise RuntimeError(f"{reason}: give the container that device and the capability NET_ADMIN, or unset CI")
        return reason
    return ""


def ip(command: str) -> None:
    """Run ip(8)."""
    subprocess.run(["ip", *command.split()], check=True)


def current_namespace() -> int:
    """Return the network namespace of this thread, open; to be closed by whoever asks."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def enter(namespace: int) -> None:
    """Take this thread into a network namespace."""
    check(LIBC.setns(namespace, CLONE_NEWNET))


def _open_tun(name: str) -> int:
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), TUN_WITHOUT_HEADER))
    return tun


def check(result: int) -> None:
    """Raise what a call of the C library has failed with."""
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
