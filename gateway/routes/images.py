"""Image routes that need more than one request and one response message: uploads, and batches sent line by line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import TypeVar

import grpc
import orjson
from aiohttp import BodyPartReader, web
from media.image.v1 import image_pb2, image_pb2_grpc

from gateway.codec import decode, encode
from gateway.request_parsing import get_principal, read_message, read_parameters
from gateway.streaming import Lines, send_lines
from services.common.errors import MediaError, Reason, invalid
from services.common.rpc.call_limits import CallLimits
from services.common.rpc.channel import call_metadata, open_stream

T = TypeVar("T")

MAX_UPLOAD_BYTES = 20 * 1024 * 1024
MAX_BATCH_BYTES = 32 * 1024 * 1024
_PIECE_BYTES = 256 * 1024
_FORM = "multipart/form-data"
_PARAMETERS = ("format", "object_key", "overwrite", "content_addressed")


class ImageRoutes:
    """Answers /api/image/upload and /api/image/batch through the image service."""

    def __init__(self, channel: grpc.aio.Channel, limits: CallLimits) -> None:
        self._stub: image_pb2_grpc.ImageServiceAsyncStub = image_pb2_grpc.ImageServiceStub(channel)
        self._limits = limits

    def build_routes(self) -> Sequence[web.RouteDef]:
        """Return the routes."""
        return [web.post("/api/image/upload", self.upload), web.post("/api/image/batch", self.generate_batch)]

    async def upload(self, request: web.Request) -> web.Response:
        """Pass a file on to the service while it arrives; a file that ends early cancels the call."""
        spec = image_pb2.UploadSpec(output=_parse_output(request))
        if request.content_type != _FORM and request.content_length is not None:
            spec.size_bytes = _check_length(request.content_length)
        call = self._stub.UploadImage(
            timeout=self._limits.answer_seconds, metadata=call_metadata(get_principal(request))
        )
        # open_stream cancels the call if this block is left early; the service then stores nothing.
        async with open_stream(call):
            await call.write(image_pb2.UploadImageRequest(spec=spec))
            sent = 0
            try:
                async for piece in _read_pieces(request):
                    sent = _check_length(sent + len(piece))
                    if call.done():
                        break
                    await call.write(image_pb2.UploadImageRequest(chunk=piece))
                await call.done_writing()
            except (asyncio.InvalidStateError, grpc.RpcError):
                # The service has refused the file already; `await call` below raises its reason.
                pass
            reply = await call
        return web.Response(
            body=orjson.dumps({"success": True, **encode(reply.image)}), content_type="application/json"
        )

    async def generate_batch(self, request: web.Request) -> web.StreamResponse:
        """Answer with one JSON object a line, each when it is ready, and last the number of images and failures."""
        message = await read_message(
            request.clone(client_max_size=MAX_BATCH_BYTES), image_pb2.BatchGenerateImagesRequest
        )
        call = self._stub.BatchGenerateImages(
            message, timeout=self._limits.stream_seconds, metadata=call_metadata(get_principal(request))
        )
        return await send_lines(request, _read_batch(call, len(message.items)), self._limits)


def _parse_output(request: web.Request) -> image_pb2.ImageOutput:
    """Return format and place of the image, as the query names them."""
    descriptor = image_pb2.DESCRIPTOR.message_types_by_name["ImageOutput"]
    fields = [descriptor.fields_by_name[name] for name in _PARAMETERS]
    names = [field.camelcase_name for field in fields]
    for name in request.query:
        if name not in (*_PARAMETERS, *names):
            raise invalid(name, f"is not a parameter of this route, which takes {', '.join(names)}")
    return decode(image_pb2.ImageOutput, read_parameters(request, descriptor))


def _check_length(length: int) -> int:
    if length > MAX_UPLOAD_BYTES:
        raise MediaError(Reason.PAYLOAD_TOO_LARGE, f"An image must have at most {MAX_UPLOAD_BYTES} bytes.")
    return length


async def _read_pieces(request: web.Request) -> AsyncIterator[bytes]:
    """Yield the file as it arrives, in pieces of at most _PIECE_BYTES."""
    if request.content_type != _FORM:
        async for piece in request.content.iter_chunked(_PIECE_BYTES):
            yield piece
        return
    async for part in _read_parts(request):
        if part.name == "file":
            while piece := await _translate_form_errors(part.read_chunk(_PIECE_BYTES)):
                yield bytes(piece)
            return
    raise invalid("file", "must be a part of the form, with the image in it")


async def _read_parts(request: web.Request) -> AsyncIterator[BodyPartReader]:
    form = await _translate_form_errors(request.multipart())
    while (part := await _translate_form_errors(form.next())) is not None:
        if isinstance(part, BodyPartReader):
            yield part


async def _translate_form_errors(reading: Awaitable[T]) -> T:
    """Return the result of `reading`; aiohttp raises ValueError for a form that breaks RFC 7578."""
    try:
        return await reading
    except ValueError:
        raise MediaError(
            Reason.VALIDATION_ERROR,
            "The form is malformed; send multipart/form-data with its boundary, as RFC 7578 describes.",
        ) from None


async def _read_batch(
    call: grpc.aio.UnaryStreamCall[image_pb2.BatchGenerateImagesRequest, image_pb2.BatchGenerateImagesResponse],
    count: int,
) -> Lines:
    counts = {"images": 0, "failures": 0}
    async with open_stream(call):
        async for event in call:
            counts["images" if event.HasField("image") else "failures"] += 1
            yield {"index": event.index, **encode(event)}
    if sum(counts.values()) != count:
        raise MediaError(Reason.GENERATION_FAILED, "The image service ended the batch before it was complete; retry.")
    yield {"done": counts}
