"""What the doctor makes of what it finds: programs that are there, too old, or cannot work here; a hub's answers."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest

from streamspace_hub.cli import doctor
from streamspace_hub.cli.doctor_machine import check_criu, check_machine
from streamspace_hub.cli.doctor_turn import parts_of
from streamspace_hub.client import Place

PLACE = Place("http://hub", "t")


def program(folder: Path, version: str, check: str) -> str:
    """Make a program that answers as criu(8) does."""
    file = folder / "criu"
    file.write_text(f"#!/bin/sh\nif [ $1 = --version ]; then echo 'Version: {version}'; else {check}; fi\n")
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize(
    ("version", "check", "status", "found", "advice"),
    [
        ("4.1.1", "echo Looks good.", "green", "CRIU 4.1.1 can work here", ""),
        ("4.1", "echo bad; echo no rights >&2; exit 1", "red", "CRIU 4.1 cannot work here: no rights", "docs/how-to"),
        ("3.17.1", "true", "red", "is 3.17.1, and too old", "Debian 13"),
        ("", "true", "red", "does not run", "Debian 13"),
    ],
)
def test_criu(  # noqa: PLR0917 - a row of the table
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, check: str, status: str, found: str, advice: str
) -> None:
    monkeypatch.setenv("STREAMSPACE_CRIU", program(tmp_path, version, check))
    line = check_criu("red")
    assert line.status == status
    assert found in line.found
    assert advice in line.advice


def test_no_criu_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMSPACE_CRIU", raising=False)
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    if shutil.which("criu", path="/usr/local/sbin:/usr/sbin:/sbin"):
        pytest.skip("this machine has it")
    line = check_criu("red")
    assert (line.status, "apt-get install criu" in line.advice) == ("grey", True)


def test_what_a_machine_without_sessions_lacks_is_not_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    required = {line.name: line for line in check_machine(required=True)}
    assert (required["X server"].status, "apt-get" in required["X server"].advice) == ("red", True)
    assert required["VP8 encoder"].found.startswith("libvpx of PyAV ")
    assert {line.status for line in check_machine(required=False)} <= {"grey", "green"}


@pytest.mark.parametrize(
    ("status", "body", "colour", "found"),
    [
        (200, {"/": {}, "/user/ann/": {}}, "green", "the hub reaches its API"),
        (403, {}, "grey", "administrators"),
        (500, {}, "red", "HTTP 500"),
        (599, {}, "red", "no session can be opened"),
    ],
)
def test_the_hubs_word_on_its_proxy(status: int, body: object, colour: str, found: str) -> None:
    line = doctor.read_proxy(PLACE, httpx.Response(status, json=body))
    assert (line.status, found in line.found) == (colour, True), line
    assert bool(line.advice) == (colour == "red")


@pytest.mark.parametrize(("status", "colour"), [(404, "grey"), (503, "red"), (403, "grey"), (200, "red")])
def test_the_hubs_word_on_turn(status: int, colour: str) -> None:
    (line,) = doctor.read_turn(httpx.Response(status, json={}))
    assert line.status == colour
    assert line.advice


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("turn:turn.example.org", (False, "turn.example.org", 3478, "udp")),
        ("turn:10.0.0.1:99?transport=tcp", (False, "10.0.0.1", 99, "tcp")),
        ("turns:turn.example.org", (True, "turn.example.org", 5349, "tcp")),
        ("turns:turn.example.org:443?transport=udp", (True, "turn.example.org", 443, "udp")),
        ("turn:[2001:db8::1]", (False, "2001:db8::1", 3478, "udp")),
        ("turn:[2001:db8::1]:5", (False, "2001:db8::1", 5, "udp")),
    ],
)
def test_addresses_of_turn_servers(url: str, parts: tuple[bool, str, int, str]) -> None:
    assert parts_of(url) == parts
