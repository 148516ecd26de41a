"""Signing in by the recipes of docs/how-to/login.md: a real OpenID provider, LDAP server, hub and service."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import ldap3
import pytest
from ldapauthenticator import LDAPAuthenticator
from traitlets.config import Config

from tests.support import recipes
from tests.support.certificates import make_certificate
from tests.support.forms import Page, Visitor
from tests.support.hub import TempHub, free_ports, new_user, temp_hub
from tests.support.oidc import provider
from tests.support.service import PREFIX, ServiceHub, until_up
from tests.support.slapd import Directory, directory

pytestmark = pytest.mark.hub

REFUSED = "Your account may not use this hub: it is in none of the groups students, staff, "
BEFORE = """\
import streamspace_hub._install_service
streamspace_hub._install_service.URL = "http://127.0.0.1:{port}"
c.Authenticator.pop("allow_all")
c.JupyterHub.load_roles.append({{"name": "grouper", "services": ["test"], "scopes": ["groups"]}})
"""
"""Another port than that which a hub of somebody's may have, and nothing of the tests' usual authenticator."""

SignIn = Callable[[str], Awaitable[Page]]
SetGroups = Callable[..., None]


@asynccontextmanager
async def hub_with(folder: Path, recipe: str, replacing: dict[str, str], more: str = "") -> AsyncIterator[ServiceHub]:
    """Run a hub by a recipe and the groups' one, with the examples' names replaced by those of servers here."""
    text = "\n".join([*recipes.python(recipe), *recipes.python("Groups, and what they may")])
    (folder / "recipe.py").write_text(recipes.adapted(text, replacing))
    (port,) = free_ports(1)
    # The hub's own address is known to its configuration only.
    run = f"exec(open({str(folder / 'recipe.py')!r}).read().replace('https://hub.example.org', run['url']))"
    extra = "\n".join([BEFORE.format(port=port), run, more])
    async with temp_hub(*(new_user() for _ in range(3)), extra=extra) as hub:
        found = ServiceHub(hub)
        try:
            await until_up(hub.url, lambda: hub.log)
            yield found
        finally:
            await found.close()


async def ask(running: ServiceHub, user: str, path: str) -> httpx.Response:
    """Ask the service as a user, with a token that it has not seen yet."""
    return await running.hub.get(f"{PREFIX}{path}", token=await running.token(user))


async def limits(running: ServiceHub, user: str) -> list[tuple[float, str | None]]:
    """Return how many sessions a user may have, and the group that says so."""
    reply = await ask(running, user, f"/api/v1/users/{user}/quota")
    return [(one["limit"], one["group"]) for one in reply.json()["limits"] if one["kind"] == "sessions"]


async def stop_after(running: ServiceHub, user: str) -> tuple[int, str, str | None]:
    """Return after how long a user's sessions are stopped, who says so, and which group."""
    reply = await ask(running, user, "/api/v1/policies/test-app")
    (found,) = (one for one in reply.json()["sleep"] if one["name"] == "stop_after")
    return found["value"], found["source"], found["group"]


async def known(hub: TempHub, user: str) -> tuple[set[str], bool]:
    """Return a user's groups at the hub, and whether they administer it."""
    model = (await hub.api("GET", f"/users/{user}")).json()
    return set(model["groups"]), model["admin"]


async def groups_decide(running: ServiceHub, sign_in: SignIn, set_groups: SetGroups) -> None:
    """Sign users in whose groups at the provider decide what they may, also when they change."""
    hub, ann, bob, cleo = running.hub, *running.hub.users
    set_groups(ann, "students")
    set_groups(bob, "visitors")
    set_groups(cleo, "staff", "hub-admins", "desktop-admins")

    assert f"{ann} Logout" in (await sign_in(ann)).text
    assert await known(hub, ann) == ({"students"}, False)
    assert await limits(running, ann) == [(2, "students")]
    assert await stop_after(running, ann) == (86400, "hub", None)

    assert REFUSED in (await sign_in(bob)).text
    assert await known(hub, bob) == (set(), False)

    assert f"{cleo} Logout" in (await sign_in(cleo)).text
    assert await known(hub, cleo) == ({"staff", "hub-admins", "desktop-admins"}, True)
    assert await limits(running, cleo) == [(10, "staff")]
    assert await stop_after(running, cleo) == (0, "group", "staff")
    for path in ("/api/v1/audit", "/metrics"):
        assert [(await ask(running, user, path)).status_code for user in (ann, cleo)] == [403, 200]
    # What JupyterHub's API gives lasts until the next sign-in.
    (await hub.api("POST", "/groups/desktop-admins/users", json={"users": [ann]})).raise_for_status()
    assert await known(hub, ann) == ({"students", "desktop-admins"}, False)

    set_groups(ann, "staff")
    set_groups(cleo, "students", "hub-admins")
    await sign_in(ann)
    await sign_in(cleo)
    assert await known(hub, ann) == ({"staff"}, False)
    assert await limits(running, ann) == [(10, "staff")]
    assert await known(hub, cleo) == ({"students", "hub-admins"}, True)
    assert (await ask(running, cleo, "/api/v1/audit")).status_code == 403, "JupyterHub's administrators may not"
    set_groups(cleo, "students")
    await sign_in(cleo)
    assert await known(hub, cleo) == ({"students"}, False)

    set_groups(ann)
    assert REFUSED in (await sign_in(ann)).text
    token = await running.token(ann)
    assert (await hub.api("GET", "/user", token=token)).status_code == 200, "as the recipe says"
    (await hub.api("DELETE", f"/users/{ann}")).raise_for_status()
    assert (await hub.api("GET", "/user", token=token)).status_code == 403


