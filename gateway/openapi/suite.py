"""The hand-written routes of the suite as a whole as the document describes them."""

from __future__ import annotations

from gateway.openapi.route_spec import Content, HandWritten, Header, Query, Response
from gateway.openapi.timing_schemas import INTEGER, build_one_field_schema

_SUITE_TAG = ("Suite",)
_MEDIA_TAG = ("Media",)

_URL_SEEN = {
    "type": "object",
    "properties": {
        "success": {"const": True},
        "status": {"type": "integer", "description": "HTTP status that the URL answers with."},
        "contentType": {"type": "string", "description": "Media type as its server says; empty if it does not."},
        "sizeBytes": {"type": ["integer", "null"], "description": "Length as its server says."},
        "url": {"type": "string", "description": "Where redirects led, without the query."},
    },
    "required": ["success", "status", "contentType", "sizeBytes", "url"],
}
_URL_BODY = {
    "type": "object",
    "properties": {"url": {"type": "string", "description": "A public http or https URL."}},
    "required": ["url"],
    "additionalProperties": False,
}

SUITE_ROUTES: tuple[HandWritten, ...] = (
    HandWritten(
        method="GET",
        path="/media/{key}",
        operation_id="getMedia",
        tags=_MEDIA_TAG,
        summary="Returns a stored object",
        description=(
            "Links in answers lead here, where the store is the local folder: with `expires` and `signature` in the"
            " query they ask for no credential. Without them, a credential is needed, and the object must be the"
            " caller's own. One range at a time (`Range`, `If-Range`) and entity tags (`If-None-Match`) are honoured."
        ),
        in_path=(Query("key", "Key of the object; may hold slashes.", {"type": "string"}),),
        query=(
            Query("expires", "When the link ends, in seconds since 1970.", INTEGER),
            Query("signature", "What makes the link ours.", {"type": "string"}),
        ),
        responses=(
            Response(
                "The object.",
                (Content("*/*"),),
                (Header("ETag", "Changes with the bytes."), Header("Cache-Control", "As the object was stored.")),
            ),
            Response("The part that was asked for.", (Content("*/*"),), status=206),
            Response("Where a store that is not local serves the object.", status=302),
            Response("The object is the one that the caller has.", status=304),
            Response("The range begins behind the end.", status=416),
        ),
    ),
    HandWritten(
        method="POST",
        path="/debug/head",
        operation_id="headUrl",
        tags=_SUITE_TAG,
        summary="Tells what a URL is, as the suite sees it",
        description="The URL passes the same guard as one of an image: private and local addresses are refused.",
        json_body=_URL_BODY,
        responses=(Response("What the URL's server says.", (Content("application/json", _URL_SEEN),)),),
    ),
    HandWritten(
        method="GET",
        path="/health",
        operation_id="getHealth",
        tags=_SUITE_TAG,
        summary="Says whether requests are taken",
        description="For balancers and supervisors.",
        public=True,
        responses=(
            Response(
                "Requests are taken.",
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
        path="/openapi.json",
        operation_id="getOpenApi",
        tags=_SUITE_TAG,
        summary="Returns this document",
        description="",
        public=True,
        responses=(Response("The OpenAPI 3.1 document.", (Content("application/json", {"type": "object"}),)),),
    ),
    HandWritten(
        method="GET",
        path="/docs",
        operation_id="getDocs",
        tags=_SUITE_TAG,
        summary="Shows this document as a page to read and try",
        description="",
        public=True,
        responses=(Response("The page.", (Content("text/html"),)),),
    ),
)
