"""Sessions as pods, through a real hub, a real API server and a real kubelet."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.support.hub import TempHub
from tests.support.kube import Namespace, until_no_pods

pytestmark = [pytest.mark.kube, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]

TERMINAL = {"app": "terminal"}

TRY = """
import json, os, pathlib, socket, sys
found = []
def reach(what, attempt):
    try:
        attempt()
        found.append(what)
    except OSError:
        pass
def read_environments():
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue  # these very words
        try:
            text = (process / "environ").read_bytes()
        except OSError:
            continue
        if b"JUPYTERHUB_API_TOKEN" in text or b"streamspace_proxy.streamer" in (process / "cmdline").read_bytes():
            found.append(f"the streamer or a token in /proc/{process.name}")
def connect(path):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
read_environments()
for name in ("streamer.sock", "handover.sock"):
    reach(name, lambda: connect(f"/run/streamspace/streamer/run/{name}"))
reach("the streamer's folder", lambda: os.listdir("/run/streamspace/streamer"))
reach("a token of the cluster", lambda: os.listdir("/var/run/secrets/kubernetes.io/serviceaccount"))
reach("root", lambda: os.setuid(0))
reach("the streamer's user", lambda: os.setuid(1001))
reach("a file of the system", lambda: open("/etc/streamspace-was-here", "w"))
for line in open("/proc/net/unix"):
    path = line.split()[-1]
    if "streamer" in path or "handover" in path:
        reach(f"socket {path}", lambda: connect(path.replace("@", "\\0", 1)))
processes = [name for name in os.listdir("/proc") if name.isdigit()]
tried = {"found": found, "environment": sorted(os.environ), "uid": os.getuid(), "processes": len(processes)}
json.dump(tried, sys.stdout)
"""


def container(pod: dict[str, Any], name: str) -> dict[str, Any]:
    return next(container for container in pod["spec"]["containers"] if container["name"] == name)


async def test_a_session_is_a_pod_of_two_containers_and_leaves_nothing(hub: TempHub, namespace: Namespace) -> None:
    user = hub.users[0]
    model = await hub.start_server(user, "one", TERMINAL)
    assert model["state"]["streamspace"]["app"] == "terminal"
    pod = namespace.pod()
    notebook, desktop = container(pod, "notebook"), container(pod, "desktop")
    assert notebook["image"] == desktop["image"]
    assert desktop["resources"]["limits"]["memory"] == str(2 * 2**30)
    assert notebook["securityContext"]["runAsUser"] != desktop["securityContext"]["runAsUser"]
    reply = await hub.get(f"/user/{user}/one/", token=await hub.user_token(user))
    assert (reply.status_code, reply.headers["location"]) == (302, f"/user/{user}/one/streamspace/")
    await hub.stop_server(user, "one")
    assert namespace.left() == []


async def test_its_programs_reach_nothing_that_enforces_policy(hub: TempHub, namespace: Namespace) -> None:
    async with hub.session(hub.users[0], options=TERMINAL):
        tried = json.loads(namespace.run("desktop", "python3", "-c", TRY))
        assert tried["found"] == []
        assert tried["uid"] == 1000
        assert tried["processes"] > 3, "it saw its own desktop"
        assert [name for name in tried["environment"] if name.startswith("JUPYTERHUB_")] == []
        # The same attempts do find something where there is something to find.
        notebook = json.loads(namespace.run("notebook", "python3", "-c", TRY))
        assert {"streamer.sock", "the streamer's folder"} <= set(notebook["found"])


async def test_its_screen_is_seen_and_its_desktop_runs(hub: TempHub, namespace: Namespace) -> None:
    async with hub.session(hub.users[0], options=TERMINAL):
        await until_app_runs(hub, namespace)


async def until_app_runs(hub: TempHub, namespace: Namespace) -> None:
    """Wait until the app of the one session has its window."""
    user = hub.users[0]
    token = await hub.user_token(user)
    status: dict[str, Any] = {}
    for _ in range(600):
        reply = await hub.get(f"/user/{user}/one/streamspace/api/v1/status", token=token)
        status = reply.json()
        if status["desktop"]["app"]["state"] == "running":
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{status}\n{logs(namespace)}")


async def test_progress_tells_of_the_pod_in_sentences(hub: TempHub, namespace: Namespace) -> None:
    user = hub.users[0]
    start = asyncio.create_task(hub.request_start(user, "one", TERMINAL))
    reply = None
    while reply is None or reply.status_code != 200:  # until the hub has begun
        reply = await hub.api("GET", f"/users/{user}/servers/one/progress")
    assert (await start).status_code in (201, 202)
    events = [json.loads(line.removeprefix("data: ")) for line in reply.text.splitlines() if line.startswith("data: ")]
    messages = [event["message"] for event in events]
    assert "A place was found for Terminal." in messages, messages
    assert "The desktop is up; opening Terminal." in messages
    assert events[-1]["ready"]
    assert [event["progress"] for event in events] == sorted(event["progress"] for event in events)
    await hub.stop_server(user, "one")


async def test_the_end_of_the_desktop_ends_the_session(hub: TempHub, namespace: Namespace) -> None:
    user = hub.users[0]
    await hub.start_server(user, "one", TERMINAL)
    namespace.run("desktop", "python3", "-c", "import os, signal; os.kill(1, signal.SIGTERM)")
    await hub.until_gone(user, "one")
    until_no_pods(namespace)


@pytest.mark.parametrize("options", [{"app": "terminal", "open": "../x"}, {"app": "nothing-like-it"}])
async def test_bad_options_leave_nothing(hub: TempHub, namespace: Namespace, options: dict[str, Any]) -> None:
    reply = await hub.request_start(hub.users[0], "bad", options)
    assert reply.status_code == 400
    assert "Traceback" not in reply.text
    assert namespace.left() == []


async def test_a_gpu_that_the_cluster_has_not_is_refused(hub: TempHub, namespace: Namespace) -> None:
    text = "name: needs-gpu\ntitle: Thing\ncommand: [xterm]\nresources: {gpu: {count: 1, required: true}}\n"
    (hub.folder / "apps" / "needs-gpu.yaml").write_text(text)
    reply = await hub.request_start(hub.users[0], "one", {"app": "needs-gpu"})
    assert reply.status_code == 503
    assert "Thing needs a GPU, and this cluster offers none." in reply.json()["message"]
    assert namespace.left() == []


IN_THE_IMAGE = """
import json, os, shutil, stat
with open("/usr/share/streamspace/sbom.cdx.json") as file:
    bill = json.load(file)
