"""How long programs have kept GPUs at work, as the kernel's DRM drivers tell it of each open device file.

DRM client usage stats (Linux, Documentation/gpu/drm-usage-stats.rst), in proc_pid_fdinfo(5): amdgpu, i915, msm, v3d and
others count the time of their engines. xe counts cycles instead, and NVIDIA's own driver tells nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator

_ENGINE = re.compile(r"^drm-engine-(?!capacity-)\S+:\s*(\d+) ns$", re.MULTILINE)
_CLIENT = re.compile(r"^drm-client-id:\s*(\d+)$", re.MULTILINE)
_DEVICE = re.compile(r"^drm-pdev:\s*(\S+)$", re.MULTILINE)
_DEVICES = "/dev/dri/"


def seconds(texts: Iterable[str]) -> float:
    """Return the seconds of all engines together that these `fdinfo` tell of; one client's descriptors count once."""
    clients: dict[tuple[str, str], int] = {}
    for text in texts:
        if client := _CLIENT.search(text):
            device = _DEVICE.search(text)
            spent = sum(int(nanoseconds) for nanoseconds in _ENGINE.findall(text))
            key = (device[1] if device else "", client[1])
            clients[key] = max(spent, clients.get(key, 0))
    return sum(clients.values()) / 1e9


def fdinfo(pid: int, proc: str = "/proc") -> Iterator[str]:
    """Yield what the kernel tells of the GPUs that a process has open."""
    with contextlib.suppress(OSError):  # gone meanwhile
        for name in os.listdir(f"{proc}/{pid}/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"{proc}/{pid}/fd/{name}").startswith(_DEVICES):
                    with open(f"{proc}/{pid}/fdinfo/{name}", encoding="utf-8", errors="replace") as file:
                        yield file.read()
