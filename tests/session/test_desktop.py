"""The desktop's init with a real X server: what is on screen, how the app's end is told, what is left over."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xcffib.xproto
from streamspace_proxy.desktop import screen
from streamspace_proxy.desktop.init import HELPER_LIMIT
from streamspace_proxy.streamer import x11

from tests.support.running import Running, describe, output, run_desktop
from tests.support.waiting import PATIENCE
from tests.support.xserver import x_server

DIALOG = str(Path(__file__).with_name("dialog.py"))
pytestmark = pytest.mark.x11


async def geometry(running: Running, name: str) -> dict[str, int]:
    """Return position and size of the window called `name`."""
    said = await running.x("xwininfo", "-name", name)
    keys = {"x": "Absolute upper-left X", "y": "Absolute upper-left Y", "width": "Width", "height": "Height"}
    return {key: int(re.search(rf"{label}:\s+(-?\d+)", said)[1]) for key, label in keys.items()}  # type: ignore[index]


async def test_the_app_fills_the_screen_without_a_frame_and_follows_it() -> None:
    async with run_desktop("xterm", "-T", "main window", "-b", "0", "-e", "sleep", "1000") as running:
        status = await running.running()
        assert status["state"] == "running"
        assert status["message"] == "Test app is running"
        assert await geometry(running, "main window") == {"x": 0, "y": 0, "width": 1280, "height": 720}
        frame = await running.x("xprop", "-name", "main window", "_NET_FRAME_EXTENTS")
        assert frame.endswith("= 0, 0, 0, 0\n")
        await running.x("xrandr", "-s", "1024x768")
        for _ in range(50):
            if (await geometry(running, "main window"))["width"] == 1024:
                break
            await asyncio.sleep(0.05)
        assert await geometry(running, "main window") == {"x": 0, "y": 0, "width": 1024, "height": 768}


def ask_for_state(environment: dict[str, str], action: int, *states: str) -> None:
    """Ask the window manager, as an app does, to add (1) or remove (0) states of the active window (EWMH)."""
    connection = x11.connect(environment["DISPLAY"], Path(environment["XAUTHORITY"]))
    core, root = connection.core, connection.get_setup().roots[0].root

    def atom(name: str) -> int:
        number: int = core.InternAtom(False, len(name), name).reply().atom
        return number

    found: tuple[int, ...] = ()
    for _ in range(100):  # the window has the focus a moment after it is up
        reply = core.GetProperty(False, root, atom("_NET_ACTIVE_WINDOW"), xcffib.xproto.Atom.WINDOW, 0, 1).reply()
        found = reply.value.to_atoms()
        if any(found):
            break
        time.sleep(0.02)
    window = found[0]
    first, second = [*(atom(state) for state in states), 0][:2]
    event = struct.pack("<BBHII5I", 33, 32, 0, window, atom("_NET_WM_STATE"), action, first, second, 1, 0)
    mask = xcffib.xproto.EventMask.SubstructureRedirect | xcffib.xproto.EventMask.SubstructureNotify
    core.SendEvent(False, root, mask, event)
    connection.flush()
    core.GetInputFocus().reply()  # the server has it
    connection.disconnect()


async def test_the_app_goes_on_filling_the_screen_when_it_asks_for_less() -> None:
    """GIMP restores a remembered size, and title bars that apps draw themselves have a button to minimise."""
    async with run_desktop("xterm", "-T", "main window", "-b", "0", "-e", "sleep", "1000") as running:
        await running.running()
        for _ in range(3):
            ask_for_state(await running.environment(), 0, screen.TALL, screen.WIDE)
            await asyncio.sleep(0.3)
            await fills_the_screen(running)
            await running.x("xdotool", "search", "--onlyvisible", "--name", "main window", "windowminimize")
            await asyncio.sleep(0.3)
            await fills_the_screen(running)


async def fills_the_screen(running: Running) -> None:
    said = await running.x("xprop", "-name", "main window", "_NET_WM_STATE", "WM_STATE")
    assert "_NET_WM_STATE_MAXIMIZED_VERT" in said
    assert "_NET_WM_STATE_MAXIMIZED_HORZ" in said
    assert "window state: Normal" in said
    assert await geometry(running, "main window") == {"x": 0, "y": 0, "width": 1280, "height": 720}


async def test_an_app_may_be_full_screen() -> None:
    async with run_desktop("xterm", "-T", "main window", "-e", "sleep", "1000") as running:
        await running.running()
        ask_for_state(await running.environment(), 1, "_NET_WM_STATE_FULLSCREEN")
        for _ in range(30):
            said = await running.x("xprop", "-name", "main window", "_NET_WM_STATE")
            if "_NET_WM_STATE_FULLSCREEN" in said:
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
        assert "_NET_WM_STATE_FULLSCREEN" in await running.x("xprop", "-name", "main window", "_NET_WM_STATE")


async def test_dialogs_keep_their_frame_and_size() -> None:
    async with run_desktop(sys.executable, DIALOG) as running:
        await running.running()
        frame = await running.x("xprop", "-name", "a dialog", "_NET_FRAME_EXTENTS")
        assert min(int(side) for side in re.findall(r"\d+", frame)) >= 1
        place = await geometry(running, "a dialog")
        assert (place["width"], place["height"]) == (300, 200)


async def test_the_app_can_be_started_again_after_its_end() -> None:
    async with run_desktop("sh", "-c", "test -e again && exec xterm; touch again; exit 3") as running:
        status = await running.until(lambda status: status["app"]["state"] == "exited")
        assert status["state"] == "running"
        assert status["message"] == "Test app has ended (exit code 3). Start it again or stop the session."
        assert status["app"] == {"state": "exited", "pid": None, "exit_code": 3, "signal": None, "restarts": 0}
        assert (await running.request("restart_app"))["ok"]
        status = await running.running()
        assert status["app"]["restarts"] == 1
        assert status["app"]["exit_code"] is None
        refused = await running.request("restart_app")
        assert refused == {"id": 1, "ok": False, "error": "Test app is still running."}


async def test_an_app_that_was_closed_or_killed_is_told_apart() -> None:
    async with run_desktop("true") as running:
        status = await running.until(lambda status: status["app"]["state"] == "exited")
        assert status["message"] == "Test app has been closed. Start it again or stop the session."
    async with run_desktop() as running:
        status = await running.running()
        os.kill(status["app"]["pid"], signal.SIGSEGV)
        status = await running.until(lambda status: status["app"]["state"] == "exited")
        assert status["message"] == "Test app has ended (killed by SIGSEGV). Start it again or stop the session."
        assert status["app"]["signal"] == signal.SIGSEGV
        assert status["app"]["exit_code"] is None


async def test_logging_out_of_a_desktop_is_no_failure() -> None:
    async with run_desktop("true", window_mode="desktop") as running:
        status = await running.until(lambda status: status["app"]["state"] == "exited")
        assert status["message"] == "You have logged out. Start it again or stop the session."


async def test_a_program_that_is_not_installed_is_told_with_its_package() -> None:
    async with run_desktop("no-such-program") as running:
        status = await running.until(lambda status: status["app"]["state"] == "exited")
        assert status["state"] == "running"
        assert status["message"] == (
            "Test app is not installed here. Install the Debian package test-app, then start it again."
        )


async def test_without_an_x_server_the_desktop_says_what_to_install(tmp_path: Path) -> None:
    async with run_desktop(env={"PATH": str(tmp_path)}) as running:
        status = await running.until(lambda status: status["state"] == "failed")
        assert status["display"] is None
        assert status["message"] == (
            "No X server is installed here. Install the Debian package tigervnc-standalone-server, "
            "then start the session again."
        )
        assert "not running" in (await running.request("restart_app"))["error"]
        assert (await running.request("stop"))["ok"]
        assert await running.ended() == 0


async def test_without_a_free_display_the_desktop_says_so(tmp_path: Path) -> None:
    # The real server, that may open no socket: it tries every number and says what it says when all are taken.
    shim = tmp_path / "Xtigervnc"
    shim.write_text('#!/bin/sh\nulimit -n 7\nexec /usr/bin/Xtigervnc "$@"\n')
    shim.chmod(0o755)
    async with run_desktop(env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}) as running:
        status = await running.until(lambda status: status["state"] == "failed")
        assert status["message"] == (
            "No free display number is left on this machine. "
            "Stop sessions that you no longer need, then start this one again."
        )
        assert status["display"] is None


async def test_a_socket_in_the_place_of_the_x_servers_is_not_talked_to() -> None:
    with x_server() as server:
        place = Path(f"/tmp/.X11-unix/X{server.display[1:]}")
        place.unlink()
        visits: list[object] = []

        async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            visits.append(reader)

        squatter = await asyncio.start_unix_server(visit, place)
        cookie = x11.find_cookie(server.xauthority, server.display)
        assert cookie is not None
        ready = asyncio.get_running_loop().create_future()
        up = asyncio.Event()
        watch = asyncio.create_task(screen.look_after_screen(server.display, cookie, ready, up.set, lambda: None))
        await asyncio.wait_for(ready, PATIENCE)
        server.start("xterm", "-e", "sleep", "100")
        await asyncio.wait_for(up.wait(), PATIENCE)
        assert not visits
        watch.cancel()
        squatter.close()
        place.unlink(missing_ok=True)  # Python 3.13 removes it itself


async def test_without_sound_bus_and_window_manager_the_app_runs_all_the_same(tmp_path: Path) -> None:
    for program in ("Xtigervnc", "xterm", "sleep", "xkbcomp", "sh"):
        (tmp_path / program).symlink_to(f"/usr/bin/{program}")
    async with run_desktop(env={"PATH": str(tmp_path)}) as running:
        await running.running()
        log = (running.runtime_dir / "desktop.log").read_text()
        assert "There is no sound server: pulseaudio" in log


def window_manager(folder: Path, script: str) -> str:
    """Put a shell script in openbox's place; returns the PATH on which it comes first."""
    program = folder / "openbox"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


