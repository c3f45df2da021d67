"""Message types with every kind of field, and ways to fill them."""

from __future__ import annotations

from typing import Any

from google.protobuf import duration_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st

from tests.fakes.contracts import compile_proto

# The sample file imports these, and protobuf finds only files that were loaded.
IMPORTED = (duration_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)

_FILE = compile_proto(
    "samples.proto",
    """
    syntax = "proto3";
    package samples.v1;
    import "google/protobuf/duration.proto";
    import "google/protobuf/field_mask.proto";
    import "google/protobuf/struct.proto";
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/wrappers.proto";
    enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; COLOUR_BLUE = 2; }
    message Everything {
      string plain_text = 1;
      bool is_on = 2;
      int32 small = 3;
      uint32 natural = 4;
      int64 large = 5;
      uint64 seed = 6;
      sint64 signed_large = 7;
      fixed32 fixed_natural = 8;
      float single = 9;
      double number = 10;
      bytes data = 11;
      Colour colour = 12;
      Everything child = 13;
      repeated string names = 14;
      repeated Everything children = 15;
      repeated double numbers = 16;
      repeated bytes pieces = 17;
      map<string, string> labels = 18;
      map<int32, Colour> colours = 19;
      map<bool, Everything> by_flag = 20;
      optional string maybe_text = 21;
      optional double maybe_number = 22;
      oneof choice { string left = 23; int32 right = 24; Everything both = 25; }
      repeated Colour palette = 26;
    }
    message Known {
      google.protobuf.Timestamp made_at = 1;
      google.protobuf.Duration lasting = 2;
      google.protobuf.Struct free = 3;
      google.protobuf.FieldMask mask = 4;
      google.protobuf.Value any_value = 5;
      google.protobuf.StringValue wrapped = 6;
      google.protobuf.Int64Value wrapped_large = 7;
      repeated google.protobuf.Timestamp times = 8;
    }
    """,
)
EVERYTHING: type[Message] = GetMessageClass(_FILE.message_types_by_name["Everything"])
KNOWN: type[Message] = GetMessageClass(_FILE.message_types_by_name["Known"])

# Years of four digits; other years have no JSON form.
_TIMES = st.builds(Timestamp, seconds=st.integers(-62_135_596_800, 253_402_300_799), nanos=st.integers(0, 999_999_999))
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
    FieldDescriptor.CPPTYPE_FLOAT: st.integers(-(2**20), 2**20).map(lambda number: number / 8),
}


def make_message(kind: type[Message], **fields: Any) -> Message:
    """Return a message; type checkers do not know the fields of these types."""
    return kind(**fields)


@st.composite
def draw_messages(draw: st.DrawFn, kind: type[Message], depth: int = 2) -> Message:
    """Draw a message of `kind` that a service may send, nested at most `depth` levels."""
    members = {field.name for oneof in kind.DESCRIPTOR.oneofs if len(oneof.fields) > 1 for field in oneof.fields}
    fields = {field.name: field for field in kind.DESCRIPTOR.fields if depth or _find_message_type(field) is None}
    free = sorted(fields.keys() - members)
    chosen: set[str] = draw(st.sets(st.sampled_from(free), max_size=8)) if free else set()
    if choices := sorted(members & fields.keys()):
        chosen |= draw(st.sets(st.sampled_from(choices), max_size=1))
    return kind(**{name: draw(_draw_values(fields[name], depth)) for name in sorted(chosen)})


def _find_message_type(field: Any) -> Any:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return entry.fields_by_name["value"].message_type
    return entry


def _draw_values(field: Any, depth: int) -> st.SearchStrategy[Any]:
    if not field.is_repeated:
        return _draw_single(field, depth)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entry = field.message_type.fields_by_name
        return st.dictionaries(_draw_single(entry["key"], depth), _draw_single(entry["value"], depth), max_size=2)
    return st.lists(_draw_single(field, depth), max_size=2)


def _draw_single(field: Any, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None and field.message_type.full_name == "google.protobuf.Timestamp":
        return _TIMES
    if field.message_type is not None:
        return draw_messages(GetMessageClass(field.message_type), depth - 1)
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=20)
    return _SCALARS.get(field.cpp_type, _TEXT)
