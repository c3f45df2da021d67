"""The factory of the configured object store, and the checks of its configuration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

import pybase64
from pydantic import SecretStr

from services.common.diagnostics import Diagnostic, ok, problem, warning
from services.common.settings import ConfigurationError
from services.common.storage.interface import ObjectStore
from services.common.storage.local import LocalStore
from services.common.storage.route_links import RouteLinks
from services.common.storage.settings import StorageSettings, StoreName
from services.common.storage.signed_urls import UrlSigner, load_shared_secret
from services.common.storage.supabase import SupabaseOptions, SupabaseStore

_SIGNING_FILE = "signing.key"
_SUBJECT = "object store"
_CUSTOMER_KEY_BYTES = 32
_SUPABASE_KEY = "SUPABASE_SECRET_KEY (or SUPABASE_SERVICE_ROLE)"


@asynccontextmanager
async def open_object_store(settings: StorageSettings) -> AsyncIterator[ObjectStore]:
    """Yield the configured store, which connects on first use, and close it at the end.

    Raises:
        ConfigurationError: The settings of the chosen store are incomplete; the message names the variables.
    """
    name = settings.store_name
    _check_complete(name, settings)
    store = await asyncio.to_thread(_BUILDERS[name], settings)
    try:
        yield store
    finally:
        await store.close()


def diagnose_storage(settings: StorageSettings) -> Iterator[Diagnostic]:
    """Yield the chosen store and the problems of its configuration."""
    name, configured = settings.store_name, settings.configured_stores
    if missing := list_missing(name, settings):
        yield problem(
            _SUBJECT, f"{name} is chosen, but {', '.join(missing)} is missing", "set it, or MEDIA_STORAGE=local"
        )
    else:
        yield ok(_SUBJECT, f"media are stored in {name}")
    for variable, text, remedy in _find_encryption_problems(name, settings):
        yield problem(_SUBJECT, f"{variable}: {text}", remedy)
    if public_url := {"s3": settings.s3_public_url, "spaces": settings.spaces_cdn}.get(name):
        # The client sets no ACL, which most buckets refuse today.
        yield ok(_SUBJECT, f"a policy of the bucket must let everyone read at {public_url}: see docs/operations.md")
    if name != "local" and not settings.url_signing_key.get_secret_value():
        yield warning(
            _SUBJECT,
            "MEDIA_URL_SIGNING_KEY is not set: links to events and speech work only if gateway and services share"
            " MEDIA_STORAGE_DIR",
            "set MEDIA_URL_SIGNING_KEY to the same long random text for all processes",
        )
    if settings.storage is None and len(configured) > 1:
        yield warning(
            _SUBJECT,
            f"{', '.join(configured)} are all configured, and {name} is used",
            f"set MEDIA_STORAGE={name}, or remove the others' settings",
        )
    yield from _check_partial_settings(settings)


def list_missing(name: StoreName, settings: StorageSettings) -> list[str]:
    """Return the required variables of the store `name` that are not set."""
    required: Mapping[StoreName, Mapping[str, bool]] = {
        "local": {},
        "s3": {"S3_BUCKET": bool(settings.s3_bucket)},
        "spaces": {
            "DIGITALOCEAN_SPACES_KEY": bool(settings.spaces_key.get_secret_value()),
            "DIGITALOCEAN_SPACES_SECRET": bool(settings.spaces_secret.get_secret_value()),
            "DIGITALOCEAN_SPACES_BUCKET": bool(settings.spaces_bucket),
        },
        "supabase": {
            "SUPABASE_URL": bool(settings.supabase_url),
            _SUPABASE_KEY: bool(settings.supabase_service_role.get_secret_value()),
            "SUPABASE_BUCKET": bool(settings.supabase_bucket),
        },
    }
    return [variable for variable, is_set in required[name].items() if not is_set]


def _check_complete(name: StoreName, settings: StorageSettings) -> None:
    if missing := list_missing(name, settings):
        raise ConfigurationError(
            f"{', '.join(missing)}: must be set for the object store {name}, or MEDIA_STORAGE=local. "
            "See docs/configuration.md."
        )
    for variable, problem_text, _ in _find_encryption_problems(name, settings):
        raise ConfigurationError(f"{variable}: {problem_text}. See docs/operations.md.")


def _find_encryption_problems(name: StoreName, settings: StorageSettings) -> Iterator[tuple[str, str, str]]:
    """Yield variable, problem and remedy of each contradiction in the encryption of the store."""
    stores: Mapping[str, tuple[str, SecretStr, str, str]] = {
        "s3": ("S3_CUSTOMER_KEY", settings.s3_customer_key, "S3_PUBLIC_URL", settings.s3_public_url),
        "spaces": (
            "DIGITALOCEAN_SPACES_CUSTOMER_KEY",
            settings.spaces_customer_key,
            "DIGITALOCEAN_SPACES_CDN",
            settings.spaces_cdn,
        ),
    }
    if name not in stores:
        return
    variable, key, public_variable, public_url = stores[name]
    if key.get_secret_value() and not _is_key(key.get_secret_value()):
        yield variable, "must be 32 bytes in base64", "generate one with `openssl rand -base64 32`"
    if key.get_secret_value() and public_url:
        yield (
            variable,
            f"must not be set with {public_variable}: nothing can be read there without the key",
            "unset one",
        )
    if name == "s3" and key.get_secret_value() and settings.s3_encryption:
        yield variable, "must not be set with S3_ENCRYPTION", "unset one of them"
    if name == "s3" and settings.s3_kms_key_id and not settings.s3_encryption.startswith("aws:kms"):
        yield "S3_KMS_KEY_ID", "needs S3_ENCRYPTION=aws:kms or aws:kms:dsse", "set it, or unset S3_KMS_KEY_ID"


def _is_key(text: str) -> bool:
    try:
        return len(pybase64.b64decode(text, validate=True)) == _CUSTOMER_KEY_BYTES
    except ValueError:
        return False


def load_signer(settings: StorageSettings) -> UrlSigner:
    """Return the signer of links; all processes of a suite that share MEDIA_STORAGE_DIR or the key sign alike.

    Raises:
        ConfigurationError: No key is configured, and MEDIA_STORAGE_DIR cannot hold a generated one.
    """
    secret = settings.url_signing_key.get_secret_value().encode()
    folder = settings.storage_dir
    try:
        return UrlSigner(secret or load_shared_secret(folder / _SIGNING_FILE))
    except OSError as error:
        raise ConfigurationError(
            f"MEDIA_STORAGE_DIR: {folder} cannot be used ({error.strerror}). Set MEDIA_URL_SIGNING_KEY if the media are"
            " stored elsewhere."
        ) from None


def load_route_links(settings: StorageSettings) -> RouteLinks:
    """Return the links to routes of the suite.

    Raises:
        ConfigurationError: As `load_signer`.
    """
    return RouteLinks(load_signer(settings), settings.public_url.rstrip("/"), settings.url_lifetime_seconds)


def _build_local(settings: StorageSettings) -> ObjectStore:
    public_url = settings.public_url.rstrip("/")
    return LocalStore(settings.storage_dir, public_url, load_signer(settings), settings.url_lifetime_seconds)


def _build_s3(settings: StorageSettings) -> ObjectStore:
    from services.common.storage.s3 import S3Encryption, S3Options, S3Store  # noqa: PLC0415 - 6 MiB that others save

    customer_key = settings.s3_customer_key.get_secret_value()
    return S3Store(
        S3Options(
            name="s3",
            bucket=settings.s3_bucket,
            region=settings.s3_region,
            endpoint=settings.s3_endpoint.rstrip("/"),
            access_key_id=settings.s3_access_key_id.get_secret_value(),
            secret_access_key=settings.s3_secret_access_key.get_secret_value(),
            public_url=settings.s3_public_url.rstrip("/"),
            virtual_hosted=settings.s3_virtual_hosted,
            url_lifetime_seconds=settings.url_lifetime_seconds,
            cache_seconds=settings.cache_seconds,
            encryption=S3Encryption(settings.s3_encryption, settings.s3_kms_key_id, customer_key),
            suite_links=load_route_links(settings) if customer_key else None,
            variables={
                "bucket": "S3_BUCKET",
                "region": "S3_REGION and S3_ENDPOINT",
                "credentials": "S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY",
                "encryption": "S3_ENCRYPTION, S3_KMS_KEY_ID or S3_CUSTOMER_KEY",
            },
        )
    )


def _build_spaces(settings: StorageSettings) -> ObjectStore:
    from services.common.storage.s3 import S3Encryption, S3Options, S3Store  # noqa: PLC0415 - as above

    customer_key = settings.spaces_customer_key.get_secret_value()
    endpoint = settings.spaces_endpoint or f"https://{settings.spaces_region}.digitaloceanspaces.com"
    return S3Store(
        S3Options(
            name="spaces",
            bucket=settings.spaces_bucket,
            region=settings.spaces_region,
            endpoint=endpoint.rstrip("/"),
            access_key_id=settings.spaces_key.get_secret_value(),
            secret_access_key=settings.spaces_secret.get_secret_value(),
            public_url=settings.spaces_cdn.rstrip("/"),
            url_lifetime_seconds=settings.url_lifetime_seconds,
            cache_seconds=settings.cache_seconds,
            encryption=S3Encryption(customer_key=customer_key),
            suite_links=load_route_links(settings) if customer_key else None,
            variables={
                "bucket": "DIGITALOCEAN_SPACES_BUCKET",
                "region": "DIGITALOCEAN_SPACES_REGION and DIGITALOCEAN_SPACES_ENDPOINT",
                "credentials": "DIGITALOCEAN_SPACES_KEY and DIGITALOCEAN_SPACES_SECRET",
                "encryption": "DIGITALOCEAN_SPACES_CUSTOMER_KEY",
            },
        )
    )


def _build_supabase(settings: StorageSettings) -> ObjectStore:
    return SupabaseStore(
        SupabaseOptions(
            url=settings.supabase_url.rstrip("/"),
            service_role=settings.supabase_service_role.get_secret_value(),
            bucket=settings.supabase_bucket,
            public=settings.supabase_bucket_public,
            public_url=settings.supabase_public_url.rstrip("/"),
            url_lifetime_seconds=settings.url_lifetime_seconds,
            cache_seconds=settings.cache_seconds,
        )
    )


_BUILDERS: Mapping[StoreName, Callable[[StorageSettings], ObjectStore]] = {
    "local": _build_local,
    "s3": _build_s3,
    "spaces": _build_spaces,
    "supabase": _build_supabase,
}


def _check_partial_settings(settings: StorageSettings) -> Iterator[Diagnostic]:
    """Yield a warning for each store that is only partly configured."""
    supabase = bool(settings.supabase_url), bool(settings.supabase_service_role.get_secret_value())
    if supabase[0] != supabase[1] and settings.store_name != "supabase":
        missing = _SUPABASE_KEY if supabase[0] else "SUPABASE_URL"
        yield warning(
            _SUBJECT, f"Supabase is only partly configured and not used: {missing} is missing", f"set {missing}"
        )
    credentials = settings.s3_access_key_id, settings.s3_secret_access_key
    key, secret = (bool(item.get_secret_value()) for item in credentials)
    if key != secret:
        missing = "S3_ACCESS_KEY_ID" if secret else "S3_SECRET_ACCESS_KEY"
        yield warning(_SUBJECT, f"S3 has only one of its two credentials: {missing} is missing", f"set {missing}")
    if settings.spaces_secret.get_secret_value() and not settings.spaces_key.get_secret_value():
        yield warning(_SUBJECT, "Spaces has a secret and no key, and is not used", "set DIGITALOCEAN_SPACES_KEY")
