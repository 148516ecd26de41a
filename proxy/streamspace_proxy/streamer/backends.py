"""Which capture backend a machine gets, and how it is made. `choose` is pure; `probe` looks at the machine.

- `xdamage`: our own, event-driven; needs the X server's DAMAGE and MIT-SHM extensions. The usual one.
- `pixelflux`: where a GPU that can encode is there, and the package is installed (extra `gpu`).
- `x11grab`: FFmpeg's, polling; the last resort, where the X server lacks those extensions.

One that fails although it looked good is followed by the next: `pixelflux`, `xdamage`, `x11grab`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final, Literal, get_args

from streamspace_proxy.streamer.capture import (
    BACKENDS,
    Backend,
    CaptureBackend,
    CaptureSettings,
    CaptureSink,
    Codec,
)

logger = logging.getLogger(__name__)
Wanted = Literal["auto", "xdamage", "pixelflux", "x11grab"]
WANTED: Final[tuple[Wanted, ...]] = get_args(Wanted)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine can do."""

    pixelflux: bool = False
    """The package is installed, with the libraries that it needs."""
    gpu_codecs: frozenset[str] = frozenset()
    """What a GPU encodes, by pixelflux' names."""


def choose(wanted: Wanted, codec: Codec, machine: Machine, failed: Collection[Backend] = ()) -> Backend | None:
    """Return the backend for one codec; None: all that could do it have `failed`.

    `wanted` is what `STREAMSPACE_CAPTURE` says. A GPU is used for what it encodes; a codec that pixelflux cannot make
    (it cuts JPEG into stripes) is always left to `xdamage`, which becomes `x11grab` on an X server without DAMAGE.
    """
    usable = BACKENDS[BACKENDS.index(_first(wanted, codec, machine)) :]
    return next((backend for backend in usable if backend not in failed), None)


def _first(wanted: Wanted, codec: Codec, machine: Machine) -> Backend:
    if wanted == "pixelflux":
        return "pixelflux" if machine.pixelflux and codec != "jpeg" else "xdamage"
    if wanted == "auto":
        return "pixelflux" if machine.pixelflux and codec in machine.gpu_codecs and codec != "jpeg" else "xdamage"
    return wanted


def choose_screen(wanted: Wanted, extensions: Collection[str]) -> Backend:
    """Return how the screen of an X server with these extensions is read."""
    if wanted == "x11grab" or not {"DAMAGE", "MIT-SHM", "RANDR"} <= set(extensions):
        return "x11grab"
    return "xdamage"


def probe(hardware: Callable[[], Mapping[str, str]] | None = None) -> Machine:
    """Look at the machine; takes a while the first time. `hardware` stands for `pixelflux.hardware_encoders`."""
    if hardware is None:
        if find_spec("pixelflux") is None:
            return Machine()
        try:
            import pixelflux
        except ImportError as error:  # a library that it links to
            logger.warning("capture: pixelflux is installed and cannot be loaded: %s", error)
            return Machine()

        hardware = pixelflux.hardware_encoders
    try:
        found = hardware()
    except Exception as error:  # whatever a driver makes of it
        logger.warning("capture: no GPU encodes here: %s", error)
        found = {}
    return Machine(True, frozenset(found))


def make(backend: Backend, machine: Machine, settings: CaptureSettings, sink: CaptureSink) -> CaptureBackend:
    """Return a backend, which has not been started."""
    if backend == "pixelflux":
        from streamspace_proxy.streamer.pixelflux_backend import PixelfluxCapture

        return PixelfluxCapture(settings, sink, gpu=settings.codec in machine.gpu_codecs)
    from streamspace_proxy.streamer.engine import EventDrivenCapture

    return EventDrivenCapture(settings, sink, polling=backend == "x11grab")
