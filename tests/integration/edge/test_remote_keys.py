"""Tests of public keys that the edge fetches from an identity provider."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.local.dev_keys import ensure_identity
from tests.fakes.upstream import LOOPBACK
from tests.integration.edge.harness import run_harness


def _write_certificate(folder: Path, name: str) -> Path:
    """Write a self-signed certificate for `name` with its key, and return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    path = folder / f"{name}.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + secret)
    return path


@asynccontextmanager
async def _run_identity_provider(folder: Path, certificate: Path) -> AsyncIterator[int]:
    document = ensure_identity(folder).read_text()

    async def keys(_: web.Request) -> web.Response:
        return web.Response(text=document, content_type="application/json")

    app = web.Application()
    app.router.add_get("/keys", keys)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, 0, ssl_context=context).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("certified", "status"), [("localhost", 200), ("elsewhere.example", 401)], ids=["its own name", "another name"]
)
async def test_keys_are_fetched_only_from_a_host_with_a_valid_certificate(
    tmp_path: Path, certified: str, status: int
) -> None:
    certificate = _write_certificate(tmp_path, certified)
    async with _run_identity_provider(tmp_path, certificate) as port:
        changes = {"jwt_jwks_uri": f"https://localhost:{port}/keys", "ca_file": certificate}
        async with run_harness(tmp_path, **changes) as harness:
            assert (await harness.send("GET", "/api/voices", harness.build_bearer("alice"))).status == status
