"""Tests of the edge over HTTP: its own responses, and those that it passes on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from yarl import URL

from tests.integration.edge.harness import EdgeHarness

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_unknown_path_is_not_found(harness: EdgeHarness) -> None:
    answer = await harness.send("GET", "/nowhere")
    assert (answer.status, answer.code) == (404, "NOT_FOUND")


async def test_a_public_page_cannot_be_written_to(harness: EdgeHarness) -> None:
    answer = await harness.send("POST", "/health", body=b"{}")
    assert (answer.status, answer.code) == (404, "NOT_FOUND")


async def test_a_body_over_the_limit_is_refused(harness: EdgeHarness) -> None:
    limit = harness.edge.settings.max_body_bytes
    answer = await harness.send("POST", "/api/other", harness.build_bearer(), b"x" * (limit + 1))
    assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_body_at_the_limit_passes(harness: EdgeHarness) -> None:
    limit = harness.edge.settings.max_body_bytes
    answer = await harness.send("POST", "/api/other", harness.build_bearer(), b"x" * limit)
    assert (answer.status, answer.body["body_bytes"]) == (200, limit)


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/api/voices/..%2f..%2fetc", {}), ("/api/voices/..%5Cetc", {}), ("/api/voices", {"a_b": "1"})],
)
async def test_an_ambiguous_request_is_refused(harness: EdgeHarness, path: str, headers: dict[str, str]) -> None:
    url = URL(f"{harness.edge.url}{path}", encoded=True)
    async with harness.session.get(url, headers=harness.build_bearer() | headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "VALIDATION_ERROR"


async def test_each_answer_has_the_id_of_its_request(harness: EdgeHarness) -> None:
    answers = [await harness.send("GET", "/health"), await harness.send("GET", "/nowhere")]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert answers[0].body["headers"]["x-request-id"] == answers[0].headers["x-request-id"]


async def test_the_id_that_a_caller_chose_is_kept(harness: EdgeHarness) -> None:
    chosen = {"x-request-id": "9e107d9d-372b-4b6a-8a3c-1f0f5e0a4c11"}
    answer = await harness.send("GET", "/health", chosen)
    assert answer.headers["x-request-id"] == answer.body["headers"]["x-request-id"] == chosen["x-request-id"]


async def test_a_stream_is_passed_on_without_buffering(harness: EdgeHarness) -> None:
    url = f"{harness.edge.url}/api/speech/stream"
    async with asyncio.timeout(10), harness.session.post(url, headers=harness.build_bearer(), data=b"{}") as answer:
        assert await answer.content.readexactly(5) == b"first"
        harness.upstreams.proceed.set()
        assert await answer.content.read() == b"last"
    harness.upstreams.proceed.clear()


async def test_every_request_leaves_one_line_without_its_query(harness: EdgeHarness) -> None:
    sent = {"x-request-id": "5d41402a-bc4b-4a76-b971-9d911017c592"}
    await harness.send("GET", "/api/voices?text=secret", harness.build_bearer("alice") | sent)
    async with asyncio.timeout(10):
        while not (lines := _find_log_lines(harness, sent["x-request-id"])):
            # Envoy buffers its log; this request makes it write the buffer.
            await harness.session.post(f"{harness.edge.admin_url}/reopen_logs")
    [line] = lines
    assert line["principal"] == "alice"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/voices", 200)
    assert line["upstream"] == "gateway"
    assert line["first_byte_ms"] <= line["duration_ms"]
    assert "secret" not in harness.edge.log.read_text()


def _find_log_lines(harness: EdgeHarness, request_id: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in harness.edge.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in found if line.get("request_id") == request_id]


async def test_the_admin_page_is_not_on_the_public_port(harness: EdgeHarness) -> None:
    assert (await harness.send("GET", "/config_dump", harness.build_bearer())).status == 404


async def send_raw(harness: EdgeHarness, request: str) -> tuple[int, Any]:
    """Send a request as it is written, and return status and parsed body of the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.edge.settings.port)
    try:
        writer.write(request.replace("\n", "\r\n").encode())
        async with asyncio.timeout(30):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
    finally:
        writer.close()
    return int(head[0].split(" ")[1]), body


async def test_http_1_0_gets_upgrade_required(harness: EdgeHarness) -> None:
    status, body = await send_raw(harness, "GET /health HTTP/1.0\nHost: a\n\n")
    assert (status, body["error"]["code"]) == (426, "VALIDATION_ERROR")
    assert "HTTP/1.1" in body["error"]["message"]


@pytest.mark.parametrize(
    ("expected", "request_text"),
    [
        (400, "POST /api/speech HTTP/1.1\nHost: a\nTransfer-Encoding: gzip, chunked\n\n0\n\n"),
        (400, "POST /api/speech HTTP/1.1\nHost: a\nTransfer-Encoding: secret\n\n"),
        (400, "POST /api/speech HTTP/1.1\nHost: a\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n"),
        (400, "POST /api/speech HTTP/1.1\nHost: a\nContent-Length: five\n\n"),
        (400, "GET /api/voices HTTP/1.1\n\n"),
        (400, "GET /health HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\n\n"),
        (400, "GARBAGE\n\n"),
        (404, "CONNECT a:443 HTTP/1.1\nHost: a:443\n\n"),
        (404, "TRACE /health HTTP/1.1\nHost: a\n\n"),
        (431, f"GET /health HTTP/1.1\nHost: a\nX-Long: {'x' * 40_000}\n\n"),
        (431, "GET /health HTTP/1.1\nHost: a\n" + "".join(f"X-{n}: 1\n" for n in range(150)) + "\n"),
    ],
    ids=lambda value: str(value)[:90].replace("\n", " "),
)
async def test_a_refusal_of_the_protocol_is_the_fault_of_the_request(
    harness: EdgeHarness, expected: int, request_text: str
) -> None:
    status, body = await send_raw(harness, request_text)
    assert status == expected
    assert body["error"]["code"] in ("VALIDATION_ERROR", "NOT_FOUND")
