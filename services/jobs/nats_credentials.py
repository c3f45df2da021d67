"""Credentials of a NATS user: the file that NATS_CREDENTIALS names, and the signature that proves its key.

The client library signs with the package nkeys, which exists as source only; the image installs wheels only. The
format of the file and of the key is that of https://docs.nats.io/using-nats/developer/connecting/creds.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common.settings import ConfigurationError

_JWT_MARKER, _SEED_MARKER = "BEGIN NATS USER JWT", "BEGIN USER NKEY SEED"
_SEED_BYTES = 32
# Two bytes in front of the seed hold five bits of kind "seed" and eight of kind "user"; the rest is zero.
_USER_PREFIX = bytes([18 << 3 | 20 << 3 >> 5, (20 << 3 & 31) << 3])
_CHECKSUM_BYTES = 2


@dataclass(frozen=True, slots=True)
class NatsCredentials:
    """What a client shows to the server: its JWT, and signatures of its key."""

    jwt: bytes
    key: Ed25519PrivateKey

    def sign(self, nonce: str) -> bytes:
        """Return the signature of the server's nonce in base64."""
        return base64.b64encode(self.key.sign(nonce.encode()))


def read_credentials(file: Path) -> NatsCredentials:
    """Read the JWT and the key of a user from a credentials file.

    Raises:
        ConfigurationError: The file cannot be read or has no valid credentials; the text says why and holds no secret.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise _refuse("cannot be read") from None
    return NatsCredentials(_find_section(lines, _JWT_MARKER).encode(), _decode_seed(_find_section(lines, _SEED_MARKER)))


def build_credential_callbacks(file: Path) -> Mapping[str, Callable[..., bytes]]:
    """Return the arguments of `nats.connect` that authenticate with `file`.

    Each connection reads the file again, so that a renewed JWT needs no restart. While the file is unusable, for
    example half written, the credentials of the connection before it stay in use.

    Raises:
        ConfigurationError: See `read_credentials`.
    """
    current = read_credentials(file)

    def get_jwt() -> bytes:
        # The client asks for the signature first, which has read the file.
        return current.jwt

    def sign(nonce: str) -> bytes:
        nonlocal current
        with contextlib.suppress(ConfigurationError):
            current = read_credentials(file)
        return current.sign(nonce)

    return {"user_jwt_cb": get_jwt, "signature_cb": sign}


def _find_section(lines: list[str], marker: str) -> str:
    """Return the line after the one that contains `marker`."""
    for line, content in itertools.pairwise(lines):
        if marker in line and content.strip():
            return content.strip()
    raise _refuse(f"has no section {marker}")


def _decode_seed(text: str) -> Ed25519PrivateKey:
    """Return the key of a seed of kind "user": base32 of prefix, seed and checksum."""
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        raise _refuse("has a seed that is not base32") from None
    body, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    # CRC-16/XMODEM, little endian.
    if len(body) != len(_USER_PREFIX) + _SEED_BYTES or binascii.crc_hqx(body, 0).to_bytes(2, "little") != checksum:
        raise _refuse("has a damaged seed")
    if not body.startswith(_USER_PREFIX):
        raise _refuse("has the seed of an account or an operator; it must be that of a user")
    return Ed25519PrivateKey.from_private_bytes(body[len(_USER_PREFIX) :])


def _refuse(problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"NATS_CREDENTIALS must name a readable file with the credentials of a NATS user; this one {problem}"
    )
