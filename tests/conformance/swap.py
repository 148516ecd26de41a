"""A pytest plugin that puts our spawner in place of JupyterHub's own, before its tests are imported.

`jupyterhub.tests.mocking.MockSpawner`, which nearly all of them start, derives from `SimpleLocalProcessSpawner`.
"""

import jupyterhub.spawner
import pytest
from streamspace_spawner import LocalStreamSpaceSpawner

jupyterhub.spawner.SimpleLocalProcessSpawner = LocalStreamSpaceSpawner


def pytest_collection_finish() -> None:
    """End the run if the tests would start another spawner than ours."""
    from jupyterhub.tests.mocking import MockSpawner

    if not issubclass(MockSpawner, LocalStreamSpaceSpawner):
        raise pytest.UsageError("The suites' MockSpawner is not a LocalStreamSpaceSpawner: the swap did not take.")
