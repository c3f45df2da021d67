"""Tests of authentication at the edge, and of the principal that services receive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import jwt
import pytest
from media.tts.v1 import tts_pb2

from deploy.local.dev_keys import ALGORITHM, issue_token
from tests.integration.edge.harness import API_KEY, CLIENT, EdgeHarness

pytestmark = pytest.mark.asyncio(loop_scope="module")
Headers = Callable[[EdgeHarness], dict[str, str]]

VOICES = "/api/voices"


def _sign_with_foreign_key(harness: EdgeHarness) -> dict[str, str]:
    return {"authorization": f"Bearer {issue_token(harness.folder / 'foreign', 'alice')}"}


def _build_unsigned_token(_: EdgeHarness) -> dict[str, str]:
    token = jwt.encode({"iss": "media-suite", "aud": "media-suite", "sub": "a", "exp": 4e9}, "", "none")
    return {"authorization": f"Bearer {token}"}


def _build_token_without_expiry(harness: EdgeHarness) -> dict[str, str]:
    key = (harness.folder / "identity.pem").read_bytes()
    token = jwt.encode({"iss": "media-suite", "aud": "media-suite", "sub": "a"}, key, ALGORITHM)
    return {"authorization": f"Bearer {token}"}


REFUSED: dict[str, tuple[Headers, int, str, str]] = {
    "no token": (lambda _: {}, 401, "UNAUTHENTICATED", "carries no token"),
    "another scheme": (lambda _: {"authorization": "Basic YTpi"}, 401, "UNAUTHENTICATED", "carries no token"),
    "no JWT": (lambda _: {"authorization": "Bearer abc"}, 401, "UNAUTHENTICATED", "not valid here"),
    "expired": (lambda harness: harness.build_bearer(lifetime_seconds=-60), 401, "UNAUTHENTICATED", "has expired"),
    "foreign key": (_sign_with_foreign_key, 401, "UNAUTHENTICATED", "not valid here"),
    "unsigned": (_build_unsigned_token, 401, "UNAUTHENTICATED", "not valid here"),
    "another issuer": (lambda harness: harness.build_bearer(issuer="other"), 401, "UNAUTHENTICATED", "not valid here"),
    "no subject": (lambda harness: harness.build_bearer(""), 401, "UNAUTHENTICATED", "not valid here"),
    "a subject of two lines": (
        lambda harness: harness.build_bearer("a\r\nb"),
        401,
        "UNAUTHENTICATED",
        "not valid here",
    ),
    "no expiry": (_build_token_without_expiry, 401, "UNAUTHENTICATED", "not valid here"),
    "another audience": (
        lambda harness: harness.build_bearer(audience="other"),
        403,
        "PERMISSION_DENIED",
        "another audience",
    ),
    "wrong API key": (lambda _: {"x-api-key": API_KEY + "x"}, 401, "UNAUTHENTICATED", "API key"),
    "empty API key": (lambda _: {"x-api-key": ""}, 401, "UNAUTHENTICATED", "API key"),
    "wrong API key, good token": (
        lambda harness: harness.build_bearer() | {"x-api-key": "x"},
        401,
        "UNAUTHENTICATED",
        "API key",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_request_without_a_valid_credential_is_refused_with_its_reason(harness: EdgeHarness, case: str) -> None:
    headers, status, code, words = REFUSED[case]
    answer = await harness.send("GET", VOICES, headers(harness))
    assert (answer.status, answer.code) == (status, code)
    assert words in answer.message
    assert answer.body["error"]["requestId"] == answer.headers["x-request-id"]


async def test_a_token_in_the_url_does_not_count(harness: EdgeHarness) -> None:
    token = issue_token(harness.folder, "alice")
    answer = await harness.send("GET", f"{VOICES}?access_token={token}")
    assert answer.status == 401


async def test_a_valid_token_passes_and_stays_at_the_edge(harness: EdgeHarness) -> None:
    answer = await harness.send("GET", VOICES, harness.build_bearer("alice"))
    assert answer.status == 200
    assert answer.body["headers"]["x-media-principal"] == "alice"
    assert "authorization" not in answer.body["headers"]


async def test_an_api_key_passes_as_its_client_and_stays_at_the_edge(harness: EdgeHarness) -> None:
    answer = await harness.send("GET", VOICES, {"x-api-key": API_KEY, "authorization": "Bearer rubbish"})
    assert answer.status == 200
    assert answer.body["headers"]["x-media-principal"] == CLIENT
    assert {"authorization", "x-api-key"}.isdisjoint(answer.body["headers"])


FORGED = {
    "x-media-principal": "root",
    "X-Media-Tenant": "root",
    "x-forwarded-client-cert": "Subject=root",
    "x-forwarded-for": "10.9.8.7",
    "x-forwarded-host": "root",
    "x-real-ip": "10.9.8.7",
    "forwarded": "for=10.9.8.7",
    "x-envoy-upstream-rq-timeout-ms": "1",
    "x-envoy-retry-on": "5xx",
    "x-envoy-original-path": "/root",
}


@pytest.mark.parametrize("credential", ["token", "api key", "none"])
async def test_identity_headers_of_a_client_are_stripped(harness: EdgeHarness, credential: str) -> None:
    headers = {"token": harness.build_bearer("alice"), "api key": {"x-api-key": API_KEY}, "none": {}}[credential]
    answer = await harness.send("GET", "/health" if credential == "none" else VOICES, FORGED | headers)
    assert answer.status == 200
    received = answer.body["headers"]
    assert received.get("x-media-principal") == {"token": "alice", "api key": CLIENT, "none": None}[credential]
    assert not {name: value for name, value in FORGED.items() if received.get(name.lower()) == value}


@pytest.mark.parametrize("path", ["/health", "/openapi.json", "/docs", "/docs/page.css"])
async def test_public_pages_need_no_token_and_pass_none_on(harness: EdgeHarness, path: str) -> None:
    answer = await harness.send("GET", path, {"authorization": "Bearer rubbish", "x-api-key": "rubbish"})
    assert answer.status == 200
    assert {"authorization", "x-api-key", "x-media-principal"}.isdisjoint(answer.body["headers"])


@pytest.mark.parametrize("path", ["/docs/../api/voices", "/docs/%2e%2e/api/voices", "//api//voices", "/api/voices/"])
async def test_no_spelling_of_a_path_bypasses_the_token(harness: EdgeHarness, path: str) -> None:
    answer = await _get_raw(harness, path)
    assert answer.startswith(b"HTTP/1.1 401 ")


async def _get_raw(harness: EdgeHarness, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.edge.settings.port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n".encode())
        return await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_over_grpc_the_principal_is_passed_on_and_the_token_is_not(harness: EdgeHarness) -> None:
    metadata = [*harness.build_bearer("alice").items(), ("x-media-principal", "root")]
    await harness.make_speech_stub().GetVoice(tts_pb2.GetVoiceRequest(voice="Aria"), metadata=metadata, timeout=5)
    assert harness.upstreams.speech.calls[-1]["x-media-principal"] == "alice"
    assert "authorization" not in harness.upstreams.speech.calls[-1]


async def test_an_api_key_is_accepted_over_grpc(harness: EdgeHarness) -> None:
    await harness.make_speech_stub().GetVoice(
        tts_pb2.GetVoiceRequest(voice="Aria"), metadata=[("x-api-key", API_KEY)], timeout=5
    )
    assert harness.upstreams.speech.calls[-1]["x-media-principal"] == CLIENT
    assert "x-api-key" not in harness.upstreams.speech.calls[-1]
