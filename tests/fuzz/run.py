"""`python -m tests.fuzz.run TARGET SECONDS`: feed one target for that long; exit code 0 says that it held.

Half of the time Hypothesis makes inputs that are almost right. The other half goes to atheris where it is installed: it
changes bytes, guided by which lines of our parsers and aiortc's they reach.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, seed, settings

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

MOST_BYTES = 8192


def main(name: str, seconds: float) -> None:
    """Run until the time is over, or something is found."""
    try:
        import atheris
    except ImportError:
        from tests.fuzz.targets import TARGETS

        by_chance(TARGETS[name], seconds)
        return
    with atheris.instrument_imports(include=["streamspace_proxy.streamer", "aiortc", "aioice"]):
        from tests.fuzz.targets import TARGETS
    by_chance(TARGETS[name], seconds / 2)
    by_coverage(atheris, TARGETS[name], seconds / 2)


def by_chance(target: Target, seconds: float) -> None:
    """Hypothesis, one seed after the other."""
    deadline, count = time.monotonic() + seconds, 0

    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def test(value: Any) -> None:
        nonlocal count
        count += 1
        target.check(value)

    while time.monotonic() < deadline:
        seed(random.getrandbits(64))(test)()
    print(f"hypothesis: {count} inputs", flush=True)


def by_coverage(atheris: Any, target: Target, seconds: float) -> None:
    """Run libFuzzer, which ends this process: 77 when an exception came out."""
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(target.seeds()):
            Path(folder, str(number)).write_bytes(data)
        options = [f"-max_total_time={max(1, int(seconds))}", f"-max_len={MOST_BYTES}", "-rss_limit_mb=1024"]
        arguments = [sys.argv[0], *options, "-verbosity=0", "-print_final_stats=1", folder]
        atheris.Setup(arguments, lambda data: target.check(target.from_bytes(data)))
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
