"""`StreamSpaceMixin`: what makes a server of the hub a session. Knows no way of starting processes or pods.

A spawner that uses it calls `prepare_session` first thing in its `start`, and starts an ordinary server or a session
according to the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jupyterhub import orm
from jupyterhub.scopes import scope_definitions
from jupyterhub.utils import maybe_future
from traitlets import Any as AnyTrait
from traitlets import default, validate
from traitlets.config import LoggingConfigurable

from streamspace_hub.model import Policy, PolicyDefaults, resolve_policy
from streamspace_hub.model.asleep import FALLS, KEY, LIVE, WOKEN, Asleep, image_folder, not_later, outlives
from streamspace_hub.model.layers import Who
from streamspace_hub.model.overrides import NOTHING, Overrides
from streamspace_hub.model.policy import policy_layers
from streamspace_hub.model.session import REFUSAL
from streamspace_hub.model.turned_away import TURNED_AWAY, turned_away_in
from streamspace_hub.telemetry import tracing
from streamspace_spawner import admission, names
from streamspace_spawner.catalog_cache import current_catalog
from streamspace_spawner.compat import refusal, server_model, unwrap_options, who_asks
from streamspace_spawner.config import StreamSpace
from streamspace_spawner.session import VIEWER_PATH, SessionPlan, SessionRefused, asks_for_session, plan_session
from streamspace_spawner.telemetry import REQUEST_ID, SessionLog, header, hub_traces, telemetry_environment
from streamspace_spawner.waking import how_it_woke
from streamspace_spawner.watched import Watched

if TYPE_CHECKING:
    from jupyterhub.spawner import Spawner as _Spawner
else:
    # Not on Spawner itself: that insists on start, stop and poll, which are the other base class's.
    _Spawner = LoggingConfigurable

VIEWER_SCOPES = ("custom:streamspace:view", "custom:streamspace:control")
"""What a viewer may do in a session; defined in the hub by `streamspace_hub.install`."""
LEAST = VIEWER_SCOPES[0]
"""What everybody holds who has a part in a session, and so what a browser's token asks for: the hub (5.3 to 6.1) makes
none that asks for more than its user holds. Who controls the session by a share it finds out itself."""

SERVER_TOKEN_SCOPES = ("access:servers!user", "servers!user", "users:activity!user")
"""What JupyterLab's server needs to show its user's sessions: start, stop, list and reach them."""

SERVICE_SCOPES = (
    "access:services!service=streamspace",
    "custom:streamspace:control!user",
    "custom:streamspace:view!user",
)
"""What it needs besides where the service runs: the `streamspace` command in a terminal of JupyterLab."""

OWN_SCOPES = ("delete:servers!server", "read:shares!server")
"""What a session's server may do besides the hub's `server` role: be stopped by its owner from the viewer page, and see
with whom it is shared."""

BEGUN = time.monotonic()
"""When this hub began, as nearly as is known here."""
WRITTEN = 10.0
"""Seconds after which it is written down who was seen to live."""
FIRST_WORD = 10.0
"""Seconds after the hub's own start for which starts wait until the service has said what is overridden."""


