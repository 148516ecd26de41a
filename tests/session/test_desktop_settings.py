"""What the desktop makes of its environment, as tables."""

from __future__ import annotations

import json
import pwd
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamspace_proxy.desktop import screen, settings, status, x11, xauth
from streamspace_proxy.desktop.processes import Exit


@pytest.mark.parametrize(
    ("command", "files", "argv"),
    [
        (["gimp", "%F"], [], ["gimp"]),
        (["gimp", "%F"], ["/a b", "/c"], ["gimp", "/a b", "/c"]),
        (["gimp", "%f"], ["/a", "/b"], ["gimp", "/a"]),
        (["gimp", "%f"], [], ["gimp"]),
        (["gimp", "--new", "%f", "--end"], ["/a"], ["gimp", "--new", "/a", "--end"]),
        (["gimp"], ["/a"], ["gimp"]),
        (["date", "+%F", "100%"], ["/a"], ["date", "+%F", "100%"]),
        (["gimp", "%F"], ["%F", "$(id)"], ["gimp", "%F", "$(id)"]),
    ],
)
def test_files_take_the_place_of_field_codes(command: list[str], files: list[str], argv: list[str]) -> None:
    assert settings.expand(command, files) == argv


def environment(**template: object) -> dict[str, str]:
    return {
        "STREAMSPACE_RUNTIME_DIR": "/run/x",
        "STREAMSPACE_TEMPLATE": json.dumps({"title": "T", "command": ["true"], **template}),
    }


def test_settings_hold_what_matters_of_the_template() -> None:
    given = environment(window_mode="desktop", packages=["a"], environment={"A": "1"}, mime_types=["text/plain"])
    read = settings.read_settings({**given, "STREAMSPACE_OPEN": "/file", "HOME": "/home/x"})
    assert (read.title, read.command, read.window_mode) == ("T", ("true",), "desktop")
    assert (read.packages, read.environment, read.open, read.home) == (("a",), {"A": "1"}, "/file", "/home/x")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (environment(command=[]), "`command` must be a list of at least 1 non-empty strings"),
        (environment(command=["a", 1]), "`command`"),
        (environment(command=["a", ""]), "`command`"),
        (environment(packages="a"), "`packages`"),
        (environment(window_mode="tiled"), "`window_mode` must be `app` or `desktop`"),
        (environment(environment=[]), "`environment` must map names to strings"),
        (environment(environment={"A": 1}), "`environment`"),
        ({**environment(), "STREAMSPACE_OPEN": "file"}, "STREAMSPACE_OPEN must be an absolute path"),
        ({**environment(), "STREAMSPACE_TEMPLATE": "{"}, "STREAMSPACE_TEMPLATE must hold an app template as JSON"),
    ],
)
def test_wrong_settings_are_named(environ: dict[str, str], said: str) -> None:
    with pytest.raises(settings.SettingsError, match=said.replace("[", r"\[")):
        settings.read_settings(environ)


def test_secrets_are_removed_with_their_copies() -> None:
    environ = {
        "JUPYTERHUB_API_TOKEN": "a-secret",
        "JUPYTERHUB_USER": "ann",
        "JPY_API_TOKEN": "a-secret",
        "JUPYTER_TOKEN": "an-other",
        "URL": "http://x/?token=a-secret",
        "MINE": "an-other",
        "NAME": "ann",
        "PATH": "/bin",
    }
    assert settings.without_secrets(environ) == {"NAME": "ann", "PATH": "/bin"}


def test_an_empty_token_removes_nothing_else() -> None:
    assert settings.without_secrets({"JUPYTERHUB_API_TOKEN": "", "PATH": "/bin"}) == {"PATH": "/bin"}


def test_the_template_cannot_move_the_programs_to_another_display() -> None:
    read = settings.read_settings({**environment(environment={"DISPLAY": ":9", "XAUTHORITY": "/x", "A": "1"})})
    env = settings.program_environment(read, ":3")
    assert (env["DISPLAY"], env["XAUTHORITY"], env["A"]) == (":3", "/run/x/Xauthority", "1")


@pytest.mark.parametrize("shell", [None, "", "/usr/sbin/nologin", "/bin/false", "/no/such/shell"])
def test_programs_get_a_shell_that_lets_the_user_in(shell: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    service = pwd.struct_passwd(("nobody", "x", 65534, 65534, "", "/nonexistent", "/usr/sbin/nologin"))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: service)
    given = {} if shell is None else {"SHELL": shell}
    read = settings.read_settings({**environment(), **given})
    assert settings.program_environment(read, ":3")["SHELL"] == "/bin/bash"


