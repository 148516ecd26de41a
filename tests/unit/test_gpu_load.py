"""Load of GPUs as the kernel tells it of each descriptor, in the form of its documentation (drm-usage-stats.rst)."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamspace_proxy.desktop import gpu_load

AMD = """\
pos:\t0
flags:\t02100002
mnt_id:\t24
ino:\t1239
drm-driver:\tamdgpu
drm-client-id:\t7
drm-pdev:\t0000:03:00.0
drm-memory-vram:\t2048 KiB
drm-engine-gfx:\t1500000000 ns
drm-engine-compute:\t250000000 ns
drm-engine-capacity-compute:\t4
"""
INTEL = """\
drm-driver: i915
drm-client-id: 7
drm-pdev: 0000:00:02.0
drm-engine-render: 9288864723 ns
drm-engine-copy: 2035071108 ns
drm-engine-capacity-video: 2
"""
XE = "drm-driver:\txe\ndrm-client-id:\t9\ndrm-cycles-rcs:\t28257900\ndrm-total-cycles-rcs:\t7655183225\n"
ANY = "pos:\t0\nflags:\t0100002\nmnt_id:\t1034\nino:\t5\n"


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        ([], 0),
        ([ANY, XE], 0),
        ([AMD], 1.75),
        ([AMD, AMD, ANY], 1.75),  # descriptors of one client
        ([AMD, AMD.replace("1500000000", "1600000000")], 1.85),  # read a moment later
        ([AMD, AMD.replace("client-id:\t7", "client-id:\t8")], 3.5),
        ([AMD, INTEL], 1.75 + 11.323935831),  # a client's number counts on its device
        ([AMD.replace("1500000000 ns", "many ns")], 0.25),
    ],
)
def test_what_the_kernel_tells_adds_up(texts: list[str], seconds: float) -> None:
    assert gpu_load.seconds(texts) == pytest.approx(seconds)


def test_only_descriptors_of_gpus_are_read(tmp_path: Path) -> None:
    process = tmp_path / "42"
    for name in ("fd", "fdinfo"):
        (process / name).mkdir(parents=True)
    for number, (target, text) in enumerate(
        [("/dev/null", INTEL), ("/dev/dri/renderD128", AMD), ("/dev/dri/card0", XE), ("/home/dev/dri/x", INTEL)]
    ):
        (process / "fd" / str(number)).symlink_to(target)
        (process / "fdinfo" / str(number)).write_text(text)
    (process / "fd" / "9").symlink_to("/dev/dri/renderD129")  # closed meanwhile
    assert sorted(gpu_load.fdinfo(42, str(tmp_path))) == sorted([AMD, XE])
    assert list(gpu_load.fdinfo(43, str(tmp_path))) == []
