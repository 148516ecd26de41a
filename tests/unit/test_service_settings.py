"""What the service is told by its environment."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streamspace_hub.service.settings import ServiceSettings, SettingsError

HUB = {"JUPYTERHUB_API_URL": "http://127.0.0.1:8081/hub/api", "JUPYTERHUB_API_TOKEN": "t0ken"}


def test_the_hubs_variables_are_enough() -> None:
    settings = ServiceSettings.read(
        HUB | {"JUPYTERHUB_SERVICE_PREFIX": "/base/services/ss/", "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:999"}
    )
    assert (settings.host, settings.port, settings.api_prefix) == ("127.0.0.1", 999, "/base/services/ss/api/v1")
    assert "t0ken" not in repr(settings)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:////var/lib/s.sqlite", "sqlite+aiosqlite:////var/lib/s.sqlite"),
        ("postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
    ],
)
def test_databases_get_our_driver(url: str, driver: str) -> None:
    settings = ServiceSettings.read(HUB | {"STREAMSPACE_DATABASE_URL": url})
    assert settings.database_url.get_secret_value() == driver


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("STREAMSPACE_DATABASE_URL", "mysql://u:hunter2@h/d", "must begin with"),
        ("STREAMSPACE_RATE_LIMIT", "0", "at least 1"),
        ("STREAMSPACE_RATE_LIMIT", "many", "whole number"),
        ("JUPYTERHUB_SERVICE_PREFIX", "services", "not accepted"),
    ],
)
def test_a_wrong_value_is_named_and_no_secret_shown(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        ServiceSettings.read(HUB | {name: value})
    assert str(refused.value).startswith(f"{name}: ")
    assert "hunter2" not in str(refused.value)


def test_a_budget_needs_a_price() -> None:
    quotas = {"STREAMSPACE_QUOTAS": '{"together": {"lab": {"budget": {"amount": 20, "days": 30}}}}'}
    with pytest.raises(SettingsError, match=r"STREAMSPACE_PRICES: must hold a price above 0"):
        ServiceSettings.read(HUB | quotas)
    settings = ServiceSettings.read(HUB | quotas | {"STREAMSPACE_PRICES": '{"gpu_hour": 1}'})
    assert settings.prices.costs_something


def test_started_without_a_hub_it_says_so() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "streamspace_hub.service"], env={}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "JUPYTERHUB_API_TOKEN are missing" in ended.stderr
    assert "Traceback" not in ended.stderr
