"""A hub that is full: who comes waits in order, and is told the place, whoever is asked for a start."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamspace_hub.model.waiting import Place, place_in
from tests.support.hub import LIMIT, TempHub
from tests.support.service import ADMIN, service_hub

pytestmark = [pytest.mark.hub, pytest.mark.x11]

APP = {"app": "test-app"}
CONFIG = """
c.StreamSpace.capacity = {"sessions": 1}
c.JupyterHub.load_roles.append({"name": "prometheus", "services": ["test"], "scopes": ["read:metrics"]})
"""


async def metrics(hub: TempHub) -> dict[str, float]:
    """Return what the hub tells Prometheus of those who wait for its own room."""
    page = (await hub.get("/hub/metrics", token=hub.token)).text
    samples = (sample for family in text_string_to_metric_families(page) for sample in family.samples)
    ours = [one for one in samples if one.name.startswith("streamspace_queue_") and one.labels.get("queue") == "hub"]
    assert ours, page
    return {one.name: one.value for one in ours if "le" not in one.labels}


async def test_who_comes_to_a_full_hub_waits_in_order_and_is_let_in_by_asking_again() -> None:
    async with service_hub(config=CONFIG) as running:
        hub, ann, bob = running.hub, running.ann, running.bob
        async with hub.session(ann, "one"):
            api = await running.api(bob)
            over_rest = await api("POST", "/sessions", json=APP)
            assert over_rest.status_code == 429, over_rest.text
            said = over_rest.json()["detail"]
            assert said.startswith("There is no room for Test app at present. You are number 1 in the queue.")
            assert int(over_rest.headers["retry-after"]) > 0
            assert over_rest.json()["type"] == "urn:streamspace:problem:queued"
            assert over_rest.json()["queue"] == {"position": 1}
            assert (await api("POST", "/sessions", json=APP)).status_code == 429
            second = await hub.request_start(ann, "two", APP)
            assert second.status_code == 429
            assert "You are number 2 in the queue." in second.json()["message"]
            assert place_in(second.headers) == Place(2, None)
            told = await metrics(hub)
            assert told["streamspace_queue_length"] == 2
            assert told["streamspace_queue_oldest_seconds"] > 0
            assert told["streamspace_queue_wait_seconds_count"] == 0
        overtaking = await hub.request_start(ann, "two", APP)
        assert overtaking.status_code == 429, "there is room, and it is another's turn"
        async with asyncio.timeout(LIMIT):
            while (reply := await api("POST", "/sessions", json=APP)).status_code == 429:
                await asyncio.sleep(0.2)
        assert reply.status_code in (200, 202), reply.text
        await api.until(f"/sessions/{bob}/test-app", "running")
        asked = {"action": "session.create", "target": f"{bob}/test-app"}
        lines = (await (await running.api(ADMIN))("GET", "/audit", params=asked)).json()["events"]
        assert [line["outcome"] for line in reversed(lines)] == ["allowed", "denied", "allowed"], lines
        assert lines[1]["reason"] == said, "asked for, told to wait, and let in: nothing of the asking in between"
        assert "You are number 1 in the queue." in (await hub.request_start(ann, "two", APP)).json()["message"]
        told = await metrics(hub)
        assert (told["streamspace_queue_length"], told["streamspace_queue_wait_seconds_count"]) == (1, 1)
        assert told["streamspace_queue_wait_seconds_sum"] > 0
        await hub.stop_server(bob, "test-app")
        async with hub.session(ann, "two"):
            pass
