"""Check the configuration of the image service without network access."""

from __future__ import annotations

from collections.abc import Iterator

from services.common.diagnostics import Diagnostic, ok, problem, warning
from services.common.providers.models import diagnose_model
from services.common.storage.factory import diagnose_storage
from services.image.providers.gemini.request import MODELS
from services.image.settings import ImageSettings

_SUBJECT = "images"


def diagnose_image(settings: ImageSettings) -> list[Diagnostic]:
    """Return the default provider, the storage, and every contradiction of the settings."""
    return [*_check_providers(settings), *_check_cache(settings), *diagnose_storage(settings)]


def _check_providers(settings: ImageSettings) -> Iterator[Diagnostic]:
    keys = {
        "fal": ("FAL_KEY", bool(settings.fal_key.get_secret_value())),
        "gemini": ("GEMINI_API_KEY", bool(settings.gemini_api_key.get_secret_value())),
    }
    default = settings.provider_by_default
    variable, has_key = keys.get(default, ("", True))
    if has_key:
        yield ok(_SUBJECT, f"{default} is the default provider")
    else:
        yield problem(
            _SUBJECT,
            f"{default} is the default provider and has no key",
            f"set {variable}, or IMAGE_DEFAULT_PROVIDER=embedded",
        )
    for name in settings.fallback_order:
        variable, has_key = keys.get(name, ("", True))
        if not has_key:
            yield warning(_SUBJECT, f"{name} is a fallback provider and has no key", f"set {variable}")
        if name == default:
            yield warning(_SUBJECT, f"{name} is a fallback for itself", "remove it from IMAGE_FALLBACK_PROVIDERS")
    if keys["gemini"][1] and settings.gemini_model_id not in MODELS:
        names = ", ".join(MODELS)
        yield warning(
            _SUBJECT,
            f"GEMINI_IMAGE_MODEL is {settings.gemini_model_id}, an unknown model: only common shapes are requested",
            f"check the name; known models are {names}",
        )
    if keys["gemini"][1]:
        yield from diagnose_model(MODELS, settings.gemini_model_id, _SUBJECT, "GEMINI_IMAGE_MODEL")
    if bool(settings.brand_secondary_color) and not settings.brand_primary_color:
        yield warning(_SUBJECT, "the brand has a secondary colour and no primary colour", "set BRAND_PRIMARY_COLOR")


def _check_cache(settings: ImageSettings) -> Iterator[Diagnostic]:
    if settings.store_binary and not settings.caching_enabled:
        yield warning(
            _SUBJECT, "IMAGE_STORE_BINARY is set, but caching is off", "set IMAGE_CACHING_ENABLED=true, or unset it"
        )
