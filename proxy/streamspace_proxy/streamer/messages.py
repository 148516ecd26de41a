"""The viewer protocol's messages, from bytes to models (docs/reference/protocol.md); `packing` makes bytes of media.

Pure: knows no socket and no session. Whatever a browser sends, `parse_text` and `parse_binary` return either a message
or a `Refusal`; they never raise.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from streamspace_hub.model import ClipboardDirection, Policy, Role
from streamspace_proxy.streamer.quality import Preset

Transport = Literal["websocket", "webrtc", "rfb", "http"]
Code = Literal[
    "bad_message",
    "too_large",
    "forbidden",
    "not_ready",
    "transport_failed",
    "too_many_viewers",
    "rate_limited",
]

MAX_TEXT: Final = 65_536
ACK_KIND: Final = 1
VOICE_KIND: Final = 2
MAX_OPUS: Final = 1275
"""Bytes of the largest Opus packet of one frame (RFC 6716 section 3.4)."""
ACK: Final = struct.Struct(">BBHI")
MESSAGE_TOO_BIG: Final = 1009
MAX_MILLISECONDS: Final = 3_600_000
"""An hour: what a viewer reports as longer is not a measurement."""
SHOWN: Final = 40
"""Characters of a viewer's own text that an error repeats."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Start(_Message):
    """(Re)select where media goes."""

    type: Literal["start"]
    transport: Transport
    audio: bool = False
    codecs: tuple[Annotated[str, Field(min_length=1, max_length=32)], ...] = Field(default=("h264",), max_length=16)
    """What the viewer can decode, what it likes best first; names that are unknown here are passed over."""


class Stop(_Message):
    """End media on a transport."""

    type: Literal["stop"]
    transport: Transport


class RtcOffer(_Message):
    """An SDP offer."""

    type: Literal["rtc_offer"]
    sdp: str = Field(min_length=1)


class RtcCandidate(_Message):
    """One ICE candidate of the viewer's."""

    type: Literal["rtc_candidate"]
    candidate: str = Field(max_length=1024)
    mid: str = Field(max_length=64)


Buttons = Annotated[int, Field(ge=0, le=31)]
Coordinate = Annotated[int, Field(ge=0, le=65_535)]
Steps = Annotated[int, Field(ge=-20, le=20)]


class Pointer(_Message):
    """Where the pointer is, in framebuffer pixels."""

    type: Literal["pointer"]
    x: Coordinate
    y: Coordinate
    buttons: Buttons


class PointerRelative(_Message):
    """How far the pointer moved, under pointer lock."""

    type: Literal["pointer_relative"]
    dx: int = Field(ge=-10_000, le=10_000)
    dy: int = Field(ge=-10_000, le=10_000)
    buttons: Buttons


class Wheel(_Message):
    """Whole wheel steps."""

    type: Literal["wheel"]
    x: Coordinate
    y: Coordinate
    dx: Steps
    dy: Steps


class Key(_Message):
    """A key went down or up."""

    type: Literal["key"]
    keysym: int = Field(ge=1, le=0x1FFF_FFFF)
    down: bool


class ReleaseKeys(_Message):
    """Lift all that this viewer holds."""

    type: Literal["release_keys"]


class Clipboard(_Message):
    """Text for the session's clipboard."""

    type: Literal["clipboard"]
    text: str


class Resize(_Message):
    """Ask for another screen size."""

    type: Literal["resize"]
    width: int = Field(ge=1, le=65_535)
    height: int = Field(ge=1, le=65_535)


class KeepAwake(_Message):
    """Somebody is there and wants the session to stay awake."""

    type: Literal["keep_awake"]


class Keyframe(_Message):
    """Ask for a picture that needs no other."""

    type: Literal["keyframe"]


class Visibility(_Message):
    """Whether the page can be seen."""

    type: Literal["visibility"]
    hidden: bool


class ChooseQuality(_Message):
    """Choose what gives way when a line is narrow, for the whole session."""

    type: Literal["quality"]
    preset: Preset = Field(strict=False)


class RestartApp(_Message):
    """Start the app again."""

    type: Literal["restart_app"]


class Ping(_Message):
    """Measure the way there and back."""

    type: Literal["ping"]
    t: float = Field(allow_inf_nan=False)


