"""What the hub loads: the spawner mixin with all session logic, and thin spawners on it."""

from typing import TYPE_CHECKING, Any

from streamspace_spawner.config import StreamSpace
from streamspace_spawner.local import LocalStreamSpaceSpawner
from streamspace_spawner.mixin import StreamSpaceMixin

if TYPE_CHECKING:
    from streamspace_spawner.kube import StreamSpaceSpawner

__all__ = ["LocalStreamSpaceSpawner", "StreamSpace", "StreamSpaceMixin", "StreamSpaceSpawner"]


def __getattr__(name: str) -> Any:
    # Only a hub on Kubernetes has kubespawner, which also takes a second to load.
    if name != "StreamSpaceSpawner":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from streamspace_spawner.kube import StreamSpaceSpawner
    except ModuleNotFoundError as error:
        if error.name not in ("kubespawner", "kubernetes_asyncio"):
            raise
        raise ImportError("StreamSpaceSpawner needs KubeSpawner: pip install 'streamspace-hub[kube]'") from error
    return StreamSpaceSpawner
