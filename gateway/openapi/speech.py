"""Describes the hand-written routes for speech."""

from __future__ import annotations

from collections.abc import Mapping

from media.tts.v1 import tts_pb2

from gateway.openapi.route_spec import SIGNED_QUERY, Content, HandWritten, Header, Query, Response
from gateway.openapi.timing_schemas import ALIGNMENT_FORM, INTEGER, TIMESTAMP_LINE

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

_LINK = {
    "type": "object",
    "required": ["success", "url", "urlExpireTime"],
    "properties": {
        "success": {"const": True},
        "url": {"type": "string", "description": "Signed URL of the speech; it needs no header."},
        "urlExpireTime": {"type": "string", "format": "date-time", "description": "When `url` expires."},
    },
}
_DURATION = Header("X-Media-Duration-Seconds", "Length of the audio in seconds.", {"type": "number"})
_SPEECH_HEADERS = (
    Header("X-Media-Provider", "Provider of the audio."),
    Header("X-Media-Voice-Id", "Id of the voice."),
    Header("X-Media-Voice-Name", "Name of the voice, percent-encoded UTF-8."),
    Header("X-Media-Sample-Rate-Hz", "Samples per second of the audio.", INTEGER),
    Header(
        "X-Media-Cache",
        "Whether the audio came from the cache: `hit`; `joined` shares a call that was already running.",
        {"type": "string", "enum": ["miss", "hit", "joined", "bypass", "unspecified"]},
    ),
    Header(
        "X-Media-Ignored-Fields",
        "Request fields that are set but that the provider does not support, separated by commas; absent if none.",
    ),
    Header("X-Media-Id", "Id of the stored audio, valid after a complete response; absent without `store`."),
)

SPEECH_ROUTES: tuple[HandWritten, ...] = (
    HandWritten(
        method="POST",
        path="/api/speech",
        operation_id="speak",
        tags=_SPEECH_TAG,
        summary="Synthesize speech",
        description=(
            "The response is the whole audio, or an error. `Content-Length` is always present. With `link=1`, the"
            " response is a signed URL that streams the audio, for media elements of a browser."
        ),
        request=tts_pb2.SynthesizeRequest,
        request_omits=("include_alignment",),
        query=(
            Query(
                "link",
                "1: answer with a signed URL of the speech, which is produced and paid when the URL is first fetched."
                " Default: 0.",
                {"type": "integer", "enum": [0, 1]},
            ),
        ),
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
            Response(
                "With `link=1`: the signed URL.",
                (Content("application/json", _LINK),),
                (Header("Location", "The signed URL."),),
                status=201,
            ),
        ),
    ),
    HandWritten(
        method="GET",
        path="/api/speech/links/{id}",
        operation_id="playSpeech",
        tags=_SPEECH_TAG,
        summary="Play the speech of a link",
        description=(
            "The audio is streamed while it is generated; the first request starts that. Once it is complete, it is a"
            " file with `Content-Length`, entity tag and ranges until the link expires. A request for another part than"
            " the whole waits for that. The speech is paid once, however often it is fetched."
        ),
        in_path=(Query("id", "Id of the link.", {"type": "string"}),),
        query=SIGNED_QUERY,
        in_headers=(Header("Range", "The part to return."),),
        responses=(
            Response("The audio, chunked while it is generated.", (Content("audio/*"),)),
            Response("The requested part.", (Content("audio/*"),), (Header("Content-Range", "The part."),), 206),
        ),
    ),
    HandWritten(
        method="POST",
        path="/api/speech/stream",
        operation_id="streamSpeech",
        tags=_SPEECH_TAG,
        summary="Stream speech",
        description=(
            "The audio is sent in chunks while the provider generates it. A stream that fails ends without the final"
            " chunk, so that clients which check chunked encoding report an error."
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
        summary="Stream speech with the timing of each character",
        description=(
            "The response is newline-delimited JSON: a line with `header`, lines with `audioBase64` and, if known by"
            " then, `alignment`, and last a line with `done`, which has the times of words and sentences. If it fails,"
            " the last line is an `Error` instead, and the final chunk is missing. The fields of an alignment have the"
            " names that ElevenLabs uses, in snake_case. `alignmentForm` may stand in the body, too."
        ),
        request=tts_pb2.SynthesizeStreamRequest,
        request_omits=("include_alignment",),
        query=(ALIGNMENT_FORM,),
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
        summary="Generate captions of speech",
        description=(
            "The captions match the audio that `/api/speech` returns for the same body. A caption has at most two lines"
            " of 42 characters (21 of double width) and lasts at most 7 seconds. With a cache, the second of the two"
            " requests costs nothing."
        ),
        request=tts_pb2.SynthesizeRequest,
        request_omits=("include_alignment", "store"),
        query=(
            Query(
                "format",
                "Format of the file. Default: the format that the `Accept` header prefers, else vtt.",
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