async def test_the_app_waits_for_a_window_manager_that_is_slow(tmp_path: Path) -> None:
    path = window_manager(tmp_path, 'sleep 4; exec /usr/bin/openbox "$@"')
    app = ("sh", "-c", "xprop -root _NET_SUPPORTING_WM_CHECK > $HOME/manager; exec xterm -e sleep 1000")
    async with run_desktop(*app, env={"PATH": path}) as running:
        await running.running()
        assert "window id" in (running.home / "manager").read_text()


async def test_the_app_does_not_wait_for_a_window_manager_that_has_ended(tmp_path: Path) -> None:
    path = window_manager(tmp_path, "date +%s >> $HOME/ended; exit 1")
    app = ("sh", "-c", "date +%s > $HOME/started; exec xterm -e sleep 1000")
    async with run_desktop(*app, env={"PATH": path}) as running:
        await running.running()
        ended, started = ((running.home / name).read_text().split()[0] for name in ("ended", "started"))
        assert int(started) - int(ended) < HELPER_LIMIT


async def test_everything_comes_back_after_the_x_server_was_killed() -> None:
    async with run_desktop() as running:
        first = await running.running()
        [server] = [pid for pid in running.processes() if "Xtigervnc" in describe(pid)]
        os.kill(server, signal.SIGKILL)
        second = await running.until(
            lambda status: status["app"]["state"] == "running" and status["app"]["pid"] != first["app"]["pid"]
        )
        assert second["state"] == "running"
        await running.x("xwininfo", "-root")


