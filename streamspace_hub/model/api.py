"""What the service's REST API says and accepts. Pure data, shared by the service, the SDK and the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from streamspace_hub.model.app import CODE_PATTERN, LINE_PATTERN, AppName, Category
from streamspace_hub.model.layers import By
from streamspace_hub.model.overrides import Override
from streamspace_hub.model.quota import Source as QuotaSource
from streamspace_hub.model.session import Session, SessionState
from streamspace_hub.model.sleep import SleepChoice, Step, WholeSeconds

MOST_COUNTED: Final = 10_000
"""Sessions of a list beyond which nobody counts: a page of a million is found at once, their number is not."""

# Names that the hub accepts for users are the authenticator's matter; a slash or a control character never are.
USER_PATTERN: Final = r"^[^/\x00-\x1f\x7f]+$"
# Relative, and no step begins with two dots or is empty (as `home_files` of a template)
OPEN_PATTERN: Final = r"^(\.?[^/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*/)*\.?[^/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*$"

UserName = Annotated[str, StringConstraints(pattern=USER_PATTERN, min_length=1, max_length=255)]
ServerName = Annotated[str, StringConstraints(pattern=USER_PATTERN, min_length=1, max_length=255)]
OpenPath = Annotated[str, StringConstraints(pattern=OPEN_PATTERN, min_length=1, max_length=4096)]


def _iso(value: Any) -> Any:
    """Let only ISO 8601 through: a number would be taken for seconds since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and ISO_BEGINNING.match(value)):
        return value
    raise ValueError("must be a time with its zone, e.g. `2026-01-31T12:00:00Z`")


