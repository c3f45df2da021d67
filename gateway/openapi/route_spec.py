"""The words in which a hand-written route declares what it takes and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.message import Message

Schema = Mapping[str, object]
"""A JSON Schema in the 2020-12 dialect."""


@dataclass(frozen=True, slots=True)
class Content:
    """One form that an answer's body may have."""

    media_type: str
    """Such as application/json; a range such as audio/* where the request decides."""
    schema: Schema | type[Message] | None = None
    """What the body holds; None for bytes that are no JSON."""


@dataclass(frozen=True, slots=True)
class Header:
    """A header of an answer."""

    name: str
    """The name as usually written."""
    description: str
    """What it says, with its unit."""
    schema: Schema = field(default_factory=lambda: {"type": "string"})
    """What its value looks like."""


@dataclass(frozen=True, slots=True)
class Query:
    """A parameter in the query string, which callers may leave out, or a variable of the path."""

    name: str
    """The name as written in the query."""
    description: str
    """What it decides, and what happens without it."""
    schema: Schema
    """What its value looks like."""


@dataclass(frozen=True, slots=True)
class Response:
    """One way in which a route answers, other than with an error of the table."""

    description: str
    """When and with what."""
    content: tuple[Content, ...] = ()
    """Forms of the body; empty without a body."""
    headers: tuple[Header, ...] = ()
    """Headers that callers may rely on."""
    status: int = 200
    """The HTTP status."""


@dataclass(frozen=True, slots=True)
class HandWritten:
    """A route whose code is written by hand, because HTTP needs more there than one message in and one out."""

    method: str
    """The HTTP method in capitals."""
    path: str
    """The path, with the variables of `in_path` in braces."""
    summary: str
    """What it does, in one line."""
    description: str
    """What a caller must know beyond that, in Markdown."""
    responses: tuple[Response, ...]
    """How it answers when all is well."""
    tags: tuple[str, ...]
    """Groups of the page that it is listed in."""
    operation_id: str
    """Name for generated clients, unique in the document."""
    request: type[Message] | None = None
    """What the JSON body holds; None without a body."""
    request_omits: tuple[str, ...] = ()
    """Fields of `request`, in snake_case, that this route does not take."""
    json_body: Schema | None = None
    """What the JSON body holds where no message says it."""
    files: tuple[str, ...] = ()
    """Media types of a body that is a file in place of JSON."""
    in_path: tuple[Query, ...] = ()
    """Variables of the path."""
    query: tuple[Query, ...] = ()
    """Parameters in the query string."""
    in_headers: tuple[Header, ...] = ()
    """Headers of the request that decide something; callers may leave them out."""
    examples: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Request bodies to begin with, by title; the first is filled in on the page."""
    public: bool = False
    """Whether it answers without a credential."""

    @property
    def takes_body(self) -> bool:
        """Whether a request has a body."""
        return self.request is not None or self.json_body is not None or bool(self.files)
