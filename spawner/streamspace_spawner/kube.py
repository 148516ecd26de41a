"""`StreamSpaceSpawner`: sessions as pods, beside the JupyterLab servers that KubeSpawner starts.

Everything that KubeSpawner can be told works as it did. What a session's pod looks like is `pod`'s matter, what is said
of its start `pod_events`'s; here it is created, watched and refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlparse

from jupyterhub.traitlets import ByteSpecification
from jupyterhub.utils import maybe_future
from kubernetes_asyncio.client import ApiException, V1Pod
from kubespawner import KubeSpawner
from traitlets import Dict, Float, Integer, List, TraitError, Unicode, default, validate

from streamspace_hub.model.asleep import SLEEPS, UP
from streamspace_hub.model.gpus import GPU_KINDS
from streamspace_spawner.admission import storage_limit
from streamspace_spawner.compat import refusal
from streamspace_spawner.discreet import DiscreetRequests
from streamspace_spawner.kube_sleep import SleepingPods
from streamspace_spawner.mixin import StreamSpaceMixin
from streamspace_spawner.patient import PatientRequests, Trouble, said
from streamspace_spawner.pod import (
    Gpus,
    SessionPod,
    as_session,
    desktop_exit_code,
    ended_at,
    has_ended,
    is_leaving,
    strict_security,
)
from streamspace_spawner.pod_events import step
from streamspace_spawner.reflectors import NOTICING, Noticing
from streamspace_spawner.refusals import (
    ended_at_start,
    not_answered,
    not_configured,
    not_in_time,
    refused_by_cluster,
)
from streamspace_spawner.session import SessionPlan

EXTENDED_RESOURCE = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9._:/{}-]*(@sha256:[0-9a-f]{64})?")
DEFAULT_USER, DEFAULT_GROUP = 1000, 100
"""Of Jupyter's own images."""
BEFORE_THE_HUB = 0.95
"""Share of `start_timeout` after which a start is given up here: the hub would not say what it was waiting for."""
LOOK_INTERVAL = 0.05
"""Seconds between attempts to reach a session that is coming up."""


