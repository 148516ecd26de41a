"""What the shared models promise beyond their field types."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from streamspace_hub.model import (
    AppTemplate,
    Policy,
    PolicyDefaults,
    SessionOptions,
)
from streamspace_hub.model.app import memory_bytes
from streamspace_hub.model.explain import explain


def test_the_template_of_a_policy_has_the_fields_and_limits_of_the_policy() -> None:
    general, defaults = (model.model_json_schema()["properties"] for model in (Policy, PolicyDefaults))
    assert general.keys() == defaults.keys()
    for name, schema in general.items():
        limits = next(part for part in defaults[name]["anyOf"] if part.get("type") != "null")
        assert {k: v for k, v in schema.items() if k in ("minimum", "maximum")} == {
            k: v for k, v in limits.items() if k in ("minimum", "maximum")
        }


@pytest.mark.parametrize(("text", "size"), [("1K", 1024), ("1.5G", 1.5 * 2**30), ("2T", 2 * 2**40)])
def test_memory_counts_as_jupyterhub_counts(text: str, size: float) -> None:
    assert memory_bytes(text) == size


@pytest.mark.parametrize("name", ["a", "gimp", "text-editor", "r2-d2", "a" * 30])
def test_a_name_can_be_a_servers_name(name: str) -> None:
    assert AppTemplate(name=name, title="x", command=["x"]).name == name


@pytest.mark.parametrize("name", ["", "A", "2d", "-a", "a-", "a--b", "a_b", "a/b", "a\n", "ä", "a" * 31])
def test_a_name_that_no_server_could_have_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        AppTemplate(name=name, title="x", command=["x"])


@pytest.mark.parametrize("command", [[], [""], ["%F"], [" "], ["x", ""], ["x", "a\0b"], ["x", "%f", "%F"]])
def test_a_command_that_cannot_be_run_is_refused(command: list[str]) -> None:
    with pytest.raises(ValidationError):
        AppTemplate(name="x", title="x", command=command)


def test_complaints_about_user_options_name_field_and_accepted_values() -> None:
    with pytest.raises(ValidationError) as raised:
        SessionOptions.model_validate({"app": "No App", "size": "big"})
    said = [(complaint.field, complaint.message) for complaint in explain(raised.value, SessionOptions)]
    assert said[0][0] == "app"
    assert said[0][1].startswith("`No App` is not accepted; use lower-case letters, digits")
    assert said[1] == ("size", "there is no such field; Accepted here: app, open, queue.")
