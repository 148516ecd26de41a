"""The command without a hub: what it prints, and its exit statuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from streamspace_hub import __version__
from streamspace_hub.cli.commands import run
from streamspace_hub.cli.limits import NAMES, SOURCES, limit_row
from streamspace_hub.cli.output import Exit, exit_of, printable
from streamspace_hub.client import ClientError, NotConfiguredError, RefusedError, UnreachableError
from streamspace_hub.model.api import Problem, QuotaLimit

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STREAMSPACE_URL", "STREAMSPACE_TOKEN", "JUPYTERHUB_API_URL", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def refused(status: int) -> RefusedError:
    return RefusedError(Problem(type="urn:streamspace:problem:x", title="t", status=status, detail="d"))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotConfiguredError(""), Exit.USAGE),
        (UnreachableError(""), Exit.UNREACHABLE),
        (refused(401), Exit.NOT_PERMITTED),
        (refused(403), Exit.NOT_PERMITTED),
        (refused(404), Exit.NOT_FOUND),
        (refused(502), Exit.UNREACHABLE),
        (refused(409), Exit.FAILED),
        (ClientError(""), Exit.FAILED),
    ],
)
def test_errors_have_exit_statuses(error: ClientError, status: Exit) -> None:
    assert exit_of(error) is status


@pytest.mark.parametrize(
    ("limit", "row"),
    [
        (QuotaLimit(kind="sessions", limit=3, used=1, source="hub"), ("sessions", "1", "3", "hub", "")),
        (
            QuotaLimit(kind="storage", limit=20 * 2**30, used=5 * 2**29, source="user"),
            ("files", "2.5 GiB", "20 GiB", "user", ""),
        ),
        (
            QuotaLimit(
                kind="budget", limit=20, used=21.5, source="group", group="lab", together=True, days=30,
                free_at="2027-01-01T00:00:00+00:00", currency="EUR", alert=100,
            ),
            ("budget in 30 d", "21.50 EUR", "20.00 EUR", "group lab, together", "2027-01-01T00:00:00+00:00"),
        ),
        (
            QuotaLimit(kind="gpus", limit=4, used=1, source="admin for group", group="lab", together=True),
            ("GPUs", "1", "4", "administrator, for group lab, together", ""),
        ),
    ],
)  # fmt: skip
def test_a_limit_is_a_line(limit: QuotaLimit, row: tuple[str, ...]) -> None:
    assert limit_row(limit) == row


def test_every_limit_and_source_has_a_name() -> None:
    fields = QuotaLimit.model_fields
    assert set(NAMES) == set(get_args(fields["kind"].annotation))
    assert set(SOURCES) == set(get_args(fields["source"].annotation))


def test_what_a_session_prints_steers_no_terminal() -> None:
    assert printable("a\tb \x1b[2Jc\x9b1md\r\x7f é") == "a\tb \ufffd[2Jc\ufffd1md\ufffd\ufffd é"


def test_every_exit_status_is_documented() -> None:
    text = REFERENCE.read_text()
    assert [status for status in Exit if f"| {int(status)} |" not in text] == []


def test_every_command_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:")[2].splitlines()
    names = [line.split()[0] for line in listed if line.startswith("  ") and line[2] != " "]
    known = {"apps", "launch", "list", "open", "stop", "doctor", "demo", "version", "audit", "images", "quota"}
    assert known | {"freeze", "hibernate", "resume", "extend", "logs", "share", "unshare"} == set(names)
    assert [name for name in names if f"`streamspace {name}" not in REFERENCE.read_text()] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["launch"], "Missing argument 'APP'"),
        (["launch", "--wait", "x", "gimp"], "'--wait'"),
        (["list"], "set STREAMSPACE_URL"),
        (["audit", "verify", "/no/such/file"], "No such file"),
        (["audit", "verify", __file__], "no copy of an audit log"),
    ],
)
def test_wrong_use_is_status_2_and_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == Exit.USAGE
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("words", "offered"),
    [("fr", ["freeze"]), ("audit ", ["verify", "export"]), ("share --r", ["--role"]), ("doctor --j", ["--json"])],
)
def test_the_shell_completes(
    words: str, offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"streamspace {words}"
    monkeypatch.setenv("_STREAMSPACE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    assert run([]) == 0
    assert capsys.readouterr().out.split() == offered


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"
    assert run(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": __version__}


def test_without_a_hub_apps_are_those_of_this_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\ntitle: Mine [bold]\ncommand: [true-enough]\n")
    (tmp_path / "bad.yaml").write_text("name: bad\n")
    assert run(["apps", "--catalog-dir", str(tmp_path), "--json"]) == Exit.FAILED, "something is wrong with the catalog"
    said = json.loads(capsys.readouterr().out)
    mine = next(app for app in said["apps"] if app["name"] == "mine")
    assert (mine["title"], mine["installed"]) == ("Mine [bold]", False)
    assert any("bad.yaml" in problem for problem in said["problems"])
    assert run(["apps", "--catalog-dir", str(tmp_path)]) == Exit.FAILED
    captured = capsys.readouterr()
    assert "Mine [bold]" in captured.out, "text is text, and no markup"
    assert "bad.yaml" in captured.err


def test_without_a_hub_the_doctor_looks_at_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    run(["doctor", "--json"])
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["hub"]["status"] == "grey"
    assert "STREAMSPACE_URL" in checks["hub"]["advice"]
    assert {"X server", "H.264 encoder", "VP8 encoder", "Opus encoder", "CRIU"} <= set(checks)
