"""Command lines of the programs around the app. Pure functions; what is installed is the caller's business."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from streamspace_proxy.desktop.settings import Settings

X_SERVER = "Xtigervnc"
BUS = "dbus-daemon"
SOUND = "pulseaudio"
WINDOW_MANAGER = "openbox"
NO_SOCKET = b"Failed to find a socket to listen on"
"""What the X server says when no display number is free (xserver, os/connection.c)."""
SINK = "streamspace"
"""Name of the sink that programs play to; the streamer records `streamspace.monitor`."""
SPEECH = "streamspace_speech"
MICROPHONE = "streamspace_microphone"
"""What the streamer plays to `SPEECH` is what programs record from `MICROPHONE`."""


def x_server(settings: Settings, display_fd: int, display: int | None = None, *more: str) -> list[str]:
    """Xtigervnc on a display, of its own choice unless told, which it writes to `display_fd` when it is up.

    `more` are further arguments.
    """
    return [
        X_SERVER,
        *(() if display is None else (f":{display}",)),
        *("-displayfd", str(display_fd)),
        *("-auth", str(settings.path("Xauthority"))),
        # The abstract socket stays on: binding it is what makes two servers pick different displays. The file alone
        # does not (libxtrans unlinks it first), and -displayfd makes no lock file.
        *("-nolisten", "tcp"),
        *("-geometry", "1280x720", "-depth", "24", "-dpi", "96"),
        "-noreset",
        # Else XFIXES hides the shape of a pointer whose maker has ended (xsetroot) from the streamer.
        *("-extension", "SECURITY"),
        # No screen saver: nobody could see why the picture went black.
        *("-s", "0", "-dpms"),
        # Auto-repeat in ms, so that it does not depend on the network.
        *("-ardelay", "500", "-arinterval", "33"),
        *("-rfbport", "-1", "-rfbunixpath", str(settings.path("rfb.sock"))),
        *("-rfbunixmode", "0660" if settings.shared else "0600"),
        *("-SecurityTypes", "None", "-AlwaysShared", "-AcceptSetDesktopSize=1", "-desktop", "StreamSpace"),
        # The clipboard passes through the streamer, which knows the policy; AllowOverride keeps programs of the
        # desktop from opening this way again.
        *("-AcceptCutText=0", "-SendCutText=0", "-AllowOverride="),
        *more,
    ]


def session_bus(settings: Settings, address_fd: int) -> list[str]:
    """Return the command of the D-Bus session bus; it writes its address to `address_fd` when it listens."""
    return [
        BUS,
        *("--session", "--nofork", "--nopidfile", "--nosyslog"),
        f"--address=unix:path={settings.path('bus')}",
        f"--print-address={address_fd}",
    ]


def sound_server(settings: Settings) -> list[str]:
    """PulseAudio with one silent sink, whose monitor the streamer records; and a microphone where there may be one."""
    return [
        SOUND,
        *("-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disallow-exit"),
        *("--realtime=no", "--high-priority=no", "--log-target=stderr", "--log-level=warn"),
        # A sink that nobody plays to stands still; the streamer's recorder does not keep it awake.
        *("-L", "module-suspend-on-idle timeout=2"),
        *("-L", null_sink(SINK, "StreamSpace")),
        *(microphone() if settings.microphone else ()),
        # The folder is private, and the server checks the uid of its clients: no cookie is needed. In a pod the
        # streamer's is another one; there the folder alone decides.
        "-L",
        f"module-native-protocol-unix socket={settings.path('pulse.sock')} auth-cookie-enabled=0"
        + (" auth-anonymous=1" if settings.shared else ""),
    ]


def null_sink(name: str, description: str) -> str:
    """Return the module of a silent sink.

    Without rewinds it renders 50 ms ahead at most; else, once idle, two seconds, which the next recorder has to wait.
    """
    properties = f"sink_properties=device.description={description}"
    return f"module-null-sink sink_name={name} rate=48000 channels=2 norewinds=1 {properties}"


def microphone() -> list[str]:
    """Return the modules of a source that is silent until the streamer speaks into it. It becomes the default one."""
    return [
        *("-L", null_sink(SPEECH, "Speech")),
        "-L",
        f"module-remap-source source_name={MICROPHONE} master={SPEECH}.monitor "
        "source_properties=device.description=Microphone",
    ]


def sound_environment(settings: Settings, env: Mapping[str, str]) -> dict[str, str]:
    """Return the sound server's environment: its state goes to the runtime folder and not to the user's ~/.config."""
    own = {name: value for name, value in env.items() if not name.startswith("PULSE_")}
    folder = str(settings.path("xdg") / "pulse")
    return own | {"PULSE_STATE_PATH": folder, "PULSE_RUNTIME_PATH": folder}


def window_manager() -> list[str]:
    """Openbox with rules of ours."""
    return [WINDOW_MANAGER, "--sm-disable", "--config-file", str(Path(__file__).with_name("data") / "openbox.xml")]


def window_manager_environment(settings: Settings, env: Mapping[str, str]) -> dict[str, str]:
    """Return the window manager's environment: it makes folders in the user's ~/.cache and ~/.local otherwise."""
    folder = str(settings.path("xdg") / "openbox")
    return {**env, "XDG_CACHE_HOME": folder, "XDG_CONFIG_HOME": folder, "XDG_DATA_HOME": folder}
