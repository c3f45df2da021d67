"""Reads the google.api.http annotations: which HTTP route leads to which RPC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

_VARIABLE = re.compile(r"\{([^{}]*)\}")
_FIELD = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class HttpRule:
    """One HTTP route of one RPC."""

    method: str
    """GET, PUT, POST, DELETE, PATCH, or a custom one in capitals."""
    path: str
    """The path, with request fields as `{field_name}`, each a whole segment."""
    body: str
    """`*` if the body holds all fields that the path does not; the name of the one it holds; empty if there is none."""
    rpc: MethodDescriptor
    """The RPC that answers."""

    @property
    def path_fields(self) -> tuple[str, ...]:
        """Names of the request fields that the path carries, in order."""
        return tuple(_VARIABLE.findall(self.path))


def http_rules(service: ServiceDescriptor) -> list[HttpRule]:
    """Returns the routes of the annotated RPCs of `service`, additional bindings included, in the contract's order.

    Raises:
        ValueError: An annotation asks for what the gateway does not do; the message names it.
    """
    return [rule for rpc in service.methods for rule in _rules(rpc)]


def _rules(rpc: MethodDescriptor) -> Iterator[HttpRule]:
    options = rpc.GetOptions()
    if not options.HasExtension(annotations_pb2.http):
        return
    annotation = options.Extensions[annotations_pb2.http]
    for binding in (annotation, *annotation.additional_bindings):
        method, path = _pattern(binding)
        rule = HttpRule(method, path, binding.body, rpc)
        _check(rule, binding)
        yield rule


def _pattern(binding: http_pb2.HttpRule) -> tuple[str, str]:
    which = binding.WhichOneof("pattern")
    if which is None:
        return "", ""
    if which == "custom":
        return binding.custom.kind.upper(), binding.custom.path
    return which.upper(), getattr(binding, which)


def _check(rule: HttpRule, binding: http_pb2.HttpRule) -> None:
    known = set(rule.rpc.input_type.fields_by_name)
    problems = {
        "has no path": not rule.path.startswith("/"),
        "names a response_body, which is not supported": bool(binding.response_body),
        "belongs to a streaming RPC; such routes are written by hand": (
            rule.rpc.client_streaming or rule.rpc.server_streaming
        ),
        "has a variable that is more than a field's name": not all(map(_FIELD.fullmatch, rule.path_fields)),
        "names a field that the request does not have": bool({*rule.path_fields, rule.body} - {"", "*"} - known),
    }
    for problem, found in problems.items():
        if found:
            raise ValueError(f"google.api.http of {rule.rpc.full_name} {problem}")