def test_programs_get_the_shell_that_the_user_chose() -> None:
    read = settings.read_settings({**environment(), "SHELL": "/bin/sh"})
    assert settings.program_environment(read, ":3")["SHELL"] == "/bin/sh"


def test_the_authority_file_holds_one_entry_for_any_display(tmp_path: Path) -> None:
    cookie = xauth.write_authority(tmp_path / "Xauthority")
    again = xauth.write_authority(tmp_path / "Xauthority")
    assert cookie != again
    data = (tmp_path / "Xauthority").read_bytes()
    assert (
        data == b"\xff\xff" + bytes(4) + struct.pack(">H", 18) + b"MIT-MAGIC-COOKIE-1" + struct.pack(">H", 16) + again
    )
    assert (tmp_path / "Xauthority").stat().st_mode & 0o777 == 0o600


def test_the_root_window_is_found_behind_vendor_and_formats() -> None:
    vendor = b"Somebody"
    setup = struct.pack("<IIIIHHBBBBBBBB4x", 0, 0, 0, 0, len(vendor), 0, 1, 2, 0, 0, 32, 32, 8, 255)
    setup += vendor + bytes(16) + struct.pack("<I", 0x519)
    assert x11.root_window(setup) == 0x519


MAP = struct.pack("<BxHIIB", 19, 0, 1, 2, 0).ljust(32, b"\0")


@pytest.mark.parametrize(
    ("event", "up"),
    [
        (MAP, True),
        (bytes([MAP[0] | 0x80]) + MAP[1:], True),  # sent by another client
        (struct.pack("<BxHIIB", 19, 0, 1, 2, 1).ljust(32, b"\0"), False),  # a menu or tooltip
        (struct.pack("<BxHIIB", 19, 0, 7, 2, 0).ljust(32, b"\0"), False),  # not on the root window
        (struct.pack("<BxHIII", 21, 0, 1, 2, 3).ljust(32, b"\0"), True),  # taken into a frame
        (struct.pack("<BxHIII", 21, 0, 1, 2, 1).ljust(32, b"\0"), False),  # given back to the root window
        (bytes(32), False),
    ],
)
def test_a_window_that_comes_up_is_told_from_other_events(event: bytes, up: bool) -> None:
    assert x11.is_window_up(event, 1) is up


ADD = (screen.STATE, (1, screen.TALL, screen.WIDE, 2))
RAISE = (screen.ACTIVE, (2,))


@pytest.mark.parametrize(
    ("state", "messages"),
    [
        ({screen.UNDECORATED}, [ADD]),
        ({screen.UNDECORATED, screen.TALL}, [ADD]),
        ({screen.UNDECORATED, screen.TALL, screen.WIDE}, []),
        ({screen.UNDECORATED, screen.TALL, screen.WIDE, screen.HIDDEN}, [RAISE]),
        ({screen.UNDECORATED, screen.HIDDEN}, [RAISE, ADD]),
        ({screen.UNDECORATED, screen.FULLSCREEN}, []),
        (set(), []),  # a dialog
        ({screen.HIDDEN}, []),
    ],
)
def test_only_the_apps_own_windows_are_made_to_fill_the_screen(state: set[str], messages: list[object]) -> None:
    assert screen.corrections(state) == messages


@pytest.mark.parametrize(
    ("how", "mode", "sentence"),
    [
        (Exit(0, None), "app", "GIMP has been closed. Start it again or stop the session."),
        (Exit(0, None), "desktop", "You have logged out. Start it again or stop the session."),
        (Exit(1, None), "app", "GIMP has ended (exit code 1). Start it again or stop the session."),
        (Exit(None, 11), "desktop", "GIMP has ended (killed by SIGSEGV). Start it again or stop the session."),
        (Exit(None, 40), "app", "GIMP has ended (killed by signal 40). Start it again or stop the session."),
    ],
)
def test_the_end_of_the_app_is_said_plainly(how: Exit, mode: str, sentence: str) -> None:
    assert status.app_ended("GIMP", how, mode) == sentence


@given(st.lists(st.text(min_size=1), min_size=1), st.lists(st.text()))
def test_no_file_is_ever_split_or_lost(command: list[str], files: list[str]) -> None:
    argv = settings.expand([*command, "%F"], files)
    assert argv[len(argv) - len(files) :] == files


def test_the_machines_programs_come_before_those_of_our_virtual_environment() -> None:
    """An app that embeds Python would otherwise run with our packages: QGIS came up without its own."""
    own = Path(sys.prefix, "bin")
    assert settings.machine_path(f"{own}:/opt/x:/usr/bin::/bin", own) == f"/opt/x:/usr/bin::/bin:{own}"
    assert settings.machine_path("/usr/bin:/bin", own) == "/usr/bin:/bin"
