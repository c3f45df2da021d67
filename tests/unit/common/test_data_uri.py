"""Data URIs are taken as browsers take them, and refused with the name of their field."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.data_uri import decode_data_uri, is_data_uri
from services.common.errors import MediaError, Reason

BYTES = bytes(range(256)) + b"\xfb\xff\xfe"
STANDARD = base64.b64encode(BYTES).decode()
MUCH = 1000


def decode(uri: str, max_bytes: int = MUCH) -> bytes:
    assert is_data_uri(uri)
    return decode_data_uri(uri, "image_url", max_bytes)


@pytest.mark.parametrize(
    "head",
    [
        "data:image/png;base64",
        "data:;base64",
        "DATA:image/png;BASE64",
        "data:image/png;charset=utf-8;base64",
        'data:image/png;name="a.png";Base64',
        "data:image/png; base64",
        "data:application/octet-stream;base64 ",
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        STANDARD,
        STANDARD.rstrip("="),
        base64.urlsafe_b64encode(BYTES).decode(),
        base64.urlsafe_b64encode(BYTES).decode().rstrip("="),
        base64.encodebytes(BYTES).decode(),
        base64.encodebytes(BYTES).decode().replace("\n", "\r\n"),
        quote(STANDARD, safe=""),
        quote(base64.encodebytes(BYTES).decode(), safe=""),
        STANDARD + "#fragment",
        " " + STANDARD + "\t\f",
    ],
)
def test_base64_is_taken_in_every_spelling(head: str, body: str) -> None:
    assert decode(f"{head},{body}") == BYTES


@given(st.binary(max_size=60))
def test_percent_escapes_are_taken(data: bytes) -> None:
    assert decode("data:image/png," + quote(data)) == data
    assert decode("data:,%" + "%".join(f"{byte:02X}" for byte in data) if data else "data:,") == data


@given(st.text(alphabet="AZaz09+/-_=%\n #!ä", max_size=30), st.sampled_from(["data:;base64,", "data:,", "data:"]))
def test_any_body_is_decoded_or_refused(body: str, head: str) -> None:
    try:
        found = decode(head + body)
    except MediaError:
        return
    assert len(found) <= len(body)


@pytest.mark.parametrize(
    "body", ["AAAAA", "AAA===", "AAAA====", "AA=A", "ääää", "AAAA%zz", "AAAA!", "A", "%E4", "AAAA,AAAA"]
)
def test_broken_base64_is_refused_and_names_the_field(body: str) -> None:
    with pytest.raises(MediaError) as caught:
        decode("data:image/png;base64," + body)
    assert caught.value.reason is Reason.VALIDATION_ERROR
    assert [item.field for item in caught.value.violations] == ["image_url"]


@pytest.mark.parametrize("uri", ["data:;base64," + "!" * 5000, "data:," + "x" * 1001, "data:,".ljust(9000, "x")])
def test_large_data_is_refused_before_it_is_decoded(uri: str) -> None:
    with pytest.raises(MediaError) as caught:
        decode(uri)
    assert caught.value.reason is Reason.PAYLOAD_TOO_LARGE
    assert str(MUCH) in caught.value.message


def test_escapes_and_line_breaks_do_not_count_as_size() -> None:
    assert decode("data:;base64," + quote(base64.encodebytes(bytes(MUCH)).decode(), safe="")) == bytes(MUCH)
    assert decode("data:," + "%00" * MUCH) == bytes(MUCH)
