"""A real rsyslog (Debian's, unpacked and not installed), on loopback, that takes messages by TLS into a file."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.hub import ROOT
from tests.support.waiting import eventually

CONFIG = """\
global(
  workDirectory="{folder}"
  maxMessageSize="64k"
  defaultNetstreamDriver="ossl"
  defaultNetstreamDriverCAFile="{certificate}"
  defaultNetstreamDriverCertFile="{certificate}"
  defaultNetstreamDriverKeyFile="{key}"
)
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="text" type="string" string="%msg%\\n")
template(name="head" type="string" string="%syslogfacility-text%.%syslogseverity-text% %app-name% %msgid%\\n")
input(type="imtcp" address="127.0.0.1" port="{port}")
action(type="omfile" file="{folder}/text" template="text")
action(type="omfile" file="{folder}/head" template="head")
"""


@contextmanager
def rsyslog(folder: Path, port: int, certificate: tuple[Path, Path]) -> Iterator[None]:
    """Run a server; in `folder`, `text` gets the text of each message, `head` what else it says."""
    modules = folder / "modules"
    modules.mkdir(exist_ok=True)
    for package in ("rsyslog", "rsyslog-openssl"):
        for module in (_unpacked(package) / "usr" / "lib").glob("*/rsyslog/*.so"):
            (modules / module.name).unlink(missing_ok=True)
            (modules / module.name).symlink_to(module)
    config, log = folder / "rsyslog.conf", folder / "log"
    config.write_text(CONFIG.format(folder=folder, port=port, certificate=certificate[0], key=certificate[1]))
    program = _unpacked("rsyslog") / "usr" / "sbin" / "rsyslogd"
    with log.open("ab") as said:
        process = subprocess.Popen(
            [program, "-n", "-f", config, "-i", folder / "pid", "-M", modules], stdout=said, stderr=said
        )
    try:
        eventually(lambda: process.poll() is not None or _listens(port), "rsyslogd", log=log.read_text)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(10)


def _unpacked(package: str) -> Path:
    found = subprocess.run([ROOT / "tools" / "unpacked", package], check=True, capture_output=True, text=True)
    return Path(found.stdout.strip())


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0
