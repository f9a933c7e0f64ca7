"""A throw-away certificate authority, and what programs need to believe it."""

import os
import ssl
import threading
from pathlib import Path

import trustme


class Authority:
    """Makes a certificate for each host that is asked for."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._turn = threading.Lock()
        self.bundle = folder / "authorities.pem"
        """The system's authorities and this one: the value of SSL_CERT_FILE."""
        system = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile or ""
        known = Path(system).read_bytes() if system and Path(system).is_file() else b""
        self.bundle.write_bytes(known + b"\n" + self._authority.cert_pem.bytes())

    def context(self, host: str) -> ssl.SSLContext:
        """A server's context for that host."""
        with self._turn:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]

    def write(self, host: str, folder: Path) -> tuple[Path, Path]:
        """Certificate and key as files."""
        issued = self._authority.issue_cert(host, "127.0.0.1")
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key
