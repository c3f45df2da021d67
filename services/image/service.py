"""The gRPC servicer of the image service: converts messages, calls the pipeline, and records usage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from functools import partial
from typing import TypeVar

import grpc
from media.image.v1 import image_pb2, image_pb2_grpc

from services.common.errors import MediaError, Reason, invalid
from services.common.log import describe_error, logger
from services.common.rpc.converters import to_field_errors
from services.common.rpc.metadata import get_principal
from services.image.accounting import Accounting
from services.image.converters import (
    Request,
    list_prompt_styles,
    list_sizes,
    to_generated_image,
    to_image_models,
    to_image_request,
    to_input_ref,
    to_output_request,
    to_recorded_image,
    to_stored_image,
)
from services.image.image_store import ImageStore
from services.image.inputs import receive_upload
from services.image.pipeline import ImagePipeline
from services.image.providers.interface import ImageProvider

SERVICE_NAME = image_pb2.DESCRIPTOR.services_by_name["ImageService"].full_name
DEFAULT_PARALLELISM = 4

log = logger(__name__)

T = TypeVar("T")
Context = grpc.aio.ServicerContext[object, object]


class ImageServicer(image_pb2_grpc.ImageServiceServicer):
    """Implements media.image.v1.ImageService.

    Args:
        providers: All providers, for the list of models.
        pipeline: Runs image requests and uploads.
        image_store: Store that images are deleted from.
        accounting: Records usage and metrics of each call.
        max_uploads: Most uploads that are held in memory at once; others wait.
    """

    def __init__(
        self,
        providers: Collection[ImageProvider],
        pipeline: ImagePipeline,
        image_store: ImageStore,
        accounting: Accounting,
        *,
        max_uploads: int,
    ) -> None:
        self._providers = providers
        self._pipeline = pipeline
        self._image_store = image_store
        self._accounting = accounting
        self._uploads = asyncio.Semaphore(max_uploads)

    async def GenerateImage(
        self, request: image_pb2.GenerateImageRequest, context: Context
    ) -> image_pb2.GenerateImageResponse:
        """Generate an image with the provider's standard model."""
        image = await self._generate(request, "GenerateImage", get_principal(context))
        return image_pb2.GenerateImageResponse(image=image)

    async def GenerateImageFast(
        self, request: image_pb2.GenerateImageFastRequest, context: Context
    ) -> image_pb2.GenerateImageFastResponse:
        """Generate an image with the provider's fast model."""
        image = await self._generate(request, "GenerateImageFast", get_principal(context))
        return image_pb2.GenerateImageFastResponse(image=image)

    async def TransformImage(
        self, request: image_pb2.TransformImageRequest, context: Context
    ) -> image_pb2.TransformImageResponse:
        """Transform an image."""
        image = await self._generate(request, "TransformImage", get_principal(context))
        return image_pb2.TransformImageResponse(image=image)

    async def BatchGenerateImages(
        self, request: image_pb2.BatchGenerateImagesRequest, context: Context
    ) -> AsyncIterator[image_pb2.BatchGenerateImagesResponse]:
        """Generate several images and send each one as soon as it is ready."""
        principal = get_principal(context)
        work = [partial(self._generate, _unwrap_item(item), "BatchGenerateImages", principal) for item in request.items]
        async with aclosing(run_limited(work, request.parallelism or DEFAULT_PARALLELISM)) as ready:
            async for index, outcome in ready:
                if isinstance(outcome, MediaError):
                    yield image_pb2.BatchGenerateImagesResponse(index=index, failure=_to_failure(outcome))
                else:
                    yield image_pb2.BatchGenerateImagesResponse(index=index, image=outcome)

    async def CheckImage(self, request: image_pb2.CheckImageRequest, context: Context) -> image_pb2.CheckImageResponse:
        """Return what would generate the image."""
        candidate = await self._pipeline.check(to_image_request(request.request), get_principal(context))
        return image_pb2.CheckImageResponse(provider=candidate.provider.name, model=candidate.model.name)

    async def ListImageModels(
        self, request: image_pb2.ListImageModelsRequest, context: Context
    ) -> image_pb2.ListImageModelsResponse:
        """Return the known models of all providers."""
        models = [model for provider in self._providers for model in to_image_models(provider)]
        return image_pb2.ListImageModelsResponse(models=models)

    async def ListImageSizes(
        self, request: image_pb2.ListImageSizesRequest, context: Context
    ) -> image_pb2.ListImageSizesResponse:
        """List the named sizes."""
        return image_pb2.ListImageSizesResponse(sizes=list_sizes())

    async def ListPromptStyles(
        self, request: image_pb2.ListPromptStylesRequest, context: Context
    ) -> image_pb2.ListPromptStylesResponse:
        """List what the style of a prompt may name."""
        return list_prompt_styles()

    async def UploadImage(
        self, requests: AsyncIterator[image_pb2.UploadImageRequest], context: Context
    ) -> image_pb2.UploadImageResponse:
        """Receive an image in chunks and store it."""
        principal = get_principal(context)
        with self._accounting.watch("UploadImage", principal, 0):
            spec = await _read_spec(requests)
            async with self._uploads:
                receive: Callable[[], Awaitable[bytes]] = partial(
                    receive_upload, _read_chunks(requests), size_bytes=spec.size_bytes, sha256=spec.sha256
                )
                stored, source_summary = await self._pipeline.store_upload(
                    receive, to_output_request(spec.output), principal
                )
        return image_pb2.UploadImageResponse(image=to_stored_image(stored, source_summary))

    async def GetImage(self, request: image_pb2.GetImageRequest, context: Context) -> image_pb2.GetImageResponse:
        """Return an image of the caller, with new URLs."""
        found = await self._image_store.find(request.key, get_principal(context))
        urls = await self._image_store.build_urls([found])
        return image_pb2.GetImageResponse(image=to_recorded_image(found, urls))

    async def ListImages(self, request: image_pb2.ListImagesRequest, context: Context) -> image_pb2.ListImagesResponse:
        """Return a page of the caller's images, newest first."""
        images, token = await self._image_store.list_page(get_principal(context), request.page_size, request.page_token)
        urls = await self._image_store.build_urls(images)
        return image_pb2.ListImagesResponse(
            images=[to_recorded_image(image, urls) for image in images], next_page_token=token
        )

    async def DeleteImage(
        self, request: image_pb2.DeleteImageRequest, context: Context
    ) -> image_pb2.DeleteImageResponse:
        """Delete an image of the caller, with its variants."""
        deleted = await self._image_store.delete(request.key, get_principal(context))
        return image_pb2.DeleteImageResponse(deleted_keys=deleted)

    async def _generate(self, request: Request, method: str, principal: str) -> image_pb2.Image:
        with self._accounting.watch(method, principal, len(request.prompt)) as account:
            image = await self._pipeline.generate(
                to_image_request(request), principal, to_input_ref(request), account.record_generation
            )
        return to_generated_image(image)


