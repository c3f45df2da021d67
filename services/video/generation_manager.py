"""Manages the generations of this process: starts, joins, resumes and cancels them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing
from dataclasses import replace

from services.common.errors import MediaError, Reason
from services.common.log import describe_error, logger
from services.video.generation import VideoGenerator
from services.video.generation_request import GenerationRequest
from services.video.generation_task import GenerationStatus, GenerationTask, Work
from services.video.progress import Completed, Progress, State
from services.video.providers.interface import VideoProvider
from services.video.records import GenerationRecord

log = logger(__name__)

_RETRY_SECONDS = 5.0


class GenerationManager:
    """Runs each generation in a task of its own, independent of the call that started it.

    Args:
        generator: Generates one video.
        providers: Providers by name.
        default_provider: Name of the provider for requests that name none.
        max_generations: Most generations at once.
    """

    def __init__(
        self,
        generator: VideoGenerator,
        providers: Mapping[str, VideoProvider],
        default_provider: str,
        max_generations: int,
    ) -> None:
        self._generator = generator
        self._providers = providers
        self._default_provider = default_provider
        self._max_generations = max_generations
        self._tasks: dict[asyncio.Task[GenerationRecord], GenerationTask] = {}

    @property
    def providers(self) -> Collection[VideoProvider]:
        """The configured providers."""
        return self._providers.values()

    @property
    def running_count(self) -> int:
        """Number of generations that run now."""
        return len(self._tasks)

    async def generate(
        self, request: GenerationRequest, principal: str
    ) -> AsyncGenerator[GenerationStatus | Completed[GenerationRecord]]:
        """Start a generation, or join the running one of the same request id; yield progress and the result.

        Raises:
            MediaError: The request is invalid, or the generation failed.
        """
        provider = self._providers[request.provider or self._default_provider]
        request = replace(request, request=provider.apply_defaults(request.request))
        task = self._find_same_request(request, principal)
        if task is None:
            model = provider.choose_model(request.request)
            task = GenerationTask(principal, provider.name, model, request.request_id, request.fingerprint)
            self._start(task, lambda started: self._generator.generate(started, provider, request))
        async with aclosing(task.listen(detach=request.detach)) as items:
            async for item in items:
                yield item

    async def check(
        self, request: GenerationRequest, principal: str, *, image_is_pending: bool
    ) -> tuple[VideoProvider, str]:
        """Return the provider and the model of a request; generates, stores and pays nothing.

        Args:
            request: The request.
            principal: The caller.
            image_is_pending: Whether the source image does not exist yet.

        Raises:
            MediaError: The request is invalid, or API_KEY_MISSING.
        """
        provider = self._providers[request.provider or self._default_provider]
        model = provider.choose_model(provider.apply_defaults(request.request))
        if not image_is_pending:
            await self._generator.read_source_image(request, provider, principal)
        return provider, model

    async def resume(
        self, prediction_id: str, principal: str, *, detach: bool
    ) -> AsyncGenerator[GenerationStatus | Completed[GenerationRecord]]:
        """Yield the progress of a generation that an earlier call began, and then the result.

        Raises:
            MediaError: NOT_FOUND, or the generation failed.
        """
        task = self._find_by_prediction(prediction_id, principal)
        if task is None:
            record = await self._generator.records.find(prediction_id, principal)
            # Look again: another call may have resumed it during the read.
            task = self._find_by_prediction(prediction_id, principal) or self._resume_task(record, principal)
        async with aclosing(task.listen(detach=detach)) as items:
            async for item in items:
                yield item

    async def cancel(self, prediction_id: str, principal: str) -> bool:
        """Cancel a generation and return whether it was still running.

        Raises:
            MediaError: NOT_FOUND, or the provider does not answer.
        """
        task = self._find_by_prediction(prediction_id, principal)
        if task is not None:
            if not task.is_follower:
                await self._providers[task.provider].cancel(prediction_id)
            task.stop()
            return True
        record = await self._generator.records.find(prediction_id, principal)
        if record.video is not None or record.source_id:
            return False
        return await self._providers[record.provider].cancel(prediction_id)

    async def cancel_request(self, request_id: str, principal: str) -> bool:
        """Cancel the generation that a request id began, and return whether it was still running.

        Raises:
            MediaError: The provider does not answer.
        """
        task = self._find_by_request(request_id, principal)
        if task is not None:
            # The task may not know the prediction id yet: it cancels at the provider itself once it does.
            task.abandon()
            return True
        intent = await self._generator.records.find_intent(request_id, principal)
        if intent is None or not intent.prediction_id:
            return False
        return await self.cancel(intent.prediction_id, principal)

    async def close(self) -> None:
        """Cancel all tasks. The providers continue, and ResumeVideo finds the videos later."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _find_same_request(self, request: GenerationRequest, principal: str) -> GenerationTask | None:
        """Return the running task of an equal request with the same request id."""
        task = self._find_by_request(request.request_id, principal) if request.request_id else None
        if task is not None:
            request.check_fingerprint(task.fingerprint)
        return task

    def _find_by_request(self, request_id: str, principal: str) -> GenerationTask | None:
        for task in self._tasks.values():
            if (task.principal, task.request_id) == (principal, request_id):
                return task
        return None

    def _find_by_prediction(self, prediction_id: str, principal: str) -> GenerationTask | None:
        for task in self._tasks.values():
            if (task.principal, task.prediction_id) == (principal, prediction_id):
                return task
        return None

    def _resume_task(self, record: GenerationRecord, principal: str) -> GenerationTask:
        task = GenerationTask(principal, record.provider, record.model)
        task.set_prediction_id(record.prediction_id)
        if record.video is not None:
            task.report(Progress(State.STORING, 100.0))
        provider = self._providers[record.provider]
        self._start(task, lambda started: self._generator.finish(started, provider, record))
        return task

    def _start(self, task: GenerationTask, work: Work) -> None:
        if len(self._tasks) >= self._max_generations:
            raise MediaError(
                Reason.OVERLOADED,
                "The service has reached its limit of concurrent generations; retry later.",
                retry_after_seconds=_RETRY_SECONDS,
            )
        running = task.start(work)
        self._tasks[running] = task
        running.add_done_callback(self._on_task_done)

    def _on_task_done(self, running: asyncio.Task[GenerationRecord]) -> None:
        task = self._tasks.pop(running)
        if not running.cancelled() and (error := running.exception()) is not None:
            found = {"reason": error.reason.name} if isinstance(error, MediaError) else describe_error(error)
            log.warning("video generation failed", provider=task.provider, model=task.model, **found)
