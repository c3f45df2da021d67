from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetUsageRequest(_message.Message):
    __slots__ = ("start_date", "end_date", "service")
    START_DATE_FIELD_NUMBER: _ClassVar[int]
    END_DATE_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    start_date: str
    end_date: str
    service: str
    def __init__(self, start_date: _Optional[str] = ..., end_date: _Optional[str] = ..., service: _Optional[str] = ...) -> None: ...

class GetUsageResponse(_message.Message):
    __slots__ = ("days", "totals")
    DAYS_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    days: _containers.RepeatedCompositeFieldContainer[UsageDay]
    totals: UsageTotals
    def __init__(self, days: _Optional[_Iterable[_Union[UsageDay, _Mapping]]] = ..., totals: _Optional[_Union[UsageTotals, _Mapping]] = ...) -> None: ...

class UsageDay(_message.Message):
    __slots__ = ("date", "totals")
    DATE_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    date: str
    totals: UsageTotals
    def __init__(self, date: _Optional[str] = ..., totals: _Optional[_Union[UsageTotals, _Mapping]] = ...) -> None: ...

class UsageTotals(_message.Message):
    __slots__ = ("calls", "unfinished_calls", "characters", "provider_cost_units", "cache_hits", "joined_calls", "saved_characters", "saved_cost_units")
    CALLS_FIELD_NUMBER: _ClassVar[int]
    UNFINISHED_CALLS_FIELD_NUMBER: _ClassVar[int]
    CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_COST_UNITS_FIELD_NUMBER: _ClassVar[int]
    CACHE_HITS_FIELD_NUMBER: _ClassVar[int]
    JOINED_CALLS_FIELD_NUMBER: _ClassVar[int]
    SAVED_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    SAVED_COST_UNITS_FIELD_NUMBER: _ClassVar[int]
    calls: int
    unfinished_calls: int
    characters: int
    provider_cost_units: int
    cache_hits: int
    joined_calls: int
    saved_characters: int
    saved_cost_units: int
    def __init__(self, calls: _Optional[int] = ..., unfinished_calls: _Optional[int] = ..., characters: _Optional[int] = ..., provider_cost_units: _Optional[int] = ..., cache_hits: _Optional[int] = ..., joined_calls: _Optional[int] = ..., saved_characters: _Optional[int] = ..., saved_cost_units: _Optional[int] = ...) -> None: ...