async def test_groups_of_an_openid_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = make_certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    (tmp_path / "oidc-secret").write_text("a-secret-of-this-test\n")
    (port,) = free_ports(1)
    replacing = {
        "https://login.example.org": f"https://localhost:{port}",
        "/etc/jupyterhub/oidc-secret": str(tmp_path / "oidc-secret"),
    }
    async with hub_with(tmp_path, "OpenID Connect", replacing) as running:
        url = running.hub.url
        callback = f"{url}/hub/oauth_callback"
        async with provider(tmp_path, port, (certificate, key), "a-secret-of-this-test", callback) as accounts:

            async def sign_in(user: str) -> Page:
                async with Visitor(certificate) as visitor:
                    page = await visitor.open(f"{url}/hub/login?next=%2Fhub%2Fhome")
                    assert "Sign in with Example University" in page.text
                    page = await visitor.follow("oauth_login")
                    assert str(visitor.reply.url).startswith(f"https://localhost:{port}/interaction/"), page.text
                    await visitor.send(login=user, password="any")
                    page = await visitor.send()  # "Authorize"
                    assert str(visitor.reply.url).startswith(url), page.text
                    return page

            await groups_decide(running, sign_in, accounts.account)


async def test_groups_of_an_ldap_server(tmp_path: Path) -> None:
    pair = make_certificate(tmp_path, "localhost")
    with directory(tmp_path, pair) as people:
        replacing = {"ldap.example.org": "localhost", "/etc/ssl/certs/ca-certificates.crt": str(pair[0])}
        port = f"c.LDAPAuthenticator.server_port = {people.port}"
        async with hub_with(tmp_path, "LDAP", replacing, port) as running:
            url, users = running.hub.url, running.hub.users
            for user in users:
                people.person(user, f"password of {user}")

            async def sign_in(user: str, password: str | None = None) -> Page:
                async with Visitor() as visitor:
                    await visitor.open(f"{url}/hub/login?next=%2Fhub%2Fhome")
                    return await visitor.send(username=user, password=password or f"password of {user}")

            assert "Invalid username or password" in (await sign_in(users[0], "another password")).text
            await groups_decide(running, sign_in, people.groups_of)


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_a_directory_that_is_another_gets_no_password(tmp_path: Path, wrong: str) -> None:
    pair = make_certificate(tmp_path, "localhost")
    other, _ = make_certificate(tmp_path, "other.test")
    with directory(tmp_path, pair) as people:
        assert bind(people, pair[0], "localhost") is not None
        before = people.log.count(" BIND ")
        with pytest.raises(ldap3.core.exceptions.LDAPExceptionError, match=r"certificate|hostname"):
            bind(people, other if wrong == "authority" else pair[0], "127.0.0.1" if wrong == "name" else "localhost")
        assert people.log.count(" BIND ") == before


def bind(people: Directory, authority: Path, address: str) -> Any:
    """Sign somebody in by the recipe's settings; return the connection."""
    c = Config()
    settings, _ = recipes.python("LDAP")
    replacing = {"ldap.example.org": address, "/etc/ssl/certs/ca-certificates.crt": str(authority)}
    exec(recipes.adapted(settings, replacing), {"c": c, "ssl": ssl})
    c.LDAPAuthenticator.server_port = people.port
    return LDAPAuthenticator(config=c).get_connection("cn=admin,dc=example,dc=org", "a-password-of-this-test")
