"""Who wins in a policy, what several groups give together, and where each value comes from."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamspace_hub.model import ClipboardDirection, Policy, PolicyDefaults, resolve_policy
from streamspace_hub.model.explain import explain
from streamspace_hub.model.layers import Source, Who
from streamspace_hub.model.policy import JOINS, Policies, policy_layers

RULES = Policies.model_validate(
    {
        "groups": {
            "exam": {"clipboard": "none", "max_viewers": 1},
            "lab": {"clipboard": "in", "busy_cpu": 0, "busy_processes": ["make", "rsync"]},
            "staff": {"clipboard": "out", "microphone": True, "busy_cpu": 2, "busy_processes": ["ffmpeg"]},
            "students": {"microphone": False, "max_viewers": 2, "busy_cpu": 1},
        },
        "users": {"ann": {"max_viewers": 5}, "bob": {"clipboard": "none"}},
    }
)
DEFAULT = PolicyDefaults(max_fps=30, max_viewers=3, audio=False)
APP = PolicyDefaults(max_fps=10)


@pytest.mark.parametrize(
    ("user", "groups", "values"),
    [
        (
            "eve",
            (),
            {
                "max_fps": (10, Source("app")),
                "max_viewers": (3, Source("hub")),
                "audio": (False, Source("hub")),
                "clipboard": ("both", Source("built-in")),
            },
        ),
        ("eve", ("exam", "unknown"), {"clipboard": ("none", Source("group", "exam"))}),
        ("eve", ("exam", "lab"), {"clipboard": ("in", Source("group", "lab"))}),
        ("eve", ("staff", "lab"), {"clipboard": ("both", Source("group", "lab, staff"))}),
        ("eve", ("students", "exam"), {"max_viewers": (2, Source("group", "students"))}),
        ("eve", ("students", "staff"), {"microphone": (True, Source("group", "staff"))}),
        ("eve", ("students", "staff", "lab"), {"busy_cpu": (1, Source("group", "students"))}),
        ("eve", ("lab",), {"busy_cpu": (0, Source("group", "lab"))}),
        (
            "eve",
            ("staff", "lab"),
            {"busy_processes": (("ffmpeg", "make", "rsync"), Source("group", "lab, staff"))},
        ),
        ("ann", ("exam",), {"max_viewers": (5, Source("user")), "clipboard": ("none", Source("group", "exam"))}),
        ("bob", ("staff",), {"clipboard": ("none", Source("user"))}),
    ],
)
def test_the_nearest_layer_counts_and_groups_give_together(
    user: str, groups: tuple[str, ...], values: Mapping[str, Any]
) -> None:
    found = resolve_policy(*policy_layers(DEFAULT, APP, RULES, Who(user, groups)))
    assert {name: (getattr(found.policy, name), found.sources[name]) for name in values} == values
    assert found.sources.keys() == Policy.model_fields.keys()


def test_each_setting_says_what_several_groups_give() -> None:
    assert JOINS.keys() == Policy.model_fields.keys()


def test_without_any_layer_the_built_in_values_hold() -> None:
    assert resolve_policy().policy == Policy()


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (
            {"groups": {"exam": {"clipbord": "none"}}},
            ("groups.exam.clipbord", "there is no such field; did you mean `clipboard`?"),
        ),
        ({"users": {"ann": {"clipboard": "on"}}}, ("users.ann.clipboard", "use one of: both, in, out, none")),
        ({"default": {}}, ("default", "Accepted here: groups, users.")),
    ],
)
def test_what_is_no_policy_is_refused_by_name(bad: Mapping[str, Any], said: tuple[str, str]) -> None:
    with pytest.raises(ValidationError) as error:
        Policies.model_validate(bad)
    complaint = explain(error.value, Policies)[0]
    assert complaint.field == said[0]
    assert said[1] in complaint.message


DEFAULTS = st.builds(
    PolicyDefaults,
    clipboard=st.none() | st.sampled_from(ClipboardDirection),
    audio=st.none() | st.booleans(),
    max_fps=st.none() | st.integers(1, 120),
    busy_cpu=st.none() | st.integers(0, 4).map(float),
    busy_processes=st.none() | st.lists(st.sampled_from(["a", "b", "c"]), unique=True).map(tuple),
)
GROUPS = st.dictionaries(st.sampled_from("defgh"), DEFAULTS, max_size=4)


def ways(policy: Policy) -> set[str]:
    """Return what the policy lets through the clipboard."""
    return {"both": {"in", "out"}, "none": set()}.get(policy.clipboard, {str(policy.clipboard)})


@given(GROUPS, st.data())
def test_a_user_of_more_groups_loses_nothing_that_a_group_gives(groups: dict[str, PolicyDefaults], data: Any) -> None:
    rules = Policies(groups=groups)
    all_of_them = resolve_policy(*policy_layers(DEFAULT, APP, rules, Who("ann", groups))).policy
    if not groups:
        assert all_of_them == resolve_policy(*policy_layers(DEFAULT, APP, rules, Who("ann"))).policy
        return
    one = groups[data.draw(st.sampled_from(sorted(groups)))]
    alone = resolve_policy(*policy_layers(DEFAULT, APP, Policies(groups={"x": one}), Who("ann", ["x"]))).policy
    if one.clipboard is not None:
        assert ways(alone) <= ways(all_of_them)
    if one.audio is not None:
        assert alone.audio <= all_of_them.audio
    if one.max_fps is not None:
        assert alone.max_fps <= all_of_them.max_fps
    if one.busy_cpu:
        assert 0 < all_of_them.busy_cpu <= alone.busy_cpu
    if one.busy_processes is not None:
        assert set(alone.busy_processes) <= set(all_of_them.busy_processes)


@given(GROUPS, DEFAULTS)
def test_the_order_of_groups_changes_nothing(groups: dict[str, PolicyDefaults], own: PolicyDefaults) -> None:
    rules = Policies(groups=groups, users={"ann": own})
    found = [
        resolve_policy(*policy_layers(DEFAULT, APP, rules, Who("ann", order)))
        for order in itertools.islice(itertools.permutations(groups), 24)
    ]
    assert all(one == found[0] for one in found)
    for name, value in own:
        if value is not None:
            assert getattr(found[0].policy, name) == value
            assert found[0].sources[name] == Source("user")
