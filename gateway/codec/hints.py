"""Names that callers use for fields of the contract, and hints where an unknown field belongs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.codec.violations import to_camel_case

OTHER_NAMES: Mapping[str, tuple[str, ...]] = {"voice": ("voiceId", "voice_id")}
"""Names that JSON takes for a field besides its own, in every message that has no field of that name."""
_FIELD_NAMES: Mapping[str, str] = {_other: _name for _name, _others in OTHER_NAMES.items() for _other in _others}
SHORTCUTS: Mapping[str, tuple[str, str]] = {
    "objectKey": ("output", "object_key"),
    "object_key": ("output", "object_key"),
}
"""Names that JSON takes for a field of a nested message, as (field of the message, field of the nested message)."""
_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "size": ("image_size",),
    "resolution": ("image_size",),
    "dimensions": ("image_size",),
    "custom_width": ("width",),
    "custom_height": ("height",),
    "jpeg_quality": ("encoder_quality",),
    "format": ("output_format",),
    "model": ("model_id",),
    "model_id": ("model",),
    "steps": ("num_inference_steps",),
    "constraints": ("max_length", "style_guidelines"),
    "config": ("style", "output"),
    "headline": ("prompt",),
    "duration": ("seconds",),
    "image": ("image_url",),
    "cache": ("use_cache",),
    "theme": ("art_style",),
}
"""Names from other interfaces, with the fields of the contract that do the same."""
_MAX_DEPTH = 4
_MAX_PLACES = 4
_MAX_SUGGESTIBLE_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class _Place:
    """A field somewhere in a request."""

    path: tuple[str, ...]
    """Names as JSON spells them; those of lists end in `[]`."""

    @property
    def text(self) -> str:
        return ".".join(self.path)


def build_hint(kind: Descriptor, root: Descriptor, prefix: str, key: str, siblings: Mapping[str, object]) -> str:
    """Return the end of the sentence that says that a field is unknown: where it belongs; empty if that is not known.

    Args:
        kind: Message that has no field `key`.
        root: Message of the whole request.
        prefix: Path of the object with the name in the request, with a dot at its end; empty for the request itself.
        key: Name that the caller used.
        siblings: The object with the name.
    """
    if len(key) > _MAX_SUGGESTIBLE_CHARACTERS:
        return ""
    name = _FIELD_NAMES.get(_to_snake(key), _to_snake(key))
    if places := _find_places(kind, name):
        return f"; it belongs in {_list_alternatives(places, prefix, siblings)}"
    if places := _find_places(root, name):
        return f"; it belongs in {_list_alternatives(places, '', {})}"
    meant = [place for target in _SYNONYMS.get(name, ()) for place in _find_places(kind, target)]
    if not meant:
        own = [field.name for field in _list_fields(kind)]
        close = get_close_matches(name, own, n=1) or get_close_matches(name, _index_places(kind), n=1)
        meant = [place for target in close for place in _find_places(kind, target)]
    return f"; did you mean {_list_alternatives(meant, prefix, siblings)}?" if meant else ""


def describe_object(kind: Descriptor) -> str:
    """Return the fields of `kind` for the error of a value that is no object."""
    return ", ".join(field.json_name for field in _list_fields(kind))


def _list_alternatives(places: Sequence[_Place], prefix: str, siblings: Mapping[str, object]) -> str:
    """Return the places as text; only those in objects that the caller sends, if there are any."""
    sent = {_to_snake(name) for name, value in siblings.items() if isinstance(value, dict)}
    chosen = [place for place in places if _to_snake(place.path[0]) in sent] or list(places)
    return " or ".join(f"{to_camel_case(prefix)}{place.text}" for place in chosen[:_MAX_PLACES])


def _find_places(kind: Descriptor, name: str) -> Sequence[_Place]:
    """Return the outermost places of fields `name` in `kind`, at any depth."""
    places = _index_places(kind).get(name, ())
    nearest = min((len(place.path) for place in places), default=0)
    return [place for place in places if len(place.path) == nearest]


@cache
def _index_places(kind: Descriptor) -> Mapping[str, Sequence[_Place]]:
    index: dict[str, list[_Place]] = {}
    for name, place in _walk(kind, (), (kind.full_name,)):
        index.setdefault(name, []).append(place)
    return index


def _walk(kind: Descriptor, path: tuple[str, ...], enclosing: tuple[str, ...]) -> Iterator[tuple[str, _Place]]:
    for field in _list_fields(kind):
        yield field.name, _Place((*path, field.json_name))
        inner = field.message_type
        if inner is None or len(path) >= _MAX_DEPTH or inner.full_name in enclosing or _is_opaque(inner):
            continue
        step = f"{field.json_name}[]" if field.is_repeated else field.json_name
        yield from _walk(inner, (*path, step), (*enclosing, inner.full_name))


def _is_opaque(kind: Descriptor) -> bool:
    return kind.file.package == "google.protobuf" or bool(kind.GetOptions().map_entry)


def _list_fields(kind: Descriptor) -> Sequence[FieldDescriptor]:
    return kind.fields


def _to_snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
