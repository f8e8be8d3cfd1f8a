"""`medseg augment` draws what the training would see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from medseg_training.augment import Augmentation
from medseg_training.augment.contact_sheet import alone
from PIL import Image
from training_cases import ellipsoid_case, settings, write_case
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sheet")
    for n in range(3):
        write_case(folder / "data", f"p{n}", *ellipsoid_case(n))
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(settings(folder / "data", augmentation="mixed-fourier")))
    return path


def _run(*arguments: str) -> dict[str, object]:
    from medseg.cli import build_app

    result = CliRunner().invoke(build_app("augment"), ["augment", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_draws_of_the_policy_and_transforms_one_by_one(config: Path, tmp_path: Path) -> None:
    told = _run(str(config), "-o", str(tmp_path / "draws.png"), "--cases", "2", "--samples", "3")
    assert told["columns"] == ["as it is", "draw 1", "draw 2", "draw 3"] and len(told["cases"]) == 2  # type: ignore[arg-type]
    told = _run(str(config), "-o", str(tmp_path / "each.png"), "--each", "--set", "augmentation={noise: {}, flip: {}}")
    assert told["columns"] == ["as it is", "flip", "noise"]
    for name in ("draws.png", "each.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 200 and len(picture.convert("L").getcolors() or ()) > 30


def test_alone_gives_each_transform_to_everybody() -> None:
    asked = Augmentation.model_validate(
        {"policy": "one_of", "identity": {}, "noise": {"probability": 0.1, "strength": 2}}
    )
    only = alone(asked)
    assert list(only) == ["noise"] and only["noise"].noise is not None
    assert only["noise"].noise.probability == 1 and only["noise"].noise.strength == 2
