"""Joins the audio of several provider calls so that it is one file or stream of its format."""

from services.tts.joining.joiner import AudioJoiner, build_joiner

__all__ = ["AudioJoiner", "build_joiner"]
