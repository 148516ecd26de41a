"""Starting and stopping wait for nothing on the hub's event loop. How long their steps take, the bench says."""

from __future__ import annotations

import pytest

from tests.support.hub import temp_hub
from tests.support.steps import WATCHED, steps

pytestmark = [pytest.mark.hub, pytest.mark.x11]

BLOCKS = """
import subprocess
class Blocking(WatchedSpawner):
    async def prepare_session(self):
        async def wait():
            subprocess.run(["true"])
        await Watched(wait(), "wait")
        return await super().prepare_session()
c.JupyterHub.spawner_class = Blocking
"""


async def test_no_step_of_start_poll_and_stop_waits_for_a_program_or_the_disk() -> None:
    async with temp_hub(extra=WATCHED) as hub:
        for _ in range(2):
            async with hub.session(hub.users[0]):
                pass
        seen = steps(hub)
    assert {step.call for step in seen} == {"prepare_session", "start", "poll", "stop"}
    assert [step for step in seen if step.blocking] == []


async def test_a_step_that_waits_for_a_program_is_seen() -> None:
    async with temp_hub(extra=WATCHED + BLOCKS) as hub:
        async with hub.session(hub.users[0]):
            pass
        seen = [step.blocking for step in steps(hub) if step.call == "wait"]
    assert seen
    assert all("subprocess.Popen" in what[0] for what in seen)
