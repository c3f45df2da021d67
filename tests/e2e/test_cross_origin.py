"""Tests of a page of another origin in Chromium: what it may send to the suite, and what it may read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import CHROMIUM, run_page
from tests.e2e.conftest import Suite

PAGE = """<script type="module">
const [suite, token] = %s;
const bearer = {authorization: `Bearer ${token}`, "content-type": "application/json"};
const names = ["location", "content-location", "preference-applied", "x-media-id", "x-media-key", "x-media-url",
  "x-media-duration-seconds", "x-request-id", "content-range", "accept-ranges", "etag", "content-disposition"];
const send = async (path, options = {}) => {
  try {
    const response = await fetch(suite + path, {...options, headers: {...bearer, ...options.headers}});
    const headers = Object.fromEntries([...response.headers].filter(([name]) => names.includes(name)));
    const text = await response.text();
    let code = null;
    try { code = JSON.parse(text).error?.code ?? null; } catch {}
    return {status: response.status, code, headers};
  } catch (error) { return {blocked: String(error)}; }
};
const post = (path, body, headers = {}) => send(path, {method: "POST", headers, body: JSON.stringify(body)});
const traced = {
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x-request-id": "a-page-s-own-id",
};
const found = {};
const stored = found.stored = await post("/api/speech", {text: "From another origin.", store: true}, traced);
const media = new URL(stored.headers["x-media-url"]);
found.range = await send(media.pathname + media.search,
  {headers: {range: "bytes=0-9", "if-range": '"another-version"', "if-none-match": '"another"'}});
found.job = await post("/jobs_prompt_only", {image_url: "https://example.com/a.png", prompt: "zoom in", seconds: 1},
  {prefer: "respond-async", "idempotency-key": "from-a-page", ...traced});
found.events = await send("/api/jobs/nothing/events", {headers: {"last-event-id": "1"}});
found.unknown = await send("/nowhere", {method: "DELETE", headers: traced});
found.escaped = await send("/media/a%%2Fb.png");
found.invalid = await post("/api/speech", {});
found.anonymous = await send("/api/voices", {headers: {authorization: "Bearer no"}});
found.method = await send("/api/speech", {method: "PUT", body: "{}"});
await report(found);
</script>"""


if CHROMIUM is not None:

    @pytest.fixture
    async def found(suite: Suite, tmp_path: Path) -> dict[str, dict[str, Any]]:
        """Return what the page found."""
        return await run_page(PAGE % json.dumps([suite.url, suite.token()]), tmp_path)

    async def test_a_page_of_another_origin_can_use_every_header(found: dict[str, dict[str, Any]]) -> None:
        assert found["stored"]["status"] == 200, found
        assert found["stored"]["headers"]["x-request-id"] == "a-page-s-own-id"
        assert {"x-media-id", "x-media-key", "x-media-url", "x-media-duration-seconds"} <= found["stored"][
            "headers"
        ].keys()
        assert found["range"]["status"] == 200, found["range"]
        assert {"etag", "accept-ranges", "content-disposition"} <= found["range"]["headers"].keys()
        assert found["job"]["status"] == 202
        assert found["job"]["headers"]["location"].startswith("/api/jobs/")
        assert found["job"]["headers"]["preference-applied"] == "respond-async"
        errors = {
            "events": (400, "VALIDATION_ERROR"),
            "unknown": (404, "NOT_FOUND"),
            "escaped": (400, "VALIDATION_ERROR"),
            "invalid": (400, "VALIDATION_ERROR"),
            "anonymous": (401, "UNAUTHENTICATED"),
            "method": (405, "METHOD_NOT_ALLOWED"),
        }
        assert {name: (found[name].get("status"), found[name].get("code")) for name in errors} == errors
        assert all("x-request-id" in found[name]["headers"] for name in errors.keys() - {"escaped"})
