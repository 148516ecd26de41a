"""Certificates for a test's own servers; each is its own authority."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


def make_certificate(folder: Path, host: str, addresses: Sequence[str] = ()) -> tuple[Path, Path]:
    """Make a certificate for `host` and IP `addresses` that is its own authority; return it and its key."""
    certificate, key = folder / f"{host}.pem", folder / f"{host}.key"
    names = ",".join([f"DNS:{host}", *(f"IP:{address}" for address in addresses)])
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={host}",
            "-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(certificate),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key
