"""Tests of the schemas of messages, and of the rules of the contracts in them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.openapi.comments import find_comment
from gateway.openapi.schemas import Schemas
from tests.fakes.contracts import compile_proto
from tests.unit.gateway.samples import EVERYTHING, KNOWN

_RULED = compile_proto(
    "ruled.proto",
    r"""
    syntax = "proto3";
    package ruled.v1;
    import "buf/validate/validate.proto";
    import "google/api/field_behavior.proto";
    import "google/protobuf/duration.proto";
    enum Size { SIZE_UNSPECIFIED = 0; SIZE_SMALL = 1; SIZE_LARGE = 2; }
    message Ruled {
      option (buf.validate.message).cel = {id: "a" message: "first must come before last" expression: "true"};
      option (buf.validate.message).oneof = {fields: ["url", "data"] required: true};
      string name = 1 [(google.api.field_behavior) = REQUIRED, (buf.validate.field).string = {min_len: 1 max_len: 5}];
      string code = 2 [(buf.validate.field).string = {len: 3 pattern: "^[a-z]+$"}];
      string url = 3 [(buf.validate.field).string.uri = true];
      bytes data = 4 [(buf.validate.field).bytes.max_len = 10];
      int32 count = 5 [(buf.validate.field).int32 = {gte: 1 lte: 9}];
      double share = 6 [(buf.validate.field).double = {gt: 0 lt: 0.5 finite: true}];
      uint64 seed = 7 [(buf.validate.field).uint64 = {in: [1, 18446744073709551615]}];
      Size size = 8 [(buf.validate.field).enum = {defined_only: true not_in: [0]}];
      repeated string tags = 9 [(buf.validate.field).repeated = {
        min_items: 1 max_items: 3 unique: true
        items: {string: {prefix: "x-" max_len: 8} cel: {id: "b" message: "must be lower case" expression: "true"}}
      }];
      map<string, int32> scores = 10 [(buf.validate.field).map = {
        min_pairs: 1 max_pairs: 2 keys: {string: {min_len: 2}} values: {int32: {gte: 0}}
      }];
      google.protobuf.Duration lasting = 11 [(buf.validate.field).duration.lte = {seconds: 5}];
      string expression = 12 [(buf.validate.field).cel_expression = "this != 'x'"];
      bool agreed = 13 [(buf.validate.field).required = true, (buf.validate.field).bool.const = true];
      string free = 14 [(buf.validate.field).ignore = IGNORE_ALWAYS, (buf.validate.field).string.max_len = 1];
      repeated Size sizes = 15 [(buf.validate.field).repeated.items.enum = {in: [1, 2]}];
      oneof source { option (buf.validate.oneof).required = true; string left = 16; string right = 17; }
    }
    """,
).message_types_by_name["Ruled"]


def build_schema(kind: Any, *, sent: bool = True) -> dict[str, Any]:
    schemas = Schemas([kind] if sent else [])
    schemas.refer_to(kind)
    return dict(schemas.components[kind.full_name])


@pytest.mark.parametrize(
    ("name", "keywords"),
    [
        ("name", {"minLength": 1, "maxLength": 5}),
        ("code", {"minLength": 3, "maxLength": 3, "pattern": "^[a-z]+$"}),
        ("url", {"format": "uri"}),
        ("data", {"contentEncoding": "base64", "description": "Max len: 10."}),
        ("count", {"minimum": 1, "maximum": 9, "format": "int32"}),
        ("share", {"exclusiveMinimum": 0, "exclusiveMaximum": 0.5}),
        ("seed", {"enum": [1, 2**64 - 1], "maximum": None}),
        ("size", {"not": {"enum": ["unspecified"]}}),
        (
            "tags",
            {
                "minItems": 1,
                "maxItems": 3,
                "uniqueItems": True,
                "items": {"type": "string", "maxLength": 8},
                "description": "Each item: Must be lower case. Each item: Prefix: x-.",
            },
        ),
        (
            "scores",
            {
                "minProperties": 1,
                "maxProperties": 2,
                "propertyNames": {"type": "string", "minLength": 2},
            },
        ),
        ("lasting", {"description": "Lte: seconds 5."}),
        ("expression", {"description": "Must fulfil `this != 'x'`."}),
        ("agreed", {"const": True}),
    ],
)
def test_a_rule_is_in_the_schema(name: str, keywords: dict[str, object]) -> None:
    schema = build_schema(_RULED)["properties"][name]
    assert {key: schema.get(key) for key in keywords} == keywords


def test_rules_of_map_values_and_list_items_apply_to_them() -> None:
    properties = build_schema(_RULED)["properties"]
    assert properties["scores"]["additionalProperties"]["minimum"] == 0
    assert properties["sizes"]["items"]["enum"] == ["small", "large"]


def test_rules_that_are_switched_off_are_left_out() -> None:
    assert build_schema(_RULED)["properties"]["free"] == {"type": "string"}


def test_rules_of_the_whole_message_are_described_in_words() -> None:
    description = build_schema(_RULED)["description"]
    assert "First must come before last." in description
    assert "Exactly one of `url`, `data`." in description
    assert "Exactly one of `left`, `right`." in description


def test_a_request_requires_marked_fields_and_allows_no_unknown_field() -> None:
    schema = build_schema(_RULED)
    assert schema["required"] == ["name", "agreed"]
    assert schema["additionalProperties"] is False


def test_a_response_requires_the_fields_that_are_always_present() -> None:
    schema = build_schema(EVERYTHING.DESCRIPTOR, sent=False)
    assert "additionalProperties" not in schema
    absent_at_times = {"child", "maybeText", "maybeNumber", "left", "right", "both"}
    assert set(schema["properties"]) - set(schema["required"]) == absent_at_times


def test_a_message_may_contain_itself() -> None:
    properties = build_schema(EVERYTHING.DESCRIPTOR)["properties"]
    assert properties["child"] == {"$ref": "#/components/schemas/samples.v1.Everything"}


def test_every_kind_of_field_has_its_schema() -> None:
    properties = build_schema(EVERYTHING.DESCRIPTOR)["properties"]
    assert properties["seed"] == {"type": "integer", "format": "uint64", "minimum": 0}
    assert properties["data"] == {"type": "string", "contentEncoding": "base64"}
    assert properties["single"] == {"type": "number", "format": "float"}
    assert properties["colours"]["propertyNames"] == {"pattern": "^(0|-?[1-9][0-9]*)$"}
    assert properties["byFlag"]["propertyNames"] == {"enum": ["true", "false"]}


def test_schemas_of_well_known_types_match_the_json_of_protobuf() -> None:
    properties = build_schema(KNOWN.DESCRIPTOR)["properties"]
    assert properties["madeAt"] == {"type": "string", "format": "date-time"}
    assert properties["lasting"]["type"] == "string"
    assert properties["free"] == {"type": "object"}
    assert properties["anyValue"] == {}


def test_comments_have_joined_lines_json_names_and_no_presence_word() -> None:
    assert find_comment("media.tts.v1.ListVoicesRequest.page_token").startswith("`nextPageToken` of the previous page")
    assert (
        find_comment("media.tts.v1.SynthesizeRequest.seed")
        == "Seed for repeatable results, best effort, 0 to 4294967295."
    )
    assert find_comment("media.tts.v1.VoiceType.VOICE_TYPE_CUSTOM") == "A voice of the suite's own table, made for it."
    assert find_comment("media.tts.v1.SynthesizeStreamResponse.event") == "First the header, then chunks, then done."
    assert find_comment("no.such.Thing") == ""
