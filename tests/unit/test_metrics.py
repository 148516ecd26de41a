"""The metrics: what is documented is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamspace_proxy.streamer.frames import EncodedFrame, Timings
from streamspace_proxy.streamer.messages import Report
from streamspace_proxy.streamer.metrics import Metrics, RtpFigures, Snapshot

from streamspace_hub.model import Role

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
ROW = re.compile(r"^\| `(streamspace_session_\w+)` \| (\w+) \|(.*?)\| (.+?) \| (.+?) \|$", re.MULTILINE)
UNITS = {"seconds": "seconds", "bytes": "bytes", "bits_per_second": "bit/s"}
SNAPSHOT = Snapshot(59.5, 4e6, 8e6, {Role.OWNER: 2, Role.CONTROLLER: 0, Role.VIEWER: 0}, {"websocket": 2})


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"streamspace_session_{name}", labels)


def exported(metrics: Metrics) -> dict[str, str]:
    """Names as Prometheus sees them, and their types."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: family.type
        for family in metrics.registry.collect()
    }


def test_the_document_lists_each_metric_with_its_type_labels_and_unit() -> None:
    metrics = Metrics()
    rows = {name: (kind, labels, unit) for name, kind, labels, unit, _ in ROW.findall(DOCUMENT.read_text())}
    assert {name: kind for name, (kind, _, _) in rows.items()} == exported(metrics)
    labelled = {
        re.sub("_(bucket|count|sum)$", "", sample.name): sorted(set(sample.labels) - {"le"})
        for family in metrics.registry.collect()
        for sample in family.samples
    }
    for name, (_, labels, unit) in rows.items():
        assert sorted(re.findall(r"`(\w+)`", labels)) == labelled.get(name, re.findall(r"`(\w+)`", labels)), name
        for ending, documented in UNITS.items():
            if name.removesuffix("_total").endswith(ending):
                assert unit == documented, name


def test_a_frame_is_counted_with_its_phases_and_a_repeat_only_with_what_it_cost() -> None:
    metrics = Metrics()
    metrics.frame(EncodedFrame(b"x" * 100, True, 1, 0, 2, 2, Timings(0.003, 0.001, 0.007, 0)))
    metrics.frame(EncodedFrame(b"x" * 10, False, 1, 0, 2, 2, Timings(None, None, 0.002, 0)))
    metrics.frame(EncodedFrame(b"x", False, 1, 0, 2, 2))
    assert value(metrics, "frames_total", kind="keyframe") == 1
    assert value(metrics, "frames_total", kind="delta") == 2
    assert value(metrics, "encoded_bytes_total") == 111
    assert value(metrics, "frame_phase_seconds_count", phase="grab") == 1
    assert value(metrics, "frame_phase_seconds_count", phase="encode") == 2
    assert value(metrics, "frame_phase_seconds_bucket", phase="grab", le="0.004") == 1
    assert value(metrics, "frame_phase_seconds_bucket", phase="grab", le="0.002") == 0


def test_a_report_is_counted_in_seconds_under_the_transport_that_it_speaks_of() -> None:
    metrics = Metrics()
    report = Report(
        type="report", first_picture_ms=90, freezes=2, freeze_ms=700, switches=1, latency_ms=[12, 30], input_ms=[25],
        round_trip_ms=4, dropped=3,
    )  # fmt: skip
    metrics.report(report, "webrtc")
    assert value(metrics, "presented_seconds_sum", transport="webrtc") == pytest.approx(0.042)
    assert value(metrics, "presented_seconds_count", transport="websocket") == 0
    assert value(metrics, "input_seconds_count", transport="webrtc") == 1
    assert value(metrics, "first_picture_seconds_sum") == 0.09
    assert value(metrics, "freezes_total") == 2
    assert value(metrics, "freeze_seconds_total") == 0.7
    assert value(metrics, "round_trip_seconds_sum") == 0.004
    assert value(metrics, "dropped_frames_total") == 3
    assert value(metrics, "transport_switches_total") == 1
    metrics.report(report, None)
    assert value(metrics, "presented_seconds_count", transport="webrtc") == 2
    assert value(metrics, "freezes_total") == 4


def test_what_webrtc_sent_is_counted_once_and_never_backwards() -> None:
    metrics = Metrics()
    first, then = RtpFigures(10, 1000, 4, 2), RtpFigures(15, 1600, 3, 2)
    metrics.rtp(RtpFigures(), first)
    metrics.rtp(first, then)
    assert value(metrics, "sent_bytes_total", transport="webrtc") == 1600
    assert value(metrics, "rtp_packets_total") == 15
    assert value(metrics, "rtp_lost_packets_total") == 4
    assert value(metrics, "rtp_retransmissions_total") == 2


def test_a_scrape_shows_the_state_of_now() -> None:
    metrics = Metrics()
    text = metrics.render(SNAPSHOT).decode()
    assert 'streamspace_session_viewers{role="owner"} 2.0' in text
    assert "streamspace_session_frames_per_second 59.5" in text
    assert 'streamspace_session_refusals_total{code="rate_limited"} 0.0' in text
    assert "_created" not in text


def test_a_scrape_does_not_grow_with_what_has_happened() -> None:
    metrics = Metrics()
    lines = metrics.render(SNAPSHOT).count(b"\n")
    for _ in range(2000):
        metrics.frame(EncodedFrame(b"x" * 100, True, 1, 0, 2, 2, Timings(0.003, 0.001, 0.007, 0)))
        metrics.queued("websocket", 0.001)
        metrics.sent("websocket", 100)
    assert metrics.render(SNAPSHOT).count(b"\n") == lines
