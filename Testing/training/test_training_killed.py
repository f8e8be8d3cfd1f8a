"""``kill -9`` at any moment: the run goes on, and ends with the same bits as one that nobody disturbed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from medseg_training.checkpoint import load_checkpoint
from training_cases import small_settings

HERE = Path(__file__).parent
#: About a minute of one core; on a machine that others use as well it may take many.
pytestmark = pytest.mark.timeout(900)

#: Kills a fresh interpreter after so many calls, which is while it imports: long before there is anything of a run.
DURING_IMPORT = """
import os, signal, sys
left = int(sys.argv[1])
def watch(frame, event, argument):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
sys.setprofile(watch)
from medseg_training.config import load_config
from medseg_training.training import train
train(load_config(sys.argv[2]), sys.argv[3], quiet=True)
"""


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def killed(ellipsoids: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Two finished runs of one configuration: ``straight``, and ``killed`` 20 times; and what the killer said."""
    folder = tmp_path_factory.mktemp("killed")
    config = folder / "tiny.yaml"
    changes = {
        "deterministic": True,
        "network": {"arguments": {"widths": [4, 8], "dropout": 0.2}},
        "augmentation": "mixed",
        "split": {"hold_out": ["p1", "p5"], "validate_on": ["p4"]},
        "validation": {"every_epochs": 1},
        "budget": {"epochs": 12, "steps_per_epoch": 3},
    }
    config.write_text(yaml.safe_dump(small_settings(ellipsoids, **changes)))
    for moment in (2_000, 50_000):
        command = [sys.executable, "-c", DURING_IMPORT, str(moment), str(config), str(folder / "killed")]
        assert subprocess.run(command, env=_environment(), check=False).returncode == -signal.SIGKILL
        assert not (folder / "killed").exists()
    command = [sys.executable, str(HERE / "killing.py"), str(config), str(folder), "4"]
    done = subprocess.run(command, env=_environment(), check=True, stdout=subprocess.PIPE, text=True, timeout=1500)
    return folder, json.loads(done.stdout.splitlines()[-1])


def test_every_sitting_was_killed_but_the_last(killed: tuple[Path, dict[str, Any]]) -> None:
    _, said = killed
    assert len(said["kills"]) == 18  # and two while it was imported
    assert all(number == signal.SIGKILL for *_, number in said["kills"]), said["kills"]
    assert said["end"] == 0


def _same(one: Any, other: Any, place: str = "") -> None:
    """Equal to the last bit, tensors included."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), place
        for key in one:
            if key not in ("elapsed_s", "cpu_s", "speed", "slices_per_s"):
                _same(one[key], other[key], f"{place}/{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), place
        for number, pair in enumerate(zip(one, other, strict=True)):
            _same(*pair, f"{place}/{number}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), place
    else:
        assert one == other or (one != one and other != other), (place, one, other)


@pytest.mark.parametrize("name", ["last.pt", "best.pt"])
def test_weights_optimiser_average_and_random_states_are_the_same_bits(
    killed: tuple[Path, dict[str, Any]], name: str
) -> None:
    folder, _ = killed
    straight, other = (load_checkpoint(folder / run / "checkpoints" / name) for run in ("straight", "killed"))
    assert name == "best.pt" or straight["step"] == 36
    _same(straight, other)


def test_every_epoch_is_told_once_and_alike(killed: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = killed
    straight, other = (
        [json.loads(line) for line in (folder / run / "metrics.jsonl").read_text().splitlines()]
        for run in ("straight", "killed")
    )
    assert [line["epoch"] for line in other] == list(range(1, 13))
    _same(straight, other)
    _same(*(json.loads((folder / run / "evaluation.json").read_text()) for run in ("straight", "killed")))


def test_nothing_half_written_is_left(killed: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = killed
    assert not list((folder / "killed").rglob(".medseg-*"))
    names = [{p.name for p in (folder / run).iterdir()} for run in ("straight", "killed")]
    assert names[0] == names[1]


def test_the_same_configuration_gives_the_same_bits_and_another_seed_does_not(
    killed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    from medseg_training.config import load_config
    from medseg_training.training import train

    folder, _ = killed
    states = []
    for number, seed in enumerate((0, 0, 1)):
        config = load_config(folder / "tiny.yaml", ["budget.epochs=2", f"seed={seed}"])
        train(config, tmp_path / str(number), quiet=True)
        states.append(load_checkpoint(tmp_path / str(number) / "checkpoints" / "last.pt"))
    _same(states[0], states[1])
    with pytest.raises(AssertionError):
        _same(states[0]["network"], states[2]["network"])


@pytest.mark.parametrize("storage", ["memory", "disk"])
def test_a_streamed_training_ends_with_the_bits_of_a_resident_one(
    ellipsoids: Path, tmp_path: Path, storage: str
) -> None:
    from medseg_training.config import parse_config
    from medseg_training.training import train

    states = []
    for kind in ("device", storage):
        changes = {"deterministic": True, "storage": kind, "budget": {"epochs": 2, "steps_per_epoch": 3}}
        train(parse_config(small_settings(ellipsoids, **changes)), tmp_path / kind, quiet=True)
        states.append(load_checkpoint(tmp_path / kind / "checkpoints" / "last.pt"))
    _same(*states)
    log = (tmp_path / storage / "log.txt").read_text(encoding="utf-8")
    assert f"stream from {'the disk (asked for; written' if storage == 'disk' else 'memory (asked for'}" in log
    if storage == "disk":
        written = list((tmp_path / "disk" / "cache").iterdir())
        assert [p.name[:7] for p in written] == ["slices-"]
        before = (written[0] / "images").stat().st_mtime_ns
        changes["budget"] = {"epochs": 3, "steps_per_epoch": 3}
        train(parse_config(small_settings(ellipsoids, **changes)), tmp_path / kind, quiet=True)
        assert "found in the cache" in (tmp_path / storage / "log.txt").read_text(encoding="utf-8")
        assert (written[0] / "images").stat().st_mtime_ns == before
