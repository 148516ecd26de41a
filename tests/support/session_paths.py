"""Every way into a session, below its viewer page: what must be closed to those who have no business there.

Not `static/`: the viewer's script and styles are the same for everybody, and hold nothing of anybody.
"""

PAGES = (("GET", ""), ("GET", "?view=1"))
REQUESTS = (
    ("GET", "api/v1/status"),
    ("GET", "api/v1/activity"),
    ("POST", "api/v1/activity"),
    ("POST", "api/v1/warn"),
    ("POST", "api/v1/announcement"),
    ("POST", "api/v1/freeze"),
    ("POST", "api/v1/thaw"),
    ("POST", "api/v1/hibernate"),
    ("POST", "api/v1/end"),
    ("GET", "api/v1/stats"),
    ("GET", "api/v1/metrics"),
    ("GET", "api/v1/thumbnail"),
    ("GET", "api/v1/turn"),
    ("GET", "api/v1/logs"),
    ("POST", "api/v1/open"),
    ("POST", "api/v1/app/restart"),
    ("POST", "api/v1/stop"),
    ("POST", "http"),
    ("GET", "http/anything?after=0"),
    ("POST", "http/anything?batch=0"),
    ("DELETE", "http/anything"),
)
SOCKETS = ("ws", "ws?view=1", "rfb")
