"""Tests of the settings of the image service and of their diagnostics."""

from __future__ import annotations

from typing import Any

import pytest

from services.common.diagnostics import Level
from services.common.settings import ConfigurationError, load
from services.image.diagnostics import diagnose_image
from services.image.settings import ImageSettings


def make_settings(**fields: Any) -> ImageSettings:
    return ImageSettings(_env_file=None, **fields)


def list_messages(level: Level, **fields: Any) -> list[str]:
    return [diagnostic.message for diagnostic in diagnose_image(make_settings(**fields)) if diagnostic.level is level]


@pytest.mark.parametrize(
    ("fields", "default"),
    [
        ({}, "embedded"),
        ({"gemini_api_key": "g"}, "gemini"),
        ({"gemini_api_key": "g", "fal_key": "f"}, "fal"),
        ({"fal_key": "f", "default_provider": "embedded"}, "embedded"),
    ],
)
def test_the_first_provider_with_a_key_is_the_default(fields: Any, default: str) -> None:
    assert make_settings(**fields).provider_by_default == default


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BRAND_PRIMARY_COLOR", "blue"),
        ("IMAGE_DEFAULT_PROVIDER", "dalle"),
        ("IMAGE_FALLBACK_PROVIDERS", "embedded,dalle"),
        ("MEDIA_STORAGE", "ftp"),
        ("MEDIA_URL_LIFETIME_SECONDS", "700000"),
        ("GEMINI_IMAGE_MODEL", "../x"),
        ("FAL_QUEUE_BASE_URL", "queue.fal.run"),
        ("MEDIA_FETCH_ALLOW", "a b"),
        ("IMAGE_WORKERS", "0"),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        load(ImageSettings)


def test_the_defaults_have_no_problems() -> None:
    assert list_messages(Level.PROBLEM) == list_messages(Level.WARNING) == []
    assert "embedded is the default provider" in list_messages(Level.OK)


@pytest.mark.parametrize(
    ("fields", "level", "text"),
    [
        ({"default_provider": "fal"}, Level.PROBLEM, "fal is the default provider and has no key"),
        ({"storage": "supabase"}, Level.PROBLEM, "SUPABASE_URL"),
        ({"storage": "spaces", "spaces_key": "k"}, Level.PROBLEM, "DIGITALOCEAN_SPACES_SECRET"),
        ({"fallback_providers": "gemini"}, Level.WARNING, "gemini is a fallback provider"),
        ({"fallback_providers": "embedded"}, Level.WARNING, "embedded is a fallback for itself"),
        ({"gemini_api_key": "g", "gemini_model_id": "gemini-9"}, Level.WARNING, "gemini-9"),
        ({"brand_secondary_color": "#00AA66"}, Level.WARNING, "secondary colour"),
        ({"store_binary": True}, Level.WARNING, "caching is off"),
        ({"supabase_url": "https://x.supabase.co"}, Level.WARNING, "SUPABASE_SERVICE_ROLE"),
        ({"s3_bucket": "b", "s3_access_key_id": "k"}, Level.WARNING, "S3_SECRET_ACCESS_KEY"),
        ({"spaces_secret": "s"}, Level.WARNING, "Spaces has a secret and no key"),
        (
            {"s3_bucket": "b", "supabase_url": "https://x.supabase.co", "supabase_service_role": "r"},
            Level.WARNING,
            "supabase, s3 are all configured",
        ),
    ],
)
def test_contradictions_are_reported(fields: Any, level: Level, text: str) -> None:
    assert any(text in message for message in list_messages(level, **fields))


def test_every_warning_has_a_remedy_and_no_diagnostic_contains_a_secret() -> None:
    configured = make_settings(
        default_provider="gemini", fal_key="secret", spaces_key="secret", supabase_service_role="secret"
    )
    for diagnostic in diagnose_image(configured):
        assert diagnostic.level is Level.OK or diagnostic.remedy
        assert "secret" not in f"{diagnostic.message} {diagnostic.remedy}".replace("SECRET", "")
