"""The streamer's HTTP and WebSocket server on its unix socket: routes, identity, sizes.

Only the Jupyter extension connects. It has authorised the viewer and says in headers who it is, and by which TURN
servers it may come; or it hands over the viewer's connection, and says so with that.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from aiohttp import WSCloseCode, web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from streamspace_hub.model import Role
from streamspace_hub.model.explain import explain
from streamspace_hub.model.turn import IceServer
from streamspace_proxy.streamer import messages
from streamspace_proxy.streamer.core import Streamer
from streamspace_proxy.streamer.desktop_link import DesktopError
from streamspace_proxy.streamer.handover import HandoverServer
from streamspace_proxy.streamer.metrics import CONTENT_TYPE
from streamspace_proxy.streamer.outbox import Channel
from streamspace_proxy.streamer.polling import MAX_BATCH, Polled, PolledConnections
from streamspace_proxy.streamer.rfb_filter import bridge_rfb
from streamspace_proxy.streamer.sleep import InUseError, Order, Sleep, Warn
from streamspace_proxy.streamer.viewer import Viewer

logger = logging.getLogger(__name__)
SUBPROTOCOL: Final = "streamspace.v1"
MAX_BODY: Final = 64 * 1024
MAX_PATH: Final = 4096
LEAST_SOCKET_MESSAGE: Final = 12 * 1024 * 1024
"""What is larger closes the socket; what is smaller can be answered by a sentence. So: more than anybody pastes."""
USER: Final = "streamspace_user"
ROLE: Final = "streamspace_role"
ICE: Final = "streamspace_ice"
CORE: Final = web.AppKey("core", Streamer)
POLLED: Final = web.AppKey("polled", PolledConnections)
HANDOVERS: Final = web.AppKey("handovers", HandoverServer)
MAX_DIGITS: Final = 12
CONNECTION_ENDED: Final = "This connection has ended, or it was another user's. Open a new one."
HEARTBEAT: Final = 30.0
"""Seconds between pings that show whether a viewer is still there."""
ICE_SERVERS: Final = TypeAdapter(tuple[IceServer, ...])

Body = TypeVar("Body", bound=BaseModel)
Fields = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Hold(BaseModel):
    """Body of `POST api/v1/activity`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    busy_for: int = Field(ge=0, le=2_592_000)
    """Seconds from now on; 0 ends it."""
    why: str = Field(default="a job says that it is at work", min_length=1, max_length=200)


class Announce(BaseModel):
    """Body of `POST api/v1/announcement`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = Field(max_length=1000)
    """Empty: nothing, or no longer."""


def make_app(core: Streamer, handovers: HandoverServer) -> web.Application:
    """Return the application; starting and ending `core` and `handovers` is the caller's."""
    app = web.Application(middlewares=[identify], client_max_size=MAX_BODY)
    app[CORE] = core
    app[HANDOVERS] = handovers
    app[POLLED] = PolledConnections()
    app.add_routes(
        [
            web.get("/ws", viewer_socket),
            web.get("/rfb", rfb_socket),
            web.post("/http", open_polled),
            web.get("/http/{name}", fetch_polled),
            web.post("/http/{name}", take_polled),
            web.delete("/http/{name}", close_polled),
            web.get("/api/v1/status", status),
            web.get("/api/v1/activity", activity),
            web.post("/api/v1/activity", hold_awake),
            web.post("/api/v1/warn", warn),
            web.post("/api/v1/announcement", announce),
            web.post("/api/v1/freeze", freeze),
            web.post("/api/v1/thaw", thaw),
            web.post("/api/v1/hibernate", hibernate),
            web.post("/api/v1/end", end),
            web.get("/api/v1/stats", stats),
            web.get("/api/v1/metrics", metrics),
            web.get("/api/v1/thumbnail", thumbnail),
            web.post("/api/v1/open", open_file),
            web.post("/api/v1/app/restart", restart_app),
        ]
    )
    return app


