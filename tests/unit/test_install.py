"""`install(c)` adds to a configuration and takes nothing from it."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jupyterhub
import pytest
from jupyterhub.spawner import LocalProcessSpawner, SimpleLocalProcessSpawner
from traitlets.config import Config

from streamspace_hub import asleep, changes, install, journal, refusals, step_up, storage, turned_away
from streamspace_hub._install import SPAWNER, InstallError

USER_SCOPES = {f"custom:streamspace:{scope}" for scope in ("control!user", "view!user", "view!server")}


def user_scopes(c: Config) -> list[str]:
    """Return the scopes that the hub will give to every user."""
    for role in c.JupyterHub.get("load_roles", []):
        if role["name"] == "user":
            return list(role["scopes"])
    return ["self", *c.JupyterHub.extra_user_scopes]


def test_turns_all_on_in_an_empty_configuration() -> None:
    c = Config()
    install(c)
    assert c.JupyterHub.spawner_class == SPAWNER
    assert c.JupyterHub.allow_named_servers is True
    assert set(c.JupyterHub.custom_scopes) == {"custom:streamspace:view", "custom:streamspace:control"}
    assert set(user_scopes(c)) == {"self", *USER_SCOPES}


def test_twice_is_once() -> None:
    c = Config()
    install(c, catalog_dirs=["/etc/apps"])
    once = copy.deepcopy(c)
    install(c, catalog_dirs=["/other"])
    assert c == once


@pytest.mark.parametrize(
    "name", ["localprocess", "default", "jupyterhub.spawner.LocalProcessSpawner", LocalProcessSpawner]
)
def test_extends_the_hubs_default_spawner(name: Any) -> None:
    c = Config()
    c.JupyterHub.spawner_class = name
    install(c)
    assert c.JupyterHub.spawner_class == SPAWNER


@pytest.mark.parametrize("name", ["simple", SimpleLocalProcessSpawner, "no.such.Spawner"])
def test_another_spawner_is_never_overwritten(name: Any) -> None:
    c = Config()
    c.JupyterHub.spawner_class = name
    with pytest.raises(InstallError, match="which cannot"):
        install(c)
    assert c.JupyterHub.spawner_class == name


def test_a_class_derived_from_ours_stays() -> None:
    from streamspace_spawner import LocalStreamSpaceSpawner

    class Mine(LocalStreamSpaceSpawner):
        pass

    for spawner in (Mine, "streamspace_spawner.local.LocalStreamSpaceSpawner"):
        c = Config()
        c.JupyterHub.spawner_class = spawner
        install(c)
        assert c.JupyterHub.spawner_class is spawner


def test_named_servers_switched_off_on_purpose_is_a_contradiction() -> None:
    c = Config()
    c.JupyterHub.allow_named_servers = False
    with pytest.raises(InstallError, match="allow_named_servers is False"):
        install(c)


def test_scopes_and_roles_are_merged() -> None:
    c = Config()
    c.JupyterHub.custom_scopes = {
        "custom:mine": {"description": "mine"},
        "custom:streamspace:view": {"description": "x"},
    }
    c.JupyterHub.load_roles = [{"name": "staff", "users": ["ann"]}, {"name": "user", "scopes": ["self", "shares!user"]}]
    before = copy.deepcopy(c.JupyterHub.load_roles)
    install(c)
    assert c.JupyterHub.custom_scopes["custom:mine"] == {"description": "mine"}
    assert c.JupyterHub.custom_scopes["custom:streamspace:view"] == {"description": "x"}
    assert c.JupyterHub.load_roles[0] == before[0]
    assert set(user_scopes(c)) == {"self", "shares!user", *USER_SCOPES}


def test_a_user_role_without_scopes_keeps_the_hubs_own() -> None:
    c = Config()
    c.JupyterHub.load_roles = [{"name": "user", "description": "everybody"}]
    install(c)
    assert set(user_scopes(c)) == {"self", *USER_SCOPES}


def test_configuration_written_with_append_is_kept() -> None:
    c = Config()
    c.JupyterHub.load_roles.append({"name": "staff"})
    c.JupyterHub.custom_scopes.update({"custom:mine": {"description": "mine"}})
    install(c)
    roles = c.JupyterHub.load_roles
    roles = roles.get_value([]) if hasattr(roles, "get_value") else roles
    assert roles[0] == {"name": "staff"}
    assert "custom:mine" in c.JupyterHub.custom_scopes


@pytest.mark.skipif(jupyterhub.version_info[0] < 6, reason="a trait of JupyterHub 6")
def test_extra_user_scopes_are_kept() -> None:
    c = Config()
    c.JupyterHub.extra_user_scopes = ["shares!user"]
    install(c)
    assert set(user_scopes(c)) == {"self", "shares!user", *USER_SCOPES}


def test_options_do_not_overwrite_the_configuration() -> None:
    c = Config()
    c.StreamSpace.catalog_dirs = ["/mine"]
    install(c, catalog_dirs=["/other"], default_policy={"clipboard": "none"})
    assert c.StreamSpace.catalog_dirs == ["/mine"]
    assert c.StreamSpace.default_policy == {"clipboard": "none"}


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, streamspace_hub; print([m for m in ('pydantic', 'jupyterhub', 'traitlets') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def turn_handlers(c: Config) -> list[Any]:
    return [entry for entry in c.JupyterHub.get("extra_handlers", []) if entry[0] == "/api/streamspace/turn"]


def test_without_a_turn_server_the_hub_gets_no_handler() -> None:
    c = Config()
    install(c)
    assert "extra_handlers" not in c.JupyterHub


def test_a_turn_server_brings_a_handler_once_and_no_secret_into_the_configuration(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("north")
    c = Config()
    c.JupyterHub.extra_handlers = [("/mine", object)]
    c.StreamSpace.turn_ttl = 600
    turn = {"urls": ["turn:turn.example.org"], "secret_file": str(secret), "ttl": 60}
    install(c, turn=turn)
    install(c, turn=turn)
    assert len(c.JupyterHub.extra_handlers) == 2
    ((_, _, given),) = turn_handlers(c)
    assert given["turn"].turn_ttl == 600, "what the configuration says comes first"
    assert "north" not in repr(c)


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        ({"urls": ["http://turn"], "secret_file": "/etc/hostname"}, r"turn_urls\[0\]: .*turns:HOST"),
        ({"urls": ["turn:a"]}, "turn_secret_file is missing"),
        ({"urls": ["turn:a"], "secret_file": "/no/such/file"}, "turn_secret_file: '/no/such/file' cannot be read"),
        ({"urls": ["turn:a"], "secret_file": "/etc/hostname", "ttl": 5}, "turn_ttl: must be at least 60"),
        ({"url": ["turn:a"]}, "turn_url: there is no such field"),
    ],
)
def test_turn_settings_are_checked_while_the_hub_starts(turn: dict[str, Any], words: str) -> None:
    with pytest.raises(InstallError, match=words):
        install(Config(), turn=turn)


@pytest.mark.parametrize(
    ("quotas", "words"),
    [
        ({"default": {"session": 1}}, r"quotas: default.session: there is no such field; did you mean `sessions`"),
        ({"groups": {"staff": {"memory": 8}}}, r"quotas: groups.staff.memory"),
        ({"default": {"cpu": 0}}, r"quotas: default.cpu: must be greater than 0"),
    ],
)
def test_quotas_are_checked_while_the_hub_starts(quotas: dict[str, Any], words: str) -> None:
    with pytest.raises(InstallError, match=words):
        install(Config(), quotas=quotas)


def test_policies_are_checked_while_the_hub_starts_and_reach_spawners_and_service() -> None:
    with pytest.raises(InstallError, match=r"policies: groups\.exam\.clipbord: .*did you mean `clipboard`"):
        install(Config(), policies={"groups": {"exam": {"clipbord": "none"}}})
    c = Config()
    given = {"groups": {"exam": {"clipboard": "none"}}}
    install(c, policies=given, service=True)
    assert c.StreamSpace.policies == given
    assert json.loads(c.JupyterHub.services[0]["environment"]["STREAMSPACE_POLICIES"]) == given


def test_quotas_reach_the_spawners_unless_they_are_set() -> None:
    c = Config()
    install(c, quotas={"default": {"sessions": 2}})
    install(c, quotas={"default": {"sessions": 9}})
    assert c.StreamSpace.quotas == {"default": {"sessions": 2}}


def service_of(c: Config) -> dict[str, Any]:
    (service,) = c.JupyterHub.services
    return dict(service)


def roles_of(c: Config) -> dict[str, Any]:
    return {role["name"]: role for role in c.JupyterHub.load_roles}


def test_without_being_asked_there_is_no_service() -> None:
    c = Config()
    install(c)
    assert "services" not in c.JupyterHub
    assert "custom:streamspace:admin" not in c.JupyterHub.custom_scopes


def test_the_services_own_token_reads_and_puts_to_sleep_and_no_more() -> None:
    c = Config()
    install(c, service=True)
    assert service_of(c)["name"] == "streamspace"
    role = roles_of(c)["streamspace-service"]
    assert role["services"] == ["streamspace"]
    reads = ["list:users", "read:servers", "read:users:groups"]
    assert role["scopes"] == [*reads, "delete:servers", "custom:streamspace:sleep"]
    assert "access:services!service=streamspace" in user_scopes(c)
    assert roles_of(c)["streamspace-admin"]["users"] == [], "nobody administers sessions without being named"


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"bind_url": "http://:8000/hub"}, "http://127.0.0.1:8000"),
        ({"bind_url": "http://[::1]:99"}, "http://[::1]:99"),
        ({"ip": "10.1.2.3", "port": 81}, "http://10.1.2.3:81"),
    ],
)
def test_the_service_is_told_where_sessions_are(settings: dict[str, object], url: str) -> None:
    c = Config()
    c.JupyterHub.update(settings)
    install(c, service=True, sleep={"default": {"freeze_after": 600}})
    environment = service_of(c)["environment"]
    assert environment["STREAMSPACE_PROXY_URL"] == url
    assert json.loads(environment["STREAMSPACE_SLEEP"]) == {"default": {"freeze_after": 600}}


def test_in_a_cluster_sessions_are_behind_the_proxys_own_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY_PUBLIC_SERVICE_HOST", "10.96.0.7")
    monkeypatch.setenv("PROXY_PUBLIC_SERVICE_PORT", "80")
    c = Config()
    install(c, service=True)
    assert service_of(c)["environment"]["STREAMSPACE_PROXY_URL"] == "http://10.96.0.7:80"


def test_a_bad_ladder_is_an_error_of_the_configuration() -> None:
    c = Config()
    with pytest.raises(InstallError, match=r"StreamSpace.sleep: default.freeze_after: 5 is not accepted; use 0"):
        install(c, sleep={"default": {"freeze_after": 5}})


def test_the_hubs_own_proxy_leaves_the_activity_of_sessions_to_them() -> None:
    c = Config()
    install(c)
    assert c.JupyterHub.proxy_class == "streamspace_spawner.proxy.SessionProxy"
    c = Config()
    c.JupyterHub.proxy_class = "traefik_file"
    install(c)
    assert c.JupyterHub.proxy_class == "traefik_file"


def test_the_services_options_reach_it() -> None:
    c = Config()
    install(
        c,
        catalog_dirs=["/a", "/b"],
        service={"url": "http://127.0.0.1:99", "database_url": "sqlite:////s", "rate_limit": 9, "admins": ["ann"]},
    )
    service = service_of(c)
    assert service["url"] == "http://127.0.0.1:99"
    assert service["environment"] == {
        "STREAMSPACE_DATABASE_URL": "sqlite:////s",
        "STREAMSPACE_PROXY_URL": "http://127.0.0.1:8000",
        "STREAMSPACE_RATE_LIMIT": "9",
        "STREAMSPACE_CATALOG_DIRS": "/a:/b",
    }
    assert roles_of(c)["streamspace-admin"]["users"] == ["ann"]


def test_a_service_and_roles_that_are_there_stay() -> None:
    c = Config()
    c.JupyterHub.services = [{"name": "streamspace", "url": "http://elsewhere"}, {"name": "culler"}]
    c.JupyterHub.load_roles = [{"name": "streamspace-admin", "users": ["eve"], "scopes": ["custom:streamspace:admin"]}]
    before = copy.deepcopy(c)
    install(c, service={"admins": ["ann"]})
    once = copy.deepcopy(c)
    install(c, service={"admins": ["ann"]})
    assert c == once, "twice is once"
    assert c.JupyterHub.services == before.JupyterHub.services
    assert roles_of(c)["streamspace-admin"] == before.JupyterHub.load_roles[0]


def test_an_unknown_option_of_the_service_is_named() -> None:
    with pytest.raises(InstallError, match="no option 'port'; it takes url, database_url"):
        install(Config(), service={"port": 1})


@pytest.mark.parametrize(
    ("hub", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"bind_url": "http://:9000/jupyter/"}, "http://127.0.0.1:9000"),
        ({"bind_url": "http://10.0.0.3:80"}, "http://10.0.0.3:80"),
        ({"bind_url": "http://[::1]:8000"}, "http://[::1]:8000"),
        ({"ip": "0.0.0.0", "port": 8888}, "http://127.0.0.1:8888"),
        ({"bind_url": "https://:443"}, None),
        ({"ssl_cert": "/etc/cert.pem", "port": 443}, None),
    ],
)
def test_the_service_finds_the_proxy_on_the_hubs_machine(hub: dict[str, Any], url: str | None) -> None:
    c = Config()
    for name, value in hub.items():
        setattr(c.JupyterHub, name, value)
    install(c, service=True)
    assert service_of(c)["environment"].get("STREAMSPACE_PROXY_URL") == url


def test_the_hub_tells_the_service_of_changes_beside_what_it_had_already() -> None:
    c = Config()
    c.JupyterHub.extra_handlers = [("/mine", object)]
    install(c, service=True)
    install(c, service=True)
    assert [path for path, *_ in c.JupyterHub.extra_handlers] == [
        "/mine",
        "/api/streamspace/changes",
        "/api/streamspace/usage",
        "/api/streamspace/announcement",
        "/api/streamspace/overrides",
        *(path for path, _ in asleep.handlers()),
        *(path for path, _ in step_up.handlers()),
        *(path for path, _ in storage.handlers()),
        *(path for path, _ in turned_away.handlers()),
        "/api/streamspace/runs",
        "/api/streamspace/refusals",
    ]
    board = c.JupyterHub.tornado_settings[changes.BOARD]
    assert set(board) == {journal.ENTRY, refusals.ENTRY}, "before anybody listens"


def test_signing_in_on_the_pages_gives_no_more_than_they_need() -> None:
    c = Config()
    install(c, service=True)
    assert service_of(c)["oauth_client_allowed_scopes"] == [
        "access:services!service=streamspace",
        "custom:streamspace:view",
        "custom:streamspace:control",
        "custom:streamspace:admin",
        "servers",
        "access:servers",
        "shares",
        "read:users:name",
        "read:groups:name",
    ]


def test_hours_that_nobody_would_count_are_refused() -> None:
    quotas = {"groups": {"lab": {"session_hours": {"hours": 1, "days": 7}}}}
    with pytest.raises(InstallError, match="are counted by the service"):
        install(Config(), quotas=quotas)
    c = Config()
    install(c, quotas=quotas, service=True)
    install(c)
    c = Config()
    c.JupyterHub.services = [{"name": "streamspace", "url": "http://elsewhere"}]
    install(c, quotas=quotas)


def test_second_factors_that_nobody_could_show_are_refused() -> None:
    with pytest.raises(InstallError, match="step_up: second factors are shown to the service"):
        install(Config(), default_policy={"step_up": 3600})
    install(Config(), default_policy={"step_up": 3600}, service=True)


def test_what_is_no_network_of_proxies_is_refused() -> None:
    c = Config()
    c.StreamSpace.trusted_proxies = ["10.0.0.0/8", "ingress"]
    with pytest.raises(InstallError, match=r"StreamSpace.trusted_proxies\[1\]: `ingress` is not a network"):
        install(c)
    c.StreamSpace.trusted_proxies = ["10.0.0.0/8", "::1"]
    install(c, service=True)
    assert c.JupyterHub.services[0]["environment"]["STREAMSPACE_TRUSTED_PROXIES"] == "10.0.0.0/8,::1"


BUDGET = {"default": {"budget": {"amount": 20, "days": 30}}}


@pytest.mark.parametrize("service", [True, {}, {"prices": {"currency": "EUR"}}])
def test_a_budget_without_prices_is_refused(service: Any) -> None:
    with pytest.raises(InstallError, match="a budget needs prices above 0"):
        install(Config(), quotas=BUDGET, service=service)


def test_a_budget_is_counted_by_the_service_with_its_prices() -> None:
    with pytest.raises(InstallError, match="are counted by the service"):
        install(Config(), quotas=BUDGET)
    with pytest.raises(InstallError, match=r"service: prices\.currency: "):
        install(Config(), quotas=BUDGET, service={"prices": {"currency": "euro"}})
    c = Config()
    install(c, quotas=BUDGET, service={"prices": {"core_hour": 0.02}})
    install(c)
