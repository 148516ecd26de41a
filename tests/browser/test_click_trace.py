"""A click on My desktops, the viewer page's first picture, and the trace between them, as a collector gets it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Request

from tests.browser.conftest import new_context
from tests.support.collector import collector
from tests.support.demo import running_demo
from tests.support.lab import wait_for_picture
from tests.support.pages import open_pages

pytestmark = [pytest.mark.browser, pytest.mark.hub, pytest.mark.x11]

SPANS = {"POST /sessions", "POST /users/{user}/servers/{server}", "spawn", "session start", "first picture"}


def starts(request: Request) -> bool:
    return request.method == "POST" and request.url.endswith("/api/v1/sessions")


def test_a_click_begins_the_trace_that_ends_with_its_picture(browser: Browser) -> None:
    # OpenTelemetry's own variable is all that the hub is told.
    with collector() as traces, running_demo(OTEL_EXPORTER_OTLP_ENDPOINT=traces.url) as demo:
        context = new_context(browser, demo)
        page = open_pages(context, demo)
        with page.expect_request(starts) as clicked:
            page.get_by_role("button", name="Start Terminal", exact=True).last.click()
        _, trace, click, _ = clicked.value.headers["traceparent"].split("-")
        page.get_by_role("link", name="Open Terminal").click()
        wait_for_picture(page)
        demo.wait_for(lambda: set(traces.of(trace)) >= SPANS, "all spans of the click to arrive")
        found = traces.of(trace)
        assert found["POST /sessions"].parent == click
        assert found["first picture"].parent == found["session start"].id
        assert found["first picture"].attributes["streamspace.transport"] == "websocket"
        demo.stop("terminal")
        context.close()