ISO_BEGINNING: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]")
Moment = Annotated[AwareDatetime, BeforeValidator(_iso)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class App(_Data):
    """One app that can be launched."""

    name: AppName
    title: str
    description: str
    categories: list[Category]
    mime_types: list[str] = Field(description="Files that it opens.")
    icon: str = Field(description="The icon as a `data:` URL (SVG).")
    favorite: bool = Field(description="Whether the caller has marked it in their settings.")


class AppList(_Data):
    """Apps, favourites first, then in the launcher's order."""

    apps: list[App]
    total: int = Field(ge=0, description="Apps that match.")


class Storage(_Data):
    """What files take, and what they may."""

    used: int | None = Field(
        default=None, ge=0, description="Bytes, as measured last; null: not measured (yet), or not known, as in pods."
    )
    limit: int = Field(ge=0, description="Bytes.")


class UserSession(Session):
    """One session of one user."""

    user: str = Field(description="Name of the user whose session it is.")
    message: str | None = Field(default=None, description="Why it failed, when it has.")
    storage: Storage | None = Field(
        default=None,
        description="What the user's files take, those of all their sessions together; null where that has no limit.",
    )


class StartProgress(_Data):
    """One step of a session's start."""

    progress: int = Field(ge=0, le=100, description="Percent.")
    message: str = Field(description="A sentence for the user.")
    ready: bool = Field(default=False, description="It is up; nothing follows.")
    failed: bool = Field(default=False, description="It was not started; nothing follows.")


ShareRole = Literal["controller", "viewer"]


class SharedSession(UserSession):
    """A session that its user shares."""

    role: ShareRole = Field(description="What whom it is shared with is in it.")
    groups: list[str] = Field(description="The groups of theirs that it is shared with; empty: with them alone.")


class SharedSessionList(_Data):
    """One page of the sessions that are shared with somebody, ordered by user and name."""

    sessions: list[SharedSession]
    total: int = Field(ge=0, description="Sessions on all pages.")
    next: str | None = Field(default=None, description="Value of `after` for the next page; null on the last one.")


class SessionList(_Data):
    """One page of sessions, ordered by user and name."""

    sessions: list[UserSession]
    total: int = Field(
        ge=0, le=MOST_COUNTED, description=f"Sessions that match, on all pages; {MOST_COUNTED}: so many or more."
    )
    next: str | None = Field(default=None, description="Value of `after` for the next page; null on the last one.")


class CreateSession(_Data):
    """What is asked for when a session is to be started."""

    app: AppName = Field(description="Name of the app, one of `GET apps`.")
    name: AppName | None = Field(default=None, description="Name of the session; the app's name without it.")
    user: UserName | None = Field(default=None, description="Whose session; the caller's own without it.")
    open: OpenPath | None = Field(default=None, description="File to open, relative to the user's home.")
    queue: bool = Field(
        default=False,
        description="Where a quota has no room at present: wait for it in a queue (429, with the place; ask again) "
        "rather than be refused (409).",
    )


class ExtendSession(_Data):
    """For how long a session is to be kept awake."""

    seconds: WholeSeconds = Field(ge=0, le=2_592_000, description="From now on; 0 ends it.")


class Settings(_Data):
    """What a user has chosen for themselves."""

    favorites: list[AppName] = Field(
        default_factory=list, max_length=100, description="Apps to list first, in this order."
    )
    sleep: SleepChoice = Field(
        default_factory=SleepChoice, description="After how long their sessions sleep, as far as they may choose."
    )


class Maintenance(_Data):
    """A time in which no session starts."""

    begins: Moment = Field(description="ISO 8601 with its zone.")
    minutes: int = Field(ge=1, le=527_040, description="How long it lasts; at most a year.")

    @property
    def ends(self) -> datetime:
        """When it is over."""
        return self.begins + timedelta(minutes=self.minutes)


class Announcement(_Data):
    """What administrators tell all users, on the pages and in their sessions, and the maintenance that it is about."""

    text: str = Field(default="", max_length=1000, description="Plain text; empty: nothing is announced.")
    until: Moment | None = Field(
        default=None, description="Not shown from then on (ISO 8601 with its zone), unless maintenance lasts longer."
    )
    maintenance: Maintenance | None = Field(
        default=None, description="In this time no session starts, and who tries gets `text`; null: there is none."
    )

    def is_over(self, now: datetime) -> bool:
        """Return whether its time has passed."""
        maintained = None if self.maintenance is None else self.maintenance.ends
        ends = [end for end in (self.until, maintained) if end is not None]
        return bool(ends) and max(ends) <= now

    def refusal(self, title: str, now: datetime) -> str | None:
        """Return why an app of this title may not start now, in sentences for the user; None when it may."""
        when = self.maintenance
        if when is None or not when.begins <= now < when.ends:
            return None
        why = self.text.strip() or "this hub is being maintained."
        return f"{title} cannot start: {why} Try again after {when.ends.astimezone(UTC):%Y-%m-%d %H:%M UTC}."


class Identity(_Data):
    """Who the caller is, as the hub knows them, and what they may do here."""

    name: str
    kind: Literal["user", "service"]
    admin: bool = Field(description="Whether they hold `custom:streamspace:admin`.")


class UserGroups(_Data):
    """A user who has sessions."""

    name: UserName
    groups: list[str] = Field(description="Their groups on the hub.")


class UserList(_Data):
    """One page of users, by name."""

    users: list[UserGroups]
    next: str | None = Field(default=None, description="Value of `after` for the next page; null on the last one.")


class PolicyValue(_Data):
    """One value of a policy."""

    name: str
    value: str | int | float | bool | list[str]
    source: By = Field(description="Who has set it, the last one that did.")
    group: str | None = Field(default=None, description="The group, or groups, where it is a group's.")


class SleepValue(_Data):
    """One value of a ladder of sleep."""

    name: str
    value: str | int | list[str] = Field(description="Times are seconds; 0 is never.")
    source: By = Field(description="Who has set it, the last one that did.")
    group: str | None = Field(default=None, description="The group, or groups, where it is a group's.")
    longest: int | None = Field(description="How far the user may choose it; null: not theirs to choose.")


class ResolvedPolicy(_Data):
    """What a user's sessions of an app may do, after how long they sleep, and why."""

    app: AppName
    user: str | None = Field(default=None, description="Whose sessions; null: those of nobody in particular.")
    values: list[PolicyValue]
    sleep: list[SleepValue]


class OverrideEntry(_Data):
    """An override, and for whom it is set."""

    kind: Literal["everybody", "group", "user"]
    name: str = Field(description="The group or user; empty for everybody.")
    override: Override


class OverrideList(_Data):
    """One page of overrides, by kind and name."""

    overrides: list[OverrideEntry]
    next: str | None = Field(default=None, description="Value of `after` for the next page; null on the last one.")


class Share(_Data):
    """One user or group that a session is shared with."""

    kind: Literal["user", "group"]
    name: str
    role: ShareRole = Field(description="`viewer`: sees and hears it; `controller`: uses mouse and keyboard too.")


class SessionShares(_Data):
    """With whom a session is shared."""

    shares: list[Share] = Field(description="Ordered by kind and name.")


class ShareWith(_Data):
    """What a user or group is to be in a session."""

    role: ShareRole


class StepAhead(_Data):
    """One step of the ladder of sleep that is to come."""

    step: Step
    at: str = Field(description="When it comes at the earliest, if nobody uses the session; ISO 8601, UTC.")
    why: str = Field(description="The reason that is given then.")
    keepable: bool = Field(description="Whether using the session puts it off.")


class SessionAhead(_Data):
    """What is to come of one session; each step goes further than the one before it."""

    name: str = Field(description="Name of the session's server.")
    steps: list[StepAhead] = Field(description="The next one first; none: it stays as it is.")


class UserAhead(_Data):
    """What is to come of a user's sessions, by their ladders of sleep."""

    user: str
    sessions: list[SessionAhead]


class QuotaLimit(_Data):
    """One limit of a user, and how much of it is in use."""

    kind: Literal["sessions", "cpu", "memory", "gpus", "session_hours", "gpu_hours", "storage", "budget"]
    limit: float = Field(description="Sessions, cores, bytes (of memory, of files), GPUs, hours or money.")
    used: float = Field(description="In the same unit.")
    source: QuotaSource = Field(description="Whose quota has set it.")
    group: str | None = Field(default=None, description="The group, where it is a group's.")
    together: bool = Field(default=False, description="Whether it is what all members of the group have together.")
    days: int | None = Field(default=None, description="Of hours and budgets: in the last so many days.")
    free_at: str | None = Field(
        default=None, description="Of hours and budgets that are used up: when some is free (ISO 8601)."
    )
    currency: str | None = Field(default=None, description="Of budgets: ISO 4217; empty where the hub names none.")
    alert: Literal[80, 100] | None = Field(
        default=None, description="Of budgets: the threshold in percent that the use has reached."
    )


class LogLine(_Data):
    """One line of what a part of a session has logged."""

    part: Literal["session", "desktop", "streamer", "app"] = Field(
        description="`session`: what starts and ends it, and its web server; `app`: what the app prints."
    )
    text: str = Field(description="As it was written; it may hold control characters.")


class SessionLog(_Data):
    """What the parts of a session have logged, one part after the other."""

    lines: list[LogLine]
    next: str = Field(max_length=64, description="Value of `after` for what comes from then on.")


class UserQuota(_Data):
    """A user's limits; what is not listed is not limited, or (storage) not measured yet."""

    user: str
    limits: list[QuotaLimit]


class BudgetAlert(_Data):
    """The use of a budget has reached a threshold: what an event `budget` holds."""

    user: str | None = Field(description="Whose budget; null: that of all members of `group` together.")
    group: str | None = Field(description="Whose quota has set it, where it is a group's.")
    threshold: Literal[80, 100] = Field(description="Percent. From 100 on, no session starts or wakes.")
    amount: float = Field(description="The budget.")
    used: float = Field(description="Of it.")
    currency: str = Field(description="ISO 4217; empty where the hub names none.")
    days: int = Field(description="In the last so many days.")
    free_at: str | None = Field(description="Of one that is used up: when some is free, if nothing runs (ISO 8601).")


class UsageTotal(_Data):
    """What one user, app or group has used."""

    key: str = Field(description="The user, app or group; empty for all together.")
    sessions: int = Field(ge=0, description="Times that a session ran.")
    seconds: float = Field(description="How long they ran, together.")
    core_seconds: float = Field(description="Cores by the time, as the app's template promised or allowed them.")
    gib_seconds: float = Field(description="GiB of memory by the time, likewise.")
    gpu_seconds: float = Field(description="GPUs by the time.")
    cost: float = Field(description="By the hub's prices.")


class UsageReport(_Data):
    """What was used in a time."""

    since: str = Field(description="ISO 8601, UTC.")
    until: str = Field(description="ISO 8601, UTC.")
    by: Literal["user", "app", "group"]
    currency: str = Field(description="ISO 4217; empty where there are no prices.")
    totals: list[UsageTotal] = Field(description="The most first.")
    total: UsageTotal = Field(description="Of all together; who is in two groups counts once.")


FactorLabel = Annotated[str, StringConstraints(pattern=LINE_PATTERN, strip_whitespace=True, max_length=64)]


class SecondFactor(_Data):
    """What a user shows besides their password."""

    id: str
    kind: Literal["totp", "webauthn"] = Field(description="An authenticator app's codes, or a security key.")
    label: str = Field(description="What the user calls it.")
    created: str = Field(description="ISO 8601, UTC.")


class SecondFactors(_Data):
    """The second factors of a user."""

    user: str
    factors: list[SecondFactor]
    shown_at: str | None = Field(
        default=None, description="When the caller has shown one by this sign-in or token last; ISO 8601, UTC."
    )


class NewFactor(_Data):
    """A second factor that is wanted."""

    label: FactorLabel = Field(default="", description="What to call it.")


class NewTotp(_Data):
    """The secret of an authenticator app. It is shown once, and counts when a code of it has been shown."""

    secret: str = Field(description="Base32 (RFC 4648), to be typed in.")
    uri: str = Field(description="The same as `otpauth:` address.")
    qr: str = Field(description="The address as a QR code: a `data:` URL (SVG).")


class KeyOptions(_Data):
    """What a browser is told before a security key signs."""

    options: dict[str, Any] = Field(
        description="For `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`."
    )


class KeyAnswer(_Data):
    """What the security key has answered, and what to call a new one."""

    credential: dict[str, Any] = Field(description="The browser's `credential.toJSON()` (WebAuthn).")
    label: FactorLabel = Field(default="", description="What to call it.")


class ShowCode(_Data):
    """A code of an authenticator app (RFC 6238)."""

    code: str = Field(pattern=CODE_PATTERN, description="Six digits.")


class Outcome(StrEnum):
    """How an audited attempt went."""

    ALLOWED = "allowed"
    """It was permitted; written before it was carried out."""
    DENIED = "denied"
    """It was refused for want of rights."""
    FAILED = "failed"
    """It was permitted, and the hub or something else then refused it."""


class AuditEvent(_Data):
    """One line of the audit log. `hash` covers every other field, and so the line before by `previous`."""

    seq: int = Field(ge=1, description="Counts up without gaps.")
    time: str = Field(description="ISO 8601, UTC.")
    actor: str | None = Field(description="Who: `user:NAME` or `service:NAME`; null for an unknown token.")
    action: str = Field(description="What, e.g. `session.create`.")
    target: str | None = Field(description="Which session (`USER/NAME`) or user.")
    origin: str = Field(description="From which address.")
    outcome: Outcome
    reason: str | None = Field(description="Why it was denied, or has failed.")
    request_id: str
    details: dict[str, Any] = Field(description="What was asked for.")
    previous: str = Field(description="`hash` of the line before; zeros for the first.")
    hash: str = Field(description="SHA-256, hex.")


class AuditList(_Data):
    """One page of the audit log, the newest first."""

    events: list[AuditEvent]
    next: int | None = Field(default=None, description="Value of `before` for the next page; null on the last one.")


class AuditVerdict(_Data):
    """Whether the audit log is whole."""

    intact: bool
    checked: int = Field(ge=0, description="Lines that were checked.")
    problem: str | None = Field(default=None, description="What is wrong, and at which line.")


class Health(_Data):
    """Whether the service can do its work."""

    status: Literal["ok", "unavailable"]
    version: str
    database: bool
    hub: bool


class FieldProblem(_Data):
    """One field at fault."""

    field: str
    message: str


class QueuePlace(_Data):
    """Where somebody stands who waits for room on the hub."""

    position: int = Field(ge=1, description="1: the next one.")
    wait: float | None = Field(default=None, description="Seconds, as it went lately; left out where nothing is known.")


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = Field(description="`urn:streamspace:problem:` and a name; documented in the REST reference.")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="A sentence for the user.")
    request_id: str | None = Field(default=None, description="Names the request in the service's log.")
    errors: list[FieldProblem] = Field(default_factory=list, description="Fields at fault.")
    queue: QueuePlace | None = Field(
        default=None, description="Of `queued`: the caller's place, kept for those who ask again at `Retry-After`."
    )


__all__ = [
    "Announcement",
    "App",
    "AppList",
    "AuditEvent",
    "AuditList",
    "AuditVerdict",
    "BudgetAlert",
    "CreateSession",
    "ExtendSession",
    "FieldProblem",
    "Health",
    "Identity",
    "LogLine",
    "Maintenance",
    "OpenPath",
    "Outcome",
    "OverrideEntry",
    "OverrideList",
    "PolicyValue",
    "Problem",
    "QueuePlace",
    "QuotaLimit",
    "ResolvedPolicy",
    "ServerName",
    "SessionAhead",
    "SessionList",
    "SessionLog",
    "SessionShares",
    "SessionState",
    "Settings",
    "Share",
    "ShareWith",
    "SharedSession",
    "SharedSessionList",
    "SleepValue",
    "StartProgress",
    "StepAhead",
    "Storage",
    "UsageReport",
    "UsageTotal",
    "UserAhead",
    "UserName",
    "UserQuota",
    "UserSession",
]
