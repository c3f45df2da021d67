"""A strict stub of Celery: the part of its decorators that docs/jobs.md uses, and nothing else.

Unknown options raise TypeError. Retries run without a delay, and the queue is a list.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """Id and retries of a run, as a bound task sees them."""

    id: str
    retries: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a task, or the error of its last retry."""

    result: Any
    """Return value of the task, or its error, as in Celery."""
    error: Exception | None

    def get(self) -> Any:
        """Return the result, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.result

    def successful(self) -> bool:
        """Return whether the task returned."""
        return self.error is None

    def failed(self) -> bool:
        """Return whether the task failed after its retries."""
        return self.error is not None


@dataclass(slots=True)
class BoundTask:
    """The first argument of a task that is declared with `bind=True`."""

    request: TaskRequest


class Task:
    """A function that a worker runs, with retries of the declared errors.

    Args:
        app: Has the queue.
        function: Takes the bound task first.
        acks_late: Whether a task is delivered again after the loss of its worker.
        autoretry_for: Errors after which the task is run again, under the same id.
        max_retries: Most retries of one run.
    """

    def __init__(
        self,
        app: Celery,
        function: Callable[..., Any],
        *,
        acks_late: bool,
        autoretry_for: tuple[type[Exception], ...],
        max_retries: int,
    ) -> None:
        self._app = app
        self._function = function
        self._autoretry_for = autoretry_for
        self._max_retries = max_retries
        self.acks_late = acks_late
        self.name = function.__name__

    def apply(self, arguments: Sequence[Any], keywords: Mapping[str, Any], *, task_id: str) -> Outcome:
        """Run the task in this thread, with its retries."""
        for retries in range(self._max_retries + 1):
            try:
                result = self._function(BoundTask(TaskRequest(task_id, retries)), *arguments, **keywords)
            except self._autoretry_for as error:
                last = error
            else:
                return Outcome(result, None)
        return Outcome(last, last)

    def apply_async(self, arguments: Sequence[Any], *, task_id: str) -> None:
        """Queue a run of the task; the same id may be queued twice, as a broker may deliver twice."""
        self._app.queue.append((self, tuple(arguments), task_id))


class Celery:
    """An application: names the broker and declares tasks.

    Args:
        main: Name of the module.
        broker: Address of the broker; None for the default one.
    """

    def __init__(self, main: str, *, broker: str | None) -> None:
        self.main = main
        self.broker = broker
        self.queue: list[tuple[Task, tuple[Any, ...], str]] = []

    def task(
        self,
        *,
        bind: bool,
        acks_late: bool,
        autoretry_for: tuple[type[Exception], ...],
        retry_backoff: bool,
        max_retries: int,
    ) -> Callable[[Callable[..., Any]], Task]:
        """Return the decorator that declares a task; the function must be bound and retried with backoff."""
        if not (bind and retry_backoff):
            raise TypeError("this stub runs bound tasks that retry with backoff; extend it for others")
        return lambda function: Task(
            self, function, acks_late=acks_late, autoretry_for=autoretry_for, max_retries=max_retries
        )

    async def run_queue(self) -> None:
        """Run the queued tasks, as one worker does, in a thread, so that the event loop continues."""
        while self.queue:
            task, arguments, task_id = self.queue.pop(0)
            await asyncio.to_thread(task.apply, arguments, {}, task_id=task_id)


def build_module() -> ModuleType:
    """Return a module named celery that has the stub's `Celery` and nothing else."""
    module = ModuleType("celery")
    module.Celery = Celery  # type: ignore[attr-defined]
    return module
