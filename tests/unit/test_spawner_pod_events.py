"""Events of a pod, and what the user is told: a table. The messages are Kubernetes 1.34's own."""

from __future__ import annotations

import pytest
from streamspace_spawner.pod_events import step

SCHEDULING = "0/3 nodes are available: {}. preemption: 0/3 nodes are available"


@pytest.mark.parametrize(
    ("reason", "message", "said"),
    [
        ("Scheduled", "Successfully assigned hub/jupyter-ann to node", "A place was found for GIMP."),
        (
            "FailedScheduling",
            SCHEDULING.format("3 Insufficient nvidia.com/gpu"),
            "Waiting for a machine with a free GPU.",
        ),
        (
            "FailedScheduling",
            SCHEDULING.format("1 Insufficient nvidia.com/mig-1g.5gb"),
            "Waiting for a machine with a free GPU.",
        ),
        (
            "FailedScheduling",
            SCHEDULING.format("1 Insufficient gpu.intel.com/i915"),
            "Waiting for a machine with a free GPU.",
        ),
        (
            "FailedScheduling",
            SCHEDULING.format("3 Insufficient memory"),
            "Waiting for a machine with enough free processors and memory.",
        ),
        (
            "FailedScheduling",
            SCHEDULING.format("3 node(s) didn't match Pod's node affinity/selector"),
            "Waiting for a machine that fits what is asked for.",
        ),
        (
            "FailedScheduling",
            SCHEDULING.format('persistentvolumeclaim "claim-ann" not found'),
            "The volume claim claim-ann does not exist. An administrator has to create it, or take it out of the hub's "
            "configuration.",
        ),
        (
            "FailedScheduling",
            SCHEDULING.format("pod has unbound immediate PersistentVolumeClaims"),
            "Waiting for the volume that your files are to be kept on.",
        ),
        (
            "TriggeredScaleUp",
            "pod triggered scale-up",
            "A new machine is being started for GIMP. This takes some minutes.",
        ),
        ("FailedMount", "MountVolume.SetUp failed", "Waiting for the volume with your files."),
        ("FailedMount", 'MountVolume.SetUp failed for volume "streamspace-sleep-key" : secret "x" not found', None),
        ("Started", "Started container desktop", "Starting a desktop with GIMP."),
        ("Started", "Started container notebook", None),
        ("Pulled", 'Container image "x" already present on machine', None),
        ("Pulled", 'Successfully pulled image "x" in 3s', "The image of GIMP has arrived."),
        ("Killing", "Stopping container notebook", None),
    ],
)
def test_what_the_user_is_told(reason: str, message: str, said: str | None) -> None:
    told = step({"reason": reason, "message": message}, "GIMP")
    assert (told and told.message) == said


@pytest.mark.parametrize("reason", ["Failed", "BackOff"])
def test_an_image_that_cannot_be_fetched_is_named_for_the_administrator(reason: str) -> None:
    told = step({"reason": reason, "message": 'Failed to pull image "registry.test/x": not found' + 400 * "."}, "GIMP")
    assert told is not None
    assert "cannot be fetched" in told.message
    assert "registry.test/x" in told.message
    assert len(told.message) < 400


def test_an_event_without_words_says_nothing() -> None:
    assert step({"reason": None, "message": None}, "GIMP") is None
