"""`python -m tests.kube.cluster ...`: what `make cluster`, `make cluster-down` and `make test-kube` call."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.kube import images
from tests.kube.cluster import binaries, lifecycle
from tests.kube.cluster.settings import layout, why_not

USAGE = "usage: python -m tests.kube.cluster up | down | exec COMMAND... | test ARGUMENTS OF PYTEST..."


def main(arguments: Sequence[str]) -> int:
    """Carry out the command; return the exit code."""
    given = os.environ.get("STREAMSPACE_TEST_KUBECONFIG")
    match list(arguments):
        case ["up"] if given:
            print(given)
        case ["up"]:
            if reason := why_not():
                print(f"There is no cluster: {reason}.", file=sys.stderr)
                return 1
            lifecycle.up(layout())
            print(layout().kubeconfig)
        case ["down"]:
            lifecycle.down(layout())
        case ["exec", *command] if command:
            return lifecycle.run_inside(layout(), command)
        case ["test", *rest]:
            named = any(Path(argument.partition("::")[0]).exists() for argument in rest)
            return _test([sys.executable, "-m", "pytest", *([] if named else ["tests/kube"]), *rest], given)
        case _:
            print(USAGE, file=sys.stderr)
            return 2
    return 0


def _test(command: Sequence[str], given: str | None) -> int:
    """Run the tests beside a cluster; where there is none they skip themselves, and say why."""
    if given:
        return subprocess.run(command, check=False).returncode
    if reason := why_not():
        return subprocess.run(
            command, check=False, env={**os.environ, "STREAMSPACE_TEST_NO_CLUSTER": reason}
        ).returncode
    binaries.prometheus_operator()
    with lifecycle.running(layout()):
        # Before going inside: there is no way from there to where packages come from.
        found = {"STREAMSPACE_TEST_IMAGE": images.provide(layout())}
        return lifecycle.run_inside(layout(), command, found)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except lifecycle.ClusterError as error:
        sys.exit(str(error))
