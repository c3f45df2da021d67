"""Tests of the edge's settings."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.envoy.auth import build_jwt_filter
from gateway.envoy.settings import EdgeSettings
from services.common.rpc.addresses import Address
from services.common.settings import ConfigurationError, load

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z][a-z0-9]{0,10}){0,2}", fullmatch=True)
IPV6 = st.ip_addresses(v=6).map(str)
IPV4 = st.ip_addresses(v=4).map(str)


@given(st.one_of(NAMES, IPV4, IPV6), st.integers(1, 65535))
def test_an_address_is_equal_after_format_and_parse(host: str, port: int) -> None:
    assert Address.parse(str(Address(host, port))) == Address(host, port)


@pytest.mark.parametrize(
    "value",
    [
        "gateway",
        "gateway:",
        ":8081",
        "gateway:0",
        "gateway:65536",
        "gateway:http",
        "http://gateway:1",
        "a:1/b",
        "u@a:1",
        "[::1",
    ],
)
def test_an_address_without_host_or_port_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"host:port|Invalid IPv6"):
        Address.parse(value)


@given(st.text(string.printable))
def test_any_text_is_parsed_or_refused(value: str) -> None:
    try:
        parsed = Address.parse(value)
    except ValueError:
        return
    assert parsed.host
    assert 1 <= parsed.port <= 65535


@pytest.fixture
def jwks(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("MEDIA_JWT_JWKS_FILE", "MEDIA_JWT_JWKS_URI"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GATEWAY_ADDRESS", "gateway"),
        ("GATEWAY_GRPC_ADDRESS", "gateway"),
        ("TTS_ADDRESS", "tts:speech"),
        ("MEDIA_PORT", "70000"),
        ("MEDIA_ADMIN_PORT", "0"),
        ("MEDIA_RATE_LIMIT_PER_SECOND", "0"),
        ("MEDIA_RATE_LIMIT_TOTAL_PER_SECOND", "-1"),
        ("MEDIA_MAX_BODY_BYTES", "1 MiB"),
        ("MEDIA_UNARY_TIMEOUT_SECONDS", "0"),
        ("MEDIA_STREAM_IDLE_TIMEOUT_SECONDS", "nan"),
        ("MEDIA_MAX_STREAM_SECONDS", "inf"),
        ("MEDIA_TRUSTED_HOPS", "-1"),
        ("MEDIA_JWT_JWKS_URI", "http://keys.example.com/jwks.json"),
    ],
)
def test_a_wrong_value_names_its_variable(jwks: pytest.MonkeyPatch, variable: str, value: str) -> None:
    jwks.setenv("MEDIA_JWT_JWKS_FILE", "jwks.json")
    jwks.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        load(EdgeSettings)


def test_an_address_is_read_from_the_environment(jwks: pytest.MonkeyPatch) -> None:
    jwks.setenv("MEDIA_JWT_JWKS_FILE", "jwks.json")
    jwks.setenv("TTS_ADDRESS", "tts:50051")
    assert load(EdgeSettings).tts_address.replicas == (Address("tts", 50051),)


def test_without_public_keys_the_edge_does_not_start(jwks: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"MEDIA_JWT_JWKS_FILE .* MEDIA_JWT_JWKS_URI"):
        load(EdgeSettings)


def test_a_url_of_public_keys_counts_in_place_of_a_file(jwks: pytest.MonkeyPatch) -> None:
    jwks.setenv("MEDIA_JWT_JWKS_FILE", "missing.json")
    jwks.setenv("MEDIA_JWT_JWKS_URI", "https://keys.example.com/jwks.json")
    jwt_filter = build_jwt_filter(load(EdgeSettings))
    assert "remote_jwks" in str(jwt_filter)
    assert "local_jwks" not in str(jwt_filter)


def test_every_setting_has_a_description() -> None:
    assert [name for name, info in EdgeSettings.model_fields.items() if not info.description] == []


def test_no_variable_turns_authentication_off() -> None:
    words = {word for name in EdgeSettings.model_fields for word in name.split("_")}
    assert words.isdisjoint({"auth", "authentication", "insecure", "disable", "disabled", "skip", "anonymous"})
