"""Signed links: each lets anyone read one object until it expires."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode, urlsplit

from services.common.errors import MediaError, Reason

SIGNATURE = "signature"
"""Query parameter with the signature; the edge passes requests with it without a credential."""
EXPIRES = "expires"
"""Query parameter with the time of expiry, in seconds since 1970."""

_KEY_BYTES = 32
_SECONDS = re.compile(r"[0-9]{1,12}")


class UrlSigner:
    """Signs links to objects and checks their signatures.

    Args:
        secret: Secret that all processes of the suite share.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def build_path(self, key: str, expires_at: int) -> str:
        """Return path and query of a link to `key` that expires at `expires_at`, in seconds since 1970."""
        query = urlencode({EXPIRES: expires_at, SIGNATURE: self.sign(key, expires_at)})
        return f"/media/{quote(key, safe='/')}?{query}"

    def key_from_url(self, url: str, public_url: str, now: float) -> str | None:
        """Return the key in a valid link from `build_path`; None for any other URL and for expired links.

        Args:
            url: URL or any other text.
            public_url: Address of the suite from outside.
            now: Seconds since 1970.
        """
        path, query = _split_url(url, f"{public_url}/media/")
        parameters = parse_qs(query)
        try:
            self.check(unquote(path), parameters[EXPIRES][0], parameters[SIGNATURE][0], now)
        except (KeyError, MediaError):
            return None
        return unquote(path)

    def check(self, key: str, expires: str, signature: str, now: float) -> None:
        """Check a link from `build_path`.

        Args:
            key: The key in the link.
            expires: Query parameter EXPIRES of the link.
            signature: Query parameter SIGNATURE of the link.
            now: Seconds since 1970.

        Raises:
            MediaError: PERMISSION_DENIED, the signature is wrong or the link has expired.
        """
        expires_at = int(expires) if _SECONDS.fullmatch(expires) else -1
        if not hmac.compare_digest(self.sign(key, expires_at), signature.encode("ascii", "replace").decode()):
            raise MediaError(Reason.PERMISSION_DENIED, "The link is not valid; request a new one.")
        if now >= expires_at:
            raise MediaError(Reason.PERMISSION_DENIED, "The link has expired; request a new one.")

    def derive_key(self, purpose: bytes) -> bytes:
        """Return 32 bytes for another purpose than signatures, equal in all processes of the suite."""
        return hmac.new(self._secret, b"key for " + purpose, hashlib.sha256).digest()

    def sign(self, key: str, expires_at: int) -> str:
        """Return the signature of `key` with a time of expiry, in hexadecimal."""
        return hmac.new(self._secret, f"{expires_at}\n{key}".encode(), hashlib.sha256).hexdigest()


def _split_url(url: str, prefix: str) -> tuple[str, str]:
    """Return path and query of `url` after `prefix`; both are empty if it has another beginning.

    Scheme and host have no case, a port may be left out, and browsers add a fragment such as #t=10 to media.
    """
    try:
        given, own = urlsplit(url), urlsplit(prefix)
        is_own = (given.scheme, given.hostname, _get_port(given)) == (own.scheme, own.hostname, _get_port(own))
    except ValueError:
        return "", ""
    if not is_own or given.username is not None or not given.path.startswith(own.path):
        return "", ""
    return given.path.removeprefix(own.path), given.query


def _get_port(url: SplitResult) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)


def load_shared_secret(file: Path) -> bytes:
    """Return the secret in `file`, or create one. Processes that start together agree on one."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    draft.touch(mode=0o600)
    try:
        draft.write_bytes(secrets.token_bytes(_KEY_BYTES))
        # Fails if another process was first; then its secret is used.
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return file.read_bytes()
