"""Find a session's processes from outside, as an administrator would."""

from __future__ import annotations

import json

import psutil


def runner_pid(app: str) -> int:
    """Process id of the newest session runner of `app`."""
    found = []
    for process in psutil.process_iter():
        try:
            if "streamspace_proxy.local" in process.cmdline():
                template = json.loads(process.environ().get("STREAMSPACE_TEMPLATE", "{}"))
                if template.get("name") == app:
                    found.append((process.create_time(), process.pid))
        except psutil.Error:
            continue
    assert found, f"no session of {app} runs"
    return max(found)[1]
