"""Schemas of the timing of speech, for the lines of POST /api/speech/timestamps."""

from __future__ import annotations

from media.tts.v1 import tts_pb2

from gateway.alignment_form import FORMS, PARAMETER
from gateway.openapi.route_spec import Query

INTEGER = {"type": "integer", "minimum": 0}
"""A count."""

_ALIGNMENT = {
    "type": "object",
    "description": "Start and end of each character; the three lists have the same length.",
    "properties": {
        "characters": {"type": "array", "items": {"type": "string"}, "description": "The characters, in order."},
        "character_start_times_seconds": {
            "type": "array",
            "items": {"type": "number", "minimum": 0},
            "description": "Start of each character, in seconds from the start of the whole audio.",
        },
        "character_end_times_seconds": {
            "type": "array",
            "items": {"type": "number", "minimum": 0},
            "description": "End of each character, in seconds from the start of the whole audio.",
        },
    },
    "required": ["characters", "character_start_times_seconds", "character_end_times_seconds"],
}


_RAW_ALIGNMENT = {
    "type": "object",
    "description": "The same timing in the raw form, with `alignmentForm=raw`.",
    "properties": {
        "characters": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "char": {"type": "string", "description": "The character."},
                    "start": {"type": "number", "minimum": 0, "description": "Its start, in seconds."},
                    "end": {"type": "number", "minimum": 0, "description": "Its end, in seconds."},
                },
                "required": ["char", "start", "end"],
            },
            "description": "The characters with their times, in order.",
        }
    },
    "required": ["characters"],
}
ALIGNMENT_FORM = Query(
    PARAMETER,
    "Form of the timing: `normalized`, lists of characters, starts and ends; or `raw`, an object `{char, start, end}`"
    " for each character. Default: normalized.",
    {"type": "string", "enum": list(FORMS)},
)
"""The parameter of every route that gives timing."""


def build_one_field_schema(name: str, schema: object, description: str) -> dict[str, object]:
    """Return the schema of an object whose only field is `name`."""
    return {
        "type": "object",
        "description": description,
        "properties": {name: schema},
        "required": [name],
        "additionalProperties": False,
    }


_SECONDS = {"type": "number", "minimum": 0}
_TIMED_SPAN = {
    "type": "object",
    "description": "A part of the text, with its time in the audio.",
    "properties": {
        "text": {"type": "string", "description": "The text of the part."},
        "startSeconds": {**_SECONDS, "description": "Start, in seconds from the start of the whole audio."},
        "endSeconds": {**_SECONDS, "description": "End, in seconds from the start of the whole audio."},
        "textOffset": {**INTEGER, "description": "Number of code points before the part, in all `characters` joined."},
        "textLength": {**INTEGER, "description": "Number of code points in the part."},
    },
    "required": ["text", "startSeconds", "endSeconds", "textOffset", "textLength"],
}
_HIGHLIGHTS = {
    "type": "object",
    "properties": {
        "words": {
            "type": "array",
            "description": "The words with their punctuation, in order; in Chinese and Japanese, each character.",
            "items": _TIMED_SPAN,
        },
        "sentences": {"type": "array", "description": "The sentences, in order.", "items": _TIMED_SPAN},
    },
    "required": ["words", "sentences"],
}

TIMESTAMP_LINE = {
    "description": "One line of the response.",
    "oneOf": [
        build_one_field_schema(
            "header", tts_pb2.SpeechHeader, "The first line: voice, format and provider of the audio."
        ),
        {
            "type": "object",
            "description": "A piece of the audio, with the timing of the characters that end in it.",
            "properties": {
                "audioBase64": {
                    "type": "string",
                    "contentEncoding": "base64",
                    "description": "The next bytes of the audio; may be empty if only timing arrived.",
                },
                "alignment": {"oneOf": [_ALIGNMENT, _RAW_ALIGNMENT]},
            },
            "required": ["audioBase64"],
            "additionalProperties": False,
        },
        build_one_field_schema(
            "done", {"allOf": [tts_pb2.SpeechDone, _HIGHLIGHTS]}, "The last line of a complete response."
        ),
        {"$ref": "#/components/schemas/Error"},
    ],
}
"""One line of the response of POST /api/speech/timestamps."""
