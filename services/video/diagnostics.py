"""What can be told of the video service's configuration without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator

from services.common.diagnostics import Diagnostic, ok, problem, warning
from services.common.settings import ConfigurationError
from services.common.storage.diagnostics import diagnose_storage
from services.video.ffmpeg import ffmpeg_binary
from services.video.providers.replicate.request import MODELS
from services.video.settings import VideoSettings

_SUBJECT = "videos"


def diagnostics(settings: VideoSettings) -> list[Diagnostic]:
    """Return who makes videos, with which ffmpeg, where they are kept, and what contradicts itself."""
    return [*_providers(settings), *_ffmpeg(settings), *diagnose_storage(settings)]


def _providers(settings: VideoSettings) -> Iterator[Diagnostic]:
    has_token = bool(settings.replicate_api_token.get_secret_value())
    if settings.provider_by_default == "replicate" and not has_token:
        yield problem(
            _SUBJECT,
            "replicate makes videos by default and has no token",
            "set REPLICATE_API_TOKEN, or VIDEO_DEFAULT_PROVIDER=embedded",
        )
    else:
        yield ok(_SUBJECT, f"{settings.provider_by_default} makes videos by default")
    if has_token and settings.replicate_model not in MODELS:
        yield warning(
            _SUBJECT,
            f"the inputs of {settings.replicate_model} are not known here and are not checked before they are paid for",
            f"check REPLICATE_MODEL; known are {', '.join(MODELS)}",
        )
    if settings.allowed_models and settings.replicate_model not in settings.allowed_models:
        yield warning(_SUBJECT, "REPLICATE_MODELS does not contain REPLICATE_MODEL", "add it, or remove the list")
    if has_token and not settings.webhook_url:
        yield ok(_SUBJECT, "replicate is asked for its progress; with a public https address it would tell it")


def _ffmpeg(settings: VideoSettings) -> Iterator[Diagnostic]:
    try:
        found = ffmpeg_binary(settings.ffmpeg_binary)
    except ConfigurationError as error:
        yield problem(_SUBJECT, str(error), "set FFMPEG_BINARY to a program that can be run, or unset it")
    else:
        yield ok(_SUBJECT, f"ffmpeg is {found.name}, {settings.ffmpeg_slots} at once")
