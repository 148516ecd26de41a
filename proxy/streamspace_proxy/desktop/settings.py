"""What the desktop is told: its environment variables checked, and the environment and command of its programs.

Pure functions of plain data, except for `prepare_runtime_dir` and `login_shell`.
It must not know how anything is started.
"""

from __future__ import annotations

import json
import os
import pwd
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A unix socket's path has 108 bytes with its final NUL (unix(7)); the longest of our names is `streamer.sock`.
_LONGEST_RUNTIME_DIR = 107 - len("/streamer.sock")
_SECRET_PREFIXES = ("JUPYTERHUB_", "JPY_", "JUPYTER_TOKEN", "JUPYTER_SERVER_", "CONFIGPROXY_")
# What another login session of the same machine would leave us pointing at.
_FOREIGN = (
    "DBUS_", "DESKTOP_SESSION", "DISPLAY", "GDMSESSION", "GNOME_", "ICEAUTHORITY", "PULSE_", "SESSION_MANAGER",
    "SSH_AUTH_SOCK", "WAYLAND_", "WINDOWID", "XAUTHORITY", "XDG_CURRENT_DESKTOP", "XDG_RUNTIME_DIR", "XDG_SEAT",
    "XDG_SESSION_", "XDG_VTNR", "NOTIFY_SOCKET", "LISTEN_", "TRACEPARENT",
    "TRACESTATE",
)  # fmt: skip


class SettingsError(ValueError):
    """A setting is missing or wrong; the text is one sentence that names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What to run and where. The fields of `template` that matter here, and the paths of the runtime folder."""

    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    window_mode: str
    packages: tuple[str, ...]
    home_files: Mapping[str, str]
    runtime_dir: Path
    microphone: bool = False
    """Whether programs see a microphone, which the streamer speaks into."""
    open: str | None = None
    restore: Path | None = None
    """The memory image that the desktop is woken from."""
    sleep_folder: Path | None = None
    """Where its memory is kept when the session goes to sleep; what is there is ours to replace."""
    last_words: Path | None = None
    """The file by which whoever started us learns that the memory is kept."""
    keep_last: bool = False
    """Whether that image is kept beside, when it is not needed any more."""
    memory_sleep: bool = False
    """Whether the app is known to live on when its memory was kept."""
    gpus: int = 0
    """How many GPUs the app asks for."""
    keeps_sandbox: bool = False
    """Whether it would, if its policy had it do without the sandbox of its own."""
    preload: str | None = None
    """A library for every program (LD_PRELOAD): where memory can be kept, that without which it could not."""
    shared: bool = False
    """Whether the runtime folder is open to our group: in a pod the streamer is another user of it."""
    inherited: Mapping[str, str] = field(default_factory=dict)
    """The environment that we were started with, without secrets."""

    @property
    def home(self) -> str:
        """The user's home, where programs start."""
        return self.inherited.get("HOME", "/")

    def path(self, name: str) -> Path:
        """Return the path of a file of the runtime folder."""
        return self.runtime_dir / name


def _text_list(template: Mapping[str, Any], key: str, least: int) -> tuple[str, ...]:
    value = template.get(key, [])
    if not isinstance(value, list) or len(value) < least or not all(isinstance(x, str) and x for x in value):
        raise SettingsError(f"STREAMSPACE_TEMPLATE: `{key}` must be a list of at least {least} non-empty strings.")
    return tuple(value)


def _text_mapping(template: Mapping[str, Any], key: str) -> dict[str, str]:
    value = template.get(key, {})
    if not isinstance(value, dict) or not all(isinstance(x, str) for x in value.values()):
        raise SettingsError(f"STREAMSPACE_TEMPLATE: `{key}` must map names to strings.")
    return value


def _memory_sleep(template: Mapping[str, Any]) -> bool:
    sleep = template.get("sleep") or {}
    if not isinstance(sleep, dict) or sleep.get("memory", "untested") not in ("yes", "no", "untested"):
        raise SettingsError("STREAMSPACE_TEMPLATE: `sleep.memory` must be `yes`, `no` or `untested`.")
    return sleep.get("memory") == "yes"


