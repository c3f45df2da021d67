"""For any order of events: the limit holds, the queue keeps its order, and no permit is lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.common.resilience.concurrency_limiter import ConcurrencyLimiter, LimitExceededError
from tests.fakes.virtual_time import VirtualLoop

MAX_QUEUE = 4
MAX_WAIT_SECONDS = st.sampled_from([0.0, 1.0, 5.0, 1000.0])


@dataclass(eq=False)
class Caller:
    """A caller that wants a permit."""

    number: int
    wait_ends_at_seconds: float
    released: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    has_queued: bool = False


class LimiterMachine(RuleBasedStateMachine):
    """Drives a limiter on a loop of virtual time; between the rules, all tasks have settled."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.limiter = ConcurrencyLimiter("provider", None, MAX_QUEUE, clock=self.loop.time)
        # Without a limit no call queues, and there is nothing to test.
        self.limiter.learn(2)
        self.waiting: list[Caller] = []
        self.admitted: list[Caller] = []
        self.faults: list[str] = []
        self.started = 0
        self.last_admitted = 0
        self.settle()

    def settle(self) -> None:
        self.loop.run_until_complete(self._run_ticks(10))

    @staticmethod
    async def _run_ticks(count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def _call(self, caller: Caller) -> None:
        self.waiting.append(caller)
        try:
            async with self.limiter.acquire(caller.wait_ends_at_seconds - self.loop.time()):
                self._check_entry(caller)
                await caller.released.wait()
        except LimitExceededError:
            if self.loop.time() < caller.wait_ends_at_seconds and len(self.waiting) <= MAX_QUEUE:
                self.faults.append("gave up early")
        finally:
            for group in (self.waiting, self.admitted):
                if caller in group:
                    group.remove(caller)

    def _check_entry(self, caller: Caller) -> None:
        limit = self.limiter.limit
        if limit is not None and self.limiter.in_flight > limit:
            self.faults.append("above the limit")
        ahead = self.waiting[: self.waiting.index(caller)]
        if caller.has_queued and any(other.task is not None and not other.task.cancelling() for other in ahead):
            self.faults.append("overtaken in the queue")
        self.waiting.remove(caller)
        self.admitted.append(caller)
        self.last_admitted = max(self.last_admitted, caller.number)

    @rule(max_wait_seconds=MAX_WAIT_SECONDS)
    def call(self, max_wait_seconds: float) -> None:
        self.started += 1
        caller = Caller(self.started, self.loop.time() + max_wait_seconds)
        caller.task = self.loop.create_task(self._call(caller))
        self.settle()
        caller.has_queued = caller in self.waiting

    async def _end_and_cancel(self, leaving: Caller, victims: list[Caller], ticks: int) -> None:
        leaving.released.set()
        await self._run_ticks(ticks)
        for victim in victims:
            assert victim.task is not None
            victim.task.cancel()

    @precondition(lambda self: self.admitted)
    @rule(data=st.data(), ticks=st.integers(0, 3))
    def end_and_cancel(self, data: st.DataObject, ticks: int) -> None:
        leaving = data.draw(st.sampled_from(self.admitted))
        victims = data.draw(st.lists(st.sampled_from([*self.waiting, *self.admitted]), max_size=3, unique=True))
        self.loop.run_until_complete(self._end_and_cancel(leaving, victims, ticks))
        self.settle()

    @precondition(lambda self: self.admitted and self.waiting)
    @rule(ticks=st.integers(0, 3))
    def end_one_and_cancel_the_next(self, ticks: int) -> None:
        self.loop.run_until_complete(self._end_and_cancel(self.admitted[0], self.waiting[:1], ticks))
        self.settle()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        victim = data.draw(st.sampled_from(self.waiting))
        assert victim.task is not None
        victim.task.cancel()
        self.settle()

    @rule(maximum=st.integers(1, 5))
    def learn(self, maximum: int) -> None:
        self.limiter.learn(maximum)
        self.settle()

    @precondition(lambda self: self.admitted)
    @rule()
    def reject(self) -> None:
        self.limiter.record_rejection()

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0, 30.0]))
    def pass_time(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))
        self.settle()

    @invariant()
    def check_no_faults(self) -> None:
        assert self.faults == []

    @invariant()
    def check_counts(self) -> None:
        assert (self.limiter.in_flight, self.limiter.queued) == (len(self.admitted), len(self.waiting))

    @invariant()
    def check_limit_is_at_least_one(self) -> None:
        assert self.limiter.limit is not None
        assert self.limiter.limit >= 1

    @invariant()
    def check_no_call_waits_while_there_is_room(self) -> None:
        assert self.limiter.limit is not None
        assert not self.waiting or self.limiter.in_flight >= self.limiter.limit

    @invariant()
    def check_order_of_the_queue(self) -> None:
        assert all(caller.number > self.last_admitted for caller in self.waiting)

    @invariant()
    def check_no_call_waits_too_long(self) -> None:
        assert all(caller.wait_ends_at_seconds >= self.loop.time() for caller in self.waiting)

    def teardown(self) -> None:
        for caller in [*self.waiting, *self.admitted]:
            assert caller.task is not None
            caller.task.cancel()
        self.settle()
        assert (self.limiter.in_flight, self.limiter.queued) == (0, 0)
        self.loop.close()


TestLimiter = LimiterMachine.TestCase
TestLimiter.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
