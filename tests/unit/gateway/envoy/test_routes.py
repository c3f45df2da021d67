"""Tests of the route table and of the routes built from it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.app import SERVICES
from gateway.envoy.auth import API_KEY_FILTER, JWT_FILTER
from gateway.envoy.clusters import build_clusters
from gateway.envoy.limits import BUFFER_FILTER
from gateway.envoy.route_table import IMAGE, JOBS, SPEECH, TABLE, USAGE, VIDEO, Kind, Route, Upstream, list_rpc_methods
from gateway.envoy.routes import build_route_configuration
from tests.fakes.edge import make_edge_settings

SPEECH_PATH = f"/{SPEECH.full_name}"
LONG_LIVED = (Kind.HTTP_STREAM, Kind.RPC_STREAM, Kind.RPC_WATCH)
SIGNED = {"/media/*", "/api/jobs/{id}/events", "/api/speech/links/{id}"}
"""Paths that a signature in the link opens."""
PUBLIC = {
    "/",
    "/health",
    "/readyz",
    "/openapi.json",
    "/docs",
    "/docs/*",
    "/api/image/sizes",
    "/api/image/styles",
    "/webhooks/replicate",
    *SIGNED,
}


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    settings = make_edge_settings(tmp_path_factory.mktemp("edge"))
    return _get_routes(build_route_configuration(settings, with_api_keys=False))


@pytest.fixture(scope="module")
def routes_with_api_keys(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    settings = make_edge_settings(tmp_path_factory.mktemp("edge"))
    return _get_routes(build_route_configuration(settings, with_api_keys=True))


def _get_routes(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = configuration["virtual_hosts"][0]["routes"]
    return found


def _is_open(route: dict[str, Any]) -> bool:
    return bool(route["typed_per_filter_config"].get(JWT_FILTER, {}).get("disabled"))


def _needs_api_key(route: dict[str, Any]) -> bool:
    return {"name": "x-api-key", "present_match": True} in route["match"].get("headers", [])


def test_only_the_public_paths_need_no_credential(routes: list[dict[str, Any]]) -> None:
    assert {row.path for row in TABLE if row.public} == PUBLIC
    assert {route["name"] for route in routes if _is_open(route)} == {*PUBLIC, "nothing"}


@pytest.mark.parametrize("path", sorted(SIGNED))
def test_a_signed_link_needs_no_credential(routes: list[dict[str, Any]], path: str) -> None:
    signed, owned = (route for route in routes if route["name"] == path)
    assert signed["match"]["query_parameters"] == [{"name": "signature", "present_match": True}]
    assert _is_open(signed)
    assert "query_parameters" not in owned["match"]
    assert not _is_open(owned)


def test_public_paths_allow_only_reads_except_the_signed_webhook() -> None:
    webhook = "/webhooks/replicate"
    assert {row.methods for row in TABLE if row.public and row.path != webhook} == {("GET", "HEAD")}
    assert [(row.methods, row.safe) for row in TABLE if row.path == webhook] == [(("POST",), False)]


def test_the_edge_answers_404_to_paths_that_are_not_in_the_table(routes: list[dict[str, Any]]) -> None:
    assert routes[-1]["match"] == {"prefix": "/"}
    assert routes[-1]["route"]["cluster_not_found_response_code"] == "NOT_FOUND"


def test_every_route_of_the_table_leads_to_a_cluster(routes: list[dict[str, Any]], tmp_path: Path) -> None:
    clusters = {cluster["name"] for cluster in build_clusters(make_edge_settings(tmp_path))}
    assert {route["route"]["cluster"] for route in routes[:-1]} <= clusters
    assert routes[-1]["route"]["cluster"] not in clusters


def test_each_closed_route_follows_its_copy_for_api_keys(routes_with_api_keys: list[dict[str, Any]]) -> None:
    closed = [row.path for row in TABLE if not row.public]
    twins = [number for number, route in enumerate(routes_with_api_keys) if _needs_api_key(route)]
    assert [routes_with_api_keys[number]["name"] for number in twins] == closed
    assert [routes_with_api_keys[number + 1]["name"] for number in twins] == closed
    for number in twins:
        twin, base = routes_with_api_keys[number : number + 2]
        assert API_KEY_FILTER in twin["typed_per_filter_config"]
        assert not _is_open(base)
        assert twin["route"] == base["route"]


def test_a_route_without_a_token_needs_a_key_or_is_public(routes_with_api_keys: list[dict[str, Any]]) -> None:
    for route in routes_with_api_keys:
        if _is_open(route) and route["name"] not in {*PUBLIC, "nothing"}:
            assert _needs_api_key(route)
            assert API_KEY_FILTER in route["typed_per_filter_config"]


def test_without_api_keys_no_route_needs_one(routes: list[dict[str, Any]]) -> None:
    assert not any(_needs_api_key(route) for route in routes)


def test_every_method_of_the_services_has_a_row() -> None:
    services = (Upstream.TTS, Upstream.IMAGE, Upstream.VIDEO, Upstream.JOBS)
    rows = {row.path for row in TABLE if row.upstream in services}
    assert rows == {f"/{service.full_name}/{method.name}" for service in SERVICES for method in service.methods}
    for service in SERVICES:
        assert list_rpc_methods()[service.full_name] == [method.name for method in service.methods]


@pytest.mark.parametrize(
    ("path", "kind", "safe"),
    [
        (f"{SPEECH_PATH}/Synthesize", Kind.RPC, False),
        (f"{SPEECH_PATH}/SynthesizeStream", Kind.RPC_STREAM, False),
        (f"{SPEECH_PATH}/ListVoices", Kind.RPC, True),
        (f"{SPEECH_PATH}/GetVoice", Kind.RPC, True),
        (f"/{USAGE.full_name}/GetUsage", Kind.RPC, True),
        ("/grpc.health.v1.Health/Check", Kind.RPC, True),
        ("/grpc.health.v1.Health/Watch", Kind.RPC_WATCH, False),
        ("/grpc.reflection.*", Kind.RPC_WATCH, False),
        ("/api/speech/stream", Kind.HTTP_STREAM, False),
        ("/api/speech/timestamps", Kind.HTTP_STREAM, False),
        ("/api/image/batch", Kind.HTTP_STREAM, False),
        ("/api/image/upload", Kind.HTTP_UPLOAD, False),
        ("/api/image/generate/transform", Kind.HTTP_UPLOAD, False),
        (f"/{VIDEO.full_name}/GenerateVideo", Kind.RPC_STREAM, False),
        (f"/{VIDEO.full_name}/ProbeMedia", Kind.RPC, False),
        ("/api/video/generate", Kind.HTTP_UPLOAD_STREAM, False),
        ("/api/video/mux/stream", Kind.HTTP_UPLOAD_STREAM, False),
        ("/api/video/resume", Kind.HTTP_STREAM, False),
        ("/api/video/probe", Kind.HTTP_UPLOAD, False),
        ("/webhooks/replicate", Kind.HTTP, False),
        ("/api/jobs/{id}/events", Kind.HTTP_STREAM, True),
        ("/jobs_prompt_only", Kind.HTTP_WAIT, False),
        ("/jobs_prompt_tts", Kind.HTTP_WAIT, False),
        (f"/{JOBS.full_name}/CreateJob", Kind.RPC, False),
        (f"/{JOBS.full_name}/BatchCreateJobs", Kind.RPC, False),
        (f"/{JOBS.full_name}/GetJob", Kind.RPC, True),
        (f"/{JOBS.full_name}/ListJobs", Kind.RPC, True),
        (f"/{JOBS.full_name}/CancelJob", Kind.RPC, False),
        (f"/{JOBS.full_name}/WatchJob", Kind.RPC_STREAM, False),
        (f"/{JOBS.full_name}/RotateWebhookSecret", Kind.RPC, False),
        ("/api/image/sizes", Kind.HTTP, True),
        ("/api/image/styles", Kind.HTTP, True),
        ("/media/*", Kind.HTTP_STREAM, True),
        (f"/{IMAGE.full_name}/GenerateImage", Kind.RPC, False),
        (f"/{IMAGE.full_name}/UploadImage", Kind.RPC_STREAM, False),
        (f"/{IMAGE.full_name}/BatchGenerateImages", Kind.RPC_STREAM, False),
    ],
)
def test_a_path_has_its_kind(path: str, kind: Kind, safe: bool) -> None:
    row = next(row for row in TABLE if row.path == path)
    assert (row.kind, row.safe) == (kind, safe)


@pytest.mark.parametrize("row", [row for row in TABLE if row.kind in LONG_LIVED], ids=lambda row: row.path)
def test_streams_have_no_total_timeout_of_a_request(routes: list[dict[str, Any]], row: Route) -> None:
    action = next(route["route"] for route in routes if route["name"] == row.path)
    assert action["timeout"] == "0s"
    assert action["max_stream_duration"]["max_stream_duration"] == "3600s"
    assert action["idle_timeout"] == ("0s" if row.kind is Kind.RPC_WATCH else "60s")


@pytest.mark.parametrize("path", ["/jobs_prompt_only", "/jobs_prompt_tts"])
def test_a_route_that_waits_for_a_job_has_the_time_limit_of_a_stream(routes: list[dict[str, Any]], path: str) -> None:
    action = next(route["route"] for route in routes if route["name"] == path)
    assert (action["timeout"], action["idle_timeout"]) == ("3600s", "3605s")
    assert "max_stream_duration" not in action
    assert action["retry_policy"]["retry_on"] == "connect-failure,refused-stream"


@pytest.mark.parametrize(
    ("path", "fits"),
    [
        ("/api/jobs/019a/events", True),
        ("/api/jobs/a.b-c/events", True),
        ("/api/jobs//events", False),
        ("/api/jobs/019a/events/", False),
        ("/api/jobs/019a/cancel/events", False),
        ("/api/jobs/019a", False),
        ("/x/api/jobs/019a/events", False),
    ],
)
def test_a_variable_of_a_path_matches_one_segment(routes: list[dict[str, Any]], path: str, fits: bool) -> None:
    signed, match = (route["match"] for route in routes if route["name"] == "/api/jobs/{id}/events")
    assert match.keys() == {"safe_regex", "headers"}
    assert signed["safe_regex"] == match["safe_regex"]
    # Envoy matches the whole path, without the query.
    assert bool(re.fullmatch(match["safe_regex"]["regex"], path)) is fits


def test_the_route_of_events_comes_before_the_general_route(routes: list[dict[str, Any]]) -> None:
    names = [route["name"] for route in routes]
    assert names.index("/api/jobs/{id}/events") < names.index("/api/*")


@pytest.mark.parametrize("row", [row for row in TABLE if "." in row.path and row.upstream is not Upstream.GATEWAY])
def test_the_deadline_of_an_rpc_is_limited(routes: list[dict[str, Any]], row: Route) -> None:
    action = next(route["route"] for route in routes if route["name"] == row.path)
    longest = "300s" if row.kind is Kind.RPC else "3600s"
    assert action["max_stream_duration"] == {"max_stream_duration": longest, "grpc_timeout_header_max": longest}


def test_an_answer_that_is_not_streamed_has_a_time_limit(routes: list[dict[str, Any]]) -> None:
    bounds = {(r["route"]["timeout"], r["route"]["idle_timeout"]) for r in routes if r["name"] in {"/api/*", "/health"}}
    assert bounds == {("300s", "305s")}


@pytest.mark.parametrize(
    "path",
    ["/api/speech", "/api/speech/captions", "/api/jobs", "/api/jobs/batch", "/api/jobs/1/cancel"],
)
def test_a_route_that_does_not_stream_has_no_row_of_its_own(path: str) -> None:
    fits = (row for row in TABLE if row.path == path or (row.path.endswith("*") and path.startswith(row.path[:-1])))
    first = next(row for row in fits if not row.methods or "POST" in row.methods)
    assert (first.path, first.kind, first.safe) == ("/api/*", Kind.HTTP, False)


def test_a_request_is_repeated_once_and_only_a_safe_one_after_a_service_received_it(
    routes: list[dict[str, Any]],
) -> None:
    for row, route in zip(TABLE, routes, strict=False):
        policy = route["route"]["retry_policy"]
        conditions = policy["retry_on"].split(",")
        assert conditions == ["connect-failure", "refused-stream", *(["reset", "unavailable"] if row.safe else [])]
        assert policy["num_retries"] == 1
        assert policy["retry_host_predicate"][0]["name"] == "envoy.retry_host_predicates.previous_hosts"


def test_no_post_to_the_gateway_is_safe() -> None:
    assert all(row.methods == ("GET", "HEAD") for row in TABLE if row.safe and row.upstream is Upstream.GATEWAY)


def test_bodies_are_limited_over_http_and_not_over_grpc(routes: list[dict[str, Any]]) -> None:
    for row, route in zip(TABLE, routes, strict=False):
        # The gateway limits files while they pass.
        held = row.upstream is Upstream.GATEWAY and row.kind not in (Kind.HTTP_UPLOAD, Kind.HTTP_UPLOAD_STREAM)
        assert (BUFFER_FILTER in route["typed_per_filter_config"]) == held


def test_no_credential_reaches_a_service(tmp_path: Path) -> None:
    configuration = build_route_configuration(make_edge_settings(tmp_path), with_api_keys=True)
    assert configuration["request_headers_to_remove"] == ["authorization", "x-api-key"]
