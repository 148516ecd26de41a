"""One trace from a click to its first picture, through a real hub, service and session; and logs that name it."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.support.collector import Collector, Seen, collector
from tests.support.hub import TempHub, processes_of
from tests.support.service import ABSENT_APP, ServiceHub, service_hub
from tests.support.waiting import PATIENCE

pytestmark = [pytest.mark.hub, pytest.mark.x11, pytest.mark.asyncio(loop_scope="module")]

CONFIG = """\
c.StreamSpace.traces_endpoint = {url!r}
c.StreamSpace.json_logs = True
"""
SERVER, CLIENT, INTERNAL = 2, 3, 1
"""Kinds of spans (opentelemetry.proto.trace.v1)."""


@pytest.fixture(scope="module")
def traces() -> Iterator[Collector]:
    with collector() as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(traces: Collector) -> AsyncIterator[ServiceHub]:
    async with service_hub(config=f"{CONFIG.format(url=traces.url)}\n{ABSENT_APP}") as found:
        yield found


def click(trace: str, span: str) -> dict[str, str]:
    """Return what a page sends with a click."""
    return {"traceparent": f"00-{trace}-{span}-01"}


async def see_a_picture(hub: TempHub, url: str, token: str) -> None:
    """Look at a session until its first picture, as the viewer page does."""
    headers = {"Authorization": f"token {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.ws_connect(f"{hub.url}{url}ws", protocols=["streamspace.v1"], max_msg_size=0) as ws,
    ):
        while (message := await ws.receive(PATIENCE)).type is aiohttp.WSMsgType.TEXT:
            told = json.loads(message.data)
            if told["type"] == "status" and told["state"] == "running":
                start = {"type": "start", "transport": "websocket", "audio": False}
                await ws.send_str(json.dumps(start))
        assert message.type is aiohttp.WSMsgType.BINARY
        number = struct.unpack_from(">BBHIQ", message.data)[3]
        await ws.send_bytes(struct.pack(">BBHI", 1, 0, 0, number))
        # A round trip: it has been read.
        await ws.send_str(json.dumps({"type": "ping", "t": 1}))
        while (message := await ws.receive(PATIENCE)).type is not aiohttp.WSMsgType.TEXT:
            pass


def lines(text: str) -> list[dict[str, Any]]:
    """Return the lines of a log that are objects."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def assert_below(child: Seen, parent: Seen) -> None:
    assert child.parent == parent.id, f"{child.name} is not below {parent.name}"


async def test_one_trace_from_the_click_to_the_first_picture(running: ServiceHub, traces: Collector) -> None:
    ann, token, user = await running.api(running.ann), await running.token(running.ann), running.ann
    trace, clicked = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    path = f"/sessions/{user}/traced"
    asked = {"app": "test-app", "name": "traced"}
    begun = await ann("POST", "/sessions", json=asked, headers=click(trace, clicked))
    assert begun.status_code == 202, begun.text
    session = await ann.until(path, "running")
    model = await running.hub.server(user, "traced")
    assert model is not None
    kept = model["state"]["streamspace"]
    await see_a_picture(running.hub, session["url"], token)
    found = await traces.until(trace, "POST /sessions", "spawn", "session start", "first picture")

    service, hub = found["POST /sessions"], found["POST /users/{user}/servers/{server}"]
    spawn, start, picture = found["spawn"], found["session start"], found["first picture"]
    assert (service.parent, service.process, service.kind) == (clicked, "streamspace-service", SERVER)
    assert service.attributes["http.response.status_code"] == 202
    assert_below(hub, service)
    assert (hub.process, hub.kind) == ("streamspace-service", CLIENT)
    assert_below(spawn, hub)
    assert (spawn.process, spawn.attributes, spawn.kind) == (
        "streamspace-hub", {"streamspace.app": "test-app"}, INTERNAL,
    )  # fmt: skip
    assert_below(start, spawn)
    assert (start.process, start.attributes) == ("streamspace-session", {"streamspace.app": "test-app"})
    assert "streamer listens" in start.events
    assert_below(picture, start)
    assert (picture.process, picture.attributes) == ("streamspace-session", {"streamspace.transport": "websocket"})
    assert picture.events == ["sent"]
    assert len(found) == 5
    assert not any(span.failed for span in found.values())
    for span in found.values():
        for secret in (user, "traced", token, kept["marker"], str(kept["folder"])):
            assert secret not in span.text, f"{span.name} holds {secret}"

    # Programs of the user's are no part of it.
    told = {pid: Path(f"/proc/{pid}/environ").read_text() for pid in processes_of(kept["marker"])}
    xterms = [text for pid, text in told.items() if Path(f"/proc/{pid}/comm").read_text() == "xterm\n"]
    assert xterms
    assert not any("TRACEPARENT" in text or traces.url in text for text in xterms)

    request = {"request_id": begun.headers["x-request-id"], "session": f"{user}/traced"}
    hubs = lines(running.hub.log)
    of_service = [line for line in hubs if line["logger"] == "streamspace.request" and line.get("trace_id") == trace]
    assert [(line["method"], {key: line[key] for key in request}) for line in of_service] == [("POST", request)]
    of_spawner = [line for line in hubs if line["message"].startswith("Starting ") and request.items() <= line.items()]
    assert [line["trace_id"] for line in of_spawner] == [trace]
    in_session = lines(Path(kept["folder"], "session.log").read_text())
    in_streamer = lines(Path(kept["folder"], "streamer.log").read_text())
    assert in_session
    assert in_streamer
    for line in [*in_session, *in_streamer]:
        assert (line["session"], line["trace_id"]) == (f"{user}/traced", trace)
    await running.hub.stop_server(user, "traced")


async def test_a_click_on_a_tile_of_jupyterlab_is_passed_on(running: ServiceHub, traces: Collector) -> None:
    hub, user = running.hub, running.ann
    await hub.start_server(user, "")
    token = await running.token(user)
    page = await hub.get(f"/user/{user}/lab", token=token)
    assert '"streamspaceTraces": "true"' in page.text
    trace, clicked = "1af7651916cd43dd8448eb211c80319c", "c7ad6b7169203331"
    reply = await hub.client.post(
        f"{hub.url}/user/{user}/streamspace/api/v1/sessions",
        headers={"Authorization": f"token {token}", **click(trace, clicked)},
        json={"app": "test-app"},
    )
    assert reply.status_code == 202, reply.text
    await hub.until_ready(user, "test-app")
    found = await traces.until(trace, "spawn")
    assert found["spawn"].parent == clicked
    await hub.stop_server(user, "test-app")
    await hub.stop_server(user, "")


async def test_a_start_that_is_refused_ends_its_trace(running: ServiceHub, traces: Collector) -> None:
    ann = await running.api(running.ann)
    trace = "2af7651916cd43dd8448eb211c80319c"
    reply = await ann("POST", "/sessions", json={"app": "absent"}, headers=click(trace, "d7ad6b7169203331"))
    assert reply.status_code in (202, 503), reply.text
    spawn = (await traces.until(trace, "spawn"))["spawn"]
    assert spawn.failed
    assert spawn.attributes["error.type"] in ("HTTPError", "SpawnException"), "of JupyterHub 5 or 6"
    assert "no/such/program" not in spawn.text
