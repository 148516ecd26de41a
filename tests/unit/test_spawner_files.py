"""What users' files take: measured by the real du(1)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from streamspace_spawner import files
from streamspace_spawner.files import Measured, disk_usage

MB = 2**20


def fill(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


async def test_what_is_on_the_disk_counts_and_what_a_link_leads_to_does_not(tmp_path: Path) -> None:
    home = tmp_path / "home"
    fill(home / "pictures/cat.png", 3 * MB)
    fill(home / ".streamspace/sleep/gimp/memory", MB)
    fill(tmp_path / "elsewhere", 8 * MB)
    (home / "link").symlink_to(tmp_path / "elsewhere")
    with (home / "sparse").open("wb") as sparse:
        sparse.truncate(64 * MB)
    found = await disk_usage(str(home))
    assert found is not None
    assert 4 * MB <= found < 5 * MB
    (tmp_path / "way").symlink_to(home)
    assert await disk_usage(str(tmp_path / "way")) == found, "the home itself may be a link"


async def test_of_what_is_not_there_nothing_is_known(tmp_path: Path) -> None:
    assert await disk_usage(str(tmp_path / "nobody")) is None


async def test_what_was_written_while_a_walk_was_under_way_is_counted_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(folder: str) -> int | None:
        found = await disk_usage(folder)
        begun.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(files, "disk_usage", slowly)
    measured, home = Measured(), str(tmp_path)
    assert await measured.within(home, 0) is None, "nobody waits for a walk"
    await begun.wait()
    fill(tmp_path / "more", MB)
    task = measured.measure(home)
    go_on.set()
    await task
    known = measured.known(home)
    assert known is not None
    assert known >= MB
