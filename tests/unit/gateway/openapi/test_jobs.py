"""Tests that the OpenAPI document describes jobs as the contract and the routes do."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from media.jobs.v1 import jobs_pb2

from gateway.app import SERVICES
from gateway.codec.enums import list_words
from gateway.openapi.document import HAND_WRITTEN, build_document
from gateway.openapi.jobs import JOB_ROUTES
from gateway.routes.jobs import JobRoutes
from gateway.routes.sync_jobs import SyncJobRoutes
from services.common.errors import MediaError
from services.common.rpc.call_limits import DEFAULT_CALL_LIMITS
from services.common.rpc.channel import open_channel
from services.common.rpc.validation import validate
from services.common.storage import RouteLinks
from services.common.storage.signed_urls import UrlSigner

Json = dict[str, Any]
WAITING = ("/jobs_prompt_only", "/jobs_prompt_tts")
PLACES = (*((path, "post") for path in WAITING), ("/api/jobs", "post"), ("/api/jobs/{id}/events", "get"))


@pytest.fixture(scope="module")
def document() -> Json:
    parsed: Json = orjson.loads(orjson.dumps(build_document(HAND_WRITTEN, SERVICES, "1.2.3")))
    return parsed


def get_body_schema(document: Json, path: str) -> Json:
    """Return the schema of the request body of a route that waits."""
    found: Json = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return found


def get_schema(document: Json, name: str) -> Json:
    """Return the schema of a message of jobs."""
    found: Json = document["components"]["schemas"][f"media.jobs.v1.{name}"]
    return found


@pytest.mark.parametrize(
    ("method", "path", "operation", "answer"),
    [
        ("post", "/api/jobs", "createJob", "Job"),
        ("post", "/api/jobs/batch", "batchCreateJobs", "BatchCreateJobsResponse"),
        ("get", "/api/jobs", "listJobs", "ListJobsResponse"),
        ("get", "/api/jobs/{id}", "getJob", "Job"),
        ("post", "/api/jobs/{id}/cancel", "cancelJob", "Job"),
        ("get", "/api/jobs/{id}/deliveries", "listWebhookDeliveries", "ListWebhookDeliveriesResponse"),
        ("post", "/api/webhook-secret/rotate", "rotateWebhookSecret", "RotateWebhookSecretResponse"),
    ],
)
def test_every_call_of_the_contract_is_described_with_its_answer(
    document: Json, method: str, path: str, operation: str, answer: str
) -> None:
    described = document["paths"][path][method]
    assert described["operationId"] == operation
    mark, fields = described["responses"]["200"]["content"]["application/json"]["schema"]["allOf"]
    assert mark["properties"] == {"success": {"const": True}}
    assert fields == {"$ref": f"#/components/schemas/media.jobs.v1.{answer}"}


LINKS = RouteLinks(UrlSigner(b"secret"), "", 60)


async def test_every_hand_written_route_is_served_and_described() -> None:
    async with open_channel("127.0.0.1:9") as nowhere:
        routes = [
            *JobRoutes(nowhere, LINKS, DEFAULT_CALL_LIMITS).build_routes(),
            *SyncJobRoutes(nowhere, DEFAULT_CALL_LIMITS).build_routes(),
        ]
    served = {(route.method, route.path) for route in routes}
    assert {(route.method, route.path) for route in JOB_ROUTES} == served


def test_jobs_have_one_tag(document: Json) -> None:
    groups = {tuple(document["paths"][path][method]["tags"]) for path, method in PLACES}
    (group,) = groups
    assert [tag["name"] for tag in document["tags"] if tag["name"].startswith("Job")] == list(group)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/jobs_prompt_only", ["Prefer", "Idempotency-Key"]),
        ("/jobs_prompt_tts", ["Prefer", "Idempotency-Key"]),
        ("/api/jobs/{id}/events", ["id", "owner", "expires", "signature", "Last-Event-ID"]),
    ],
)
def test_request_headers_are_parameters(document: Json, path: str, names: list[str]) -> None:
    (operation,) = document["paths"][path].values()
    assert [item["name"] for item in operation["parameters"]] == names
    assert {item["in"] for item in operation["parameters"]} <= {"header", "path", "query"}


@pytest.mark.parametrize("path", WAITING)
def test_both_responses_have_the_path_of_the_job(document: Json, path: str) -> None:
    answers = document["paths"][path]["post"]["responses"]
    assert "Content-Location" in answers["200"]["headers"]
    assert {"Location", "Preference-Applied"} <= set(answers["202"]["headers"])
    assert "job_id" in answers["200"]["content"]["application/json"]["schema"]["properties"]


def test_the_list_takes_a_page_a_kind_and_a_status(document: Json) -> None:
    parameters = document["paths"]["/api/jobs"]["get"]["parameters"]
    assert [item["name"] for item in parameters] == ["pageSize", "pageToken", "kind", "status"]
    assert {item["in"] for item in parameters} == {"query"}
    assert not any(item["required"] for item in parameters)
    assert parameters[0]["schema"]["maximum"] == 100


@pytest.mark.parametrize("path", ["/api/jobs/{id}", "/api/jobs/{id}/cancel", "/api/jobs/{id}/deliveries"])
def test_a_job_id_has_its_pattern(document: Json, path: str) -> None:
    for operation in document["paths"][path].values():
        (parameter,) = (item for item in operation["parameters"] if item["in"] == "path")
        assert parameter["schema"]["pattern"] == "^[0-9a-f]{32}$"


def test_a_cancellation_takes_only_the_id(document: Json) -> None:
    body = document["components"]["schemas"]["CancelJobBody"]
    assert (body["properties"], body["additionalProperties"]) == ({}, False)


def test_a_request_for_a_job_has_one_of_four_specs(document: Json) -> None:
    request = get_schema(document, "CreateJobRequest")
    kinds = [field.json_name for field in jobs_pb2.CreateJobRequest.DESCRIPTOR.oneofs_by_name["spec"].fields]
    assert kinds == ["animate", "talkingVideo", "headline", "story"]
    assert set(request["properties"]) == {*kinds, "requestId", "webhookUrl"}
    assert get_schema(document, "BatchCreateJobsRequest")["properties"]["requests"]["maxItems"] == 50


@pytest.mark.parametrize("name", ["JobKind", "JobStatus", "JobCaptions"])
def test_enum_values_are_those_of_the_contract(document: Json, name: str) -> None:
    values = list_words(jobs_pb2.DESCRIPTOR.enum_types_by_name[name]).values()
    assert get_schema(document, name)["enum"] == list(values)


def test_the_event_stream_has_its_media_type_and_errors(document: Json) -> None:
    watching = document["paths"]["/api/jobs/{id}/events"]["get"]
    assert list(watching["responses"]["200"]["content"]) == ["text/event-stream"]
    assert "default" in watching["responses"]
    assert "Last-Event-ID" in watching["description"]


@pytest.mark.parametrize("path", WAITING)
def test_a_waiting_route_returns_urls_or_202_with_the_path_of_the_job(document: Json, path: str) -> None:
    answers = document["paths"][path]["post"]["responses"]
    properties = answers["200"]["content"]["application/json"]["schema"]["properties"]
    urls = {"video_url"} if path == "/jobs_prompt_only" else {"audio_url", "video_url", "final_url"}
    assert set(properties) == {*urls, "job_id"}
    assert "Location" in answers["202"]["headers"]
    assert set(answers["202"]["content"]["application/json"]["schema"]["properties"]) == {"job_id", "status_url"}
    assert "default" in answers


@pytest.mark.parametrize(
    ("path", "required"),
    [(WAITING[0], ["image_url", "prompt"]), (WAITING[1], ["image_url", "prompt", "text", "voice_id"])],
)
def test_required_fields_are_marked(document: Json, path: str, required: list[str]) -> None:
    assert get_body_schema(document, path)["required"] == required


@pytest.mark.parametrize("path", WAITING)
def test_the_bounds_of_a_video_are_those_of_the_contract(document: Json, path: str) -> None:
    properties = get_body_schema(document, path)["properties"]
    assert properties["resolution"]["default"] in properties["resolution"]["enum"]
    for resolution in properties["resolution"]["enum"]:
        assert not is_refused(resolution=resolution)
    assert is_refused(resolution="4k")
    for seconds in (
        properties["seconds"]["minimum"],
        properties["seconds"]["default"],
        properties["seconds"]["maximum"],
    ):
        assert not is_refused(seconds=seconds)
    assert is_refused(seconds=properties["seconds"]["maximum"] + 1)


def is_refused(**fields: Any) -> bool:
    """Return whether the contract refuses a video with these fields."""
    try:
        validate(jobs_pb2.VideoSpec(image_url="https://example.com/still.png", prompt="zoom in", **fields))
    except MediaError:
        return True
    return False
