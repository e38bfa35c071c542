"""Certificates of a test's own making, by openssl."""

import ssl
import subprocess
from pathlib import Path


class Pki:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.authority, self._key = folder / "ca.crt", folder / "ca.key"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=test authority", "-keyout", str(self._key), "-out", str(self.authority),
        )  # fmt: skip

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key for a name, which is an address if it looks like one."""
        certificate, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        kind = "IP" if name[0].isdigit() else "DNS"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-CA", str(self.authority), "-CAkey", str(self._key), "-subj", f"/CN={name}",
            "-addext", f"subjectAltName={kind}:{name}", "-addext", "basicConstraints=critical,CA:FALSE",
            "-keyout", str(key), "-out", str(certificate),
        )  # fmt: skip
        ssl.create_default_context().load_cert_chain(certificate, key)
        return certificate, key

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
