"""The bridge: authorised HTTP requests and WebSockets pass between a browser and a session's streamer.

What crosses is an allow-list, both ways, so no cookie, token or forged header of a browser reaches the streamer.
A WebSocket is handed over to the streamer with its connection, so that nothing stands between them. Where that cannot
be (TLS ends here) it is relayed, one message at a time in each direction: a slow reader holds up the sender, never
fills memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import aiohttp
from jupyter_server.auth.decorator import ws_authenticated
from tornado import web
from tornado.iostream import IOStream, StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from streamspace_hub.model import Role
from streamspace_proxy.extension.handlers import AuthorisedHandler, Refusal
from streamspace_proxy.extension.roles import Viewer, keeps_sleep, lowered
from streamspace_proxy.extension.sessions import OpenSession, SessionFinder
from streamspace_proxy.extension.streamer_link import Request, StreamerDownError
from streamspace_proxy.extension.turn import IceServers, TurnSource, ice_header

LARGEST_BODY = 64 * 1024
"""Bytes of a request body; the largest thing posted is a path."""
LARGEST_BATCH = 1024 * 1024
"""The same of messages that come in batches instead of by a WebSocket."""
LARGEST_BROWSER_MESSAGE = 24 * 1024 * 1024
"""Bytes of a browser's WebSocket message: above the largest clipboard that a policy allows, so that what is too large
is the streamer's to refuse, with a sentence."""
HIBERNATE = "api/v1/hibernate"
SLEEP_ORDERS = (
    "api/v1/activity", "api/v1/announcement", "api/v1/warn", "api/v1/freeze", "api/v1/thaw", HIBERNATE
)  # fmt: skip
CHUNK = 64 * 1024
PING_INTERVAL = 30.0
"""Seconds between pings, which show that a browser is still there; and how long its answer may take."""
TRY_AGAIN_LATER = 1013
RESTARTING = "The session's streamer is starting again; the picture returns by itself."

_RESPONSE_HEADERS = ("Content-Type", "Content-Disposition", "Retry-After")
_NOT_FOR_THE_STREAMER = frozenset({"token", "_xsrf", "view"})


class BridgeHandler(AuthorisedHandler):
    """A handler that stands for one session, found by the name in its path."""

    def initialize(self, sessions: SessionFinder) -> None:
        """Take the sessions among which `find` looks."""
        self._sessions = sessions

    def find(self, name: str) -> OpenSession:
        """Return the session called `name` (empty where there is only one)."""
        session = self._sessions.find(name)
        if session is None:
            raise Refusal(404, f"No app called {name} is running here. Start it from the launcher.")
        return session

    def viewer_asked_for(self) -> Viewer:
        """Return the viewer with the role lowered if the page asked to look only."""
        return Viewer(self.viewer.user, lowered(self.viewer.role, view_only=self.get_argument("view", "") == "1"))

    def query(self) -> Mapping[str, str]:
        """Return the query without what is meant for this server."""
        names = self.request.query_arguments.keys() - _NOT_FOR_THE_STREAMER
        return {name: self.get_query_argument(name) for name in sorted(names)}