async def test_desktops_started_at_once_get_displays_of_their_own() -> None:
    async with run_desktop() as one, run_desktop() as two, run_desktop() as three:
        displays = {(await running.running())["display"] for running in (one, two, three)}
        assert len(displays) == 3


LEAVES_DAEMONS = """
for i in 1 2 3; do (setsid sh -c 'trap "" TERM HUP; sleep 1000 & while :; do sleep 1; done' &) ; done
exec xterm -e sleep 1000
"""


async def test_nothing_is_left_when_the_desktop_ends() -> None:
    async with run_desktop("sh", "-c", LEAVES_DAEMONS) as running:
        status = await running.running()
        assert len(running.processes()) > 8
        running.process.terminate()
        assert await running.ended() == 0
        assert running.processes() == []
        assert not Path(f"/tmp/.X11-unix/X{status['display'][1:]}").exists()


async def test_an_app_that_does_not_end_is_killed_after_its_grace() -> None:
    async with run_desktop("sh", "-c", "trap '' TERM; xterm & while :; do sleep 1; done") as running:
        await running.running()
        assert (await running.request("stop"))["ok"]
        status = await running.until(lambda status: status["state"] == "stopping")
        assert status["message"] == "Ending Test app"
        assert await running.ended() == 0
        assert running.processes() == []


