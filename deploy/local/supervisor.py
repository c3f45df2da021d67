"""Supervisor: starts the processes of the suite, waits until they are ready, restarts and stops them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from deploy.local.child import Child, ChildProcess, Watchdog, open_watchdog, start
from deploy.local.fork_server import ForkServer
from deploy.local.output import Output
from deploy.local.processes import Process
from deploy.local.shutdown import StopRequest


@dataclass(frozen=True, slots=True)
class Options:
    """Time limits of the supervisor."""

    ready_seconds: float = 30.0
    """Longest time until the suite, or a restarted process, is ready."""
    poll_seconds: float = 0.05
    """Time between two readiness checks."""
    stop_seconds: float = 4.0
    """Longest orderly stop; processes that remain are killed."""
    quick_seconds: float = 10.0
    """A process that ends sooner counts as a quick death."""
    quick_deaths: int = 5
    """Quick deaths in a spec after which a process is given up."""
    backoff_seconds: float = 0.2
    """Wait before the first restart; doubled for each further quick death."""
    max_backoff_seconds: float = 5.0
    """Longest wait before a restart."""


class SuiteFailed(Exception):  # noqa: N818 - reads as what happened
    """Raised when the suite cannot run; the text names the process and ends with its last lines."""


@asynccontextmanager
async def run_processes(
    suite: Sequence[Process],
    output: Output,
    stop: StopRequest,
    options: Options | None = None,
    fork_server: ForkServer | None = None,
) -> AsyncIterator[None]:
    """Run `suite`: enter the context when every process is ready, and stop all processes at its end.

    Args:
        suite: Processes in start order; they are stopped in the opposite order.
        output: Where the processes' lines go.
        stop: Request to stop; an urgent one ends the wait for an orderly stop.
        options: Time limits.
        fork_server: Starts the processes the first time; it is ended after that.

    Raises:
        SuiteFailed: A process died before all were ready, was not ready in time, or kept dying.
    """
    options = options or Options()
    try:
        async with open_watchdog(options.stop_seconds) as guard, asyncio.TaskGroup() as lives:
            supervisor = _Supervisor(suite, output, guard, lives, options, fork_server)
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(supervisor.supervise(process)) for process in suite]
                    await supervisor.wait_until_ready()
                    supervisor.end_fork_server()
                    yield
                    for task in tasks:
                        task.cancel()
            finally:
                stop.ending()
                supervisor.end_fork_server()
                await supervisor.stop(stop.urgent)
    except BaseExceptionGroup as failures:
        # Of several failures report the first: the others mostly follow from it.
        raise _find_first_error(failures) from None


class _Supervisor:
    def __init__(
        self,
        suite: Sequence[Process],
        output: Output,
        guard: Watchdog,
        lives: asyncio.TaskGroup,
        options: Options,
        fork_server: ForkServer | None,
    ) -> None:
        self._suite = suite
        self._output = output
        self._guard = guard
        self._lives = lives
        self._options = options
        self._fork_server = fork_server
        self._ready = {process.name: asyncio.Event() for process in suite}
        self._all_ready = False
        self._current: dict[str, ChildProcess] = {}

    async def wait_until_ready(self) -> None:
        """Wait until every process has been ready once."""
        try:
            async with asyncio.timeout(self._options.ready_seconds):
                for ready in self._ready.values():
                    await ready.wait()
        except TimeoutError:
            raise SuiteFailed("\n".join(self._list_not_ready())) from None
        self._all_ready = True

    def end_fork_server(self) -> None:
        """End the fork server, which uses as much memory as the processes that it has started."""
        if self._fork_server is not None:
            self._fork_server.end()
            self._fork_server = None

    async def supervise(self, process: Process) -> None:
        """Start `process`, and restart it each time that it ends."""
        for name in process.after:
            await self._ready[name].wait()
        loop = asyncio.get_running_loop()
        quick_deaths = 0
        while True:
            started = loop.time()
            life = await self._start(process)
            await self._watch(process, life)
            if not self._all_ready:
                raise SuiteFailed(f"{_describe_exit(life)} before the suite was ready.{_format_last_lines(life.child)}")
            lasted = loop.time() - started > self._options.quick_seconds
            quick_deaths = 1 if lasted else quick_deaths + 1
            await self._pause(life, quick_deaths)

    async def stop(self, urgent: asyncio.Event) -> None:
        """Stop the processes one by one in reverse order; kill those that do not stop in time."""
        names = [process.name for process in reversed(self._suite) if process.name in self._current]
        alive = [self._current[name] for name in names if not self._current[name].end.done()]
        killer = asyncio.create_task(_kill_when_urgent(urgent, alive))
        try:
            await self._stop_in_order(alive)
            for life in _find_running(alive):
                self._output.note(f"{life.child.name} does not stop; killing it")
                life.child.kill()
            if alive:
                await asyncio.wait([life.end for life in alive])
        finally:
            killer.cancel()

    async def _stop_in_order(self, alive: Sequence[ChildProcess]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._options.stop_seconds
        # A slow process must not use up the time of the processes after it.
        share_seconds = self._options.stop_seconds / (len(alive) + 1)
        for life in alive:
            life.child.terminate()
            await asyncio.wait([life.end], timeout=share_seconds)
        if rest := _find_running(alive):
            await asyncio.wait([life.end for life in rest], timeout=max(0.0, deadline - loop.time()))

    async def _start(self, process: Process) -> ChildProcess:
        try:
            life = await start(process, self._output, self._guard, self._lives, self._fork_server)
        except OSError as error:
            raise SuiteFailed(f"{process.name} cannot be started: {process.argv[0]}: {error.strerror}.") from None
        self._current[process.name] = life
        return life

    async def _watch(self, process: Process, life: ChildProcess) -> None:
        """Wait for the end of the process; report when it is ready."""
        polling = asyncio.create_task(self._poll(process))
        try:
            # At the first start the deadline of the whole suite applies.
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
        while not await process.ready():  # noqa: ASYNC110 - there is no event for the readiness of another process
            await asyncio.sleep(self._options.poll_seconds)
        if self._all_ready:
            self._output.note(f"{process.name} serves again")
        self._ready[process.name].set()

    async def _pause(self, life: ChildProcess, quick_deaths: int) -> None:
        if quick_deaths > self._options.quick_deaths:
            raise SuiteFailed(f"{_describe_exit(life)}, time and again; giving up.{_format_last_lines(life.child)}")
        backoff = self._options.backoff_seconds * 2 ** (quick_deaths - 1)
        seconds = min(backoff, self._options.max_backoff_seconds)
        self._output.note(f"{_describe_exit(life)}; starting it again in {seconds:g} s")
        await asyncio.sleep(seconds)

    def _list_not_ready(self) -> Iterable[str]:
        yield f"The suite is not ready after {self._options.ready_seconds:g} s."
        for process in self._suite:
            if self._ready[process.name].is_set():
                continue
            life = self._current.get(process.name)
            if life is None:
                yield f"{process.name} waits for {', '.join(process.after)}."
            else:
                yield f"{process.name} runs, but is not ready.{_format_last_lines(life.child)}"


async def _kill_when_urgent(urgent: asyncio.Event, alive: Sequence[ChildProcess]) -> None:
    await urgent.wait()
    for life in _find_running(alive):
        life.child.kill()


def _find_running(lives: Sequence[ChildProcess]) -> list[ChildProcess]:
    return [life for life in lives if not life.end.done()]


def _describe_exit(life: ChildProcess) -> str:
    code = life.end.result()
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"{life.child.name} {how}"


def _format_last_lines(child: Child) -> str:
    if not child.last_lines:
        return " It wrote no output."
    return "".join(["\nIts last lines:", *(f"\n  {line}" for line in child.last_lines)])


def _find_first_error(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _find_first_error(first) if isinstance(first, BaseExceptionGroup) else first
