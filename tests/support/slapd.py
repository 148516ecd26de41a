"""A real LDAP server (Debian's slapd, unpacked and not installed) for a test, on loopback, with people that it names.

It takes no password in clear (`security simple_bind`): who doesn't begin with StartTLS can't sign in.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import ldap3

from tests.support.hub import ROOT, free_ports
from tests.support.waiting import PATIENCE

BASE = "dc=example,dc=org"
ADMIN = f"cn=admin,{BASE}"
GROUPS = ("students", "staff", "visitors", "hub-admins", "desktop-admins")
PASSWORD = "a-password-of-this-test"
LEAST_STRENGTH = 128
"""Of the cipher under which a password is taken (slapd.conf(5), `security`)."""

CONFIG = """\
include {root}/etc/ldap/schema/core.schema
include {root}/etc/ldap/schema/cosine.schema
include {root}/etc/ldap/schema/inetorgperson.schema
modulepath {root}/usr/lib/ldap
moduleload back_mdb
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
security simple_bind={strength}
database mdb
suffix {base}
rootdn {admin}
rootpw {password}
directory {folder}/ldap
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
"""


@dataclass
class Directory:
    """A running server."""

    port: int
    certificate: Path
    folder: Path

    @property
    def log(self) -> str:
        """What it has logged: each operation, without passwords."""
        return (self.folder / "slapd.log").read_text(errors="replace")

    def person(self, name: str, password: str) -> None:
        """Add somebody."""
        self._add(f"uid={name},ou=people,{BASE}", "inetOrgPerson", cn=name, sn=name, userPassword=password)

    def groups_of(self, name: str, *groups: str) -> None:
        """Make somebody a member of these groups, and of no other."""
        person = f"uid={name},ou=people,{BASE}"
        with self.connected() as connection:
            connection.search(f"ou=groups,{BASE}", f"(member={person})")
            for entry in connection.entries:
                connection.modify(entry.entry_dn, {"member": [(ldap3.MODIFY_DELETE, [person])]})
            for group in groups:
                connection.modify(f"cn={group},ou=groups,{BASE}", {"member": [(ldap3.MODIFY_ADD, [person])]})

    def connected(self) -> ldap3.Connection:
        """Return a connection as the server's administrator."""
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=str(self.certificate))
        return ldap3.Connection(
            ldap3.Server("localhost", self.port, tls=tls),
            ADMIN,
            PASSWORD,
            auto_bind=ldap3.AUTO_BIND_TLS_BEFORE_BIND,
            raise_exceptions=True,
        )

    def fill(self) -> None:
        """Make the empty tree, and its groups."""
        self._add(BASE, ["dcObject", "organization"], dc="example", o="Example")
        for unit in ("people", "groups"):
            self._add(f"ou={unit},{BASE}", "organizationalUnit", ou=unit)
        for group in GROUPS:
            # A group must have a member: RFC 4519, 3.5.
            self._add(f"cn={group},ou=groups,{BASE}", "groupOfNames", cn=group, member=ADMIN)

    def _add(self, name: str, kind: str | list[str], **attributes: str) -> None:
        with self.connected() as connection:
            connection.add(name, kind, attributes)


@contextmanager
def directory(folder: Path, certificate: tuple[Path, Path]) -> Iterator[Directory]:
    """Run a server whose files are in `folder`, with nobody in it."""
    unpacked = subprocess.run([ROOT / "tools" / "unpacked", "slapd"], check=True, capture_output=True, text=True)
    root = Path(unpacked.stdout.strip())
    (port,) = free_ports(1)
    (folder / "ldap").mkdir()
    config = folder / "slapd.conf"
    config.write_text(
        CONFIG.format(
            root=root,
            folder=folder,
            certificate=certificate[0],
            key=certificate[1],
            base=BASE,
            admin=ADMIN,
            password=PASSWORD,
            strength=LEAST_STRENGTH,
        )
    )
    libraries = os.pathsep.join(str(path) for path in (root / "usr" / "lib").glob("*-linux-*"))
    with open(folder / "slapd.log", "ab") as log:
        process = subprocess.Popen(
            # -d keeps it in the foreground; 256 logs operations.
            [root / "usr" / "sbin" / "slapd", "-f", config, "-h", f"ldap://127.0.0.1:{port}", "-d", "256"],
            env={**os.environ, "LD_LIBRARY_PATH": libraries},
            stdout=log,
            stderr=log,
        )
    running = Directory(port, certificate[0], folder)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert process.poll() is None, running.log
            assert time.monotonic() < deadline, running.log
            with suppress(ldap3.core.exceptions.LDAPSocketOpenError):
                running.fill()
                break
            time.sleep(0.05)
        yield running
    finally:
        process.terminate()
        process.wait(10)
