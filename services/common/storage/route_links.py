"""Signed links to routes of the suite: each lets anyone read one resource as its owner, until it expires.

They are for readers that cannot send a header, such as EventSource and the media elements of a browser.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from services.common.storage.interface import ObjectUrl
from services.common.storage.signed_urls import EXPIRES, SIGNATURE, UrlSigner

OWNER = "owner"
"""Query parameter with the principal for which the link reads."""


@dataclass(frozen=True, slots=True)
class RouteLinks:
    """Builds links to routes and checks them."""

    signer: UrlSigner
    public_url: str
    """Address of the suite from outside, without a slash at the end."""
    lifetime_seconds: float
    """Lifetime of a link."""

    def build(self, path: str, owner: str) -> ObjectUrl:
        """Return a link to `path`, without query, for `owner`."""
        expires_at = int(time.time() + self.lifetime_seconds)
        signature = self.signer.sign(_build_text(path, owner), expires_at)
        query = urlencode({OWNER: owner, EXPIRES: expires_at, SIGNATURE: signature})
        return ObjectUrl(f"{self.public_url}{quote(path)}?{query}", datetime.fromtimestamp(expires_at, UTC))

    def build_for_object(self, key: str, lifetime_seconds: float | None = None) -> ObjectUrl:
        """Return a link to the object `key`, which the gateway serves; None as lifetime is that of other links."""
        lifetime = self.lifetime_seconds if lifetime_seconds is None else lifetime_seconds
        expires_at = int(time.time() + lifetime)
        url = f"{self.public_url}{self.signer.build_path(key, expires_at)}"
        return ObjectUrl(url, datetime.fromtimestamp(expires_at, UTC))

    def check(self, path: str, query: Mapping[str, str]) -> tuple[str, float]:
        """Return the owner in a link from `build`, and the seconds until the link expires.

        Args:
            path: Decoded path of the request.
            query: Query parameters of the request.

        Raises:
            MediaError: PERMISSION_DENIED, the signature is wrong or the link has expired.
        """
        owner, expires = query.get(OWNER, ""), query.get(EXPIRES, "")
        now = time.time()
        self.signer.check(_build_text(path, owner), expires, query.get(SIGNATURE, ""), now)
        return owner, int(expires) - now


def _build_text(path: str, owner: str) -> str:
    # Keys of objects do not begin with a slash, so that no signature of an object fits a route.
    return f"{path}\n{owner}"