def listen(path: Path) -> socket.socket:
    """Return a listening unix socket of mode 0600 at `path`; a dead one is replaced.

    It takes its name only when it listens: whoever finds it can connect. The first name is not longer than the second,
    since a socket's path may have 107 bytes.
    """
    unnamed = path.with_name(".streamer")
    unnamed.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    before = os.umask(0o177)
    try:
        server.bind(str(unnamed))
    finally:
        os.umask(before)
    server.listen(128)
    unnamed.rename(path)
    return server


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let nobody in without a name and a role; `?view=1` lowers the role."""
    handed = request.app[HANDOVERS].of(request)
    if handed is not None:
        # Whatever stands in the headers may come from the viewer.
        request[USER], request[ROLE], request[ICE] = handed.user, handed.role, handed.ice_servers
        return await handler(request)
    user = request.headers.get("X-Streamspace-User", "")
    try:
        role = Role(request.headers.get("X-Streamspace-Role", ""))
    except ValueError:
        role = None
    if not user or role is None:
        return _error(403, "Nobody has said who you are: this socket is for the Jupyter extension.")
    request[USER] = user
    request[ROLE] = Role.VIEWER if request.query.get("view") == "1" else role
    request[ICE] = ice_servers(request)
    return await handler(request)


async def viewer_socket(request: web.Request) -> web.StreamResponse:
    """Serve the viewer socket."""
    core = request.app[CORE]
    limit = max(LEAST_SOCKET_MESSAGE, 4 * core.config.policy.clipboard_limit + messages.MAX_TEXT)
    ws = web.WebSocketResponse(
        protocols=(SUBPROTOCOL,), compress=False, max_msg_size=limit, timeout=1.0, heartbeat=HEARTBEAT
    )
    await ws.prepare(request)
    if await _turned_away(core, ws):
        await ws.close(code=WSCloseCode.TRY_AGAIN_LATER)
        return ws
    viewer = Viewer(core, ws, request[USER], request[ROLE], request[ICE])
    core.join(viewer)
    try:
        await viewer.run()
    finally:
        with contextlib.suppress(ConnectionError):
            await ws.close()
    return ws


async def _turned_away(core: Streamer, channel: Channel) -> bool:
    """Whether there are viewers enough; then the next one is told."""
    most = core.config.policy.max_viewers
    if len(core.viewers) < most:
        return False
    core.count_refusal("too_many_viewers")
    sentence = f"This session takes {most} viewers at once. Close one, then try again."
    await channel.send_str(messages.dump(messages.Refusal("too_many_viewers", sentence).as_json()))
    await channel.send_str(messages.dump({"type": "bye", "reason": "too_many_viewers", "message": sentence}))
    return True


async def open_polled(request: web.Request) -> web.StreamResponse:
    """Begin a viewer socket that goes by requests; the answer names it."""
    core, connections = request.app[CORE], request.app[POLLED]
    name, channel = connections.open(request[USER], request[ROLE])
    viewer = None
    if not await _turned_away(core, channel):
        viewer = Viewer(core, channel, request[USER], request[ROLE], request[ICE])
        core.join(viewer)
    connections.serve(name, viewer.run() if viewer is not None else channel.close())
    return web.json_response({"connection": name})


async def fetch_polled(request: web.Request) -> web.StreamResponse:
    """Answer with what there is for the viewer, as soon as there is something."""
    after = request.query.get("after", "")
    if not after.isascii() or not after.isdigit() or len(after) > MAX_DIGITS:
        return _error(400, "after is how many messages have arrived: a number from 0 up.")
    channel = _polled(request)
    body = None if channel is None else await channel.fetch(int(after))
    return _error(410, CONNECTION_ENDED) if body is None else web.Response(body=body)


async def take_polled(request: web.Request) -> web.StreamResponse:
    """Take a batch of the viewer's messages."""
    batch = request.query.get("batch", "")
    if not batch.isascii() or not batch.isdigit() or len(batch) > MAX_DIGITS:
        return _error(400, "batch is how many batches were posted before: a number from 0 up.")
    channel, core = _polled(request), request.app[CORE]
    if channel is None:
        return _error(410, CONNECTION_ENDED)
    body = bytearray()
    async for chunk in request.content.iter_chunked(MAX_BODY):
        body += chunk
        if len(body) > MAX_BATCH:
            core.count_refusal("too_large")
            return _error(413, f"A batch has {MAX_BATCH} bytes at most. Post fewer messages at once.")
    try:
        channel.take(int(batch), bytes(body))
    except ValueError as error:
        core.count_refusal("bad_message")
        return _error(400, f"The batch was refused: {error}.")
    return web.Response(status=204)


