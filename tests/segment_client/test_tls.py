"""Endpoints that cannot prove who they are, that speak no TLS, and that break it under way."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from segment_client import Result, Service
from tests.support.client_runs import HASTY, collect
from tests.support.hosts import KEYS, Host
from tests.support.photos import encoded

PICTURE, ANSWER = encoded("JPEG", 64, 60), encoded("PNG", 64, 60)
HEAD = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ANSWER)}\r\nConnection: close\r\n\r\n".encode()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(PICTURE)
    return path


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A PEM file with a key and its own certificate for 127.0.0.1."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        built.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return pem


type Serve = Callable[[ssl.SSLSocket, int], None]


@contextmanager
def tls_server(certificate: Path, serve: Serve) -> Iterator[int]:
    """The port of a server that calls `serve` with each connection and its number, counted from 0."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        number = 0
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(accepted, server_side=True) as connection:
                    serve(connection, number)
            except OSError:
                accepted.close()
            number += 1

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def read_request(connection: ssl.SSLSocket) -> None:
    data = b""
    while PICTURE not in data:
        data += connection.recv(65_536)


def test_a_server_that_cannot_prove_itself_ends_the_run(
    source: Path, certificate: Path, tmp_path: Path
) -> None:
    """Nothing is sent to it, the key least of all."""
    received = []
    with tls_server(certificate, lambda connection, _: received.append(connection.recv(65_536))) as port:
        [outcome], final = collect([source], tmp_path / "out", Service(f"https://127.0.0.1:{port}", "key"))
    assert final
    assert outcome.error is final
    assert (final.id, final.attempts) == ("C-TLS", 1)
    assert "not trusted" in final.message
    assert [data for data in received if data] == []


def test_https_where_no_tls_is_spoken_ends_the_run(host: Host, source: Path, tmp_path: Path) -> None:
    service = Service(host.url.replace("http:", "https:"), KEYS[0])
    [outcome], final = collect([source], tmp_path / "out", service)
    assert final
    assert outcome.error is final
    assert (final.id, final.attempts) == ("C-TLS", 1)
    assert final.message.endswith("does not speak TLS: should the endpoint begin with http:// ?")


def test_a_fault_of_tls_within_an_answer_is_tried_again(
    source: Path, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(connection: ssl.SSLSocket, number: int) -> None:
        read_request(connection)
        if number < 2:
            connection.sendall(HEAD + ANSWER[: len(ANSWER) // 2])
            with socket.socket(fileno=connection.detach()) as plain:
                plain.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)  # a record that nothing has encrypted
                plain.shutdown(socket.SHUT_WR)
                plain.recv(65_536)
        else:
            connection.sendall(HEAD + ANSWER)

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with tls_server(certificate, serve) as port:
        service = Service(f"https://127.0.0.1:{port}", patience=HASTY)
        [outcome], final = collect([source], tmp_path / "out", service)
    assert (outcome.result, outcome.error, final) == (Result.DONE, None, None)
    assert outcome.answer
    assert outcome.answer.attempts == 3
