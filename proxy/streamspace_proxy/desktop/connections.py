"""Which unix sockets of some processes have their other end elsewhere. CRIU cannot keep such a connection.

sock_diag(7): the kernel is asked for all unix sockets and their peers. Knows nothing of desktops.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterable

_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20
_NLM_F_REQUEST, _NLM_F_DUMP, _NLMSG_DONE, _NLMSG_ERROR = 1, 0x300, 3, 2
_UDIAG_SHOW_PEER, _UNIX_DIAG_PEER = 4, 2
_ALL_STATES = 0xFFFFFFFF


def outside_connections(pids: Iterable[int]) -> int:
    """Return how many unix connections lead from `pids` to processes that are not among them."""
    own = set().union(*(socket_inodes(pid) for pid in pids)) if pids else set()
    peers = unix_peers()
    return sum(1 for inode in own if (peer := peers.get(inode, 0)) and peer not in own)


def socket_inodes(pid: int) -> set[int]:
    """Return the inodes of all sockets that a process has open."""
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{name}")
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
    return found


def unix_peers() -> dict[int, int]:
    """Return for each connected unix socket of the network namespace the inode of its other end."""
    # struct nlmsghdr, struct unix_diag_req (linux/unix_diag.h)
    request = struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, _ALL_STATES, 0, _UDIAG_SHOW_PEER, 0, 0)
    header = struct.pack("=IHHII", 16 + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0)
    peers: dict[int, int] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as link:
        link.settimeout(5)
        link.send(header + request)
        while _take(link.recv(1 << 16), peers):
            pass
    return peers


def _take(answer: bytes, peers: dict[int, int]) -> bool:
    """Read the messages of one datagram into `peers`; returns whether more are to come."""
    while len(answer) >= 16:
        length, kind = struct.unpack_from("=IH", answer)
        if kind == _NLMSG_DONE:
            return False
        if kind == _NLMSG_ERROR:
            raise OSError(-struct.unpack_from("=i", answer, 16)[0], "sock_diag")
        inode = struct.unpack_from("=BBBBI", answer, 16)[4]
        at = 16 + 16  # struct unix_diag_msg
        while at + 4 <= length:
            size, attribute = struct.unpack_from("=HH", answer, at)
            if attribute == _UNIX_DIAG_PEER:
                peers[inode] = struct.unpack_from("=I", answer, at + 4)[0]
            at += max(4, (size + 3) & ~3)
        answer = answer[(length + 3) & ~3 :]
    return True
