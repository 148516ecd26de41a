"""What of a tree's programs stands against keeping its memory: the decision as a table, the look at a real process."""

from __future__ import annotations

import subprocess

import pytest
from streamspace_proxy.desktop.obstacles import Program, find, obstacle


def uses(*names: str) -> Program:
    return Program(7, "render", files=frozenset(names))


@pytest.mark.parametrize(
    ("programs", "why"),
    [
        ([], None),
        ([Program(1, "sh"), uses("/dev/null", "/dev/pts/0", "/srv/nvidia0", "/home/dev/dri/renderD128")], None),
        ([uses("/dev/nvidia-modeset", "/dev/drive", "/dev/dri", "/dev/kfd.txt")], None),
        *(
            ([Program(1, "sh"), uses("/dev/null", name)], f"render (pid 7) uses a GPU ({name}), whose memory cannot")
            for name in (
                "/dev/nvidia0", "/dev/nvidia15", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-caps/nvidia-cap1",
                "/dev/dri/renderD128", "/dev/dri/card0", "/dev/kfd",
            )
        ),
        ([Program(9, "web", filtered=True)], "web (pid 9) has a seccomp filter"),
        ([uses("/dev/kfd"), Program(9, "web", filtered=True)], "render (pid 7) uses a GPU (/dev/kfd)"),
    ],
)  # fmt: skip
def test_what_stands_against_it(programs: list[Program], why: str | None) -> None:
    said = obstacle("Blender", programs)
    if why is None:
        assert said is None
    else:
        assert said is not None
        assert said.startswith(f"The memory of Blender cannot be kept: its program {why}")


def test_a_program_that_is_gone_stands_against_nothing() -> None:
    child = subprocess.Popen(["sleep", "1000"])
    assert find("Test app", child.pid) is None
    child.kill()
    child.wait()
    assert find("Test app", child.pid) is None
