"""A video while it is made: one task, any number of listeners, and an end that nobody has to be there for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace

from services.common.errors import MediaError, Reason
from services.video.progress import Completed, Progress, State
from services.video.records import Record


@dataclass(frozen=True, slots=True)
class GenerationStatus:
    """How far a video is, of which the id is known."""

    prediction_id: str
    provider: str
    model: str
    progress: Progress


JobType = Callable[["GenerationTask"], Awaitable[Record]]


class GenerationTask:
    """One video that is made.

    Args:
        principal: Whose it is.
        provider: Who makes it.
        model: What makes it.
        request_id: The caller's own name for the request; may be empty.
        fingerprint: What decides the video, to tell one request of this name from another.
    """

    def __init__(self, principal: str, provider: str, model: str, request_id: str = "", fingerprint: str = "") -> None:
        self.request_id = request_id
        self.fingerprint = fingerprint
        self.principal = principal
        self.provider = provider
        self.model = model
        self.prediction_id = ""
        """The provider's id; empty until the video is begun."""
        self.detached = False
        """Whether it goes on without listeners."""
        self.unwanted = False
        """Whether the provider is told to stop when the work is cancelled: not when this process ends."""
        self._progress = Progress(State.QUEUED)
        self._listeners = 0
        self._changed = asyncio.Event()
        self._task: asyncio.Task[Record] | None = None

    def start(self, work: JobType) -> asyncio.Task[Record]:
        """Begin the work."""
        self._task = asyncio.create_task(_run(work, self), name="a video")
        self._task.add_done_callback(lambda _: self._tell())
        return self._task

    def set_prediction_id(self, prediction_id: str) -> None:
        """Take note of the id."""
        self.prediction_id = prediction_id
        self._tell()

    def progress(self, progress: Progress) -> None:
        """Tell how far it is; never backwards."""
        self._progress = replace(progress, percent=max(self._progress.percent, progress.percent))
        self._tell()

    def give_up(self) -> None:
        """End the work, the provider's included."""
        self.unwanted = True
        self.stop()

    def stop(self) -> None:
        """End the work here."""
        if self._task is not None:
            self._task.cancel()

    async def listen(self, *, detach: bool) -> AsyncGenerator[GenerationStatus | Completed[Record]]:
        """Yield how far the video is, at least once, and then the video; the last who stops listening ends the work.

        Args:
            detach: Whether the work goes on when this listener leaves.

        Raises:
            MediaError: The video failed, or was cancelled.
        """
        assert self._task is not None  # noqa: S101 - told so to mypy: it was started
        self.detached = self.detached or detach
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
            if not self._listeners and not self.detached and not self._task.done():
                self.give_up()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


async def _run(work: JobType, production: GenerationTask) -> Record:
    return await work(production)
