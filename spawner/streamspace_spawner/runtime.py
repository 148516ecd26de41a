"""Runtime folders of local sessions: private, short, and gone with the session. Knows nothing of the hub."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamspace_hub.model.asleep import image_paths
from streamspace_spawner.accounts import Account

# sun_path holds 108 bytes with its end (unix(7)); `streamer.sock` is the longest of our sockets' names.
LONGEST_FOLDER = 107 - len("/streamer.sock")
LOG_NAME = "session.log"
SOCKET_FOLDERS = ("/tmp/.X11-unix", "/tmp/.ICE-unix")  # noqa: S108 - fixed by Xlib and libICE


class RuntimeFolderError(Exception):
    """No runtime folder can be made. The text is a sentence for the user."""


def default_root(uid: int, environment: Mapping[str, str]) -> str:
    """Return the folder that runtime folders are made in by a hub that runs under `uid`."""
    if uid == 0:
        return "/run/streamspace"
    own = environment.get("XDG_RUNTIME_DIR", "")
    if own and os.path.isdir(own) and os.stat(own).st_uid == uid:
        return f"{own}/streamspace"
    return f"/tmp/streamspace-{uid}"  # noqa: S108 - `_make_root` refuses one that is not ours


def make(folder: str, account: Account) -> int:
    """Make the runtime folder of a session, empty, and in it the session's log; return a descriptor of the log.

    Raises:
        RuntimeFolderError: the folder cannot be made.
    """
    if len(os.fsencode(folder)) > LONGEST_FOLDER:
        raise RuntimeFolderError(
            f"The runtime folder {folder} is too long for the names of sockets. "
            "An administrator has to set LocalStreamSpaceSpawner.runtime_root to a shorter path."
        )
    try:
        _make_root(Path(folder).parent)
        if os.geteuid() == 0:
            for shared in SOCKET_FOLDERS:
                give_to_root(shared)
        remove(folder)
        os.mkdir(folder, 0o700)
        # Made before the folder is handed over: in a folder of the user's, root could be led astray by a link.
        log = os.open(f"{folder}/{LOG_NAME}", os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.fchown(log, account.uid, account.gid)
        os.chown(folder, account.uid, account.gid)
    except OSError as error:
        raise RuntimeFolderError(f"The runtime folder {folder} cannot be made: {error.strerror}.") from error
    return log


def give_to_root(folder: str) -> None:
    """Make root the owner of a folder of sockets that all users share, as systemd does while a machine boots.

    A container has none: there the first session would make it, and its user could put sockets in place of others'.

    Raises:
        RuntimeFolderError: something else is in its place.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder)
    try:
        # By descriptor: an owner who is not root could put a link in its place meanwhile.
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        raise RuntimeFolderError(f"{folder} is no folder. An administrator has to remove it.") from None
    try:
        status = os.fstat(descriptor)
        if status.st_uid != 0 or not status.st_mode & stat.S_ISVTX:
            os.fchown(descriptor, 0, 0)
            os.fchmod(descriptor, 0o1777)
    finally:
        os.close(descriptor)


def last_sign(folder: str) -> float | None:
    """Return when anything last changed in a runtime folder, in seconds since 1970; None: it is gone.

    A session that ends in good order touches it last of all; one that is killed has done so much there before.
    """
    try:
        with os.scandir(folder) as entries:
            times = [entry.stat(follow_symlinks=False).st_mtime for entry in entries]
        return max([os.lstat(folder).st_mtime, *times])
    except OSError:
        return None


def remove(folder: str) -> None:
    """Remove a runtime folder and all in it, if it is there; its processes have ended."""
    for mount in _mounts_below(folder):
        _unmount(mount, os.lstat(folder))
    shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        raise OSError(errno.EBUSY, "it is still in use", folder)


def remove_image(folder: str, account: Account) -> None:
    """Remove a memory image and what was left of one in the making; in the name of its owner, who may play tricks."""
    user: dict[str, Any] = {"user": account.uid, "group": account.gid, "extra_groups": []} if os.geteuid() == 0 else {}
    subprocess.run(
        ["rm", "-rf", "--", *image_paths(folder)], check=True, capture_output=True, timeout=60, cwd="/", **user
    )


def tail(log: int, size: int = 8192) -> list[str]:
    """Return the last lines of the log open at descriptor `log`."""
    end = os.fstat(log).st_size
    return os.pread(log, size, max(0, end - size)).decode(errors="replace").splitlines()


def _make_root(root: Path) -> None:
    mode = 0o755 if os.geteuid() == 0 else 0o700
    root.parent.mkdir(parents=True, exist_ok=True)
    try:
        root.mkdir(mode)
        root.chmod(mode)  # whatever the umask
    except FileExistsError:
        status = root.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise RuntimeFolderError(
                f"{root} is not a folder of the hub's own that nobody else can write to. An administrator has to "
                "remove it, or set LocalStreamSpaceSpawner.runtime_root."
            ) from None


def _mounts_below(folder: str) -> list[str]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        targets = [_unescape(line.split()[4]) for line in file]
    return [target for target in reversed(targets) if target.startswith(f"{folder}/")]


def _unmount(mount: str, folder: os.stat_result) -> None:
    """End a FUSE mount (gvfsd-fuse), which outlives its process, and would keep the folder.

    In the name of the folder's owner: while root's umount looks for the path, its owner could put a link into it.
    """
    program = shutil.which("fusermount") or shutil.which("fusermount3")
    if program is None:
        return
    user: dict[str, Any] = (
        {"user": folder.st_uid, "group": folder.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    )
    subprocess.run([program, "-u", "-z", "--", mount], check=False, capture_output=True, timeout=10, **user)


def _unescape(text: str) -> str:
    """Undo the octal escapes of proc_pid_mountinfo(5)."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
