"""Tests of NATS credentials: the format of the file, damaged files, and a file that is replaced."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common.settings import ConfigurationError
from services.jobs.nats_credentials import build_credential_callbacks, read_credentials
from tests.fakes.nats_authority import ACCOUNT, USER, NatsAuthority, encode_public_key, encode_seed

# A pair of the documentation of NATS (running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth).
PUBLISHED_SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLISHED_KEY = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
JWT_SECTION = "-----BEGIN NATS USER JWT-----\nabc.def.ghi\n------END NATS USER JWT------\n"


def write_file(folder: Path, seed: str, jwt: str = JWT_SECTION) -> Path:
    file = folder / "user.creds"
    file.write_text(f"{jwt}\n-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n")
    return file


def test_a_published_seed_has_its_published_public_key(tmp_path: Path) -> None:
    credentials = read_credentials(write_file(tmp_path, PUBLISHED_SEED))
    assert encode_public_key(USER, credentials.key) == PUBLISHED_KEY
    assert credentials.jwt == b"abc.def.ghi"
    credentials.key.public_key().verify(base64.b64decode(credentials.sign("nonce")), b"nonce")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_file_with_any_line_end_is_read(tmp_path: Path, newline: str) -> None:
    file = tmp_path / "user.creds"
    file.write_bytes(NatsAuthority.create().issue_user().replace("\n", newline).encode())
    assert not read_credentials(file).jwt.endswith(b"\r")


@pytest.mark.parametrize(
    ("seed", "jwt", "problem"),
    [
        (PUBLISHED_SEED, "", "no section BEGIN NATS USER JWT"),
        ("", JWT_SECTION, "END USER|not base32|damaged|no section"),
        ("not base32!", JWT_SECTION, "not base32"),
        (PUBLISHED_SEED[:-1] + "A", JWT_SECTION, "damaged"),
        (PUBLISHED_SEED[:20], JWT_SECTION, "damaged|base32"),
        (encode_seed(ACCOUNT, Ed25519PrivateKey.from_private_bytes(bytes(32))), JWT_SECTION, "must be that of a user"),
    ],
)
def test_a_damaged_file_is_refused_without_its_content(tmp_path: Path, seed: str, jwt: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=f"NATS_CREDENTIALS .*({problem})") as caught:
        read_credentials(write_file(tmp_path, seed, jwt))
    assert not seed or seed not in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_credentials(tmp_path / "missing")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_credentials(tmp_path / "binary")


def test_each_connection_reads_the_file_again_and_survives_a_half_written_one(tmp_path: Path) -> None:
    file = write_file(tmp_path, PUBLISHED_SEED)
    callbacks = build_credential_callbacks(file)
    first = callbacks["signature_cb"]("nonce")
    file.write_text("-----BEGIN NATS")
    assert callbacks["signature_cb"]("nonce") == first
    assert callbacks["user_jwt_cb"]() == b"abc.def.ghi"
    file.write_text(NatsAuthority.create().issue_user())
    assert callbacks["signature_cb"]("nonce") != first
    assert callbacks["user_jwt_cb"]() == read_credentials(file).jwt
