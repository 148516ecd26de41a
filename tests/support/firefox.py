"""Debian's Firefox ESR, driven by its own WebDriver BiDi endpoint (w3c.github.io/webdriver-bidi): no geckodriver.

    with firefox() as browser, browser.page(url) as page:
        page.wait_for("window.streamspace?.connected")

Calls block, and each fails after `LIMIT` seconds with what Firefox said.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import itertools
import json
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from PIL import Image

from tests.support.waiting import PATIENCE

T = TypeVar("T")

BINARY = "/usr/bin/firefox-esr"
LIMIT = PATIENCE
PREFERENCES: dict[str, bool | int | str] = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "media.autoplay.default": 0,
    # Fetched from the network, and not there in a test: what Firefox can do without is what is tested.
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}
KEYS = {"Enter": "\ue007", "Backspace": "\ue003", "Control": "\ue009"}


class FirefoxError(Exception):
    """Firefox refused a command, or a script failed."""


class Connection:
    """Commands and their answers over one WebSocket, on a loop of its own thread."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._wait(self._open(url))

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and return its result."""
        answer = self._wait(self._send(method, params))
        if answer["type"] == "error":
            raise FirefoxError(f"{method}: {answer['error']}: {answer['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def close(self) -> None:
        """End the connection and its thread."""
        self._wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LIMIT)

    async def _open(self, url: str) -> None:
        self._client = aiohttp.ClientSession()
        self._socket = await self._client.ws_connect(url, max_msg_size=0)
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            answer = json.loads(message.data)
            future = self._waiting.pop(answer.get("id", 0), None)
            if future is not None:
                future.set_result(answer)

    async def _send(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        number = next(self._ids)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        return await future

    async def _close(self) -> None:
        self._reader.cancel()
        await self._socket.close()
        await self._client.close()


class FirefoxPage:
    """One tab."""

    def __init__(self, connection: Connection, context: str) -> None:
        self._connection = connection
        self._context = context

    def goto(self, url: str) -> None:
        """Load `url`."""
        self._connection.command("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def reload(self) -> None:
        """Load the page again."""
        self._connection.command("browsingContext.reload", context=self._context, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """Return what a JavaScript expression (or promise) gives, as JSON has it."""
        answer = self._connection.command(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self._context},
            awaitPromise=True,
        )
        if answer["type"] == "exception":
            raise FirefoxError(f"{expression}: {answer['exceptionDetails']['text']}")
        value = answer["result"].get("value")
        return None if value is None else json.loads(value)

    def wait_for(self, expression: str, limit: float = PATIENCE) -> Any:
        """Return the first true value of a JavaScript expression."""
        deadline = time.monotonic() + limit
        while not (value := self.evaluate(expression)):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {limit} s for {expression}")
            time.sleep(0.1)
        return value

    def before_load(self, script: str) -> None:
        """Run a script in each page before the page's own."""
        self._connection.command(
            "script.addPreloadScript", functionDeclaration=f"() => {{ {script} }}", contexts=[self._context]
        )

    def move(self, x: int, y: int) -> None:
        """Move the pointer."""
        self._perform({"type": "pointer", "id": "mouse", "actions": [{"type": "pointerMove", "x": x, "y": y}]})

    def click(self, x: int, y: int) -> None:
        """Click with the left button."""
        move = {"type": "pointerMove", "x": x, "y": y}
        down, up = {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}
        self._perform({"type": "pointer", "id": "mouse", "actions": [move, down, up]})

    def type(self, text: str) -> None:
        """Type `text`; a newline is Enter."""
        actions: list[dict[str, Any]] = []
        for character in text:
            value = KEYS["Enter"] if character == "\n" else character
            actions += [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
            actions.append({"type": "pause", "duration": 20})
        self._perform({"type": "key", "id": "keyboard", "actions": actions})

    def picture(self) -> Image.Image:
        """What the user sees of the page now."""
        answer = self._connection.command("browsingContext.captureScreenshot", context=self._context)
        return Image.open(io.BytesIO(base64.b64decode(answer["data"]))).convert("RGB")

    def close(self) -> None:
        """Close the tab."""
        self._connection.command("browsingContext.close", context=self._context)

    def _perform(self, source: dict[str, Any]) -> None:
        self._connection.command("input.performActions", context=self._context, actions=[source])


class Firefox:
    """A running browser."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def page(self, *scripts: str) -> Iterator[FirefoxPage]:
        """Give a new tab, in a container of its own: no cookies or storage of others. `scripts` run in its pages."""
        container = self._connection.command("browser.createUserContext")["userContext"]
        made = self._connection.command("browsingContext.create", type="tab", userContext=container)
        page = FirefoxPage(self._connection, made["context"])
        for script in scripts:
            page.before_load(script)
        try:
            yield page
        finally:
            page.close()
            self._connection.command("browser.removeUserContext", userContext=container)


@contextmanager
def firefox(
    any_certificate: bool = False, sound: Path | None = None, **preferences: bool | int | str
) -> Iterator[Firefox]:
    """Give a headless Firefox with a profile of its own; `preferences` with `__` for a dot.

    `any_certificate`: it takes any for TLS. `sound`: the socket of a PulseAudio for it to play to, there or not.
    """
    wanted = {**PREFERENCES, **{name.replace("__", "."): value for name, value in preferences.items()}}
    with tempfile.TemporaryDirectory(prefix="ss-firefox-") as profile, contextlib.ExitStack() as stack:
        lines = "".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in wanted.items())
        Path(profile, "user.js").write_text(lines)
        environment = {**os.environ, **({} if sound is None else {"PULSE_SERVER": f"unix:{sound}"})}
        process = subprocess.Popen(
            [BINARY, "--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", profile],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        stack.callback(_end, process)
        connection = Connection(_endpoint(process) + "/session")
        stack.callback(connection.close)
        connection.command("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": any_certificate}})
        yield Firefox(connection)


def _endpoint(process: subprocess.Popen[str]) -> str:
    """Return the address that Firefox prints; keep reading, or Firefox would stop at a full pipe."""
    assert process.stderr is not None
    found: list[str] = []
    ready = threading.Event()

    def read() -> None:
        for line in process.stderr or ():
            if match := re.search(r"WebDriver BiDi listening on (ws://\S+)", line):
                found.append(match[1])
                ready.set()
        ready.set()

    threading.Thread(target=read, daemon=True).start()
    if not ready.wait(PATIENCE) or not found:
        raise FirefoxError("Firefox did not start")
    return found[0]


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
