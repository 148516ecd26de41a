"""The key that memory images are encrypted with: how a desktop is given it, and how its programs are not.

    STREAMSPACE_SLEEP_KEY_FD     a descriptor that we have inherited, read to its end and closed
    STREAMSPACE_SLEEP_KEY_FILE   a file, read and deleted before the first program starts: they are of our user; or, in
                                 a container that root starts, read by root, who closes the way to it

Either holds 32 bytes, or 64 hexadecimal digits.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, MutableMapping

from streamspace_proxy.desktop import sealing

DESCRIPTOR, FILE = "STREAMSPACE_SLEEP_KEY_FD", "STREAMSPACE_SLEEP_KEY_FILE"
_LONGEST = 2 * sealing.KEY_SIZE + 2
"""Bytes: the digits, and an end of line."""


class SleepKeyError(Exception):
    """There ought to be a key, and there is none; the text is one sentence."""


def is_given(environ: Mapping[str, str]) -> bool:
    """Whether memory images are to be encrypted."""
    return bool(environ.get(DESCRIPTOR) or environ.get(FILE))


def descriptors(environ: Mapping[str, str]) -> tuple[int, ...]:
    """Return the descriptor that a desktop has to inherit, if there is one."""
    text = environ.get(DESCRIPTOR, "")
    return (int(text),) if text.isdecimal() and int(text) > 2 else ()


def forget(environ: Mapping[str, str]) -> None:
    """Close the descriptor: another process reads it."""
    for descriptor in descriptors(environ):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def hold(environ: MutableMapping[str, str]) -> None:
    """As root: close the folder that holds the file's to everybody else, and hand what the file holds on in a pipe.

    The file's own folder may be a Secret of Kubernetes, which all of a pod's users can read and nobody can change. What
    is wrong is told later, by `take`.
    """
    path = environ.get(FILE, "")
    if not path.startswith("/"):
        return
    with contextlib.suppress(OSError):
        os.chmod(os.path.dirname(os.path.dirname(path)), 0o700)
        with open(path, "rb") as file:
            text = file.read(_LONGEST)
        reading, writing = os.pipe()
        os.write(writing, text)
        os.close(writing)
        del environ[FILE]
        environ[DESCRIPTOR] = str(reading)


def take(environ: MutableMapping[str, str]) -> bytes | None:
    """Return the key of this session, which nobody can read where we have; None: there is none. Raises SleepKeyError.

    Each session has a key of its own, made of that which is given: another session's image cannot be put in its place.
    """
    if not is_given(environ):
        return None
    text = _from_descriptor(environ) if environ.get(DESCRIPTOR) else _from_file(environ[FILE])
    key = _parse(text)
    if not sealing.is_available():
        raise SleepKeyError("There is no libcrypto here (OpenSSL 1.1.1 or later), which encrypts memory images.")
    return sealing.derive(key, b"session", environ.get("STREAMSPACE_SESSION", "").encode())


def _from_descriptor(environ: Mapping[str, str]) -> bytes:
    for descriptor in descriptors(environ):
        try:
            with open(descriptor, "rb") as file:
                return file.read(_LONGEST)
        except OSError as error:
            raise SleepKeyError(f"{DESCRIPTOR}: {descriptor} cannot be read: {error.strerror}.") from error
    raise SleepKeyError(f"{DESCRIPTOR} must be the number of an inherited descriptor, 3 or more.")


def _from_file(path: str) -> bytes:
    if not path.startswith("/"):
        raise SleepKeyError(f"{FILE} must be an absolute path.")
    try:
        with open(path, "rb") as file:
            text = file.read(_LONGEST)
    except OSError as error:
        raise SleepKeyError(f"{FILE}: {path} cannot be read: {error.strerror}.") from error
    try:
        os.unlink(path)
    except OSError as error:
        raise SleepKeyError(
            f"{FILE}: {path} cannot be deleted ({error.strerror}), and the desktop's programs could read it there."
        ) from error
    return text


def _parse(text: bytes) -> bytes:
    if len(text) == sealing.KEY_SIZE:
        return text
    with contextlib.suppress(ValueError):
        if len(key := bytes.fromhex(text.decode("ascii"))) == sealing.KEY_SIZE:
            return key
    raise SleepKeyError("The key for memory images must be 32 bytes, or 64 hexadecimal digits.")
