"""One running generation: an asyncio task, any number of listeners, and the rule when it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace

from services.common.errors import MediaError, Reason
from services.video.progress import Completed, Progress, State
from services.video.records import GenerationRecord


@dataclass(frozen=True, slots=True)
class GenerationStatus:
    """Progress of a generation, from the moment its prediction id is known."""

    prediction_id: str
    provider: str
    model: str
    progress: Progress


Work = Callable[["GenerationTask"], Awaitable[GenerationRecord]]
"""Called with the task to generate its video."""


class GenerationTask:
    """Runs one generation and reports its progress to every listener.

    Args:
        principal: Owner of the video.
        provider: Name of the provider.
        model: Name of the model.
        request_id: Id that the caller gave the request; may be empty.
        fingerprint: Digest of the request, to detect another request with the same id.
    """

    def __init__(self, principal: str, provider: str, model: str, request_id: str = "", fingerprint: str = "") -> None:
        self.request_id = request_id
        self.fingerprint = fingerprint
        self.principal = principal
        self.provider = provider
        self.model = model
        self.prediction_id = ""
        """Id at the provider; empty until the provider has accepted the request."""
        self.is_follower = False
        """Whether it waits for the generation of an identical request, which its cancellation must not cancel."""
        self.is_detached = False
        """Whether the generation continues without listeners."""
        self.is_abandoned = False
        """Whether a cancellation also cancels at the provider. False where only this process stops."""
        self._progress = Progress(State.QUEUED)
        self._listeners = 0
        self._changed = asyncio.Event()
        self._task: asyncio.Task[GenerationRecord] | None = None

    def start(self, work: Work) -> asyncio.Task[GenerationRecord]:
        """Start `work` as an asyncio task and return the task."""
        self._task = asyncio.create_task(_run(work, self), name="video generation")
        self._task.add_done_callback(lambda _: self._notify())
        return self._task

    async def listen(self, *, detach: bool) -> AsyncGenerator[GenerationStatus | Completed[GenerationRecord]]:
        """Yield the progress, at least once, and then the result.

        When the last listener closes the generator early, the generation is abandoned, unless one of them detached it.

        Args:
            detach: Whether the generation continues without this listener.

        Raises:
            MediaError: The generation failed or was cancelled.
        """
        assert self._task is not None  # noqa: S101 - for mypy: `start` was called
        self.is_detached = self.is_detached or detach
        self._listeners += 1
        seen: Progress | None = None
        try:
            while not self._task.done() or (seen is None and self.prediction_id):
                changed = self._changed
                if self.prediction_id and self._progress is not seen:
                    seen = self._progress
                    yield GenerationStatus(self.prediction_id, self.provider, self.model, seen)
                elif not self._task.done():
                    await changed.wait()
            if self._task.cancelled():
                raise MediaError(Reason.CANCELLED, "The video was cancelled.")
            yield Completed(self._task.result())
        finally:
            self._listeners -= 1
            if not self._listeners and not self.is_detached and not self._task.done():
                self.abandon()

    def set_prediction_id(self, prediction_id: str) -> None:
        """Set the id at the provider; listeners get progress from now on."""
        self.prediction_id = prediction_id
        self._notify()

    def report(self, progress: Progress) -> None:
        """Report progress to the listeners; the percentage never decreases."""
        self._progress = replace(progress, percent=max(self._progress.percent, progress.percent))
        self._notify()

    def abandon(self) -> None:
        """Cancel the task, and the work at the provider."""
        self.is_abandoned = True
        self.stop()

    def stop(self) -> None:
        """Cancel the task; the provider continues."""
        if self._task is not None:
            self._task.cancel()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


async def _run(work: Work, task: GenerationTask) -> GenerationRecord:
    return await work(task)
