"""From user options to what a session is: which app, under which policy. Pure functions of plain data.

Knows no hub, no process and no file: what is refused here is refused with a `SessionRefused` that holds the sentence
for the user, and the spawner turns that into the hub's own exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError

from streamspace_hub.catalog import Catalog, UnknownApp
from streamspace_hub.model import AppTemplate, Policy, PolicyDefaults, SessionOptions
from streamspace_hub.model.explain import explain, shown

VIEWER_PATH = "/streamspace/"
"""The viewer page, relative to a session's base URL."""


class SessionRefused(Exception):  # noqa: N818 - a decision, not a fault
    """The session may not start. The text is one or two sentences for the user."""

    def __init__(
        self, message: str, *, reason: str, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        """Label for the hub's metrics."""
        self.status = status
        """HTTP status for the request that asked for the start."""
        self.headers = headers or {}
        """What is told to programs besides."""


@dataclass(frozen=True)
class SessionPlan:
    """What a session will be: template and policy resolved for one user."""

    template: AppTemplate
    policy: Policy
    open: str | None = None
    """File to open, relative to the user's home."""
    queue: bool = False
    """Whether the user would rather wait for a quota than be refused."""

    def environment(self, *, marker: str, home: str) -> dict[str, str]:
        """Return the variables of docs/reference/environment.md that say what the session is.

        Args:
            marker: the session's `STREAMSPACE_SESSION`.
            home: the user's home folder where the session runs, absolute.
        """
        variables = {
            "STREAMSPACE_TEMPLATE": self.template.model_dump_json(),
            "STREAMSPACE_POLICY": self.policy.model_dump_json(),
            "STREAMSPACE_SESSION": marker,
        }
        if self.open is not None:
            variables["STREAMSPACE_OPEN"] = str(PurePosixPath(home, self.open))
        return variables


def asks_for_session(options: Mapping[str, Any]) -> bool:
    """Return whether `options` are meant for a session, rightly or wrongly formed.

    Options without any of our names belong to the admin's own spawn form or profiles, and pass untouched.
    """
    return "app" in options or (bool(options) and set(options) <= set(SessionOptions.model_fields))


def plan_session(
    options: Mapping[str, Any],
    server_name: str,
    catalog: Catalog,
    policy_of: Callable[[PolicyDefaults], Policy],
    *,
    memory_sleep: bool = False,
) -> SessionPlan | None:
    """Return what to start for `options`, or None for an ordinary server.

    `policy_of` resolves the policy that a template sets for whoever starts the session. Where sessions sleep with their
    memory (`memory_sleep`), and nowhere else, a browser does without its sandbox if its policy says so.

    Without any options a server with an app's name is that app: `gimp` typed into the hub's "Add New Server" is GIMP.

    Raises:
        SessionRefused: the options are malformed, or the app is unknown.
    """
    if not options and server_name in catalog.apps:
        options = {"app": server_name}
    if not asks_for_session(options):
        return None
    wanted = _parse(options)
    try:
        template = catalog.get(wanted.app).template
    except UnknownApp as error:
        raise SessionRefused(str(error), reason="unknown_app") from None
    policy = policy_of(template.policy)
    return SessionPlan(
        template=template.unsandboxed if memory_sleep and not policy.browser_sandbox else template,
        policy=policy,
        open=_path_below_home(wanted.open),
        queue=wanted.queue,
    )


def _parse(options: Mapping[str, Any]) -> SessionOptions:
    try:
        return SessionOptions.model_validate({key: _single(value) for key, value in options.items()})
    except ValidationError as error:
        complaint = explain(error, SessionOptions)[0]
        # A field's name is the sender's own text here, and may be anything.
        sentence = f"User option {shown(complaint.field)}: {complaint.message}"
        raise SessionRefused(sentence, reason="bad_options") from None


def _single(value: object) -> object:
    """Return the value of a form field or query argument, which the hub hands over as a list of one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _path_below_home(path: str | None) -> str | None:
    if path is None:
        return None
    pure = PurePosixPath(path)
    if not path or not path.isprintable() or pure.is_absolute() or ".." in pure.parts:
        raise SessionRefused(
            "User option `open`: must be a path below your home folder, e.g. `pictures/cat.png`.", reason="bad_options"
        )
    return str(pure)
