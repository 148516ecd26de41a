"""The recipes of docs/how-to/login.md: its values for Helm say what its Python says, which test_login.py runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

import streamspace_hub
from tests.support.recipes import adapted, python, values


def configured(*blocks: str) -> dict[str, Any]:
    """Return what blocks of a jupyterhub_config.py set, as Zero-to-JupyterHub's `hub.config`."""
    c = Config()
    for block in blocks:
        exec(block, {"c": c, "streamspace_hub": streamspace_hub})
    return {section: dict(settings) for section, settings in c.items()}


def test_openid_connect(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret\n")
    (recipe,) = python("OpenID Connect")
    expected = values("OpenID Connect")["hub"]["config"]
    expected["GenericOAuthenticator"]["client_secret"] = "a secret"
    assert configured(adapted(recipe, {"/etc/jupyterhub/oidc-secret": str(secret)})) == expected


def test_ldap() -> None:
    settings, code = python("LDAP")
    hub = values("LDAP")["hub"]
    assert configured(settings) == hub["config"]
    assert list(hub["extraConfig"].values()) == [code]


@pytest.mark.parametrize("setting", ["quotas", "sleep"])
def test_groups(setting: str) -> None:
    section = "Groups, and what they may"
    hub = values(section)["hub"]["config"]
    assert set(hub) == {"StreamSpace"}
    assert configured(*python(section))["StreamSpace"][setting] == hub["StreamSpace"][setting]
