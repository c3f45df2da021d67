"""Supervisor: starts the processes of the suite, waits until they are ready, restarts and stops them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from deploy.local.child import Child, Watchdog, open_watchdog, start_child
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
    """Longest orderly stop; after it the remaining processes are killed."""
    quick_seconds: float = 10.0
    """A process that runs for less than this counts as a quick death."""
    quick_deaths: int = 5
    """Largest number of quick deaths in a row; one more fails the suite."""
    backoff_seconds: float = 0.2
    """Wait before the first restart; doubled for each further quick death."""
    max_backoff_seconds: float = 5.0
    """Longest wait before a restart."""


class SuiteError(Exception):
    """Raised when the suite cannot run; the message names the process and ends with its last lines."""


@asynccontextmanager
async def run_processes(
    suite: Sequence[Process],
    output: Output,
    stop: StopRequest,
    options: Options | None = None,
    fork_server: ForkServer | None = None,
) -> AsyncIterator[None]:
    """Run `suite`: enter the context when every process is ready, and stop all processes when it is left.

    Args:
        suite: Processes in start order; they are stopped in the opposite order.
        output: Receives the lines of the processes.
        stop: Stop request; when it becomes urgent, the remaining processes are killed.
        options: Time limits.
        fork_server: Starts the processes the first time, and is ended when all are ready.

    Raises:
        SuiteError: A process died before all were ready, was not ready in time, or kept dying.
    """
    options = options or Options()
    try:
        async with open_watchdog(options.stop_seconds) as watchdog, asyncio.TaskGroup() as tasks:
            supervisor = _Supervisor(suite, output, watchdog, tasks, options, fork_server)
            try:
                async with asyncio.TaskGroup() as group:
                    supervising = [group.create_task(supervisor.supervise(process)) for process in suite]
                    await supervisor.wait_until_ready()
                    supervisor.end_fork_server()
                    yield
                    for task in supervising:
                        task.cancel()
            finally:
                stop.mark_in_progress()
                supervisor.end_fork_server()
                await supervisor.stop(stop.urgent)
    except BaseExceptionGroup as failures:
        # Report the first of several failures; it has mostly caused the others.
        raise _find_first_error(failures) from None


class _Supervisor:
    def __init__(
        self,
        suite: Sequence[Process],
        output: Output,
        watchdog: Watchdog,
        tasks: asyncio.TaskGroup,
        options: Options,
        fork_server: ForkServer | None,
    ) -> None:
        self._suite = suite
        self._output = output
        self._watchdog = watchdog
        self._tasks = tasks
        self._options = options
        self._fork_server = fork_server
        self._ready = {process.name: asyncio.Event() for process in suite}
        self._all_ready = False
        self._current: dict[str, Child] = {}

    async def wait_until_ready(self) -> None:
        """Wait until every process has been ready once."""
        try:
            async with asyncio.timeout(self._options.ready_seconds):
                for ready in self._ready.values():
                    await ready.wait()
        except TimeoutError:
            raise SuiteError("\n".join(self._list_not_ready())) from None
        self._all_ready = True

    def end_fork_server(self) -> None:
        """End the fork server, so that it uses no memory while the suite runs."""
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
            child = await self._start(process)
            await self._watch(process, child)
            if not self._all_ready:
                raise SuiteError(f"{_describe_exit(child)} before the suite was ready.{_format_last_lines(child)}")
            was_quick = loop.time() - started <= self._options.quick_seconds
            quick_deaths = quick_deaths + 1 if was_quick else 1
            await self._pause(child, quick_deaths)

    async def stop(self, urgent: asyncio.Event) -> None:
        """Stop the processes one by one in reverse order; kill those that do not stop in time."""
        names = [process.name for process in reversed(self._suite) if process.name in self._current]
        alive = [self._current[name] for name in names if not self._current[name].exit.done()]
        killer = asyncio.create_task(_kill_when_urgent(urgent, alive))
        try:
            await self._stop_in_order(alive)
            for child in _find_running(alive):
                self._output.write_note(f"{child.name} does not stop; killing it")
                child.kill()
            if alive:
                await asyncio.wait([child.exit for child in alive])
        finally:
            killer.cancel()

    async def _stop_in_order(self, alive: Sequence[Child]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._options.stop_seconds
        # A slow process must not use up the time of the processes after it.
        share_seconds = self._options.stop_seconds / (len(alive) + 1)
        for child in alive:
            child.terminate()
            await asyncio.wait([child.exit], timeout=share_seconds)
        if rest := _find_running(alive):
            await asyncio.wait([child.exit for child in rest], timeout=max(0.0, deadline - loop.time()))

    async def _start(self, process: Process) -> Child:
        try:
            child = await start_child(process, self._output, self._watchdog, self._tasks, self._fork_server)
        except OSError as error:
            raise SuiteError(f"{process.name} cannot be started: {process.argv[0]}: {error.strerror}.") from None
        self._current[process.name] = child
        return child

    async def _watch(self, process: Process, child: Child) -> None:
        """Wait for the end of the process; report when it is ready."""
        polling = asyncio.create_task(self._poll(process))
        try:
            # At the first start the deadline of the whole suite applies.
            timeout = self._options.ready_seconds if self._all_ready else None
            await asyncio.wait([child.exit, polling], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if polling.done():
                await polling
            elif not child.exit.done():
                self._output.write_note(f"{process.name} was started again and is not ready; killing it")
                child.kill()
        finally:
            polling.cancel()
        await asyncio.wait([child.exit])

    async def _poll(self, process: Process) -> None:
        while not await process.ready():  # noqa: ASYNC110 - there is no event for the readiness of another process
            await asyncio.sleep(self._options.poll_seconds)
        if self._all_ready:
            self._output.write_note(f"{process.name} is ready again")
        self._ready[process.name].set()

    async def _pause(self, child: Child, quick_deaths: int) -> None:
        if quick_deaths > self._options.quick_deaths:
            raise SuiteError(f"{_describe_exit(child)} too often; giving up.{_format_last_lines(child)}")
        backoff = self._options.backoff_seconds * 2 ** (quick_deaths - 1)
        seconds = min(backoff, self._options.max_backoff_seconds)
        self._output.write_note(f"{_describe_exit(child)}; starting it again in {seconds:g} s")
        await asyncio.sleep(seconds)

    def _list_not_ready(self) -> Iterable[str]:
        yield f"The suite is not ready after {self._options.ready_seconds:g} s."
        for process in self._suite:
            if self._ready[process.name].is_set():
                continue
            child = self._current.get(process.name)
            if child is None:
                yield f"{process.name} waits for {', '.join(process.after)}."
            else:
                yield f"{process.name} runs, but is not ready.{_format_last_lines(child)}"


async def _kill_when_urgent(urgent: asyncio.Event, alive: Sequence[Child]) -> None:
    await urgent.wait()
    for child in _find_running(alive):
        child.kill()


def _find_running(children: Sequence[Child]) -> list[Child]:
    return [child for child in children if not child.exit.done()]


def _describe_exit(child: Child) -> str:
    code = child.exit.result()
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"{child.name} {how}"


def _format_last_lines(child: Child) -> str:
    if not child.last_lines:
        return " It wrote no output."
    return "".join(["\nIts last lines:", *(f"\n  {line}" for line in child.last_lines)])


def _find_first_error(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _find_first_error(first) if isinstance(first, BaseExceptionGroup) else first
