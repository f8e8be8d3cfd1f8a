"""The configuration says at once, and by name, what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from medseg.errors import InputError
from medseg_training.config import Config, load_config
from medseg_training.rundir import RunDirectory

RECIPES = Path(__file__).resolve().parents[2] / "training" / "recipes"


def test_an_unknown_key_is_refused_with_the_nearest_known_one(write_settings: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"unknown key optimiser\.learnin_rate; did you mean learning_rate\?"):
        load_config(write_settings(), ["optimiser.learnin_rate=1e-3"])
    with pytest.raises(InputError, match=r"unknown key augmentatoin; did you mean augmentation\?"):
        load_config(write_settings(augmentatoin={}))


def test_overrides_replace_single_values_and_read_numbers(write_settings: Callable[..., Path]) -> None:
    overrides = ["optimiser.learning_rate=1e-3", "budget.epochs=7", "sampling.crop=[24, 16]"]
    config = load_config(write_settings(), overrides)
    assert config.optimiser.learning_rate == 1e-3
    assert config.budget.epochs == 7 and config.budget.steps_per_epoch == 30
    assert config.sampling.crop == (24, 16)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("loss.alpha=1.5", r"loss\.alpha"),
        ("loss.kind=dice_ce", "does not fit the card's activation sigmoid"),
        ("sampling.label_odds=[1, 2]", "2 entries for 1 labels"),
        ("split.fold=3", "unknown|does not exist|folds"),
        ("card.plane=diagonal", r"card field plane"),
        ("card.weights_sha256=00", "written by the training itself"),
        ("budget=7", "budget"),
        ("nonsense", "is not key=value"),
    ],
)
def test_a_wrong_value_is_named(write_settings: Callable[..., Path], override: str, message: str) -> None:
    extra = ["split.folds=3"] if override.startswith("split") else []
    with pytest.raises(InputError, match=message):
        load_config(write_settings(), [*extra, override])


def test_the_resolved_configuration_reads_back_as_itself(write_settings: Callable[..., Path], tmp_path: Path) -> None:
    config = load_config(write_settings())
    run = RunDirectory(tmp_path / "run")
    run.create()
    run.write_text(run.config, config.to_yaml())
    assert run.read_config() == config
    run.check_same(config)
    with pytest.raises(InputError, match="other settings \\(optimiser\\)"):
        run.check_same(load_config(write_settings(), ["optimiser.name=adam"]))
    run.check_same(load_config(write_settings(), ["budget.epochs=9"]))  # longer is the same training


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_recipe_is_valid(recipe: Path) -> None:
    assert isinstance(load_config(recipe), Config)