async def close_polled(request: web.Request) -> web.StreamResponse:
    """End the connection, as the page does when it is left."""
    if (channel := _polled(request)) is not None:
        await channel.close()
    return web.Response(status=204)


def _polled(request: web.Request) -> Polled | None:
    return request.app[POLLED].find(request.match_info["name"], request[USER], request[ROLE])


def ice_servers(request: web.Request) -> tuple[IceServer, ...]:
    """Return the TURN servers that the extension has for this viewer; none, and a line in the log, for a bad header."""
    try:
        return ICE_SERVERS.validate_json(request.headers.get("X-Streamspace-Ice-Servers", "[]"))
    except ValidationError as error:
        # Without the value, which may hold credentials.
        logger.warning("X-Streamspace-Ice-Servers is no list of TURN servers (%d errors)", error.error_count())
        return ()


async def rfb_socket(request: web.Request) -> web.StreamResponse:
    """Serve RFB without input."""
    core = request.app[CORE]
    ws = web.WebSocketResponse(protocols=("binary",), compress=False, timeout=1.0, heartbeat=HEARTBEAT)
    await ws.prepare(request)
    if core.rfb_viewers >= core.config.policy.max_viewers:
        core.count_refusal("too_many_viewers")
        await ws.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"too many viewers")
        return ws
    if core.sleeping.lets_go:
        await ws.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"the session is going to sleep")
        return ws
    core.rfb_viewers += 1
    core.sleep.looked_at()
    core.sleeping.bridge(ws)
    try:
        await bridge_rfb(
            ws, core.config.desktop_path("rfb.sock"), lambda size: core.metrics.sent("rfb", size), core.count_refusal
        )
    finally:
        core.rfb_viewers -= 1
        core.sleeping.unbridge(ws)
    return ws


async def status(request: web.Request) -> web.StreamResponse:
    """Desktop, app, streamer, viewers."""
    return web.json_response(request.app[CORE].status())


async def activity(request: web.Request) -> web.StreamResponse:
    """When the session was last active, and what it is at work on."""
    return web.json_response(request.app[CORE].activity_object())


async def hold_awake(request: web.Request) -> web.StreamResponse:
    """Take somebody's word that the session is at work for a while."""
    wanted = await _order(request, Hold)
    if isinstance(wanted, Hold):
        request.app[CORE].activity.hold(wanted.busy_for, wanted.why)
        return await activity(request)
    return wanted


async def warn(request: web.Request) -> web.StreamResponse:
    """Tell viewers what is to happen to the session."""
    if request[ROLE] is not Role.OWNER:
        return _error(403, "Only the owner of the session, or the service, warns its viewers.")
    wanted = await _order(request, Warn)
    return await _asleep(request, lambda sleep: _warn(sleep, wanted)) if isinstance(wanted, Warn) else wanted


async def _warn(sleep: Sleep, warning: Warn) -> None:
    sleep.warn(warning)


async def announce(request: web.Request) -> web.StreamResponse:
    """Tell viewers what the hub's administrators announce."""
    if request[ROLE] is not Role.OWNER:
        return _error(403, "Only the owner of the session, or the service, announces something to its viewers.")
    wanted = await _order(request, Announce)
    if isinstance(wanted, Announce):
        request.app[CORE].announce(wanted.text)
        return await activity(request)
    return wanted


async def freeze(request: web.Request) -> web.StreamResponse:
    """Stop the desktop's processes."""
    order = await _order(request, Order)
    return await _asleep(request, lambda sleep: sleep.freeze(order)) if isinstance(order, Order) else order


async def thaw(request: web.Request) -> web.StreamResponse:
    """Let them go on."""
    order = await _order(request, Order)
    return await _asleep(request, lambda sleep: sleep.thaw()) if isinstance(order, Order) else order


