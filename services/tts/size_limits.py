"""How large speech may be: what its caller can receive, and what the text needs at least."""

from __future__ import annotations

from services.common.errors import MediaError, Reason
from services.common.text.directions import remove_directions
from services.tts.events import Plan
from services.tts.formats import OutputFormat
from services.tts.providers.interface import SpeechSpec

MAX_CHUNK_BYTES = 1024 * 1024
"""Most audio in one message of a stream, so that every client can receive it."""
ALIGNMENT_BYTES_PER_CHARACTER = 24
"""Size of the timing of one character in a message, rounded up."""
_MAX_LETTERS_PER_SECOND = 25.0
"""No voice at its own tempo speaks faster; usual are 12 to 18."""


def estimate_min_audio_bytes(spec: SpeechSpec) -> int:
    """Return a size that the audio of `spec` reaches in any case; most audio is larger."""
    letters = sum(map(str.isalnum, remove_directions(spec.text)))
    seconds = letters / (_MAX_LETTERS_PER_SECOND * max(1.0, spec.settings.speed or 1.0))
    return int(seconds * _get_bytes_per_second(spec.output_format))


def check_estimated_size(plan: Plan, max_audio_bytes: int, remedy: str) -> None:
    """Raise if the audio of `plan` will be too large in any case; called before a provider is paid.

    Args:
        plan: The plan.
        max_audio_bytes: Largest audio that is allowed.
        remedy: What the caller can do instead.

    Raises:
        MediaError: OUTPUT_TOO_LARGE.
    """
    least_bytes = estimate_min_audio_bytes(plan.spec)
    if least_bytes > max_audio_bytes:
        raise MediaError(
            Reason.OUTPUT_TOO_LARGE,
            f"The audio would have at least {least_bytes} bytes, more than {max_audio_bytes}; {remedy}.",
            metadata={"max_bytes": str(max_audio_bytes), "least_bytes": str(least_bytes)},
        )


def _get_bytes_per_second(output_format: OutputFormat) -> float:
    if output_format.bit_rate_kbps is not None:
        return output_format.bit_rate_kbps * 1000 / 8
    bytes_per_sample = 1 if output_format.family in ("ulaw", "alaw") else 2
    return output_format.sample_rate_hz * bytes_per_sample
