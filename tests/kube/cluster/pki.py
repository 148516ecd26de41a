"""The cluster's certificates and kubeconfigs. Knows no process."""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey
LIFETIME = timedelta(days=30)


class Authority:
    """A certificate authority, and what it has signed, in one folder.

    With all that a strict reader asks for: without `keyUsage` and an authority's identifier, Python 3.13 refuses a
    certificate that Go takes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("streamspace-test")
        builder = _builder(self._name, self._name, self._key)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_usage(ca=True), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), False)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self._write("ca", self._key, self._certificate)

    def issue(self, file: str, name: str, groups: Sequence[str] = (), hosts: Sequence[str] = ()) -> None:
        """Write `<file>.crt` and `<file>.key` for user `name` of `groups`, or a server that is reached as `hosts`."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name, groups), self._name, key)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(ca=False), critical=True)
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), False)
        own, theirs = key.public_key(), self._key.public_key()
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(theirs)
        self._write(file, key, builder.add_extension(issuer, critical=False).sign(self._key, hashes.SHA256()))

    def service_account_key(self) -> None:
        """Write `sa.key` and `sa.pub`, by which the API server knows its own tokens."""
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(self._folder / "sa.key", key)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (self._folder / "sa.pub").write_bytes(public)

    def kubeconfig(self, path: Path, server: str, file: str) -> None:
        """Write the kubeconfig of the user whose certificate is `file`."""
        read = {name: _base64(self._folder / name) for name in ("ca.crt", f"{file}.crt", f"{file}.key")}
        user = {"client-certificate-data": read[f"{file}.crt"], "client-key-data": read[f"{file}.key"]}
        write_kubeconfig(path, server, read["ca.crt"], user)

    def _write(self, name: str, key: Key, certificate: x509.Certificate) -> None:
        (self._folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(self._folder / f"{name}.key", key)


def write_kubeconfig(path: Path, server: str, authority: str, user: dict[str, str], namespace: str = "default") -> None:
    """Write a kubeconfig (in JSON, which is YAML) with one cluster and one user."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
        "current-context": "test",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=2))


def _builder(subject: x509.Name, issuer: x509.Name, key: Key) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
    )


def _name(name: str, groups: Sequence[str] = ()) -> x509.Name:
    # Kubernetes: the user is the common name, its groups are the organisations.
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not ca,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_key(path: Path, key: Key) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
