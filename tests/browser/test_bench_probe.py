"""The bench's stop watch: told to change after a while, every kind of picture element is found to take that long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.bench.streaming.watching import PROBE

pytestmark = pytest.mark.browser

DELAY = 50
SCREEN = {"width": 640, "height": 360}
START = f"""
const paint = (context, light) => {{ context.fillStyle = light ? '#fff' : '#000'; context.fillRect(0, 0, 640, 360); }};
let light = false;
const onPress = paintNow => addEventListener('pointerdown', () => setTimeout(() => paintNow(light = !light), {DELAY}));
"""
CANVAS = (
    START
    + """
const context = document.querySelector('canvas').getContext('2d');
paint(context, light);
onPress(now => paint(context, now));
"""
)
WORKER = (
    START
    + """
const source = `const paint = ${paint}; let context;
onmessage = ({ data }) => { context ??= data.canvas.getContext('2d'); paint(context, data.light); }`;
const worker = new Worker(URL.createObjectURL(new Blob([source])));
const canvas = document.querySelector('canvas').transferControlToOffscreen();
worker.postMessage({ canvas, light }, [canvas]);
onPress(now => worker.postMessage({ light: now }));
"""
)
VIDEO = (
    START
    + """
const generator = new MediaStreamTrackGenerator({ kind: 'video' });
const video = document.querySelector('video');
video.srcObject = new MediaStream([generator]);
video.muted = true;
video.play();
const writer = generator.writable.getWriter();
const canvas = new OffscreenCanvas(640, 360);
const show = now => {
  paint(canvas.getContext('2d'), now);
  void writer.write(new VideoFrame(canvas, { timestamp: performance.now() * 1000 }));
};
// Frames before the element listens are lost.
setInterval(() => show(light), 200);
onPress(show);
"""
)
ELEMENTS = {
    "canvas": ('<canvas width="640" height="360"></canvas>', CANVAS),
    "canvas of a worker": ('<canvas width="640" height="360"></canvas>', WORKER),
    "video": ('<video width="640" height="360"></video>', VIDEO),
}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.add_init_script(path=PROBE)
    yield context.new_page()
    context.close()


def load(page: Page, kind: str) -> None:
    element, script = ELEMENTS[kind]
    body = f"<body style='margin:0'>{element}<script type='module'>{script}</script></body>"

    def answer(route: Route) -> None:
        route.fulfill(body=body, content_type="text/html")

    page.route("**/*", answer)
    page.goto("http://localhost/", wait_until="commit")  # a secure context, which is nowhere
    page.wait_for_function("() => streamBench.hasPicture()")
    page.wait_for_timeout(300)


@pytest.mark.parametrize("kind", ELEMENTS)
def test_the_time_measured_is_the_time_it_takes(page: Page, kind: str) -> None:
    load(page, kind)
    page.mouse.move(100, 100)
    times = []
    for _ in range(15):
        page.evaluate("a => streamBench.arm(...a)", [[320, 180], SCREEN, 3000])
        page.mouse.down()
        times.append(page.evaluate("streamBench.outcome()"))
        page.mouse.up()
        page.wait_for_timeout(37)
    assert min(times) >= DELAY - 1, times
    # Generous: a busy machine shows a picture late. The shortest of many is what the stop watch itself adds.
    assert min(times) < 2 * DELAY, times


def test_what_never_changes_is_given_up(page: Page) -> None:
    load(page, "canvas")
    page.evaluate("a => streamBench.arm(...a)", [[320, 180], SCREEN, 30])
    page.mouse.move(100, 100)
    page.mouse.down()
    assert page.evaluate("streamBench.outcome()") is None
