"""The documentation's table of apps that sleep with their memory: as the catalog has it, and as the test writes it."""

from __future__ import annotations

from streamspace_hub.catalog import load_catalog
from streamspace_hub.model.app import MemorySleep
from tests.support.sleep_table import BEGIN, END, HEAD, TABLE, Row, verdicts_on, written


def test_the_table_says_what_the_catalog_says() -> None:
    text, catalog = TABLE.read_text(), load_catalog()
    for template in (catalog.get(name).template for name in catalog.apps):
        said = verdicts_on(text, template.title)
        untested = template.sleep.memory is MemorySleep.UNTESTED
        assert said == (set() if untested else {template.sleep.memory.value}), template.title


def test_what_was_found_takes_the_tables_place_and_nothing_elses() -> None:
    rows = [
        Row("B, one part", "2", MemorySleep.YES, 12_345_678),
        Row("A", "1.0", MemorySleep.NO),
        Row("A, without", "1.0", MemorySleep.YES),
    ]
    lines = "| A | 1.0 | no |  |\n| A, without | 1.0 | yes |  |\n| B, one part | 2 | yes | 12 MB |\n"
    text = written(f"before\n{BEGIN}{HEAD}| A | 0.9 | yes | 1 MB |\n{END}after\n", rows)
    assert text == f"before\n{BEGIN}{HEAD}{lines}{END}after\n"
    assert written(text, rows[:1]) == text
    assert [verdicts_on(text, app) for app in ("A", "B", "C")] == [{"no"}, {"yes"}, set()]
