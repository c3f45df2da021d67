"""Tests of requests from pages of other origins, as browsers send them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from yarl import URL

from tests.integration.edge.harness import EdgeHarness, run_harness

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = "https://page.example"
HEADERS = ("idempotency-key", "prefer", "last-event-id", "if-range", "range", "traceparent", "x-api-key")


async def send(
    harness: EdgeHarness, method: str, path: str, headers: Mapping[str, str], origin: str = PAGE
) -> tuple[int, Mapping[str, str]]:
    """Send a request with its path unchanged; return status and headers."""
    url = URL(f"{harness.edge.url}{path}", encoded=True)
    async with harness.session.request(method, url, headers={"origin": origin, **headers}) as answer:
        await answer.read()
        return answer.status, answer.headers


async def send_preflight(
    harness: EdgeHarness, path: str, method: str = "POST", origin: str = PAGE
) -> tuple[int, Mapping[str, str]]:
    """Send the preflight of a request with all HEADERS."""
    asked = {"access-control-request-method": method, "access-control-request-headers": ",".join(HEADERS)}
    return await send(harness, "OPTIONS", path, asked, origin)


@pytest.mark.parametrize(
    "path", ["/api/speech", "/jobs_prompt_only", "/media/a.png", "/nowhere", "/media/a%2Fb.png", "/health"]
)
async def test_a_preflight_passes_without_a_token(harness: EdgeHarness, path: str) -> None:
    status, headers = await send_preflight(harness, path)
    assert status == 200
    assert headers["access-control-allow-origin"] in (PAGE, "*")
    assert set(HEADERS) <= set(headers["access-control-allow-headers"].split(", "))
    assert "DELETE" in headers["access-control-allow-methods"].split(", ")
    assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("DELETE", "/", {}, 404),
        ("GET", "/api/voices", {}, 401),
        ("GET", "/api/voices", {"authorization": "Bearer no"}, 401),
        ("GET", "/media/a%2Fb.png", {}, 400),
        ("GET", "/api/voices", {"a_b": "1"}, 400),
        ("GET", "/api/voices", {f"x-{number}": "1" for number in range(100)}, 431),
        ("GET", "/health", {"x-large": "x" * 40_000}, 431),
    ],
)
async def test_a_page_can_read_every_refusal(
    harness: EdgeHarness, method: str, path: str, sent: dict[str, str], status: int
) -> None:
    found, headers = await send(harness, method, path, sent)
    assert found == status
    assert headers["access-control-allow-origin"] in (PAGE, "*")
    assert "x-request-id" in headers["access-control-expose-headers"].split(", ")


async def test_a_page_can_read_that_the_body_is_too_large(harness: EdgeHarness) -> None:
    body = b"x" * (harness.edge.settings.max_body_bytes + 1)
    answer = await harness.send("POST", "/api/other", harness.build_bearer() | {"origin": PAGE}, body)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (413, PAGE)


async def test_caches_tell_the_responses_to_two_origins_apart(harness: EdgeHarness) -> None:
    _, headers = await send(harness, "GET", "/health", {})
    assert headers["access-control-allow-origin"] == PAGE
    assert headers["vary"] == "origin"


async def test_options_without_a_preflight_need_a_token(harness: EdgeHarness) -> None:
    assert (await harness.send("OPTIONS", "/api/voices")).status == 401


@pytest.mark.asyncio(loop_scope="function")
async def test_only_listed_origins_may_read(tmp_path: Path) -> None:
    async with run_harness(tmp_path, allowed_origin="https://a.example, https://b.example") as harness:
        for path in ("/api/speech", "/nowhere", "/media/a%2Fb.png"):
            for origin, allowed in (("https://b.example", "https://b.example"), ("https://c.example", None)):
                _, preflight = await send_preflight(harness, path, origin=origin)
                _, actual = await send(harness, "GET", path, {}, origin)
                found = [headers.get("access-control-allow-origin") for headers in (preflight, actual)]
                assert found == [allowed, allowed], path