class StreamSpaceMixin(_Spawner):
    """Session logic for any spawner: options, policy, environment, scopes, progress."""

    plan: SessionPlan | None = None
    """What this server is, once `prepare_session` has run: a session, or None for an ordinary server."""

    asleep: Asleep | None = None
    """What sleeps with its memory under this server's name, from the end of a session until one that was woken from it
    has shown that it lives."""

    keeps_browsers = False
    """Whether the memory of a browser without its sandbox can be kept where this spawner's sessions run."""

    turned_away = False
    """Whether no start of this server was ever let in: its first one is looked at, or was refused."""

    _span = tracing.Span()
    """Of the start that is going on."""

    session_state = AnyTrait()
    """What the hub's database keeps of a session while it exists; empty for an ordinary server."""

    @default("session_state")
    def _no_session_state(self) -> dict[str, Any]:
        return {}

    @classmethod
    def section_names(cls) -> list[str]:
        """Return the names under which the configuration file may set this class: `StreamSpaceSpawner` always too."""
        names: list[str] = super().section_names()
        own = "StreamSpaceMixin"
        at = names.index(own) + 1 if own in names else len(names)
        return names if "StreamSpaceSpawner" in names else [*names[:at], "StreamSpaceSpawner", *names[at:]]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.streamspace = StreamSpace(config=self.config)
        self._steps: list[dict[str, Any]] = []
        self._changed = asyncio.Event()
        self._prepared = asyncio.Event()
        self._admitted = False
        """Whether this start was let in already; `start` prepares once more."""

    # --- what a spawner must say -----------------------------------------------------------------------------------

    def session_home(self) -> str:
        """Return the user's home folder where the session runs, absolute."""
        raise NotImplementedError

    # --- options ---------------------------------------------------------------------------------------------------

    async def get_options_form(self) -> Any:
        """Return the hub's form; none for a session that sleeps, since it is clear what is to be started."""
        return "" if self.asleep is not None else await super().get_options_form()

    @default("apply_user_options")
    def _refuse_bad_options(self) -> Any:
        async def apply(spawner: StreamSpaceMixin, options: Mapping[str, Any]) -> None:
            spawner._admitted = False
            await spawner.prepare_session()
            spawner._admitted = True

        return apply

    async def prepare_session(self) -> SessionPlan | None:
        """Return what to start for this server's user options, or None for an ordinary server, and adapt to it.

        Called by the hub through `apply_user_options`, and by `start` again: the admin may have put another hook there.

        Raises:
            tornado.web.HTTPError: the options are refused; the message is for the user.
        """
        admitted, self._admitted = self._admitted, False
        catalog = await current_catalog(self.streamspace.catalog_dirs, self.log.warning)
        options = unwrap_options(self.user_options)
        if not options and self.asleep is not None:
            options = {"app": self.asleep.app}
        if asks_for_session(options) or self.name in catalog.apps:
            await self._hear_of_overrides()
        try:
            bare = self.streamspace.memory_sleep and self.keeps_browsers
            plan = plan_session(options, self.name, catalog, self._policy_of, memory_sleep=bare)
            if plan is not None:
                self._refuse_another_app(plan)
                if not admitted:
                    await admission.check_storage(self, plan)
                admission.check(self, plan, catalog, admitted=admitted)
            # Not before: sessions of the user that are admitted at the same time count it from here on.
            self.plan = plan
        except SessionRefused as refused:
            noted = self._note_refusal(refused.message) if refused.reason != "queue" else {}
            names.forget_later(self)
            raise refusal(
                refused.message, reason=refused.reason, status=refused.status, headers={**refused.headers, **noted}
            ) from None
        self._prepared.set()
        self.turned_away = False
        if self.plan is not None:
            self._become_session(self.plan)
            self._note_begin(self.plan.template.name)
        self._tell("accepted", model={**server_model(self), "asleep": self.asleep and self.asleep.model_dump()})
        return self.plan

    @property
    def who(self) -> Who:
        """Whose settings and limits hold."""
        return Who(self.user.name, [group.name for group in self.user.groups])

    @property
    def overrides(self) -> Overrides:
        """What administrators override, as the service has told last."""
        told: Overrides = self.board.get("overrides", NOTHING)
        return told

    async def _hear_of_overrides(self) -> None:
        """Wait, while the hub is young, for the service's first word of them; without it, none is known."""
        board = self.user.settings.get("streamspace")
        while board is not None and "overrides" not in board and time.monotonic() < BEGUN + FIRST_WORD:  # noqa: ASYNC110 - a plain dictionary, which handlers fill
            await asyncio.sleep(0.1)

    def _policy_of(self, app: PolicyDefaults) -> Policy:
        """Return the policy of this user's sessions of an app that sets `app`."""
        settings = self.streamspace
        layers = policy_layers(settings.policy_defaults, app, settings.group_policies, self.who)
        return resolve_policy(*layers, self.overrides.policy(self.who)).policy

    def _refuse_another_app(self, plan: SessionPlan) -> None:
        """Refuse to start another app in the place of one that sleeps: what it has not saved would be lost."""
        if self.asleep is not None and self.asleep.app != plan.template.name:
            raise SessionRefused(
                f"{self.asleep.app} is asleep under this name, with what was not saved. Wake or delete it first, or "
                f"choose another name for {plan.template.title}.",
                reason="asleep",
                status=409,
            )

    def _become_session(self, plan: SessionPlan) -> None:
        needs = plan.template.resources
        for trait in ("cpu_guarantee", "cpu_limit", "mem_guarantee", "mem_limit"):
            value = getattr(needs, trait)
            if value is not None:
                setattr(self, trait, value)
        self.default_url = VIEWER_PATH
        self._limit_token()

    # --- changes ---------------------------------------------------------------------------------------------------

    _spawn_pending, _stop_pending, _check_pending = Watched(), Watched(), Watched()

    def on_pending(self) -> None:
        """Tell that the hub sees this server in another state."""
        if self._spawn_pending and self.orm_spawner.state is None:  # the hub writes a state at every end of a start
            self.turned_away = True
        self._tell("state")

    @property
    def board(self) -> dict[str, Any]:
        """What the hub's handlers of ours share with spawners; empty where there is no service."""
        shared: dict[str, Any] = self.user.settings.get("streamspace", {}) if self.user else {}
        return shared

    def _tell(self, what: str, **more: Any) -> None:
        # There, and heard by the service, if `install` was called with it.
        changes = self.board.get("changes")
        if changes is not None:
            changes.tell(self.user.name, self.name, what, **more)

    def _note_refusal(self, reason: str) -> dict[str, str]:
        """Have the service write into its audit log that this start is refused; return headers that call it by a key.

        By that the service knows what it has asked for itself.
        """
        refusals = self.board.get("refusals")
        if refusals is None:
            return {}
        key = refusals.add(
            self.user.db,
            at=time.time(),
            user=self.user.name,
            server=self.name,
            by=who_asks(self),
            reason=reason,
            request=self._request_id,
        )
        self._tell("refused")
        return {REFUSAL: key}

    # --- the journal of runs ---------------------------------------------------------------------------------------

    # There, and read by the service, if `install` was called with it.

    def _note_begin(self, app: str) -> None:
        """Write down that this session is about to run, before anything of it does."""
        if (journal := self.board.get("runs")) is not None:
            journal.begin(self.user.db, self._key, app, self._started)

    def note_alive(self) -> None:
        """Note that this session lives, as a poll has shown."""
        journal, app = self.board.get("runs"), self.session_state.get("app")
        if journal is None or not app or not self.ready:
            return
        if journal.alive(self._key, app, self._started, time.time()):
            asyncio.get_running_loop().call_later(WRITTEN, journal.write_alive, self.user.db)

    def note_end(self) -> None:
        """Write down that this session has ended, now, unless that is written down."""
        if (journal := self.board.get("runs")) is not None:
            journal.end(self.user.db, self._key, time.time())

    def note_found_dead(self, sign: float | None) -> None:
        """Write down that this session was found to have ended: at `sign`, seconds since 1970, if something tells."""
        if (journal := self.board.get("runs")) is not None:
            journal.found_dead(self.user.db, self._key, sign, time.time())

    @property
    def _key(self) -> tuple[str, str]:
        return self.user.name, self.name

    @property
    def _started(self) -> float:
        """When the hub began to start this server, in seconds since 1970."""
        return float(self.orm_spawner.started.replace(tzinfo=UTC).timestamp())

    def run_post_stop_hook(self) -> Any:
        """Note the end before an administrator's hook takes its time."""
        self.note_end()
        return super().run_post_stop_hook()

    # --- files -----------------------------------------------------------------------------------------------------

    async def known_storage(self, *, patience: float = 0.0, again: bool = False) -> int | None:
        """Return how many bytes the user's files take; None where that is not known.

        Args:
            patience: seconds to wait for it to be measured, where it was not yet; 0: it is only begun.
            again: measure all the same.
        """
        return None

    async def storage(self) -> tuple[int | None, int] | None:
        """Return how many bytes the user's files take, as far as is known, and may take; None: that is not limited."""
        limit = admission.storage_limit(self)
        return None if limit is None else (await self.known_storage(), int(limit.amount))

    # --- identity --------------------------------------------------------------------------------------------------

    @property
    def server_marker(self) -> str:
        """What the markers of all sessions of this server begin with. Not to be guessed, and other on every hub."""
        secret: bytes = self.user.settings.get("cookie_secret") or b""
        return hmac.new(secret, f"{self.user.name}/{self.name}".encode(), hashlib.sha256).hexdigest()[:16]

    def new_marker(self) -> str:
        """Return a marker for one start, so that the end of one session never touches its successor."""
        return f"{self.server_marker}.{secrets.token_hex(4)}"

    # --- environment -----------------------------------------------------------------------------------------------

    def get_env(self) -> dict[str, str]:
        """Return the server's environment: docs/reference/environment.md."""
        variables: dict[str, str] = telemetry_environment(self.streamspace.traces_endpoint) | super().get_env()
        if self.plan is not None:
            marker = self.session_state["marker"]
            home = self.session_home()
            variables["STREAMSPACE_NAME"] = f"{self.user.name}/{self.name}"
            if self.streamspace.json_logs:
                variables["STREAMSPACE_LOG_FORMAT"] = "json"
            if self._span.traceparent:
                variables[tracing.CARRIER] = self._span.traceparent
            if self.streamspace.trusted_proxies:
                variables["STREAMSPACE_TRUSTED_PROXIES"] = ",".join(self.streamspace.trusted_proxies)
            return variables | self.plan.environment(marker=marker, home=home) | self._sleep_environment(home)
        variables.setdefault("STREAMSPACE_LAUNCH", "hub")
        if self.streamspace.catalog_dirs:
            variables.setdefault("STREAMSPACE_CATALOG_DIRS", ":".join(self.streamspace.catalog_dirs))
        return variables

    # --- traces and the log ----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def traced(self, plan: SessionPlan) -> Iterator[None]:
        """Have a span around the start of a session, below the one of whoever asks the hub for it."""
        parent = tracing.valid(header(self.handler, "traceparent"))
        with hub_traces(self.streamspace.traces_endpoint).span("spawn", parent) as span:
            span.note(streamspace__app=plan.template.name)
            self._span = span
            try:
                yield
            finally:
                self._span = tracing.Span()

    @default("log")
    def _log_of_the_session(self) -> Any:
        found = super()._log_default()
        return SessionLog(found, self) if isinstance(found, logging.Logger) else found

    def log_fields(self) -> dict[str, str]:
        """Return what is said of each line of this server's log: the session, and the request that asks for it."""
        if self.user is None or (self.plan is None and not self.session_state):
            return {}
        fields = {"session": f"{self.user.name}/{self.name}"}
        return {**fields, "request_id": self._request_id} if self._request_id else fields

    @property
    def _request_id(self) -> str:
        """The number of the request that asks for this start; empty without."""
        found = header(self.handler, "X-Request-Id")
        return found if REQUEST_ID.fullmatch(found) else ""

    # --- sleep -----------------------------------------------------------------------------------------------------

    def _sleep_environment(self, home: str) -> dict[str, str]:
        folder = image_folder(home, self.name)
        variables = {"STREAMSPACE_SLEEP_FOLDER": folder}
        if self.streamspace.memory_sleep:
            variables["STREAMSPACE_MEMORY_SLEEP"] = "on"
        if WOKEN in self.session_state:
            variables["STREAMSPACE_RESTORE"] = folder
        return variables

    @property
    def sleep_key(self) -> bytes:
        """What the memory images of this user are encrypted with: 32 bytes that nobody but the hub can make."""
        secret: bytes = self.user.settings["cookie_secret"]
        return hmac.new(secret, f"memory images/{self.user.name}".encode(), hashlib.sha256).digest()

    def begin_state(self, plan: SessionPlan) -> dict[str, Any]:
        """Return the state of a session that is being started: with the marker of the one that it is woken from."""
        state: dict[str, Any] = {"app": plan.template.name}
        if self.asleep is None:
            return {**state, "marker": self.new_marker()}
        return {**state, "marker": self.asleep.marker, WOKEN: time.time()}

    def tell_beginning(self, percent: int, title: str) -> None:
        """Tell the user what is being done: waking takes as long as its memory is large."""
        if self.asleep is None:
            self.tell(percent, f"Preparing {title}.")
        else:
            self.tell(percent, f"Waking {title}, {-(-self.asleep.bytes // 1_000_000)} MB.")

    async def tell_how_it_woke(self, url: str, title: str) -> None:
        """Wait until a woken session, whose server listens at `url`, says whether it is as it was; tell the user."""
        if WOKEN not in self.session_state:
            return
        status = f"{url}{self.server.base_url}streamspace/api/v1/status"
        # The hub gives the whole start up at its time-out, and a session that says nothing may be well.
        said = await how_it_woke(status, self.api_token, self.start_timeout / 2)
        self.tell(75, said or f"It is not known whether {title} is as it was.")

    def fall_asleep(self, *, since: str, size: int) -> None:
        """Remember that the session's memory has been kept, `size` bytes on disk: it is about to be stopped."""
        self.session_state = {**self.session_state, FALLS: True}
        self.asleep = Asleep(
            app=self.session_state["app"],
            since=not_later(since, datetime.now(UTC)),
            bytes=size,
            marker=self.session_state["marker"],
        )

    async def forget_sleep(self) -> None:
        """Give up what sleeps, with its memory."""
        await self.remove_image()
        self.asleep = None

    async def remove_image(self) -> None:
        """Remove this server's memory image, where that can be reached from the hub."""

    async def delete_forever(self) -> None:
        """Remove what is left when the server is taken off the list."""
        if self.asleep is not None or self.session_state:
            await self.forget_sleep()
        await maybe_future(super().delete_forever())

    # --- scopes ----------------------------------------------------------------------------------------------------

    @default("server_token_scopes")
    def _lab_server_scopes(self) -> list[str]:
        return _lab_scopes()

    def _limit_token(self) -> None:
        """Take from a session's token what only JupyterLab's server needs.

        The hub makes the token before it looks at the user options, when nobody knows yet that this is a session.
        The token has not left the hub yet.
        """
        if list(self.server_token_scopes) != _lab_scopes():
            return  # the admin's own choice
        database = self.user.db
        token = orm.APIToken.find(database, self.api_token)
        whose = f"={self.user.name}/{self.name}"
        if token is not None and any(scope + whose not in token.scopes for scope in OWN_SCOPES):
            usual = orm.Role.find(database, "server").scopes
            wanted = [*usual, *OWN_SCOPES]
            token.update_scopes([scope + whose if scope.endswith("!server") else scope for scope in wanted])
            database.commit()

    @default("oauth_client_allowed_scopes")
    def _viewer_scopes(self) -> list[str]:
        return [f"{LEAST}!server"] if _installed() else []

    @validate("oauth_client_allowed_scopes")
    def _with_viewer_scopes(self, proposal: Mapping[str, Any]) -> Any:
        configured = proposal["value"]
        if isinstance(configured, list):
            return [*configured, *(scope for scope in self._viewer_scopes() if scope not in configured)]
        return configured

    # --- progress --------------------------------------------------------------------------------------------------

    def tell(self, percent: int, message: str) -> None:
        """Show the user a plain sentence about the start, `percent` of the way."""
        self._steps.append({"progress": percent, "message": message})
        self._span.event("progress", percent=percent)
        self._changed.set()

    @property
    def told(self) -> list[str]:
        """What the user was told of this start so far."""
        return [str(step["message"]) for step in self._steps]

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what `tell` is told while a session starts; for an ordinary server, what its spawner yields.

        Of a start that is refused there is nothing to tell: the hub ends it with the start, and says why.
        """
        await self._prepared.wait()
        if self.plan is None:
            async for event in super().progress():
                yield event
            return
        shown = 0
        while True:  # the hub ends this, too
            while shown < len(self._steps):
                yield self._steps[shown]
                shown += 1
            self._changed.clear()
            await self._changed.wait()

    # --- state -----------------------------------------------------------------------------------------------------

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what the hub's database holds of a session."""
        super().load_state(state)
        self.session_state = dict(state.get(LIVE, {}))
        self.asleep = Asleep.model_validate(state[KEY]) if KEY in state else None
        self.turned_away = turned_away_in(state)

    def get_state(self) -> dict[str, Any]:
        """Return the state for the hub's database: more keys, of a session or where there never was one."""
        state: dict[str, Any] = super().get_state()
        if self.session_state:
            state[LIVE] = dict(self.session_state)
        if self.asleep is not None:
            state[KEY] = self.asleep.model_dump()
        if self.turned_away:
            state[TURNED_AWAY] = True
        return state

    def clear_state(self) -> None:
        """Forget the session that has ended, unless its memory is kept."""
        super().clear_state()
        if not outlives(self.session_state, time.time()):
            self.asleep = None
        self.session_state = {}


def _lab_scopes() -> list[str]:
    if not _installed():
        return []
    # Defined by `install(c, service=...)` alone.
    service = "custom:streamspace:admin" in scope_definitions
    return [*SERVER_TOKEN_SCOPES, *(SERVICE_SCOPES if service else ())]


def _installed() -> bool:
    """Return whether `install` has been called on this hub. Without it we change nobody's rights.

    The hub would refuse to start any server for scopes that it does not know.
    """
    return all(scope in scope_definitions for scope in VIEWER_SCOPES)
