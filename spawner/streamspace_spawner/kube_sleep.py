"""`SleepingPods`: sessions as pods that sleep with their memory. What such a pod looks like is `pod_sleep`'s matter.

A pod that is taken away keeps its memory by itself, and says so in its last words. One that went while the hub was not
there may have. The hub ends one for good by ending its desktop first.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import ClientError
from jupyterhub.utils import exponential_backoff, maybe_future
from kubernetes_asyncio.client import ApiException, V1DeleteOptions
from kubespawner.objects import make_owner_reference
from tornado.httpclient import AsyncHTTPClient, HTTPError
from traitlets import Integer
from traitlets.config import LoggingConfigurable

from streamspace_hub.model import MemorySleep
from streamspace_hub.model.asleep import FALLS, SLEEPS, UP, Kept, image_folder, image_paths, may_leave_image, outlives
from streamspace_spawner.catalog_cache import current_catalog
from streamspace_spawner.pod_sleep import REMOVAL_LIMIT, PodSleep, is_kept, kept, key_secret, removal
from streamspace_spawner.session import SessionPlan

if TYPE_CHECKING:
    from kubespawner import KubeSpawner as _KubeSpawner
else:
    # As of the mixin: KubeSpawner is the other base class.
    _KubeSpawner = LoggingConfigurable

END_LIMIT = 3.0
"""Seconds that a session gets to hear that it is ended for good."""


class SleepingPods(_KubeSpawner):  # type: ignore[misc]
    """What is particular to sleep with memory in pods, for a KubeSpawner with `StreamSpaceMixin`."""

    plan: SessionPlan | None
    after_pod_created_hook: Any
    keeps_browsers = True

    sleep_grace_period = Integer(
        120,
        min=1,
        config=True,
        help="""
        Seconds that a session gets to put its memory on disk when its pod is taken away, as by the drain of a node.

        Only for sessions that can sleep with their memory (`StreamSpace.memory_sleep`). It is their pod's
        `terminationGracePeriodSeconds`; what hibernates sooner ends sooner.
        """,
    )

    def pod_sleep(self, plan: SessionPlan) -> PodSleep | None:
        """Return what the session's pod needs in order to sleep with its memory; None: it does not."""
        if not self.streamspace.memory_sleep or plan.template.sleep.memory is not MemorySleep.YES:
            return None
        volumes, mounts = (self._sorted_dict_values(what) for what in (self.volumes, self.volume_mounts))
        if not is_kept(volumes, mounts, self.session_home()):
            self.log.warning(
                "%s does not sleep with its memory: StreamSpaceSpawner.volume_mounts has nothing that outlives a pod "
                "at %s",
                self._log_name,
                self.session_home(),
            )
            return None
        return PodSleep(f"{self.pod_name}-sleep", self.sleep_grace_period)

    @contextlib.contextmanager
    def key_at_hand(self, sleep: PodSleep | None) -> Iterator[None]:
        """Have the Secret with the user's key made as soon as there is the pod that owns it."""
        theirs = self.after_pod_created_hook
        if sleep is None:
            yield
            return

        async def make_secret(spawner: SleepingPods, pod: Mapping[str, Any]) -> None:
            owner = make_owner_reference(pod["metadata"]["name"], pod["metadata"]["uid"])
            labels = self._build_common_labels(self._expand_all(self.extra_labels))
            secret = key_secret(sleep.secret, self.sleep_key, owner, labels)
            await self._until_done(self._ensure_not_exists, "secret", sleep.secret)
            await self._until_done(self._make_create_resource_request, "secret", secret)
            if theirs is not None:
                await maybe_future(theirs(spawner, pod))

        self.after_pod_created_hook = make_secret
        try:
            yield
        finally:
            self.after_pod_created_hook = theirs

    async def _until_done(self, request: Callable[[str, Any], Awaitable[bool]], kind: str, what: Any) -> None:
        """Make a request again and again, for as long as KubeSpawner does."""
        await exponential_backoff(
            lambda: request(kind, what),
            f"{self._log_name}: the cluster does not change its {kind}",
            timeout=self.k8s_api_request_retry_timeout,
        )

    # --- the end ---------------------------------------------------------------------------------------------------

    async def forget_last_words(self) -> None:
        """Begin anew: a pod of this name may have said something before."""
        await self._start_watching_pods()
        self.pod_reflector.gone.pop(self._pod_key, None)

    def hear_last_words(self) -> None:
        """Take note if the session has kept its memory by itself, when its pod was taken away."""
        if not self.session_state.get(SLEEPS) or self.session_state.get(FALLS):
            return
        if (word := self._last_word()) is not None:
            self.log.info("%s was taken away, and has kept its memory", self._log_name)
            self.fall_asleep(since=word.since, size=word.bytes)
        elif self.session_state.get(UP) and self._went_unseen():
            self.log.info(
                "%s was taken away unseen, and may have kept its memory: its next start looks", self._log_name
            )
            self.fall_asleep(since=datetime.now(UTC).isoformat(timespec="seconds"), size=0)

    def _went_unseen(self) -> bool:
        return self._pod_key not in self.pod_reflector.pods and self._pod_key not in self.pod_reflector.gone

    def _last_word(self) -> Kept | None:
        pod = self.pod_reflector.pods.get(self._pod_key) or self.pod_reflector.gone.get(self._pod_key)
        return None if pod is None else kept(pod)

    async def stop(self, now: bool = False) -> None:
        """Delete the pod; a session's memory is kept only if the hub was told so before."""
        for_good = bool(self.session_state.get(SLEEPS)) and not self.session_state.get(FALLS)
        if for_good and not now:
            await self._end_desktop()
        await super().stop(now)
        if for_good and self._leaves_image():
            await self.remove_image()

    def _leaves_image(self) -> bool:
        """Return whether there may be an image that nobody will wake: the session did not hear us, or had no time."""
        now = time.time()
        if outlives(self.session_state, now):
            return False
        return self._last_word() is not None or may_leave_image(self.session_state, now)

    async def _end_desktop(self) -> None:
        """Have the session's desktop end: what is not there does not keep its memory when the pod is taken away."""
        if self.server is None:
            return
        url = f"{self.server.url}streamspace/api/v1/end"
        headers = {"Authorization": f"token {self.api_token}"}
        try:
            await AsyncHTTPClient().fetch(
                url, method="POST", body="", headers=headers, request_timeout=END_LIMIT, follow_redirects=False
            )
        except (HTTPError, OSError, ValueError) as error:
            self.log.info("%s does not hear that it ends: %s", self._log_name, error)

    # --- the image -------------------------------------------------------------------------------------------------

    async def remove_image(self) -> None:
        """Remove this server's memory image, by a pod of a moment: the user's files are out of the hub's reach."""
        try:
            async with asyncio.timeout(REMOVAL_LIMIT):
                await self._remove_image()
        except (ApiException, ClientError, OSError) as error:
            self.log.warning("A memory image of %s could not be removed: %r", self._log_name, error)

    async def _remove_image(self) -> None:
        await self._start_watching_pods()
        if self.storage_pvc_ensure and not await self._check_pvc_exists(self.pvc_name, self.namespace):
            return  # and with it all that was in it
        name = f"{self.pod_name}-forget"
        key = f"{self.namespace}/{name}"
        pod = await self._removal_pod(name)
        await self._until_done(self._ensure_not_exists, "pod", name)
        await self.api.create_namespaced_pod(self.namespace, pod)
        try:
            phase = await self._end_of(key)
        finally:
            options = V1DeleteOptions(grace_period_seconds=0)
            await self._make_delete_pod_request(name, options, 0, self.k8s_api_request_timeout)
        if phase == "Failed":
            raise OSError(f"pod {name} has failed")

    async def _end_of(self, key: str) -> str:
        """Wait until a pod has ended; return its phase."""
        while True:
            changed = self.pod_reflector.changes.next_of(key)
            pod = self.pod_reflector.pods.get(key)
            if pod is not None and pod["status"].get("phase") in ("Succeeded", "Failed"):
                return str(pod["status"]["phase"])
            await changed.wait()

    async def _removal_pod(self, name: str) -> Any:
        plan, self.plan = self.plan, None  # an ordinary server's pod is what is changed
        try:
            pod = await super().get_pod_manifest()
        finally:
            self.plan = plan
        app = self.asleep.app if self.asleep is not None else plan.template.name if plan is not None else ""
        entry = (await current_catalog(self.streamspace.catalog_dirs, self.log.warning)).apps.get(app)
        named = entry.template.image if entry is not None else None
        image = named or (app and self.session_image.replace("{app}", app)) or self.image
        paths = image_paths(image_folder(self.session_home(), self.name))
        return removal(pod, paths, image, await self.session_security(), name)
