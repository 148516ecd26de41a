"""What can go wrong for a script. Every text is a sentence for its user."""

from __future__ import annotations

from streamspace_hub.model.api import Problem, UserSession


class ClientError(Exception):
    """Any of the errors below."""


class NotConfiguredError(ClientError):
    """It is not known where the hub is, or there is no token."""


class UnreachableError(ClientError):
    """The service did not answer, or something in front of it answered in its place."""


class RefusedError(ClientError):
    """The service refused; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        fields = "; ".join(f"{one.field}: {one.message}" for one in problem.errors)
        super().__init__(fields or problem.detail)
        self.problem = problem

    @property
    def kind(self) -> str:
        """The problem's name, e.g. `not-found`; docs/reference/service.md lists them."""
        return self.problem.type.rpartition(":")[2]


class SessionFailedError(ClientError):
    """A session that was waited for did not start."""

    def __init__(self, session: UserSession) -> None:
        super().__init__(session.message or f"{session.title} is {session.state}.")
        self.session = session
