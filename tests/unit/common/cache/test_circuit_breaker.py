"""The circuit: open after failures in a row, one probe a pause, pauses that double up to a cap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.common.cache.circuit_breaker import CircuitBreaker, CircuitOptions
from tests.fakes.clocks import Clocks

OPTIONS = CircuitOptions(failures=3, first_pause_seconds=1, longest_pause_seconds=5)


def circuit_on(clocks: Clocks) -> CircuitBreaker:
    return CircuitBreaker(OPTIONS, lambda: clocks.monotonic_seconds)


def opened(clocks: Clocks) -> CircuitBreaker:
    circuit = circuit_on(clocks)
    for _ in range(3):
        assert circuit.allows()
        circuit.record_failure()
    return circuit


def test_a_failure_now_and_then_opens_nothing() -> None:
    circuit = circuit_on(Clocks())
    for _ in range(20):
        circuit.record_failure()
        circuit.record_failure()
        circuit.record_success()
    assert circuit.allows()


def test_failures_in_a_row_open_it_for_a_pause() -> None:
    clocks = Clocks()
    circuit = opened(clocks)
    assert not circuit.allows()
    clocks.pass_seconds(0.99)
    assert not circuit.allows()
    clocks.pass_seconds(0.01)
    assert circuit.allows()
    assert not circuit.allows()


def test_a_probe_that_succeeds_closes_it() -> None:
    clocks = Clocks()
    circuit = opened(clocks)
    clocks.pass_seconds(1)
    assert circuit.allows()
    circuit.record_success()
    assert [circuit.allows() for _ in range(5)] == [True] * 5


def test_probes_that_fail_double_the_pause_up_to_a_cap() -> None:
    clocks = Clocks()
    circuit = opened(clocks)
    clocks.pass_seconds(1)
    for pause_seconds in (2, 4, 5, 5):
        assert circuit.allows()
        circuit.record_failure()
        clocks.pass_seconds(pause_seconds - 0.01)
        assert not circuit.allows()
        clocks.pass_seconds(0.01)


def test_a_probe_whose_outcome_nobody_reports_is_followed_by_another() -> None:
    clocks = Clocks()
    circuit = opened(clocks)
    clocks.pass_seconds(1)
    assert circuit.allows()
    clocks.pass_seconds(1)
    assert circuit.allows()


def test_an_outage_after_a_recovery_begins_with_the_first_pause() -> None:
    clocks = Clocks()
    circuit = opened(clocks)
    for _ in range(5):
        circuit.record_failure()
    circuit.record_success()
    for _ in range(3):
        circuit.record_failure()
    clocks.pass_seconds(1)
    assert circuit.allows()


@given(st.lists(st.one_of(st.sampled_from(["ask", "ok", "fail"]), st.floats(0, 8)), max_size=60))
def test_an_open_circuit_lets_one_through_a_pause(script: list[str | float]) -> None:
    clocks = Clocks()
    circuit = circuit_on(clocks)
    in_a_row = 0
    let_through_at: float | None = None
    for step in script:
        match step:
            case float():
                clocks.pass_seconds(step)
            case "ok":
                circuit.record_success()
                in_a_row, let_through_at = 0, None
            case "fail":
                circuit.record_failure()
                in_a_row += 1
                assert circuit.allows() == (in_a_row < OPTIONS.failures)
            case _ if circuit.allows() and in_a_row >= OPTIONS.failures:
                now = clocks.monotonic_seconds
                assert let_through_at is None or now - let_through_at >= OPTIONS.first_pause_seconds
                let_through_at = now
        assert in_a_row >= OPTIONS.failures or circuit.allows()
    clocks.pass_seconds(OPTIONS.longest_pause_seconds)
    assert circuit.allows()
