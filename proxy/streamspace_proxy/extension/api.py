"""The REST API for JupyterLab's tiles, below `streamspace/api/v1/` of the ordinary Jupyter server.

Requests are parsed by pydantic models, then permitted, then carried out by a `Launcher`. For the owner of the server
only: sessions act in their name.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tornado import web
from tornado.iostream import StreamClosedError

from streamspace_hub.catalog import (
    Catalog,
    CatalogEntry,
    UnknownApp,
    gpu_refusal,
    install_hint,
    is_installed,
    load_catalog,
)
from streamspace_hub.model import AppTemplate, Role
from streamspace_hub.model.app import AppName
from streamspace_hub.model.explain import explain
from streamspace_hub.telemetry import tracing
from streamspace_proxy.extension.handlers import AuthorisedHandler, Refusal
from streamspace_proxy.extension.launcher import How, Launcher, LaunchError

Model = TypeVar("Model", bound=BaseModel)


class StartRequest(BaseModel):
    """Body of `POST sessions`."""

    model_config = ConfigDict(extra="forbid")

    app: AppName
    open: str | None = Field(default=None, min_length=1, max_length=4096)
    """File to open, relative to the folder that the file browser shows."""


class Shelf:
    """The catalog, loaded once and off the event loop."""

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders
        self._catalog: asyncio.Future[Catalog] | None = None

    @classmethod
    def from_environment(cls) -> Shelf:
        """Take the extra folders from `STREAMSPACE_CATALOG_DIRS`."""
        return cls([Path(name) for name in os.environ.get("STREAMSPACE_CATALOG_DIRS", "").split(":") if name])

    async def catalog(self) -> Catalog:
        """Return the catalog."""
        if self._catalog is None:
            self._catalog = asyncio.ensure_future(asyncio.to_thread(load_catalog, self._folders))
        return await asyncio.shield(self._catalog)

    async def titles(self) -> dict[str, str]:
        """Return the titles of its apps by name."""
        return {name: entry.template.title for name, entry in (await self.catalog()).apps.items()}


class LabHandler(AuthorisedHandler):
    """A handler of the tiles' API."""

    allowed_roles = frozenset({Role.OWNER})

    def initialize(self, launcher: Launcher, shelf: Shelf) -> None:
        """Take who starts sessions and what can be started."""
        self.launcher = launcher
        self.shelf = shelf

    def parse(self, model: type[Model]) -> Model:
        """Return the body as `model`; what is wrong is named, with what is accepted."""
        try:
            body = json.loads(self.request.body or b"{}")
            return model.model_validate(body)
        except ValidationError as error:
            first = explain(error, model)[0]
            raise Refusal(400, f"{first.field or 'The body'}: {first.message}", field=first.field or None) from error
        except ValueError as error:
            raise Refusal(400, "The body must be a JSON object.") from error

    def file_within_root(self, path: str | None) -> Path | None:
        """Return the absolute path of a file that the file browser shows."""
        if path is None:
            return None
        root = Path(os.path.expanduser(self.settings["server_root_dir"])).resolve()
        try:
            file = (root / path.lstrip("/")).resolve()
        except (OSError, ValueError) as error:
            raise Refusal(400, f"open: {path!r} is not a path.", field="open") from error
        if not file.is_relative_to(root):
            raise Refusal(400, "open: the file must be inside the folder that the file browser shows.", field="open")
        if not file.is_file():
            raise Refusal(404, f"open: there is no file {path}.", field="open")
        return file


class Apps(LabHandler):
    """`apps`: the tiles."""

    @web.authenticated
    async def get(self) -> None:
        """List the catalog, with what is installed."""
        catalog = await self.shelf.catalog()
        # Where sessions have images of their own, what is installed here says nothing of them.
        elsewhere = bool(os.environ.get("STREAMSPACE_APP_IMAGES"))
        apps = [_tile(entry, elsewhere or is_installed(entry.template)) for entry in catalog.apps.values()]
        self.write_json({"mode": self.launcher.mode, "apps": apps, "problems": [str(p) for p in catalog.problems]})


