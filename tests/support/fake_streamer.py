"""A streamer without a desktop, for tests of the bridge: it says what it was sent, and misbehaves on request.

`python -m tests.support.fake_streamer SOCKET`. On `ws` the first message is what the handshake carried; then texts are
orders (`flood`, `deaf`, `close CODE REASON`, `die`) or come back, and bytes come back.
"""

from __future__ import annotations

import asyncio
import os
import sys

from aiohttp import WSMsgType, web

PIECE = 64 * 1024
sent = [0]


async def api(request: web.Request) -> web.StreamResponse:
    if request.path.endswith("/stats"):
        return web.json_response({"sent": sent[0]})
    if request.path.endswith("/activity"):
        return web.json_response({"last_activity": "2030-01-02T03:04:05+00:00", "idle": 1})
    reply = {
        "method": request.method,
        "path": request.path,
        "query": dict(request.query),
        "headers": dict(request.headers),
        "body": await request.text(),
    }
    return web.json_response(reply, headers={"Set-Cookie": "planted=1", "X-Inner": "1"})


async def socket(request: web.Request) -> web.StreamResponse:
    if request.path == "/rfb":
        return web.json_response({"message": "no"}, status=403)
    ws = web.WebSocketResponse(protocols=("streamspace.v1",), max_msg_size=0, compress=False)
    await ws.prepare(request)
    await ws.send_json({"headers": dict(request.headers), "query": dict(request.query)})
    async for message in ws:
        if message.type is WSMsgType.BINARY:
            await ws.send_bytes(message.data)
        elif message.type is WSMsgType.TEXT:
            await obey(ws, message.data)
    return ws


async def obey(ws: web.WebSocketResponse, order: str) -> None:
    match order.split(" ", 2):
        case ["flood"]:
            for number in range(1 << 20):
                await ws.send_bytes(number.to_bytes(4, "big") * (PIECE // 4))
                sent[0] += PIECE
        case ["deaf"]:
            await asyncio.sleep(3600)
        case ["close", code, reason]:
            await ws.close(code=int(code), message=reason.encode())
        case ["die"]:
            os._exit(1)
        case _:
            await ws.send_str(order)


def main(path: str) -> None:
    app = web.Application()
    app.router.add_route("*", "/api/v1/{rest:.*}", api)
    app.router.add_get("/ws", socket)
    app.router.add_get("/rfb", socket)
    web.run_app(app, path=path, print=lambda *_: None)


if __name__ == "__main__":
    main(sys.argv[1])