def _gpus(template: Mapping[str, Any]) -> int:
    try:
        return int((template.get("resources") or {}).get("gpu", {}).get("count", 0))
    except (AttributeError, TypeError, ValueError) as error:
        raise SettingsError("STREAMSPACE_TEMPLATE: `resources.gpu.count` must be a whole number.") from error


def _microphone(environ: Mapping[str, str]) -> bool:
    """Read the one thing of the policy that is made here; the rest is the streamer's."""
    try:
        policy = json.loads(environ.get("STREAMSPACE_POLICY") or "{}")
    except ValueError as error:
        raise SettingsError(f"STREAMSPACE_POLICY must hold the policy as JSON: {error}.") from error
    return isinstance(policy, dict) and policy.get("microphone") is True


def read_runtime_dir(environ: Mapping[str, str]) -> Path:
    """Return the runtime folder named by the environment."""
    name = environ.get("STREAMSPACE_RUNTIME_DIR", "")
    if not name.startswith("/"):
        raise SettingsError("STREAMSPACE_RUNTIME_DIR must be the absolute path of a private folder.")
    if len(os.fsencode(name)) > _LONGEST_RUNTIME_DIR:
        raise SettingsError(
            f"STREAMSPACE_RUNTIME_DIR is longer than {_LONGEST_RUNTIME_DIR} bytes: no socket could be made in {name}."
        )
    return Path(name)


def check_private(folder: Path) -> None:
    """Refuse a runtime folder that others could look into."""
    try:
        info = folder.lstat()
    except OSError as error:
        raise SettingsError(f"STREAMSPACE_RUNTIME_DIR: {folder}: {error.strerror}.") from error
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o077:
        raise SettingsError(
            f"STREAMSPACE_RUNTIME_DIR: {folder} must be a folder of mode 0700 that belongs to uid {os.geteuid()}."
        )


def make_shared(folder: Path) -> None:
    """Make the runtime folder that the streamer of our group looks into; one of an earlier start is taken up."""
    try:
        folder.mkdir(0o750, exist_ok=True)
        folder.chmod(0o750)  # whatever the umask
    except OSError as error:
        raise SettingsError(f"STREAMSPACE_DESKTOP_DIR: {folder}: {error.strerror}.") from error


def _path(environ: Mapping[str, str], name: str, what: str) -> Path | None:
    path = environ.get(name) or None
    if path is not None and not path.startswith("/"):
        raise SettingsError(f"{name} must be the absolute path of {what}.")
    return None if path is None else Path(path)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Check the environment variables; raises SettingsError with a sentence."""
    runtime_dir = read_runtime_dir(environ)
    try:
        template = json.loads(environ.get("STREAMSPACE_TEMPLATE", ""))
    except ValueError as error:
        raise SettingsError(f"STREAMSPACE_TEMPLATE must hold an app template as JSON: {error}.") from error
    if not isinstance(template, dict):
        raise SettingsError("STREAMSPACE_TEMPLATE must hold an app template as a JSON object.")
    mode = template.get("window_mode", "app")
    if mode not in ("app", "desktop"):
        raise SettingsError("STREAMSPACE_TEMPLATE: `window_mode` must be `app` or `desktop`.")
    opened = environ.get("STREAMSPACE_OPEN") or None
    if opened is not None and not opened.startswith("/"):
        raise SettingsError("STREAMSPACE_OPEN must be an absolute path.")
    keep = environ.get("STREAMSPACE_SLEEP_KEEP") or "no"
    if keep not in ("no", "last"):
        raise SettingsError("STREAMSPACE_SLEEP_KEEP must be `no` or `last`.")
    command = _text_list(template, "command", 1)
    return Settings(
        restore=_path(environ, "STREAMSPACE_RESTORE", "a memory image's folder"),
        sleep_folder=_path(environ, "STREAMSPACE_SLEEP_FOLDER", "a folder for the session's memory image"),
        last_words=_path(environ, "STREAMSPACE_LAST_WORDS", "the file for the container's last words"),
        keep_last=keep == "last",
        memory_sleep=_memory_sleep(template),
        gpus=_gpus(template),
        keeps_sandbox=bool(template.get("without_sandbox")),
        title=str(template.get("title") or command[0]),
        command=command,
        environment=_text_mapping(template, "environment"),
        window_mode=mode,
        packages=_text_list(template, "packages", 0),
        home_files=_text_mapping(template, "home_files"),
        runtime_dir=runtime_dir,
        microphone=_microphone(environ),
        open=opened,
        shared=environ.get("STREAMSPACE_DESKTOP_DIR") == str(runtime_dir),
        inherited=without_secrets(environ),
    )


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without what belongs to the Jupyter server, nor a copy of its secrets under another name."""
    removed = {name: value for name, value in environ.items() if name.startswith(_SECRET_PREFIXES)}
    # Shorter ones would be found by chance in half of all values.
    secrets = {value for name, value in removed.items() if "TOKEN" in name and len(value) >= 8}
    return {
        name: value
        for name, value in environ.items()
        if name not in removed and not any(secret in value for secret in secrets)
    }


