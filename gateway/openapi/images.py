"""Describes the hand-written routes for images."""

from __future__ import annotations

from media.image.v1 import image_pb2

from gateway.openapi.route_spec import Content, HandWritten, Query, Response

_IMAGE_TAG = ("Image",)
_BOOLEAN = {"type": "boolean"}
_FILES = ("image/png", "image/jpeg", "image/webp", "image/avif", "image/heic", "multipart/form-data")

IMAGE_ROUTES: tuple[HandWritten, ...] = (
    HandWritten(
        method="POST",
        path="/api/image/batch",
        operation_id="generateImages",
        tags=_IMAGE_TAG,
        summary="Generate several images",
        description=(
            "The response is newline-delimited JSON: for each item, when it is ready, a line with its `index` and"
            " either `image` or `failure`, and last a line with `done`. A response that fails ends with an `Error` and"
            " without the final chunk."
        ),
        request=image_pb2.BatchGenerateImagesRequest,
        examples={
            "Two images": {
                "items": [
                    {"generate": {"prompt": "A lighthouse at dusk", "provider": "embedded"}},
                    {"generateFast": {"prompt": "The same in fog", "provider": "embedded", "imageSize": "card"}},
                ]
            }
        },
        responses=(Response("Lines of JSON, chunked.", (Content("application/x-ndjson"),)),),
    ),
    HandWritten(
        method="POST",
        path="/api/image/upload",
        operation_id="uploadImage",
        tags=_IMAGE_TAG,
        summary="Upload an image",
        description=(
            "The body is the file, or a form with the file as its part `file`: PNG, JPEG, WebP, AVIF or HEIC of at most"
            " 20 MiB and 64 million pixels (a JPEG: 200 million). The service detects the type from the bytes, not from"
            " the name, turns the image upright, reduces it to 20 million pixels, encodes it again and removes all"
            " metadata, such as location and camera."
        ),
        files=_FILES,
        query=(
            Query(
                "format",
                "Format of the stored image. Default: that of the file; jpeg for HEIC.",
                {"enum": ["png", "jpeg", "webp", "avif"]},
            ),
            Query(
                "objectKey",
                "Key of the stored image, below the prefix of the caller. Default: a new key.",
                {"type": "string"},
            ),
            Query("overwrite", "Whether to replace an object with the same key. Default: false.", _BOOLEAN),
            Query("contentAddressed", "Whether to derive the key from the bytes. Default: false.", _BOOLEAN),
        ),
        responses=(Response("The image.", (Content("application/json", image_pb2.Image),)),),
    ),
)
