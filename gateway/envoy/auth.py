"""Authentication at the edge: bearer tokens, API keys, and the header that carries the principal to the services."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from gateway.envoy.credentials import ApiKey, read_jwks
from gateway.envoy.settings import EdgeSettings
from gateway.envoy.typed_config import Config, build_extension, build_typed, to_duration
from services.common.rpc.addresses import Address
from services.common.rpc.metadata import PRINCIPAL
from services.common.settings import ConfigurationError

API_KEY_HEADER = "x-api-key"
CREDENTIAL_HEADERS = ("authorization", API_KEY_HEADER)
JWKS_CLUSTER = "jwks"
JWT_FILTER = "envoy.filters.http.jwt_authn"
API_KEY_FILTER = "envoy.filters.http.api_key_auth"

CLOCK_SKEW_SECONDS = 10
_JWKS_FETCH_SECONDS = 5.0
_JWKS_CACHE_SECONDS = 300.0
_PROVIDER = "media"
_API_KEY_FORWARDING: Config = {"header": PRINCIPAL, "hide_credentials": True}
_JWT = "envoy.extensions.filters.http.jwt_authn.v3"
_API_KEY = "envoy.extensions.filters.http.api_key_auth.v3"
# Clients must not set these: they name the caller to the services, or change timeouts and retries (x-envoy-).
_UNTRUSTED_PREFIXES = ("x-media-", "x-envoy-")
_UNTRUSTED_HEADERS = ("x-forwarded-client-cert", "x-forwarded-host", "x-real-ip", "forwarded")
# A principal becomes a header, a log field and a rate-limit key: printable ASCII without spaces fits all three.
_PRINCIPAL = "[!-~]+"


def build_identity_stripping(settings: EdgeSettings) -> Config:
    """Return the extension that removes a client's identity headers before any route or filter reads them."""
    names = _UNTRUSTED_HEADERS if settings.trusted_hops else (*_UNTRUSTED_HEADERS, "x-forwarded-for")
    return build_extension(
        "envoy.http.early_header_mutation.header_mutation",
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[
            *({"remove_on_match": {"key_matcher": {"prefix": prefix}}} for prefix in _UNTRUSTED_PREFIXES),
            *({"remove": name} for name in names),
        ],
    )


def build_jwt_filter(settings: EdgeSettings) -> Config:
    """Return the filter that requires a bearer token of every request, unless the request's route disables it.

    The one rule covers all paths, so that a route without settings is closed.
    """
    provider = {
        "issuer": settings.jwt_issuer,
        "audiences": [settings.jwt_audience],
        "subjects": {"safe_regex": {"regex": _PRINCIPAL}},
        "require_expiration": True,
        "clock_skew_seconds": CLOCK_SKEW_SECONDS,
        "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}],
        "forward": False,
        "claim_to_headers": [{"header_name": PRINCIPAL, "claim_name": "sub"}],
        "jwt_cache_config": {"jwt_cache_size": 1000},
        **_build_key_source(settings),
    }
    rule = {"match": {"prefix": "/"}, "requires": {"provider_name": _PROVIDER}}
    return build_extension(JWT_FILTER, f"{_JWT}.JwtAuthentication", providers={_PROVIDER: provider}, rules=[rule])


def _build_key_source(settings: EdgeSettings) -> Config:
    if settings.jwt_jwks_uri is None and settings.jwt_jwks_file is not None:
        return {"local_jwks": {"inline_string": read_jwks(settings.jwt_jwks_file)}}
    http_uri = {"uri": settings.jwt_jwks_uri, "cluster": JWKS_CLUSTER, "timeout": to_duration(_JWKS_FETCH_SECONDS)}
    # Envoy fetches the keys at start and before they expire, so that no caller waits for them.
    remote = {"http_uri": http_uri, "cache_duration": to_duration(_JWKS_CACHE_SECONDS), "async_fetch": {}}
    return {"remote_jwks": remote}


def build_api_key_filter(keys: Sequence[ApiKey]) -> Config:
    """Return the filter that checks API keys; it is active only on routes that enable it."""
    return {
        "disabled": True,
        **build_extension(
            API_KEY_FILTER,
            f"{_API_KEY}.ApiKeyAuth",
            credentials=[{"key": key.key, "client": key.client} for key in keys],
            key_sources=[{"header": API_KEY_HEADER}],
            forwarding=_API_KEY_FORWARDING,
        ),
    }


def build_public_route() -> Config:
    """Return the filter settings of a route that needs no credential."""
    return {JWT_FILTER: build_typed(f"{_JWT}.PerRouteConfig", disabled=True)}


def build_api_key_route() -> Config:
    """Return the filter settings of a route that needs an API key instead of a token."""
    # Keys and their source are in the filter; without these settings Envoy would not forward the client's name.
    return {**build_public_route(), API_KEY_FILTER: build_typed("envoy.config.route.v3.FilterConfig", config={})}


def find_jwks_address(settings: EdgeSettings) -> Address | None:
    """Return the host and port of the JWKS URL; None if the public keys come from a file."""
    if settings.jwt_jwks_uri is None:
        return None
    parts = urlsplit(settings.jwt_jwks_uri)
    return Address(parts.hostname or "", parts.port or 443)


def find_ca_file(settings: EdgeSettings) -> Path:
    """Return the CA bundle for the JWKS URL.

    Raises:
        ConfigurationError: There is no CA bundle.
    """
    found = settings.ca_file or Path(ssl.get_default_verify_paths().cafile or "/nowhere")
    if not found.is_file():
        raise ConfigurationError(
            "MEDIA_CA_FILE: there is no CA bundle to check the certificate of MEDIA_JWT_JWKS_URI;"
            " install the system's bundle (ca-certificates) or name a PEM file."
        )
    return found
