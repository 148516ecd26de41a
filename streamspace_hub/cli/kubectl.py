"""Asking a Kubernetes by `kubectl`, which knows every way of signing in to one. Reads, and changes nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LIMIT = 60.0
"""Seconds for one question; kubectl's own limit is a third of that."""

Object = Mapping[str, Any]
"""An object as the API server tells it."""


class KubectlError(Exception):
    """There is no answer; the text is kubectl's last line, or says that there is no kubectl."""


class NotAllowedError(KubectlError):
    """Whoever asks may not see it."""


class NoSuchError(KubectlError):
    """There is no such object."""


@dataclass(frozen=True)
class Kubectl:
    """One namespace of a cluster."""

    namespace: str = ""
    """Empty: that of the context."""
    context: str = ""
    """Of the kubeconfig; empty: its current one."""

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl; return what it says on standard output.

        Raises:
            KubectlError: it fails, or is not here.
        """
        program = shutil.which("kubectl")
        if program is None:
            raise KubectlError("kubectl is not on this machine")
        place = [*(["--namespace", self.namespace] if self.namespace else []),
                 *(["--context", self.context] if self.context else [])]  # fmt: skip
        command = [program, "--request-timeout=20s", *place, *arguments]
        try:
            done = subprocess.run(
                command, input=stdin, capture_output=True, text=True, errors="replace", check=False, timeout=LIMIT
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise KubectlError(f"kubectl gives no answer: {error}") from error
        if done.returncode != 0:
            raise _error(done.stderr)
        return done.stdout

    def get(self, *what: str) -> Object:
        """Return what `kubectl get WHAT` finds: an object, or a list with `items`."""
        return _parsed(self("get", *what, "--output=json"))

    def find(self, *what: str) -> list[Object]:
        """Return the objects that `kubectl get WHAT` finds."""
        return list(self.get(*what)["items"])

    def review(self, objects: list[Object]) -> list[Object]:
        """Have the API server answer questions that are asked as objects, in their order; nothing is kept of them."""
        asked = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        return list(_documents(self("create", "--output=json", "--filename=-", stdin=asked)))

    def try_to_create(self, wanted: Object) -> None:
        """Have the API server say whether it would take an object, and keep nothing.

        Raises:
            KubectlError: it would not; the text is its own.
        """
        self("create", "--dry-run=server", "--filename=-", stdin=json.dumps(wanted))


def _documents(text: str) -> Iterator[Object]:
    """Yield the objects that kubectl has printed one after the other."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text.rstrip()):
        at += len(text[at:]) - len(text[at:].lstrip())
        try:
            found, at = decoder.raw_decode(text, at)
        except ValueError as error:
            raise KubectlError(f"kubectl says what is no JSON: {error}") from error
        yield found


def _parsed(text: str) -> Object:
    (found,) = _documents(text)
    return found


def _error(said: str) -> KubectlError:
    line = (said.strip().splitlines() or ["kubectl does not say why"])[-1]
    if "(NotFound)" in line:
        return NoSuchError(line)
    return NotAllowedError(line) if "(Forbidden)" in line and " cannot " in line else KubectlError(line)
