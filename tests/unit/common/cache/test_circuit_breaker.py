"""The circuit breaker: opens after failures in a row, one probe per pause, pauses double up to a cap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.common.cache.circuit_breaker import CircuitBreaker, CircuitOptions
from tests.fakes.clocks import Clocks

OPTIONS = CircuitOptions(failures=3, first_pause_seconds=1, longest_pause_seconds=5)


def make_circuit(clocks: Clocks) -> CircuitBreaker:
    return CircuitBreaker(OPTIONS, lambda: clocks.monotonic_seconds)


def make_open_circuit(clocks: Clocks) -> CircuitBreaker:
    circuit = make_circuit(clocks)
    for _ in range(3):
        assert circuit.allows()
        circuit.record_failure()
    return circuit


def test_occasional_failures_do_not_open_the_circuit() -> None:
    circuit = make_circuit(Clocks())
    for _ in range(20):
        circuit.record_failure()
        circuit.record_failure()
        circuit.record_success()
    assert circuit.allows()


def test_failures_in_a_row_open_the_circuit_for_a_pause() -> None:
    clocks = Clocks()
    circuit = make_open_circuit(clocks)
    assert not circuit.allows()
    clocks.pass_seconds(0.99)
    assert not circuit.allows()
    clocks.pass_seconds(0.01)
    assert circuit.allows()
    assert not circuit.allows()


def test_a_probe_that_succeeds_closes_the_circuit() -> None:
    clocks = Clocks()
    circuit = make_open_circuit(clocks)
    clocks.pass_seconds(1)
    assert circuit.allows()
    circuit.record_success()
    assert [circuit.allows() for _ in range(5)] == [True] * 5


def test_probes_that_fail_double_the_pause_up_to_a_cap() -> None:
    clocks = Clocks()
    circuit = make_open_circuit(clocks)
    clocks.pass_seconds(1)
    for pause_seconds in (2, 4, 5, 5):
        assert circuit.allows()
        circuit.record_failure()
        clocks.pass_seconds(pause_seconds - 0.01)
        assert not circuit.allows()
        clocks.pass_seconds(0.01)


def test_an_unreported_probe_is_followed_by_another() -> None:
    clocks = Clocks()
    circuit = make_open_circuit(clocks)
    clocks.pass_seconds(1)
    assert circuit.allows()
    clocks.pass_seconds(1)
    assert circuit.allows()


def test_an_outage_after_a_recovery_starts_with_the_first_pause() -> None:
    clocks = Clocks()
    circuit = make_open_circuit(clocks)
    for _ in range(5):
        circuit.record_failure()
    circuit.record_success()
    for _ in range(3):
        circuit.record_failure()
    clocks.pass_seconds(1)
    assert circuit.allows()


@given(st.lists(st.one_of(st.sampled_from(["ask", "ok", "fail"]), st.floats(0, 8)), max_size=60))
def test_an_open_circuit_allows_one_probe_per_pause(script: list[str | float]) -> None:
    clocks = Clocks()
    circuit = make_circuit(clocks)
    in_a_row = 0
    allowed_at: float | None = None
    for step in script:
        match step:
            case float():
                clocks.pass_seconds(step)
            case "ok":
                circuit.record_success()
                in_a_row, allowed_at = 0, None
            case "fail":
                circuit.record_failure()
                in_a_row += 1
                assert circuit.allows() == (in_a_row < OPTIONS.failures)
            case _ if circuit.allows() and in_a_row >= OPTIONS.failures:
                now = clocks.monotonic_seconds
                assert allowed_at is None or now - allowed_at >= OPTIONS.first_pause_seconds
                allowed_at = now
        assert in_a_row >= OPTIONS.failures or circuit.allows()
    clocks.pass_seconds(OPTIONS.longest_pause_seconds)
    assert circuit.allows()
