"""A whole cross-validation by real processes: failing, interrupted, killed, taken up, in parallel and in sequence."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from medseg.card import PostProcessing
from medseg.errors import InputError
from medseg.io import read_labels, read_volume
from medseg.metrics import dice
from medseg.models import open_model
from medseg.pipeline import segment
from medseg_training.config import Config, load_config, parse_config
from medseg_training.crossval.finish import finite
from medseg_training.crossval.place import Place, only_one
from medseg_training.crossval.run import crossvalidate
from medseg_training.crossval.scores import load_scores
from medseg_training.export import export

MEDSEG = [sys.executable, "-P", "-c", "from medseg.cli import main; main()"]
#: Generous: tests share two cores with others.
PATIENCE_S = 240.0


@pytest.fixture(scope="session")
def config(tiny: dict[str, Any]) -> Config:
    return parse_config(tiny)


@pytest.fixture(scope="session")
def parallel(config: Config, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, Any], str]:
    """Both folds at once. The second one fails at first: something lies where its checkpoints go.

    Made once for all processes of pytest-xdist: the first one makes it, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    place, said = Place(shared / "crossval-parallel"), shared / "crossval-said.json"
    with only_one(shared / "crossval.lock", PATIENCE_S):
        if not said.is_file():
            result, line = _failed_and_mended(config, place)
            said.write_text(json.dumps([finite(result), line]))
    result, line = json.loads(said.read_text())
    return place, result, line


def _failed_and_mended(config: Config, place: Place) -> tuple[dict[str, Any], str]:
    obstacle = place.path / "fold_1" / "checkpoints"
    obstacle.parent.mkdir(parents=True)
    obstacle.write_text("no folder")
    with pytest.raises(InputError) as failed:
        crossvalidate(config, place.path, jobs=2, devices="cpu", quiet=True)
    assert place.fold(0).finished and not place.fold(1).finished
    before = _checksums(place, 0)
    obstacle.unlink()
    result = crossvalidate(config, place.path, jobs=2, devices="cpu", quiet=True)
    assert _checksums(place, 0) == before  # not trained again
    return result, failed.value.line()


def _checksums(place: Place, number: int) -> dict[str, str]:
    """Of everything that a fold's figures depend on."""
    fold = place.fold(number)
    files = [fold.model, *sorted(fold.out_of_fold.iterdir())]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_fold_that_fails_leaves_the_others_going_and_says_why(parallel: tuple[Place, dict[str, Any], str]) -> None:
    _, _, line = parallel
    assert "fold 1 of 2 failed" in line and "File exists" in line and "the same command goes on" in line
    assert "\n" not in line


def test_every_patient_is_judged_once_by_a_model_that_had_not_seen_it(
    parallel: tuple[Place, dict[str, Any], str],
) -> None:
    place, result, _ = parallel
    folds = json.loads(place.folds.read_text())
    assert sorted(p for fold in folds["folds"] for p in fold) == ["p1", "p2", "p3", "p4"]
    assert sorted(case["case"] for case in result["cases"]) == ["a_p1", "a_p2", "a_p3", "a_p4", "b_p1"]
    for number, patients in enumerate(folds["folds"]):
        split = json.loads((place.fold(number).path / "split.json").read_text())
        trained = {split["patients"][case] for case in split["training"]}
        assert trained.isdisjoint(patients) and trained.isdisjoint({"p5"}) and trained
        assert {c["patient"] for c in result["cases"] if c["fold"] == number} == set(patients)
    # Spread over patients, not over cases: the first one has two.
    assert result["summary"]["1"]["counted"] == 4
    values = {
        p: [c["labels"]["1"]["dice"] for c in result["cases"] if c["patient"] == p] for p in ("p1", "p2", "p3", "p4")
    }
    expected = np.mean([np.mean(v) for v in values.values()])
    assert result["summary"]["1"]["figures"]["dice"]["mean"] == pytest.approx(expected)
    with place.table.open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5 and {row["fold"] for row in rows} == {"0", "1"}
    assert result["split_sha256"] == folds["sha256"] and len(folds["sha256"]) == 64


def test_out_of_fold_figures_are_those_of_the_folds_file_through_medseg_segment(
    parallel: tuple[Place, dict[str, Any], str], ellipsoids: Path
) -> None:
    place, result, _ = parallel
    for case in result["cases"]:
        choice = result["choice"]["nested"][str(case["fold"])]
        image = read_volume(ellipsoids / "images" / f"{case['case']}.nii.gz")
        reference = read_labels(ellipsoids / "labels" / f"{case['case']}.nii.gz").array
        with open_model(place.fold(case["fold"]).model, backend="torch", device="cpu", threads=1) as model:
            settings = PostProcessing(**{k: v for k, v in choice.items() if k != "threshold"})
            labels = segment(image, model, threshold=choice["threshold"], postprocessing=settings).labels.array
        judged = load_scores(place.fold(case["fold"]).scores(case["case"]), case["case"], case["patient"], case["fold"])
        assert model.card is not None
        box = judged.decide(model.card, choice["threshold"], settings)
        assert np.array_equal(judged.whole(box), labels)
        assert np.array_equal(judged.whole(judged.reference), reference)
        assert case["labels"]["1"]["dice"] == dice(labels == 1, reference == 1)


