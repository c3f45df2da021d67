"""The embedded speech provider: espeak-ng in a separate process, called over a socket."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.tts.providers.espeak.engine_process import EspeakSettings
    from services.tts.providers.espeak.provider import EspeakProvider, open_espeak

__all__ = ["EspeakProvider", "EspeakSettings", "open_espeak"]

_MODULES = {"EspeakProvider": "provider", "EspeakSettings": "engine_process", "open_espeak": "provider"}


def __getattr__(name: str) -> object:
    """Import the provider at its first use: the engine process imports this package too, and must stay small."""
    if name not in _MODULES:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
