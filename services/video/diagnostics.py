"""Checks the configuration of the video service without network access."""

from __future__ import annotations

from collections.abc import Iterator

from services.common.diagnostics import Diagnostic, ok, problem, warning
from services.common.providers.models import diagnose_model
from services.common.settings import ConfigurationError
from services.common.storage.factory import diagnose_storage
from services.video.ffmpeg import find_ffmpeg, list_missing_parts
from services.video.providers.replicate.request import MODELS
from services.video.settings import VideoSettings

_SUBJECT = "videos"


def diagnose_video(settings: VideoSettings) -> list[Diagnostic]:
    """Return diagnostics of the providers, of ffmpeg and of the storage."""
    return [*_check_providers(settings), *_check_ffmpeg(settings), *diagnose_storage(settings)]


def _check_providers(settings: VideoSettings) -> Iterator[Diagnostic]:
    has_token = bool(settings.replicate_api_token.get_secret_value())
    if settings.provider_by_default == "replicate" and not has_token:
        yield problem(
            _SUBJECT,
            "the default provider replicate has no token",
            "set REPLICATE_API_TOKEN, or VIDEO_DEFAULT_PROVIDER=embedded",
        )
    else:
        yield ok(_SUBJECT, f"the default provider is {settings.provider_by_default}")
    if has_token and settings.replicate_model not in MODELS:
        yield warning(
            _SUBJECT,
            f"the inputs of {settings.replicate_model} are unknown: the service cannot check them before it pays",
            f"check REPLICATE_MODEL; known models are {', '.join(MODELS)}",
        )
    if has_token:
        yield from diagnose_model(MODELS, settings.replicate_model, _SUBJECT, "REPLICATE_MODEL")
    if settings.allowed_models and settings.replicate_model not in settings.allowed_models:
        yield warning(_SUBJECT, "REPLICATE_MODELS does not contain REPLICATE_MODEL", "add it, or remove the list")
    if has_token and not settings.webhook_url:
        yield ok(
            _SUBJECT,
            "the service polls replicate; with a public https address (MEDIA_PUBLIC_URL), replicate sends webhooks",
        )


def _check_ffmpeg(settings: VideoSettings) -> Iterator[Diagnostic]:
    try:
        found = find_ffmpeg(settings.ffmpeg_binary)
    except ConfigurationError as error:
        yield problem(_SUBJECT, str(error), "set FFMPEG_BINARY to an executable program, or unset it")
        return
    # The program of the wheel has all of them.
    missing = list_missing_parts(found) if settings.ffmpeg_binary else []
    if missing:
        yield problem(
            _SUBJECT,
            f"ffmpeg has no {', '.join(missing)}",
            "set FFMPEG_BINARY to a program that is built with libx264, libass and zimg, or unset it",
        )
    else:
        yield ok(_SUBJECT, f"ffmpeg is {found.name}, at most {settings.ffmpeg_slots} at once")
