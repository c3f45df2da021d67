"""Checks of the configuration of the object store, without connecting to it."""

from __future__ import annotations

from collections.abc import Iterator

from services.common.diagnostics import Diagnostic, ok, problem, warning
from services.common.storage.factory import list_missing
from services.common.storage.settings import StorageSettings

_SUBJECT = "object store"


def diagnose_storage(settings: StorageSettings) -> Iterator[Diagnostic]:
    """Yield the chosen store and the problems of its configuration."""
    name, configured = settings.store_name, settings.configured_stores
    if missing := list_missing(name, settings):
        yield problem(
            _SUBJECT, f"{name} is chosen, but {', '.join(missing)} is missing", "set it, or MEDIA_STORAGE=local"
        )
    else:
        yield ok(_SUBJECT, f"media are stored in {name}")
    if settings.storage is None and len(configured) > 1:
        yield warning(
            _SUBJECT,
            f"{', '.join(configured)} are all configured, and {name} is used",
            f"set MEDIA_STORAGE={name}, or remove the others' settings",
        )
    yield from _check_partial_settings(settings)


def _check_partial_settings(settings: StorageSettings) -> Iterator[Diagnostic]:
    """Yield a warning for each store that is only partly configured."""
    supabase = bool(settings.supabase_url), bool(settings.supabase_service_role.get_secret_value())
    if supabase[0] != supabase[1] and settings.store_name != "supabase":
        missing = "SUPABASE_SERVICE_ROLE" if supabase[0] else "SUPABASE_URL"
        yield warning(_SUBJECT, f"Supabase is half configured and not used: {missing} is missing", f"set {missing}")
    credentials = settings.s3_access_key_id, settings.s3_secret_access_key
    key, secret = (bool(item.get_secret_value()) for item in credentials)
    if key != secret:
        missing = "S3_ACCESS_KEY_ID" if secret else "S3_SECRET_ACCESS_KEY"
        yield warning(_SUBJECT, f"S3 has half of its credentials: {missing} is missing", f"set {missing}")
    if settings.spaces_secret.get_secret_value() and not settings.spaces_key.get_secret_value():
        yield warning(_SUBJECT, "Spaces has a secret and no key, and is not used", "set DIGITALOCEAN_SPACES_KEY")
