"""What the hub loads: the spawner mixin with all session logic, and thin spawners on it."""

from streamspace_spawner.config import StreamSpace
from streamspace_spawner.local import LocalStreamSpaceSpawner
from streamspace_spawner.mixin import StreamSpaceMixin

__all__ = ["LocalStreamSpaceSpawner", "StreamSpace", "StreamSpaceMixin"]
