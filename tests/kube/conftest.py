"""The cluster for all tests here: the one that is given, or none, and then the tests say why they do not run."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.kube.cluster.settings import ROOT
from tests.support.hub import TempHub
from tests.support.kube import Cluster, Namespace, kube_hub

pytest_plugins: list[str] = []


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster."""
    kubeconfig = os.environ.get("STREAMSPACE_TEST_KUBECONFIG")
    if kubeconfig is None:
        pytest.skip(os.environ.get("STREAMSPACE_TEST_NO_CLUSTER", "no cluster is given; `make test-kube` brings one"))
    return Cluster(kubeconfig)


@pytest.fixture(scope="session")
def image(cluster: Cluster) -> str:
    """The name of the apps' images in the cluster's registry, with `{app}` for the app's name."""
    name = os.environ.get("STREAMSPACE_TEST_IMAGE")
    if name is None:
        pytest.skip("STREAMSPACE_TEST_IMAGE does not say where the cluster finds images, e.g. registry/team/{app}:tag")
    return name


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    """A namespace for one module, with Pod Security at its strictest."""
    with cluster.namespace() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(namespace: Namespace, image: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TempHub]:
    """A hub with one user whose servers are pods."""
    async with kube_hub(namespace, image, tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture(scope="module")
def chart() -> str:
    """The path of Zero-to-JupyterHub's chart, from `Z2JH_CHART`."""
    given = os.environ.get("Z2JH_CHART")
    beside = ROOT.parent / "shared" / "charts" / "jupyterhub-4.4.0.tgz"
    if given is None and not beside.exists():
        pytest.skip("Z2JH_CHART does not say where Zero-to-JupyterHub's chart is (`helm pull`)")
    return given or str(beside)
