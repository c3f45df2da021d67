"""Tests that the imported contracts in the repository are those of the packages that the services use."""

from __future__ import annotations

from pathlib import Path

import grpc_tools
import pytest
from google.api import annotations_pb2, field_behavior_pb2, http_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc
from protovalidate import ViolationPb

IMPORTED = Path(__file__).parents[2] / "protos" / "third_party"
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"


def read_validate() -> FileDescriptorProto:
    return FileDescriptorProto.FromString(ViolationPb.desc().file.proto.to_binary())


def read_generated(module: object) -> FileDescriptorProto:
    return FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)  # type: ignore[attr-defined]


INSTALLED = {
    "buf/validate/validate.proto": read_validate(),
    "google/api/annotations.proto": read_generated(annotations_pb2),
    "google/api/field_behavior.proto": read_generated(field_behavior_pb2),
    "google/api/http.proto": read_generated(http_pb2),
}


def compile_imported(name: str, scratch: Path) -> FileDescriptorProto:
    output = scratch / "imported.binpb"
    assert protoc.main(["protoc", f"-I{IMPORTED}", f"-I{WELL_KNOWN}", f"--descriptor_set_out={output}", name]) == 0
    return FileDescriptorSet.FromString(output.read_bytes()).file[0]


def normalize(file: FileDescriptorProto) -> bytes:
    """Return `file` without comments, and without names for other languages, which packagers add."""
    file.ClearField("source_code_info")
    file.ClearField("options")
    # The compiler adds the names in JSON; stubs leave them out.
    for field in (*file.extension, *(field for message in file.message_type for field in message.field)):
        field.ClearField("json_name")
    return file.SerializeToString(deterministic=True)


@pytest.mark.parametrize("name", INSTALLED)
def test_an_imported_contract_is_that_of_the_installed_package(name: str, tmp_path: Path) -> None:
    assert normalize(compile_imported(name, tmp_path)) == normalize(INSTALLED[name])


def test_no_other_contract_is_imported() -> None:
    assert {str(path.relative_to(IMPORTED)) for path in IMPORTED.rglob("*.proto")} == INSTALLED.keys()
