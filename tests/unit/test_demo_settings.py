"""What the demo is told by its environment."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from streamspace_hub.demo.settings import DemoError, free_port, read_settings


def environment(tmp_path: Path, **values: str) -> dict[str, str]:
    return {"STREAMSPACE_PORT": str(free_port()), "STREAMSPACE_DEMO_DIR": str(tmp_path), **values}


def test_a_password_is_made_for_each_run(tmp_path: Path) -> None:
    first, second = (read_settings(environment(tmp_path)) for _ in range(2))
    assert first.password_is_ours
    assert first.password != second.password
    assert len(first.password) >= 12


def test_a_given_password_is_not_ours_to_print(tmp_path: Path) -> None:
    settings = read_settings(environment(tmp_path, STREAMSPACE_DEMO_PASSWORD="long enough"))
    assert settings.password == "long enough"
    assert not settings.password_is_ours


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("STREAMSPACE_PORT", "http", "port number from 1 to 65535"),
        ("STREAMSPACE_PORT", "0", "port number from 1 to 65535"),
        ("STREAMSPACE_PORT", "70000", "port number from 1 to 65535"),
        ("STREAMSPACE_DEMO_PASSWORD", "short", "at least 8 characters"),
        ("STREAMSPACE_DEMO_DIR", "/proc/demo", "can't be written"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, name: str, value: str, said: str) -> None:
    with pytest.raises(DemoError, match=said) as refused:
        read_settings(environment(tmp_path, **{name: value}))
    assert name in str(refused.value)


def test_a_taken_port_says_how_to_choose_another(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(DemoError, match=f"Port {port} .* STREAMSPACE_PORT="):
            read_settings(environment(tmp_path, STREAMSPACE_PORT=port))
