"""What the project means to reach, beside what was measured: absolute values for two cores without a GPU. Pure data.

They are aims, not limits: nothing fails by missing one. The ratio to a peer in the same run says more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.bench.streaming.way import MORE_BY_THE_HUB, through_hub

Values = tuple[float, ...]


@dataclass(frozen=True)
class Aim:
    """At most `values` (p50, p95, or one value) for a figure under these conditions.

    At least, where more is better (`MORE_IS_BETTER`).
    """

    figure: str
    conditions: Mapping[str, str]
    values: Values
    prototype: Values = ()
    """What the throw-away prototype did, that the engine was built after; empty: it was not measured."""


MORE_IS_BETTER = frozenset({"delivered frames", "service: mixed requests"})
HD, FULL_HD = {"size": "1280x720"}, {"size": "1920x1080"}
WIDE, NARROW, LOSS = ({"link": name} for name in ("40 ms, 8 Mbit/s", "40 ms, 2.5 Mbit/s", "40 ms, 1 % loss"))
STATIC, TERMINAL, MOTION = ({"content": name} for name in ("static", "terminal", "motion"))
CLICK = "click to photon"
AIMS = (
    Aim(CLICK, WIDE | MOTION, (78, 95), (82, 98)),
    Aim(CLICK, NARROW | MOTION, (85, 100), (88, 105)),
    Aim(CLICK, LOSS | MOTION, (150, 150)),
    Aim("delivered frames", NARROW | MOTION, (25,)),
    Aim(CLICK, HD | STATIC, (8, 11), (7.8, 10.8)),
    Aim(CLICK, HD | TERMINAL, (13, 22), (14.1, 25.6)),
    Aim(CLICK, FULL_HD | STATIC, (11, 15), (12.1, 15.9)),
    Aim(CLICK, FULL_HD | TERMINAL, (17, 28), (18.7, 30.6)),
    Aim(CLICK, FULL_HD | MOTION, (28, 38), (31.8, 39.4)),
    Aim(CLICK + MORE_BY_THE_HUB, {}, (4, 8)),
    Aim("delivered frames", FULL_HD | MOTION, (59,)),
    Aim("server side CPU", FULL_HD | MOTION, (55,), (61,)),
    Aim("server side CPU", STATIC, (0.5,), (0.5,)),
    Aim("to the browser", STATIC, (2,)),
    Aim("each further viewer", {}, (1.5,), (1.4,)),
    Aim("first picture", {}, (150, 150), (90, 130)),
    Aim("WebRTC takes over", {}, (1000, 1000)),
    Aim("picture back after an outage", {}, (1500, 1500)),
    Aim("streamer memory with one viewer", {}, (160,), (160,)),
    Aim("streamer memory for a viewer that stopped reading", {}, (30,)),
    Aim("display taken again, to the first frame", {}, (50, 50)),
    Aim("text crisp after its last change", {}, (0.5, 0.5)),
    Aim("streamer CPU for a tab", {"tab": "hidden"}, (0.5,)),
    Aim("back on the WebSocket after UDP ended", {}, (2000, 2000)),
    Aim("WebRTC given up after UDP ended, nothing to send", {}, (3000, 3000)),
    Aim("ICE failure noticed by the streamer", {}, (3000, 3000)),
    # Six pictures at 60 a second: from there on a still picture is seen.
    Aim("longest time without a picture while WebRTC takes over", {}, (100, 100)),
    Aim("sound/picture skew", {}, (80, 80)),
    Aim("freeze", {}, (20, 20)),
    Aim("thaw until the screen can be read", {}, (50, 50)),
    Aim("sleep command until the process tree is gone", {"app": "gimp"}, (2000, 4000)),
    Aim("wake until the screen can be read", {"app": "gimp"}, (1500, 3000)),
    Aim("input into a frozen session until the next frame", {}, (50, 50)),
    # A tick of the clock in ten seconds.
    Aim("CPU of a frozen session", {"part": "desktop"}, (0.1,)),
    Aim("sleep, longest hold of the supervisor's event loop", {}, (5, 5)),
    Aim("wake: click to first picture", {"from": "memory"}, (1.5, 3)),
    Aim("wake: click to first picture", {"from": "a stop"}, (8, 16)),
    Aim("session memory (PSS)", {"part": "all without the app"}, (350,)),
    Aim("ladder: one round", {}, (5000, 5000)),
    Aim("service: listing 1,000 sessions, all pages", {}, (100, 100)),
    # The median alone: the p95 of a difference is mostly the hub's own.
    Aim("service: session asked for: longer than the hub takes alone", {}, (30,)),
    Aim("service: mixed requests", {}, (200,)),
    Aim("service: resident memory of a replica", {}, (180,)),
    Aim("service: audit line written and durable", {}, (5, 5)),
    Aim("service: event after the hub knows, started elsewhere", {}, (200, 200)),
    Aim("service: policy and ladder of an app resolved", {}, (1, 1)),
    Aim("wall: service CPU", {}, (50,)),
    Aim("wall: browser CPU", {}, (50,)),
)
"""The first that fits counts, so what holds on a link stands before what holds without one."""


def aim(result: Mapping[str, Any]) -> Aim | None:
    """Return what is aimed at for a result of ours (`Figure.row`), if anything is.

    Through hub and proxy the aim is how little that adds; the absolute ones are meant for the streamer by itself.
    """
    figure, given = result["figure"], result["conditions"]
    if through_hub(result["variant"]) and not figure.endswith(MORE_BY_THE_HUB):
        return None
    for one in AIMS:
        if one.figure == figure and all(given.get(name) == value for name, value in one.conditions.items()):
            return one
    return None
