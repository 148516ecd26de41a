"""`install(c)`: turns StreamSpace on in an existing `jupyterhub_config.py`, and never overwrites what is there.

It names the spawner by a dotted string: the control plane imports nothing of what the hub loads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

SPAWNER = "streamspace_spawner.LocalStreamSpaceSpawner"
MIXIN = "StreamSpaceMixin"
PROXY = "streamspace_spawner.proxy.SessionProxy"
DEFAULT_PROXIES = (
    "jupyterhub.proxy.ConfigurableHTTPProxy",
    "configurable-http-proxy",
    "default",
)
DEFAULT_SPAWNERS = (
    "jupyterhub.spawner.LocalProcessSpawner",
    "localprocess",
    "default",
)
"""JupyterHub's own default under its names: written down or not, it is what we extend."""

CUSTOM_SCOPES: dict[str, dict[str, Any]] = {
    "custom:streamspace:view": {"description": "See a session of StreamSpace."},
    "custom:streamspace:control": {
        "description": "Use a session of StreamSpace with mouse and keyboard.",
        "subscopes": ["custom:streamspace:view"],
    },
}
SERVICE_CUSTOM_SCOPES: dict[str, dict[str, Any]] = {
    "custom:streamspace:sleep": {
        "description": "Warn sessions of StreamSpace, freeze and thaw them. It shows no screen."
    },
    "custom:streamspace:admin": {"description": "List and stop all sessions of StreamSpace, read its audit log."},
    "custom:streamspace:record:read": {"description": "Read recordings of sessions of StreamSpace."},
}
USER_SCOPES = [
    "custom:streamspace:control!user",
    "custom:streamspace:view!user",
    "custom:streamspace:view!server",
]
"""What every user holds: for their own sessions, so that it can be passed on when one is shared; and for the server
whose page they sign in to. The latter grants nothing: it lets that page's token hold what a share grants. JupyterHub
compares what a token is to hold with the user's roles alone, and each use of it with their shares too."""


class InstallError(ValueError):
    """What stands in the configuration contradicts StreamSpace; the text says what to change."""


def install(  # noqa: PLR0913 - named, and all of them optional
    c: Any,
    *,
    catalog_dirs: Sequence[str] | None = None,
    default_policy: Mapping[str, Any] | None = None,
    turn: Mapping[str, Any] | None = None,
    policies: Mapping[str, Any] | None = None,
    quotas: Mapping[str, Any] | None = None,
    sleep: Mapping[str, Any] | None = None,
    memory_sleep: bool | None = None,
    service: bool | Mapping[str, Any] = False,
) -> None:
    """Turn StreamSpace on; call it at the end of `jupyterhub_config.py`. Calling it twice changes nothing.

    Args:
        c: the configuration object, `get_config()`.
        catalog_dirs: folders with your own app templates: `c.StreamSpace.catalog_dirs`, unless that is set.
        default_policy: what sessions may do: `c.StreamSpace.default_policy`, unless that is set.
        policies: what sessions of groups and single users may do: `c.StreamSpace.policies`, unless that is set.
        quotas: how much one user's sessions may take together: `c.StreamSpace.quotas`, unless that is set.
        sleep: after how long sessions are put to sleep: `c.StreamSpace.sleep`, unless that is set. Needs `service`.
        memory_sleep: whether sessions may sleep with their memory, which has a price (docs/explanation/sleep.md):
            `c.StreamSpace.memory_sleep`, unless that is set. Needs `service`.
        turn: a TURN server for viewers, `urls`, `secret_file` and `ttl`: `c.StreamSpace.turn_urls` and so on, unless
            those are set.
        service: run the service with the REST API: True, or a mapping of `url` (where it listens), `database_url`,
            `rate_limit` (requests a minute for each token), `admins` and `admin_groups` (who may list and stop
            everybody's sessions). A service or role of the same name that is there already stays as it is.

    Raises:
        InstallError: something already set contradicts StreamSpace.
    """
    _use_spawner(c)
    _use_proxy(c)
    _allow_named_servers(c)
    _define_scopes(c)
    given: dict[str, Any] = {"catalog_dirs": catalog_dirs, "default_policy": default_policy, "policies": policies}
    given |= {"quotas": quotas, "sleep": sleep, "memory_sleep": memory_sleep}
    given |= {f"turn_{key}": value for key, value in (turn or {}).items()}
    for name, value in given.items():
        if value is not None and name not in c.StreamSpace:
            setattr(c.StreamSpace, name, value)
    _check_policy(c)
    _say_what_sleeps(c)
    _log_json(c)
    _offer_turn(c)
    _check_what_needs_the_service(c, service=service)
    if service is not False:
        from streamspace_hub._install_service import add_service

        add_service(c, {} if service is True else service)


