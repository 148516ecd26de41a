"""schemathesis, all checks on, against the running service: it answers as its OpenAPI document says."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from streamspace_hub.service.documents import document_text
from tests.support.hub import HUB_MAJOR
from tests.support.service import ADMIN, LIMIT, ServiceHub, service_hub

pytestmark = [
    pytest.mark.hub,
    pytest.mark.x11,
    pytest.mark.skipif(HUB_MAJOR < 6, reason="the document is the service's own, whatever the hub"),
]

CONFIG = Path(__file__).parents[1] / "support" / "schemathesis.toml"
HOOKS = CONFIG.with_name("schemathesis_hooks.py")
EXAMPLES = 15
"""For each operation and phase: bounded, and the same ones each time."""


async def test_the_service_answers_as_its_document_says(tmp_path: Path) -> None:
    async with service_hub(rate_limit=1_000_000, prices={"session_hour": 1}) as running:
        said = await schemathesis(running, ADMIN, tmp_path)
        operations = [path for path, methods in json.loads(document_text())["paths"].items() for _ in methods]
        streams = [path for path in operations if path.endswith("/events")]
        assert f"Tested: {len(operations) - len(streams)}" in said, said[-3000:]


async def test_a_user_with_a_session_is_answered_as_the_document_says(tmp_path: Path) -> None:
    """Everything once as one who is no administrator, and what is done with a session on one that runs."""
    async with service_hub(rate_limit=1_000_000, prices={"session_hour": 1}) as running:
        ann, mine = await running.api(running.ann), f"/sessions/{running.ann}/one"
        await schemathesis(running, running.ann, tmp_path, "--max-examples=1")
        async with running.hub.session(running.ann, "one"), asyncio.timeout(LIMIT):
            for path in ("/freeze", "/thaw", "/thumbnail"):  # it answers before its screen is up
                method = "GET" if path == "/thumbnail" else "POST"
                while (await ann(method, mine + path)).status_code != 200:
                    await asyncio.sleep(0.1)
            on_it = {"user": running.ann, "server": "one"}
            for actions in ("(freeze|thaw|extend|thumbnail)", "(stop|resume)"):
                only = f"--include-path-regex=/sessions/.*/{actions}$"
                await schemathesis(running, running.ann, tmp_path, only, **on_it)
        lines = (await (await running.api(ADMIN))("GET", "/audit", params={"limit": 500})).json()["events"]
        done = Counter(line["action"] for line in lines if line["outcome"] == "allowed" and line["actor"] is not None)
        for action in ("freeze", "thaw", "extend", "stop", "create"):
            assert done[f"session.{action}"], done


async def schemathesis(running: ServiceHub, by: str, folder: Path, *options: str, **path: str) -> str:
    """Let schemathesis ask as user `by`, with parameters of paths as given; return what it has said."""
    config = folder / "schemathesis.toml"
    given = "".join(f'"path.{name}" = "{value}"\n' for name, value in path.items())
    text = CONFIG.read_text()
    if path:  # of one session, its keys come again with other requests, which is refused
        text = text.replace('"429"', '"422", "429"')
    config.write_text(f"{text}\n[parameters]\n{given}")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        str(config),
        "run",
        f"{running.hub.url}/services/streamspace/openapi.json",
        f"--header=Authorization: Bearer {await running.token(by)}",
        "--checks=all",
        f"--max-examples={EXAMPLES}",
        "--generation-deterministic",
        # Streams don't end by themselves; test_service.py has them.
        "--exclude-path-regex=/events$",
        "--no-color",
        *options,
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, f"{said[-8000:]}\n{running.hub.log[-3000:]}"
    return said
