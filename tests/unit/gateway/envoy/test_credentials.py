"""Tests of the files of public keys and API keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.envoy.credentials import ApiKey, read_api_keys, read_jwks
from services.common.settings import ConfigurationError

KEY = "0123456789abcdef"
PUBLIC = {"kty": "EC", "crv": "P-256", "x": "eA", "y": "eQ"}


def _write_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "file"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_api_keys_are_read_past_comments_and_blank_lines(tmp_path: Path) -> None:
    path = _write_file(tmp_path, f"# callers\n\nrobot:{KEY}\n  front-end@site : {KEY}:with:colons \n")
    assert read_api_keys(path) == (ApiKey("robot", KEY), ApiKey("front-end@site", f"{KEY}:with:colons"))


def test_without_a_file_there_are_no_api_keys() -> None:
    assert read_api_keys(None) == ()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (f"robot {KEY}", "line 1"),
        (f"# fine\nrobot:{KEY[1:]}", "line 2"),
        (f":{KEY}", "line 1"),
        (f"two words:{KEY}", "line 1"),
        (f"robot:{KEY} {KEY}", "line 1"),
        (f"robot:{KEY}é", "line 1"),
        ("# only a comment\n", "no key"),
        (f"a:{KEY}\nb:{KEY}", "same key"),
        (b"\xff\xfe", "cannot read"),
    ],
)
def test_a_broken_file_of_api_keys_is_refused_without_quoting_it(
    tmp_path: Path, content: str | bytes, complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match="MEDIA_API_KEYS_FILE") as caught:
        read_api_keys(_write_file(tmp_path, content))
    assert complaint in str(caught.value)
    assert KEY[1:] not in str(caught.value)


def test_a_missing_file_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="MEDIA_API_KEYS_FILE: cannot read"):
        read_api_keys(tmp_path / "none")
    with pytest.raises(ConfigurationError, match="MEDIA_JWT_JWKS_FILE: cannot read"):
        read_jwks(tmp_path / "none")


def test_public_keys_are_read(tmp_path: Path) -> None:
    document = {"keys": [PUBLIC, {"kty": "OKP", "crv": "Ed25519", "x": "eA"}]}
    assert json.loads(read_jwks(_write_file(tmp_path, json.dumps(document)))) == document


@pytest.mark.parametrize("document", ["", "{", "[]", "{}", '{"keys": []}', '{"keys": {}}', '{"keys": ["a"]}', "null"])
def test_a_file_that_is_not_a_jwks_is_refused(tmp_path: Path, document: str) -> None:
    with pytest.raises(ConfigurationError, match=r"MEDIA_JWT_JWKS_FILE: .* is no JWKS"):
        read_jwks(_write_file(tmp_path, document))


@pytest.mark.parametrize("key", [{**PUBLIC, "d": "secret"}, {"kty": "oct", "k": "secret"}, {"x": "eA"}])
def test_a_key_that_is_not_public_is_refused(tmp_path: Path, key: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="not public") as caught:
        read_jwks(_write_file(tmp_path, json.dumps({"keys": [PUBLIC, key]})))
    assert "secret" not in str(caught.value)
