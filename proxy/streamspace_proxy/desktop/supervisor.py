"""The desktop's supervisor: stands outside of the tree, answers for it, freezes it, puts it to sleep and wakes it.

What the programs of a desktop are is the business of the tree's root (`init`). Where memory can be kept the supervisor
is the first process of a PID namespace, so that the PIDs of a woken tree are free.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from streamspace_proxy.desktop import freezing, image, last_words, memory, obstacles, status
from streamspace_proxy.desktop.ability import Ability
from streamspace_proxy.desktop.control import ControlServer, RefusedError
from streamspace_proxy.desktop.control_link import ControlLink
from streamspace_proxy.desktop.init import SOCKET
from streamspace_proxy.desktop.privileges import OuterPids
from streamspace_proxy.desktop.processes import descendants
from streamspace_proxy.desktop.settings import Settings

END_LIMIT = 8.0
"""Seconds that a tree gets to end by itself; it ends its programs by force long before."""
TRIAL = 60.0
"""Seconds that a woken desktop has to live until its image is not needed any more."""
LOOK_AHEAD = 10.0
"""Seconds between two looks at whether the programs use something that no image can hold."""
SleepState = Literal["awake", "frozen", "hibernating", "asleep"]


class Supervisor:
    """One desktop, awake, frozen or asleep. `run` is its whole life."""

    def __init__(
        self,
        settings: Settings,
        ability: Ability,
        root: int,
        restored: dict[str, Any] | None = None,
        outer: OuterPids | None = None,
    ) -> None:
        """`root` is the PID of the tree's first process, a child of ours; `restored` is told in the status."""
        self._settings, self._ability, self._root = settings, ability, root
        self._restored, self._outer = restored, outer
        self._control = ControlServer(self, self)
        self._link = ControlLink(
            settings.path(SOCKET),
            self._on_status,
            away="The desktop is not running yet. Wait until it is, then try again.",
            # The tree's root listens some milliseconds after its start.
            pauses=(0.01,),
        )
        self._tree_status: dict[str, Any] = status.Status().as_json()
        self._sleep: SleepState = "awake"
        self._since: str | None = None
        self._kept: dict[str, Any] | None = None
        self._packed = False
        self._stopped: list[int] = []
        self._obstacle: str | None = None
        self._one_at_a_time = asyncio.Lock()
        self._trial: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._tree_ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run(self) -> int:
        """Live until the tree ends or we are told to stop; returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.request_stop)
        self._watch_tree()
        await self._control.start(self._settings.path("desktop.sock"), for_group=self._settings.shared)
        self._link.start()
        if self._restored is not None and self._restored["ok"]:
            self._trial = asyncio.create_task(self._after_waking(Path(self._restored["image"])))
        looking = asyncio.create_task(self._look_ahead())
        stop = asyncio.create_task(self._stop.wait())
        waiting: list[asyncio.Future[Any]] = [stop, self._tree_ended]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        async with self._one_at_a_time:  # whoever puts it to sleep ends it
            asleep = self._sleep == "asleep"
        if asleep:  # we answer until we are told to stop
            await stop
        looking.cancel()
        if self._trial is not None:
            self._trial.cancel()
        code = await self._end_tree()
        await self._link.close()
        await self._control.close()
        return code

    # What the control socket may ask (control.Controlled, control.Sleeper).

    def status_object(self) -> dict[str, Any]:
        """Return the status object of now."""
        told = dict(self._tree_status)
        if self._sleep in ("hibernating", "asleep"):
            title = self._settings.title
            said = f"{title} is asleep" if self._sleep == "asleep" else f"Putting {title} to sleep"
            told |= {"state": "stopping", "display": None, "message": said}
        elif self._outer is not None and told["app"]["pid"] is not None:
            told["app"] = {**told["app"], "pid": self._outer.of(told["app"]["pid"])}
        sleep = {
            "state": self._sleep,
            "since": self._since,
            "memory": self._why_not is None,
            "why_not": self._why_not,
            "bytes": self._kept["bytes"] if self._kept is not None else None,
            "packed": self._packed,
        }
        return {**told, "sleep": sleep, "restored": self._restored}

    async def restart_app(self) -> None:
        """Start the app again."""
        await self._pass_on("restart_app")

    async def open_file(self, path: str) -> None:
        """Run the app's command with a file."""
        await self._pass_on("open", path=path)

    def request_stop(self) -> None:
        """End the app, then the desktop."""
        self._stop.set()

    async def check(self) -> dict[str, Any]:
        """Say whether memory can be kept."""
        await self._look()
        return {"memory": self._why_not is None, "why_not": self._why_not, "turn_on": self._ability.turn_on}

    async def freeze(self) -> dict[str, Any]:
        """Stop all processes of the tree."""
        async with self._one_at_a_time:
            self._refuse_unless_alive()
            began = time.monotonic()
            if self._sleep == "awake":
                try:
                    self._stopped = freezing.stop(self._root)
                except freezing.FreezeError as error:
                    raise RefusedError(str(error)) from error
                self._set("frozen")
            return {"seconds": round(time.monotonic() - began, 4)}

    async def thaw(self) -> dict[str, Any]:
        """Let them go on."""
        async with self._one_at_a_time:
            self._refuse_unless_alive()
            began = time.monotonic()
            self._thaw()
            return {"seconds": round(time.monotonic() - began, 4)}

    async def hibernate(self, folder: str) -> dict[str, Any]:
        """Put memory into an image and end all processes."""
        async with self._one_at_a_time:
            if self._sleep == "asleep" and self._kept is not None and folder == str(self._settings.sleep_folder):
                return self._kept
            self._refuse_unless_alive()
            if self._ability.program is None:
                raise RefusedError(str(self._ability.why_not))
            if self._tree_status["state"] != "running" or self._tree_status["display"] is None:
                raise RefusedError("The memory of a desktop that is not running cannot be kept.")
            return await self._hibernate(Path(folder))

    async def _hibernate(self, folder: Path) -> dict[str, Any]:
        was, stopped = self._sleep, self._stopped
        freezing.go_on(stopped)  # the X server has to see that the streamer lets go
        self._stopped = []
        display = self._tree_status["display"]
        self._set("hibernating")
        await self._link.close()
        try:
            kept = await asyncio.to_thread(memory.keep, self._ability, self._settings, self._root, display, folder)
        except memory.SleepError as error:
            self._link.start()
            if was == "frozen":
                self._stopped = freezing.stop(self._root)
            self._set(was)
            print(f"streamspace desktop: {error}", file=sys.stderr, flush=True)
            raise RefusedError(str(error)) from error
        self._kept = {"bytes": kept.bytes, "seconds": kept.seconds}
        self._set("asleep")
        self._leave_word()
        # The session counts as asleep; a thread of the loop's own would hold up its end.
        done = asyncio.get_running_loop(), self._on_packed
        threading.Thread(target=_pack, args=(folder, self._ability.key, *done), daemon=True).start()
        return dict(self._kept)

    def _on_packed(self, size: int | None) -> None:
        """Take note, in the loop, that the image will not change any more; `size` in bytes, if that has."""
        if self._kept is not None and size is not None:
            self._kept["bytes"] = size
        self._packed = True
        self._leave_word()
        self._control.publish()

    def _leave_word(self) -> None:
        if self._kept is not None:
            last_words.leave(self._settings.last_words, asleep={"since": self._since, "bytes": self._kept["bytes"]})

    async def _open_when_awake(self) -> None:
        """Open the file that a woken session was started with."""
        path, deadline = self._settings.open, time.monotonic() + END_LIMIT
        while path is not None and time.monotonic() < deadline:
            if self._tree_status["display"] is not None:
                try:
                    await self.open_file(path)
                except RefusedError as error:
                    print(f"streamspace desktop: {path} was not opened: {error}", file=sys.stderr)
                return
            await asyncio.sleep(0.05)

    async def _after_waking(self, image_folder: Path) -> None:
        await self._open_when_awake()
        await self._let_go_of_image(image_folder)

    async def _let_go_of_image(self, folder: Path) -> None:
        """Remove the image that we were woken from, or keep it as the last one, after a minute of life."""
        assert self._restored is not None
        while True:
            await asyncio.sleep(TRIAL)
            async with self._one_at_a_time:
                if self._sleep == "asleep":  # what is there now is a new one
                    return
                if self._sleep == "awake":
                    try:
                        last = await asyncio.to_thread(_let_go, folder, keep=self._settings.keep_last)
                    except OSError as error:
                        print(f"streamspace desktop: {folder} stays: {error}", file=sys.stderr)
                        return
                    self._restored["image"] = None if last is None else str(last)
                    self._control.publish()
                    return

    # What is told before anybody asks for sleep.

    @property
    def _why_not(self) -> str | None:
        return self._ability.why_not or self._obstacle

    async def _look_ahead(self) -> None:
        while self._ability.memory:
            await asyncio.sleep(LOOK_AHEAD)
            await self._look()

    async def _look(self) -> None:
        """See whether the programs use something that no image can hold, which comes and goes."""
        if self._ability.memory and self._sleep == "awake":
            found = await asyncio.to_thread(obstacles.find, self._settings.title, self._root)
            if found != self._obstacle:
                self._obstacle = found
                self._control.publish()

    # Tools.

    async def _pass_on(self, op: str, **arguments: str) -> None:
        async with self._one_at_a_time:
            self._refuse_unless_alive()
            self._thaw()
        await self._link.request(op, **arguments)

    def _refuse_unless_alive(self) -> None:
        if self._sleep == "asleep":
            raise RefusedError(f"{self._settings.title} is asleep.")
        if self._stop.is_set() or self._tree_ended.done():
            raise RefusedError("The desktop is ending.")

    def _thaw(self) -> None:
        if self._sleep == "frozen":
            freezing.go_on(self._stopped)
            self._stopped = []
            self._set("awake")

    def _set(self, state: SleepState) -> None:
        if state != self._sleep:
            self._sleep, self._since = state, datetime.now(UTC).isoformat()
        self._control.publish()

    def _on_status(self, told: dict[str, Any]) -> None:
        self._tree_status = told
        if self._trial is not None and _has_failed(told):
            self._trial.cancel()  # it can be woken once more
        self._control.publish()

    def _watch_tree(self) -> None:
        loop, descriptor = asyncio.get_running_loop(), os.pidfd_open(self._root)

        def ended() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            with contextlib.suppress(ChildProcessError):  # reaped by whoever killed it
                self._tree_ended.set_result(os.waitstatus_to_exitcode(os.waitpid(self._root, 0)[1]))
            if not self._tree_ended.done():
                self._tree_ended.set_result(0)

        loop.add_reader(descriptor, ended)

    async def _end_tree(self) -> int:
        """End the tree and what it may have left; returns the exit code of its root, 0 when it was asked to end."""
        async with self._one_at_a_time:
            asked = not self._tree_ended.done() or self._sleep == "asleep"
            if not self._tree_ended.done():
                self._thaw()
                os.kill(self._root, signal.SIGTERM)
                await asyncio.wait([self._tree_ended], timeout=END_LIMIT)
            for pid in descendants(os.getpid()):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        return 0 if asked else abs(self._tree_ended.result())


def _let_go(folder: Path, *, keep: bool) -> Path | None:
    """Remove an image, or `keep` it as the last one; returns where it is then."""
    if keep:
        return image.set_aside(folder)
    image.remove(folder)
    return None


def _has_failed(told: dict[str, Any]) -> bool:
    """Whether the tree's status says that what was woken has not lived: neither its screen nor its app may crash."""
    return told["state"] != "running" or bool(told["app"]["exit_code"]) or told["app"]["signal"] is not None


def _pack(folder: Path, key: bytes | None, loop: asyncio.AbstractEventLoop, done: Callable[[int | None], None]) -> None:
    size = None
    try:
        size = image.pack(folder, key)
    except (OSError, image.ImageError) as error:
        print(f"streamspace desktop: {folder} was not compressed: {error}", file=sys.stderr)
    with contextlib.suppress(RuntimeError):  # we have been told to stop meanwhile
        loop.call_soon_threadsafe(done, size)
