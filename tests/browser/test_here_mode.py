"""Without a hub, in a JupyterLab with jupyter-server-proxy: a tile opens a local app, and all ends with the server.

The tab and the panel themselves are in `test_lab_extension.py`.
"""

from __future__ import annotations

import httpx
import psutil
import pytest
from playwright.sync_api import Browser

from tests.support.jupyterlab import TOKEN, JupyterLab, running_jupyterlab
from tests.support.lab import tile, wait_for_picture
from tests.support.sessions import runner_pid
from tests.support.viewer import colours, picture, wait_for_app
from tests.support.waiting import PATIENCE, eventually

pytestmark = [pytest.mark.browser, pytest.mark.x11]


def server_process(jupyterlab: JupyterLab) -> psutil.Process:
    port = f"--ServerApp.port={jupyterlab.port}"
    return next(process for process in psutil.process_iter(["cmdline"]) if port in (process.info["cmdline"] or []))


def test_a_built_in_app_opens_beside_jupyter_server_proxy_and_ends_with_the_server(browser: Browser) -> None:
    with running_jupyterlab({}) as jupyterlab:
        proxied = httpx.get(
            f"http://127.0.0.1:{jupyterlab.port}/base/server-proxy/servers-info",
            headers={"Authorization": f"token {TOKEN}"},
        )
        assert proxied.status_code == 200
        page = browser.new_page()
        page.goto(jupyterlab.url)
        tile(page, "Terminal").click(timeout=PATIENCE * 1000)
        page.locator("iframe.streamspace-Desktop-picture").wait_for(timeout=PATIENCE * 1000)
        frame = eventually(lambda: page.frame(url="**/base/streamspace/here/terminal/**"), "the viewer page")
        wait_for_picture(frame)
        eventually(lambda: colours(picture(page, frame)) > 3, "the terminal to be drawn")
        wait_for_app(frame)
        frame.locator(".ss-surface").click()
        page.keyboard.type("touch typed-here; sleep 1000 & disown\n", delay=10)
        eventually((jupyterlab.root.parent / "typed-here").exists, "the command to run")

        processes = server_process(jupyterlab).children(recursive=True)
        assert runner_pid("terminal") in [process.pid for process in processes]
        assert any(process.name() == "sleep" for process in processes)
        server_process(jupyterlab).kill()
        assert psutil.wait_procs(processes, timeout=PATIENCE)[1] == []
        page.close()