class Sessions(LabHandler):
    """`sessions`: list and start."""

    @web.authenticated
    async def get(self) -> None:
        """List the sessions."""
        try:
            sessions = await self.launcher.sessions()
        except LaunchError as error:
            raise _refusal(error) from error
        self.write_json({"sessions": [session.model_dump(mode="json") for session in sessions]})

    @web.authenticated
    async def post(self) -> None:
        """Start an app: 202 while it starts, 200 if it was running already."""
        wanted = self.parse(StartRequest)
        file = self.file_within_root(wanted.open)
        catalog = await self.shelf.catalog()
        try:
            template = catalog.get(wanted.app).template
            if self.launcher.mode == "here" and (sentence := _cannot_run(template)):
                raise Refusal(409, sentence, field="app")
            with tracing.within(self._clicked()):
                session, started = await self.launcher.start(template, file)
        except UnknownApp as error:
            raise Refusal(404, str(error), field="app") from error
        except LaunchError as error:
            raise _refusal(error) from error
        self.set_status(202 if started else 200)
        self.write_json(session.model_dump(mode="json"))

    def _clicked(self) -> str:
        """Return the trace that the page has begun, which the hub is told; none where traces are off."""
        given = self.request.headers.get("traceparent") if os.environ.get(tracing.ENDPOINT) else None
        return tracing.valid(given)


class OneSession(LabHandler):
    """`sessions/{name}`."""

    @web.authenticated
    async def delete(self, name: str) -> None:
        """Stop it: 204 when it has ended, 202 while it ends."""
        try:
            ended = await self.launcher.stop(name)
        except LaunchError as error:
            raise _refusal(error) from error
        self.set_status(204 if ended else 202)
        self.finish()


class SessionSleep(LabHandler):
    """`sessions/{name}/freeze` and `hibernate`."""

    @web.authenticated
    async def post(self, name: str, how: How) -> None:
        """Put it to sleep: 204 when it sleeps."""
        try:
            await self.launcher.sleep(name, how)
        except LaunchError as error:
            raise _refusal(error) from error
        self.set_status(204)
        self.finish()


class SessionProgress(LabHandler):
    """`sessions/{name}/progress`: server-sent events until the session is up or has failed."""

    @web.authenticated
    async def get(self, name: str) -> None:
        """Send each step as it comes."""
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        try:
            async for step in self.launcher.progress(name):
                self.write(f"data: {json.dumps(step.as_json())}\n\n" if step else ": still there\n\n")
                await self.flush()
        except StreamClosedError:
            return
        except LaunchError as error:
            if self._headers_written:
                failed = {"progress": 100, "message": error.message, "failed": True}
                self.write(f"data: {json.dumps(failed)}\n\n")
                return
            raise _refusal(error) from error


def _refusal(error: LaunchError) -> Refusal:
    if (queued := error.queued) is None:
        return Refusal(error.status, error.message, field=error.field)
    queue = {"position": queued.place.number, "wait": queued.place.wait, "retry_after": queued.retry_after}
    return Refusal(error.status, error.message, retry_after=queued.retry_after, more={"queue": queue})


def _cannot_run(template: AppTemplate) -> str | None:
    """Return why this machine cannot run the app; None if it can."""
    policy = template.policy
    if asking := [name for name in ("step_up", "allow_networks", "deny_networks") if getattr(policy, name)]:
        return f"{template.title} asks more of its visitors (`{asking[0]}`), which it can as a session of a hub alone."
    return gpu_refusal(template) if is_installed(template) else install_hint(template)


def _tile(entry: CatalogEntry, installed: bool) -> dict[str, object]:
    template = entry.template
    return {
        "name": template.name,
        "title": template.title,
        "description": template.description,
        "icon": f"data:image/svg+xml;base64,{base64.b64encode(entry.icon_svg.encode()).decode()}",
        "categories": [category.value for category in template.categories],
        "mime_types": template.mime_types,
        "installed": installed,
        "install_hint": None if installed else install_hint(template),
    }
