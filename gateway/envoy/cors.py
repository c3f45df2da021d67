"""Cross-origin requests of browsers: allowed origins, methods and headers."""

from __future__ import annotations

from gateway.envoy.settings import EdgeSettings
from gateway.envoy.typed_config import Config, build_extension, build_typed

CORS_FILTER = "envoy.filters.http.cors"
_CORS = "envoy.extensions.filters.http.cors.v3"
_PREFLIGHT_CACHE_SECONDS = 600
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_REQUEST_HEADERS = (
    "authorization",
    "content-type",
    "x-api-key",
    "x-request-id",
    "range",
    "if-none-match",
    "grpc-timeout",
    "x-grpc-web",
    "x-user-agent",
)
_RESPONSE_HEADERS = (
    "x-request-id",
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "content-length",
    "content-range",
    "content-disposition",
    "etag",
    "repr-digest",
    "x-media-cache",
    "x-media-duration-seconds",
    "x-media-ignored-fields",
    "x-media-provider",
    "x-media-sample-rate-hz",
    "x-media-voice-id",
    "x-media-voice-name",
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
)


def build_cors_filter() -> Config:
    """Return the filter that answers preflights; it stands before authentication, as a preflight carries no token."""
    return build_extension(CORS_FILTER, f"{_CORS}.Cors")


def build_cors_policy(settings: EdgeSettings) -> Config:
    """Return the filter settings of all routes.

    `allow_credentials` stays off: a page sends its token in a header that it sets itself, never in a cookie.
    """
    return {
        CORS_FILTER: build_typed(
            f"{_CORS}.CorsPolicy",
            allow_origin_string_match=[{"exact": origin} for origin in settings.origins],
            allow_methods=", ".join(_METHODS),
            allow_headers=", ".join(_REQUEST_HEADERS),
            expose_headers=", ".join(_RESPONSE_HEADERS),
            max_age=str(_PREFLIGHT_CACHE_SECONDS),
            forward_not_matching_preflights=False,
        )
    }
