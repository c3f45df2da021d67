"""Parses a caller's URL and refuses URLs that cannot belong to a public resource."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from yarl import URL

from services.common.errors import MediaError, Reason, invalid
from services.common.fetch.addresses import Address, AddressPolicy, is_public

MAX_URL_CHARACTERS = 4096
_SCHEMES = ("http", "https")
_WEB_PORTS = frozenset({80, 443})
_FIRST_FREE_PORT = 1024
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_FORBIDDEN_ADDRESS = "must have a public address; private, local and metadata addresses are not fetched"


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a request."""

    url: URL
    """URL as the caller wrote it: requoting would break signatures in its query."""
    host: str
    """Host name or address, in lower case."""
    port: int


def parse_target(text: str, field: str, allowed: AddressPolicy) -> Target:
    """Return the target of `text`, checked without resolving its host name.

    Raises:
        MediaError: VALIDATION_ERROR, it is not a URL; URL_FORBIDDEN, its target is forbidden.
    """
    if (
        len(text) > MAX_URL_CHARACTERS
        or not text.isascii()
        or any(character <= " " or character == "\\" for character in text)
    ):
        raise invalid(
            field, f"must be an http or https URL of at most {MAX_URL_CHARACTERS} ASCII characters, percent-encoded"
        )
    try:
        url = URL(text, encoded=True)
        host, port = (url.host or "").lower().rstrip("."), url.port or 0
    except ValueError:
        raise invalid(field, "must be an http or https URL") from None
    if url.scheme not in _SCHEMES or not host:
        raise invalid(field, "must be an http or https URL")
    if url.user is not None or url.password is not None:
        raise build_forbidden_url_error(field, "must not contain a user or a password")
    if not allowed.allows_name(host, port):
        if port not in _WEB_PORTS and port < _FIRST_FREE_PORT:
            raise build_forbidden_url_error(field, "must have port 80, 443 or one above 1023")
        address = _parse_address(host)
        if address is None and _NUMBER.fullmatch(host.rpartition(".")[2]):
            # No name ends in a number: this is an unusual spelling of an address, such as 127.1 or 0x7f000001.
            raise build_forbidden_url_error(field)
        if address is not None and not is_public(address) and not allowed.allows_address(address):
            raise build_forbidden_url_error(field)
    return Target(url, host, port)


def build_forbidden_url_error(field: str, description: str = _FORBIDDEN_ADDRESS) -> MediaError:
    """Return the error for a URL that may not be fetched."""
    return invalid(field, description, Reason.URL_FORBIDDEN)


def _parse_address(host: str) -> Address | None:
    """Return `host` as an address; None for a name, which `PolicyResolver` checks when it is resolved."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
