"""How a desktop begins: settings, namespaces, the tree new or woken, and the supervisor before it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import traceback
from dataclasses import replace
from typing import Any

from streamspace_proxy.desktop import ability, container, image, memory, privileges, sleep_key
from streamspace_proxy.desktop.init import live
from streamspace_proxy.desktop.logs import CappedLog
from streamspace_proxy.desktop.processes import adopt_orphans, die_with_parent, hide_from_same_user
from streamspace_proxy.desktop.settings import Settings, SettingsError, make_shared, read_settings
from streamspace_proxy.desktop.supervisor import Supervisor

MODULE = "streamspace_proxy.desktop.start"
"""Run by name, it is a tree's root."""


def main() -> int:
    """Check the environment, then live. Returns the exit code: 0 ended on request, 2 wrong settings."""
    parent = os.getppid()
    adopt_orphans()
    if os.getpid() != 1:
        die_with_parent(signal.SIGTERM, parent)
    try:
        container.enter(os.environ)
        settings = read_settings(os.environ)
        if settings.shared:
            make_shared(settings.runtime_dir)
        able = ability.assess(settings, os.environ)
        outer = None
        if able.enter_namespaces:
            outer = privileges.OuterPids()
            if pid := privileges.enter_namespaces(_clock_behind(settings)):
                sleep_key.forget(os.environ)
                die_with_parent(signal.SIGTERM, parent)  # taken back by the kernel when capabilities change
                return privileges.stand_before(pid)
        able = _take_key(able)
        if able.memory:
            settings = replace(settings, preload=str(ability.SHIM))
        root, restored = _wake(settings, able)
        if able.memory:  # not before: what helps to wake must not take the PIDs of what is woken
            privileges.pass_pids(ability.SHIM)
        return asyncio.run(_supervise(settings, able, root or start_tree(settings), restored, outer))
    except (SettingsError, OSError) as error:
        print(f"streamspace desktop: {error}", file=sys.stderr)
        return 2


def _clock_behind(settings: Settings) -> float:
    """Return by how many seconds this machine's clock is behind that of the image that is to be restored here."""
    return 0.0 if settings.restore is None else max(0.0, image.uptime_of(settings.restore) - time.monotonic())


def _take_key(able: ability.Ability) -> ability.Ability:
    """Have images encrypted with the key that we are given; where there ought to be one, no memory is kept without."""
    try:
        key = sleep_key.take(os.environ)
    except sleep_key.SleepKeyError as error:
        return replace(able, program=None, why_not=f"Memory is kept encrypted only, and it cannot be. {error}")
    if key is not None:
        hide_from_same_user()
    return replace(able, key=key)


def _wake(settings: Settings, able: ability.Ability) -> tuple[int | None, dict[str, Any] | None]:
    """Bring the memory image back that the settings name; returns the tree's root and what the status is to tell."""
    if settings.restore is None:
        return None, None
    told: dict[str, Any] = {"from": str(settings.restore), "ok": False, "image": str(settings.restore)}
    if able.program is None:
        said = f"{settings.title} has been started anew, because its memory cannot be brought back here. {able.why_not}"
        return None, {**told, "said": said}
    try:
        woken = memory.bring_back(able, settings, settings.restore)
    except memory.SleepError as error:
        print(f"streamspace desktop: {error}", file=sys.stderr)
        return None, {**told, "said": str(error)}
    return woken.root, {**told, "ok": True, "said": f"{settings.title} is as it was.", "seconds": woken.seconds}


async def _supervise(settings: Settings, able: ability.Ability, root: int, *rest: Any) -> int:
    return await Supervisor(settings, able, root, *rest).run()


def start_tree(settings: Settings) -> int:
    """Start the tree's root; returns its PID. A fork is enough where nothing of the kernel's has changed around us."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _become_root_of_tree(settings, parent)
            if settings.preload is not None:
                # What is mapped into us was opened outside of the namespaces, and CRIU would not find it in them.
                os.execv(sys.executable, [sys.executable, "-P", "-m", MODULE, settings.preload])  # noqa: S606
            asyncio.run(live(settings))
            code = 0
        except BaseException:  # a fork must never return into its caller
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def _become_root_of_tree(settings: Settings, parent: int) -> None:
    """Leave everything behind that leads out of the tree, and the supervisor's rights."""
    os.setsid()
    adopt_orphans()
    os.chdir("/")
    if os.geteuid() != 0:
        privileges.keep_only(())
        privileges.show_to_same_user()
    if parent != 1:  # the end of a namespace's first process is the end of all in it
        die_with_parent(signal.SIGTERM, parent)
    log = CappedLog(settings.path("desktop.log")).fd
    nothing = os.open(os.devnull, os.O_RDWR)
    for target, source in enumerate((nothing, log, log)):
        os.dup2(source, target)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))


if __name__ == "__main__":
    asyncio.run(live(replace(read_settings(os.environ), preload=sys.argv[1])))