def _use_spawner(c: Any) -> None:
    configured = c.JupyterHub.get("spawner_class", DEFAULT_SPAWNERS[0])
    if _dotted_name(configured) in DEFAULT_SPAWNERS:
        c.JupyterHub.spawner_class = SPAWNER
    elif not _starts_sessions(configured):
        raise InstallError(
            f"StreamSpace: JupyterHub.spawner_class is {_dotted_name(configured)}, which cannot start sessions. "
            f'Remove that line, or set it to "{SPAWNER}" or to a class of your own derived from it.'
        )


def _use_proxy(c: Any) -> None:
    """Have the hub believe sessions, and not its proxy, when they were last used. Another proxy class stays."""
    if _dotted_name(c.JupyterHub.get("proxy_class", DEFAULT_PROXIES[0])) in DEFAULT_PROXIES:
        c.JupyterHub.proxy_class = PROXY


def _say_what_sleeps(c: Any) -> None:
    """Have the hub's pages say which sessions sleep; the administrator's own templates come first."""
    from streamspace_hub.hub_pages import TEMPLATES, VARIABLE, for_templates

    paths = configured(c.JupyterHub, "template_paths", [])
    c.JupyterHub.template_paths = [*paths, *([] if TEMPLATES in paths else [TEMPLATES])]
    c.JupyterHub.template_vars = {VARIABLE: for_templates, **configured(c.JupyterHub, "template_vars", {})}


def _log_json(c: Any) -> None:
    """Have the hub log as the service does, where that is wanted; an administrator's own formatter stays."""
    if configured(c.StreamSpace, "json_logs", False):
        given = configured(c.JupyterHub, "logging_config", {})
        formatters = {"console": {"class": "streamspace_hub.telemetry.logs.JsonLines"}, **given.get("formatters", {})}
        c.JupyterHub.logging_config = {**given, "formatters": formatters}


def _dotted_name(spawner: Any) -> str:
    return spawner if isinstance(spawner, str) else f"{spawner.__module__}.{spawner.__qualname__}"


def _starts_sessions(spawner: Any) -> bool:
    if isinstance(spawner, str):
        if spawner.startswith("streamspace_spawner."):
            return True
        spawner = _load(spawner)
    return any(base.__name__ == MIXIN for base in getattr(spawner, "__mro__", ()))


def _load(name: str) -> Any:
    """Return the class that JupyterHub would load for `name`: an entry point of its group, or a dotted name."""
    from traitlets.utils.importstring import import_item

    for entry_point in entry_points(group="jupyterhub.spawners"):
        if entry_point.name.lower() == name.lower():
            return entry_point.load()
    try:
        return import_item(name)
    except ImportError as error:
        raise InstallError(
            f"StreamSpace: JupyterHub.spawner_class is {name}, which cannot be loaded: {error}."
        ) from error


def _allow_named_servers(c: Any) -> None:
    if c.JupyterHub.get("allow_named_servers", True) is False:
        raise InstallError(
            "StreamSpace: JupyterHub.allow_named_servers is False, but every session is a named server of its user. "
            "Remove that line, or set it to True."
        )
    c.JupyterHub.allow_named_servers = True


def _check_policy(c: Any) -> None:
    """Complain while the hub starts, and not when the first user does."""
    from pydantic import BaseModel, ValidationError

    from streamspace_hub.model import PolicyDefaults
    from streamspace_hub.model.explain import explain
    from streamspace_hub.model.networks import TrustedProxies
    from streamspace_hub.model.policy import Policies
    from streamspace_hub.model.quota import Quotas
    from streamspace_hub.model.sleep import SleepRules
    from streamspace_hub.model.waiting import Capacity

    models: dict[str, type[BaseModel]] = {
        "default_policy": PolicyDefaults,
        "policies": Policies,
        "quotas": Quotas,
        "capacity": Capacity,
        "sleep": SleepRules,
    }
    proxies = {"trusted_proxies": configured(c.StreamSpace, "trusted_proxies", [])}
    try:
        TrustedProxies.model_validate(proxies)
    except ValidationError as error:
        complaint = explain(error, TrustedProxies)[0]
        raise InstallError(f"StreamSpace.{complaint.field}: {complaint.message}") from None
    for name, model in models.items():
        try:
            model.model_validate(configured(c.StreamSpace, name, {}))
        except ValidationError as error:
            complaint = explain(error, model)[0]
            raise InstallError(f"StreamSpace.{name}: {complaint.field}: {complaint.message}") from None


