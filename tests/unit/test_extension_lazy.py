"""The session's web server starts without the hub's database layer, which is there all the same when asked for."""

from __future__ import annotations

import subprocess
import sys

PRELUDE = "import sys\nfrom streamspace_proxy.extension.lazy import make_lazy\nmake_lazy()\n"
SERVER = PRELUDE + "import streamspace_proxy.extension.server\n"


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_the_server_does_not_load_the_database_layer() -> None:
    loaded = "[name for name in ('sqlalchemy.orm', 'alembic') if name in sys.modules]"
    assert run(SERVER + f"print({loaded})") == "[]"


def test_what_is_asked_for_loads() -> None:
    assert run(SERVER + "from jupyterhub import orm\nprint(orm.User.__tablename__)") == "users"
    assert run(SERVER + "from jupyterhub.orm import Group\nprint(Group.__tablename__)") == "groups"


def test_what_is_loaded_already_stays() -> None:
    assert (
        run(
            "import sys, jupyterhub.roles as before\n"
            + PRELUDE[11:]
            + "print(sys.modules['jupyterhub.roles'] is before)"
        )
        == "True"
    )