async def hibernate(request: web.Request) -> web.StreamResponse:
    """Put the desktop's memory on disk and end its processes."""
    if request[ROLE] is not Role.OWNER:
        return _error(403, "Only the service puts a session to sleep with its memory.")
    order = await _order(request, Order)
    return await _asleep(request, lambda sleep: sleep.hibernate(order)) if isinstance(order, Order) else order


async def end(request: web.Request) -> web.StreamResponse:
    """End the desktop for good, and with it the session: nothing of its memory is kept."""
    if request[ROLE] is not Role.OWNER:
        return _error(403, "Only the owner of the session, or the hub, ends it.")
    return await _pass_on(request, "stop")


async def _order(request: web.Request, model: type[Body]) -> Body | web.Response:
    """Return the body of an order that its sender may give, or why not."""
    if request[ROLE] is Role.VIEWER:
        return _error(403, "You are watching: this needs control of the session.")
    try:
        return model.model_validate_json(await request.text() or "{}")
    except ValidationError as error:
        complaint = explain(error, model)[0]
        return _error(400, f"{complaint.field or 'The body'}: {complaint.message}")


async def _asleep(
    request: web.Request, work: Callable[[Sleep], Awaitable[dict[str, Any] | None]]
) -> web.StreamResponse:
    """Carry an order out; the answer says how active the session is, whether it was carried out or not."""
    core = request.app[CORE]
    try:
        found = await work(core.sleep) or {}
    except (InUseError, DesktopError) as error:
        return web.json_response({"message": str(error), **core.activity_object()}, status=409)
    return web.json_response({**found, **core.activity_object()})


async def stats(request: web.Request) -> web.StreamResponse:
    """Figures of the encoder and of each viewer."""
    return web.json_response(request.app[CORE].stats())


async def metrics(request: web.Request) -> web.StreamResponse:
    """Prometheus' text. They show when somebody is at work, and how: the owner's business."""
    if request[ROLE] is not Role.OWNER:
        return _error(403, "Only the owner of the session reads its metrics.")
    return web.Response(body=request.app[CORE].metrics_text(), headers={"Content-Type": CONTENT_TYPE})


async def thumbnail(request: web.Request) -> web.StreamResponse:
    """Send a small picture of the screen, to everybody who may see the screen."""
    core = request.app[CORE]
    # A frozen X server answers nobody, and a glance at a session is no reason to thaw it.
    jpeg = None if core.sleeping.is_still else await core.display.thumbnail()
    if jpeg is None:
        return _error(503, "There is no picture at the moment.")
    return web.Response(body=jpeg, content_type="image/jpeg")


async def open_file(request: web.Request) -> web.StreamResponse:
    """Open a file in the app; the owner's right, since the app reads it with the owner's rights."""
    if request[ROLE] is not Role.OWNER:
        return _error(403, "Only the owner of the session opens files in it.")
    try:
        body = json.loads(await request.text())
    except ValueError:
        return _error(400, 'The body is not JSON; send {"path": "..."}.')
    if not isinstance(body, dict) or set(body) != {"path"} or not isinstance(body["path"], str):
        return _error(400, 'The body has exactly one field: {"path": "..."}, a string.')
    path = body["path"]
    if not path or len(path) > MAX_PATH or "\0" in path:
        return _error(400, f"path has 1 to {MAX_PATH} characters and no NUL.")
    return await _pass_on(request, "open", path=path)


async def restart_app(request: web.Request) -> web.StreamResponse:
    """Start the app again."""
    if request[ROLE] is Role.VIEWER:
        return _error(403, "You are watching: restarting the app needs control.")
    return await _pass_on(request, "restart_app")


async def _pass_on(request: web.Request, op: str, **arguments: str) -> web.StreamResponse:
    try:
        await request.app[CORE].desktop.request(op, **arguments)
    except DesktopError as error:
        return _error(409, str(error))
    return web.json_response({"ok": True})


def _error(code: int, sentence: str) -> web.Response:
    return web.json_response({"message": sentence}, status=code)
