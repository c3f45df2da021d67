"""Reads the files of public keys and API keys, and refuses a file that would admit no caller or too many."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from services.common.settings import ConfigurationError

MIN_API_KEY_LENGTH = 16
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")
_KEY = re.compile(r"[!-~]+")
# `oct` keys are shared secrets: a process that can verify a token with one can also issue tokens.
_PUBLIC_KEY_TYPES = frozenset({"EC", "RSA", "OKP"})
_PRIVATE_MEMBER = "d"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A long-lived credential of one client."""

    client: str
    """Principal of the requests with this key."""
    key: str


def read_jwks(path: Path) -> str:
    """Return the JWKS document at `path`.

    Raises:
        ConfigurationError: The file cannot be read, or is not a JWKS of public keys.
    """
    text = _read_file(path, "MEDIA_JWT_JWKS_FILE", "name a readable JWKS file")
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise ConfigurationError(f'MEDIA_JWT_JWKS_FILE: {path} is no JWKS; it must be {{"keys": [...]}} with a key.')
    for key in keys:
        if key.get("kty") not in _PUBLIC_KEY_TYPES or _PRIVATE_MEMBER in key:
            raise ConfigurationError(
                f"MEDIA_JWT_JWKS_FILE: {path} holds a key that is not public; keep only EC, RSA and OKP public keys."
            )
    return json.dumps(document)


def read_api_keys(path: Path | None) -> tuple[ApiKey, ...]:
    """Return the API keys of the file at `path`; an empty tuple without a path.

    Raises:
        ConfigurationError: The file cannot be read, or a line is not `client:key`. The message never quotes a line.
    """
    if path is None:
        return ()
    text = _read_file(path, "MEDIA_API_KEYS_FILE", "name a readable file, or leave the variable empty")
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    keys = tuple(_parse_api_key(path, number, line) for number, line in lines if line and not line.startswith("#"))
    if not keys:
        raise ConfigurationError(f"MEDIA_API_KEYS_FILE: {path} has no key; add one, or leave the variable empty.")
    if len({key.key for key in keys}) < len(keys):
        raise ConfigurationError(f"MEDIA_API_KEYS_FILE: {path} gives two clients the same key; make a key for each.")
    return keys


def _parse_api_key(path: Path, number: int, line: str) -> ApiKey:
    client, _, key = (part.strip() for part in line.partition(":"))
    if not _CLIENT.fullmatch(client) or not _KEY.fullmatch(key) or len(key) < MIN_API_KEY_LENGTH:
        raise ConfigurationError(
            f"MEDIA_API_KEYS_FILE: line {number} of {path} must be client:key, the client of letters, digits and ._@-,"
            f" the key of at least {MIN_API_KEY_LENGTH} printable characters."
        )
    return ApiKey(client, key)


def _read_file(path: Path, variable: str, remedy: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{variable}: cannot read {path} ({type(error).__name__}); {remedy}.") from None
