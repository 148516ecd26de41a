"""Zero-to-JupyterHub with our overlay, installed by Helm; GIMP of it in a real Chromium; an upgrade; the end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.test_way_of_a_click import middle, new_image, stroke
from tests.support.chromium import chromium
from tests.support.kube import Cluster
from tests.support.lab import desktop, tile, wait_for_picture
from tests.support.viewer import SURFACE, alike, at_rest, colours, picture, wait_for_app
from tests.support.waiting import PATIENCE, eventually
from tests.support.z2jh import Release

pytestmark = [pytest.mark.kube, pytest.mark.browser, pytest.mark.timeout(900)]

USER, PASSWORD = "ann", "z2jh"
START = 150.0
"""Seconds for a server's start, in which the node may have to fetch its image."""
OPEN_FILE = """async ([app, file]) => {
  const base = JSON.parse(document.getElementById('jupyter-config-data').textContent).baseUrl;
  const xsrf = document.cookie.match(/_xsrf=([^;]+)/)[1];
  const body = JSON.stringify({app, open: file});
  const told = {method: 'POST', headers: {'X-XSRFToken': xsrf, 'Content-Type': 'application/json'}, body};
  return (await fetch(`${base}streamspace/api/v1/sessions`, told)).status;
}"""


@pytest.fixture(scope="module")
def release(cluster: Cluster, chart: str, image: str) -> Iterator[Release]:
    """Zero-to-JupyterHub with our overlay, whose ordinary servers are not made for Pod Security's `restricted`."""
    with cluster.namespace("baseline") as namespace:
        made = Release(namespace, chart, image)
        made.install()
        yield made


@pytest.fixture
def lab(release: Release) -> Iterator[Page]:
    """JupyterLab of a user who has signed in, with the launcher open."""
    with release.namespace.forward("service/proxy-public", 80) as port, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"http://127.0.0.1:{port}/hub/login")
        page.fill("#username_input", USER)
        page.fill("#password_input", PASSWORD)
        page.click("#login_submit")
        page.wait_for_url(f"**/user/{USER}/lab**", timeout=START * 1000)
        tile(page, "GIMP").wait_for(timeout=PATIENCE * 1000)
        yield page
        # Shown where the test has failed.
        print(page.url, page.inner_text("body")[:3000], release.said(), sep="\n")


def test_a_click_on_gimp_a_drawing_an_upgrade_and_the_end(lab: Page, release: Release) -> None:
    assert tile(lab, "Krita").count() == 1, "the tile of an app of the hub's own"
    tile(lab, "GIMP").click()
    frame = desktop(lab, "gimp", START)
    wait_for_picture(frame, START)
    wait_for_app(frame, START)
    eventually(lambda: colours(picture(lab, frame)) > 500, "GIMP's window to be drawn", 120)
    frame.locator(SURFACE).click(position={"x": 500, "y": 400})
    eventually(lambda: new_image(lab, frame), "GIMP to make a new image", 120)
    eventually(lambda: stroke(lab, frame), "the stroke to be seen")
    if folder := os.environ.get("STREAMSPACE_SCREENSHOTS"):
        lab.screenshot(path=f"{folder}/gimp-z2jh.png")

    session, drawn = release.session(), middle(at_rest(lab, frame))
    namespace, pod = release.namespace, session["metadata"]["name"]
    namespace.kubectl("exec", pod, "-c", "desktop", "--", "touch", "/home/jovyan/drawn")
    release.install("--set", "hub.extraConfig.after=c.JupyterHub.template_vars = {}")
    assert release.session()["metadata"]["uid"] == session["metadata"]["uid"]
    # By another port of ours: the proxy, to which the first one led, may have been replaced too.
    with namespace.forward("service/proxy-public", 80) as port:
        lab.goto(f"http://127.0.0.1:{port}/user/{USER}/lab")
        frame = desktop(lab, "gimp", START)
        wait_for_picture(frame, START)
        eventually(lambda: alike(drawn, middle(picture(lab, frame))), "the same drawing after the upgrade")
        assert lab.evaluate(OPEN_FILE, ["gimp", "drawn"]) == 200, "JupyterLab's pod reaches the running session"

    others = [one["metadata"]["name"] for one in namespace.pods() if "jupyter-ann" in one["metadata"]["name"]]
    (lab_pod,) = (name for name in others if name != pod)
    assert namespace.kubectl("exec", lab_pod, "--", "ls", "/home/jovyan").split().count("drawn") == 1, "one home"

    release.helm("uninstall", "hub", "--wait")
    namespace.kubectl("delete", "pods", "--all", "--wait=true")
    claims = json.loads(namespace.kubectl("get", "pvc", "-o", "json"))["items"]
    assert [claim["metadata"]["name"] for claim in claims] == [f"claim-{USER}"]
    assert claims[0]["status"]["phase"] == "Bound"
