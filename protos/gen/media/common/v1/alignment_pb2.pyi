from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Alignment(_message.Message):
    __slots__ = ("characters", "character_start_times_seconds", "character_end_times_seconds")
    CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    CHARACTER_START_TIMES_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CHARACTER_END_TIMES_SECONDS_FIELD_NUMBER: _ClassVar[int]
    characters: _containers.RepeatedScalarFieldContainer[str]
    character_start_times_seconds: _containers.RepeatedScalarFieldContainer[float]
    character_end_times_seconds: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, characters: _Optional[_Iterable[str]] = ..., character_start_times_seconds: _Optional[_Iterable[float]] = ..., character_end_times_seconds: _Optional[_Iterable[float]] = ...) -> None: ...

class RawAlignment(_message.Message):
    __slots__ = ("characters",)
    CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    characters: _containers.RepeatedCompositeFieldContainer[TimedCharacter]
    def __init__(self, characters: _Optional[_Iterable[_Union[TimedCharacter, _Mapping]]] = ...) -> None: ...

class TimedCharacter(_message.Message):
    __slots__ = ("char", "start", "end")
    CHAR_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    char: str
    start: float
    end: float
    def __init__(self, char: _Optional[str] = ..., start: _Optional[float] = ..., end: _Optional[float] = ...) -> None: ...
