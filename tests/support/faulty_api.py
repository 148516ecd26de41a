"""A way to the API server that is bad at times: a proxy between a hub and a real one, which fails what it is told to.

async with FaultyApi(server, authority) as api:
    api.fail("POST", "/pods", 429, 500)  # the next two requests to create a pod
    api.cut_watches()
"""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

REASONS = {410: "Expired", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}
OF_THE_CONNECTION = {"connection", "content-length", "host", "keep-alive", "transfer-encoding", "content-encoding"}
"""Headers that are not passed on (RFC 9110, 7.6.1)."""


@dataclass
class _Fault:
    method: str
    path: str
    watch: bool
    statuses: list[int]


@dataclass
class FaultyApi:
    """The proxy: plain HTTP on loopback."""

    server: str
    authority: str
    """The API server's certificate authority, as PEM."""
    failed: list[int] = field(default_factory=list)
    """The faults that there have been."""

    def __post_init__(self) -> None:
        self._faults: list[_Fault] = []
        self._watches: set[asyncio.Transport] = set()

    def fail(self, method: str, path: str, *statuses: int, watch: bool = False) -> None:
        """Have the next requests of a method to a path that ends so answered by `statuses`, one each."""
        self._faults.append(_Fault(method, path, watch, list(statuses)))

    def mend(self) -> None:
        """Let everything through from now on."""
        self._faults.clear()

    def cut_watches(self) -> int:
        """Break all connections on which changes are told; return how many."""
        watches, self._watches = self._watches, set()
        for transport in watches:
            transport.abort()
        return len(watches)

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cadata=self.authority)
        self._client = ClientSession(
            connector=TCPConnector(ssl=context, limit=0), timeout=ClientTimeout(total=None), auto_decompress=False
        )
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._runner.cleanup()
        await self._client.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        watch = request.query.get("watch", "").lower() == "true"
        status = self._fault(request, watch)
        if status is not None:
            self.failed.append(status)
            return _told(status, watch)
        headers = {key: value for key, value in request.headers.items() if key.lower() not in OF_THE_CONNECTION}
        body = await request.read()
        url = f"{self.server}{request.rel_url}"
        async with self._client.request(request.method, url, headers=headers, data=body) as upstream:
            kept = {key: value for key, value in upstream.headers.items() if key.lower() not in OF_THE_CONNECTION}
            response = web.StreamResponse(status=upstream.status, headers=kept)
            await response.prepare(request)
            transport = request.transport
            assert transport is not None
            if watch:
                self._watches.add(transport)
            try:
                async for chunk in upstream.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            finally:
                self._watches.discard(transport)
        return response

    def _fault(self, request: web.Request, watch: bool) -> int | None:
        for fault in self._faults:
            fits = fault.method == request.method and request.path.endswith(fault.path) and fault.watch == watch
            if fits and fault.statuses:
                return fault.statuses.pop(0)
        return None


def _told(status: int, watch: bool) -> web.Response:
    """Return a failure as the API server tells it: within a watch, of what is too old, as an event of it."""
    about: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status}
    about |= {"reason": REASONS.get(status, "Unknown"), "message": "a fault of this test"}
    if watch and status == 410:
        return web.Response(text=json.dumps({"type": "ERROR", "object": about}) + "\n", content_type="application/json")
    return web.json_response(about, status=status)
