"""Tests of http_rules: google.api.http annotations."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import ServiceDescriptor
from media.image.v1 import image_pb2
from media.tts.v1 import tts_pb2

from gateway.http_rules import read_http_rules
from tests.fakes.contracts import compile_proto

_ROUTES = compile_proto(
    "routes.proto",
    """
    syntax = "proto3";
    package routes.v1;
    import "google/api/annotations.proto";
    message Request { string name = 1; string kind = 2; Request inner = 3; }
    message Response {}
    service ManyWays {
      rpc Make(Request) returns (Response) {
        option (google.api.http) = {
          post: "/things" body: "*"
          additional_bindings { put: "/things/{name}" body: "inner" }
          additional_bindings { custom: {kind: "search" path: "/things"} }
        };
      }
      rpc Drop(Request) returns (Response) {
        option (google.api.http) = {delete: "/kinds/{kind}/things/{name}:now"};
      }
      rpc Inside(Request) returns (Response);
    }
    service Streaming {
      rpc Watch(Request) returns (stream Response) { option (google.api.http) = {get: "/watch"}; }
    }
    service Unknown {
      rpc Get(Request) returns (Response) { option (google.api.http) = {get: "/things/{colour}"}; }
    }
    service Pattern {
      rpc Get(Request) returns (Response) { option (google.api.http) = {get: "/{name=things/*}"}; }
    }
    service Partial {
      rpc Get(Request) returns (Response) { option (google.api.http) = {get: "/things" response_body: "kind"}; }
    }
    service Nowhere {
      rpc Get(Request) returns (Response) { option (google.api.http) = {body: "*"}; }
    }
    """,
)


def get_service(name: str) -> ServiceDescriptor:
    return _ROUTES.services_by_name[name]


def test_every_annotated_rpc_of_the_speech_service_has_its_route() -> None:
    rules = read_http_rules(tts_pb2.DESCRIPTOR.services_by_name["TextToSpeechService"])
    assert [(rule.method, rule.path, rule.body, rule.rpc.name) for rule in rules] == [
        ("POST", "/api/speech/alignment/convert", "*", "ConvertAlignment"),
        ("GET", "/api/voices", "", "ListVoices"),
        ("GET", "/api/speech/models", "", "ListSpeechModels"),
        ("GET", "/api/voices/{voice}", "", "GetVoice"),
        ("GET", "/api/audio/{id}", "", "GetStoredAudio"),
        ("GET", "/api/audio", "", "ListStoredAudio"),
        ("DELETE", "/api/audio/{id}", "", "DeleteStoredAudio"),
    ]


def test_a_rule_may_have_a_deep_path_and_a_response_body() -> None:
    rules = {rule.rpc.name: rule for rule in read_http_rules(image_pb2.DESCRIPTOR.services_by_name["ImageService"])}
    delete, generate, sizes = rules["DeleteImage"], rules["GenerateImage"], rules["ListImageSizes"]
    assert (delete.path, delete.path_fields, delete.deep_fields) == ("/api/image/{key}", ("key",), ("key",))
    assert (generate.response_body, generate.answer.name) == ("image", "Image")
    assert (sizes.answer.name, sizes.public, generate.public) == ("ListImageSizesResponse", True, False)


def test_additional_bindings_are_routes_of_their_own() -> None:
    rules = [rule for rule in read_http_rules(get_service("ManyWays")) if rule.rpc.name == "Make"]
    assert [(rule.method, rule.path, rule.body) for rule in rules] == [
        ("POST", "/things", "*"),
        ("PUT", "/things/{name}", "inner"),
        ("SEARCH", "/things", ""),
    ]


def test_path_fields_are_listed_in_order() -> None:
    (rule,) = (rule for rule in read_http_rules(get_service("ManyWays")) if rule.rpc.name == "Drop")
    assert rule.path_fields == ("kind", "name")


def test_an_rpc_without_annotation_has_no_route() -> None:
    assert "Inside" not in {rule.rpc.name for rule in read_http_rules(get_service("ManyWays"))}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("Streaming", "belongs to a streaming RPC"),
        ("Unknown", "names a field that the request does not have"),
        ("Pattern", "has a variable that is more than a field's name"),
        ("Partial", "names a response_body that is not a message"),
        ("Nowhere", "has no path"),
    ],
)
def test_an_annotation_that_cannot_be_served_is_refused_by_name(name: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"routes.v1.{name}.* {problem}"):
        read_http_rules(get_service(name))
