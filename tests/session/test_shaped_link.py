"""The link of the tests' own does to real traffic what it is asked to.

It adds at least the time that it is asked for. How much more it takes is the machine's, so upper bounds are generous.
"""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.shaped_link import CLIENT, CLIENT_ELSEWHERE, SERVER, Link, shaped_link, unavailable
from tests.support.waiting import STALL

pytestmark = pytest.mark.skipif(unavailable() != "", reason=unavailable())


@pytest.fixture
def link() -> Iterator[Link]:
    with shaped_link() as link:
        yield link


def ping(link: Link, count: int = 20, patience: float = STALL) -> tuple[float, int]:
    """The shortest round trip in milliseconds, and how many answers came; UDP, since ping is not everywhere."""
    trips = []
    with link.server.entered():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((SERVER, 0))
    with link.client.entered():
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with server, client:
        threading.Thread(target=echo, args=(server,), daemon=True).start()
        client.settimeout(patience)
        for number in range(count):
            begun = time.perf_counter()
            client.sendto(bytes([number]), server.getsockname())
            try:
                client.recv(100)
            except TimeoutError:
                continue
            trips.append((time.perf_counter() - begun) * 1000)
        client.sendto(b"end", server.getsockname())
    return min(trips, default=0), len(trips)


def echo(server: socket.socket) -> None:
    try:
        while (got := server.recvfrom(100))[0] != b"end":
            server.sendto(*got)
    except OSError:
        return


def seconds_for(link: Link, size: int) -> float:
    """How long `size` bytes take over TCP from a server on 127.0.0.1 of its side."""
    with link.server.entered():
        listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            connection.sendall(bytes(size))

    thread = threading.Thread(target=serve)
    thread.start()
    with link.client.entered():
        client = socket.create_connection((SERVER, port), 5)
    begun = time.perf_counter()
    with client:
        while client.recv(65536):
            pass
    thread.join()
    return time.perf_counter() - begun


def test_delay(link: Link) -> None:
    assert ping(link)[0] < 40
    link.set(delay_ms=20)
    assert 40 <= ping(link)[0] < 80


def test_rate(link: Link) -> None:
    free = seconds_for(link, 1_000_000)
    link.set(rate_bps=8e6)
    shaped = seconds_for(link, 1_000_000)
    assert 0.95 < shaped < STALL
    assert free < shaped


def test_udp_alone_can_be_lossy(link: Link) -> None:
    link.set(udp_loss=0.5)
    before = link.counts()["dropped"]
    seconds_for(link, 200_000)
    assert link.counts()["dropped"] == before, "TCP passes"
    _, came = ping(link, 40, 0.1)
    assert 1 <= came <= 30


def test_queue_adds_delay_and_drops_what_is_too_much(link: Link) -> None:
    link.set(rate_bps=1e6, queue_bytes=10_000)
    with link.server.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with link.client.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind((link.client.address, 0))
    with sender, receiver:
        receiver.settimeout(2)
        begun, came = time.perf_counter(), 0
        for _ in range(20):
            sender.sendto(bytes(972), receiver.getsockname())  # 1000 with its headers: 8 ms each
        try:
            while receiver.recv(2000):
                came, last = came + 1, time.perf_counter()
        except TimeoutError:
            pass
    assert 8 <= came < 20, "ten in the queue, less what the kernel itself has sent, more for a sender that was held up"
    assert 0.06 < last - begun < STALL


def test_loss(link: Link) -> None:
    link.set(loss=0.5)
    assert 1 <= ping(link, 24, 0.25)[1] <= 14  # a quarter come back; 0 or 15 of 24 are less likely than one in 1000


def test_down_and_up_again(link: Link) -> None:
    link.set(up=False)
    assert ping(link, 2, 0.25)[1] == 0
    link.set(up=True)
    assert ping(link, 2)[1] == 2


def test_blocked_udp_lets_tcp_through(link: Link) -> None:
    link.set(block_udp=True)
    assert ping(link, 2, 0.25)[1] == 0
    assert seconds_for(link, 1000) < STALL


def test_loss_delays_tcp_and_loses_nothing(link: Link) -> None:
    link.set(delay_ms=5, loss=0.03)
    seconds_for(link, 300_000)
    assert link.counts()["down_bytes"] > 300_000
    assert link.counts()["dropped"] > 0


def test_nothing_of_it_is_seen_outside(link: Link) -> None:
    assert "link0" not in subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
    inside = subprocess.run(link.client.command("ip", "address"), capture_output=True, text=True, check=True).stdout
    assert re.search(rf"inet {link.client.address}/32", inside)


def test_settings_that_make_no_sense_are_refused(link: Link) -> None:
    with pytest.raises(ValueError, match="loss from 0 to 1"):
        link.set(loss=3)


def test_a_client_that_roams_has_another_address_and_loses_its_connections(link: Link) -> None:
    with link.server.entered():
        listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with listener, link.client.entered():
        before = socket.create_connection((SERVER, port), timeout=2)
        near, address = listener.accept()
        assert address[0] == CLIENT
        link.roam()
        with before, near:
            near.send(b"still there?")
            before.settimeout(0.5)
            with pytest.raises(TimeoutError):
                before.recv(100)
        for there in (CLIENT_ELSEWHERE, CLIENT):
            with socket.create_connection((SERVER, port), timeout=2):
                assert listener.accept()[1][0] == there
            link.roam()
