"""The demo's hub: an ordinary configuration file with `streamspace_hub.install(c)` in it.

Read by JupyterHub, not imported. `run.py` passes the settings of the run by environment, which sessions don't inherit.
"""

import json
import os
import sys

import streamspace_hub
from streamspace_hub.demo.authenticator import DemoAuthenticator
from streamspace_hub.demo.settings import ADMIN, USER

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - traitlets provides it
run = json.loads(os.environ.pop("STREAMSPACE_DEMO_RUN"))

c.JupyterHub.bind_url = run["url"]
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{run['hub_port']}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{run['proxy_api_port']}"
c.JupyterHub.cookie_secret_file = f"{run['folder']}/cookie_secret"
c.JupyterHub.db_url = f"sqlite:///{run['folder']}/hub.sqlite"
c.ConfigurableHTTPProxy.pid_file = f"{run['folder']}/proxy.pid"
c.JupyterHub.authenticator_class = DemoAuthenticator
c.DemoAuthenticator.password = run["password"]
c.Authenticator.allowed_users = {USER, ADMIN}
c.Authenticator.admin_users = {ADMIN}

# -P: it starts in the user's home, where a file may be called like a module of Python's.
c.Spawner.cmd = [sys.executable, "-P", "-m", "jupyterhub.singleuser"]
c.Spawner.default_url = "/lab"
# JupyterLab asks at its first start whether it may fetch news; the demo keeps quiet, and offline.
c.Spawner.environment = {"JUPYTER_CONFIG_PATH": run["jupyter_config"]}

c.JupyterHub.load_roles = [
    # What users have anyway; sharing; and finding those whom to share with, by name.
    {"name": "user", "scopes": ["self", "shares!user", "read:users:name", "read:groups:name"]},
]
streamspace_hub.install(
    c,
    # Loses nothing: whoever comes back finds the app as it was.
    sleep={"default": {"freeze_after": 3600}},
    service={
        "url": f"http://127.0.0.1:{run['service_port']}",
        "database_url": f"sqlite:///{run['folder']}/streamspace.sqlite",
        "admins": [ADMIN],
    },
)
if run["account_template"]:
    c.LocalStreamSpaceSpawner.create_accounts = True
    c.LocalStreamSpaceSpawner.account_template = run["account_template"]
    c.LocalStreamSpaceSpawner.account_home_template = f"{run['folder']}/home/{{username}}"
