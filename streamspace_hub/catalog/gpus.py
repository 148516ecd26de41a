"""Says whether this machine has the GPUs that an app cannot do without."""

from __future__ import annotations

from pathlib import Path

from streamspace_hub.model import AppTemplate

DEVICES = Path("/dev")


def count_gpus(devices: Path = DEVICES) -> int:
    """Return how many GPUs have a device file: NVIDIA's own, or a render node of the kernel's (DRM).

    A card may have both, so that the larger number counts.
    """
    return max(len(list(devices.glob("nvidia[0-9]*"))), len(list(devices.glob("dri/renderD*"))))


def gpu_refusal(template: AppTemplate, devices: Path = DEVICES) -> str | None:
    """Return why the app may not start on this machine, as sentences for the user; None if it may."""
    need = template.resources.gpu
    found = count_gpus(devices) if need.required else need.count
    if found >= need.count:
        return None
    needs = "a GPU" if need.count == 1 else f"{need.count} GPUs"
    has = found if found else "none"
    return (
        f"{template.title} needs {needs}, and this machine has {has}. "
        "Ask your administrator for a machine that has, or to let it start without (`gpu.required` of its template)."
    )
