"""Describes the hand-written routes of the whole suite: stored files, health, this document."""

from __future__ import annotations

from gateway.openapi.route_spec import Content, HandWritten, Header, Query, Response
from gateway.openapi.timing_schemas import INTEGER, build_one_field_schema
from gateway.suite_state import PartState

_SUITE_TAG = ("Suite",)
_MEDIA_TAG = ("Media",)

_SUITE_STATE = {
    "type": "object",
    "properties": {
        "ok": {"type": "boolean", "description": "Whether all parts accept requests."},
        "version": {"type": "string", "description": "Version of the suite."},
        "parts": {
            "type": "object",
            "description": "State of each part: `gateway`, `tts`, `image`, `video`, `jobs`.",
            "additionalProperties": {"enum": [state.value for state in PartState]},
        },
    },
    "required": ["ok", "version", "parts"],
}
_URL_REPORT = {
    "type": "object",
    "properties": {
        "success": {"const": True},
        "status": {"type": "integer", "description": "HTTP status that the URL answers with."},
        "contentType": {"type": "string", "description": "Media type that its server reports; empty if none."},
        "sizeBytes": {"type": ["integer", "null"], "description": "Length that its server reports; null if none."},
        "url": {"type": "string", "description": "The URL after redirects, without its query."},
    },
    "required": ["success", "status", "contentType", "sizeBytes", "url"],
}
_URL_BODY = {
    "type": "object",
    "properties": {"url": {"type": "string", "description": "A public http or https URL."}},
    "required": ["url"],
    "additionalProperties": False,
}

_IF_NONE_MATCH = Header("If-None-Match", "Tags of the versions that the caller has; 304 if the current is one of them.")
_CONDITIONS = (
    Header("Range", "A single range of bytes, such as `bytes=0-1023`."),
    Header("If-Range", "Tag or date of the caller's part; the range is ignored if the file has changed since."),
    _IF_NONE_MATCH,
    Header("If-Modified-Since", "Date of the caller's version; ignored beside `If-None-Match`."),
)
_TAG = Header("ETag", "Changes with the content.")
_CACHING = Header("Cache-Control", "How long caches may store the response.")
_FILE_HEADERS = (_TAG, _CACHING, Header("Last-Modified", "When the file was stored."))
_CONTENT_RANGE = Header("Content-Range", "The range that is sent, and the bytes of the whole file.")
_VERSIONED = (_TAG, _CACHING)

SUITE_ROUTES: tuple[HandWritten, ...] = (
    HandWritten(
        method="GET",
        path="/media/{key}",
        operation_id="getMedia",
        tags=_MEDIA_TAG,
        summary="Get a stored file",
        description=(
            "If the object store is the local folder, links in responses lead here: with `expires` and `signature` in"
            " the query they need no credential. Without them, a credential is needed, and the file must belong to the"
            " caller. A single range (`Range`, `If-Range`) and entity tags (`If-None-Match`) are supported."
        ),
        in_path=(Query("key", "Key of the file; may contain slashes.", {"type": "string"}),),
        query=(
            Query("expires", "When the link expires, in seconds since 1970.", INTEGER),
            Query("signature", "Signature of the link.", {"type": "string"}),
        ),
        in_headers=_CONDITIONS,
        responses=(
            Response(
                "The file.",
                (Content("*/*"),),
                (
                    *_FILE_HEADERS,
                    Header("Accept-Ranges", "`bytes`: a part of the file can be requested."),
                    Header("Content-Disposition", "`inline` for media, else `attachment`."),
                    Header("Content-Length", "Bytes of the file.", INTEGER),
                ),
            ),
            Response("The requested range.", (Content("*/*"),), (*_FILE_HEADERS, _CONTENT_RANGE), status=206),
            Response(
                "A store that is not local serves the file at `Location`.",
                headers=(Header("Location", "Address of the file."),),
                status=302,
            ),
            Response("The caller has the current version.", headers=_FILE_HEADERS, status=304),
            Response("The range begins after the end of the file.", headers=(_CONTENT_RANGE,), status=416),
        ),
    ),
    HandWritten(
        method="POST",
        path="/debug/head",
        operation_id="headUrl",
        tags=_SUITE_TAG,
        summary="Inspect a URL",
        description=(
            "Shows what the suite finds at a URL. Private and local addresses are refused, as for images; valid links"
            " of the suite itself are accepted everywhere."
        ),
        json_body=_URL_BODY,
        examples={"A page": {"url": "https://example.com/"}},
        responses=(Response("What the server of the URL reports.", (Content("application/json", _URL_REPORT),)),),
    ),
    HandWritten(
        method="GET",
        path="/health",
        operation_id="getHealth",
        tags=_SUITE_TAG,
        summary="Get the health of the gateway",
        description="For load balancers and supervisors: answered from memory, whatever the state of the services.",
        public=True,
        query=(Query("parts", "`1` answers as GET /readyz does.", {"enum": ["0", "1", "false", "true"]}),),
        responses=(
            Response(
                "The gateway accepts requests.",
                (Content("application/json", build_one_field_schema("ok", {"const": True}, "Healthy.")),),
            ),
            Response(
                "The gateway is stopping; send requests elsewhere.",
                (Content("application/json", build_one_field_schema("ok", {"const": False}, "Draining.")),),
                status=503,
            ),
        ),
    ),
    HandWritten(
        method="GET",
        path="/readyz",
        operation_id="getReadiness",
        tags=_SUITE_TAG,
        summary="Get the state of every part",
        description=(
            "Asks every service for its health; the answer may be a second old. A part is `serving`, `not_serving`"
            " (down, starting, stopping, or left because it did not answer) or `no_answer` (freezing or overloaded)."
        ),
        public=True,
        responses=(
            Response("All parts accept requests.", (Content("application/json", _SUITE_STATE),)),
            Response("A part does not accept requests.", (Content("application/json", _SUITE_STATE),), status=503),
        ),
    ),
    HandWritten(
        method="GET",
        path="/",
        operation_id="getStart",
        tags=_SUITE_TAG,
        summary="Get to the page for people",
        description="",
        public=True,
        responses=(
            Response("The page is at `Location`.", headers=(Header("Location", "Path of the page."),), status=302),
        ),
    ),
    HandWritten(
        method="GET",
        path="/openapi.json",
        operation_id="getOpenApi",
        tags=_SUITE_TAG,
        summary="Get this document",
        description="",
        public=True,
        in_headers=(_IF_NONE_MATCH,),
        responses=(
            Response("The OpenAPI 3.1 document.", (Content("application/json", {"type": "object"}),), _VERSIONED),
            Response("The caller has the current version.", headers=_VERSIONED, status=304),
        ),
    ),
    HandWritten(
        method="GET",
        path="/docs",
        operation_id="getDocs",
        tags=_SUITE_TAG,
        summary="Get this document as a page",
        description="",
        public=True,
        in_headers=(_IF_NONE_MATCH,),
        responses=(
            Response("The page.", (Content("text/html"),), _VERSIONED),
            Response("The caller has the current version.", headers=_VERSIONED, status=304),
        ),
    ),
)
