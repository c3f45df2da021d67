"""The types with which a hand-written route declares its request and its responses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.message import Message

Schema = Mapping[str, object]
"""A JSON Schema in the 2020-12 dialect."""


@dataclass(frozen=True, slots=True)
class Content:
    """One possible form of a response body."""

    media_type: str
    """Media type such as application/json, or a range such as audio/* if the request decides."""
    schema: Schema | type[Message] | None = None
    """Schema of the body; None for bytes that are not JSON."""


@dataclass(frozen=True, slots=True)
class Header:
    """A header of a request or a response."""

    name: str
    """Name in the usual spelling."""
    description: str
    """Meaning, with its unit."""
    schema: Schema = field(default_factory=lambda: {"type": "string"})
    """Schema of its value."""


@dataclass(frozen=True, slots=True)
class Query:
    """An optional parameter of the query string, or a variable of the path."""

    name: str
    """Name in the query or in the path."""
    description: str
    """Meaning, and the default."""
    schema: Schema
    """Schema of its value."""


SIGNED_QUERY: tuple[Query, ...] = (
    Query("owner", "Owner in a signed link; only with `signature`.", {"type": "string"}),
    Query("expires", "Seconds since 1970 at which a signed link expires; only with `signature`.", {"type": "integer"}),
    Query("signature", "Signature of a link, in the place of a token.", {"type": "string"}),
)
"""The parameters of a signed link to a route."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response of a route, other than the errors of the error table."""

    description: str
    """When the route responds with it, and what it contains."""
    content: tuple[Content, ...] = ()
    """Possible forms of the body; empty without a body."""
    headers: tuple[Header, ...] = ()
    """Headers that callers may rely on."""
    status: int = 200
    """The HTTP status."""


@dataclass(frozen=True, slots=True)
class HandWritten:
    """A route with a handler written by hand, because HTTP needs more there than one message in and one out."""

    method: str
    """The HTTP method in capitals."""
    path: str
    """Path, with the variables of `in_path` in braces."""
    summary: str
    """Imperative phrase of one line, without a full stop."""
    description: str
    """What a caller must also know, in Markdown."""
    responses: tuple[Response, ...]
    """All responses except the errors of the error table."""
    tags: tuple[str, ...]
    """Groups of the page that list it."""
    operation_id: str
    """Name for generated clients, unique in the document."""
    request: type[Message] | None = None
    """Message type of the JSON body; None without a body."""
    request_omits: tuple[str, ...] = ()
    """Fields of `request`, in snake_case, that this route does not accept."""
    json_body: Schema | None = None
    """Schema of the JSON body if it has no message type."""
    files: tuple[str, ...] = ()
    """Media types of a body that is a file."""
    in_path: tuple[Query, ...] = ()
    """Variables of the path."""
    query: tuple[Query, ...] = ()
    """Parameters in the query string."""
    in_headers: tuple[Header, ...] = ()
    """Optional headers of the request."""
    examples: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Example request bodies by title; the page fills in the first."""
    public: bool = False
    """Whether it needs no credential."""

    @property
    def takes_body(self) -> bool:
        """Whether a request has a body."""
        return self.request is not None or self.json_body is not None or bool(self.files)
