"""Read settings from the environment; an error names the variable that has a wrong value."""

from __future__ import annotations

import sys
from typing import Any, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

EXIT_CONFIGURATION = 78
"""Exit code of a process that cannot start as configured (sysexits.h, EX_CONFIG)."""

S = TypeVar("S", bound="Settings")


class Settings(BaseSettings):
    """Settings of a process; each field names its variable as `validation_alias` and has a description.

    Variables come from the environment, then from a file `.env` in the working directory. An empty variable counts as
    not set.
    """

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias="MEDIA_LOG_LEVEL", description="Least severe level that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        "json", validation_alias="MEDIA_LOG_FORMAT", description="`json` for machines, `console` for people."
    )


def accept_base_url(*endings: str, path: str = "") -> AfterValidator:
    """Return the validator of a base URL that users write with or without the version of the API.

    Args:
        endings: Paths at the end of the URL that the caller appends itself; they are removed, such as `/v1`.
        path: Path of the API if the URL has none.
    """

    def normalize(url: str) -> str:
        url = url.rstrip("/")
        for ending in endings:
            url = url.removesuffix(ending)
        return url.rstrip("/") if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}{path}"

    return AfterValidator(normalize)


class ConfigurationError(Exception):
    """Raised when a process cannot start as configured; the text names the variable and the remedy."""


def load(kind: type[S], **fields: Any) -> S:
    """Read the settings of `kind` from the environment.

    Args:
        kind: The class of the settings.
        fields: Fields that do not come from the environment.

    Raises:
        ConfigurationError: A variable has an invalid value.
    """
    try:
        return kind(**fields)
    except ValidationError as error:
        lines = [_explain(kind, item["loc"][0] if item["loc"] else "", item["msg"]) for item in error.errors()]
        raise ConfigurationError("\n".join(lines)) from None


def variables(kind: type[Settings]) -> dict[str, FieldInfo]:
    """Return every field of `kind` by the variable that sets it."""
    return {_list_variable_names(kind, name, info)[0]: info for name, info in kind.model_fields.items()}


def list_names(kind: type[Settings]) -> frozenset[str]:
    """Return every variable that `kind` reads, with the other names that some of them have."""
    return frozenset(
        variable for name, info in kind.model_fields.items() for variable in _list_variable_names(kind, name, info)
    )


def refuse_to_start(error: ConfigurationError) -> NoReturn:
    """Print the error to standard error and end the process with EXIT_CONFIGURATION."""
    sys.stderr.write(f"{error}\n")
    sys.exit(EXIT_CONFIGURATION)


def _explain(kind: type[Settings], location: int | str, message: str) -> str:
    for name, info in kind.model_fields.items():
        names = _list_variable_names(kind, name, info)
        if location in {*names, name}:
            default = "" if info.is_required() else f" Default: {info.get_default(call_default_factory=True)!s}."
            return f"{names[0]}: {message}. {info.description}{default} See docs/configuration.md."
    return f"{kind.__name__}: {message}. See docs/configuration.md."


def _list_variable_names(kind: type[Settings], name: str, info: FieldInfo) -> list[str]:
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [str(alias)] if alias else [f"{kind.model_config.get('env_prefix', '')}{name}".upper()]
