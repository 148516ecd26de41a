"""Webhooks of the service as the hub runs it, from a session's start to what a receiver gets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.hub import LIMIT
from tests.support.receiver import receiver
from tests.support.service import service_hub

pytestmark = [pytest.mark.hub, pytest.mark.x11]


async def test_a_receiver_hears_of_a_session_from_its_start_to_its_end(tmp_path: Path) -> None:
    async with receiver(tmp_path) as there, service_hub(webhooks=[there.hook]) as running:
        # The webhook begins with what happens once the service leads, which nothing tells from outside.
        async with asyncio.timeout(LIMIT):
            while not there.heard:
                async with running.hub.session(running.bob, "before"):
                    pass
        async with running.hub.session(running.ann, "one"):
            await there.until("running", running.ann)
        await there.until("stopped", running.ann)
        states = [one["data"]["state"] for one in there.of(running.ann)]
        assert [state for state in states if state != "stopping"] == ["starting", "running", "stopped"]
        assert {one["type"] for one in there.heard} == {"session"}
