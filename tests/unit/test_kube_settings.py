"""Settings of the spawner on Kubernetes: what is refused, and with which words. Needs no cluster."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import streamspace_spawner
from kubernetes_asyncio.client import ApiException
from streamspace_spawner import StreamSpaceMixin
from streamspace_spawner.kube import StreamSpaceSpawner
from streamspace_spawner.refusals import refused_by_cluster
from tornado import web
from traitlets import TraitError
from traitlets.config import Config

from streamspace_hub import install


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    # A spawner takes its client when it is made; these never ask for anything.
    monkeypatch.setattr("kubespawner.spawner.load_config", lambda **settings: None)
    monkeypatch.setattr("kubespawner.spawner.shared_client", lambda name: None)


def spawner(**settings: Any) -> StreamSpaceSpawner:
    return StreamSpaceSpawner(config=Config({"StreamSpaceSpawner": settings}), _mock=True)


@pytest.mark.parametrize(
    ("given", "resource"),
    [
        ("nvidia", "nvidia.com/gpu"),
        ("amd", "amd.com/gpu"),
        ("intel", "gpu.intel.com/i915"),
        ("nvidia.com/mig-1g.5gb", "nvidia.com/mig-1g.5gb"),
        ("", ""),
    ],
)
def test_a_kind_of_gpu_is_a_resource(given: str, resource: str) -> None:
    assert spawner(gpu_resource=given).gpu_resource == resource
    assert spawner(gpu_encoder_resource=given).gpu_encoder_resource == resource


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("gpu_resource", "voodoo", "gpu_resource: 'voodoo' must be one of nvidia, amd, intel, or the name"),
        ("gpu_resource", "nvidia.com/gpu; rm", "gpu_resource"),
        ("gpu_encoder_resource", "nvenc", "gpu_encoder_resource: 'nvenc' must be one of nvidia, amd, intel"),
        ("session_image", "team/{app}:$(id)", "session_image"),
        ("session_image", "team/{user}:1", "it may hold {app} only"),
        ("session_home_path", "home", "must be an absolute path"),
        ("streamer_uid", 0, "streamer_uid"),
        ("shm_size", "much", "shm_size|mem|much"),
        ("streamer_cpu_guarantee", -1, "streamer_cpu_guarantee"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, value: Any, words: str) -> None:
    with pytest.raises(TraitError, match=words.replace("{", r"\{").replace("}", r"\}")):
        spawner(**{setting: value})


def test_what_is_set_on_kubespawner_holds() -> None:
    config = Config({"KubeSpawner": {"namespace": "hub", "mem_limit": "2G"}})
    made = StreamSpaceSpawner(config=config, _mock=True)
    assert (made.namespace, made.mem_limit) == ("hub", 2 * 2**30)


def test_install_takes_it_as_it_is() -> None:
    c = Config()
    c.JupyterHub.spawner_class = "streamspace_spawner.StreamSpaceSpawner"
    install(c)
    assert c.JupyterHub.spawner_class == "streamspace_spawner.StreamSpaceSpawner"
    assert issubclass(streamspace_spawner.StreamSpaceSpawner, StreamSpaceMixin)


def test_there_is_nothing_else_to_be_had() -> None:
    with pytest.raises(AttributeError, match="Nothing"):
        _ = streamspace_spawner.Nothing


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (403, '{"message": "pods \\"x\\" is forbidden: exceeded quota: all"}', "There is no room for GIMP at present"),
        (403, '{"message": "pods is forbidden: violates PodSecurity"}', "An administrator can tell why: pods is"),
        (422, '{"message": "Pod is invalid"}', "Pod is invalid"),
        (500, "<html>", "The cluster refused to start GIMP"),
        (500, None, "The cluster refused to start GIMP"),
    ],
)
def test_what_the_cluster_refuses_is_a_sentence(status: int, body: str | None, words: str) -> None:
    error = ApiException(status=status, reason="Because")
    error.body = body
    refused = refused_by_cluster(error, "GIMP")
    assert isinstance(refused, web.HTTPError)
    assert refused.status_code == 503
    assert words in str(getattr(refused, "jupyterhub_message", "") or refused)


@pytest.mark.parametrize(("groups", "size"), [((), "10Gi"), (("lab",), str(20 * 2**30))])
def test_a_claim_is_as_large_as_the_quota_of_files(groups: tuple[str, ...], size: str) -> None:
    config = Config()
    config.StreamSpaceSpawner.storage_capacity = "10Gi"
    config.StreamSpace.quotas = {"groups": {"lab": {"storage": "20G"}}}
    made = StreamSpaceSpawner(config=config, _mock=True)
    made.user.settings, made.user.groups = {}, [SimpleNamespace(name=name) for name in groups]
    assert made.get_pvc_manifest().spec.resources.requests == {"storage": size}
