"""The viewer socket by requests: the same messages, roles and pictures as on a WebSocket, from a real streamer."""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import dataclass, field
from typing import Any

import pytest
from streamspace_proxy.streamer import polling

from tests.support.streamer import Running, decode, identity, running_streamer

pytestmark = pytest.mark.x11


@dataclass
class Page:
    """A page that polls: collects what comes, acknowledges each picture with the next batch."""

    running: Running
    role: str = "owner"
    user: str = "ada"
    name: str = ""
    arrived: int = 0
    batches: int = 0
    messages: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)

    async def open(self) -> Page:
        status, body = await self.request("POST", "http")
        assert status == 200
        self.name = json.loads(body)["connection"]
        return self

    async def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        headers = identity(self.role, self.user)
        async with self.running.http.request(method, f"http://session/{path}", data=body, headers=headers) as reply:
            return reply.status, await reply.read()

    async def fetch(self) -> int:
        status, body = await self.request("GET", f"http/{self.name}?after={self.arrived}")
        for message in polling.unpack(body) if status == 200 else ():
            self.arrived += 1
            if isinstance(message.data, str):
                self.messages.append(json.loads(message.data))
            else:
                _, _, _, number, _ = struct.unpack_from(">BBHIQ", message.data)
                self.pictures.append(message.data[16:])
                await self.post(polling.pack(polling.BINARY, struct.pack(">BBHI", 1, 0, 0, number)))
        return status

    async def post(self, body: bytes) -> tuple[int, bytes]:
        answer = await self.request("POST", f"http/{self.name}?batch={self.batches}", body)
        self.batches += answer[0] == 204
        return answer

    async def send(self, *messages: dict[str, Any]) -> tuple[int, bytes]:
        return await self.post(b"".join(polling.pack(polling.TEXT, json.dumps(one).encode()) for one in messages))

    async def message(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while not (found := [one for one in self.messages if one["type"] == kind]):
                assert await self.fetch() == 200
        self.messages.remove(found[0])
        return found[0]


START = {"type": "start", "transport": "http", "audio": False}


@pytest.mark.parametrize("codec", ["h264", "jpeg"])
async def test_pictures_come_by_requests_and_end_with_them(codec: str) -> None:
    async with running_streamer() as running:
        page = await Page(running).open()
        hello = await page.message("hello")
        assert "http" in hello["transports"]
        assert not {"websocket", "rfb"} & set(hello["transports"])
        await page.send({**START, "codecs": [codec]})
        running.x.start("xterm", "-e", "sh", "-c", "while :; do date +%N; sleep 0.05; done")
        while len(page.pictures) < 20:
            assert await page.fetch() == 200
        if codec == "h264":
            assert decode(page.pictures).shape == (600, 800, 3)
        else:
            assert all(picture.startswith(b"\xff\xd8") for picture in page.pictures)
        assert (await running.get("stats"))["capturing"]
        assert (await page.request("DELETE", f"http/{page.name}"))[0] == 204
        async with asyncio.timeout(5):
            while (stats := await running.get("stats"))["viewers"]:
                await asyncio.sleep(0.05)
        assert not stats["capturing"]
        while (status := await page.fetch()) == 200:
            pass
        assert status == 410


async def test_a_page_that_asks_no_more_costs_nothing_and_is_gone_after_a_while() -> None:
    async with running_streamer() as running:
        page = await Page(running).open()
        await page.send(START, {"type": "key", "keysym": 0x61, "down": True})
        running.x.start("xterm", "-e", "sh", "-c", "while :; do date +%N; sleep 0.05; done")
        await page.message("video")
        # Two pictures are unacknowledged; no more are made.
        async with asyncio.timeout(10):
            frames = -1
            while frames != (now := (await running.get("stats"))["capture"]["frames"]):
                frames = now
                await asyncio.sleep(1)
        async with asyncio.timeout(2 * polling.GONE_SECONDS):
            while (await running.get("stats"))["viewers"]:
                await asyncio.sleep(0.1)
        assert not (await running.get("stats"))["capturing"]


async def test_input_passes_the_same_checks_as_on_a_websocket() -> None:
    async with running_streamer() as running:
        owner, watcher = await Page(running).open(), await Page(running, role="viewer", user="eve").open()
        pointer = {"type": "pointer", "x": 123, "y": 45, "buttons": 0}
        await watcher.send(pointer)
        error = await watcher.message("error")
        assert (error["code"], error["field"]) == ("forbidden", "type")
        assert (await running.get("activity"))["last_input"] is None
        await owner.send({"type": "pointer", "x": -1, "y": 0, "buttons": 0}, pointer)
        assert (await owner.message("error"))["field"] == "x"
        async with asyncio.timeout(5):
            while (await running.get("activity"))["last_input"] is None:
                await asyncio.sleep(0.05)
        await owner.send({"type": "start", "transport": "websocket", "audio": False})
        error = await owner.message("error")
        assert (error["code"], error["field"]) == ("transport_failed", "transport")


async def test_a_connection_is_its_users_and_in_its_role_only() -> None:
    async with running_streamer() as running:
        owner = await Page(running).open()
        for role, user in (("owner", "eve"), ("viewer", "ada")):
            thief = Page(running, role=role, user=user, name=owner.name)
            assert await thief.fetch() == 410
            assert (await thief.send(START))[0] == 410
            assert (await thief.request("DELETE", f"http/{owner.name}"))[0] == 204
        assert await owner.fetch() == 200


async def test_what_got_no_answer_can_be_asked_again_and_counts_once() -> None:
    async with running_streamer(attach=False) as running:
        page = await Page(running).open()
        first = await page.request("GET", f"http/{page.name}?after=0")
        assert first[0] == 200
        again = await page.request("GET", f"http/{page.name}?after=0")
        assert again[1].startswith(first[1])
        await page.fetch()
        ping = polling.pack(polling.TEXT, b'{"type": "ping", "t": 1}')
        for _ in range(2):
            assert (await page.request("POST", f"http/{page.name}?batch=0", ping))[0] == 204
        page.batches = 1
        await page.send({"type": "ping", "t": 2})
        assert [(await page.message("pong"))["t"] for _ in range(2)] == [1, 2]


async def test_what_is_malformed_is_answered_and_counted() -> None:
    async with running_streamer(attach=False) as running:
        page = await Page(running).open()
        for query in ("", "?after=", "?after=-1", "?after=x", "?after=" + "9" * 13):
            status, body = await page.request("GET", f"http/{page.name}{query}")
            assert (status, "number" in body.decode()) == (400, True)
        assert (await page.request("POST", f"http/{page.name}?batch=7", b""))[0] == 400
        for body in (b"x", polling.pack(3, b""), polling.pack(1, b"long")[:-1], polling.pack(1, b"\xff")):
            status, answer = await page.post(body)
            assert (status, "refused" in answer.decode()) == (400, True)
        status, answer = await page.post(bytes(polling.MAX_BATCH + 1))
        assert (status, str(polling.MAX_BATCH) in answer.decode()) == (413, True)
        assert (await running.get("stats"))["refusals"] == 6
        assert await page.fetch() == 200, "the connection goes on"


async def test_one_viewer_too_many_is_told() -> None:
    async with running_streamer(policy={"max_viewers": 1}, attach=False) as running:
        await running.viewer()
        page = await Page(running).open()
        assert (await page.message("error"))["code"] == "too_many_viewers"
        assert (await page.message("bye"))["reason"] == "too_many_viewers"
        assert await page.fetch() == 410
