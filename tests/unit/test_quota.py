"""Which limits a user has, and whether one more session fits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamspace_hub.model.app import Resources
from streamspace_hub.model.quota import (
    Entry,
    Quotas,
    Running,
    hours_of,
    hours_refusal,
    limits_of,
    longest_window,
    refusal_of,
)

QUOTAS = Quotas.model_validate(
    {
        "default": {"sessions": 2, "memory": "4G"},
        "groups": {"staff": {"sessions": 5, "cpu": 8}, "guests": {"sessions": 1}},
        "users": {"ann": {"sessions": 0}, "bob": {"memory": "64G"}},
    }
)


def running(title: str = "GIMP", **resources: Any) -> Running:
    return Running(title, Resources(**resources))


@pytest.mark.parametrize(
    ("user", "groups", "limits"),
    [
        ("eve", (), {"sessions": (2, "this hub"), "memory": (4, "this hub")}),
        ("eve", ("guests",), {"sessions": (1, "group guests"), "memory": (4, "this hub")}),
        (
            "eve",
            ("guests", "staff", "unknown"),
            {"sessions": (5, "group staff"), "cpu": (8, "group staff"), "memory": (4, "this hub")},
        ),
        ("ann", ("staff",), {"sessions": (0, "own"), "cpu": (8, "group staff"), "memory": (4, "this hub")}),
        ("bob", (), {"sessions": (2, "this hub"), "memory": (64, "own")}),
    ],
)
def test_the_nearest_limit_counts(user: str, groups: tuple[str, ...], limits: dict[str, tuple[float, str]]) -> None:
    found = limits_of(QUOTAS, user, groups)
    scale = {"sessions": 1, "cpu": 1, "memory": 2**30}
    assert {kind: limit.amount / scale[kind] for kind, limit in found.items()} == {
        kind: amount for kind, (amount, _) in limits.items()
    }
    assert all(source in found[kind].origin for kind, (_, source) in limits.items())  # type: ignore[index]


def test_without_quotas_everything_fits() -> None:
    limits = limits_of(Quotas(), "ann", ("staff",))
    assert refusal_of(limits, [running()] * 50, running(cpu_limit=99, mem_limit="1T")) is None


@pytest.mark.parametrize(
    ("user", "already", "wanted", "said"),
    [
        ("eve", 1, running(), None),
        (
            "eve",
            2,
            running("QGIS"),
            "QGIS needs 1 session; the quota of this hub is 2 sessions, in use: 2 sessions. "
            "Stop a session first: GIMP, GIMP.",
        ),
        (
            "ann",
            0,
            running(),
            "GIMP needs 1 session; your own quota is 0 sessions, in use: 0 sessions. Ask your administrator for more.",
        ),
        (
            "eve",
            0,
            running("Blender", mem_limit="6G"),
            "Blender needs 6 GiB of memory; the quota of this hub is 4 GiB of memory, in use: 0 GiB of memory. "
            "Ask your administrator for more.",
        ),
        ("eve", 0, running(mem_limit="4G"), None),
        ("eve", 0, running(mem_guarantee="5G"), "5 GiB"),
    ],
)
def test_the_sentence_says_which_limit_how_much_is_used_and_what_to_do(
    user: str, already: int, wanted: Running, said: str | None
) -> None:
    refused = refusal_of(limits_of(QUOTAS, user, ()), [running()] * already, wanted)
    assert (refused is None) == (said is None)
    assert said is None or said in (refused or "")


@given(st.lists(st.floats(min_value=0.1, max_value=8), max_size=8), st.floats(min_value=0.1, max_value=8))
def test_what_is_let_in_never_adds_up_to_more_than_the_limit(wishes: list[float], limit: float) -> None:
    limits = limits_of(Quotas.model_validate({"default": {"cpu": limit}}), "ann", ())
    admitted: list[Running] = []
    for wish in wishes:
        wanted = running(cpu_limit=wish)
        if refusal_of(limits, admitted, wanted) is None:
            admitted.append(wanted)
    assert sum(one.resources.cpu_limit or 0 for one in admitted) <= limit + 1e-9


def test_gpus_at_once_bind_apps_with_a_gpu() -> None:
    limits = limits_of(Quotas.model_validate({"default": {"gpus": 2}, "users": {"bob": {"gpus": 0}}}), "ann", ())
    blender = running("Blender", gpu={"count": 1})
    assert refusal_of(limits, [blender], blender) is None
    assert refusal_of(limits, [blender, blender], running("GIMP")) is None
    said = refusal_of(limits, [blender, blender], running("Train", gpu={"count": 1}))
    assert said == (
        "Train needs 1 GPU; the quota of this hub is 2 GPUs, in use: 2 GPUs. Stop a session first: Blender, Blender."
    )


@pytest.mark.parametrize("bad", [{"default": {"session": 1}}, {"default": {"memory": "lots"}}, {"user": {}}])
def test_what_is_no_quota_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Quotas.model_validate(bad)


HOURS = Quotas.model_validate(
    {
        "default": {"session_hours": {"hours": 2, "days": 1}},
        "groups": {
            "lab": {"session_hours": {"hours": 21, "days": 7}, "gpu_hours": {"hours": 1, "days": 7}},
            "staff": {"session_hours": {"hours": 100, "days": 30}},
        },
        "users": {"ann": {"session_hours": {"hours": 1, "days": 1}}},
    }
)


@pytest.mark.parametrize(
    ("user", "groups", "hours", "days", "origin"),
    [
        ("eve", (), 2, 1, ("hub", None)),
        ("eve", ("lab",), 21, 7, ("group", "lab")),
        ("eve", ("lab", "staff"), 100, 30, ("group", "staff")),
        ("ann", ("staff",), 1, 1, ("user", None)),
    ],
)
def test_the_nearest_limit_of_hours_counts(
    user: str, groups: tuple[str, ...], hours: float, days: int, origin: tuple[str, str | None]
) -> None:
    grant = hours_of(HOURS, user, groups)["session_hours"]
    assert (grant.limit.hours, grant.limit.days, (grant.source, grant.group)) == (hours, days, origin)


def test_hours_that_are_used_up_say_so_and_when_some_are_free_again() -> None:
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC).timestamp()
    grants = hours_of(HOURS, "eve", ())
    two_hours = [Entry(now - 3 * 3600, now - 3600, 0)]
    assert hours_refusal(grants, two_hours[:0], running(), now) is None
    said = hours_refusal(grants, two_hours, running("GIMP"), now)
    assert said == (
        "GIMP cannot start: the quota of this hub is 2 session-hours in a day, used: 2.0. "
        "Some are free again on 2026-11-25 09:01 UTC, if no session runs until then."
    )
    assert hours_refusal(grants, two_hours, running(), now + 22 * 3600) is None, "the window rolls"


def test_hours_of_gpus_bind_apps_with_a_gpu_and_count_each() -> None:
    now = 1_800_000_000.0
    grants = hours_of(HOURS, "eve", ("lab",))
    used = [Entry(now - 3600, now - 1800, 2), Entry(now - 7200, now - 3600, 0)]
    assert hours_refusal(grants, used, running("GIMP"), now) is None
    said = hours_refusal(grants, used, running("Blender", gpu={"count": 1}), now)
    assert said is not None
    assert "the quota of group lab is 1 GPU-hours in 7 days, used: 1.0." in said


def test_the_longest_window_is_what_has_to_be_known() -> None:
    assert (longest_window(HOURS), longest_window(QUOTAS)) == (30, 0)
