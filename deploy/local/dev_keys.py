"""Key pair for development, created at first use: the private key signs tokens, the edge reads the public key."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jwt.algorithms import ECAlgorithm

ALGORITHM = "ES256"
ISSUER = "media-suite"
AUDIENCE = "media-suite"
DEFAULT_LIFETIME_SECONDS = 12 * 3600.0
_PRIVATE_KEY = "identity.pem"
_PUBLIC_KEYS = "jwks.json"
_OWNER_ONLY = 0o600
# Other users must be able to read the public keys, such as the user of the edge in a container.
_WORLD_READABLE = 0o644


def ensure_identity(folder: Path) -> Path:
    """Create the key pair in `folder` unless it exists.

    Args:
        folder: Folder of the two files; created, readable by its owner only, if it does not exist.

    Returns:
        The JWKS file, for MEDIA_JWT_JWKS_FILE.

    Raises:
        ValueError: The file of the private key does not contain one.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / _PRIVATE_KEY).exists():
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write_once(folder / _PRIVATE_KEY, pem)
    # Write it from the private key each time, so that the two files always match.
    public = _load_private_key(folder).public_key()
    document = {
        "keys": [
            {**ECAlgorithm.to_jwk(public, as_dict=True), "alg": ALGORITHM, "use": "sig", "kid": _compute_key_id(folder)}
        ]
    }
    _replace(folder / _PUBLIC_KEYS, json.dumps(document, indent=2).encode() + b"\n")
    return folder / _PUBLIC_KEYS


def issue_token(
    folder: Path,
    subject: str,
    lifetime_seconds: float = DEFAULT_LIFETIME_SECONDS,
    *,
    issuer: str = ISSUER,
    audience: str = AUDIENCE,
) -> str:
    """Return a bearer token signed by the key pair in `folder`.

    Args:
        folder: Folder of the key pair, which is created if it does not exist.
        subject: Caller that the token identifies.
        lifetime_seconds: Time until it expires; a negative value makes a token that has expired.
        issuer: Claim `iss`.
        audience: Claim `aud`.

    Raises:
        ValueError: The file of the private key does not contain one.
    """
    ensure_identity(folder)
    now = time.time()
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": subject,
        "iat": int(min(now, now + lifetime_seconds)),
        "exp": int(now + lifetime_seconds),
        "jti": uuid.uuid4().hex,
    }
    return jwt.encode(claims, _load_private_key(folder), ALGORITHM, headers={"kid": _compute_key_id(folder)})


def _load_private_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    path = folder / _PRIVATE_KEY
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except ValueError:
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} is not a private key; delete it, and the next start creates a new pair")  # noqa: TRY004 - the file is wrong, not an argument's type
    return key


def _compute_key_id(folder: Path) -> str:
    """Return the thumbprint of the key, so that a new pair has a new id."""
    members = ECAlgorithm.to_jwk(_load_private_key(folder).public_key(), as_dict=True)
    canonical = json.dumps({name: members[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _write_once(path: Path, content: bytes) -> None:
    """Write `path` atomically; if another process has written it first, keep that file."""
    draft = _write_draft(path, content, _OWNER_ONLY)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _replace(path: Path, content: bytes) -> None:
    _write_draft(path, content, _WORLD_READABLE).replace(path)


def _write_draft(path: Path, content: bytes, mode: int) -> Path:
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return draft
