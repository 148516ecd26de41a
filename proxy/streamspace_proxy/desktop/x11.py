"""The few X11 messages that the desktop's init needs, as bytes. Pure functions, no I/O.

X Window System Protocol, X Version 11, sections 8 (connection setup) and 9 (requests), encodings of appendix B;
little-endian throughout.
"""

from __future__ import annotations

import struct

from streamspace_proxy.desktop.xauth import PROTOCOL

ERROR, REPLY = 0, 1
MAP_NOTIFY, REPARENT_NOTIFY, PROPERTY_NOTIFY = 19, 21, 28
"""First byte of what the server sends; events have the high bit set when another client sent them."""
_QUERY_TREE = 15
_CHANGE_WINDOW_ATTRIBUTES, _INTERN_ATOM, _CHANGE_PROPERTY, _GET_PROPERTY, _SEND_EVENT, _CLEAR_AREA = (
    2,
    16,
    18,
    20,
    25,
    61,
)
_CW_BACK_PIXEL, _CW_EVENT_MASK = 0x2, 0x800
_SUBSTRUCTURE_NOTIFY, _SUBSTRUCTURE_REDIRECT, _PROPERTY_CHANGE = 0x80000, 0x100000, 0x400000
_APPEND, _ATOM, _CUT_BUFFER7, _STRING, _CLIENT_MESSAGE = 2, 4, 16, 31, 33


def setup(cookie: bytes) -> bytes:
    """Return the first bytes of a connection."""
    head = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(PROTOCOL), len(cookie))
    return head + _padded(PROTOCOL) + _padded(cookie)


def root_window(answer: bytes) -> int:
    """Return the first screen's root window from the additional data of the setup's answer."""
    vendor_length, formats = struct.unpack_from("<H", answer, 16)[0], answer[21]
    offset = 32 + vendor_length + (-vendor_length % 4) + 8 * formats
    root: int = struct.unpack_from("<I", answer, offset)[0]
    return root


def watch_root(root: int, colour: int) -> bytes:
    """Give the root window a background 0xRRGGBB (depth 24), and us its properties' and children's events."""
    mask = _CW_BACK_PIXEL | _CW_EVENT_MASK
    events = _SUBSTRUCTURE_NOTIFY | _PROPERTY_CHANGE
    return struct.pack("<BxHIIII", _CHANGE_WINDOW_ATTRIBUTES, 5, root, mask, colour, events)


def clear(window: int) -> bytes:
    """Paint a window's background."""
    return struct.pack("<BBHIhhHH", _CLEAR_AREA, 0, 4, window, 0, 0, 0, 0)


def watch_properties(window: int) -> bytes:
    """Give us the changes of a window's properties."""
    return struct.pack("<BxHIII", _CHANGE_WINDOW_ATTRIBUTES, 4, window, _CW_EVENT_MASK, _PROPERTY_CHANGE)


def intern_atom(name: str) -> bytes:
    """Ask for the number of an atom."""
    text = _padded(name.encode())
    return struct.pack("<BBHHxx", _INTERN_ATOM, 0, 2 + len(text) // 4, len(name)) + text


def atom_reply(reply: bytes) -> int:
    """Return the number out of the reply to `intern_atom`."""
    atom: int = struct.unpack_from("<I", reply, 8)[0]
    return atom


def get_atoms(window: int, name: int) -> bytes:
    """Ask for a property that is a list of atoms."""
    return struct.pack("<BBHIIIII", _GET_PROPERTY, 0, 6, window, name, _ATOM, 0, 64)


def atoms_reply(reply: bytes) -> set[int]:
    """Return the atoms out of the reply to `get_atoms`; none when the property is missing."""
    if reply[1] != 32:
        return set()
    count: int = struct.unpack_from("<I", reply, 16)[0]
    return set(struct.unpack_from(f"<{count}I", reply, 32))


def query_tree(window: int) -> bytes:
    """Ask for a window's children."""
    return struct.pack("<BxHI", _QUERY_TREE, 2, window)


def tree_reply(reply: bytes) -> tuple[int, ...]:
    """Return the children out of the reply to `query_tree`."""
    count: int = struct.unpack_from("<H", reply, 16)[0]
    return struct.unpack_from(f"<{count}I", reply, 32)


def root_message(root: int, window: int, kind: int, *data: int) -> bytes:
    """Send the window manager a client message about `window` (EWMH 1.5, "Root Window Properties")."""
    event = struct.pack("<BBHII5I", _CLIENT_MESSAGE, 32, 0, window, kind, *data, *[0] * (5 - len(data)))
    mask = _SUBSTRUCTURE_NOTIFY | _SUBSTRUCTURE_REDIRECT
    return struct.pack("<BBHII", _SEND_EVENT, 0, 11, root, mask) + event


def poke(root: int) -> bytes:
    """Change nothing, and yet send an event to whoever watches the root window's properties."""
    return struct.pack("<BBHIIIB3xI", _CHANGE_PROPERTY, _APPEND, 6, root, _CUT_BUFFER7, _STRING, 8, 0)


def is_window_up(event: bytes, root: int) -> bool:
    """Whether an event says that a window is on screen: mapped by itself, or taken into a manager's frame."""
    code = event[0] & 0x7F
    if code == MAP_NOTIFY:
        parent, _window, override = struct.unpack_from("<IIB", event, 4)
        return bool(parent == root and not override)
    return framed_window(event, root) is not None


def framed_window(event: bytes, root: int) -> int | None:
    """Return the window that was taken into a frame, if that is what the event says."""
    listened, window, parent = struct.unpack_from("<III", event, 4)
    return window if event[0] & 0x7F == REPARENT_NOTIFY and listened == root and parent != root else None


def changed_property(event: bytes) -> tuple[int, int] | None:
    """Return the window and the property that has changed, if that is what the event says."""
    window, name = struct.unpack_from("<II", event, 4)
    return (window, name) if event[0] & 0x7F == PROPERTY_NOTIFY else None


def _padded(text: bytes) -> bytes:
    return text + bytes(-len(text) % 4)
