"""The loop: what a step may not do, what an epoch writes down, and how a run ends that cannot go on."""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from medseg.errors import Cancelled, InputError, MedSegError
from medseg.volume import Volume
from medseg_training import loading
from medseg_training.checkpoint import load_checkpoint
from medseg_training.config import Config, parse_config
from medseg_training.data import Case, LoadedCase
from medseg_training.display import Display
from medseg_training.interruption import gentle_stop
from medseg_training.locking import only_one
from medseg_training.rundir import RunDirectory
from medseg_training.store import build_store
from medseg_training.trainer import Trainer
from medseg_training.training import load_all, train
from medseg_training.validation import Preparers, evaluate_cases
from torch.utils._python_dispatch import TorchDispatchMode
from training_cases import small_settings

HERE = Path(__file__).parent


def make_trainer(config: Config, run: Path, cases: list[LoadedCase], **more: Any) -> Trainer:
    torch.set_num_threads(1)
    directory = RunDirectory(run)
    directory.create()
    store = build_store(cases, config.draft, 0, config.loss)
    return Trainer(config, config.draft, store, [], directory, Display(quiet=True), **more)


@pytest.fixture(scope="module")
def cases(ellipsoids: Path) -> list[LoadedCase]:
    return load_all(parse_config(small_settings(ellipsoids)), Display(quiet=True))


class NothingAskedBack(TorchDispatchMode):
    """Raises where a number is read out of a tensor, which on a GPU would wait for everything before it."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.name()
        if name.startswith(("aten::_local_scalar_dense", "aten::is_nonzero", "aten::equal")):
            raise AssertionError(f"{name} in a step")
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("supervised", [False, True])
def test_a_step_asks_nothing_back_from_the_device(
    ellipsoids: Path, cases: list[LoadedCase], tmp_path: Path, supervised: bool
) -> None:
    network = {"arguments": {"widths": [4, 8, 16], "dropout": 0.2}, "deep_supervision": supervised}
    config = parse_config(small_settings(ellipsoids, augmentation="mixed", network=network))
    trainer = make_trainer(config, tmp_path, cases[:2])
    plan = trainer.sampler.plan(2, trainer.randomness.plan(0))
    with trainer.batches.epoch(plan) as batches:
        for batch in batches:
            images, planes = trainer.augment(batch)  # draws on the host, which may look at its own numbers
            with NothingAskedBack():
                trainer.learn(images, planes)
    with pytest.raises(AssertionError, match="_local_scalar_dense"), NothingAskedBack():
        float(trainer.meter.values[0])
    assert trainer.step == 2 and bool((trainer.meter.read() > 0).all())


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_state(
    ellipsoids: Path, cases: list[LoadedCase], tmp_path: Path
) -> None:
    config = parse_config(small_settings(ellipsoids, budget={"epochs": 3, "steps_per_epoch": 4}))
    trainer = make_trainer(config, tmp_path, cases[:2])
    real = trainer.learn

    def poison(images: torch.Tensor, planes: torch.Tensor) -> None:
        real(images * math.nan if trainer.step == 6 else images, planes)

    trainer.learn = poison  # type: ignore[method-assign]
    with pytest.raises(MedSegError, match=r"the loss is nan at step 6.*learning_rate.*last good state is kept"):
        trainer.train()
    assert load_checkpoint(trainer.run.last)["step"] == 4
    again = make_trainer(config, tmp_path, cases[:2])
    again.load_state_dict(load_checkpoint(trainer.run.last))
    again.train()
    assert again.step == 12 and all(bool(p.isfinite().all()) for p in again.network.parameters())


def test_a_stop_after_nonsense_does_not_replace_the_good_state(
    ellipsoids: Path, cases: list[LoadedCase], tmp_path: Path
) -> None:
    config = parse_config(small_settings(ellipsoids, budget={"epochs": 3, "steps_per_epoch": 4}))
    asked: Iterator[bool] = iter([False] * 5 + [True])
    trainer = make_trainer(config, tmp_path, cases[:2], stop=lambda: next(asked))
    real = trainer.learn

    def poison(images: torch.Tensor, planes: torch.Tensor) -> None:
        real(images * math.nan if trainer.step == 5 else images, planes)

    trainer.learn = poison  # type: ignore[method-assign]
    with pytest.raises(MedSegError, match="the loss is nan at step 5"):
        trainer.train()
    assert load_checkpoint(trainer.run.last)["step"] == 4


#: Signals end the process where a library of another test has put its own handler in the way.
own_process = pytest.mark.skipif("MEDSEG_OWN_PROCESS" not in os.environ, reason="runs in a process of its own")


def test_signals_in_a_process_of_their_own() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        __file__,
        "-k",
        "signal and not own",
    ]
    environment = {**os.environ, "MEDSEG_OWN_PROCESS": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


@own_process
def test_a_signal_ends_the_run_after_the_step_and_it_goes_on_as_if_nothing_was(
    ellipsoids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = signal.SIGTERM
    config = parse_config(small_settings(ellipsoids, budget={"epochs": 2, "steps_per_epoch": 4}))
    real = Trainer.learn

    def learn(self: Trainer, images: torch.Tensor, planes: torch.Tensor) -> None:
        if self.step == 5:
            signal.raise_signal(number)  # in the middle of a step
        real(self, images, planes)

    before = signal.getsignal(number)
    monkeypatch.setattr(Trainer, "learn", learn)
    with pytest.raises(Cancelled):
        train(config, tmp_path / "stopped", quiet=True)
    assert load_checkpoint(tmp_path / "stopped" / "checkpoints" / "last.pt")["step"] == 6
    assert signal.getsignal(number) is before
    monkeypatch.undo()
    train(config, tmp_path / "stopped", quiet=True)
    train(config, tmp_path / "straight", quiet=True)
    one, other = (load_checkpoint(tmp_path / n / "checkpoints" / "last.pt") for n in ("stopped", "straight"))
    assert all(torch.equal(t, other["network"][name]) for name, t in one["network"].items())
    assert [json.loads(line)["epoch"] for line in (tmp_path / "stopped" / "metrics.jsonl").open()] == [1, 2]


@own_process
def test_a_second_signal_interrupts_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), gentle_stop() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop()
        signal.raise_signal(signal.SIGINT)


def test_a_full_disk_stops_with_the_reason_and_keeps_the_last_good_state(
    ellipsoids: Path, cases: list[LoadedCase], tmp_path: Path
) -> None:
    """The kernel's own limit on the size of files: writing the second checkpoint fails in its middle."""
    config = parse_config(small_settings(ellipsoids, budget={"epochs": 1, "steps_per_epoch": 2}))
    trainer = make_trainer(config, tmp_path, cases[:2])
    trainer.train()
    whole = trainer.run.last.read_bytes()
    longer = parse_config(small_settings(ellipsoids, budget={"epochs": 2, "steps_per_epoch": 2}))
    again = make_trainer(longer, tmp_path, cases[:2])
    again.load_state_dict(load_checkpoint(trainer.run.last))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) // 2, hard))
    try:
        with pytest.raises(InputError, match=r"the disk is full.*free some space"):
            again.train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert trainer.run.last.read_bytes() == whole
    assert not list(tmp_path.rglob(".medseg-*"))


