"""Links that let whoever has them read one object for a while."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlencode

from services.common.errors import MediaError, Reason

SIGNATURE = "signature"
"""Query parameter with the signature; the edge lets links with it pass without a credential."""
EXPIRES = "expires"
"""Query parameter with the time at which the link ends, in seconds since 1970."""

_KEY_BYTES = 32
_SECONDS = re.compile(r"[0-9]{1,12}")


class UrlSigner:
    """Signs keys of objects and checks what it signed.

    Args:
        secret: What only the suite knows.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def build_path(self, key: str, expires_at: int) -> str:
        """Return path and query of a link to `key` that ends at `expires_at`, in seconds since 1970."""
        query = urlencode({EXPIRES: expires_at, SIGNATURE: self._signature(key, expires_at)})
        return f"/media/{quote(key, safe='/')}?{query}"

    def key_from_url(self, url: str, public_url: str, now: float) -> str | None:
        """Return the key in a link that `path` gave, if it still works; None for any other address.

        Args:
            url: Any text.
            public_url: Where the suite is reached from outside.
            now: Seconds since 1970.
        """
        prefix = f"{public_url}/media/"
        if not url.startswith(prefix):
            return None
        path, _, query = url.removeprefix(prefix).partition("?")
        given = parse_qs(query)
        try:
            self.check(unquote(path), given[EXPIRES][0], given[SIGNATURE][0], now)
        except (KeyError, MediaError):
            return None
        return unquote(path)

    def check(self, key: str, expires: str, signature: str, now: float) -> None:
        """Accept what `path` gave, until it ends.

        Args:
            key: The key in the link.
            expires: Its query parameter EXPIRES.
            signature: Its query parameter SIGNATURE.
            now: Seconds since 1970.

        Raises:
            MediaError: PERMISSION_DENIED, the link is not ours or has ended.
        """
        expires_at = int(expires) if _SECONDS.fullmatch(expires) else -1
        if not hmac.compare_digest(self._signature(key, expires_at), signature.encode("ascii", "replace").decode()):
            raise MediaError(Reason.PERMISSION_DENIED, "The link is not one of this suite's; ask for a new one.")
        if now >= expires_at:
            raise MediaError(Reason.PERMISSION_DENIED, "The link has ended; ask for a new one.")

    def _signature(self, key: str, expires_at: int) -> str:
        return hmac.new(self._secret, f"{expires_at}\n{key}".encode(), hashlib.sha256).hexdigest()


def load_shared_secret(file: Path) -> bytes:
    """Return the secret in `file`; makes one if there is none. Processes that start at once agree on one."""
    try:
        return _read(file)
    except FileNotFoundError:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    made.touch(mode=0o600)
    try:
        made.write_bytes(secrets.token_bytes(_KEY_BYTES))
        # Fails where another process was first: its secret counts.
        os.link(made, file)
    except FileExistsError:
        pass
    finally:
        made.unlink()
    return _read(file)


def _read(file: Path) -> bytes:
    return file.read_bytes()