def _unwrap_item(item: image_pb2.BatchImage) -> Request:
    which = item.WhichOneof("request")
    assert which is not None  # noqa: S101 - for mypy: validation has required the field
    request: Request = getattr(item, which)
    return request


def _to_failure(error: MediaError) -> image_pb2.ImageFailure:
    return image_pb2.ImageFailure(
        reason=error.reason.name,
        message=error.message,
        retryable=error.retryable,
        details=to_field_errors(error.violations),
    )


async def _read_spec(requests: AsyncIterator[image_pb2.UploadImageRequest]) -> image_pb2.UploadSpec:
    first = await anext(aiter(requests), None)
    if first is None or first.WhichOneof("part") != "spec":
        raise invalid("spec", "must be set in the first message of an upload")
    return first.spec


async def _read_chunks(requests: AsyncIterator[image_pb2.UploadImageRequest]) -> AsyncIterator[bytes]:
    async for request in requests:
        if request.WhichOneof("part") != "chunk":
            raise invalid("spec", "must be set in the first message only")
        yield request.chunk


async def run_limited(
    work: Sequence[Callable[[], Awaitable[T]]], parallelism: int
) -> AsyncGenerator[tuple[int, T | MediaError], None]:
    """Run the calls in `work` and yield the index of each with its result or error, in the order of completion.

    A failed call does not stop the others. Closing the generator cancels the running calls. A new call starts only
    when the reader asks for the next result, so a reader that stops reading stops the work.

    Args:
        work: The calls; each is called at most once.
        parallelism: Most calls at once, 1 or more.
    """
    waiting = list(enumerate(work))[::-1]
    running: dict[asyncio.Task[T | MediaError], int] = {}
    try:
        while waiting or running:
            while waiting and len(running) < parallelism:
                number, begin = waiting.pop()
                running[asyncio.create_task(_capture_error(begin))] = number
            ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                yield running.pop(task), task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _capture_error(begin: Callable[[], Awaitable[T]]) -> T | MediaError:
    try:
        return await begin()
    except MediaError as error:
        return error
    except Exception as error:  # noqa: BLE001 - one broken call must not cancel the others
        log.error("image of a batch failed", **describe_error(error))
        return MediaError(Reason.INTERNAL)
