"""Reads the google.api.http annotations of the contracts: which HTTP route calls which RPC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor

_VARIABLE = re.compile(r"\{([^{}]*)\}")
_FIELD = re.compile(r"[a-z][a-z0-9_]*")
_DEEP_VARIABLE = re.compile(r"\{([a-z][a-z0-9_]*)=\*\*\}")

PUBLIC_RPCS = frozenset({"media.image.v1.ImageService.ListImageSizes", "media.image.v1.ImageService.ListPromptStyles"})
"""RPCs whose routes need no credential."""


@dataclass(frozen=True, slots=True)
class HttpRule:
    """One HTTP route of one RPC."""

    method: str
    """GET, PUT, POST, DELETE, PATCH, or a custom method in capitals."""
    path: str
    """Path, with request fields as `{field_name}`: one whole segment each, or several if in `deep_fields`."""
    body: str
    """`*` if the body has all fields that are not in the path; else the name of its one field; empty without a body."""
    rpc: MethodDescriptor
    """The RPC that the route calls."""
    deep_fields: tuple[str, ...] = ()
    """Fields in the path whose values may contain slashes."""
    response_body: str = ""
    """Field of the response that is the answer; empty if the whole response is."""

    @property
    def public(self) -> bool:
        """Whether the route needs no credential."""
        return self.rpc.full_name in PUBLIC_RPCS

    @property
    def answer(self) -> Descriptor:
        """Type of the answer, which has the field `success` besides."""
        whole: Descriptor = self.rpc.output_type
        part = whole.fields_by_name[self.response_body].message_type if self.response_body else None
        return part or whole

    @property
    def path_fields(self) -> tuple[str, ...]:
        """Names of the request fields in the path, in order."""
        return tuple(_VARIABLE.findall(self.path))


def read_http_rules(service: ServiceDescriptor) -> list[HttpRule]:
    """Return the routes of the annotated RPCs of `service`, with additional bindings, in the order of the contract.

    Raises:
        ValueError: The gateway does not support an annotation; the message names it.
    """
    return [rule for rpc in service.methods for rule in _read_rules(rpc)]


def _read_rules(rpc: MethodDescriptor) -> Iterator[HttpRule]:
    options = rpc.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return
    annotation = options.Extensions[annotations_pb2.http]
    for binding in (annotation, *annotation.additional_bindings):
        method, pattern = _parse_pattern(binding)
        path = _DEEP_VARIABLE.sub(r"{\1}", pattern)
        rule = HttpRule(method, path, binding.body, rpc, tuple(_DEEP_VARIABLE.findall(pattern)), binding.response_body)
        _check_rule(rule)
        yield rule


def _parse_pattern(binding: http_pb2.HttpRule) -> tuple[str, str]:
    which = binding.WhichOneof("pattern")
    if which is None:
        return "", ""
    if which == "custom":
        return binding.custom.kind.upper(), binding.custom.path
    return which.upper(), getattr(binding, which)


def _check_rule(rule: HttpRule) -> None:
    fields = set(rule.rpc.input_type.fields_by_name)
    problems = {
        "has no path": not rule.path.startswith("/"),
        "names a response_body that is not a message of the response": not _is_message(rule),
        "belongs to a streaming RPC, whose routes are written by hand": (
            rule.rpc.client_streaming or rule.rpc.server_streaming
        ),
        "has a variable that is more than a field's name": not all(map(_FIELD.fullmatch, rule.path_fields)),
        "names a field that the request does not have": bool({*rule.path_fields, rule.body} - {"", "*"} - fields),
    }
    for problem, found in problems.items():
        if found:
            raise ValueError(f"google.api.http of {rule.rpc.full_name} {problem}")


def _is_message(rule: HttpRule) -> bool:
    if not rule.response_body:
        return True
    field = rule.rpc.output_type.fields_by_name.get(rule.response_body)
    return field is not None and field.message_type is not None and not field.is_repeated
