"""Tests of the development key pair."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest

from deploy.local.dev_keys import ALGORITHM, AUDIENCE, ISSUER, ensure_identity, issue_token


def _decode_token(folder: Path, token: str) -> dict[str, object]:
    key = jwt.PyJWKSet.from_json(ensure_identity(folder).read_text()).keys[0]
    claims: dict[str, object] = jwt.decode(token, key, [ALGORITHM], audience=AUDIENCE, issuer=ISSUER)
    return claims


def test_the_public_key_verifies_a_token(tmp_path: Path) -> None:
    claims = _decode_token(tmp_path, issue_token(tmp_path, "alice", 60))
    assert claims["sub"] == "alice"
    assert claims["exp"] == int(str(claims["iat"])) + 60


def test_a_token_with_a_negative_lifetime_has_expired(tmp_path: Path) -> None:
    token = issue_token(tmp_path, "alice", -60)
    with pytest.raises(jwt.ExpiredSignatureError):
        _decode_token(tmp_path, token)


def test_the_key_pair_is_created_once(tmp_path: Path) -> None:
    before = ensure_identity(tmp_path).read_text()
    assert ensure_identity(tmp_path).read_text() == before


def test_two_folders_have_different_keys(tmp_path: Path) -> None:
    with pytest.raises(jwt.InvalidSignatureError):
        _decode_token(tmp_path / "a", issue_token(tmp_path / "b", "alice"))


def test_only_the_owner_can_read_the_private_key(tmp_path: Path) -> None:
    public = ensure_identity(tmp_path / "run")
    private = next(path for path in public.parent.iterdir() if path != public)
    assert public.parent.stat().st_mode & 0o777 == 0o700
    assert private.stat().st_mode & 0o777 == 0o600
    assert public.stat().st_mode & 0o777 == 0o644


def test_the_public_file_does_not_contain_the_private_key(tmp_path: Path) -> None:
    [key] = json.loads(ensure_identity(tmp_path).read_text())["keys"]
    assert "d" not in key
    assert (key["alg"], key["use"], key["kty"]) == (ALGORITHM, "sig", "EC")


def test_processes_that_start_together_use_the_same_key_pair(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda number: issue_token(tmp_path, str(number)), range(16)))
    assert {str(_decode_token(tmp_path, token)["sub"]) for token in tokens} == {str(number) for number in range(16)}
    assert {path.name for path in tmp_path.iterdir()} == {"identity.pem", "jwks.json"}


def test_the_error_for_an_invalid_private_key_says_what_to_do(tmp_path: Path) -> None:
    ensure_identity(tmp_path)
    (tmp_path / "identity.pem").write_bytes(b"")
    with pytest.raises(ValueError, match="delete it"):
        issue_token(tmp_path, "alice")
