"""Starts the processes of the suite, waits until they serve, starts again what dies, and stops them in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from deploy.local.child import Child, ChildProcess, Watchdog, guarding, start
from deploy.local.output import Output
from deploy.local.processes import Process
from deploy.local.shutdown import StopRequest
from deploy.local.zygote import Zygote


@dataclass(frozen=True, slots=True)
class Options:
    """How patient the supervisor is."""

    ready_seconds: float = 30.0
    """How long the suite, or a process that was started again, may take until it serves."""
    poll_seconds: float = 0.05
    """How long to wait between two questions whether a process serves."""
    stop_seconds: float = 4.0
    """How long an orderly stop may take; what remains then is killed."""
    quick_seconds: float = 10.0
    """A process that lived no longer than this died quickly."""
    quick_deaths: int = 5
    """Quick deaths in a row after which a process is given up."""
    backoff_seconds: float = 0.2
    """Wait before the first new start; doubled for each further quick death."""
    max_backoff_seconds: float = 5.0
    """Longest wait before a new start."""


class SuiteFailed(Exception):  # noqa: N818 - reads as what happened
    """The suite cannot run; the text says which process is at fault and ends with its last lines."""


@asynccontextmanager
async def running(
    suite: Sequence[Process],
    output: Output,
    stop: StopRequest,
    options: Options | None = None,
    zygote: Zygote | None = None,
) -> AsyncIterator[None]:
    """Run `suite`: enters the context once every process serves, and ends them all when it is left.

    Args:
        suite: What runs, in the order of starting; it is stopped in the opposite order.
        output: Where the processes' lines go.
        stop: Ends the wait for an orderly stop when it becomes urgent.
        options: How patient to be.
        zygote: Makes the processes of the first start; it is ended after that.

    Raises:
        SuiteFailed: A process died before all were ready, was not ready in time, or kept dying.
    """
    options = options or Options()
    try:
        async with guarding(options.stop_seconds) as guard, asyncio.TaskGroup() as lives:
            supervisor = _Supervisor(suite, output, guard, lives, options, zygote)
            try:
                async with asyncio.TaskGroup() as group:
                    keepers = [group.create_task(supervisor.keep(process)) for process in suite]
                    await supervisor.all_ready()
                    supervisor.end_zygote()
                    yield
                    for keeper in keepers:
                        keeper.cancel()
            finally:
                stop.ending()
                supervisor.end_zygote()
                await supervisor.stop(stop.urgent)
    except BaseExceptionGroup as failures:
        # Of several failures at once the first is told: the others mostly follow from it.
        raise _first(failures) from None


class _Supervisor:
    def __init__(
        self,
        suite: Sequence[Process],
        output: Output,
        guard: Watchdog,
        lives: asyncio.TaskGroup,
        options: Options,
        zygote: Zygote | None,
    ) -> None:
        self._suite = suite
        self._output = output
        self._guard = guard
        self._lives = lives
        self._options = options
        self._zygote = zygote
        self._ready = {process.name: asyncio.Event() for process in suite}
        self._all_ready = False
        self._current: dict[str, ChildProcess] = {}

    async def all_ready(self) -> None:
        """Wait until every process has said once that it serves."""
        try:
            async with asyncio.timeout(self._options.ready_seconds):
                for ready in self._ready.values():
                    await ready.wait()
        except TimeoutError:
            raise SuiteFailed("\n".join(self._not_ready())) from None
        self._all_ready = True

    def end_zygote(self) -> None:
        """End the zygote, which weighs as much as all that it has made."""
        if self._zygote is not None:
            self._zygote.end()
            self._zygote = None

    async def keep(self, process: Process) -> None:
        """Start `process`, and again each time that it dies."""
        for name in process.after:
            await self._ready[name].wait()
        loop = asyncio.get_running_loop()
        quick_deaths = 0
        while True:
            started = loop.time()
            life = await self._start(process)
            await self._follow(process, life)
            if not self._all_ready:
                raise SuiteFailed(f"{_describe_exit(life)} before the suite was ready.{_last_lines(life.child)}")
            lasted = loop.time() - started > self._options.quick_seconds
            quick_deaths = 1 if lasted else quick_deaths + 1
            await self._pause(life, quick_deaths)

    async def stop(self, urgent: asyncio.Event) -> None:
        """Ask the processes to stop, one after the other in reverse order, and kills what does not in time."""
        names = [process.name for process in reversed(self._suite) if process.name in self._current]
        alive = [self._current[name] for name in names if not self._current[name].end.done()]
        impatience = asyncio.create_task(_kill_when(urgent, alive))
        try:
            await self._stop_in_order(alive)
            for life in _still(alive):
                self._output.note(f"{life.child.name} does not stop; killing it")
                life.child.kill()
            if alive:
                await asyncio.wait([life.end for life in alive])
        finally:
            impatience.cancel()

    async def _stop_in_order(self, alive: Sequence[ChildProcess]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._options.stop_seconds
        # A process that takes long must not use up the time of those that come after it.
        turn_seconds = self._options.stop_seconds / (len(alive) + 1)
        for life in alive:
            life.child.terminate()
            await asyncio.wait([life.end], timeout=turn_seconds)
        if rest := _still(alive):
            await asyncio.wait([life.end for life in rest], timeout=max(0.0, deadline - loop.time()))

    async def _start(self, process: Process) -> ChildProcess:
        try:
            life = await start(process, self._output, self._guard, self._lives, self._zygote)
        except OSError as error:
            raise SuiteFailed(f"{process.name} cannot be started: {process.argv[0]}: {error.strerror}.") from None
        self._current[process.name] = life
        return life

    async def _follow(self, process: Process, life: ChildProcess) -> None:
        """Return when the process has ended, having noted when it serves."""
        polling = asyncio.create_task(self._poll(process))
        try:
            # At the first start the deadline is that of the whole suite.
            timeout = self._options.ready_seconds if self._all_ready else None
            await asyncio.wait([life.end, polling], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if polling.done():
                await polling
            elif not life.end.done():
                self._output.note(f"{process.name} was started again and is not ready; killing it")
                life.child.kill()
        finally:
            polling.cancel()
        await asyncio.wait([life.end])

    async def _poll(self, process: Process) -> None:
        while not await process.ready():  # noqa: ASYNC110 - no event of ours tells that another process serves
            await asyncio.sleep(self._options.poll_seconds)
        if self._all_ready:
            self._output.note(f"{process.name} serves again")
        self._ready[process.name].set()

    async def _pause(self, life: ChildProcess, quick_deaths: int) -> None:
        if quick_deaths > self._options.quick_deaths:
            raise SuiteFailed(f"{_describe_exit(life)}, time and again; giving up.{_last_lines(life.child)}")
        backoff = self._options.backoff_seconds * 2 ** (quick_deaths - 1)
        seconds = min(backoff, self._options.max_backoff_seconds)
        self._output.note(f"{_describe_exit(life)}; starting it again in {seconds:g} s")
        await asyncio.sleep(seconds)

    def _not_ready(self) -> Iterable[str]:
        yield f"The suite is not ready after {self._options.ready_seconds:g} s."
        for process in self._suite:
            if self._ready[process.name].is_set():
                continue
            life = self._current.get(process.name)
            if life is None:
                yield f"{process.name} waits for {', '.join(process.after)}."
            else:
                yield f"{process.name} runs, but is not ready.{_last_lines(life.child)}"


async def _kill_when(urgent: asyncio.Event, alive: Sequence[ChildProcess]) -> None:
    await urgent.wait()
    for life in _still(alive):
        life.child.kill()


def _still(lives: Sequence[ChildProcess]) -> list[ChildProcess]:
    return [life for life in lives if not life.end.done()]


def _describe_exit(life: ChildProcess) -> str:
    code = life.end.result()
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"{life.child.name} {how}"


def _last_lines(child: Child) -> str:
    if not child.last_lines:
        return " It said nothing."
    return "".join(["\nIts last lines:", *(f"\n  {line}" for line in child.last_lines)])


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
