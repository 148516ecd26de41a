"""What Kubernetes says of a pod that is starting, as plain sentences. Pure functions of plain data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamspace_hub.model.gpus import GPU_RESOURCE
from streamspace_spawner.pod_sleep import KEY_VOLUME

GPU = re.compile(rf"Insufficient {GPU_RESOURCE.pattern}")
NO_CLAIM = re.compile(r'persistentvolumeclaim "(?P<name>[^"]+)" not found')


@dataclass(frozen=True)
class Step:
    """One sentence for the user, and how far the start is."""

    percent: int
    message: str


def step(event: Mapping[str, Any], title: str) -> Step | None:
    """Return what to tell a user about `event` (an Event as the API says it) of `title`'s pod; None: nothing."""
    reason, message = event.get("reason") or "", event.get("message") or ""
    told = {
        "Scheduled": Step(20, f"A place was found for {title}."),
        "Pulling": Step(30, f"Fetching the image of {title}. The first time on a machine this can take minutes."),
        "SuccessfulAttachVolume": Step(25, "Your files are at hand."),
        "TriggeredScaleUp": Step(15, f"A new machine is being started for {title}. This takes some minutes."),
        "Preempting": Step(15, f"Making room for {title}."),
    }
    if reason in told:
        return told[reason]
    if reason == "FailedScheduling":
        return Step(10, _unscheduled(message))
    if reason == "Pulled" and "already present" not in message:
        return Step(50, f"The image of {title} has arrived.")
    if reason == "Started" and "desktop" in message:
        return Step(70, f"Starting a desktop with {title}.")
    return _trouble(event, reason, message, title)


def _unscheduled(message: str) -> str:
    claim = NO_CLAIM.search(message)
    if claim:
        return (
            f"The volume claim {claim['name']} does not exist. An administrator has to create it, "
            "or take it out of the hub's configuration."
        )
    if GPU.search(message):
        return "Waiting for a machine with a free GPU."
    if "unbound immediate PersistentVolumeClaims" in message or "persistent volumes to bind" in message:
        return "Waiting for the volume that your files are to be kept on."
    if "Insufficient" in message:
        return "Waiting for a machine with enough free processors and memory."
    return "Waiting for a machine that fits what is asked for."


def _trouble(event: Mapping[str, Any], reason: str, message: str, title: str) -> Step | None:
    if reason in ("Failed", "BackOff", "InspectFailed", "ErrImageNeverPull") and "image" in message.lower():
        return Step(
            30,
            f"The image of {title} cannot be fetched; it is being tried again. "
            f"An administrator can tell why: {_shortened(message)}",
        )
    if reason == "FailedMount" and KEY_VOLUME in message:
        return None  # the Secret comes a moment after the pod that owns it
    if reason in ("FailedMount", "FailedAttachVolume"):
        return Step(25, "Waiting for the volume with your files.")
    if reason in ("Evicted", "Preempted"):
        return Step(10, f"{title} had to make room for others on its machine. Try again.")
    if reason in ("BackOff", "Failed", "FailedCreatePodSandBox", "FailedPostStartHook"):
        return Step(
            60, f"{title} does not start; it is being tried again. An administrator can tell why: {_shortened(message)}"
        )
    return None


def _shortened(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= 200 else f"{line[:200]}..."
