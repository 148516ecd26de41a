"""Quiet hours: from `mon-fri 22:00-06:00` to a span of time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from streamspace_hub.model.sleep import DAYS


def quiet_span(hours: Sequence[str], now: float, zone: str) -> tuple[float, float] | None:
    """Return begin and end of the quiet hours that are now, else of the next ones; None without any.

    Args:
        hours: texts as in `Ladder.quiet_hours`.
        now: seconds since 1970.
        zone: name of the time zone that the texts mean.
    """
    here = ZoneInfo(zone)
    today = datetime.fromtimestamp(now, here).date()
    # Eight days ahead: hours of one day in a week come again.
    days = [today + timedelta(days=offset) for offset in range(-1, 9)]
    spans = sorted(span for text in hours for day in days for span in _span(text, day, here) if span[1] > now)
    return spans[0] if spans else None


def _span(text: str, day: date, zone: ZoneInfo) -> Iterator[tuple[float, float]]:
    names, _, times = text.rpartition(" ")
    if names and not _falls_on(names, day):
        return
    begin, end = (time.fromisoformat(part) for part in times.split("-"))
    last = day if end > begin else day + timedelta(days=1)
    yield (datetime.combine(day, begin, zone).timestamp(), datetime.combine(last, end, zone).timestamp())


def _falls_on(names: str, day: date) -> bool:
    first, _, last = names.partition("-")
    begin, end = DAYS.index(first), DAYS.index(last or first)
    return (day.weekday() - begin) % 7 <= (end - begin) % 7
