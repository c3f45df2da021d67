"""Limits of the edge: request rates, body sizes, connections, memory and retries."""

from __future__ import annotations

from gateway.envoy.settings import EdgeSettings
from gateway.envoy.typed_config import Config, build_extension, build_typed, to_duration
from services.common.rpc.metadata import PRINCIPAL

RATE_LIMIT_FILTER = "envoy.filters.http.local_ratelimit"
BUFFER_FILTER = "envoy.filters.http.buffer"
BUFFER_LIMIT_BYTES = 32 * 1024
BURST = 2

_RATE_LIMIT = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
_BUFFER = "envoy.extensions.filters.http.buffer.v3"
_HEAP = "envoy.resource_monitors.fixed_heap"
_CONNECTIONS = "envoy.resource_monitors.global_downstream_max_connections"
_MONITORS = "envoy.extensions.resource_monitors"
_DESCRIPTOR_KEY = "principal"
_ANONYMOUS = "anonymous"
# Fixed by Envoy: the name under which it reports the caller's address.
_REMOTE_ADDRESS = "remote_address"
# Above this number of callers, Envoy drops the bucket of the one that was idle longest.
_MAX_CALLER_BUCKETS = 10_000
_ALWAYS = {"numerator": 100, "denominator": "HUNDRED"}
_RETRY_BUDGET_PERCENT = 20.0
_RETRY_IF_NOT_SENT = "connect-failure,refused-stream"
_RETRY_IF_NOT_ANSWERED = "reset,unavailable"
_OTHER_HOST = "envoy.retry_host_predicates.previous_hosts"
_PREDICATES = "envoy.extensions.retry.host.previous_hosts.v3"
_SHRINK_HEAP_AT = 0.95
_REFUSE_REQUESTS_AT = 0.98


def build_rate_limit_filter(settings: EdgeSettings) -> Config:
    """Return the filter that limits each caller, and all callers together.

    A request without a credential counts for its address. A caller over its own limit takes nothing from the common
    bucket.
    """
    own_bucket = _build_token_bucket(settings.rate_limit_per_second)
    named = {"name": PRINCIPAL, "present_match": True}
    anonymous = {"descriptor_key": _ANONYMOUS, "descriptor_value": "yes", "expect_match": False, "headers": [named]}
    return build_extension(
        RATE_LIMIT_FILTER,
        _RATE_LIMIT,
        stat_prefix="edge",
        token_bucket=_build_token_bucket(settings.rate_limit_total_per_second),
        always_consume_default_token_bucket=True,
        rate_limits=[
            {"actions": [{"request_headers": {"header_name": PRINCIPAL, "descriptor_key": _DESCRIPTOR_KEY}}]},
            {"actions": [{"header_value_match": anonymous}, {"remote_address": {}}]},
        ],
        # Envoy makes one bucket for each value of an entry that has no value here.
        descriptors=[
            {"entries": [{"key": _DESCRIPTOR_KEY}], "token_bucket": own_bucket},
            {"entries": [{"key": _ANONYMOUS, "value": "yes"}, {"key": _REMOTE_ADDRESS}], "token_bucket": own_bucket},
        ],
        max_dynamic_descriptors=_MAX_CALLER_BUCKETS,
        # Without these two Envoy counts requests but refuses none.
        filter_enabled={"runtime_key": "edge.rate_limit_enabled", "default_value": _ALWAYS},
        filter_enforced={"runtime_key": "edge.rate_limit_enforced", "default_value": _ALWAYS},
        enable_x_ratelimit_headers="DRAFT_VERSION_03",
        rate_limited_as_resource_exhausted=True,
    )


def build_unlimited_route() -> Config:
    """Return the filter settings of a route that the edge answers itself, and that takes nothing from the buckets."""
    return {RATE_LIMIT_FILTER: build_typed("envoy.config.route.v3.FilterConfig", disabled=True)}


def build_body_filter(settings: EdgeSettings) -> Config:
    """Return the filter that buffers a request until its body is complete; active only on routes that enable it."""
    return {
        "disabled": True,
        **build_extension(BUFFER_FILTER, f"{_BUFFER}.Buffer", max_request_bytes=settings.max_body_bytes),
    }


def build_body_limit(settings: EdgeSettings) -> Config:
    """Return the filter settings of a route whose request body is limited."""
    return {
        BUFFER_FILTER: build_typed(f"{_BUFFER}.BufferPerRoute", buffer={"max_request_bytes": settings.max_body_bytes})
    }


def build_retry_policy(*, safe: bool) -> Config:
    """Return the policy of a route: one retry, at another replica if there is one.

    Args:
        safe: Whether the requests of the route change nothing. Others are repeated only if no service received them.
    """
    return {
        "retry_on": f"{_RETRY_IF_NOT_SENT},{_RETRY_IF_NOT_ANSWERED}" if safe else _RETRY_IF_NOT_SENT,
        "num_retries": 1,
        "retry_back_off": {"base_interval": to_duration(0.025), "max_interval": to_duration(0.25)},
        "retry_host_predicate": [build_extension(_OTHER_HOST, f"{_PREDICATES}.PreviousHostsPredicate")],
        "host_selection_retry_max_attempts": 3,
    }


def build_circuit_breakers(settings: EdgeSettings) -> Config:
    """Return the limits of concurrent requests to one service."""
    return {
        "thresholds": [
            {
                "max_connections": settings.max_concurrent_requests,
                "max_pending_requests": settings.max_concurrent_requests,
                "max_requests": settings.max_concurrent_requests,
                "retry_budget": {"budget_percent": {"value": _RETRY_BUDGET_PERCENT}, "min_retry_concurrency": 3},
                "track_remaining": True,
            }
        ]
    }


def build_overload_manager(settings: EdgeSettings) -> Config:
    """Return when Envoy sheds load: near its heap limit, and at its connection limit."""
    return {
        "refresh_interval": to_duration(0.25),
        "resource_monitors": [
            build_extension(
                _HEAP, f"{_MONITORS}.fixed_heap.v3.FixedHeapConfig", max_heap_size_bytes=settings.max_heap_bytes
            ),
            build_extension(
                _CONNECTIONS,
                f"{_MONITORS}.downstream_connections.v3.DownstreamConnectionsConfig",
                max_active_downstream_connections=settings.max_connections,
            ),
        ],
        "actions": [
            _build_heap_action("envoy.overload_actions.shrink_heap", _SHRINK_HEAP_AT),
            _build_heap_action("envoy.overload_actions.stop_accepting_requests", _REFUSE_REQUESTS_AT),
        ],
    }


def _build_heap_action(action: str, share: float) -> Config:
    return {"name": action, "triggers": [{"name": _HEAP, "threshold": {"value": share}}]}


def _build_token_bucket(per_second: int) -> Config:
    return {"max_tokens": per_second * BURST, "tokens_per_fill": per_second, "fill_interval": to_duration(1)}
