"""Tests of the OpenAPI document of the suite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from buf.validate import validate_pb2
from media.tts.v1 import tts_pb2

from gateway.app import SERVICES
from gateway.codec import decode
from gateway.http_rules import read_http_rules
from gateway.openapi.__main__ import main
from gateway.openapi.constraints import get_rules
from gateway.openapi.document import HAND_WRITTEN, build_document
from gateway.openapi.route_spec import HandWritten, Response
from gateway.routes.captions import FORMATS
from services.common.errors import Reason
from services.common.rpc.validation import validate
from tests.fakes.contracts import compile_proto

Json = dict[str, Any]
SPEECH_PATHS = ("/api/speech", "/api/speech/stream", "/api/speech/timestamps", "/api/speech/captions")
_CALLER_GONE = 499

_THINGS = compile_proto(
    "things.proto",
    """
    syntax = "proto3";
    package things.v1;
    import "google/api/annotations.proto";
    message Thing { string name = 1; }
    message PutRequest { string name = 1; Thing thing = 2; bool check_only = 3; }
    message PutResponse { Thing thing = 1; }
    message ListRequest { Thing like = 1; }
    message ListResponse {}
    service ThingService {
      rpc Put(PutRequest) returns (PutResponse) {
        option (google.api.http) = {
          put: "/things/{name}" body: "thing"
          additional_bindings { post: "/things/{name}:put" body: "*" }
        };
      }
    }
    service BadService {
      rpc List(ListRequest) returns (ListResponse) { option (google.api.http) = {get: "/things"}; }
    }
    """,
)


@pytest.fixture(scope="module")
def document() -> Json:
    built = build_document(HAND_WRITTEN, SERVICES, "1.2.3")
    parsed: Json = orjson.loads(orjson.dumps(built))
    return parsed


def list_operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def list_nodes(node: object) -> Iterator[Json]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from list_nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from list_nodes(value)


def resolve_pointer(document: Json, pointer: str) -> Any:
    found: Any = document
    for part in pointer.removeprefix("#/").split("/"):
        found = found[part]
    return found


def get_body_schema(document: Json, path: str) -> Json:
    schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    found: Json = resolve_pointer(document, schema["$ref"])
    return found


def test_the_document_has_the_version_of_the_suite(document: Json) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["version"] == "1.2.3"


def test_every_reference_has_a_target(document: Json) -> None:
    references = [node["$ref"] for node in list_nodes(document) if "$ref" in node]
    assert references
    for reference in references:
        assert isinstance(resolve_pointer(document, reference), dict)


def test_every_schema_and_response_is_referred_to(document: Json) -> None:
    references = {node["$ref"] for node in list_nodes(document) if "$ref" in node}
    for group in ("schemas", "responses"):
        for name in document["components"][group]:
            assert f"#/components/{group}/{name}" in references


def test_component_names_are_valid(document: Json) -> None:
    for group in document["components"].values():
        for name in group:
            assert re.fullmatch(r"[A-Za-z0-9._-]+", name)


def test_every_annotated_rpc_and_every_hand_written_route_is_described(document: Json) -> None:
    wanted = {(rule.path, rule.method.lower()) for service in SERVICES for rule in read_http_rules(service)}
    wanted |= {(route.path, route.method.lower()) for route in HAND_WRITTEN}
    assert {(path, method) for path, method, _ in list_operations(document)} == wanted


def test_operation_names_are_unique(document: Json) -> None:
    names = [operation["operationId"] for _, _, operation in list_operations(document)]
    assert len(names) == len(set(names))


def test_path_variables_are_parameters(document: Json) -> None:
    for path, _, operation in list_operations(document):
        declared = {item["name"] for item in operation.get("parameters", []) if item["in"] == "path"}
        assert declared == set(re.findall(r"\{(\w+)\}", path))


def test_every_operation_and_field_is_described(document: Json) -> None:
    for path, _, operation in list_operations(document):
        assert operation["summary"], path
        for parameter in operation.get("parameters", []):
            assert parameter["description"], path
    for name, schema in document["components"]["schemas"].items():
        for field, value in schema.get("properties", {}).items():
            assert value.get("description") or name == "Error", f"{name}.{field}"


def test_every_summary_is_an_imperative_phrase(document: Json) -> None:
    for path, _, operation in list_operations(document):
        verb = operation["summary"].split()[0]
        assert not verb.endswith("s"), path
        assert "." not in operation["summary"], path


def test_every_reason_is_there_with_its_status_and_meaning(document: Json) -> None:
    codes = document["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]
    assert codes["enum"] == [reason.name for reason in Reason]
    for reason in Reason:
        row = f"| {reason.info.http_status} | `{reason.name}` | {reason.info.meaning} |"
        assert (row in document["info"]["description"]) is (reason.info.http_status != _CALLER_GONE)


def test_an_error_response_has_a_retry_after_header(document: Json) -> None:
    assert "Retry-After" in document["components"]["responses"]["Error"]["headers"]


def test_every_operation_refers_to_the_one_error_response(document: Json) -> None:
    own_errors = {"/", "/health", "/readyz", "/openapi.json", "/docs", "/webhooks/replicate"}
    for path, _, operation in list_operations(document):
        expected = None if path in own_errors else {"$ref": "#/components/responses/Error"}
        assert operation["responses"].get("default") == expected, path
        inline = [response for status, response in operation["responses"].items() if status[0] in "45"]
        assert not any("content" in response for response in inline) or path in own_errors


def test_no_limit_is_a_number_that_a_browser_rounds() -> None:
    def list_numbers(node: object) -> Iterator[float]:
        if isinstance(node, dict):
            for value in node.values():
                yield from list_numbers(value)
        elif isinstance(node, list):
            for value in node:
                yield from list_numbers(value)
        elif isinstance(node, (int, float)) and not isinstance(node, bool):
            yield node

    document = build_document(HAND_WRITTEN, SERVICES, "1.2.3")
    assert all(abs(number) <= 2**53 - 1 for number in list_numbers(document))


def test_the_introduction_names_all_media(document: Json) -> None:
    introduction = document["info"]["description"].lower()
    assert all(word in introduction for word in ("speech", "images", "videos", "jobs", "captions"))


@pytest.mark.parametrize("path", SPEECH_PATHS)
def test_every_rule_of_the_request_is_in_the_body_schema(document: Json, path: str) -> None:
    properties = get_body_schema(document, path)["properties"]
    words = {name: list_schema_values(schema) for name, schema in properties.items()}
    fields: Any = tts_pb2.SynthesizeRequest.DESCRIPTOR.fields
    wanted = [
        (field.json_name, value)
        for field in fields
        # The values of an enum are in a schema of their own.
        if field.enum_type is None
        for value in list_rule_values(get_rules(field))
    ]
    assert len(wanted) > 50
    for name, value in wanted:
        assert value in words[name] or str(value).lower() in properties[name]["description"].lower()


def list_rule_values(rules: Any) -> Iterator[Any]:
    """Yield every value and every message of the rules."""
    yield from (rule.message for rule in rules.cel)
    kind = rules.WhichOneof("type")
    for _, value in getattr(rules, kind).ListFields() if kind else ():
        if isinstance(value, validate_pb2.FieldRules):
            yield from list_rule_values(value)
        else:
            yield from [value] if isinstance(value, (int, float, str)) else value


def list_schema_values(schema: Json) -> list[Any]:
    """Return every value in a schema, at any depth."""
    found: list[Any] = []
    for node in list_nodes(schema):
        for value in node.values():
            found += value if isinstance(value, list) else [value]
    return found


@pytest.mark.parametrize("path", SPEECH_PATHS)
def test_the_speech_routes_do_not_take_include_alignment(document: Json, path: str) -> None:
    schema = get_body_schema(document, path)
    assert "includeAlignment" not in schema["properties"]
    assert schema["required"] == ["text"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("route", [route for route in HAND_WRITTEN if route.request], ids=lambda route: route.path)
def test_example_bodies_are_valid_requests(route: HandWritten) -> None:
    assert route.request is not None
    assert route.examples
    for body in route.examples.values():
        validate(decode(route.request, dict(body)))


def test_success_bodies_of_rpcs_have_the_field_success(document: Json) -> None:
    schema = document["paths"]["/api/voices"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    mark, fields = schema["allOf"]
    assert mark["properties"] == {"success": {"const": True}}
    assert fields == {"$ref": "#/components/schemas/media.tts.v1.ListVoicesResponse"}


def test_query_parameters_carry_their_rules(document: Json) -> None:
    parameters = {item["name"]: item for item in document["paths"]["/api/voices"]["get"]["parameters"]}
    assert list(parameters) == ["pageSize", "pageToken", "provider"]
    assert parameters["pageSize"]["schema"] == {"type": "integer", "format": "int32", "minimum": 0, "maximum": 100}
    assert parameters["provider"]["schema"]["enum"] == ["elevenlabs", "espeak"]


def test_the_route_of_usage_takes_a_range_of_days(document: Json) -> None:
    operation = document["paths"]["/api/usage"]["get"]
    assert [item["name"] for item in operation["parameters"]] == ["startDate", "endDate", "service"]
    assert not any(item["required"] for item in operation["parameters"])
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema["allOf"][1] == {"$ref": "#/components/schemas/media.usage.v1.GetUsageResponse"}


def test_only_public_routes_need_no_credential(document: Json) -> None:
    assert document["security"] == [{"bearer": []}, {"apiKey": []}]
    public = {path for path, _, operation in list_operations(document) if operation.get("security") == []}
    assert public == {
        "/",
        "/health",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/api/image/sizes",
        "/api/image/styles",
        "/webhooks/replicate",
    }
    assert document["components"]["securitySchemes"]["apiKey"]["name"] == "x-api-key"


def test_health_has_its_two_responses(document: Json) -> None:
    assert document["paths"]["/health"]["get"]["responses"].keys() == {"200", "503"}


def test_a_line_of_timestamps_has_one_of_four_forms(document: Json) -> None:
    content = document["paths"]["/api/speech/timestamps"]["post"]["responses"]["200"]["content"]
    lines = content["application/x-ndjson"]["schema"]["oneOf"]
    assert [line.get("required", line.get("$ref")) for line in lines] == [
        ["header"],
        ["audioBase64"],
        ["done"],
        "#/components/schemas/Error",
    ]


def test_done_carries_the_times_of_words_and_sentences(document: Json) -> None:
    content = document["paths"]["/api/speech/timestamps"]["post"]["responses"]["200"]["content"]
    done = content["application/x-ndjson"]["schema"]["oneOf"][2]["properties"]["done"]
    of_the_contract, of_the_route = done["allOf"]
    assert of_the_contract == {"$ref": "#/components/schemas/media.tts.v1.SpeechDone"}
    assert of_the_route["required"] == ["words", "sentences"]
    for name in of_the_route["required"]:
        item = of_the_route["properties"][name]["items"]
        assert item["required"] == list(item["properties"])


def test_captions_come_in_the_formats_that_the_route_knows(document: Json) -> None:
    operation = document["paths"]["/api/speech/captions"]["post"]
    (parameter,) = operation["parameters"]
    assert (parameter["name"], parameter["in"], parameter["required"]) == ("format", "query", False)
    assert parameter["schema"]["enum"] == list(FORMATS)
    media_types = [item.content_type.partition(";")[0] for item in FORMATS.values()]
    assert list(operation["responses"]["200"]["content"]) == media_types


def test_the_body_is_one_field_or_all_fields_that_are_not_in_the_path() -> None:
    built: Json = orjson.loads(orjson.dumps(build_document([], [_THINGS.services_by_name["ThingService"]], "1")))
    put, post = built["paths"]["/things/{name}"]["put"], built["paths"]["/things/{name}:put"]["post"]
    assert put["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("things.v1.Thing")
    assert [item["name"] for item in put["parameters"]] == ["name", "checkOnly"]
    assert [item["name"] for item in post["parameters"]] == ["name"]
    assert set(built["components"]["schemas"]["Put2Body"]["properties"]) == {"thing", "checkOnly"}


def test_an_object_in_the_query_is_refused() -> None:
    with pytest.raises(ValueError, match=r"things\.v1\.ListRequest\.like is an object"):
        build_document([], [_THINGS.services_by_name["BadService"]], "1")


@pytest.mark.parametrize(
    ("path", "name", "problem"),
    [("/one", "other", "two routes answer GET /one"), ("/other", "one", "two routes are called one")],
)
def test_routes_must_not_share_a_path_or_a_name(path: str, name: str, problem: str) -> None:
    first = HandWritten("GET", "/one", "One", "", (Response("Done."),), ("Tag",), "one")
    second = HandWritten("GET", path, "Other", "", (Response("Done."),), ("Tag",), name)
    with pytest.raises(ValueError, match=problem):
        build_document([first, second], [], "1")


def test_a_stale_file_fails_the_check_until_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    assert main(["--check"], file) == 1
    assert main(["--write"], file) == 0
    assert main(["--check"], file) == 0
    file.write_bytes(file.read_bytes().replace(b"Media suite", b"Other suite"))
    assert main(["--check"], file) == 1
