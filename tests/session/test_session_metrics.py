"""The metrics of a real streamer with real viewers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.session.test_streamer_webrtc import Page, busy
from tests.support.streamer import Running, identity, running_streamer
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.x11


async def scrape(running: Running) -> dict[str, float]:
    """Every sample as `name{labels}`."""
    async with running.http.get("http://session/api/v1/metrics", headers=identity("owner")) as reply:
        assert reply.status == 200
        assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        families = list(text_string_to_metric_families(await reply.text()))
    return {
        sample.name.removeprefix("streamspace_session_")
        + "".join(f" {v}" for v in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


async def test_what_happened_to_a_viewer_shows_in_the_metrics() -> None:
    async with running_streamer() as running:
        viewer = await running.viewer()
        await viewer.start()
        await running.viewer("viewer")
        running.x.start("xterm", "-e", "sh", "-c", "while :; do seq 99; done")
        await viewer.until(lambda: len(viewer.frames) > 20, "frames")
        await viewer.send("report", latency_ms=[20, 30], first_picture_ms=80, freezes=1, freeze_ms=500)
        await viewer.send("nonsense")
        await viewer.message("error")
        figures = await scrape(running)
        frames = figures["frames_total keyframe"] + figures["frames_total delta"]
        assert frames >= 20
        assert figures["frames_per_second"] > 0
        assert figures["queue_seconds_count websocket"] >= 20
        assert figures["queue_seconds_sum websocket"] > 0
        for phase in ("grab", "convert", "encode"):
            count = figures[f"frame_phase_seconds_count {phase}"]
            assert 10 < count <= frames
            assert figures[f"frame_phase_seconds_sum {phase}"] > 0
        assert figures["sent_bytes_total websocket"] > sum(len(frame.data) for frame in viewer.frames[:20])
        assert figures["presented_seconds_count websocket"] == 2
        assert figures["presented_seconds_sum websocket"] == pytest.approx(0.05)
        assert figures["first_picture_seconds_count"] == 1
        assert figures["freeze_seconds_total"] == 0.5
        assert figures["refusals_total bad_message"] == 1
        assert figures["viewers owner"] == figures["viewers viewer"] == 1
        assert figures["transport_viewers websocket"] == 1


async def test_a_webrtc_viewers_packets_and_what_it_measured_show_in_metrics_and_stats() -> None:
    async with running_streamer() as running:
        await busy(running)
        viewer = await running.viewer()
        page = Page(viewer)
        try:
            await page.connect()
            lose_some(page.connection.getTransceivers()[0].receiver.transport)
            await viewer.send("start", transport="webrtc", audio=False)
            await viewer.until(lambda: page.frames > 60, "pictures by WebRTC")
            await viewer.send("report", input_ms=[40, 60], latency_ms=[20], switches=1)
            async with asyncio.timeout(PATIENCE):
                while not (figures := await scrape(running))["rtp_retransmissions_total"]:
                    await asyncio.sleep(0.1)
            assert figures["rtp_packets_total"] > 60
            assert figures["rtp_lost_packets_total"] < figures["rtp_packets_total"]
            assert figures["sent_bytes_total webrtc"] > 60 * 100
            assert figures["queue_seconds_count webrtc"] > 60
            assert figures["input_seconds_count webrtc"] == 2
            assert figures["input_seconds_sum webrtc"] == pytest.approx(0.1)
            assert figures["presented_seconds_count webrtc"] == 1
            assert figures["transport_switches_total"] == 1
            assert figures["transport_viewers webrtc"] == 1
            (told,) = (await running.get("stats"))["viewers"]
            assert told["webrtc"]["packets"] >= figures["rtp_packets_total"]
            assert told["webrtc"]["retransmitted"] > 0
        finally:
            await page.close()


def lose_some(transport: Any) -> None:
    """Let one packet of thirty not arrive."""
    handle, count = transport._handle_rtp_data, itertools.count(1)

    async def lossy(data: bytes, **when: Any) -> None:
        if next(count) % 30:
            await handle(data, **when)

    transport._handle_rtp_data = lossy


async def test_what_was_refused_on_any_socket_shows_in_the_metrics() -> None:
    async with running_streamer(policy={"max_viewers": 1}) as running:
        viewer = await running.viewer()
        await (await running.viewer()).message("bye")
        rfb = {"headers": identity("viewer"), "protocols": ["binary"]}
        async with running.http.ws_connect("http://session/rfb", **rfb) as ws:
            async with running.http.ws_connect("http://session/rfb", **rfb) as another:
                assert (await another.receive(timeout=5)).data == 1013
            await ws.send_bytes(b"no RFB at all")
            while not ws.closed:
                await ws.receive(timeout=5)
        with contextlib.suppress(ConnectionError):  # it is not taken to the end
            await viewer.ws.send_bytes(bytes(20 * 2**20))
        await viewer.until(lambda: viewer.closed, "the socket to be closed")
        figures = await scrape(running)
        refusals = {name.split()[1]: int(value) for name, value in figures.items() if name.startswith("refusals_total")}
        assert {code: count for code, count in refusals.items() if count} == {
            "too_many_viewers": 2,
            "bad_message": 1,
            "too_large": 1,
        }


async def test_only_the_owner_reads_them() -> None:
    async with running_streamer(attach=False) as running:
        for role, query in (("viewer", ""), ("controller", ""), ("owner", "?view=1")):
            url = f"http://session/api/v1/metrics{query}"
            async with running.http.get(url, headers=identity(role)) as reply:
                assert reply.status == 403
                assert "owner" in (await reply.json())["message"]


async def test_noVNCs_bytes_and_its_viewers_are_counted() -> None:
    async with (
        running_streamer() as running,
        running.http.ws_connect("http://session/rfb", headers=identity("viewer"), protocols=["binary"]) as ws,
    ):
        viewer = await running.viewer("viewer")
        await viewer.send("start", transport="rfb", audio=False)
        await asyncio.wait_for(ws.receive(), PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while (figures := await scrape(running))["transport_viewers rfb"] == 0:
                await asyncio.sleep(0.05)
        assert figures["transport_viewers rfb"] == 1
        assert figures["sent_bytes_total rfb"] >= 12
