"""Decode data URIs (RFC 2397), as lenient as browsers are."""

from __future__ import annotations

import re

import pybase64

from services.common.errors import Reason, invalid

_BASE64 = re.compile(r";\s*base64\s*$", re.IGNORECASE)
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_WHITE_SPACE = b" \t\r\n\f"
# The URL-safe alphabet has other signs for the last two values.
_STANDARD = bytes.maketrans(b"-_", b"+/")
_MAX_PADDING = 2


def is_data_uri(url: str) -> bool:
    """Return whether `url` holds its data itself."""
    return url[:5].lower() == "data:"


def decode_data_uri(uri: str, field: str, max_bytes: int) -> bytes:
    """Return the data of a URI in base64 or in percent-escapes; its media type does not matter.

    Base64 may have line breaks, percent-escapes and the URL-safe alphabet, and may lack its padding.

    Args:
        uri: A URI that begins with `data:`.
        field: Name of the request field that holds it.
        max_bytes: Largest data to accept.

    Raises:
        MediaError: VALIDATION_ERROR or PAYLOAD_TOO_LARGE, naming `field`.
    """
    head, comma, text = uri.partition(",")
    if not comma:
        raise invalid(field, "must be data:image/png;base64,... if it is a data URI; it has no comma")
    try:
        body = text.partition("#")[0].encode("ascii")
    except UnicodeEncodeError:
        raise invalid(field, "must have ASCII letters only behind the comma of a data URI") from None
    if b"%" in body:
        body = _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), body)
    if not _BASE64.search(head):
        _check_size(len(body), field, max_bytes)
        return body
    compact = body.translate(_STANDARD, _WHITE_SPACE)
    digits = compact.rstrip(b"=")
    _check_size(len(digits) * 3 // 4, field, max_bytes)
    # Padding that is missing is completed; more than there can be is left, and refused.
    padding = b"=" * (-len(digits) % 4) if len(compact) - len(digits) <= _MAX_PADDING else compact[len(digits) :]
    try:
        return pybase64.b64decode(digits + padding, validate=True)
    except ValueError:
        raise invalid(field, "must be valid base64 after the comma of a data URI") from None


def _check_size(size_bytes: int, field: str, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        raise invalid(field, f"must have at most {max_bytes} bytes", Reason.PAYLOAD_TOO_LARGE)
