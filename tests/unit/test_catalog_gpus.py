"""Whether a machine has the GPUs that an app cannot do without."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamspace_hub.catalog.gpus import count_gpus, gpu_refusal
from streamspace_hub.model import AppTemplate

DEVICES = {
    (): 0,
    ("nvidiactl", "nvidia-uvm", "dri/card0"): 0,
    ("nvidia0", "nvidiactl"): 1,
    ("dri/card0", "dri/renderD128"): 1,
    ("nvidia0", "nvidia1", "dri/renderD128", "dri/renderD129"): 2,
    ("nvidia0", "dri/renderD128", "dri/renderD129"): 2,
}


def make(folder: Path, names: tuple[str, ...]) -> Path:
    (folder / "dri").mkdir()
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(("names", "count"), DEVICES.items())
def test_a_gpu_is_what_has_a_device_file_and_no_card_counts_twice(
    tmp_path: Path, names: tuple[str, ...], count: int
) -> None:
    assert count_gpus(make(tmp_path, names)) == count


def test_a_machine_without_device_files_has_no_gpu(tmp_path: Path) -> None:
    assert count_gpus(tmp_path / "missing") == 0


@pytest.mark.parametrize(
    ("count", "required", "words"),
    [
        (0, False, None),
        (2, False, None),
        (1, True, None),
        (2, True, "Render needs 2 GPUs, and this machine has 1. Ask"),
    ],
)
def test_only_what_is_required_is_refused(tmp_path: Path, count: int, required: bool, words: str | None) -> None:
    make(tmp_path, ("nvidia0",))
    template = AppTemplate.model_validate(
        {
            "name": "render",
            "title": "Render",
            "command": ["render"],
            "resources": {"gpu": {"count": count, "required": required}},
        }
    )
    sentence = gpu_refusal(template, tmp_path)
    assert (sentence is None) if words is None else (sentence or "").startswith(words)


def test_a_machine_without_any_says_none(tmp_path: Path) -> None:
    template = AppTemplate.model_validate(
        {"name": "render", "title": "Render", "command": ["x"], "resources": {"gpu": {"count": 1, "required": True}}}
    )
    assert "needs a GPU, and this machine has none." in (gpu_refusal(template, tmp_path) or "")