@pytest.mark.parametrize("storage", ["disk", "device"])
def test_a_full_disk_while_data_is_prepared_leaves_nothing_behind(
    ellipsoids: Path, tmp_path: Path, storage: str
) -> None:
    config = parse_config(small_settings(ellipsoids, storage=storage))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(InputError, match="the disk is full"):
            train(config, tmp_path / "run", quiet=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.rglob("*slices-*")) and not list(tmp_path.rglob(".medseg-*"))


def test_a_file_that_vanishes_is_named_and_what_was_learned_is_kept(
    ellipsoids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    shutil.copytree(ellipsoids, data)
    monkeypatch.setattr(loading.Cases, "SHARE", 0.0)  # no room: cases are read when they are wanted
    config = parse_config(small_settings(data, split={"hold_out": ["p5"]}))
    real = Trainer.train

    def train_and_lose(self: Trainer) -> None:
        real(self)
        (data / "images" / "a_p5.nii.gz").unlink()

    monkeypatch.setattr(Trainer, "train", train_and_lose)
    with pytest.raises(InputError, match=r"a_p5\.nii\.gz: "):
        train(config, tmp_path / "run", quiet=True)
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "last.pt")["step"] == 4
    monkeypatch.undo()
    shutil.copy(ellipsoids / "images" / "a_p5.nii.gz", data / "images")
    assert train(config, tmp_path / "run", quiet=True)["steps"] == 4


def test_a_run_directory_that_vanishes_ends_the_run(ellipsoids: Path, cases: list[LoadedCase], tmp_path: Path) -> None:
    trainer = make_trainer(parse_config(small_settings(ellipsoids)), tmp_path / "run", cases[:2])
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(InputError, match="the folder to write to does not exist"):
        trainer.train()


