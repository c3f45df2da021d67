"""The memory level: bounded, evicts the least recently used value, expires by either of two clocks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.common.cache.memory import ENTRY_OVERHEAD_BYTES, MemoryCache
from tests.fakes.clocks import Clocks


def make_cache(values: int, clocks: Clocks | None = None, value_bytes: int = 100) -> MemoryCache[bytes]:
    return MemoryCache(values * (value_bytes + ENTRY_OVERHEAD_BYTES), len, (clocks or Clocks()).steady())


VALUE = b"x" * 100


def test_a_value_is_returned_until_it_expires() -> None:
    clocks = Clocks()
    cache = make_cache(2, clocks)
    cache.put("a", VALUE, 10)
    clocks.pass_seconds(9.9)
    assert cache.get("a") == VALUE
    clocks.pass_seconds(0.1)
    assert cache.get("a") is None
    assert cache.held_bytes == 0


def test_the_least_recently_used_value_is_evicted() -> None:
    cache = make_cache(3)
    for key in "abc":
        cache.put(key, VALUE, 10)
    cache.get("a")
    cache.put("d", VALUE, 10)
    assert [cache.get(key) is not None for key in "abcd"] == [True, False, True, True]


def test_a_value_replaces_the_older_one_of_its_key() -> None:
    cache = make_cache(1)
    cache.put("a", VALUE, 10)
    cache.put("a", b"other", 10)
    assert cache.get("a") == b"other"
    assert len(cache) == 1


def test_a_value_larger_than_the_cache_removes_only_its_predecessor() -> None:
    cache = make_cache(2)
    cache.put("a", VALUE, 10)
    cache.put("b", VALUE, 10)
    cache.put("a", b"x" * 2000, 10)
    assert cache.get("a") is None
    assert cache.get("b") == VALUE


def test_nothing_is_stored_without_room_or_lifetime() -> None:
    for cache, ttl_seconds in ((make_cache(0), 10.0), (make_cache(2), 0.0), (make_cache(2), -1.0)):
        cache.put("a", b"", ttl_seconds)
        assert len(cache) == 0


def test_a_wall_clock_that_jumps_forward_expires_values() -> None:
    clocks = Clocks()
    cache = make_cache(2, clocks)
    cache.put("a", VALUE, 10)
    clocks.set_wall(11)
    assert cache.get("a") is None


def test_a_wall_clock_that_jumps_back_prolongs_nothing() -> None:
    clocks = Clocks()
    cache = make_cache(2, clocks)
    cache.put("a", VALUE, 10)
    clocks.set_wall(-3600)
    clocks.pass_seconds(9)
    assert cache.get("a") == VALUE
    clocks.pass_seconds(1)
    assert cache.get("a") is None


def test_correcting_a_wall_clock_that_was_ahead_prolongs_nothing() -> None:
    clocks = Clocks()
    cache = make_cache(2, clocks)
    clocks.set_wall(3600)
    cache.put("a", VALUE, 10)
    clocks.set_wall(-3600)
    clocks.pass_seconds(10)
    assert cache.get("a") is None


steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abcdefgh"), st.integers(0, 3000), st.floats(-1, 100)),
        st.tuples(st.just("get"), st.sampled_from("abcdefgh"), st.just(0), st.just(0.0)),
        st.tuples(st.just("discard"), st.sampled_from("abcdefgh"), st.just(0), st.just(0.0)),
        st.tuples(st.just("pass"), st.just(""), st.just(0), st.floats(0, 50)),
        st.tuples(st.just("set"), st.just(""), st.just(0), st.floats(-100, 100)),
    )
)


@given(st.integers(0, 6000), steps)
def test_the_bound_holds_and_nothing_outlives_its_time(
    max_bytes: int, script: list[tuple[str, str, int, float]]
) -> None:
    clocks = Clocks()
    cache: MemoryCache[bytes] = MemoryCache(max_bytes, len, clocks.steady())
    newest: dict[str, tuple[bytes, float]] = {}
    for what, key, size, seconds in script:
        match what:
            case "put":
                newest[key] = (b"%d" % len(newest) + bytes(size), clocks.monotonic_seconds + seconds)
                cache.put(key, newest[key][0], seconds)
            case "get":
                found = cache.get(key)
                assert found is None or (found == newest[key][0] and clocks.monotonic_seconds < newest[key][1])
            case "discard":
                cache.discard(key)
                assert cache.get(key) is None
            case "pass":
                clocks.pass_seconds(seconds)
            case _:
                clocks.set_wall(seconds)
        held = [value for key, (value, _) in newest.items() if cache.get(key) is not None]
        assert cache.held_bytes <= max_bytes
        assert cache.held_bytes >= sum(len(value) + ENTRY_OVERHEAD_BYTES for value in held)
        assert len(cache) == 0 or cache.held_bytes > 0
