"""The hand-written routes for speech as the document describes them."""

from __future__ import annotations

from collections.abc import Mapping

from media.tts.v1 import tts_pb2

from gateway.openapi.route_spec import Content, HandWritten, Header, Query, Response
from gateway.openapi.timing_schemas import INTEGER, TIMESTAMP_LINE

_SPEECH_TAG = ("Text to speech",)

_EXAMPLES: Mapping[str, Mapping[str, object]] = {
    "A sentence": {"text": "Hello! This is the media suite speaking."},
    "The embedded engine": {
        "text": "No key is needed for this voice.",
        "provider": "espeak",
        "outputFormat": "wav_22050",
    },
    "With delivery": {
        "text": "Slowly now, and steadily.",
        "voice": "Aria",
        "stability": 0.8,
        "speed": 0.9,
        "outputFormat": "mp3_44100_64",
    },
}

_DURATION = Header("X-Media-Duration-Seconds", "Length of the audio in seconds.", {"type": "number"})
_SPEECH_HEADERS = (
    Header("X-Media-Provider", "Provider of the audio."),
    Header("X-Media-Voice-Id", "Id of the voice that speaks."),
    Header("X-Media-Voice-Name", "Name of the voice that speaks, percent-encoded UTF-8."),
    Header("X-Media-Sample-Rate-Hz", "Samples per second of the audio.", INTEGER),
    Header(
        "X-Media-Cache",
        "Whether the audio was made for this call.",
        {"type": "string", "enum": ["miss", "hit", "joined", "bypass", "unspecified"]},
    ),
    Header(
        "X-Media-Ignored-Fields",
        "Request fields that were set and that the provider cannot honour, separated by commas; absent if none.",
    ),
    Header("X-Media-Id", "Id of the stored audio, once the answer has ended whole; absent without `store`."),
)

SPEECH_ROUTES: tuple[HandWritten, ...] = (
    HandWritten(
        method="POST",
        path="/api/speech",
        operation_id="speak",
        tags=_SPEECH_TAG,
        summary="Synthesizes speech and returns it whole",
        description="Nothing is sent unless the whole audio was made, so `Content-Length` is always there.",
        request=tts_pb2.SynthesizeRequest,
        request_omits=("include_alignment",),
        examples=_EXAMPLES,
        responses=(
            Response(
                "The audio, in `outputFormat`.",
                (Content("audio/*"),),
                (
                    Header("Content-Length", "Bytes of audio.", INTEGER),
                    _DURATION,
                    Header("Repr-Digest", "SHA-256 of the audio as RFC 9530 writes it."),
                    Header("X-Media-Key", "Key of the stored audio; absent without `store`."),
                    Header("X-Media-Url", "Address of the stored audio; absent without `store`."),
                    *_SPEECH_HEADERS,
                ),
            ),
        ),
    ),
    HandWritten(
        method="POST",
        path="/api/speech/stream",
        operation_id="streamSpeech",
        tags=_SPEECH_TAG,
        summary="Synthesizes speech and streams it while it is made",
        description=(
            "The audio comes in chunks as soon as the provider has made them. A stream that fails on the way ends"
            " without the final chunk: clients that check chunked encoding report an error."
        ),
        request=tts_pb2.SynthesizeStreamRequest,
        request_omits=("include_alignment",),
        examples=_EXAMPLES,
        responses=(Response("The audio, in `outputFormat`, chunked.", (Content("audio/*"),), _SPEECH_HEADERS),),
    ),
    HandWritten(
        method="POST",
        path="/api/speech/timestamps",
        operation_id="streamSpeechWithTimestamps",
        tags=_SPEECH_TAG,
        summary="Synthesizes speech and streams it with the timing of each character",
        description=(
            "The answer is newline-delimited JSON: a line with `header`, lines with `audioBase64` and, where known by"
            " then, `alignment`, and last a line with `done`, which has the times of words and sentences. If it fails"
            " on the way, the last line is an `Error` instead, and the final chunk is missing. Alignment has the names"
            " that players of ElevenLabs timings read."
        ),
        request=tts_pb2.SynthesizeStreamRequest,
        request_omits=("include_alignment",),
        examples=_EXAMPLES,
        responses=(
            Response("Lines of JSON, chunked.", (Content("application/x-ndjson", TIMESTAMP_LINE),), _SPEECH_HEADERS),
        ),
    ),
    HandWritten(
        method="POST",
        path="/api/speech/captions",
        operation_id="captionSpeech",
        tags=_SPEECH_TAG,
        summary="Synthesizes speech and returns its captions",
        description=(
            "The captions fit the audio that the same body gets from `/api/speech`: two lines at most of 42 characters,"
            " half as many of double width, for 7 seconds at most. Where caching is on, one of the two is paid for."
        ),
        request=tts_pb2.SynthesizeRequest,
        request_omits=("include_alignment", "store"),
        query=(
            Query(
                "format",
                "Kind of the file. Default: as the `Accept` header prefers, else vtt.",
                {"type": "string", "enum": ["vtt", "srt"]},
            ),
        ),
        examples=_EXAMPLES,
        responses=(
            Response(
                "The captions, in UTF-8.",
                (Content("text/vtt", {"type": "string"}), Content("application/x-subrip", {"type": "string"})),
                (_DURATION, *_SPEECH_HEADERS),
            ),
        ),
    ),
)