class ApiBridge(BridgeHandler):
    """`api/v1/...`: one request, one answer, passed on in pieces."""

    largest_body = LARGEST_BODY

    async def _role(self) -> Role | None:
        """Let the service that puts sessions to sleep in, for its orders and nothing else."""
        role = await super()._role()
        visitor = self.visitor()
        if self.path_args[1] == HIBERNATE and (visitor is None or not keeps_sleep(visitor)):
            # Nobody would tell the hub, and what was kept would be lost.
            raise Refusal(403, "The service puts sessions to sleep with their memory: POST sessions/.../hibernate.")
        return Role.OWNER if role is None and self.is_order() else role

    def is_order(self) -> bool:
        """Return whether the service that puts sessions to sleep gives one of its orders."""
        visitor = self.visitor()
        return visitor is not None and keeps_sleep(visitor) and self.path_args[1] in SLEEP_ORDERS

    @web.authenticated
    async def get(self, name: str, path: str) -> None:
        """Pass on a GET."""
        await self._relay(name, path)

    @web.authenticated
    async def post(self, name: str, path: str) -> None:
        """Pass on a POST."""
        await self._relay(name, path)

    async def _relay(self, name: str, path: str) -> None:
        if len(self.request.body) > self.largest_body:
            raise Refusal(
                413, f"The request's body has {len(self.request.body)} bytes; at most {self.largest_body} are taken."
            )
        try:
            response = await self.find(name).link.request(
                self.viewer_asked_for(),
                Request(
                    method=str(self.request.method),
                    path=path,
                    query=self.query(),
                    body=self.request.body or None,
                    content_type=self.request.headers.get("Content-Type"),
                    headers=await self.more_headers(path),
                ),
            )
        except StreamerDownError as error:
            raise Refusal(503, RESTARTING, retry_after=1) from error
        async with response:
            await self._pass_back(response)

    async def more_headers(self, path: str) -> Mapping[str, str]:
        """Return what else the streamer is told."""
        return {}

    async def _pass_back(self, response: aiohttp.ClientResponse) -> None:
        self.set_status(response.status)
        self.set_header("Cache-Control", "no-store")
        for header in _RESPONSE_HEADERS:
            if header in response.headers:
                self.set_header(header, response.headers[header])
        try:
            async for chunk in response.content.iter_chunked(CHUNK):
                self.write(chunk)
                await self.flush()
        except StreamClosedError:
            return
        except (aiohttp.ClientError, ConnectionError) as error:
            if not self._headers_written:
                raise Refusal(503, RESTARTING, retry_after=1) from error
            # Half an answer must not look like a whole one.
            self.request.connection.stream.close()  # type: ignore[union-attr]


class HttpBridge(ApiBridge):
    """`http` and `http/...`: the viewer socket by requests, where no WebSocket gets through."""

    largest_body = LARGEST_BATCH

    def initialize(self, sessions: SessionFinder, turn: TurnSource | None = None) -> None:
        """Take the sessions, and where TURN servers for viewers come from, if from anywhere."""
        super().initialize(sessions)
        self._turn = turn

    @web.authenticated
    async def delete(self, name: str, path: str) -> None:
        """Pass on the end of a connection."""
        await self._relay(name, path)

    async def more_headers(self, path: str) -> Mapping[str, str]:
        """Return the TURN servers when a connection begins."""
        return ice_header(await self._turn.ice_servers()) if self._turn is not None and path == "http" else {}


class TurnServers(BridgeHandler):
    """`api/v1/turn`: TURN servers for a page whose credentials are no longer young. The streamer has none to give."""

    def initialize(self, sessions: SessionFinder, turn: TurnSource | None = None) -> None:
        """Take the sessions, and where TURN servers for viewers come from, if from anywhere."""
        super().initialize(sessions)
        self._turn = turn

    @web.authenticated
    async def get(self, name: str) -> None:
        """Answer as `hello` does."""
        self.find(name)
        servers = await self._turn.ice_servers() if self._turn is not None else ()
        self.set_header("Cache-Control", "no-store")
        self.write_json({"ice_servers": [server.model_dump(mode="json") for server in servers]})


