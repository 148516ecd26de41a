"""For all tests: what the shell that started them may have changed is put back; a folder for other accounts."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says nothing of what is tested, and differs from machine to machine.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# A shell starts background jobs with SIGINT ignored, and that is inherited through exec: no single-user server would
# end at JupyterHub's first signal, and each stop would take fifteen seconds (POSIX, "Shell Command Language", 2.11).
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A folder of the test's that a desktop's user can look into, as it can't into pytest's."""
    with tempfile.TemporaryDirectory(prefix="ss-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)
