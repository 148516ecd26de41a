"""Which capture backend a machine gets."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from streamspace_proxy.streamer.backends import Machine, Wanted, choose, choose_screen, probe
from streamspace_proxy.streamer.capture import Backend, Codec
from streamspace_proxy.streamer.config import ConfigError, read_config

PLAIN, SOFTWARE = Machine(), Machine(pixelflux=True)
GPU = Machine(pixelflux=True, gpu_codecs=frozenset({"h264", "av1"}))


@pytest.mark.parametrize(
    ("wanted", "codec", "machine", "backend"),
    [
        ("auto", "h264", PLAIN, "xdamage"),
        ("auto", "h264", SOFTWARE, "xdamage"),
        ("auto", "h264", GPU, "pixelflux"),
        ("auto", "vp8", GPU, "xdamage"),
        ("auto", "jpeg", GPU, "xdamage"),
        ("xdamage", "h264", GPU, "xdamage"),
        ("x11grab", "h264", GPU, "x11grab"),
        ("pixelflux", "h264", SOFTWARE, "pixelflux"),
        ("pixelflux", "vp8", SOFTWARE, "pixelflux"),
        ("pixelflux", "jpeg", GPU, "xdamage"),
        ("pixelflux", "h264", PLAIN, "xdamage"),
    ],
)
def test_a_gpu_is_used_for_what_it_encodes(wanted: Wanted, codec: Codec, machine: Machine, backend: Backend) -> None:
    assert choose(wanted, codec, machine) == backend


@pytest.mark.parametrize(
    ("wanted", "codec", "failed", "backend"),
    [
        ("auto", "h264", {"pixelflux"}, "xdamage"),
        ("auto", "h264", {"pixelflux", "xdamage"}, "x11grab"),
        ("auto", "h264", {"xdamage"}, "pixelflux"),
        ("pixelflux", "h264", {"pixelflux"}, "xdamage"),
        ("auto", "jpeg", {"pixelflux"}, "xdamage"),
        ("auto", "jpeg", {"xdamage"}, "x11grab"),
        ("xdamage", "h264", {"xdamage"}, "x11grab"),
        ("x11grab", "h264", {"x11grab"}, None),
        ("auto", "h264", {"pixelflux", "xdamage", "x11grab"}, None),
    ],
)
def test_the_next_one_stands_in_for_one_that_failed(
    wanted: Wanted, codec: Codec, failed: set[Backend], backend: Backend | None
) -> None:
    assert choose(wanted, codec, GPU, failed) == backend


@pytest.mark.parametrize(
    ("wanted", "extensions", "backend"),
    [
        ("auto", {"DAMAGE", "MIT-SHM", "RANDR", "XFIXES"}, "xdamage"),
        ("auto", {"MIT-SHM", "RANDR"}, "x11grab"),
        ("auto", {"DAMAGE", "RANDR"}, "x11grab"),
        ("auto", {"DAMAGE", "MIT-SHM"}, "x11grab"),
        ("xdamage", set[str](), "x11grab"),
        ("x11grab", {"DAMAGE", "MIT-SHM", "RANDR"}, "x11grab"),
    ],
)
def test_an_x_server_that_tells_nothing_is_polled(wanted: Wanted, extensions: set[str], backend: Backend) -> None:
    assert choose_screen(wanted, extensions) == backend


def test_the_probe_asks_the_driver_and_outlives_its_failure() -> None:
    def broken() -> Mapping[str, str]:
        raise RuntimeError("no such device")

    assert probe(lambda: {"h264": "nvenc", "h265": "nvenc"}) == Machine(True, frozenset({"h264", "h265"}))
    assert probe(dict[str, str]) == Machine(True)
    assert probe(broken) == Machine(True)


def test_a_package_that_lacks_a_library_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pixelflux.py").write_text("raise ImportError('libgbm.so.1: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pixelflux", raising=False)
    assert probe() == Machine()


def test_the_environment_may_force_one(tmp_path: Path) -> None:
    environ = {
        "STREAMSPACE_RUNTIME_DIR": str(tmp_path)[:60],
        "STREAMSPACE_TEMPLATE": '{"name": "x", "title": "X", "command": ["x"]}',
    }
    Path(environ["STREAMSPACE_RUNTIME_DIR"]).mkdir(exist_ok=True)
    assert read_config(environ).capture == "auto"
    assert read_config({**environ, "STREAMSPACE_CAPTURE": "x11grab"}).capture == "x11grab"
    with pytest.raises(ConfigError, match="STREAMSPACE_CAPTURE is one of auto, xdamage, pixelflux, x11grab, not nvenc"):
        read_config({**environ, "STREAMSPACE_CAPTURE": "nvenc"})
