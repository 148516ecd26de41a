"""What user options make of a server: a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamspace_spawner import LocalStreamSpaceSpawner, StreamSpace
from streamspace_spawner.session import SessionPlan, SessionRefused, plan_session

from streamspace_hub.catalog import Catalog, load_catalog
from streamspace_hub.model import AppTemplate, Policy, PolicyDefaults, resolve_policy
from streamspace_hub.model.layers import Who
from streamspace_hub.model.policy import Policies, policy_layers


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def plan(
    catalog: Catalog, options: dict[str, Any], name: str = "", *, memory_sleep: bool = False, **policy: Any
) -> SessionPlan | None:
    def policy_of(app: PolicyDefaults) -> Policy:
        return resolve_policy(*policy_layers(PolicyDefaults(**policy), app, Policies(), Who("ann"))).policy

    return plan_session(options, name, catalog, policy_of, memory_sleep=memory_sleep)


@pytest.mark.parametrize(
    ("options", "name", "app"),
    [
        ({"app": "gimp"}, "", "gimp"),
        ({"app": "gimp"}, "pictures", "gimp"),
        ({"app": "gimp"}, "desktop", "gimp"),
        ({"app": ["gimp"]}, "", "gimp"),  # a form field
        ({}, "gimp", "gimp"),
        ({}, "", None),
        ({}, "lab-2", None),
        ({"image": "x", "profile": "y"}, "", None),
        ({"image": "x"}, "gimp", None),  # the admin's own form decides
    ],
)
def test_options_decide_between_session_and_ordinary_server(
    catalog: Catalog, options: dict[str, Any], name: str, app: str | None
) -> None:
    planned = plan(catalog, options, name)
    assert (planned and planned.template.name) == app


@pytest.mark.parametrize(
    ("options", "reason", "words"),
    [
        ({"app": "gmip"}, "unknown_app", ["gmip", "gimp"]),
        ({"app": "nothing-like-it"}, "unknown_app", ["nothing-like-it", "Choose one of", "gimp", "desktop"]),
        ({"app": 5}, "bad_options", ["`app`", "text"]),
        ({"app": None}, "bad_options", ["`app`", "text"]),
        ({"app": {}}, "bad_options", ["`app`", "text"]),
        ({"app": ["gimp", "desktop"]}, "bad_options", ["`app`", "text"]),
        ({"app": "GIMP !"}, "bad_options", ["`app`", "lower-case"]),
        ({"app": ""}, "bad_options", ["`app`"]),
        ({"app": "gimp", "file": "x"}, "bad_options", ["`file`", "app, open"]),
        ({"app": "gimp", "x" * 1000: 1}, "bad_options", ["xxx...", "app, open"]),
        ({"app": "gimp", "a\0\nb": 1}, "bad_options", [r"`a\x00\nb`", "app, open"]),
        ({"open": "x.png"}, "bad_options", ["`app`", "missing"]),
        ({"app": "gimp", "open": 3}, "bad_options", ["`open`", "text"]),
        ({"app": "gimp", "open": "/etc/passwd"}, "bad_options", ["`open`", "below your home"]),
        ({"app": "gimp", "open": "../other/x"}, "bad_options", ["`open`", "below your home"]),
        ({"app": "gimp", "open": "a\0b"}, "bad_options", ["`open`", "below your home"]),
        ({"app": "gimp", "open": ""}, "bad_options", ["`open`", "below your home"]),
    ],
)
def test_bad_options_are_refused_with_a_sentence(
    catalog: Catalog, options: dict[str, Any], reason: str, words: list[str]
) -> None:
    with pytest.raises(SessionRefused) as refused:
        plan(catalog, options)
    assert refused.value.reason == reason
    assert refused.value.status == 400
    assert all(word in refused.value.message for word in words), refused.value.message
    assert len(refused.value.message) < 300
    assert refused.value.message.isprintable(), "databases and logs take it"


def test_template_wins_over_the_admins_policy_and_that_over_the_built_in(tmp_path: Path) -> None:
    (tmp_path / "kiosk.yaml").write_text("name: kiosk\ntitle: Kiosk\ncommand: [xterm]\npolicy:\n  clipboard: none\n")
    planned = plan(load_catalog([tmp_path]), {"app": "kiosk"}, clipboard="in", max_fps=24)
    assert planned is not None
    assert (planned.policy.clipboard, planned.policy.max_fps) == ("none", 24)
    assert planned.policy.max_viewers == Policy().max_viewers


@pytest.mark.parametrize(
    ("app", "memory_sleep", "policy", "gives_up"),
    [
        ("chromium", True, {"browser_sandbox": False}, True),
        ("chromium", False, {"browser_sandbox": False}, False),
        ("chromium", True, {"browser_sandbox": True}, False),
        ("chromium", True, {}, False),
        ("gimp", True, {"browser_sandbox": False}, False),
        ("firefox", True, {"browser_sandbox": False}, False),
    ],
)
def test_a_browser_gives_its_sandbox_up_where_its_policy_says_so_and_that_lets_it_sleep_with_its_memory(
    catalog: Catalog, app: str, memory_sleep: bool, policy: dict[str, Any], gives_up: bool
) -> None:
    planned = plan(catalog, {"app": app}, memory_sleep=memory_sleep, **policy)
    assert planned is not None
    own = catalog.get(app).template
    assert (planned.template != own) is gives_up
    assert ("--no-sandbox" in planned.template.command) is gives_up
    assert planned.template.sleep.memory == ("yes" if gives_up else own.sleep.memory)


def test_without_a_sandbox_an_app_is_what_it_was_but_for_what_its_template_says() -> None:
    template = AppTemplate.model_validate(
        {
            "name": "web",
            "title": "Web",
            "command": ["web", "--new", "%F"],
            "environment": {"A": "1", "B": "1"},
            "sleep": {"memory": "no", "freeze_after": 60},
            "without_sandbox": {"arguments": ["--open"], "environment": {"B": "2"}},
        }
    )
    bare = template.unsandboxed
    assert bare.command == ["web", "--open", "--new", "%F"]
    assert bare.environment == {"A": "1", "B": "2"}
    assert (bare.sleep.memory, bare.sleep.freeze_after) == ("yes", 60)
    assert bare.unsandboxed == bare
    with pytest.raises(ValueError, match="STREAMSPACE_X is reserved"):
        AppTemplate.model_validate(
            {**template.model_dump(), "without_sandbox": {"environment": {"STREAMSPACE_X": "1"}}}
        )


def test_environment_is_the_contracts(catalog: Catalog) -> None:
    planned = plan(catalog, {"app": "gimp", "open": "pictures/a cat.png"})
    assert planned is not None
    variables = planned.environment(marker="abc.1", home="/home/ann")
    assert AppTemplate.model_validate_json(variables["STREAMSPACE_TEMPLATE"]) == catalog.get("gimp").template
    assert Policy.model_validate_json(variables["STREAMSPACE_POLICY"]) == planned.policy
    assert variables["STREAMSPACE_OPEN"] == "/home/ann/pictures/a cat.png"
    assert variables["STREAMSPACE_SESSION"] == "abc.1"
    assert json.loads(variables["STREAMSPACE_TEMPLATE"])["command"]


def test_every_setting_is_in_the_reference() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "spawner.md").read_text()
    for configurable in (StreamSpace, LocalStreamSpaceSpawner):
        for name, trait in configurable.class_own_traits(config=True).items():
            assert f"| `{name}` |" in text, name
            assert trait.help.strip()
