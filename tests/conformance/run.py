"""Run JupyterHub's own spawner tests with our spawner in place of its own, and compare.

    python -m tests.conformance.run [--both] [FOLDER]

Fails if a test that passes with `SimpleLocalProcessSpawner` does not pass with `LocalStreamSpaceSpawner`, or if no test
of a suite passes. A suite that
passes as a whole needs no comparison, so it is run with their spawner only with `--both`. FOLDER (build/conformance)
gets the outcome of each test as JSON and the output of the runs.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import jupyterhub

ROOT = Path(__file__).parents[2]
SUITES = ("jupyterhub.tests.test_spawner", "jupyterhub.tests.test_named_servers")
LIMIT = 2400
SETTINGS = """\
[pytest]
asyncio_mode = auto
# Without the loop scopes the tests of the released package wait for ever.
asyncio_default_test_loop_scope = module
asyncio_default_fixture_loop_scope = module
addopts = -p no:jupyter_server -p no:cacheprovider -p no:playwright -p no:warnings -q
timeout = 120
markers =
    role
    selenium
    browser
    group
    user
"""


def main(arguments: list[str]) -> int:
    """Run the suites; print and keep the comparison; return the exit status."""
    both, places = "--both" in arguments, [name for name in arguments if not name.startswith("--")]
    folder = Path(places[0]) if places else ROOT / "build" / "conformance"
    folder.mkdir(parents=True, exist_ok=True)
    ours = run_suites(folder, "ours", SUITES, "-p", "tests.conformance.swap")
    doubtful = [suite for suite in SUITES if both or set(ours[suite].values()) != {"passed"}]
    theirs = run_suites(folder, "theirs", doubtful)
    result = {"jupyterhub": jupyterhub.__version__, "ours": ours, "theirs": theirs}
    (folder / "outcomes.json").write_text(json.dumps(result, indent=1))

    worse = [test for suite in doubtful for test in regressions(theirs[suite], ours[suite])]
    outcomes = [outcome for suite in SUITES for outcome in ours[suite].values()]
    print(
        f"JupyterHub {jupyterhub.__version__}, our spawner: {outcomes.count('passed')} of {len(outcomes)} tests pass,"
    )
    print(f"{len(worse)} fail that pass with JupyterHub's own.", *worse, sep="\n  ")
    empty = without_passes(ours)
    print(*(f"No test of {suite} passes." for suite in empty), sep="\n")
    return 1 if worse or empty else 0


def run_suites(folder: Path, name: str, suites: Sequence[str], *plugins: str) -> dict[str, dict[str, str]]:
    """Run `suites` side by side; return the outcome of each test by suite."""
    runs = {suite: Run(suite, *plugins) for suite in suites}
    try:
        return {suite: run.outcomes() for suite, run in runs.items()}
    finally:
        for suite, run in runs.items():
            (folder / f"{suite}-{name}.log").write_text(run.end())


def regressions(theirs: Mapping[str, str], ours: Mapping[str, str]) -> list[str]:
    """Return the tests that pass with their spawner and not with ours."""
    return [test for test, outcome in theirs.items() if outcome == "passed" and ours.get(test) != "passed"]


def without_passes(ours: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the suites in which nothing passes, so that nothing is shown."""
    return [suite for suite, outcomes in ours.items() if "passed" not in outcomes.values()]


class Run:
    """One run of a suite in a process group and folder of its own, never as root: single-user servers refuse."""

    def __init__(self, suite: str, *plugins: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ss-", dir="/tmp"))
        (self._folder / "pytest.ini").write_text(SETTINGS)
        uid = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
        os.chown(self._folder, uid, -1)
        command = [sys.executable, "-m", "pytest", *plugins, "-c", "pytest.ini", "--junitxml", "results.xml"]
        command += ["--basetemp", "tmp", "--pyargs", suite]
        tools = ROOT / "build" / "node" / "node_modules" / ".bin"
        environment = {
            "HOME": str(self._folder),
            "PATH": os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with open(self._folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=environment,
                stdout=log,
                stderr=log,
                user=uid if os.geteuid() == 0 else None,
                start_new_session=True,
            )

    def outcomes(self) -> dict[str, str]:
        """Wait for the run; return the outcome of each test: passed, failed, error or skipped."""
        self._process.wait(LIMIT)
        results = self._folder / "results.xml"
        if not results.exists():
            raise RuntimeError(f"the run ended without results:\n{(self._folder / 'log').read_text()[-3000:]}")
        found = {}
        for case in ElementTree.parse(results).iter("testcase"):
            kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
            outcome = {"failure": "failed"}.get(kind := min(kinds, default="passed"), kind)
            found[f"{case.get('classname')}::{case.get('name')}"] = outcome
        return found

    def end(self) -> str:
        """End what is left of the run (its proxy, its servers) and return its output."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        log = (self._folder / "log").read_text(errors="replace")
        shutil.rmtree(self._folder, ignore_errors=True)
        return log


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
