"""What use costs."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from streamspace_hub.model.prices import Prices, Used


@pytest.mark.parametrize(
    ("prices", "cost"),
    [
        ({}, 0),
        ({"session_hour": 0.5}, 1.0),
        ({"core_hour": 0.02}, 0.16),
        ({"gib_hour": 0.005, "gpu_hour": 1}, 2.08),
    ],
)
def test_each_thing_has_its_price_by_the_hour(prices: dict[str, float], cost: float) -> None:
    two_hours = Used(seconds=7200, core_seconds=4 * 7200, gib_seconds=8 * 7200, gpu_seconds=7200)
    assert Prices(**prices).cost(two_hours) == pytest.approx(cost)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"currency": "euro"}, {"core_hour": -1}, {"gpu": 1}])
def test_a_price_table_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Prices.model_validate(wrong)
