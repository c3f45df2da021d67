"""Reads a caller's URL, and refuses those that no public resource has."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from yarl import URL

from services.common.errors import MediaError, Reason, invalid
from services.common.fetch.addresses import Address, AddressPolicy, is_public

MAX_URL_LETTERS = 4096
_SCHEMES = ("http", "https")
_PLAIN_PORTS = frozenset({80, 443})
_FIRST_FREE_PORT = 1024
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_FORBIDDEN = "must lead to a public address: private, local and metadata addresses are not fetched"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes."""

    url: URL
    """As the caller wrote it: requoting would break signatures in it."""
    host: str
    """Name or address, in lower case."""
    port: int


def parse_target(text: str, field: str, allowed: AddressPolicy) -> Target:
    """Return where `text` leads, so far as that can be told without asking anybody.

    Raises:
        MediaError: VALIDATION_ERROR, it is no URL; URL_FORBIDDEN, it leads where nobody may be led.
    """
    if len(text) > MAX_URL_LETTERS or not text.isascii() or any(letter <= " " or letter == "\\" for letter in text):
        raise invalid(
            field, f"must be an http or https URL of at most {MAX_URL_LETTERS} ASCII letters, percent-encoded"
        )
    try:
        url = URL(text, encoded=True)
        host, port = (url.host or "").lower().rstrip("."), url.port or 0
    except ValueError:
        raise invalid(field, "must be an http or https URL") from None
    if url.scheme not in _SCHEMES or not host:
        raise invalid(field, "must be an http or https URL")
    if url.user is not None or url.password is not None:
        raise forbidden_url_error(field, "must not hold a user or a password")
    if not allowed.allows_name(host, port):
        if port not in _PLAIN_PORTS and port < _FIRST_FREE_PORT:
            raise forbidden_url_error(field, "must have port 80, 443 or one above 1023")
        address = _address(host)
        if address is None and _NUMBER.fullmatch(host.rpartition(".")[2]):
            # No name ends so: it is an address in one of its disguises, such as 127.1 or 0x7f000001.
            raise forbidden_url_error(field)
        if address is not None and not is_public(address) and not allowed.allows_address(address):
            raise forbidden_url_error(field)
    return Target(url, host, port)


def forbidden_url_error(field: str, description: str = _FORBIDDEN) -> MediaError:
    """Return the error for a URL that may not be fetched."""
    return invalid(field, description, Reason.URL_FORBIDDEN)


def _address(host: str) -> Address | None:
    """Return the address that `host` is; None for a name, whose addresses are checked when they are found."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
