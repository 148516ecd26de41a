"""JupyterLab's server under our spawner: as ever, and with just enough rights to show its user's sessions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.hub import AS_ROOT, HUB_MAJOR, TempHub

pytestmark = [pytest.mark.hub, pytest.mark.x11, pytest.mark.asyncio(loop_scope="module")]


async def test_lab_starts_lists_and_stops_its_users_sessions_and_no_one_elses(hub: TempHub) -> None:
    ann, bob = hub.users
    lab = await hub.start_server(ann, "")
    assert set(lab["state"]) == {"pid"}, "nothing of ours is kept for an ordinary server"
    variables = environment_of(lab["state"]["pid"])
    assert variables["STREAMSPACE_LAUNCH"] == "hub"
    assert variables["STREAMSPACE_CATALOG_DIRS"] == f"{hub.folder}/apps"
    assert not {"STREAMSPACE_SESSION", "STREAMSPACE_TEMPLATE", "STREAMSPACE_RUNTIME_DIR"} & variables.keys()
    if AS_ROOT:
        assert os.stat(f"/proc/{lab['state']['pid']}").st_uid >= 1000

    token = variables["JUPYTERHUB_API_TOKEN"]
    body = {"user_options": {"app": "test-app"}} if HUB_MAJOR >= 6 else {"app": "test-app"}
    reply = await hub.api("POST", f"/users/{ann}/servers/one", token=token, json=body)
    assert reply.status_code in (201, 202), reply.text
    await hub.until_ready(ann, "one")
    listed = (await hub.api("GET", f"/users/{ann}", token=token)).json()["servers"]
    assert listed["one"]["user_options"] == {"app": "test-app"}
    assert "state" not in listed["one"], "the server's state stays the hub's"
    assert (await hub.api("GET", f"/users/{ann}/servers/one/progress", token=token)).status_code == 200
    assert (await hub.get(f"/user/{ann}/one/", token=token)).status_code == 302
    for method, path in (
        ("POST", f"/users/{bob}/servers/one"),
        ("GET", f"/users/{bob}"),
        ("GET", "/users"),
        ("POST", f"/users/{ann}/tokens"),
        ("DELETE", f"/users/{ann}"),
    ):
        assert (await hub.api(method, path, token=token)).status_code in (403, 404), (method, path)
    assert (await hub.api("DELETE", f"/users/{ann}/servers/one", token=token)).status_code in (202, 204)
    await hub.until_gone(ann, "one")
    await hub.stop_server(ann, "")
    assert not Path(f"/proc/{lab['state']['pid']}").exists()


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with."""
    content = Path(f"/proc/{pid}/environ").read_text()
    return dict(line.split("=", 1) for line in content.split("\0") if "=" in line)
