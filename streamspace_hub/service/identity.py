"""Who a caller is and what they may do: a function of the scopes that the hub has given them. Pure.

Everything is denied that no scope grants. `custom:streamspace:admin` lists and stops everybody's sessions; it does not
open the door to a session's screen, which is the session's own to guard (docs/explanation/roles.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Right = Literal["view", "control"]

ADMIN_SCOPE = "custom:streamspace:admin"
PREFIX = "custom:streamspace:"


@dataclass(frozen=True)
class Caller:
    """The owner of a token."""

    name: str
    kind: Literal["user", "service"]
    scopes: frozenset[str]
    token: str = field(repr=False)
    """For requests to the hub in their name; never written anywhere."""
    credential: str | None = field(default=None, repr=False)
    """The sign-in or token by which they come: what a second factor that they show counts for."""

    @property
    def actor(self) -> str:
        """The caller as the audit log names them."""
        return f"{self.kind}:{self.name}"

    @property
    def is_admin(self) -> bool:
        """Whether they administer all sessions."""
        return ADMIN_SCOPE in self.scopes

    def holds(self, right: Right, user: str, server: str) -> bool:
        """Return whether a scope grants `right` on one session. `control` includes `view`: the hub expands it."""
        scope = PREFIX + right
        return not self.scopes.isdisjoint({scope, f"{scope}!user={user}", f"{scope}!server={user}/{server}"})

    def holds_for_user(self, right: Right, user: str) -> bool:
        """Return whether a scope grants `right` on everything of a user."""
        scope = PREFIX + right
        return not self.scopes.isdisjoint({scope, f"{scope}!user={user}"})

    def may_enter(self, service: str) -> bool:
        """Return whether the hub lets them use this service at all."""
        return not self.scopes.isdisjoint({"access:services", f"access:services!service={service}"})

    def may_see(self, user: str, server: str) -> bool:
        """Return whether they may know that the session exists, and its state."""
        return self.is_admin or self.holds("view", user, server)

    def may_look(self, user: str, server: str) -> bool:
        """Return whether they may see its screen: as in the session itself, administering sessions is not enough."""
        access = {"access:servers", f"access:servers!user={user}", f"access:servers!server={user}/{server}"}
        return self.holds("view", user, server) and not self.scopes.isdisjoint(access)

    def may_read_log(self, user: str, server: str) -> bool:
        """Return whether they may read what it logs: they control it, and the hub lets them reach it."""
        return self.holds("control", user, server) and self.may_look(user, server)

    def may_manage(self, user: str, server: str) -> bool:
        """Return whether they may start and stop it, as far as we are concerned; the hub is asked as well."""
        return self.is_admin or self.holds("control", user, server)

    def may_stop(self, user: str, server: str) -> bool:
        """Return whether the hub would let them stop it."""
        filters = ("", f"!user={user}", f"!server={user}/{server}")
        return not self.scopes.isdisjoint({f"delete:servers{one}" for one in filters})

    def may_share(self, user: str, server: str) -> bool:
        """Return whether the hub would let them share it: JupyterHub does where an administrator has said so."""
        filters = ("", f"!user={user}", f"!server={user}/{server}")
        return not self.scopes.isdisjoint({f"shares{one}" for one in filters})

    def may_read_shared(self, user: str) -> bool:
        """Return whether they may know what others share with a user: the hub tells them, and it is sessions' state."""
        filters = ("", f"!user={user}")
        return self.holds_for_user("view", user) and not self.scopes.isdisjoint(
            {f"read:users:shares{one}" for one in filters}
        )

    def may_look_at_shared(self) -> bool:
        """Return whether this token may see the screens that others share with its owner: as those of all their own."""
        access = {"access:servers", f"access:servers!user={self.name}"}
        return self.may_read_shared(self.name) and not self.scopes.isdisjoint(access)

    def is_user(self, name: str) -> bool:
        """Return whether this is the user `name`."""
        return self.kind == "user" and self.name == name

    @property
    def visible(self) -> Visible:
        """Whose sessions they may see, for a query."""
        if self.is_admin or "custom:streamspace:view" in self.scopes:
            return Visible(everything=True)
        users, servers = set(), set()
        for scope in self.scopes:
            name, _, filtered = scope.partition("!")
            if name != "custom:streamspace:view":
                continue
            kind, _, value = filtered.partition("=")
            if kind == "user":
                users.add(value)
            elif kind == "server" and "/" in value:
                user, _, server = value.partition("/")
                servers.add((user, server))
        return Visible(users=frozenset(users), servers=frozenset(servers))


@dataclass(frozen=True)
class Visible:
    """A set of sessions: all, or those of `users` and `servers`."""

    everything: bool = False
    users: frozenset[str] = frozenset()
    servers: frozenset[tuple[str, str]] = frozenset()

    def holds(self, user: str, server: str) -> bool:
        """Return whether a session is in it."""
        return self.everything or user in self.users or (user, server) in self.servers

    def holds_user(self, user: str) -> bool:
        """Return whether all sessions of a user are in it."""
        return self.everything or user in self.users
