"""schemathesis, all checks on, against the running service: it answers as its OpenAPI document says."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from streamspace_hub.service.documents import document_text
from tests.support.hub import HUB_MAJOR
from tests.support.service import ADMIN, service_hub

pytestmark = [
    pytest.mark.hub,
    pytest.mark.skipif(HUB_MAJOR < 6, reason="the document is the service's own, whatever the hub"),
]

CONFIG = Path(__file__).parents[1] / "support" / "schemathesis.toml"
HOOKS = CONFIG.with_name("schemathesis_hooks.py")
EXAMPLES = 15
"""For each operation and phase: bounded, and the same ones each time."""


async def test_the_service_answers_as_its_document_says(tmp_path: Path) -> None:
    async with service_hub(rate_limit=1_000_000) as running:
        token = await running.token(ADMIN)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            str(CONFIG),
            "run",
            f"{running.hub.url}/services/streamspace/openapi.json",
            f"--header=Authorization: Bearer {token}",
            "--checks=all",
            f"--max-examples={EXAMPLES}",
            "--generation-deterministic",
            # Streams don't end by themselves; test_service.py has them.
            "--exclude-path-regex=/events$",
            "--no-color",
            cwd=tmp_path,
            env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
        assert process.returncode == 0, f"{said[-8000:]}\n{running.hub.log[-3000:]}"
        operations = [path for path, methods in json.loads(document_text())["paths"].items() for _ in methods]
        streams = [path for path in operations if path.endswith("/events")]
        assert f"Tested: {len(operations) - len(streams)}" in said, said[-3000:]
