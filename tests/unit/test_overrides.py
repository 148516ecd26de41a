"""What administrators override: it wins over everything but the configuration's own override, whoever it is for."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamspace_hub.model import Policy, PolicyDefaults, resolve_policy
from streamspace_hub.model.explain import explain
from streamspace_hub.model.layers import Source, Who, of_groups
from streamspace_hub.model.overrides import NOTHING, Override, Overrides
from streamspace_hub.model.policy import Policies, policy_layers
from streamspace_hub.model.quota import Quotas, limits_of, storage_of, together_of
from streamspace_hub.model.rolling import budgets_together, grants_of
from streamspace_hub.model.sleep import Ladder, SleepChoice, SleepRules, refusal_of, resolve
from streamspace_hub.service.database import Database
from streamspace_hub.service.overrides import OverrideStore, locked, replace

OVERRIDES = Overrides.model_validate(
    {
        "everybody": {"policy": {"max_fps": 20}, "quota": {"sessions": 3}, "sleep": {"stop_after": 3600}},
        "groups": {
            "exam": {"policy": {"clipboard": "none"}, "quota": {"sessions": 1, "gpus": 0}},
            "lab": {"quota": {"sessions": 2}, "sleep": {"stop_after": 0}},
        },
        "users": {"ann": {"policy": {"clipboard": "out", "max_fps": 60}, "quota": {"sessions": 0}}},
    }
)
RULES = Policies.model_validate(
    {"groups": {"exam": {"max_fps": 50}}, "users": {"ann": {"max_fps": 120, "audio": False}}}
)


@pytest.mark.parametrize(
    ("who", "values"),
    [
        (Who("eve"), {"max_fps": (20, Source("admin")), "clipboard": ("both", Source("built-in"))}),
        (
            Who("eve", ["exam"]),
            {"max_fps": (20, Source("admin")), "clipboard": ("none", Source("admin for group", "exam"))},
        ),
        (
            Who("ann", ["exam"]),
            {
                "max_fps": (60, Source("admin for user")),
                "clipboard": ("out", Source("admin for user")),
                "audio": (False, Source("user")),
            },
        ),
    ],
)
def test_an_override_wins_the_nearest_first(who: Who, values: dict[str, Any]) -> None:
    found = resolve_policy(
        *policy_layers(PolicyDefaults(max_fps=30), PolicyDefaults(), RULES, who), OVERRIDES.policy(who)
    )
    assert {name: (getattr(found.policy, name), found.sources[name]) for name in values} == values


@pytest.mark.parametrize(
    ("user", "groups", "limits"),
    [
        ("eve", (), {"sessions": (3, "admin", None), "cpu": (4, "hub", None)}),
        (
            "eve",
            ("exam", "lab"),
            {
                "sessions": (2, "admin for group", "lab"),
                "cpu": (4, "hub", None),
                "gpus": (0, "admin for group", "exam"),
            },
        ),
        ("ann", ("lab",), {"sessions": (0, "admin for user", None), "cpu": (4, "hub", None)}),
    ],
)
def test_limits_are_overridden_each_by_itself(user: str, groups: tuple[str, ...], limits: dict[str, Any]) -> None:
    quotas = Quotas.model_validate({"default": {"sessions": 9, "cpu": 4}, "users": {"ann": {"sessions": 5}}})
    found = limits_of(quotas, user, groups, OVERRIDES.quotas)
    assert {kind: (one.amount, one.source, one.group) for kind, one in found.items()} == limits


def test_hours_budgets_and_files_are_overridden_too() -> None:
    lab = {"session_hours": {"hours": 5, "days": 7}, "budget": {"amount": 9, "days": 1}, "storage": "1G"}
    admin = Overrides.model_validate({"groups": {"lab": {"quota": lab}}}).quotas
    own = {"session_hours": {"hours": 50, "days": 7}, "budget": {"amount": 1, "days": 1}, "storage": "2G"}
    quotas = Quotas.model_validate({"users": {"ann": own}})
    found = [(one.kind, one.amount, one.source, one.group) for one in grants_of(quotas, "ann", ["lab"], admin)]
    assert found == [("session_hours", 5, "admin for group", "lab"), ("budget", 9, "admin for group", "lab")]
    files = storage_of(quotas, "ann", ["lab"], admin)
    assert files is not None
    assert (files.amount, files.origin) == (2**30, "the quota that an administrator has set for group lab")


def test_what_a_group_has_together_is_overridden_each_by_itself() -> None:
    quotas = Quotas.model_validate(
        {"together": {"lab": {"sessions": 9, "gpus": 4, "budget": {"amount": 1, "days": 1}}}}
    )
    lab = {"sessions": 2, "budget": {"amount": 5, "days": 30}}
    admin = Overrides.model_validate({"groups": {"lab": {"together": lab}, "exam": {"together": lab}}}).quotas
    limits = {kind: (one.amount, one.origin) for kind, one in together_of(quotas, "lab", admin).items()}
    assert limits == {
        "sessions": (2, "the quota that an administrator has set for group lab for all its members together"),
        "gpus": (4, "the quota of group lab for all its members together"),
    }
    (budget,) = budgets_together(quotas, ["lab"], admin)
    assert (budget.amount, budget.days, budget.source, budget.together) == (5, 30, "admin for group", True)
    assert together_of(quotas, "other", admin) == {}


def test_the_ladder_is_overridden_and_leaves_no_choice() -> None:
    who = Who("eve", ["lab"])
    rules = SleepRules(default=Ladder(freeze_after=600), override=Ladder(delete_after=5000))
    choice = SleepChoice(stop_after=60, freeze_after=300)
    admin = Overrides.model_validate(OVERRIDES.model_dump() | {"users": {"eve": {"sleep": {"delete_after": 900}}}})
    found = resolve(rules, Ladder(stop_after=7200), who, choice, admin.sleep(who))
    assert (found.ladder.stop_after, found.sources["stop_after"]) == (0, Source("admin for group", "lab"))
    assert found.bounds["stop_after"] == 0
    assert (found.ladder.freeze_after, found.sources["freeze_after"]) == (300, Source("own choice"))
    assert (found.ladder.delete_after, found.sources["delete_after"]) == (5000, Source("override"))
    assert (
        refusal_of(SleepChoice(stop_after=60), resolve(rules, Ladder(), Who("eve"), None, OVERRIDES.sleep(Who("eve"))))
        is None
    )
    assert refusal_of(
        SleepChoice(stop_after=0), resolve(rules, Ladder(), Who("eve"), None, OVERRIDES.sleep(Who("eve")))
    )


DEFAULTS = st.builds(
    PolicyDefaults,
    clipboard=st.none() | st.sampled_from(["both", "in", "out", "none"]),
    audio=st.none() | st.booleans(),
    max_viewers=st.none() | st.integers(1, 200),
)
RULES_OF = st.dictionaries(st.sampled_from("abcd"), DEFAULTS)


@given(DEFAULTS, DEFAULTS, RULES_OF, DEFAULTS, RULES_OF, DEFAULTS, DEFAULTS)
def test_whatever_the_configuration_says_an_override_wins(  # noqa: PLR0917 - every layer
    default: PolicyDefaults,
    app: PolicyDefaults,
    groups: dict[str, PolicyDefaults],
    own: PolicyDefaults,
    forced_groups: dict[str, PolicyDefaults],
    forced_own: PolicyDefaults,
    everybody: PolicyDefaults,
) -> None:
    overrides = Overrides(
        everybody=Override(policy=everybody),
        groups={name: Override(policy=one) for name, one in forced_groups.items()},
        users={"ann": Override(policy=forced_own)},
    )
    found = []
    for order in itertools.islice(itertools.permutations("abcd"), 0, 24, 7):
        who = Who("ann", order)
        layers = policy_layers(default, app, Policies(groups=groups, users={"ann": own}), who)
        found.append(resolve_policy(*layers, overrides.policy(who)))
        without = resolve_policy(*layers)
    assert all(one == found[0] for one in found), "whatever the order of groups"
    for name in Policy.model_fields:
        value, source = getattr(found[0].policy, name), found[0].sources[name]
        of_them = [one for one in forced_groups.values() if getattr(one, name) is not None]
        if (wanted := getattr(forced_own, name)) is not None:
            assert (value, source) == (wanted, Source("admin for user"))
        elif of_them:
            assert source.by == "admin for group"
        elif (wanted := getattr(everybody, name)) is not None:
            assert (value, source) == (wanted, Source("admin"))
        else:
            assert (value, source) == (getattr(without.policy, name), without.sources[name])


@pytest.mark.parametrize(
    ("bad", "where", "said"),
    [
        ({"quota": {"gpus": True}}, "quota.gpus", "must be a whole number, not true."),
        ({"policy": {"max_fps": "30"}}, "policy.max_fps", "must be a whole number, not `30`."),
        ({"policy": {"busy_processes": "make"}}, "policy.busy_processes", "must be a list, e.g. `[a, b]`, not `make`."),
        ({"quota": {"session_hours": {"hours": "2", "days": 1}}}, "quota.session_hours.hours", "must be a number"),
        ({"sleep": {"stop_after": 3}}, "sleep.stop_after", "use 0 (never) or 30 to 31536000 seconds"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_name(bad: dict[str, Any], where: str, said: str) -> None:
    with pytest.raises(ValidationError) as error:
        Override.model_validate(bad)
    (complaint,) = explain(error.value, Override)
    assert complaint.field == where
    assert said in complaint.message


def test_whole_numbers_may_be_written_with_a_point() -> None:
    written = {"quota": {"sessions": 3.0, "cpu": 2}, "sleep": {"stop_after": 3600.0}, "policy": {"clipboard": "none"}}
    assert Override.model_validate(written).sleep.stop_after == 3600


def test_without_rules_groups_say_nothing_and_nothing_is_overridden() -> None:
    who = Who("ann", ["a", "b"])
    assert of_groups({}, who, {}) == NOTHING.policy(who) == NOTHING.sleep(who) == {}
    assert limits_of(Quotas(), "ann", ["a"], NOTHING.quotas) == {}


async def test_what_is_stored_is_read_again_and_an_empty_one_is_gone(database: Database) -> None:
    store = OverrideStore(database)
    assert await store.current() == NOTHING
    exam = Override.model_validate({"policy": {"clipboard": "none", "busy_processes": ["make"]}})
    for kind, name, override in (("group", "exam", exam), ("user", "ann", exam), ("user", "ann", Override())):
        async with database.writing() as session:
            before = await locked(session, kind, name)  # type: ignore[arg-type]
            await replace(session, kind, name, override)  # type: ignore[arg-type]
        assert before == (Override() if override == exam else exam)
    found = await store.current()
    assert found == Overrides(groups={"exam": exam})
    assert await store.current() is found, "nothing was changed"
