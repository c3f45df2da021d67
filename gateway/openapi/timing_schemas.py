"""Schemas of timing as the hand-written routes answer it."""

from __future__ import annotations

from media.tts.v1 import tts_pb2

INTEGER = {"type": "integer", "minimum": 0}
"""A count."""

_ALIGNMENT = {
    "type": "object",
    "description": "When each character is heard; the three lists have the same length.",
    "properties": {
        "characters": {"type": "array", "items": {"type": "string"}, "description": "The characters, in order."},
        "character_start_times_seconds": {
            "type": "array",
            "items": {"type": "number", "minimum": 0},
            "description": "When each begins to sound, in seconds from the start of the whole audio.",
        },
        "character_end_times_seconds": {
            "type": "array",
            "items": {"type": "number", "minimum": 0},
            "description": "When each has been heard, in seconds from the start of the whole audio.",
        },
    },
    "required": ["characters", "character_start_times_seconds", "character_end_times_seconds"],
}


def build_one_field_schema(name: str, schema: object, description: str) -> dict[str, object]:
    """Return the schema of an object that has one field and no other."""
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
    "description": "A part of the text and when it is heard.",
    "properties": {
        "text": {"type": "string", "description": "The part itself."},
        "startSeconds": {**_SECONDS, "description": "When it begins to sound, from the start of the whole audio."},
        "endSeconds": {**_SECONDS, "description": "When it has been heard, from the start of the whole audio."},
        "textOffset": {**INTEGER, "description": "Code points before it in all `characters`, joined."},
        "textLength": {**INTEGER, "description": "Code points of it."},
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
    "description": "One line of the answer.",
    "oneOf": [
        build_one_field_schema("header", tts_pb2.SpeechHeader, "The first line: what the audio is."),
        {
            "type": "object",
            "description": "A piece of the audio with the timing of the characters it completes.",
            "properties": {
                "audioBase64": {
                    "type": "string",
                    "contentEncoding": "base64",
                    "description": "The next bytes of the audio; may be empty where only timing arrived.",
                },
                "alignment": _ALIGNMENT,
            },
            "required": ["audioBase64"],
            "additionalProperties": False,
        },
        build_one_field_schema(
            "done", {"allOf": [tts_pb2.SpeechDone, _HIGHLIGHTS]}, "The last line of a whole answer."
        ),
        {"$ref": "#/components/schemas/Error"},
    ],
}
"""One line of the answer of POST /api/speech/timestamps."""
