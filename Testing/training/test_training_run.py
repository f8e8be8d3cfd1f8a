"""A run learns, and can be killed at any moment and taken up."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from medseg.errors import Cancelled, InputError
from medseg.io import read_volume, write_volume
from medseg_training.checkpoint import copy_checkpoint, load_checkpoint, save_checkpoint
from medseg_training.config import load_config, parse_config
from medseg_training.display import Display
from medseg_training.rundir import RunDirectory
from medseg_training.store import build_store
from medseg_training.trainer import Trainer
from medseg_training.training import load_all, train
from training_cases import settings

SPLIT = {"hold_out": ["p5"], "validate_on": ["p4"]}


@pytest.fixture(scope="module")
def trained(ellipsoids: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A finished run and what it returned."""
    run = tmp_path_factory.mktemp("runs") / "ellipsoid"
    return run, train(parse_config(settings(ellipsoids, split=SPLIT)), run, quiet=True)


def _trainer(config_data: dict[str, Any], run: Path, stop: Callable[[], bool] = lambda: False) -> Trainer:
    config = parse_config(config_data)
    directory = RunDirectory(run)
    directory.create()
    torch.set_num_threads(1)
    store = build_store(load_all(config, Display(quiet=True))[:2], config.draft, 0)
    return Trainer(config, config.draft, store, [], directory, Display(quiet=True), stop)


def test_a_simple_structure_is_learned_in_seconds(trained: tuple[Path, dict[str, Any]]) -> None:
    run, result = trained
    assert result["steps"] == 120
    assert result["hold_out"]["mean_over_patients"]["dice"]["1"] > 0.9
    assert [c["patient"] for c in result["hold_out"]["cases"]] == ["p5"]
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert ["validation" in line for line in lines] == [False, True, False, True]
    assert lines[-1]["loss"] < lines[0]["loss"]
    split = json.loads((run / "split.json").read_text())
    assert split["validation"] == ["a_p4"] and split["hold_out"] == ["a_p5"] and len(split["sha256"]) == 64


def test_a_run_stopped_anywhere_and_taken_up_ends_with_the_same_weights(ellipsoids: Path, tmp_path: Path) -> None:
    data = settings(ellipsoids, budget={"epochs": 3, "steps_per_epoch": 4})
    straight = _trainer(data, tmp_path / "straight")
    straight.train()
    for moment in (1, 6, 8):
        asked = iter([False] * (moment - 1) + [True])
        first = _trainer(data, tmp_path / f"stopped{moment}", stop=lambda asked=asked: next(asked))  # type: ignore[misc]
        with pytest.raises(Cancelled):
            first.train()
        second = _trainer(data, tmp_path / f"stopped{moment}")
        second.load_state_dict(load_checkpoint(first.run.last))
        assert second.step == moment
        second.train()
        assert second.step == 12
        expected = straight.deployed.state_dict()
        assert all(torch.equal(tensor, expected[name]) for name, tensor in second.deployed.state_dict().items())


def test_kill_9_loses_no_more_than_the_epoch_in_progress(ellipsoids: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(settings(ellipsoids, budget={"epochs": 200, "steps_per_epoch": 1})))
    program = (
        "import sys; from medseg_training.config import load_config; "
        "from medseg_training.training import train; train(load_config(sys.argv[1]), sys.argv[2], quiet=True)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with subprocess.Popen([sys.executable, "-c", program, str(config), str(run)], env=environment) as process:
        give_up = time.monotonic() + 240
        metrics = run / "metrics.jsonl"
        while time.monotonic() < give_up and process.poll() is None:
            if metrics.is_file() and metrics.read_text().count("\n") >= 3:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    done = metrics.read_text().count("\n")
    state = load_checkpoint(run / "checkpoints" / "last.pt")
    assert 3 <= done <= state["step"] <= done + 1
    result = train(load_config(config, [f"budget.epochs={state['step'] + 2}"]), run, fresh=False, quiet=True)
    steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
    assert result["steps"] == state["step"] + 2
    assert steps == sorted(set(steps)) and steps[-2:] == [state["step"] + 1, state["step"] + 2]


def test_a_copy_of_a_checkpoint_does_not_change_with_its_source(tmp_path: Path) -> None:
    last, best = tmp_path / "last.pt", tmp_path / "best.pt"
    save_checkpoint({"step": 1}, last)
    for _ in range(2):  # the second time it is there already
        copy_checkpoint(last, best)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["best.pt", "last.pt"]
    save_checkpoint({"step": 2}, last)
    assert load_checkpoint(best) == {"step": 1} and load_checkpoint(last) == {"step": 2}


def _full(_path: Path, _data: object) -> int:
    raise OSError(28, "No space left on device")


def test_a_checkpoint_is_the_old_one_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint({"step": 1}, path)

    monkeypatch.setattr(Path, "write_bytes", _full)
    with pytest.raises(InputError, match="disk is full"):
        save_checkpoint({"step": 2}, path)
    monkeypatch.undo()
    assert load_checkpoint(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read"):
        load_checkpoint(path)


def test_early_stopping_ends_the_run(ellipsoids: Path, tmp_path: Path) -> None:
    changes = {
        "optimiser": {"learning_rate": 1e-12, "ema_decay": 0.0},
        "split": SPLIT,
        "validation": {"every_epochs": 1, "patience": 2},
        "budget": {"epochs": 50, "steps_per_epoch": 1},
    }
    result = train(parse_config(settings(ellipsoids, **changes)), tmp_path / "run", quiet=True)
    assert result["steps"] < 50


def test_a_directory_of_other_settings_or_data_is_not_taken_up(
    trained: tuple[Path, dict[str, Any]], ellipsoids: Path, tmp_path: Path
) -> None:
    run = tmp_path / "copy"
    shutil.copytree(trained[0], run)
    other = settings(ellipsoids, split=SPLIT, seed=5)
    with pytest.raises(InputError, match="other settings \\(seed\\)"):
        train(parse_config(other), run, quiet=True)
    moved = tmp_path / "data"
    shutil.copytree(ellipsoids, moved)
    again = train(parse_config(settings(moved, split=SPLIT)), run, quiet=True)  # finished: only evaluates
    assert again["hold_out"] == trained[1]["hold_out"]
    image = read_volume(moved / "images" / "a_p2.nii.gz")
    image.array[0, 0, 0] += 1
    write_volume(image, moved / "images" / "a_p2.nii.gz")
    with pytest.raises(InputError, match="a file of the data has changed"):
        train(parse_config(settings(moved, split=SPLIT)), run, quiet=True)
    with pytest.raises(InputError, match="no run to go on with"):
        train(parse_config(other), tmp_path / "nothing", fresh=False, quiet=True)