def program_environment(settings: Settings, display: str | None) -> dict[str, str]:
    """Return the environment of every program; `display` is None before the X server is up."""
    env = {
        name: value
        for name, value in settings.inherited.items()
        if not name.startswith(_FOREIGN) and not name.startswith("STREAMSPACE_")
    }
    env.setdefault("LANG", "C.UTF-8")
    env["PATH"] = machine_path(env.get("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/games"), Path(sys.prefix, "bin"))
    env.pop("VIRTUAL_ENV", None)
    env["SHELL"] = login_shell(env.get("SHELL"))
    env |= {
        # Without it every GTK program waits for an accessibility bus that is not there.
        "NO_AT_BRIDGE": "1",
        "XDG_SESSION_TYPE": "x11",
        "XDG_CURRENT_DESKTOP": "X-StreamSpace",
    }
    env |= settings.environment
    env |= {
        "XAUTHORITY": str(settings.path("Xauthority")),
        "XDG_RUNTIME_DIR": str(settings.path("xdg")),
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={settings.path('bus')}",
        "PULSE_SERVER": f"unix:{settings.path('pulse.sock')}",
        # Else each client makes a cookie in the user's ~/.config.
        "PULSE_COOKIE": str(settings.path("xdg") / "pulse-cookie"),
    }
    if display is not None:
        env["DISPLAY"] = display
    if settings.preload is not None:
        env["LD_PRELOAD"] = " ".join(filter(None, (settings.preload, env.get("LD_PRELOAD"))))
    # The spawner finds what is left of a session by this marker.
    if marker := settings.inherited.get("STREAMSPACE_SESSION"):
        env["STREAMSPACE_SESSION"] = marker
    return env


def machine_path(path: str, own: Path) -> str:
    """Return `path` with our virtual environment's programs last.

    Apps are the machine's: one that embeds Python (QGIS) takes the first `python3` on the path for its home.
    """
    if sys.prefix == sys.base_prefix:
        return path
    folders = path.split(":")
    return ":".join(sorted(folders, key=lambda folder: folder != "" and Path(folder) == own))


def login_shell(shell: str | None) -> str:
    """Return `shell`, else the account's, else one that lets the user in: a terminal runs it.

    Accounts of services and of pods have `nologin` or `false`, or are in no password file (shells(5), nologin(8)).
    """
    try:
        account = pwd.getpwuid(os.getuid()).pw_shell
    except KeyError:
        account = ""
    for candidate in (shell, account, "/bin/bash"):
        if candidate and Path(candidate).name not in ("nologin", "false") and os.access(candidate, os.X_OK):
            return candidate
    return "/bin/sh"


def takes_files(command: Sequence[str]) -> bool:
    """Whether the command has a place for files."""
    return "%f" in command or "%F" in command


def expand(command: Sequence[str], files: Sequence[str] = ()) -> list[str]:
    """Put `files` where the command says `%F` (all) or `%f` (one); without files the code vanishes.

    Desktop Entry Specification 1.5, "Exec variables": only arguments that are a field code as a whole.
    """
    argv: list[str] = []
    for element in command:
        if element == "%f":
            argv += files[:1]
        elif element == "%F":
            argv += files
        else:
            argv.append(element)
    return argv
