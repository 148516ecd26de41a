"""The streamer as a viewer meets it: a real process, a real X server, pictures decoded and compared with the screen."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import time
from typing import Any

import aiohttp
import numpy as np
import psutil
import pytest

from tests.support.streamer import Running, difference, identity, running_streamer, screenshot
from tests.support.waiting import PATIENCE, eventually
from tests.support.xserver import x_server

pytestmark = pytest.mark.x11

XTERM = ("xterm", "-fa", "Monospace", "-fs", "12", "-geometry", "60x20+50+50")
SCROLL = "i=0; while true; do echo $i the quick brown fox jumps over the lazy dog; i=$((i+1)); sleep 0.005; done"


async def scrolling(running: Running) -> None:
    """Start something that never rests."""
    running.x.start(*XTERM, "-e", "sh", "-c", SCROLL)
    await asyncio.sleep(0.5)


async def test_the_first_message_says_what_there_is() -> None:
    async with running_streamer() as running:
        viewer = await running.viewer("controller", "grace")
        hello = await viewer.message("hello")
        assert hello["protocol"] == 1
        assert (hello["user"], hello["role"]) == ("grace", "controller")
        assert hello["app"] == {"name": "xterm", "title": "Terminal"}
        assert hello["screen"] == {"width": 800, "height": 600}
        assert hello["policy"] == {
            "clipboard": "both", "clipboard_limit": 1_048_576, "audio": True, "max_width": 3840, "max_height": 2160,
            "max_bitrate": 8_000_000, "microphone": False,
        }  # fmt: skip
        assert hello["codecs"] == ["h264", "vp8", "jpeg"]
        assert (hello["presets"], hello["preset"]) == (["sharp", "smooth", "low_data"], "sharp")
        assert {"websocket", "rfb"} <= set(hello["transports"])
        assert hello["ice_servers"] == []
        assert (await viewer.message("status"))["state"] == "running"
        assert (await viewer.message("viewers"))["count"] == 1
        assert viewer.ws.protocol == "streamspace.v1"
        assert not viewer.ws.compress


async def test_the_first_picture_is_a_keyframe_of_the_screen_in_its_colours() -> None:
    async with running_streamer() as running:
        running.x.output("xsetroot", "-solid", "#c03060")
        running.x.start(*XTERM, "-bg", "#204080", "-fg", "yellow", "-e", "sh", "-c", "ls -l /; sleep 100")
        await asyncio.sleep(1)
        viewer = await running.viewer()
        first = await viewer.start()
        assert first.keyframe
        video = await viewer.message("video")
        assert video["codec"] == "avc1.42e028"
        assert (video["width"], video["height"], video["epoch"]) == (800, 600, first.epoch)
        await viewer.settled()
        seen, truth = viewer.picture(), screenshot(running.x)
        # Coloured text on colour is the worst that 4:2:0 can meet.
        assert difference(seen, truth) < 6
        # The plain background: a wrong matrix or range would be off by far more than rounding.
        assert np.abs(seen[580, 780].astype(int) - [0xC0, 0x30, 0x60]).max() <= 3


async def test_what_is_typed_appears_and_a_still_screen_sends_nothing() -> None:
    async with running_streamer() as running:
        running.x.start(*XTERM)
        viewer = await running.viewer()
        await viewer.start()
        await viewer.settled()
        before, count = viewer.picture(), len(viewer.frames)
        await asyncio.sleep(1)
        assert len(viewer.frames) == count, "a still screen sends nothing"
        assert (await running.get("stats"))["fps"] == 0
        await viewer.send("pointer", x=200, y=200, buttons=0)
        for character in "echo hi":
            await viewer.send("key", keysym=ord(character), down=True)
            await viewer.send("key", keysym=ord(character), down=False)
        await viewer.until(lambda: len(viewer.frames) > count, "a frame of what was typed")
        await viewer.settled()
        assert difference(viewer.picture(), before) > 0.2
        assert difference(viewer.picture(), screenshot(running.x)) < 4
        assert not any(frame.keyframe for frame in viewer.frames[1:]), "the chain was never broken"
        ids = [frame.id for frame in viewer.frames]
        assert ids == list(range(len(ids)))


async def test_another_size_begins_another_epoch() -> None:
    async with running_streamer() as running:
        viewer = await running.viewer()
        first = await viewer.start()
        await viewer.message("video")
        await viewer.message("screen", 1) if viewer.of("screen") else None
        await viewer.send("resize", width=1025, height=701)
        screen = await viewer.message("screen")
        assert (screen["width"], screen["height"]) == (1024, 700), "sizes are even: H.264 4:2:0"
        video = await viewer.message("video")
        assert (video["width"], video["height"]) == (1024, 700)
        assert video["epoch"] != first.epoch
        await viewer.until(lambda: viewer.frames[-1].epoch == video["epoch"], "a frame of the new epoch")
        assert next(frame for frame in viewer.frames if frame.epoch == video["epoch"]).keyframe
        await viewer.settled()
        assert difference(viewer.picture(), screenshot(running.x)) < 4
        await viewer.send("resize", width=5000, height=700)
        assert (await viewer.message("error"))["field"] == "width"


async def test_an_odd_screen_loses_its_last_column_and_row_and_nothing_else() -> None:
    async with running_streamer("701x503") as running:
        running.x.start(*XTERM)
        viewer = await running.viewer()
        await viewer.start()
        video = await viewer.message("video")
        assert (video["width"], video["height"]) == (700, 502)
        await viewer.settled()
        assert difference(viewer.picture(), screenshot(running.x)[:502, :700]) < 4


@pytest.mark.parametrize("query", ["", "?view=1"])
async def test_a_viewer_watches_and_no_more(query: str) -> None:
    role = "owner" if query else "viewer"
    async with running_streamer() as running:
        running.x.start(*XTERM)
        viewer = await running.viewer(role, query=query)
        assert (await viewer.message("hello"))["role"] == "viewer"
        await viewer.start()
        await viewer.settled()
        before = screenshot(running.x)
        refused: list[dict[str, Any]] = [
            {"type": "key", "keysym": 97, "down": True},
            {"type": "pointer", "x": 100, "y": 100, "buttons": 1},
            {"type": "pointer_relative", "dx": 1, "dy": 1, "buttons": 0},
            {"type": "wheel", "x": 1, "y": 1, "dx": 0, "dy": 1},
            {"type": "clipboard", "text": "x"},
            {"type": "resize", "width": 640, "height": 480},
            {"type": "release_keys"},
            {"type": "restart_app"},
        ]
        for message in refused:
            await viewer.ws.send_str(json.dumps(message))
            error = await viewer.message("error")
            assert error["code"] == "forbidden"
            assert message["type"] in error["message"]
        await asyncio.sleep(0.5)
        assert np.array_equal(screenshot(running.x), before), "none of it reached the screen"
        assert running.desktop.requests == []
        status, body = await running.post(f"app/restart{query}", role=role)
        assert (status, running.desktop.requests) == (403, [])
        assert "control" in body["message"]
        assert (await running.post(f"open{query}", {"path": "/x"}, role))[0] == 403
        assert (await running.get("activity"))["last_input"] is None


async def test_nobody_without_a_name_and_a_role_comes_in() -> None:
    async with running_streamer(attach=False) as running:
        for path in ("ws", "rfb", "http/anything", "api/v1/status", "api/v1/activity", "api/v1/stats", "nothing"):
            for headers in (
                {},
                {"X-Streamspace-User": "ada"},
                {"X-Streamspace-Role": "owner"},
                identity("root"),
                identity("owner", ""),
            ):
                async with running.http.get(f"http://session/{path}", headers=headers) as response:
                    assert response.status == 403, (path, headers)
        assert stat.S_IMODE(os.stat(running.x.folder / "streamer.sock").st_mode) == 0o600


async def test_malformed_messages_are_answered_and_disturb_nothing() -> None:
    async with running_streamer() as running:
        viewer = await running.viewer()
        await viewer.start()
        await viewer.ws.send_str("nonsense")
        assert (await viewer.message("error"))["code"] == "bad_message"
        await viewer.send("key", keysym=97, down=True, extra=1)
        assert (await viewer.message("error"))["field"] == "extra"
        for raw in (b"", b"\x01", b"\x02" + bytes(7), b"\x02\x01" + bytes(7), bytes(1000)):
            await viewer.ws.send_bytes(raw)
            assert (await viewer.message("error"))["code"] == "bad_message"
        await viewer.send("clipboard", text="a" * 10_000_000)
        error = await viewer.message("error")
        assert error["code"] == "too_large"
        assert "1048576" in error["message"]
        await viewer.ack(1_000_000_000)
        error = await viewer.message("error")
        assert (error["code"], error["field"]) == ("bad_message", "frame_id")
        # One that comes late is nobody's fault, and takes nothing forward.
        await viewer.ack(viewer.frames[0].id)
        await viewer.ack(viewer.frames[0].id)
        await viewer.send("ping", t=7)
        pong = await viewer.message("pong")
        assert pong["t"] == 7
        assert pong["frames"] == len(viewer.frames)
        assert viewer.messages == [] or not viewer.of("error")
        assert (await running.get("stats"))["refusals"] == 9


async def test_a_flood_of_nonsense_gets_few_answers_and_the_others_do_not_notice() -> None:
    async with running_streamer() as running:
        flood, other = await running.viewer(), await running.viewer()
        await other.start()
        for _ in range(3000):
            await flood.ws.send_str("{}")
        await other.send("ping", t=1)
        await other.message("pong")
        await asyncio.sleep(0.3)
        assert 10 < len(flood.of("error")) < 100
        assert (await running.get("stats"))["refusals"] >= 2000


async def test_no_viewer_no_capture() -> None:
    async with running_streamer() as running:
        await scrolling(running)
        await asyncio.sleep(1)
        stats = await running.get("stats")
        assert stats["capture"]["frames"] == 0
        assert not stats["capturing"]
        viewer = await running.viewer()
        await viewer.start()
        assert (await running.get("stats"))["capturing"]
        await viewer.ws.close()
        await asyncio.sleep(0.3)
        stats = await running.get("stats")
        assert not stats["capturing"]
        await asyncio.sleep(0.5)
        assert (await running.get("stats"))["capture"]["frames"] == stats["capture"]["frames"]
        assert "shm" not in running.x.output("sh", "-c", f"grep SYSV /proc/{running.process.pid}/maps || true")


async def test_a_hidden_page_gets_no_frames_and_a_keyframe_when_it_is_shown() -> None:
    async with running_streamer() as running:
        await scrolling(running)
        viewer = await running.viewer()
        await viewer.start()
        await viewer.send("visibility", hidden=True)
        await asyncio.sleep(0.3)
        count = len(viewer.frames)
        await asyncio.sleep(0.5)
        assert len(viewer.frames) == count
        await viewer.send("visibility", hidden=False)
        await viewer.until(lambda: len(viewer.frames) > count, "a frame")
        assert viewer.frames[count].keyframe


async def test_a_slow_viewer_neither_slows_another_nor_costs_memory() -> None:
    async with running_streamer() as running:
        await scrolling(running)
        fast = await running.viewer()
        await fast.start()
        slow = await running.viewer(acknowledge=False)
        await slow.start()
        await asyncio.sleep(1)
        memory = psutil.Process(running.process.pid).memory_info().rss
        count = len(fast.frames)
        await fast.until(lambda: len(fast.frames) > count + 30, "pictures for the other one")
        assert len(slow.frames) == 2, "no third frame without an acknowledgement"
        assert psutil.Process(running.process.pid).memory_info().rss - memory < 10e6
        figures = (await running.get("stats"))["viewers"]
        assert all(viewer["waiting"] < 5 for viewer in figures)
        await slow.ack(1)
        await slow.until(lambda: len(slow.frames) > 2, "a frame after the acknowledgement")
        assert slow.frames[2].keyframe
        slow.picture()


async def test_a_lone_slow_viewer_sees_the_newest_picture_with_its_chain_unbroken() -> None:
    async with running_streamer() as running:
        await scrolling(running)
        viewer = await running.viewer(acknowledge=False)
        await viewer.start()
        acknowledged = 0.0
        for _ in range(5):
            await asyncio.sleep(0.4)
            count, last = len(viewer.frames), acknowledged
            acknowledged = time.monotonic()
            await viewer.ack(viewer.frames[-1].id)
            await viewer.until(lambda count=count: len(viewer.frames) > count, "a frame after the acknowledgement")
        await asyncio.sleep(0.3)
        assert len(viewer.frames) <= 13, "two for each acknowledgement"
        assert [frame.keyframe for frame in viewer.frames] == [True] + [False] * (len(viewer.frames) - 1)
        assert viewer.frames[-1].capture_us / 1e6 > last, "of now, not of a queue"
        viewer.picture()


async def test_the_display_may_come_back_as_another() -> None:
    async with running_streamer() as running:
        viewer = await running.viewer()
        first = await viewer.start()
        count = len(viewer.frames)
        os.killpg(running.x.process.pid, signal.SIGKILL)
        running.desktop.publish(state="failed", display=None, message="The screen has ended.")
        status = await viewer.until(
            lambda: next((s for s in viewer.of("status") if s["state"] == "failed"), None), "the failed status"
        )
        assert status["message"] == "The screen has ended."
        await viewer.send("key", keysym=97, down=True)
        with x_server(geometry="640x480") as other:
            (running.x.folder / "Xauthority").write_bytes(other.xauthority.read_bytes())
            (running.x.folder / "rfb.sock").unlink(missing_ok=True)
            (running.x.folder / "rfb.sock").symlink_to(other.rfb_path)
            running.desktop.publish(state="running", display=other.display, message="")
            await viewer.until(lambda: len(viewer.frames) > count, "a frame from the other X server")
            await viewer.until(lambda: viewer.frames[-1].epoch != first.epoch, "another epoch")
            await viewer.settled()
            assert difference(viewer.picture(), screenshot(other)) < 4
            assert running.process.poll() is None


async def test_the_desktop_may_come_later_and_go_away() -> None:
    async with running_streamer(attach=False) as running:
        viewer = await running.viewer()
        assert (await viewer.message("hello"))["screen"] is None
        await viewer.send("start", transport="websocket", audio=False)
        await viewer.send("key", keysym=97, down=True)
        assert (await viewer.message("error"))["code"] == "not_ready"
        running.desktop.publish(state="running", display=running.x.display, message="")
        await viewer.until(lambda: viewer.frames, "a picture as soon as there is a display")
        running.desktop.publish(app={"state": "exited", "pid": None, "exit_code": 3, "signal": None, "restarts": 0})
        await viewer.until(lambda: viewer.of("status")[-1]["app"]["exit_code"] == 3, "the app's end")
        await viewer.send("restart_app")
        await viewer.until(lambda: running.desktop.requests == ["restart_app"], "the request")
        running.desktop.refuse = "Terminal is running already."
        await viewer.send("restart_app")
        assert (await viewer.message("error"))["message"] == "Terminal is running already."


async def test_a_fault_ends_it_so_that_it_is_started_again() -> None:
    async with running_streamer() as running:
        running.desktop.publish(display=7)
        assert await asyncio.to_thread(running.process.wait, 10) == 1
        assert "the streamer failed" in running.log()


async def test_files_are_opened_for_the_owner() -> None:
    async with running_streamer(attach=False) as running:
        assert await running.post("open", {"path": "/home/ada/a.png"}) == (200, {"ok": True})
        assert (await running.post("open", {"path": "/x"}, "controller"))[0] == 403
        assert running.desktop.requests == ["open /home/ada/a.png"]
        bodies: list[object] = [
            "nonsense",
            [],
            {},
            {"path": 1},
            {"path": ""},
            {"path": "a\0b"},
            {"path": "x", "y": 1},
            {"path": "x" * 5000},
        ]
        for body in bodies:
            status, answer = await running.post("open", body)
            assert status == 400
            assert "path" in answer["message"]
        running.desktop.refuse = "There is no such file."
        assert await running.post("open", {"path": "/x"}) == (409, {"message": "There is no such file."})
        assert (await running.post("app/restart", role="controller"))[0] == 409


async def test_only_input_moves_the_activity_clock() -> None:
    async with running_streamer() as running:
        viewer = await running.viewer()
        await viewer.start()
        for kind, fields in (
            ("ping", {"t": 1}),
            ("visibility", {"hidden": False}),
            ("keyframe", {}),
            ("release_keys", {}),
        ):
            await viewer.send(kind, **fields)
        await asyncio.sleep(0.2)
        clock = await running.get("activity")
        assert clock["last_input"] is None
        assert clock["idle"] > 0.1
        await viewer.send("pointer", x=1, y=1, buttons=0)
        await asyncio.sleep(0.2)
        clock = await running.get("activity")
        assert clock["last_input"] is not None
        assert clock["idle"] < 2


async def test_a_job_says_that_it_is_at_work_and_only_who_controls_may_say_so() -> None:
    async with running_streamer() as running:
        for body, said in (
            ({"busy_for": -1}, "busy_for: must be at least 0"),
            ({}, "busy_for: is missing"),
            ({"busy_for": 5, "colour": "red"}, "colour: there is no such field"),
            ({"busy_for": "5"}, "busy_for: must be a whole number"),
        ):
            status, answer = await running.post("activity", body)
            assert (status, said in answer["message"]) == (400, True), answer
        assert (await running.post("activity", {"busy_for": 50}, role="viewer"))[0] == 403
        assert (await running.get("activity"))["busy"] is None
        status, answer = await running.post("activity", {"busy_for": 50, "why": "a render"}, role="controller")
        assert (status, answer["busy"]) == (200, "a render")
        await asyncio.sleep(0.2)
        clock = await running.get("activity")
        assert clock["last_input"] is None
        assert clock["last_activity"] > clock["started"]
        assert clock["idle"] < 0.1
        assert (await running.post("activity", {"busy_for": 0}))[1]["busy"] is None


async def test_what_is_announced_reaches_viewers_and_those_who_come_later() -> None:
    async with running_streamer() as running:
        watcher = await running.viewer("viewer")
        assert (await running.post("announcement", {"text": 1}))[0] == 400
        assert (await running.post("announcement", {"text": "Away"}, role="controller"))[0] == 403
        status, answer = await running.post("announcement", {"text": "Maintenance at six."})
        assert (status, "idle" in answer) == (200, True)
        late = await running.viewer()
        for viewer in (watcher, late):
            told = await viewer.until(lambda viewer=viewer: viewer.of("announcement"), "the announcement")
            assert [one["text"] for one in told] == ["Maintenance at six."]
        await running.post("announcement", {"text": ""})
        await late.until(lambda: late.of("announcement")[-1]["text"] == "", "its end")


async def test_viewers_are_warned_and_whoever_uses_the_session_takes_it_back() -> None:
    async with running_streamer() as running:
        owner, watcher = await running.viewer(), await running.viewer("viewer")
        for viewer in (owner, watcher):
            first = await viewer.until(lambda viewer=viewer: viewer.of("sleep_warning"), "the first word of it")
            assert [one["step"] for one in first] == [None]
        assert (await running.post("warn", {"step": "delete"}))[0] == 400
        assert (await running.post("warn", {"step": "freeze"}, role="controller"))[0] == 403
        status, answer = await running.post("warn", {"step": "freeze", "seconds": 600, "if_idle": 3600})
        assert (status, "active" in answer["message"]) == (409, True), "the session knows better"
        assert (await running.post("warn", {"step": "freeze", "seconds": 600}))[0] == 200
        for viewer in (owner, watcher):
            told = (await viewer.until(lambda viewer=viewer: viewer.of("sleep_warning")[1:], "the warning"))[0]
            assert (told["step"], told["keepable"], 590 < told["seconds"] <= 600) == ("freeze", True, True)
        late = await running.viewer()
        first = await late.until(lambda: late.of("sleep_warning"), "the warning that stands")
        assert first[0]["step"] == "freeze"
        await watcher.send("keep_awake")
        await watcher.until(lambda: watcher.of("error"), "a refusal: who watches keeps nothing awake")
        assert (await running.get("activity"))["last_input"] is None
        await owner.send("keep_awake")
        await watcher.until(lambda: watcher.of("sleep_warning")[-1]["step"] is None, "the end of the warning")
        assert (await running.get("activity"))["last_input"] is not None
        # Some ends come whatever anybody does.
        await running.post("warn", {"step": "stop", "seconds": 600, "keepable": False})
        await owner.until(lambda: owner.of("sleep_warning")[-1]["step"] == "stop", "the warning")
        await owner.send("pointer", x=1, y=1, buttons=0)
        await owner.send("ping", t=1)
        await owner.until(lambda: owner.of("pong"), "an answer after the input")
        assert owner.of("sleep_warning")[-1]["step"] == "stop"


async def test_input_and_whoever_comes_thaw_a_frozen_desktop() -> None:
    async with running_streamer() as running:
        assert (await running.post("freeze", role="viewer"))[0] == 403
        assert (await running.post("freeze", {"if_idle": 3600}))[0] == 409
        assert running.desktop.requests == []
        viewer = await running.viewer()
        await viewer.start()
        assert (await running.post("freeze", {}))[0] == 200
        await viewer.until(lambda: viewer.of("status")[-1]["sleep"] == "frozen", "the news")
        assert (await running.get("activity"))["asleep_since"] == "2026-01-31T12:00:00+00:00"
        await viewer.send("ping", t=1)
        await viewer.send("visibility", hidden=True)
        hidden = await running.viewer()
        await hidden.send("visibility", hidden=True)
        await hidden.send("start", transport="websocket", audio=False)
        await hidden.send("ping", t=1)
        await hidden.until(lambda: hidden.of("pong"), "an answer")
        assert running.desktop.requests == ["freeze"], "nobody has looked or typed"
        await viewer.send("pointer", x=1, y=1, buttons=0)
        await viewer.until(lambda: viewer.of("status")[-1]["sleep"] == "awake", "the thaw")
        for wake in ("visibility", "newcomer"):
            await running.post("freeze", {})
            await viewer.until(lambda: viewer.of("status")[-1]["sleep"] == "frozen", "the news")
            if wake == "visibility":
                await viewer.send("visibility", hidden=False)
            else:
                newcomer = await running.viewer("viewer")
                await newcomer.send("start", transport="websocket", audio=False)
            await viewer.until(lambda: viewer.of("status")[-1]["sleep"] == "awake", f"the thaw by {wake}")
        await running.post("freeze", {})
        assert (await running.post("thaw", {}))[1]["sleep"] == "awake"


async def test_what_a_viewer_holds_is_lifted_when_it_leaves() -> None:
    async with running_streamer() as running:
        viewer = await running.viewer()
        await viewer.start()
        await viewer.send("key", keysym=0xFFE1, down=True)  # Shift_L
        await viewer.send("pointer", x=10, y=10, buttons=1)
        state = ("xdotool", "getmouselocation")
        running.x.output(*state)
        pressed = x_modifiers(running)
        eventually(lambda: x_modifiers(running) & 0x101 == 0x101, "Shift and the left button")
        assert pressed >= 0
        await viewer.ws.close()
        eventually(lambda: x_modifiers(running) & 0x101 == 0, "both lifted")


def x_modifiers(running: Running) -> int:
    """X's modifier and button mask."""
    from streamspace_proxy.streamer import x11

    connection = x11.connect(running.x.display, running.x.xauthority)
    mask: int = connection.core.QueryPointer(connection.get_setup().roots[0].root).reply().mask
    connection.disconnect()
    return mask


