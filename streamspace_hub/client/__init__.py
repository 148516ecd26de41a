"""Python SDK: apps and sessions of StreamSpace from a script, with the hub's own tokens.

    from streamspace_hub.client import Client

    with Client() as client:  # STREAMSPACE_URL and STREAMSPACE_TOKEN
        session = client.launch("gimp")
        print(session.url)

`AsyncClient` has the same methods to await.
"""

from streamspace_hub.client.async_client import AsyncClient
from streamspace_hub.client.errors import (
    ClientError,
    NotConfiguredError,
    RefusedError,
    SessionFailedError,
    UnreachableError,
)
from streamspace_hub.client.exchange import Versioned
from streamspace_hub.client.place import Place, find_place
from streamspace_hub.client.sync_client import Client

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "NotConfiguredError",
    "Place",
    "RefusedError",
    "SessionFailedError",
    "UnreachableError",
    "Versioned",
    "find_place",
]
