"""The speech cache: the key of a request, the stored document, and its replay as a stream."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import orjson

from services.common.cache import Collection, Entry
from services.common.timing.alignment import Alignment, join_alignments
from services.tts.events import Done, Header, Plan, SpeechEvent, with_cache_status
from services.tts.providers.interface import AudioChunk, SpeechSpec, VoiceSettings

COLLECTION = Collection(name="TTSCache", data_field="audioData")

_KEY_VERSION = 2
"""Increase it when the same request may sound different from what older versions stored."""
_DOCUMENT_FIELDS = ("contentType", "voiceId", "voiceName", "textLength", "parameters")
_SETTINGS = tuple(item.name for item in fields(VoiceSettings))
_REPLAY_BYTES = 64 * 1024
_BYTES_PER_CHARACTER = 120
"""Approximate memory for the timing of one character."""


@dataclass(frozen=True, slots=True)
class CachedSpeech:
    """A whole utterance with its timing."""

    audio: bytes
    alignment: Alignment
    done: Done
    ignored_fields: tuple[str, ...]
    document: dict[str, Any]
    """Fields that describe the entry to a reader of the database."""


def build_cache_key(plan: Plan) -> str:
    """Return the SHA-256 of everything that decides how the audio of `plan` sounds."""
    spec = plan.spec
    decisive = {
        "version": _KEY_VERSION,
        "provider": plan.provider.name,
        "text": spec.text,
        "voiceId": spec.voice.voice_id,
        **_to_parameters(spec),
        "previousText": spec.previous_text,
        "nextText": spec.next_text,
        "previousRequestIds": spec.previous_request_ids,
        "nextRequestIds": spec.next_request_ids,
    }
    return hashlib.sha256(orjson.dumps(decisive, option=orjson.OPT_SORT_KEYS)).hexdigest()


def replay(cached: CachedSpeech, plan: Plan) -> Iterator[SpeechEvent]:
    """Yield a cached utterance as header, chunks and `Done`, with the timing next to its audio."""
    yield Header(plan.spec, plan.provider.name, ignored_fields=cached.ignored_fields, cache_status="hit")
    audio, alignment = cached.audio, cached.alignment
    sent = 0
    for start in range(0, len(audio), _REPLAY_BYTES):
        end = min(start + _REPLAY_BYTES, len(audio))
        spoken = bisect_right(alignment.ends_seconds, cached.done.duration_seconds * end / len(audio))
        upto = spoken if end < len(audio) else len(alignment)
        piece = Alignment(
            alignment.characters[sent:upto], alignment.starts_seconds[sent:upto], alignment.ends_seconds[sent:upto]
        )
        sent = upto
        yield AudioChunk(audio[start:end], piece if len(piece) else None)
    yield with_cache_status(cached.done, "hit")


class SpeechRecorder:
    """Collects the events of a production for a cache entry."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._audio: list[bytes] = []
        self._timing: list[Alignment] = []
        self._header: Header | None = None
        self._done: Done | None = None

    def feed(self, event: SpeechEvent) -> None:
        """Record the next event."""
        match event:
            case AudioChunk():
                self._audio.append(event.audio)
                if event.alignment is not None:
                    self._timing.append(event.alignment)
            case Header():
                self._header = event
            case Done():
                self._done = event

    def build_entry(self) -> CachedSpeech | None:
        """Return the cache entry; None if the speech is incomplete, resumed, or from a fallback provider."""
        header, done = self._header, self._done
        if header is None or done is None or done.seams or header.provider != self._plan.provider.name:
            return None
        spec = self._plan.spec
        document = {
            "contentType": spec.output_format.content_type,
            "voiceId": spec.voice.voice_id,
            "voiceName": spec.voice.name,
            "textLength": len(spec.text),
            "parameters": {"provider": header.provider, **_to_parameters(spec)},
        }
        return CachedSpeech(b"".join(self._audio), join_alignments(self._timing), done, header.ignored_fields, document)


class SpeechCodec:
    """Converts utterances to documents of the store and back."""

    def encode(self, key: str, cached: CachedSpeech, created_at: datetime, expires_at: datetime) -> Entry:
        """Return the document: descriptive fields, then what a replay needs."""
        fields = {
            **cached.document,
            "audioSha256": cached.done.sha256,
            "durationSeconds": cached.done.duration_seconds,
            "costUnits": cached.done.cost_units,
            "ignoredFields": list(cached.ignored_fields),
            "alignment": {
                "characters": list(cached.alignment.characters),
                "character_start_times_seconds": list(cached.alignment.starts_seconds),
                "character_end_times_seconds": list(cached.alignment.ends_seconds),
            },
        }
        return Entry(key, fields, cached.audio, created_at, expires_at)

    def decode(self, entry: Entry) -> CachedSpeech:
        """Return the utterance of a document; raises if `encode` did not write it."""
        fields = entry.fields
        timing = fields["alignment"]
        alignment = Alignment(
            tuple(timing["characters"]),
            tuple(timing["character_start_times_seconds"]),
            tuple(timing["character_end_times_seconds"]),
        )
        done = Done(
            characters=fields["textLength"],
            audio_bytes=len(entry.data),
            duration_seconds=fields["durationSeconds"],
            sha256=fields["audioSha256"],
            cost_units=fields["costUnits"],
        )
        document = {name: fields[name] for name in _DOCUMENT_FIELDS}
        return CachedSpeech(entry.data, alignment, done, tuple(fields["ignoredFields"]), document)

    def size_bytes(self, cached: CachedSpeech) -> int:
        """Return approximately how much memory an utterance takes."""
        return len(cached.audio) + _BYTES_PER_CHARACTER * len(cached.alignment) + 1000


def _to_parameters(spec: SpeechSpec) -> dict[str, Any]:
    settings = {name: value for name in _SETTINGS if (value := getattr(spec.settings, name)) is not None}
    return {
        "voice": spec.voice.name,
        "modelId": spec.model_id,
        "outputFormat": spec.output_format.name,
        "languageCode": spec.language_code,
        "seed": spec.seed,
        "textNormalization": spec.apply_text_normalization,
        **settings,
    }
