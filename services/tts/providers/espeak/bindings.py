"""Bindings of libespeak-ng; the library allows one instance per process, used by one thread."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import espeakng_loader

from services.tts.providers.espeak.encoding import SOURCE_RATE_HZ

_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_RATE = 1
_UTF8 = 1
_BUFFER_MILLISECONDS = 60
_CONTINUE, _STOP = 0, 1
# By default the library seeds its noise from the clock, and the same text would give different bytes.
_SEED = 1

# NUL would end the text, and 0x01 would start a command to the engine: replace control characters with blanks.
_UNSPOKEN = {code: " " for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\r"}


class EngineError(Exception):
    """Raised when the library refuses a voice, tempo or text, or does not start."""


class MarkKind(Enum):
    """The event that a mark reports; the values are those of the library."""

    WORD = 1
    CLAUSE_END = 5


@dataclass(frozen=True, slots=True)
class Mark:
    """Links a sample of the audio to a position in the text."""

    kind: MarkKind
    position: int
    """Code point from 0: the first of a word, or the first after a clause. May be beyond the end of the text."""
    sample: int


Sink = Callable[[bytes, list[Mark]], bool]
"""Called with the next PCM and its marks; returns whether to continue."""


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))
_MARK_KINDS = {kind.value: kind for kind in MarkKind}


class SpeechLibrary:
    """The instance of the library; a process may have only one.

    Raises:
        EngineError: The library did not start, or has another sample rate than expected.
    """

    def __init__(self) -> None:
        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        self._lib.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        self._lib.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        self._lib.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
        self._lib.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        self._lib.espeak_Synth.argtypes = [
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int),
            *(ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
        ]
        data = espeakng_loader.get_data_path().encode()
        if self._lib.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MILLISECONDS, data, _DO_NOT_EXIT) != SOURCE_RATE_HZ:
            raise EngineError("espeak-ng did not start at 22,050 Hz")
        self._sink: Sink | None = None
        self._failure: BaseException | None = None
        # The library keeps a pointer to the callback, so this reference must live as long as the library.
        self._callback = _Callback(self._on_audio)
        self._lib.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, identifier: str, words_per_minute: int, sink: Sink) -> None:
        """Speak `text`, and pass audio of at most 60 ms at a time to `sink`, until the end or until it returns False.

        Args:
            text: Any text; characters that cannot be spoken become a pause.
            identifier: The library's name of a voice. Must not come from a caller: the library opens it as a path.
            words_per_minute: Tempo, 80 to 450.
            sink: Called with the speech; its exceptions are raised here.

        Raises:
            EngineError: The library refused voice, tempo or text.
        """
        self._lib.espeak_ng_SetRandSeed(_SEED)
        self._check_status(self._lib.espeak_SetVoiceByName(identifier.encode()))
        self._check_status(self._lib.espeak_SetParameter(_RATE, words_per_minute, 0))
        self._sink, self._failure = sink, None
        encoded = text.translate(_UNSPOKEN).encode("utf-8", "replace") + b"\0"
        status = self._lib.espeak_Synth(encoded, len(encoded), 0, 1, 0, _UTF8, None, None)
        self._sink = None
        if self._failure is not None:
            raise self._failure
        self._check_status(status)

    def _on_audio(self, samples: int | None, count: int, events: ctypes._Pointer[_Event]) -> int:
        """Pass audio to the sink; called by C, so exceptions are stored and raised by speak()."""
        try:
            if self._sink is None:
                return _STOP
            pcm = ctypes.string_at(samples, count * 2) if samples and count > 0 else b""
            return _CONTINUE if self._sink(pcm, _read_marks(events)) else _STOP
        except BaseException as error:  # noqa: BLE001 - stored for speak(), which raises it
            self._failure = error
            return _STOP

    @staticmethod
    def _check_status(status: int) -> None:
        if status != 0:
            raise EngineError(f"espeak-ng failed with status {status}")


def _read_marks(events: ctypes._Pointer[_Event]) -> list[Mark]:
    marks = []
    index = 0
    while (event := events[index]).type != 0:
        if kind := _MARK_KINDS.get(event.type):
            # The library counts word positions from 1, and reports a clause end as the number of characters before it.
            position = event.text_position - 1 if kind is MarkKind.WORD else event.text_position
            marks.append(Mark(kind, position, event.sample))
        index += 1
    return marks
