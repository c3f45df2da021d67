"""The models of a provider: a data file beside its code, with limits, and the days on which models end."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from services.common.diagnostics import Diagnostic, warning
from services.common.errors import FieldViolation, MediaError, Reason

FILE_NAME = "models.toml"
"""Name of the data file: a table per model, by id. Its comment names source and date of the facts."""
_NOTICE = timedelta(days=60)
"""Time before the end of a model from which diagnostics warn."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the data file says about a model."""

    model_id: str
    """Id at the provider."""
    ends_on: date | None = None
    """Day from which the provider refuses the model; None if no end is announced."""
    successor: str = ""
    """Id of the model that the provider recommends instead; empty without one."""
    traits: Mapping[str, Any] = field(default_factory=dict)
    """Limits and inputs, under the names that the provider's code reads."""

    @property
    def end_date(self) -> str:
        """`ends_on` as 2027-03-15; empty if no end is announced."""
        return "" if self.ends_on is None else self.ends_on.isoformat()

    def has_ended(self, today: date) -> bool:
        """Return whether the provider refuses the model on this day."""
        return self.ends_on is not None and today >= self.ends_on


def load_models(folder: Path) -> Mapping[str, ModelInfo]:
    """Return the models in the data file of `folder`, by id, in the order of the file.

    Raises:
        ValueError: The file is not valid.
    """
    content = tomllib.loads((folder / FILE_NAME).read_text("utf-8"))
    return {model_id: _parse_model(model_id, dict(table)) for model_id, table in content.items()}


def check_model(
    models: Mapping[str, ModelInfo],
    model_id: str,
    *,
    provider: str,
    field: str = "",
    variable: str = "",
    today: date | None = None,
) -> None:
    """Raise an error if the provider has ended a model; models that are not in the table pass.

    Args:
        models: Models of the provider.
        model_id: The model, of a request or of the configuration.
        provider: Name of the provider.
        field: Field of the request that names the model; empty if the configuration chose it.
        variable: Variable that configures the model; empty if the request named it, or if there is none.
        today: The day in UTC; None for the current one.

    Raises:
        MediaError: MODEL_RETIRED, naming the successor, and the field if there is one.
    """
    found = models.get(model_id)
    if found is None or not found.has_ended(today or _get_today()):
        return
    metadata = {"provider": provider, "model": model_id, "successor": found.successor}
    ended = f"{model_id} of {provider} ended on {found.end_date}"
    if field:
        advice = f"use {found.successor}" if found.successor else "choose another one"
        description = f"must be a model that the provider offers: {ended}; {advice}"
        violations = [FieldViolation(field, description)]
        raise MediaError(Reason.MODEL_RETIRED, f"{field}: {description}", violations=violations, metadata=metadata)
    remedy = f"{_advise(found, variable)}, or choose" if variable else "choose"
    raise MediaError(Reason.MODEL_RETIRED, f"The model {ended}; {remedy} another provider.", metadata=metadata)


def diagnose_model(
    models: Mapping[str, ModelInfo], model_id: str, subject: str, variable: str, today: date | None = None
) -> Iterator[Diagnostic]:
    """Yield a warning if the configured model has ended or ends soon.

    Args:
        models: Models of the provider.
        model_id: The configured model.
        subject: Subject of the diagnostic.
        variable: Variable that configures the model.
        today: The day in UTC; None for the current one.
    """
    found = models.get(model_id)
    day = today or _get_today()
    if found is None or found.ends_on is None or found.ends_on - day > _NOTICE:
        return
    verb = "ended" if found.has_ended(day) else "ends"
    yield warning(subject, f"the model {model_id} {verb} on {found.end_date}", _advise(found, variable))


def _advise(model: ModelInfo, variable: str) -> str:
    return f"set {variable}={model.successor}" if model.successor else f"set {variable} to another model"


def _parse_model(model_id: str, table: dict[str, Any]) -> ModelInfo:
    ends_on, successor = table.pop("ends_on", None), table.pop("successor", "")
    if ends_on is not None and not isinstance(ends_on, date):
        raise ValueError(f"ends_on of {model_id} must be a date")
    return ModelInfo(model_id, ends_on, successor, table)


def _get_today() -> date:
    return datetime.now(UTC).date()
