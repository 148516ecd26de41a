"""Whoever waits for a change of a pod is woken by it, and by no other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from streamspace_spawner.reflectors import NoticingEvents, NoticingPods


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    # A reflector takes its client when it is made; these never ask for anything.
    monkeypatch.setattr("kubespawner.reflector.shared_client", lambda name: None)


def pod(name: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "hub", "name": name}}


async def test_a_changed_pod_wakes_who_waits_for_it() -> None:
    pods = NoticingPods(namespace="hub")
    pods.resources = {"hub/ann": pod("ann")}
    ann, bob = pods.changes.next_of("hub/ann"), pods.changes.next_of("hub/bob")
    pods.pods["hub/ann"] = pod("ann")
    assert (ann.is_set(), bob.is_set()) == (True, False)


async def test_the_end_of_a_pod_is_a_change() -> None:
    pods = NoticingPods(namespace="hub")
    pods.resources = {"hub/ann": pod("ann")}
    ann = pods.changes.next_of("hub/ann")
    assert pods.resources.pop("hub/ann", None) == pod("ann")
    assert pods.resources.pop("hub/ann", None) is None
    await asyncio.wait_for(ann.wait(), 1)


async def test_a_pods_last_words_are_kept_when_it_is_gone() -> None:
    pods = NoticingPods(namespace="hub")
    pods.resources = {}
    states: dict[str, dict[str, Any]] = {
        "ann": {"terminated": {"exitCode": 0, "message": "farewell"}},
        "bob": {"terminated": {"exitCode": 0}},
        "cat": {"running": {}},
    }
    for name, state in states.items():
        pods.resources[f"hub/{name}"] = {**pod(name), "status": {"containerStatuses": [{"state": state}]}}
        pods.resources.pop(f"hub/{name}", None)
    assert pods.gone["hub/ann"] == {"status": {"containerStatuses": [{"state": states["ann"]}]}}
    assert (pods.gone["hub/bob"], pods.gone["hub/cat"]) == (None, None)
    pods.resources["hub/ann"] = pod("ann")
    pods.resources.pop("hub/ann", None)
    assert pods.gone["hub/ann"] is None, "those of an earlier pod of that name"


async def test_a_new_list_wakes_everybody() -> None:
    pods = NoticingPods(namespace="hub")
    waiting = [pods.changes.next_of(f"hub/{name}") for name in ("ann", "bob")]
    pods.resources = {}
    assert all(event.is_set() for event in waiting)


async def test_an_event_is_a_change_of_its_pod() -> None:
    events = NoticingEvents(namespace="hub")
    events.resources = {}
    ann = events.changes.next_of("hub/ann")
    event = {"metadata": {"namespace": "hub", "name": "ann.17"}, "involvedObject": {"name": "ann"}}
    events.resources["hub/ann.17"] = event
    assert ann.is_set()
