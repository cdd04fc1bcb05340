"""A certification authority that no machine trusts by default, and a TLS server with its certificate."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from deploy.local.ports import LOOPBACK
from shared.runtime.clock import system_clock

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

# Python 3.13 trusts only authorities whose key usage includes signing certificates.
_SIGNS = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class OwnCa:
    """Files in PEM: the authority's certificate, and a server's key and certificate, for 127.0.0.1 at least."""

    authority: Path
    server: Path


def create_own_ca(folder: Path, *names: str) -> OwnCa:
    """Write both files; the server's certificate is also for these host names."""
    key, name = ec.generate_private_key(ec.SECP256R1()), _build_name("County CA")
    authority = _sign(key, name, key, name, x509.BasicConstraints(ca=True, path_length=None), _SIGNS)
    server_key = ec.generate_private_key(ec.SECP256R1())
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK)), *map(x509.DNSName, names)])
    server = _sign(server_key, _build_name(LOOPBACK), key, name, alternative)
    private = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files = OwnCa(folder / "authority.pem", folder / "server.pem")
    files.authority.write_bytes(authority.public_bytes(Encoding.PEM))
    files.server.write_bytes(private + server.public_bytes(Encoding.PEM))
    return files


def _build_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _sign(
    key: ec.EllipticCurvePrivateKey,
    name: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    *extensions: x509.ExtensionType,
) -> x509.Certificate:
    begins = system_clock() - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = builder.add_extension(identifier, critical=False).add_extension(authority, critical=False)
    return builder.not_valid_before(begins).not_valid_after(begins + timedelta(days=3)).sign(issuer_key, SHA256())


@asynccontextmanager
async def run_tls_server(ca: OwnCa) -> AsyncIterator[str]:
    """Answer one request of each connection with an empty object; yield the URL."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(ca.server)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        writer.close()

    async with await asyncio.start_server(answer, LOOPBACK, 0, ssl=context) as listening:
        yield f"https://{LOOPBACK}:{listening.sockets[0].getsockname()[1]}"
