"""JupyterHub's own spawner tests pass with our spawner as they pass with its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.run import ROOT, main, regressions, without_passes


@pytest.mark.hub
@pytest.mark.timeout(2500)
def test_no_test_of_jupyterhub_passes_less(capsys: pytest.CaptureFixture[str]) -> None:
    status = main([str(Path(ROOT, "build", "conformance"))])
    assert status == 0, capsys.readouterr().out


def test_a_regression_is_seen() -> None:
    theirs = {"a": "passed", "b": "failed", "c": "passed", "d": "skipped", "e": "passed"}
    ours = {"a": "passed", "b": "failed", "c": "failed", "d": "skipped"}
    assert regressions(theirs, ours) == ["c", "e"]


def test_a_suite_without_a_pass_is_seen() -> None:
    assert without_passes({"a": {"x": "passed", "y": "failed"}, "b": {"x": "skipped"}, "c": {}}) == ["b", "c"]