found = {one["purl"].partition("@")[0] for one in bill["components"] if "purl" in one}
setuid = [path for folder, _, names in os.walk("/usr") for name in names
          if os.lstat(path := os.path.join(folder, name)).st_mode & (stat.S_ISUID | stat.S_ISGID)]
compilers = [name for name in ("cc", "gcc", "clang", "go", "rustc") if shutil.which(name)]
licence = os.path.exists("/usr/share/doc/xfce4-terminal/copyright")
print(json.dumps({"packages": sorted(found), "setuid": setuid, "compilers": compilers, "licence": licence}))
"""


async def test_an_image_says_what_is_in_it_and_has_no_tools_of_attack(hub: TempHub, namespace: Namespace) -> None:
    async with hub.session(hub.users[0], options=TERMINAL):
        found = json.loads(namespace.run("desktop", "python3", "-c", IN_THE_IMAGE))
    packages = {"deb/debian/xfce4-terminal", "deb/debian/openbox", "pypi/aiortc", "pypi/streamspace-hub"}
    assert {f"pkg:{package}" for package in packages} <= set(found.pop("packages"))
    assert found == {"setuid": [], "compilers": [], "licence": True}


async def test_an_image_of_ones_own_that_was_given_a_sessions_parts(
    hub: TempHub, namespace: Namespace, image: str
) -> None:
    text = f"name: own\ntitle: Own\ncommand: [xterm]\nimage: {image.replace('{app}', 'stacks')}\n"
    (hub.folder / "apps" / "own.yaml").write_text(text)
    async with hub.session(hub.users[0], options={"app": "own"}):
        await until_app_runs(hub, namespace)


async def test_the_hub_finds_its_session_again_after_a_restart(hub: TempHub, namespace: Namespace) -> None:
    user = hub.users[0]
    await hub.start_server(user, "one", TERMINAL)
    hub.kill()
    await hub.start()
    model = await hub.until_ready(user, "one")
    assert model["state"]["streamspace"]["app"] == "terminal"
    assert namespace.pod()["status"]["phase"] == "Running"
    await hub.stop_server(user, "one")
    assert namespace.left() == []


def logs(namespace: Namespace) -> str:
    """Return the logs of both containers of the one pod."""
    return namespace.kubectl("logs", namespace.pod()["metadata"]["name"], "--all-containers", "--prefix", check=False)
