"""The audit log's copy at a real rsyslog, by TLS: whole, also after the server was away, and as its file has it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import make_certificate
from tests.support.hub import HUB_MAJOR, free_ports
from tests.support.rsyslog import rsyslog
from tests.support.service import LIMIT, Api, replicas

pytestmark = [
    pytest.mark.hub,
    pytest.mark.skipif(HUB_MAJOR < 6, reason="the copy is the service's own, whatever the hub"),
]


async def test_rsyslog_has_the_whole_log_also_after_it_was_away(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "localhost")
    (port,) = free_ports(1)
    environment = {"STREAMSPACE_SYSLOG": f"tls://localhost:{port}", "SSL_CERT_FILE": str(certificate[0])}
    async with replicas(1, **environment) as (running, (replica,)):
        ann = await running.api(running.ann, replica.url)
        with rsyslog(tmp_path, port, certificate):
            await choose(ann, running.ann, "gimp")
            await until(tmp_path / "text", 1)
        await choose(ann, running.ann, "drawing")
        assert (await ann("GET", "/audit")).status_code == 403
        with rsyslog(tmp_path, port, certificate):
            lines = await until(tmp_path / "text", 3)
    assert [(line["seq"], line["action"]) for line in lines] == [
        (1, "settings.write"), (2, "settings.write"), (3, "audit.read"),
    ]  # fmt: skip
    assert (tmp_path / "head").read_text().splitlines() == [
        "audit.info streamspace settings.write",
        "audit.info streamspace settings.write",
        "audit.warning streamspace audit.read",
    ]
    command = (sys.executable, "-P", "-m", "streamspace_hub.cli", "audit", "verify", str(tmp_path / "text"))
    checking = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said = (await checking.communicate())[0].decode()
    assert checking.returncode == 0, said
    assert "3" in said


async def choose(ann: Api, user: str, favorite: str) -> None:
    """Change a user's settings, which the audit log tells of."""
    path = f"/users/{user}/settings"
    seen = await ann("GET", path)
    done = await ann("PUT", path, json={"favorites": [favorite]}, headers={"If-Match": seen.headers["etag"]})
    assert done.status_code == 200, done.text


async def until(file: Path, count: int) -> list[dict[str, Any]]:
    """Wait until a file has so many lines; return them."""
    async with asyncio.timeout(LIMIT):
        while not file.exists() or len(lines := file.read_text("utf-8-sig").splitlines()) < count:
            await asyncio.sleep(0.1)
    return [json.loads(line.removeprefix("\ufeff")) for line in lines]
