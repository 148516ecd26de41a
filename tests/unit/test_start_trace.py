"""A session's spans of its start: each once, whoever looks, and whatever comes of it; received by OTLP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamspace_proxy.streamer.start_trace import BEGAN, StartTrace

from tests.support.collector import Collector, Seen, collector

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def sent() -> Iterator[Collector]:
    with collector() as found:
        yield found


def begun(sent: Collector, flags: str = "01", **more: str) -> StartTrace:
    environ = {
        "TRACEPARENT": f"00-{TRACE}-{PARENT}-{flags}",
        "STREAMSPACE_TRACES_ENDPOINT": f"{sent.url}/v1/traces",
        BEGAN: "1800000000.5",
    }
    return StartTrace(environ | more, "gimp")


def told(sent: Collector) -> list[tuple[str, str, bool]]:
    return [(span.name, span.parent, span.failed) for span in sent.spans]


def start_of(sent: Collector) -> Seen:
    return next(span for span in sent.spans if span.name == "session start")


def test_the_first_who_sees_something_ends_it(sent: Collector) -> None:
    trace = begun(sent)
    trace.listening()
    for _ in range(2):  # a screen that comes back is no other start
        trace.attached()
    trace.joined("v1")
    trace.joined("v2")
    trace.sent("v2", "websocket")
    trace.seen("v2", "websocket")
    trace.sent("v1", "websocket")
    trace.seen("v1", "webrtc")
    trace.seen("v1", "webrtc")
    trace.joined("v3")
    trace.close()
    start = start_of(sent)
    assert told(sent) == [("session start", PARENT, False), ("first picture", start.id, False)]
    assert {span.trace for span in sent.spans} == {TRACE}
    assert "start_time_unix_nano: 1800000000500000000" in start.text
    assert sent.spans[1].attributes == {"streamspace.transport": "webrtc"}


def test_who_leaves_without_a_picture_is_followed_by_another(sent: Collector) -> None:
    trace = begun(sent)
    trace.attached()
    trace.joined("v1")
    trace.left("v1")
    trace.joined("v2")
    trace.seen("v2", None)
    trace.close()
    start = start_of(sent)
    assert told(sent)[1:] == [("first picture", start.id, True), ("first picture", start.id, False)]
    assert sent.spans[2].attributes == {"streamspace.transport": "rfb"}


def test_a_session_without_a_screen_says_so_at_its_end(sent: Collector) -> None:
    begun(sent, **{BEGAN: "soon"}).close()
    assert told(sent) == [("session start", PARENT, True)]


def test_what_is_not_sampled_is_not_sent(sent: Collector) -> None:
    trace = begun(sent, flags="00")
    trace.attached()
    trace.joined("v1")
    trace.seen("v1", "websocket")
    trace.close()
    assert sent.spans == []
