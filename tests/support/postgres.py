"""A PostgreSQL server of our own: a cluster in a temporary folder, on loopback, ended and removed afterwards."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import sql

from tests.support.hub import free_ports

LIMIT = 60.0


class Postgres:
    """One server, with one database of the service's unless others are made."""

    def __init__(self, host: str = "127.0.0.1", *, durable: bool = True) -> None:
        self.host = host
        self._options = () if durable else ("-F",)  # without fsync: for what need not survive the machine
        self.port = free_ports(1)[0]
        self.password = secrets.token_hex(16)
        self.folder = Path(tempfile.mkdtemp(prefix="ss-pg-", dir="/tmp"))
        # PostgreSQL refuses to run as root.
        self._account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self._account:
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For `STREAMSPACE_DATABASE_URL`."""
        return f"postgresql://streamspace:{self.password}@{self.host}:{self.port}/postgres"

    def create(self, name: str) -> str:
        """Make an empty database beside the first one; return where it is, as SQLAlchemy wants it."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return f"{self.url.removesuffix('/postgres').replace('postgresql:', 'postgresql+psycopg:')}/{name}"

    def start(self) -> None:
        """Make the cluster if there is none, start the server, and wait until it answers."""
        if not (self.folder / "data").exists():
            secret = self.folder / "password"
            secret.write_text(self.password)
            secret.chmod(0o644)
            self._run(
                "initdb",
                "-D",
                f"{self.folder}/data",
                "-U",
                "streamspace",
                "-A",
                "scram-sha-256",
                f"--pwfile={secret}",
                "-E",
                "UTF8",
                "--locale=C",
                "-N",
            )
            if self.host != "127.0.0.1":
                with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
                    rules.write("host all all all scram-sha-256\n")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    _program("postgres"),
                    "-D",
                    f"{self.folder}/data",
                    "-p",
                    str(self.port),
                    "-h",
                    self.host,
                    "-k",
                    str(self.folder),
                    *self._options,
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as(),
            )
        deadline = time.monotonic() + LIMIT
        while subprocess.run(
            [_program("pg_isready"), "-h", self.host, "-p", str(self.port)], capture_output=True, check=False
        ).returncode:
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        """End the server at once; its files stay."""
        self._end(signal.SIGINT)  # "fast" shutdown

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(30)
            finally:
                self.process.kill()
                self.process.wait()

    def remove(self) -> None:
        """End the server and remove its files."""
        self._end(signal.SIGQUIT)  # "immediate": there is nothing to keep
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            [_program(command[0]), *command[1:]], capture_output=True, text=True, check=False, cwd="/", **self._as()
        )
        assert done.returncode == 0, done.stderr

    def _as(self) -> dict[str, int]:
        return {"user": self._account.pw_uid, "group": self._account.pw_gid} if self._account else {}


def _program(name: str) -> str:
    found = shutil.which(name) or max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default=None)
    assert found, f"{name} is missing: apt-get install postgresql (`make test` does it)"
    return found
