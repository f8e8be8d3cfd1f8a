"""The loss on validation patients: the same function on the same kind of crops, and nothing else is touched by it."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from medseg_training.config import parse_config
from medseg_training.display import Display
from medseg_training.losses import build_loss
from medseg_training.rundir import RunDirectory
from medseg_training.store import build_store
from medseg_training.trainer import Trainer
from medseg_training.training import load_all, train
from medseg_training.validation_loss import ValidationCrops
from training_cases import settings

VALIDATED = {"split": {"validate_on": ["p4"]}, "budget": {"epochs": 2, "steps_per_epoch": 4}}
EACH = {"every_epochs": 1, "loss_batches": 3}


def _lines(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def _crops(folder: Path, seed: int = 0, batches: int = 3) -> tuple[ValidationCrops, list]:
    config = parse_config(settings(folder, sampling={"batch_size": 4, "crop": [16, 24], "foreground_share": 1.0}))
    cases = load_all(config, Display(quiet=True))[:3]
    crops = ValidationCrops(cases, config.draft, config.loss, config.sampling, (16, 24), batches, seed)
    return crops, cases


def test_crops_are_what_is_there_of_every_case_and_the_same_each_time(ellipsoids: Path) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def take(images: torch.Tensor, planes: torch.Tensor) -> torch.Tensor:
        seen.append((images, planes))
        return images.mean()

    crops, cases = _crops(ellipsoids)
    first = crops.mean(take, torch.device("cpu"))
    assert [tuple(i.shape) for i, _ in seen] == [(4, i.shape[1], 16, 24) for i, _ in seen] and len(seen) == 3
    # Every crop lies somewhere, not augmented, in a slice of one case; each case gave four of the twelve.
    config = parse_config(settings(ellipsoids))
    stores = [build_store([case], config.draft, 0) for case in cases]
    middle = len(config.draft.input.channels) // 2
    given = [0, 0, 0]
    for images, planes in seen:
        for image, labels in zip(images[:, middle], planes[:, 0], strict=True):
            found = [_lies_in(image, labels, store) for store in stores]
            assert sum(found) == 1
            given[found.index(True)] += 1
    assert given == [4, 4, 4]
    assert all(bool(labels[:, 0].any()) for _, labels in seen)
    assert _crops(ellipsoids)[0].mean(lambda i, p: i.mean(), torch.device("cpu")) == first
    assert _crops(ellipsoids, seed=1)[0].mean(lambda i, p: i.mean(), torch.device("cpu")) != first


def _lies_in(image: torch.Tensor, labels: torch.Tensor, store: object) -> bool:
    windows = store.images[:, 0].unfold(1, 16, 1).unfold(2, 24, 1)  # type: ignore[attr-defined]
    beside = store.labels.unfold(1, 16, 1).unfold(2, 24, 1)  # type: ignore[attr-defined]
    # The grid of a warp that does nothing is exact to 1e-5 of a pixel.
    same = ((windows.float() - image).abs() < 0.02).all(-1).all(-1) & (beside == labels).all(-1).all(-1)
    return bool(same.any())


def test_it_is_the_loss_of_training_on_the_network_that_is_judged(ellipsoids: Path, tmp_path: Path) -> None:
    config = parse_config(settings(ellipsoids, precision="fp32", validation=EACH))
    cases = load_all(config, Display(quiet=True))
    directory = RunDirectory(tmp_path)
    directory.create()
    trainer = Trainer(
        config, config.draft, build_store(cases[:2], config.draft, 0), cases[2:4], directory, Display(quiet=True)
    )
    measured = trainer._validation_loss()
    network, loss = trainer.deployed.eval(), build_loss(config.loss, config.draft)

    def by_hand(images: torch.Tensor, planes: torch.Tensor) -> torch.Tensor:
        return loss(network(images), planes[:, 0].long(), planes[:, 1:])

    assert measured is not None and abs(measured - trainer.crops.mean(by_hand, torch.device("cpu"))) < 1e-6
    assert trainer.network.training


def test_the_training_is_the_same_with_and_without(ellipsoids: Path, tmp_path: Path) -> None:
    with_it = parse_config(settings(ellipsoids, **VALIDATED, validation=EACH))
    without = parse_config(settings(ellipsoids, **VALIDATED, validation={**EACH, "loss_batches": 0}))
    train(with_it, tmp_path / "with", quiet=True)
    train(without, tmp_path / "without", quiet=True)
    seen, unseen = _lines(tmp_path / "with"), _lines(tmp_path / "without")
    assert all(0 < line["validation_loss"] < 5 for line in seen)
    assert all("validation_loss" not in line for line in unseen)
    assert [line["loss"] for line in seen] == [line["loss"] for line in unseen]
    assert [line["validation"] for line in seen] == [line["validation"] for line in unseen]


def test_a_run_taken_up_measures_on_the_same_crops(ellipsoids: Path, tmp_path: Path) -> None:
    whole = settings(ellipsoids, **VALIDATED, validation=EACH, deterministic=True, optimiser={"schedule": "constant"})
    half = {**whole, "budget": {"epochs": 1, "steps_per_epoch": 4}}
    train(parse_config(whole), tmp_path / "straight", quiet=True)
    train(parse_config(half), tmp_path / "halved", quiet=True)
    train(parse_config(whole), tmp_path / "halved", quiet=True)
    straight, halved = _lines(tmp_path / "straight"), _lines(tmp_path / "halved")
    # The warm-up is a share of the run, so the first halves differ; what was loaded goes on on the same crops.
    assert len(straight) == len(halved) == 2
    crops = [line["validation_loss"] for line in halved]
    train(parse_config(half), tmp_path / "again", quiet=True)
    train(parse_config(whole), tmp_path / "again", quiet=True)
    assert [line["validation_loss"] for line in _lines(tmp_path / "again")] == crops
