"""Every parser of what a browser sends, fuzzed for FUZZ_SECONDS (default 10; `make test` gives each a minute)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, check_webrtc, mutated

ROOT = Path(__file__).parents[2]
SECONDS = int(os.environ.get("FUZZ_SECONDS", "10"))


@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_become_a_message_or_a_refusal(name: str, tmp_path: Path) -> None:
    # A process of its own: atheris ends it, and a crash of libopus must not end the test run.
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run", name, str(SECONDS)],
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(":")},
        capture_output=True,
        text=True,
        timeout=SECONDS + 100,
    )
    said = run.stdout[-4000:] + run.stderr[-6000:]
    print(said[-600:])
    assert run.returncode == 0, said


def test_an_offer_that_cannot_be_used_leaves_nothing_behind() -> None:
    for offer in ("v=0\r\n", mutated([("word", 8, 0, "m=text")]), mutated([("drop", 0, 0, "")])):
        check_webrtc((offer, []))
