"""The hand-written routes for images as the document describes them."""

from __future__ import annotations

from media.image.v1 import image_pb2

from gateway.openapi.route_spec import Content, HandWritten, Query, Response

_IMAGE_TAG = ("Image",)
_BOOLEAN = {"type": "boolean"}
_FILES = ("image/png", "image/jpeg", "image/webp", "image/avif", "multipart/form-data")

IMAGE_ROUTES: tuple[HandWritten, ...] = (
    HandWritten(
        method="POST",
        path="/api/image/batch",
        operation_id="generateImages",
        tags=_IMAGE_TAG,
        summary="Makes several images and sends each as it is ready",
        description=(
            "The answer is newline-delimited JSON: for each item a line with its `index` and either `image` or"
            " `failure`, in the order they become ready, and last a line with `done`. An answer that fails on the way"
            " ends with an `Error` and without the final chunk."
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
        summary="Keeps an image that the caller brings along",
        description=(
            "The body is the file, or a form with it as the part `file`: PNG, JPEG, WebP or AVIF of at most 20 MiB and"
            " 20 million pixels. The type is detected from the bytes, not from the name. The service turns the image"
            " upright, encodes it again and drops all metadata, such as location and camera."
        ),
        files=_FILES,
        query=(
            Query("format", "Format to keep it in. Default: its own.", {"enum": ["png", "jpeg", "webp", "avif"]}),
            Query("objectKey", "Key below the caller's own prefix. Default: one of ours.", {"type": "string"}),
            Query("overwrite", "Whether an object of that key may be replaced. Default: false.", _BOOLEAN),
            Query("contentAddressed", "Whether the key is made from the bytes. Default: false.", _BOOLEAN),
        ),
        responses=(Response("The image.", (Content("application/json", image_pb2.Image),)),),
    ),
)
