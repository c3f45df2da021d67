"""Operator, account and users of a NATS server, as the tool nsc issues them; a real server checks the results.

Format: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

OPERATOR, ACCOUNT, USER = 14 << 3, 0, 20 << 3
_SEED = 18 << 3
_ISSUED_AT = 1_700_000_000


def encode_public_key(kind: int, key: Ed25519PrivateKey) -> str:
    return _encode(bytes([kind]) + key.public_key().public_bytes_raw())


def encode_seed(kind: int, key: Ed25519PrivateKey) -> str:
    return _encode(bytes([_SEED | kind >> 5, (kind & 31) << 3]) + key.private_bytes_raw())


@dataclass(frozen=True, slots=True)
class NatsAuthority:
    """An operator with one account."""

    operator: Ed25519PrivateKey
    account: Ed25519PrivateKey

    @classmethod
    def create(cls) -> NatsAuthority:
        return cls(Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate())

    def format_configuration(self) -> str:
        """Return the part of a server's configuration that trusts this operator and knows its account."""
        operator, account = encode_public_key(OPERATOR, self.operator), encode_public_key(ACCOUNT, self.account)
        by_operator = (OPERATOR, self.operator)
        return (
            f"operator: {_sign_claims(by_operator, operator, {'type': 'operator', 'version': 2})}\n"
            "resolver: MEMORY\n"
            f"resolver_preload: {{{account}: {_sign_claims(by_operator, account, _ACCOUNT_CLAIMS)}}}\n"
        )

    def issue_user(self) -> str:
        """Return the credentials file of a new user of the account."""
        user = Ed25519PrivateKey.generate()
        claims = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
        jwt = _sign_claims((ACCOUNT, self.account), encode_public_key(USER, user), claims)
        return (
            f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{encode_seed(USER, user)}\n------END USER NKEY SEED------\n"
        )


_NO_LIMIT = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
_ACCOUNT_CLAIMS = {"type": "account", "version": 2, "limits": {**_NO_LIMIT, "wildcards": True}}


def _sign_claims(issuer: tuple[int, Ed25519PrivateKey], subject: str, claims: Mapping[str, object]) -> str:
    kind, key = issuer
    header = {"typ": "JWT", "alg": "ed25519-nkey"}
    body = {
        "jti": uuid.uuid4().hex,
        "iat": _ISSUED_AT,
        "iss": encode_public_key(kind, key),
        "sub": subject,
        "name": "test",
        "nats": claims,
    }
    signed = f"{_encode_json(header)}.{_encode_json(body)}"
    return f"{signed}.{_encode_url(key.sign(signed.encode()))}"


def _encode(body: bytes) -> str:
    checksum = binascii.crc_hqx(body, 0).to_bytes(2, "little")
    return base64.b32encode(body + checksum).decode().rstrip("=")


def _encode_json(value: Mapping[str, object]) -> str:
    return _encode_url(json.dumps(value).encode())


def _encode_url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
