"""The videos that are being made in this process: begun, listened to, resumed, cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.video.generation import GenerationRequest, VideoGenerator
from services.video.generation_task import GenerationStatus, GenerationTask, JobType
from services.video.progress import Completed, Progress, State
from services.video.providers.interface import VideoProvider
from services.video.records import Record

log = logger(__name__)

_RETRY_SECONDS = 5.0


class Studio:
    """Makes videos, each in a task of its own.

    Args:
        maker: Makes one video.
        providers: Who makes videos, by name.
        default_provider: Who makes them where the caller names nobody.
        max_productions: Most videos that are made at once.
    """

    def __init__(
        self,
        maker: VideoGenerator,
        providers: Mapping[str, VideoProvider],
        default_provider: str,
        max_productions: int,
    ) -> None:
        self._maker = maker
        self._providers = providers
        self._default_provider = default_provider
        self._max_productions = max_productions
        self._productions: dict[asyncio.Task[Record], GenerationTask] = {}

    @property
    def at_work(self) -> int:
        """How many videos are made at the moment."""
        return len(self._productions)

    async def generate(
        self, order: GenerationRequest, principal: str
    ) -> AsyncGenerator[GenerationStatus | Completed[Record]]:
        """Yield how far the video is, and then the video.

        Raises:
            MediaError: The order cannot be filled, or the video failed.
        """
        production = self._find_named(order, principal)
        if production is None:
            provider = self._providers[order.provider or self._default_provider]
            model = provider.model_for(order.request)
            production = GenerationTask(principal, provider.name, model, order.request_id, order.fingerprint)
            self._start(production, lambda video: self._maker.generate(video, provider, order))
        async with aclosing(production.listen(detach=order.detach)) as told:
            async for item in told:
                yield item

    async def resume(
        self, prediction_id: str, principal: str, *, detach: bool
    ) -> AsyncGenerator[GenerationStatus | Completed[Record]]:
        """Yield how far a video is that was begun before, and then the video.

        Raises:
            MediaError: NOT_FOUND, or the video failed.
        """
        production = self._production(prediction_id, principal)
        if production is None:
            record = await self._maker.records.find(prediction_id, principal)
            production = self._production(prediction_id, principal) or self._resume_task(record, principal)
        async with aclosing(production.listen(detach=detach)) as told:
            async for item in told:
                yield item

    async def cancel(self, prediction_id: str, principal: str) -> bool:
        """End the work on a video and tells whether there was any.

        Raises:
            MediaError: NOT_FOUND, or the provider cannot be asked.
        """
        production = self._production(prediction_id, principal)
        if production is not None:
            await self._providers[production.provider].cancel(prediction_id)
            production.stop()
            return True
        record = await self._maker.records.find(prediction_id, principal)
        return record.video is None and await self._providers[record.provider].cancel(prediction_id)

    async def cancel_request(self, request_id: str, principal: str) -> bool:
        """End the work on a video that a request of this name began, and tells whether there was any.

        Raises:
            MediaError: The provider cannot be asked.
        """
        for found in self._productions.values():
            if (found.principal, found.request_id) == (principal, request_id):
                # Whatever it is at: it tells the provider, once it knows the id.
                found.give_up()
                return True
        intent = await self._maker.records.intent(request_id, principal)
        if intent is None or not intent.prediction_id:
            return False
        return await self.cancel(intent.prediction_id, principal)

    async def close(self) -> None:
        """Stop listening to providers; what they make goes on there, and is found by resume."""
        tasks = list(self._productions)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _find_named(self, order: GenerationRequest, principal: str) -> GenerationTask | None:
        """Return the video that is made for an earlier request of the same name."""
        if not order.request_id:
            return None
        for found in self._productions.values():
            if (found.principal, found.request_id) == (principal, order.request_id):
                self._maker.check_same(found.fingerprint, order)
                return found
        return None

    def _production(self, prediction_id: str, principal: str) -> GenerationTask | None:
        for found in self._productions.values():
            if (found.principal, found.prediction_id) == (principal, prediction_id):
                return found
        return None

    def _resume_task(self, record: Record, principal: str) -> GenerationTask:
        production = GenerationTask(principal, record.provider, record.model)
        production.set_prediction_id(record.prediction_id)
        if record.video is not None:
            production.progress(Progress(State.STORING, 100.0))
        provider = self._providers[record.provider]
        self._start(production, lambda video: self._maker.resume(video, provider, record))
        return production

    def _start(self, production: GenerationTask, work: JobType) -> None:
        if len(self._productions) >= self._max_productions:
            raise MediaError(
                Reason.OVERLOADED, "Too many videos are being made; retry.", retry_after_seconds=_RETRY_SECONDS
            )
        task = production.start(work)
        self._productions[task] = production
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[Record]) -> None:
        production = self._productions.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            reason = error.reason.name if isinstance(error, MediaError) else type(error).__name__
            log.warning("a video failed", reason=reason, provider=production.provider, model=production.model)