def test_the_ensemble_is_the_mean_of_the_folds(
    parallel: tuple[Place, dict[str, Any], str], ellipsoids: Path, tmp_path: Path
) -> None:
    place, result, _ = parallel
    image = read_volume(ellipsoids / "images" / "a_p5.nii.gz")
    each = []
    for number in range(2):
        with open_model(place.fold(number).model, backend="torch", device="cpu") as model:
            each.append(segment(image, model, keep_probabilities=True).probabilities)
    mean = np.mean(each, axis=0)
    assert np.abs(each[0] - each[1]).max() > 0.01  # two different models
    for suffix, backend in ((".safetensors", "torch"), (".onnx", "onnxruntime")):
        with open_model(place.ensemble.with_suffix(suffix), backend=backend, device="cpu") as model:
            card = model.card
            out = segment(image, model, keep_probabilities=True)
        assert out.probabilities is not None
        assert np.abs(out.probabilities - mean).max() < 2e-6
    assert card is not None and card.output.activation == "none" and card.synthetic
    final = result["choice"]["final"]
    assert card.output.threshold == final["threshold"]
    assert card.postprocessing.keep_largest_parts == final["keep_largest_parts"]
    metrics = card.training["metrics"]
    assert metrics["validation"]["1"]["dice"]["mean"] == result["summary"]["1"]["figures"]["dice"]["mean"]
    assert metrics["validation"]["1"]["dice"]["interval_95"] is not None
    assert card.training["folds"]["cases"] == {"training": 5, "validation": 5}
    assert card.training["folds"]["patients_of_folds"] == [2, 2]
    assert "chosen on the other folds" in metrics["how"] and "last epoch" in metrics["epoch_chosen_by"]
    assert card.training["parity"]["largest_probability_difference"] <= card.training["parity"]["limit"]
    text = card.to_json()
    assert "a_p1" not in text and str(place.path) not in text and str(ellipsoids) not in text
    # Held out of everything: met by the exported ensemble, whose masks are those of the figures.
    (held,) = result["hold_out"]["cases"]
    reference = read_labels(ellipsoids / "labels" / "a_p5.nii.gz").array
    assert held["case"] == "a_p5"
    assert held["labels"]["1"]["dice"] == dice(out.labels.array == 1, reference == 1)
    again = export(place.path, tmp_path / "again.safetensors", always=())
    assert again["weights_sha256"] == card.weights_sha256 and again["checkpoint"] == "ensemble"


def test_interrupted_killed_and_taken_up_in_sequence_ends_with_the_same_bits(
    parallel: tuple[Place, dict[str, Any], str], tiny: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(tiny))
    place = Place(tmp_path / "sequence")
    command = [*MEDSEG, "crossval", str(file), "--run", str(place.path), "--jobs", "1", "--devices", "cpu"]
    # kill -9 of the command while the first fold trains: the fold saves its state and ends by itself.
    with _started(command) as process:
        _wait(lambda: place.fold(0).metrics.is_file(), process)
        fold = _pid(place.fold(0).lock)
        process.kill()
    _wait(lambda: not _alive(fold))
    assert (place.fold(0).path / "checkpoints" / "last.pt").is_file() and not place.fold(1).config.exists()
    # Ctrl-C when the second fold has just begun.
    with _started(command) as process:
        _wait(lambda: place.fold(1).console.is_file(), process)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130
        assert not _children(place.path)
    assert place.fold(0).finished and not place.fold(1).finished and not place.results.exists()
    first = _checksums(place, 0)
    result = crossvalidate(load_config(file), place.path, jobs=1, devices="cpu", quiet=True)
    assert _checksums(place, 0) == first
    other, expected, _ = parallel
    for number in range(2):
        ours, theirs = _checksums(place, number), _checksums(other, number)
        # The card inside says how long it took; the weights are told by their own checksum.
        ours.pop("model.safetensors"), theirs.pop("model.safetensors")
        assert ours == theirs
        weights = [json.loads(p.fold(number).done.read_text())["weights_sha256"] for p in (place, other)]
        assert weights[0] == weights[1]
    for key in ("summary", "cases", "choice", "split_sha256", "hold_out"):
        assert finite(result)[key] == expected[key]


def test_other_data_or_settings_are_not_taken_up(
    parallel: tuple[Place, dict[str, Any], str], tiny: dict[str, Any]
) -> None:
    place, _, _ = parallel
    with pytest.raises(InputError, match=r"other settings \(seed\)"):
        crossvalidate(parse_config({**tiny, "seed": 5}), place.path, devices="cpu", quiet=True)
    with pytest.raises(InputError, match="folds have changed"):
        changed = {**tiny, "split": {**tiny["split"], "folds": 3}}
        crossvalidate(parse_config(changed), place.path, devices="cpu", quiet=True)
    with pytest.raises(InputError, match="nothing to go on with"):
        crossvalidate(parse_config(tiny), place.path / "nowhere", fresh=False, quiet=True)


class _started:
    """A real process of the command, ended when the block ends."""

    def __init__(self, command: list[str]) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )

    def __enter__(self) -> subprocess.Popen[bytes]:
        return self.process

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


def _wait(until: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < give_up, "waited too long"
        assert process is None or process.poll() is None, process.stderr.read().decode()  # type: ignore[union-attr]
        time.sleep(0.02)


def _children(folder: Path) -> list[int]:
    """Processes that work for a fold of ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if str(folder).encode() in (entry / "cmdline").read_bytes() and int(entry.name) != os.getpid():
                    found.append(int(entry.name))
    return [pid for pid in found if _alive(pid)]


def _pid(lock: Path) -> int:
    return int(lock.read_text())


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:  # one that has ended and waits to be collected is not alive
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