async def test_more_viewers_than_allowed_are_told_so() -> None:
    async with running_streamer(policy={"max_viewers": 1}) as running:
        viewer = await running.viewer()
        await viewer.message("hello")
        second = await running.viewer()
        assert (await second.message("error"))["code"] == "too_many_viewers"
        assert (await second.message("bye"))["reason"] == "too_many_viewers"
        await second.until(lambda: second.closed, "the close")
        await viewer.ws.close()
        await asyncio.sleep(0.2)
        third = await running.viewer()
        await third.message("hello")


async def test_it_says_goodbye_and_ends_quickly() -> None:
    async with running_streamer() as running:
        viewer = await running.viewer()
        await viewer.start()
        running.process.terminate()
        assert (await viewer.message("bye"))["reason"] == "shutdown"
        await viewer.until(lambda: viewer.closed, "the close")
        assert await asyncio.to_thread(running.process.wait, 5) == 0
        assert not (running.x.folder / "streamer.sock").exists()
        assert "Traceback" not in running.log()


async def test_a_stuck_viewer_does_not_keep_it_from_ending() -> None:
    async with running_streamer() as running:
        reader, writer = await asyncio.open_unix_connection(str(running.x.folder / "streamer.sock"))
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Streamspace-User: a\r\nX-Streamspace-Role: owner\r\n\r\n"
        )
        assert b"101" in await reader.readline()
        running.process.terminate()
        assert await asyncio.to_thread(running.process.wait, 8) == 0
        writer.close()