def test_one_process_at_a_time_works_in_a_run(tmp_path: Path, ellipsoids: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with only_one(run / ".lock"), pytest.raises(InputError, match="another process is training here"):
        train(parse_config(small_settings(ellipsoids)), run, quiet=True)
    with only_one(run / ".lock"):
        pass


def _pictures(channels: int, *shapes: tuple[int, int]) -> list[LoadedCase]:
    """2D cases of unlike sizes; the label is where the first channel is bright and the last one dark."""
    made = []
    for number, (rows, columns) in enumerate(shapes):
        rng = np.random.default_rng(number)
        labels = np.zeros((1, rows, columns), np.uint8)
        labels[0, rows // 4 : rows // 2, columns // 4 : columns // 2] = 1
        decoy = np.roll(labels, (rows // 3, columns // 3), (1, 2))
        first = 4.0 * (labels + decoy) + rng.normal(0, 0.3, labels.shape)
        last = 4.0 * decoy + rng.normal(0, 0.3, labels.shape)
        arrays = [first] + [rng.normal(size=labels.shape)] * (channels - 2) + [last]
        case = Case(f"c{number}", f"p{number}", (Path(f"c{number}.png"),), Path(f"c{number}_mask.png"))
        made.append(LoadedCase(case, tuple(Volume(a.astype(np.float32)) for a in arrays), Volume(labels)))
    return made


@pytest.mark.parametrize("channels", [2, 3])
def test_several_channels_and_pictures_of_unlike_sizes_are_learned(
    ellipsoids: Path, tmp_path: Path, channels: int
) -> None:
    """Bright in the first channel is not enough: only both together tell the label from the decoy."""
    base = small_settings(ellipsoids)
    volumes = [f"channel {n}" for n in range(channels)]
    size = {"mode": "native", "multiple_of": 8}
    card = {**base["card"], "plane": "acquisition", "orientation": None}
    card = {k: v for k, v in card.items() if v is not None}
    card["input"] = {"volumes": volumes, "size": size, "normalisation": {"kind": "zscore"}}
    config = parse_config(
        small_settings(
            ellipsoids,
            card=card,
            network={"arguments": {"widths": [8, 16]}},
            sampling={"batch_size": 4, "crop": [24, 24]},
            optimiser={"learning_rate": 0.02, "ema_decay": 0},
            augmentation={"policy": "all"},
            budget={"epochs": 1, "steps_per_epoch": 60},
        )
    )
    pictures = _pictures(channels, (40, 48), (32, 64), (56, 24), (48, 48))
    trainer = make_trainer(config, tmp_path, pictures[:3])
    trainer.train()
    figures = evaluate_cases(trainer.deployed, config.draft, pictures[3:])
    assert figures[0].labels[1].dice > 0.9


def test_kept_slices_change_nothing_in_the_figures(ellipsoids: Path, cases: list[LoadedCase], tmp_path: Path) -> None:
    config = parse_config(small_settings(ellipsoids))
    trainer = make_trainer(config, tmp_path, cases[:2])
    preparers = Preparers()
    plain = evaluate_cases(trainer.deployed, config.draft, cases[:2])
    for _ in range(2):
        kept = evaluate_cases(trainer.deployed, config.draft, cases[:2], preparers=preparers)
        assert [f.labels[1].as_dict() for f in kept] == [f.labels[1].as_dict() for f in plain]
    quick = evaluate_cases(trainer.deployed, config.draft, cases[:2], quick=True, pictures=1)
    assert [(f.labels[1].dice, f.labels[1].cldice) for f in quick] == [
        (f.labels[1].dice, f.labels[1].cldice) for f in plain
    ]
    assert quick[0].picture is not None and quick[0].picture.shape == (40, 36, 3) and quick[1].picture is None


def test_two_processes_train_one_network(ellipsoids: Path, tmp_path: Path) -> None:
    config = tmp_path / "tiny.json"
    config.write_text(
        json.dumps(small_settings(ellipsoids, split={"validate_on": ["p4"]}, validation={"every_epochs": 1}))
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "together.py"), str(config), str(tmp_path / "run"), "2"]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=1500)
    first, second = (json.loads(line) for line in done.stdout.splitlines()[-2:])
    assert first["weights"] == second["weights"]
    assert first["shown"] != second["shown"]  # each had its own part of the batches
    assert first["result"] == second["result"] and first["result"]["steps"] == 4
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert [line["epoch"] for line in lines] == [1, 2] and "validation" in lines[1]
    assert "2 processes" in (tmp_path / "run" / "log.txt").read_text(encoding="utf-8")


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    from medseg_training.distributed import World

    assert World(0, 4).share(8) == 2
    with pytest.raises(InputError, match="a multiple of 3"):
        World(0, 3).share(8)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_an_epoch_waits_for_nothing(ellipsoids: Path, cases: list[LoadedCase], tmp_path: Path) -> None:
    """torch itself watches: a step that makes the host wait is an error."""
    config = parse_config(small_settings(ellipsoids, device="cuda", compile=False, augmentation="mixed"))
    for resident in (True, False):
        trainer = make_trainer(config, tmp_path, cases[:2], resident=resident)
        plan = trainer.sampler.plan(4, trainer.randomness.plan(0))
        with trainer.batches.epoch(plan) as batches:
            for number, batch in enumerate(batches):
                torch.cuda.set_sync_debug_mode("error" if number else "default")  # the first step sets things up
                try:
                    trainer._step(batch)
                finally:
                    torch.cuda.set_sync_debug_mode("default")