async def test_the_programs_get_an_environment_of_their_own() -> None:
    secret = "a-token-of-the-hub"
    env = {
        "JUPYTERHUB_API_TOKEN": secret,
        "JPY_API_TOKEN": secret,
        "COPY": f"x{secret}",
        "WAYLAND_DISPLAY": "w",
        "LANG": None,
    }
    async with run_desktop(env={**env, "LANG": None}, environment={"EXTRA": "1"}) as running:
        app = (await running.running())["app"]["pid"]
        own = dict(
            entry.split("=", 1) for entry in Path(f"/proc/{app}/environ").read_text().split("\0") if "=" in entry
        )
        for pid in running.processes():
            if "streamspace_proxy.desktop" not in describe(pid):
                assert secret.encode() not in Path(f"/proc/{pid}/environ").read_bytes(), describe(pid)
        assert not {name for name in own if name.startswith(("JUPYTERHUB_", "JPY_", "WAYLAND"))}
        assert [name for name in own if name.startswith("STREAMSPACE_")] == ["STREAMSPACE_SESSION"]
        assert own["EXTRA"] == "1"
        assert own["LANG"] == "C.UTF-8"
        assert own["HOME"] == str(running.home)
        assert os.readlink(f"/proc/{app}/cwd") == str(running.home)
        assert list(running.home.glob(".config/*")) == []
        assert list(running.home.glob(".cache/*")) == []


async def test_a_templates_files_are_put_into_the_home_once() -> None:
    files = {".config/app/rc": "from the template", "mine": "from the template", "../outside": "no"}
    async with run_desktop(
        "sh", "-c", "cat .config/app/rc mine; echo changed > mine; exec xterm", home_files=files
    ) as running:
        await running.running()
        assert (running.runtime_dir / "app.log").read_text().startswith("from the templatefrom the template")
        os.kill((await running.status())["app"]["pid"], signal.SIGKILL)
        await running.until(lambda status: status["app"]["state"] == "exited")
        await running.request("restart_app")
        await running.running()
        assert (running.home / "mine").read_text() == "changed\n"
        assert not (running.home.parent / "outside").exists()


