"""The demo's sign-in: two names, one password that was made for the run. Not for use outside the demo."""

from __future__ import annotations

import hmac
from typing import Any

from jupyterhub.auth import Authenticator
from traitlets import Unicode

from streamspace_hub.demo.settings import ADMIN, USER


class DemoAuthenticator(Authenticator):
    """Accepts `demo` and `admin` with `password`; refuses everything while `password` is empty."""

    password = Unicode(help="The password of this run.").tag(config=True)

    async def authenticate(self, handler: Any, data: dict[str, str]) -> str | None:
        """Return the user's name when the password is right, None otherwise (JupyterHub's contract)."""
        given = data.get("password", "").encode()
        right = bool(self.password) and hmac.compare_digest(given, self.password.encode())
        return data["username"] if right and data["username"] in (USER, ADMIN) else None