class SocketBridge(BridgeHandler, WebSocketHandler):
    """`ws` and `rfb`: a WebSocket handed over, or two joined."""

    upstream: aiohttp.ClientWebSocketResponse | None = None
    _pump: asyncio.Task[None] | None = None

    def initialize(self, sessions: SessionFinder, turn: TurnSource | None = None) -> None:
        """Take the sessions, and where TURN servers for viewers come from, if from anywhere."""
        super().initialize(sessions)
        self._turn = turn

    # In seconds; jupyter_server's own mixin still counts in milliseconds, which tornado 6.5 takes for seconds.
    ping_interval = ping_timeout = PING_INTERVAL

    @property
    def max_message_size(self) -> int:
        """Bytes in one message from the browser."""
        return LARGEST_BROWSER_MESSAGE

    @ws_authenticated
    async def get(self, name: str, path: str) -> None:
        """Join the sockets for as long as both live."""
        # tornado asks again before it accepts; but nobody foreign shall get as far as the streamer.
        if not self.check_origin():
            raise Refusal(403, "This socket was opened from another site.")
        session = self.find(name)
        protocols = _words(self.request.headers.get("Sec-WebSocket-Protocol", ""))
        ice = await self._turn.ice_servers() if self._turn is not None and path == "ws" else ()
        try:
            if await self._handed_over(session, path, protocols, ice):
                return
            self.upstream = await session.link.socket_to(self.viewer_asked_for(), path, protocols, ice_header(ice))
        except StreamerDownError:
            self.upstream = None
        except aiohttp.WSServerHandshakeError as error:
            raise Refusal(error.status, f"The streamer refused the socket: {error.message}") from error
        try:
            await super().get(name, path)
        finally:
            await self._part()

    async def _handed_over(self, session: OpenSession, path: str, protocols: Sequence[str], ice: IceServers) -> bool:
        """Give the connection away if this is a WebSocket request that came over plain TCP."""
        headers = self.request.headers
        stream = self.request.connection.stream  # type: ignore[union-attr]
        if (
            type(stream) is not IOStream
            or headers.get("Upgrade", "").lower() != "websocket"
            or "upgrade" not in _words(headers.get("Connection", "").lower())
            or headers.get("Sec-WebSocket-Version") != "13"
        ):
            return False
        opening = {
            "path": path,
            "key": headers.get("Sec-WebSocket-Key", ""),
            "protocols": protocols,
            "ice_servers": [server.model_dump() for server in ice],
        }
        given = await session.link.hand_over(self.viewer_asked_for(), stream.socket, opening)
        if given:
            # Closes our copy of the connection only.
            self.detach().close()
        return given

    async def _part(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
        if self.upstream is not None:
            await self.upstream.close()

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Return what the streamer chose."""
        return self.upstream.protocol if self.upstream is not None else next(iter(subprotocols), None)

    def open(self, *args: str, **kwargs: str) -> None:
        """Start to pass messages to the browser; or, without a streamer, ask it to come again."""
        self.set_nodelay(True)
        if self.upstream is None:
            self.close(TRY_AGAIN_LATER, RESTARTING)
        else:
            self._pump = asyncio.create_task(self._pass_down(self.upstream))

    async def on_message(self, message: str | bytes) -> None:
        """Pass a message to the streamer; tornado reads the next one when this is done."""
        if self.upstream is None:
            return
        try:
            if isinstance(message, bytes):
                await self.upstream.send_bytes(message)
            else:
                await self.upstream.send_str(message)
        except (aiohttp.ClientError, ConnectionError, RuntimeError):
            self.close(TRY_AGAIN_LATER, RESTARTING)

    async def _pass_down(self, upstream: aiohttp.ClientWebSocketResponse) -> None:
        """Pass messages to the browser, each when the one before has left for the network."""
        try:
            while True:
                message = await upstream.receive()
                if message.type is aiohttp.WSMsgType.BINARY:
                    await self.write_message(message.data, binary=True)
                elif message.type is aiohttp.WSMsgType.TEXT:
                    await self.write_message(message.data)
                else:
                    break
        except WebSocketClosedError:
            return
        except (aiohttp.ClientError, ConnectionError):
            self.close(TRY_AGAIN_LATER, RESTARTING)
            return
        self._pass_on_the_close(message)

    def _pass_on_the_close(self, message: aiohttp.WSMessage) -> None:
        code = message.data if message.type is aiohttp.WSMsgType.CLOSE else None
        if code in (1000, 1008, 1009) or (isinstance(code, int) and 4000 <= code < 5000):
            self.close(code, _short(message.extra))
        else:
            # Gone without a word, or going away: the runner starts it again.
            self.close(TRY_AGAIN_LATER, RESTARTING)


def _words(header: str) -> list[str]:
    """Return a header's comma-separated words."""
    return [word.strip() for word in header.split(",") if word.strip()]


def _short(reason: object) -> str | None:
    """Return a close reason cut to the 123 bytes that a close frame holds (RFC 6455, 5.5)."""
    return str(reason).encode()[:123].decode(errors="ignore") if reason else None
