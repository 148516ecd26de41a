"""Which transports a soak takes."""

from __future__ import annotations

import pytest

from tests.bench.soak import chosen


@pytest.mark.parametrize(
    ("transports", "names"),
    [
        ("webrtc", ["streamspace-webrtc"]),
        ("websocket,webrtc", ["streamspace-websocket", "streamspace-webrtc"]),
    ],
)
def test_those_that_are_named_are_soaked(transports: str, names: list[str]) -> None:
    assert [variant.name for variant in chosen(transports)] == names


def test_an_unknown_one_is_refused_with_what_there_is() -> None:
    with pytest.raises(SystemExit, match="TRANSPORTS: rfb cannot be soaked; choose from websocket, webrtc"):
        chosen("webrtc,rfb")
