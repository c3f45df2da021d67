"""Compile .proto text, for tests of features that the suite's own contracts do not use."""

from __future__ import annotations

import tempfile
from importlib import resources
from pathlib import Path

import grpc_tools
import grpc_tools.protoc
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FileDescriptor

# Descriptors of our contracts and of their imports: google.api, buf.validate.
_IMPORTS = str(resources.files("media").joinpath("descriptors.pb"))
_WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"


def compile_proto(name: str, source: str) -> FileDescriptor:
    """Return the descriptor of `source`, a .proto file called `name`, from protobuf's default pool.

    Raises:
        ValueError: The text is not a valid .proto file.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / name).write_text(source, encoding="utf-8")
        image = root / "image.binpb"
        arguments = [
            f"--descriptor_set_in={_IMPORTS}",
            f"-I{root}",
            f"-I{_WELL_KNOWN}",
            f"--descriptor_set_out={image}",
        ]
        if grpc_tools.protoc.main(["protoc", *arguments, name]) != 0:
            raise ValueError(f"{name} cannot be compiled")
        files = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes()).file
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(files[0].SerializeToString())
    return pool.FindFileByName(name)