async def test_clipboard_travels_both_ways_and_only_as_the_policy_says() -> None:
    async with running_streamer() as running:
        owner, other, watcher = await running.viewer(), await running.viewer(), await running.viewer("viewer")
        text = "größer 🎨\nzweite Zeile"
        await owner.send("clipboard", text=text)
        assert (await other.message("clipboard"))["text"] == text
        eventually(lambda: paste(running) == text, "the text inside the session")
        copy = running.x.start("xclip", "-selection", "clipboard", "-i", stdin=-1)
        assert copy.stdin is not None
        copy.stdin.write(b"from inside")
        copy.stdin.close()
        assert (await owner.message("clipboard"))["text"] == "from inside"
        assert (await other.message("clipboard"))["text"] == "from inside"
        assert not watcher.of("clipboard")
        large = running.x.start("xclip", "-selection", "clipboard", "-i", stdin=-1)
        assert large.stdin is not None
        large.stdin.write(b"a" * 1_100_000)
        large.stdin.close()
        assert (await owner.message("error"))["code"] == "too_large"
        assert not watcher.of("error")


def paste(running: Running) -> str:
    try:
        return running.x.output("xclip", "-selection", "clipboard", "-o")
    except Exception:
        return ""


async def test_the_cursors_shape_travels_apart_from_the_picture() -> None:
    async with running_streamer() as running:
        running.x.start(*XTERM)
        await asyncio.sleep(0.5)
        viewer = await running.viewer()
        await viewer.send("pointer", x=200, y=200, buttons=0)
        cursor = await viewer.message("cursor")
        assert set(cursor) == {"type", "width", "height", "hot_x", "hot_y", "png"}


async def test_rfb_is_bridged() -> None:
    async with (
        running_streamer() as running,
        running.http.ws_connect("http://session/rfb", headers=identity("viewer"), protocols=["binary"]) as ws,
    ):
        message = await asyncio.wait_for(ws.receive(), PATIENCE)
        assert message.type is aiohttp.WSMsgType.BINARY
        assert message.data.startswith(b"RFB 003.008")