class StreamSpaceSpawner(SleepingPods, StreamSpaceMixin, PatientRequests, DiscreetRequests, KubeSpawner):  # type: ignore[misc]
    """Starts sessions and JupyterLab servers as pods."""

    session_image = Unicode(
        config=True,
        help="""
        Image of sessions whose app's template names none.

        `{app}` stands for the name of the app::

            c.StreamSpaceSpawner.session_image = "registry.example.org/streamspace/{app}:0.1.0"

        `streamspace images build` makes such images.
        """,
    )
    session_home_path = Unicode(
        "/home/jovyan",
        config=True,
        help="""
        Where the user's home is in a session's pod: what `volume_mounts` mounts it to.
        """,
    )
    streamer_uid = Integer(
        1001,
        min=1,
        config=True,
        help="""
        User id of the streamer in a session's pod. It must not be that of the user's programs (`uid`, else 1000):
        that they differ keeps the programs from the process that enforces policy.
        """,
    )
    streamer_cpu_guarantee = Float(
        0.1,
        min=0,
        config=True,
        help="""
        Cores kept for the streamer of each session. It uses more while the picture moves, and next to nothing else.
        """,
    )
    streamer_mem_guarantee = ByteSpecification(
        192 * 2**20,
        config=True,
        help="""
        Memory kept for the streamer of each session.
        """,
    )
    streamer_mem_limit = ByteSpecification(
        2**30,
        config=True,
        help="""
        Memory that the streamer of a session may use at most.
        """,
    )
    shm_size = ByteSpecification(
        2**30,
        config=True,
        help="""
        Most that a session's programs may put into `/dev/shm`: browsers and PyTorch need more than the usual 64 MB.

        What is in use counts towards the session's memory.
        """,
    )
    gpu_resource = Unicode(
        config=True,
        help="""
        What the cluster calls its GPUs: `nvidia`, `amd`, `intel`, or the name of an extended resource.

        Shares and slices have names of their own::

            c.StreamSpaceSpawner.gpu_resource = "nvidia.com/mig-1g.5gb"

        Unset, the cluster has none: apps that need a GPU are refused, those that only like one start without.
        """,
    )
    gpu_encoder_resource = Unicode(
        config=True,
        help="""
        What the streamer of a session with a GPU gets one of, to encode on: as `gpu_resource`, as a rule a share.

        The GPU that an app asks for is its own container's; Kubernetes gives no device to two. Shares have names::

            c.StreamSpaceSpawner.gpu_encoder_resource = "nvidia.com/gpu.shared"

        Unset, the streamer encodes on the CPU. Its image has to be built for it (`--build-arg GPU=yes`).
        """,
    )
    gpu_node_selector = Dict(
        config=True,
        help="""
        Labels of the nodes that sessions with a GPU run on, in addition to `node_selector`.
        """,
    )
    gpu_tolerations = List(
        Dict(),
        config=True,
        help="""
        Taints that sessions with a GPU tolerate, in addition to `tolerations`, as Kubernetes writes them::

            c.StreamSpaceSpawner.gpu_tolerations = [
                {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            ]
        """,
    )
    gpu_runtime_class = Unicode(
        config=True,
        help="""
        RuntimeClass of sessions with a GPU, where the cluster needs one, e.g. `nvidia`.
        """,
    )

    @default("delete_grace_period")
    def _time_to_end_in(self) -> int:
        # Programs are asked to end and get three seconds; KubeSpawner's default is one.
        return 10

    @validate("gpu_resource", "gpu_encoder_resource")
    def _known_resource(self, proposal: Mapping[str, Any]) -> str:
        name: str = GPU_KINDS.get(proposal["value"], proposal["value"])
        if name and not EXTENDED_RESOURCE.fullmatch(name):
            raise TraitError(
                f"StreamSpaceSpawner.{proposal['trait'].name}: {name!r} must be one of {', '.join(GPU_KINDS)}, "
                "or the name of an extended resource such as 'nvidia.com/gpu'"
            )
        return name

    @validate("session_image")
    def _plain_image(self, proposal: Mapping[str, Any]) -> str:
        image: str = proposal["value"]
        if image and (not IMAGE.fullmatch(image) or re.sub(r"\{app\}", "", image).count("{")):
            raise TraitError(
                f"StreamSpaceSpawner.session_image: {image!r} must be a container image such as "
                "'registry.example.org/streamspace/{app}:0.1.0'; it may hold {app} only"
            )
        return image

    @validate("session_home_path")
    def _absolute_home(self, proposal: Mapping[str, Any]) -> str:
        path: str = proposal["value"]
        if not path.startswith("/") or not path.isprintable():
            raise TraitError(f"StreamSpaceSpawner.session_home_path: {path!r} must be an absolute path")
        return path

    def get_pvc_manifest(self) -> Any:
        """Return the claim to be made for the user's files: as large as their quota, where there is one."""
        limit = storage_limit(self)
        if limit is not None:
            self.storage_capacity = str(int(limit.amount))
        return super().get_pvc_manifest()

    def session_home(self) -> str:
        """Return where the user's home is mounted."""
        return self.session_home_path

    # --- what is started -------------------------------------------------------------------------------------------

    async def load_user_options(self) -> None:
        """Apply the profile that was chosen. A session has none: its template is what a profile is elsewhere."""
        if self.plan is None:
            await super().load_user_options()

    async def get_pod_manifest(self) -> V1Pod:
        """Return the pod to be created."""
        pod = await super().get_pod_manifest()
        return pod if self.plan is None else as_session(pod, await self._session_pod(self.plan))

    def get_env(self) -> dict[str, str]:
        """Return the server's environment: docs/reference/environment.md."""
        variables = super().get_env()
        if self.plan is not None:
            return variables | dict.fromkeys(("JUPYTER_IMAGE", "JUPYTER_IMAGE_SPEC"), self._image(self.plan))
        return {"STREAMSPACE_APP_IMAGES": "1", **variables}

    async def _session_pod(self, plan: SessionPlan) -> SessionPod:
        user, group = await self._ids()
        if user == self.streamer_uid:
            raise not_configured(
                f"StreamSpaceSpawner.streamer_uid is {user}, the user id of the programs too. They must differ."
            )
        if user == 0:
            raise not_configured("StreamSpaceSpawner.uid is 0, but a session's programs never run as root.")
        return SessionPod(
            image=self._image(plan),
            home=self.session_home_path,
            desktop_user=user,
            streamer_user=self.streamer_uid,
            group=group,
            shm_size=self.shm_size,
            requests={"cpu": self.streamer_cpu_guarantee, "memory": self.streamer_mem_guarantee},
            limits={"memory": self.streamer_mem_limit},
            gpus=self._gpus(plan),
            keep_mounts=(self.secret_mount_path,) if self.internal_ssl else (),
            sleep=self.pod_sleep(plan),
        )

    async def session_security(self) -> dict[str, Any]:
        """Return the security context of a container of the user's programs."""
        return strict_security({}, *await self._ids())

    async def _ids(self) -> tuple[int, int]:
        uid = await maybe_future(self.uid(self)) if callable(self.uid) else self.uid
        gid = await maybe_future(self.gid(self)) if callable(self.gid) else self.gid
        return DEFAULT_USER if uid is None else int(uid), DEFAULT_GROUP if gid is None else int(gid)

    def _image(self, plan: SessionPlan) -> str:
        image = plan.template.image or self.session_image.replace("{app}", plan.template.name)
        if not image:
            raise refusal(
                f"There is no image for {plan.template.title}. An administrator has to set `image` in its template, or "
                "StreamSpaceSpawner.session_image.",
                reason="no_image",
                status=503,
            )
        return image

    def _gpus(self, plan: SessionPlan) -> Gpus | None:
        need = plan.template.resources.gpu
        if need.count == 0:
            return None
        if not self.gpu_resource:
            if need.required:
                raise refusal(
                    f"{plan.template.title} needs a GPU, and this cluster offers none. An administrator who knows "
                    "better can set StreamSpaceSpawner.gpu_resource.",
                    reason="no_gpu",
                    status=503,
                )
            return None
        return Gpus(
            self.gpu_resource, need.count, self.gpu_node_selector, self.gpu_tolerations, self.gpu_runtime_class,
            self.gpu_encoder_resource,
        )  # fmt: skip

    # --- start -----------------------------------------------------------------------------------------------------

    async def _start(self) -> str:
        """Start the server or the session; return its URL.

        Raises:
            tornado.web.HTTPError: it cannot be started; the message is a sentence for the user.
        """
        plan = await self.prepare_session()
        if plan is None:
            return await self._create_and_wait()
        with self.traced(plan):
            return await self._start_session(plan)

    async def _start_session(self, plan: SessionPlan) -> str:
        pod = await self._session_pod(plan)  # refuses what cannot be before anything is made for it
        title = plan.template.title
        self.tell_beginning(5, title)
        self.session_state, self.trouble = {**self.begin_state(plan), SLEEPS: pod.sleep is not None}, None
        await self.forget_last_words()
        telling = asyncio.create_task(self._tell_events(title))
        try:
            async with asyncio.timeout(self.start_timeout * BEFORE_THE_HUB):
                with self.key_at_hand(pod.sleep):
                    url = await self._create_and_wait(title)
                self.tell(80, f"The desktop is up; opening {title}.")
                await self._until_listening(url, title)
                await self.tell_how_it_woke(url, title)
            self.session_state = {**self.session_state, UP: True}
            return url
        except TimeoutError as error:
            if self.trouble is not None:
                raise not_answered(title, said(self.trouble)) from error
            await self._complain_of_reflector()
            raise not_in_time(title, self.start_timeout, self.told[-1]) from error
        except ApiException as error:
            self.log.exception("Kubernetes refused %s", self._log_name)
            raise refused_by_cluster(error, title) from error
        finally:
            telling.cancel()

    def note_trouble(self, trouble: Trouble) -> None:
        """Tell the user that the cluster is asked again."""
        if self.plan is not None:
            title = self.plan.template.title
            self.tell(8, f"The cluster cannot take {title} for the moment ({said(trouble)}); it is asked again.")

    async def _create_and_wait(self, title: str = "") -> str:
        """Have KubeSpawner create the pod, and notice at once when it runs."""
        self._waits_for_pod = asyncio.Event()
        creating = asyncio.ensure_future(super()._start())
        created = asyncio.ensure_future(self._waits_for_pod.wait())
        try:
            await asyncio.wait((creating, created), return_when=asyncio.FIRST_COMPLETED)
            if creating.done():
                url: str = creating.result()
                return url
            # It would look again at growing intervals.
            creating.cancel()
            pod = await self._until_running(title)
        finally:
            self._waits_for_pod = None
            for task in (creating, created):
                task.cancel()
        self.pod_id = pod["metadata"]["uid"]
        return str(self._get_pod_url(pod))

    _waits_for_pod: asyncio.Event | None = None
    """Set once KubeSpawner, with all else done, only waits for the pod to run."""

    def is_pod_running(self, pod: Mapping[str, Any] | None) -> bool:
        """Return whether all containers of the pod are ready."""
        if self._waits_for_pod is not None:
            self._waits_for_pod.set()
        return bool(super().is_pod_running(pod))

    async def _until_running(self, title: str) -> Mapping[str, Any]:
        """Wait for the pod; the reflector says when to look."""
        deadline = asyncio.get_running_loop().time() + self.start_timeout
        while True:
            # Asked for each time: KubeSpawner replaces a reflector that has stopped.
            changed = _changes(self.pod_reflector, self._pod_key)
            pod = self.pod_reflector.pods.get(self._pod_key)
            if pod is not None and self.is_pod_running(pod):
                return dict(pod)
            if pod is not None and title and (pod["status"]["phase"] == "Failed" or has_ended(pod)):
                raise ended_at_start(title)
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                await self._complain_of_reflector()
                raise TimeoutError(f"pod {self._pod_key} did not start in {self.start_timeout} seconds!")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), min(left, self.k8s_api_request_retry_timeout))

    async def _complain_of_reflector(self) -> None:
        if self._pod_key not in self.pod_reflector.pods:
            self.log.error("Pod %s never showed up in the reflector, which is restarted", self._pod_key)
            await self._start_watching_pods(replace=True)

    async def _until_listening(self, url: str, title: str) -> None:
        """Wait until the session's Jupyter server listens."""
        address = urlparse(url)
        while True:
            try:
                _, writer = await asyncio.open_connection(address.hostname, address.port)
            except OSError:
                pod = self.pod_reflector.pods.get(self._pod_key)
                if pod is None or has_ended(pod):
                    raise ended_at_start(title) from None
                await asyncio.sleep(LOOK_INTERVAL)
                continue
            writer.close()
            return

    @property
    def _pod_key(self) -> str:
        return f"{self.namespace}/{self.pod_name}"

    async def _start_reflector(self, kind: str, reflector_class: Any, replace: bool = False, **kwargs: Any) -> Any:
        noticing = NOTICING.get(reflector_class, reflector_class)
        return await super()._start_reflector(kind, noticing, replace, **kwargs)

    async def _tell_events(self, title: str) -> None:
        """Tell the user what Kubernetes says of the pod, until cancelled."""
        if not self.events_enabled:
            return
        await self._start_watching_events()
        told: set[tuple[str, str]] = set()
        percent = 0
        while True:
            changed = _changes(self.event_reflector, self._pod_key)
            for event in self._events_of_pod():
                said = step(event, title)
                key = (event["metadata"]["uid"], event.get("message") or "")
                if said is not None and key not in told:
                    told.add(key)
                    percent = max(percent, said.percent)
                    self.tell(percent, said.message)
            await changed.wait()

    def _events_of_pod(self) -> list[dict[str, Any]]:
        """Return the events of the pod that is there now, and not of one that had its name before, oldest first."""
        pod = (self.pod_reflector.pods if self.pod_reflector else {}).get(self._pod_key)
        if pod is None:
            return []
        uid = pod["metadata"]["uid"]
        events = [e for e in self.event_reflector.resources.values() if e["involvedObject"].get("uid") == uid]
        return sorted(events, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")

    # --- poll ------------------------------------------------------------------------------------------------------

    async def poll(self) -> int | None:
        """Return None while the server runs, else its exit code; a session also ends with its desktop."""
        await self._start_watching_pods()
        self.hear_last_words()
        pod = self.pod_reflector.pods.get(self._pod_key)
        if self.session_state and pod is not None and is_leaving(pod):
            # KubeSpawner would end it at once, and its desktop may be keeping its memory.
            self.note_alive()
            return None
        status: int | None = await super().poll()
        if not self.session_state:
            if status is not None:
                self.note_found_dead(None)
            return status
        code = status if status is not None else desktop_exit_code(pod) if pod is not None else None
        if code is None:
            self.note_alive()
            return None
        # What has not ended of it takes its room until now.
        self.note_found_dead(None if pod is None else ended_at(pod) or time.time())
        if status is None and self.delete_stopped_pods:
            await self.stop(now=True)
        return code


def _changes(reflector: Noticing, key: str) -> asyncio.Event:
    return reflector.changes.next_of(key)
