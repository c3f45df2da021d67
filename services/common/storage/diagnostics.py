"""What can be told of the object store's configuration without asking it."""

from __future__ import annotations

from collections.abc import Iterator

from services.common.diagnostics import Diagnostic, ok, problem, warning
from services.common.storage.factory import list_missing
from services.common.storage.settings import StorageSettings

_SUBJECT = "object store"


def diagnose_storage(settings: StorageSettings) -> Iterator[Diagnostic]:
    """Yield what is configured, and what contradicts itself."""
    name, configured = settings.store_name, settings.configured_stores
    if missing := list_missing(name, settings):
        yield problem(
            _SUBJECT, f"{name} is chosen, but {', '.join(missing)} is missing", "set it, or MEDIA_STORAGE=local"
        )
    else:
        yield ok(_SUBJECT, f"media are kept in {name}")
    if settings.storage is None and len(configured) > 1:
        yield warning(
            _SUBJECT,
            f"{', '.join(configured)} are all configured, and {name} is taken",
            f"set MEDIA_STORAGE={name}, or remove the others' settings",
        )
    yield from _half(settings)


def _half(settings: StorageSettings) -> Iterator[Diagnostic]:
    """Yield stores of which a part is configured that does not make them one."""
    supabase = bool(settings.supabase_url), bool(settings.supabase_service_role.get_secret_value())
    if supabase[0] != supabase[1] and settings.store_name != "supabase":
        absent = "SUPABASE_SERVICE_ROLE" if supabase[0] else "SUPABASE_URL"
        yield warning(_SUBJECT, f"Supabase is half configured and not used: {absent} is missing", f"set {absent}")
    credentials = settings.s3_access_key_id, settings.s3_secret_access_key
    key, secret = (bool(item.get_secret_value()) for item in credentials)
    if key != secret:
        absent = "S3_ACCESS_KEY_ID" if secret else "S3_SECRET_ACCESS_KEY"
        yield warning(_SUBJECT, f"S3 has half of its credentials: {absent} is missing", f"set {absent}")
    if settings.spaces_secret.get_secret_value() and not settings.spaces_key.get_secret_value():
        yield warning(_SUBJECT, "Spaces has a secret and no key, and is not used", "set DIGITALOCEAN_SPACES_KEY")
