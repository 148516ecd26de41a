"""A list of sessions says how many there are, up to a limit."""

from __future__ import annotations

import pytest

from streamspace_hub.service.database import Database
from streamspace_hub.service.routes import sessions
from streamspace_hub.service.tables import SessionRow


@pytest.mark.parametrize(("most", "counted"), [(3, 3), (5, 5), (6, 5)])
async def test_they_are_counted_up_to_a_limit(
    database: Database, monkeypatch: pytest.MonkeyPatch, most: int, counted: int
) -> None:
    monkeypatch.setattr(sessions, "MOST_COUNTED", most)
    async with database.writing() as session:
        session.add_all(
            SessionRow(user="ann", name=f"n{number}", app="gimp", title="GIMP", state="stopped", url="/")
            for number in range(5)
        )
    async with database.reading() as session:
        assert await sessions._count(session, [SessionRow.app == "gimp"]) == counted
        assert await sessions._count(session, [SessionRow.app == "other"]) == 0