Milliseconds = Annotated[float, Field(ge=0, le=MAX_MILLISECONDS, allow_inf_nan=False)]
Samples = Annotated[list[Milliseconds], Field(max_length=50)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]


class Report(_Message):
    """What a viewer has measured since its last report; goes into the session's metrics."""

    type: Literal["report"]
    first_picture_ms: Milliseconds | None = None
    freezes: Count = 0
    freeze_ms: Milliseconds = 0.0
    switches: Count = 0
    latency_ms: Samples = []
    input_ms: Samples = []
    round_trip_ms: Milliseconds | None = None
    dropped: Count = 0


Input = Pointer | PointerRelative | Wheel | Key | ReleaseKeys | Clipboard | Resize | KeepAwake
AnyRole = Start | Stop | RtcOffer | RtcCandidate | Keyframe | Visibility | Ping | Report
Message = AnyRole | Input | RestartApp | ChooseQuality
ACTIVITY: Final = (Pointer, PointerRelative, Wheel, Key, Clipboard, KeepAwake)
"""What shows that somebody is there: pages send the other messages by themselves."""

_ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])
_TYPE_NAMES: Final = tuple(model.model_fields["type"].annotation.__args__[0] for model in Message.__args__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message was refused: the `error` that the viewer gets."""

    code: Code
    message: str
    field: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the `error` message."""
        answer: dict[str, Any] = {"type": "error", "code": self.code, "message": self.message}
        return answer if self.field is None else {**answer, "field": self.field}


@dataclass(frozen=True, slots=True)
class Ack:
    """A viewer has taken a video frame (and, with it, all earlier ones)."""

    frame_id: int
    decode_queue: int
    held: float = 0.0
    """Seconds that the viewer had the frame before it said so: no part of the way. 0.255 is this much or more."""


@dataclass(frozen=True, slots=True)
class Voice:
    """20 ms from a viewer's microphone, as one Opus packet."""

    sequence: int
    data: bytes


def parse_text(raw: str | bytes, clipboard_limit: int) -> Message | Refusal:
    """Read one text message; `clipboard_limit` is in bytes of UTF-8."""
    if (too_large := _refuse_size(raw, clipboard_limit)) is not None:
        return too_large
    try:
        message = _ADAPTER.validate_json(raw)
    except ValidationError as error:
        return _explain(error)
    except (ValueError, RecursionError):
        return Refusal("bad_message", "The message is not valid JSON; send one JSON object with a type.")
    if isinstance(message, Clipboard):
        return _check_clipboard(message, clipboard_limit)
    if len(raw) > MAX_TEXT:
        return Refusal("too_large", f"A {message.type} message may have {MAX_TEXT} bytes at most.")
    return message


def parse_binary(raw: bytes) -> Ack | Voice | Refusal:
    """Read one binary message."""
    size = len(raw)
    if size < ACK.size:
        return Refusal("bad_message", f"A binary message begins with {ACK.size} bytes, this one has only {size}.")
    kind, held, number, identifier = ACK.unpack_from(raw)
    if kind == VOICE_KIND:
        return _voice(held, number, identifier, raw[ACK.size :])
    if kind != ACK_KIND:
        known = f"{ACK_KIND} is an acknowledgement, {VOICE_KIND} the microphone"
        return Refusal("bad_message", f"Binary message kind {kind} is unknown; {known}.", "kind")
    if size != ACK.size:
        return Refusal("bad_message", f"An acknowledgement has {ACK.size} bytes, this one {size}.")
    return Ack(identifier, number, held / 1000)


def _voice(reserved_byte: int, sequence: int, reserved_word: int, data: bytes) -> Voice | Refusal:
    for name, reserved in (("byte", reserved_byte), ("word", reserved_word)):
        if reserved != 0:
            return Refusal("bad_message", f"The reserved {name} must be 0, not {reserved}.", "reserved")
    if not 0 < len(data) <= MAX_OPUS:
        return Refusal("bad_message", f"An Opus packet has 1 to {MAX_OPUS} bytes, this one {len(data)}.")
    return Voice(sequence, data)


def code_of_close(error: object) -> Code | None:
    """Return what a socket that its own library closed was closed for; None: it was lost, and nothing refused.

    `error` has the close code of RFC 6455, section 7.4.1, where the viewer is to blame.
    """
    code = getattr(error, "code", None)
    if not isinstance(code, int):
        return None
    return "too_large" if code == MESSAGE_TOO_BIG else "bad_message"


def permit(message: Message, role: Role, policy: Policy) -> Refusal | None:
    """Decide, here and nowhere else, whether a viewer may send this message."""
    if isinstance(message, AnyRole):
        return None
    if role is Role.VIEWER:
        return Refusal(
            "forbidden",
            f"You are watching: {message.type} needs control. Ask the owner of the session for it.",
            "type",
        )
    if isinstance(message, Clipboard) and policy.clipboard not in (
        ClipboardDirection.BOTH,
        ClipboardDirection.IN,
    ):
        return Refusal("forbidden", "Pasting into this session is turned off by its administrator.", "type")
    if isinstance(message, Resize):
        return _check_size(message, policy)
    return None


def permit_voice(role: Role, policy: Policy) -> Refusal | None:
    """Decide whether a viewer may be heard in the session."""
    if not policy.microphone:
        return Refusal("forbidden", "The microphone is turned off in this session by its administrator.")
    if role is Role.VIEWER:
        return Refusal("forbidden", "You are watching: speaking needs control. Ask the owner of the session for it.")
    return None


def may_read_clipboard(role: Role, policy: Policy) -> bool:
    """Whether a viewer gets the session's clipboard."""
    return role is not Role.VIEWER and policy.clipboard in (ClipboardDirection.BOTH, ClipboardDirection.OUT)


def _refuse_size(raw: str | bytes, clipboard_limit: int) -> Refusal | None:
    """Refuse by length alone what is not worth parsing: parsing megabytes would hold everybody else up."""
    if len(raw) <= MAX_TEXT:
        return None
    head = raw[:256] if isinstance(raw, str) else raw[:256].decode("utf-8", "replace")
    if '"clipboard"' not in head:
        return Refusal("too_large", f"A message may have {MAX_TEXT} bytes at most, this one has {len(raw)}.")
    # JSON doubles what it escapes in ordinary text (newlines, quotes, backslashes).
    if len(raw) > 2 * clipboard_limit + MAX_TEXT:
        return _clipboard_too_large(len(raw), clipboard_limit)
    return None


def _check_clipboard(message: Clipboard, limit: int) -> Clipboard | Refusal:
    try:
        size = len(message.text.encode())
    except UnicodeEncodeError:
        return Refusal("bad_message", "text holds half of a character (a lone surrogate).", "text")
    return message if size <= limit else _clipboard_too_large(size, limit)


def _clipboard_too_large(size: int, limit: int) -> Refusal:
    return Refusal(
        "too_large",
        f"The text has {size} bytes; this session's clipboard takes {limit} at most. Copy less, or move it as a file.",
        "text",
    )


def _check_size(message: Resize, policy: Policy) -> Refusal | None:
    for field, value, least, most in (
        ("width", message.width, 320, policy.max_width),
        ("height", message.height, 200, policy.max_height),
    ):
        if not least <= value <= most:
            return Refusal("forbidden", f"{field} must be between {least} and {most}, not {value}.", field)
    return None


def _explain(error: ValidationError) -> Refusal:
    """Say what is wrong with the first wrong field."""
    first = error.errors(include_url=False)[0]
    kind, path, known = first["type"], first["loc"], ", ".join(_TYPE_NAMES)
    field: str | None = "type"
    if kind == "union_tag_not_found":
        text = f"type is missing; it is one of {known}."
    elif kind == "union_tag_invalid":
        text = f"type {_shown(first['ctx']['tag'])} is unknown; it is one of {known}."
    elif len(path) < 2:
        text, field = "The message is not valid JSON: send one JSON object with a type.", None
    else:
        name, field = path[0], _shown(path[1])
        if kind == "extra_forbidden":
            text = f"{name} has no field {field}."
        elif kind == "missing":
            text = f"{name} needs the field {field}."
        else:
            text = f"{field} of {name}: {first['msg']}."
    return Refusal("bad_message", text, field)


def _shown(value: object) -> str:
    """Return a viewer's own text, cut, and free of what would not survive as JSON or in a log."""
    text = str(value).encode("utf-8", "replace").decode()
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def dump(message: dict[str, Any]) -> str:
    """One message to a viewer as JSON text."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
