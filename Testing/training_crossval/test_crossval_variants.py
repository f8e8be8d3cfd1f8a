"""Variants: the same folds, seeds and steps, done once, compared by one report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from medseg.errors import InputError
from medseg_training.config import Config, load_config, parse_config
from medseg_training.crossval.place import Place
from medseg_training.crossval.variants import crossvalidate_variants

TWO = {"identity": {"augmentation": "identity"}, "turned": {"augmentation": "rotation", "loss.alpha": 0.3}}


def several(tiny: dict[str, Any], **changes: Any) -> Config:
    return parse_config(
        {
            **tiny,
            "crossval": {"thresholds": [], "minimum_part_mm3": [], "fill_holes": []},
            "split": {"folds": 2},
            "budget": {"epochs": 2, "steps_per_epoch": 10},
            "variants": TWO,
            **changes,
        }
    )


def test_a_variant_is_the_recipe_with_its_own_keys_and_nothing_else(tiny: dict[str, Any]) -> None:
    both = several(tiny).each_variant()
    assert list(both) == ["identity", "turned"] and not any(each.variants for each in both.values())
    assert list(both["turned"].augmentation.transforms) == ["rotation"] and both["turned"].loss.alpha == 0.3
    assert (
        list(both["identity"].augmentation.transforms) == ["identity"] or not both["identity"].augmentation.transforms
    )
    one, other = (each.model_dump(mode="json") for each in both.values())
    assert {key for key in one if one[key] != other[key]} == {"augmentation", "loss"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"a": {"split.folds": 3}}, "changes split"),
        ({"a": {"budget": {"epochs": 9}}}, "changes budget"),
        ({"a": {"data": "elsewhere"}}, "changes data"),
        ({"a": {"seed": 2}}, "changes seed"),
        ({"a": {"optimiser.lerning_rate": 1}}, "unknown key optimiser.lerning_rate"),
        ({"a": {"nothing.here": 1}}, "there is no nothing.here"),
        ({"a/b": {}}, "becomes a folder"),
        ({"a": {"augmentation": "rotations"}}, "did you mean rotation"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(
    tiny: dict[str, Any], given: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        several(tiny, variants=given)


def test_minutes_are_no_equal_steps(tiny: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="unequal steps"):
        several(tiny, budget={"max_minutes": 1}, deterministic=False)


@pytest.fixture(scope="module")
def compared(tiny: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path, dict[str, Any]]:
    """Both variants, the second one failing at first: something lies where its checkpoints go."""
    config, root = several(tiny), tmp_path_factory.mktemp("variants")
    obstacle = root / "identity" / "fold_1" / "checkpoints"
    obstacle.parent.mkdir(parents=True)
    obstacle.write_text("no folder")
    with pytest.raises(InputError, match="1 of 2 variants failed, first identity"):
        crossvalidate_variants(config, root, jobs=2, devices="cpu", quiet=True)
    # The other one went on, and there is no report of half a comparison.
    assert Place(root / "turned").results.is_file() and not (root / "report.html").exists()
    obstacle.unlink()
    return config, root, crossvalidate_variants(config, root, jobs=2, devices="cpu", quiet=True)


def test_all_see_the_same_folds_and_steps(compared: tuple[Config, Path, dict[str, Any]]) -> None:
    _, root, _ = compared
    folds = [json.loads((root / name / "folds.json").read_text()) for name in TWO]
    assert folds[0] == folds[1]
    steps = {(n, name): json.loads((root / name / f"fold_{n}" / "done.json").read_text())["steps"]
             for name in TWO for n in (0, 1)}  # fmt: skip
    assert set(steps.values()) == {20}
    seen = [(root / name / "fold_0" / "split.json").read_text() for name in TWO]
    assert seen[0] == seen[1]


def test_the_comparison_is_of_patients_out_of_fold(compared: tuple[Config, Path, dict[str, Any]]) -> None:
    _, root, result = compared
    assert json.loads((root / "comparison.json").read_text()) == result
    table = result["report"]["trainings"]
    assert list(table) == ["identity", "turned"]
    for name in TWO:
        cases = json.loads((root / name / "results.json").read_text())["cases"]
        by_patient: dict[str, list[float]] = {}
        for case in cases:
            by_patient.setdefault(case["patient"], []).append(case["labels"]["1"]["dice"])
        means = [sum(each) / len(each) for each in by_patient.values()]
        assert table[name]["ellipsoid"]["dice"]["n"] == len(means) == 5
        assert table[name]["ellipsoid"]["dice"]["mean"] == pytest.approx(sum(means) / len(means), abs=1e-6)
    page = (root / "report.html").read_text(encoding="utf-8")
    assert "identity" in page and "turned" in page and "Wilcoxon" in page


def test_what_is_done_is_not_done_again(
    compared: tuple[Config, Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, root, result = compared
    from medseg_training.crossval import run

    monkeypatch.setattr(run, "crossvalidate", lambda *_, **__: pytest.fail("trained again"))
    (root / "report.html").unlink()
    assert crossvalidate_variants(config, root, jobs=2, devices="cpu", quiet=True) == result
    assert (root / "report.html").is_file()


def test_other_folds_and_settings_than_before_are_refused_at_once(
    compared: tuple[Config, Path, dict[str, Any]], tiny: dict[str, Any]
) -> None:
    _, root, _ = compared
    with pytest.raises(InputError, match="identity: the cases or their folds have changed"):
        crossvalidate_variants(several(tiny, split={"folds": 2, "seed": 5}), root, quiet=True)
    other = several(tiny, variants={**TWO, "turned": {"augmentation": "flips"}})
    with pytest.raises(InputError, match=r"turned: this was begun with other settings \(loss, augmentation\)"):
        crossvalidate_variants(other, root, quiet=True)


def test_a_plain_cross_validation_is_left_alone(tiny: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "folds.json").write_text("{}")
    with pytest.raises(InputError, match="without variants lies here"):
        crossvalidate_variants(several(tiny), tmp_path, quiet=True)


@pytest.mark.parametrize("name", ["lab-table-cpu", "lab-table-gpu"])
def test_the_recipes_of_the_laboratory_s_table(name: str) -> None:
    recipe = load_config(Path(__file__).parents[2] / "training" / "recipes" / f"{name}.yaml")
    both = recipe.each_variant()
    assert {"identity", "rotation", "mixed"} <= set(both) and next(iter(both)) == "identity"
    assert yaml.safe_load(recipe.to_yaml())["budget"]["max_minutes"] is None