async def test_files_are_opened_at_the_start_and_later(tmp_path: Path) -> None:
    first, second = tmp_path / "first file", tmp_path / "second"
    first.touch()
    second.touch()
    script = 'printf "%s\\n" "$#" "$@" >> seen; test -e window || { touch window; exec xterm; }'
    async with run_desktop("sh", "-c", script, "name", "%F", "--", env={"STREAMSPACE_OPEN": str(first)}) as running:
        await running.running()
        assert (await running.request("open", path=str(second)))["ok"]
        for _ in range(50):
            if str(second) in (running.home / "seen").read_text():
                break
            await asyncio.sleep(0.05)
        assert (running.home / "seen").read_text().split("\n") == ["2", str(first), "--", "2", str(second), "--", ""]
        missing = await running.request("open", path="/no/such/file")
        assert missing["error"] == "There is no file /no/such/file."
        assert (await running.request("open", path="relative"))["error"] == "`path` must be an absolute path."
    async with run_desktop() as running:
        await running.running()
        assert (await running.request("open", path=str(first)))["error"] == "Test app cannot be given a file to open."


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"hello", "The line is not a JSON object."),
        (b"\xff\xfe", "The line is not a JSON object."),
        (b"[]", "The line is not a JSON object."),
        (b'{"op": "status"}', "`id` must be an integer."),
        (b'{"id": true, "op": "status"}', "`id` must be an integer."),
        (
            b'{"id": 1, "op": []}',
            "`op` must be one of check, freeze, hibernate, open, restart_app, status, stop, subscribe, thaw, usage.",
        ),
        (b'{"id": 1, "op": "open"}', "`path` must be a string."),
        (b'{"id": 1, "op": "hibernate", "folder": 7}', "`folder` must be a string."),
        (b'{"id": 1, "op": "status", "x": 1}', "Unknown field `x`; known are id, op."),
        (b'{"id": 1, "op": "' + b"x" * 70_000 + b'"}', "The line is longer than 65536 bytes."),
        (b"[" * 60_000, "The line is not a JSON object."),
    ],
)
async def test_a_malformed_line_gets_a_sentence_and_nothing_else_is_disturbed(line: bytes, error: str) -> None:
    async with run_desktop() as running:
        await running.until(lambda status: status)
        reader, writer = await running.connect()
        writer.write(line + b"\n")
        answer = json.loads(await asyncio.wait_for(reader.readline(), PATIENCE))
        assert answer == {
            "id": 1 if b'"id": 1,' in line[:40] and len(line) < 1000 else None,
            "ok": False,
            "error": error,
        }
        writer.close()
        assert (await running.request("status"))["ok"]


async def test_subscribers_hear_of_every_change() -> None:
    async with run_desktop() as running:
        await running.running()
        reader, writer = await running.connect()
        writer.write(b'{"id": 7, "op": "subscribe"}\n')
        assert json.loads(await reader.readline())["id"] == 7
        os.kill((await running.status())["app"]["pid"], signal.SIGKILL)
        event = json.loads(await asyncio.wait_for(reader.readline(), PATIENCE))
        assert event["event"] == "status"
        assert event["status"]["app"]["state"] == "exited"
        writer.close()


async def test_sound_goes_to_a_sink_that_can_be_recorded() -> None:
    async with run_desktop() as running:
        await running.running()
        env = {**os.environ, "PULSE_SERVER": f"unix:{running.runtime_dir}/pulse.sock", "HOME": str(running.home)}
        assert "streamspace.monitor" in await output("pactl", "list", "short", "sources", env=env)
        assert "Default Sink: streamspace" in await output("pactl", "info", env=env)


async def test_only_its_owner_reaches_the_desktop() -> None:
    async with run_desktop() as running:
        await running.running()
        assert (running.runtime_dir / "desktop.sock").stat().st_mode & 0o777 == 0o600
        assert (running.runtime_dir / "Xauthority").stat().st_mode & 0o777 == 0o600
        env = {**await running.environment(), "XAUTHORITY": "/dev/null"}
        process = subprocess.run(["xwininfo", "-root"], env=env, capture_output=True, text=True, check=False)
        assert "unable to open display" in process.stderr


async def test_the_log_of_a_noisy_app_stays_small() -> None:
    async with run_desktop("sh", "-c", "xterm & exec yes 'a line of output'") as running:
        await running.running()
        await asyncio.sleep(3)
        os.kill((await running.status())["app"]["pid"], signal.SIGKILL)
        await asyncio.sleep(3)
        assert (running.runtime_dir / "app.log").stat().st_size <= 1 << 20


async def test_usage_is_that_of_the_app_and_all_that_it_started() -> None:
    async with run_desktop("xterm", "-e", "sh", "-c", "while :; do :; done") as desktop:
        await desktop.running()
        first = await desktop.request("usage")
        assert {"xterm", "sh"} <= set(first["programs"])
        assert not {"Xtigervnc", "pulseaudio", "openbox"} & set(first["programs"])
        deadline = time.monotonic() + PATIENCE
        while (now := await desktop.request("usage"))["cpu"] < first["cpu"] + 0.2:
            assert time.monotonic() < deadline, (first, now)
            await asyncio.sleep(0.1)
        assert now["at"] > first["at"]
