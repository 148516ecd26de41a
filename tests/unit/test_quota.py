"""Which limits a user has, and whether one more session fits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamspace_hub.model.app import Resources
from streamspace_hub.model.quota import (
    Quotas,
    Running,
    ever_fits,
    limits_of,
    refusal_of,
    storage_of,
    storage_refusal,
    together_of,
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


@pytest.mark.parametrize(
    ("user", "groups", "limit", "origin"),
    [("eve", (), 2, "hub"), ("eve", ("lab", "staff"), 50, "group"), ("ann", ("staff",), 1, "user")],
)
def test_the_nearest_limit_of_files_counts(user: str, groups: tuple[str, ...], limit: int, origin: str) -> None:
    found = storage_of(FILES, user, groups)
    assert found is not None
    assert (found.amount, found.source) == (limit * 2**30, origin)


FILES = Quotas.model_validate(
    {
        "default": {"storage": "2G"},
        "groups": {"lab": {"storage": "20G"}, "staff": {"storage": "50G"}},
        "users": {"ann": {"storage": "1G"}},
    }
)


def test_files_that_take_too_much_say_how_much_and_what_to_do() -> None:
    limit = storage_of(FILES, "ann", ())
    assert limit is not None
    assert storage_refusal(limit, 2**30 - 1, "GIMP") is None
    assert storage_refusal(limit, 3 * 2**29, "GIMP") == (
        "GIMP cannot start: your own quota is 1 GiB of files, in use: 1.5 GiB. Remove some first, or give up a session "
        "that sleeps: its memory counts, too."
    )
    assert (FILES.limit_storage, QUOTAS.limit_storage, storage_of(QUOTAS, "ann", ())) == (True, False, None)


TOGETHER = Quotas.model_validate({"together": {"course": {"sessions": 2, "memory": "8G"}}})


def test_what_a_group_may_take_together_counts_all_its_members() -> None:
    limits = together_of(TOGETHER, "course")
    assert refusal_of(limits, [running()], running("QGIS")) is None
    assert refusal_of(limits, [running(), running()], running("QGIS")) == (
        "QGIS needs 1 session; the quota of group course for all its members together is 2 sessions, in use: "
        "2 sessions. One of them has to end first."
    )
    assert together_of(TOGETHER, "other") == {}


@pytest.mark.parametrize(("memory", "worth_it"), [("8G", True), ("9G", False)])
def test_waiting_is_of_use_where_there_would_be_room_if_nothing_else_ran(memory: str, *, worth_it: bool) -> None:
    assert ever_fits(together_of(TOGETHER, "course"), running(mem_limit=memory)) is worth_it
