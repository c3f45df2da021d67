"""Tests of services.common.providers.models: data files, the end of a model, and warnings before it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from services.common.diagnostics import Level
from services.common.errors import MediaError, Reason
from services.common.providers.models import FILE_NAME, ModelInfo, check_model, diagnose_model, load_models

ENDS_ON = date(2026, 10, 29)
MODELS = {
    "old": ModelInfo("old", ENDS_ON, "new"),
    "lonely": ModelInfo("lonely", ENDS_ON),
    "new": ModelInfo("new"),
}
PROVIDERS = Path(__file__).parents[4] / "services"


def test_a_file_has_a_table_per_model(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(
        '["a/b"]\nends_on = 2026-10-29\nsuccessor = "new"\nlimit = 7\n[new]\n', encoding="utf-8"
    )
    assert load_models(tmp_path) == {"a/b": ModelInfo("a/b", ENDS_ON, "new", {"limit": 7}), "new": ModelInfo("new")}


def test_a_date_is_not_a_text(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('[old]\nends_on = "2026-10-29"\n', encoding="utf-8")
    with pytest.raises(ValueError, match="ends_on of old must be a date"):
        load_models(tmp_path)


@pytest.mark.parametrize("path", sorted(PROVIDERS.rglob(FILE_NAME)), ids=lambda path: path.parent.name)
def test_every_file_of_the_suite_is_valid(path: Path) -> None:
    models = load_models(path.parent)
    assert models
    assert {model.successor for model in models.values()} - {""} <= set(models)


@pytest.mark.parametrize(("model_id", "advice"), [("old", "use new"), ("lonely", "choose another one")])
@pytest.mark.parametrize("today", [ENDS_ON, date(2027, 1, 1)], ids=str)
def test_an_ended_model_is_refused_with_its_successor(model_id: str, advice: str, today: date) -> None:
    with pytest.raises(MediaError) as caught:
        check_model(MODELS, model_id, provider="fal", field="model_id", today=today)
    (violation,) = caught.value.violations
    assert (caught.value.reason, violation.field) == (Reason.MODEL_RETIRED, "model_id")
    assert violation.description.endswith(f"{model_id} of fal ended on 2026-10-29; {advice}")


@pytest.mark.parametrize(
    ("model_id", "variable", "remedy"),
    [
        ("old", "MODEL", "set MODEL=new, or choose another provider."),
        ("lonely", "MODEL", "set MODEL to another model, or choose another provider."),
        ("old", "", "choose another provider."),
    ],
)
def test_an_ended_model_of_the_configuration_has_the_same_reason(model_id: str, variable: str, remedy: str) -> None:
    with pytest.raises(MediaError) as caught:
        check_model(MODELS, model_id, provider="fal", variable=variable, today=ENDS_ON)
    assert (caught.value.reason, caught.value.violations) == (Reason.MODEL_RETIRED, ())
    assert caught.value.message == f"The model {model_id} of fal ended on 2026-10-29; {remedy}"
    assert caught.value.metadata == {"provider": "fal", "model": model_id, "successor": MODELS[model_id].successor}


@pytest.mark.parametrize(("model_id", "today"), [("old", date(2026, 10, 28)), ("new", ENDS_ON), ("unknown", ENDS_ON)])
def test_other_models_pass(model_id: str, today: date) -> None:
    check_model(MODELS, model_id, provider="fal", field="model_id", today=today)
    assert not MODELS.get(model_id, ModelInfo(model_id)).has_ended(today)


@pytest.mark.parametrize(
    ("model_id", "today", "message", "remedy"),
    [
        ("old", date(2026, 9, 1), "the model old ends on 2026-10-29", "set MODEL=new"),
        ("lonely", date(2026, 11, 1), "the model lonely ended on 2026-10-29", "set MODEL to another model"),
    ],
)
def test_a_configured_model_near_its_end_is_a_warning(model_id: str, today: date, message: str, remedy: str) -> None:
    (found,) = diagnose_model(MODELS, model_id, "images", "MODEL", today)
    assert (found.level, found.subject, found.message, found.remedy) == (Level.WARNING, "images", message, remedy)


@pytest.mark.parametrize(("model_id", "today"), [("old", date(2026, 8, 1)), ("new", ENDS_ON), ("unknown", ENDS_ON)])
def test_a_configured_model_far_from_its_end_is_no_warning(model_id: str, today: date) -> None:
    assert list(diagnose_model(MODELS, model_id, "images", "MODEL", today)) == []