def _check_what_needs_the_service(c: Any, *, service: object) -> None:
    """Complain of hours and budgets that nobody would count, and of second factors that nobody could show."""
    from streamspace_hub.model import PolicyDefaults
    from streamspace_hub.model.quota import Quotas
    from streamspace_hub.model.rolling import has_budgets, longest_window

    # Called a second time, it may be without the service that the first call has added.
    if any(one.get("name") == "streamspace" for one in configured(c.JupyterHub, "services", [])):
        return
    quotas = Quotas.model_validate(configured(c.StreamSpace, "quotas", {}))
    if service is not False:
        if has_budgets(quotas):
            _check_prices(service.get("prices") if isinstance(service, Mapping) else None)
        return
    if longest_window(quotas):
        raise InstallError(
            "StreamSpace.quotas: session_hours, gpu_hours and budget are counted by the service: "
            "install(c, service=True)."
        )
    if PolicyDefaults.model_validate(configured(c.StreamSpace, "default_policy", {})).step_up:
        raise InstallError(
            "StreamSpace.default_policy: step_up: second factors are shown to the service: install(c, service=True)."
        )


def _check_prices(given: object) -> None:
    """Complain of prices by which a budget would never be used."""
    from pydantic import ValidationError

    from streamspace_hub.model.explain import explain
    from streamspace_hub.model.prices import Prices

    try:
        prices = Prices.model_validate(given or {})
    except ValidationError as error:
        complaint = explain(error, Prices)[0]
        raise InstallError(f"StreamSpace: service: prices.{complaint.field}: {complaint.message}") from None
    if not prices.costs_something:
        raise InstallError(
            "StreamSpace.quotas: a budget needs prices above 0, "
            'e.g. install(c, service={"prices": {"currency": "EUR", "core_hour": 0.02}}).'
        )


def _offer_turn(c: Any) -> None:
    """Have the hub mint TURN credentials, where it has been told of a TURN server."""
    from pydantic import ValidationError

    from streamspace_hub.model.explain import explain
    from streamspace_hub.model.turn import TurnSecretError, TurnSettings, read_turn_secret

    given = {name: configured(c.StreamSpace, name, []) for name in c.StreamSpace if name.startswith("turn_")}
    try:
        settings = TurnSettings.model_validate(given)
        if settings.enabled:
            read_turn_secret(settings.turn_secret_file)
    except ValidationError as error:
        complaint = explain(error, TurnSettings)[0]
        where = f"{complaint.field}: " if complaint.field else ""
        raise InstallError(f"StreamSpace.{where}{complaint.message}") from None
    except TurnSecretError as error:
        raise InstallError(f"StreamSpace.{error}") from None
    if not settings.enabled:
        return
    from streamspace_hub.turn import PATH, TurnHandler

    others = [handler for handler in configured(c.JupyterHub, "extra_handlers", []) if handler[0] != PATH]
    c.JupyterHub.extra_handlers = [*others, (PATH, TurnHandler, {"turn": settings})]


def _define_scopes(c: Any) -> None:
    c.JupyterHub.custom_scopes = {**CUSTOM_SCOPES, **configured(c.JupyterHub, "custom_scopes", {})}
    grant_to_users(c, USER_SCOPES)


def grant_to_users(c: Any, granted: Sequence[str]) -> None:
    """Add scopes to what every user holds."""
    roles: list[dict[str, Any]] = [dict(role) for role in configured(c.JupyterHub, "load_roles", [])]
    users = next((role for role in roles if role.get("name") == "user"), None)
    if users is None and _hub_has("extra_user_scopes"):
        before = configured(c.JupyterHub, "extra_user_scopes", [])
        c.JupyterHub.extra_user_scopes = _with(before, granted)
        return
    if users is None:
        users = {"name": "user"}
        roles.append(users)
    # A role "user" in the configuration takes the place of JupyterHub's own, so what that grants is said again.
    users["scopes"] = _with(users.get("scopes", ["self"]), granted)
    c.JupyterHub.load_roles = roles


def _with(scopes: Sequence[str], granted: Sequence[str]) -> list[str]:
    return [*scopes, *(scope for scope in granted if scope not in scopes)]


def configured(section: Any, name: str, initial: Any) -> Any:
    """Return what the configuration says so far, also where it says it by `.append` or `.update`."""
    value = section.get(name, initial)
    return value.get_value(initial) if hasattr(value, "get_value") else value


def _hub_has(trait: str) -> bool:
    from jupyterhub.app import JupyterHub

    return trait in JupyterHub.class_trait_names()
