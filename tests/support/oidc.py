"""A real OpenID provider (npm's `oidc-provider`) for a test: on loopback, by HTTPS, with accounts that it names."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.support.hub import NODE_TOOLS, ROOT
from tests.support.waiting import PATIENCE

MODULE = ROOT / "build" / "oidc" / "node_modules" / "oidc-provider" / "lib" / "index.js"


@dataclass
class Provider:
    """A running provider."""

    url: str
    folder: Path
    groups: dict[str, Sequence[str]] = field(default_factory=dict)

    def account(self, name: str, *groups: str) -> None:
        """Have an account with these groups, from its next sign-in on."""
        self.groups[name] = groups
        (self.folder / "accounts.json").write_text(json.dumps(self.groups))

    @property
    def log(self) -> str:
        """What it has logged."""
        return (self.folder / "oidc.log").read_text(errors="replace")


@asynccontextmanager
async def provider(
    folder: Path, port: int, certificate: tuple[Path, Path], secret: str, callback: str
) -> AsyncIterator[Provider]:
    """Run a provider on `port` for one client, `jupyterhub`, which users come back to at `callback`."""
    assert MODULE.exists(), "npm install --prefix build/oidc oidc-provider first (`make test` does it)"
    running = Provider(f"https://localhost:{port}", folder)
    settings = {
        "module": str(MODULE),
        "issuer": running.url,
        "port": port,
        "certificate": str(certificate[0]),
        "key": str(certificate[1]),
        "accounts": str(folder / "accounts.json"),
        "client": {
            "client_id": "jupyterhub",
            "client_secret": secret,
            "redirect_uris": [callback],
            "token_endpoint_auth_method": "client_secret_post",
        },
    }
    path = os.pathsep.join([str(NODE_TOOLS), os.environ["PATH"]])
    with open(folder / "oidc.log", "ab") as log:
        process = subprocess.Popen(
            ["node", Path(__file__).with_name("oidc_provider.mjs"), json.dumps(settings)],
            env={**os.environ, "PATH": path},
            stdout=log,
            stderr=log,
        )
    try:
        async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=certificate[0])) as client:
            deadline = time.monotonic() + PATIENCE
            while True:
                assert process.poll() is None, running.log
                assert time.monotonic() < deadline, running.log
                with suppress(httpx.TransportError):
                    (await client.get(f"{running.url}/.well-known/openid-configuration")).raise_for_status()
                    break
                await asyncio.sleep(0.05)
        yield running
    finally:
        process.terminate()
        process.wait(10)
