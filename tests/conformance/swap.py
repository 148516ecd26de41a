"""A pytest plugin that puts our spawner in place of JupyterHub's own, before its tests are imported.

`jupyterhub.tests.mocking.MockSpawner`, which nearly all of them start, derives from `SimpleLocalProcessSpawner`.
"""

import jupyterhub.spawner
from streamspace_spawner import LocalStreamSpaceSpawner

jupyterhub.spawner.SimpleLocalProcessSpawner = LocalStreamSpaceSpawner
