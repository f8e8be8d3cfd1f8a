"""What the bench counts, makes and concludes: known answers."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from medseg.card import Architecture
from medseg.errors import InputError
from medseg.networks import build_network
from medseg_training.bench import window
from medseg_training.bench.cost import count_flop, matrix_peak
from medseg_training.bench.outcome import add_figures, make_row, new_outcome, put_rows, read_outcome
from medseg_training.bench.phantoms import make_data
from medseg_training.bench.picture import write_page
from medseg_training.bench.request import Point, Settings
from medseg_training.bench.table import lines
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

CPU = torch.device("cpu")


def test_flop_of_the_lab_network_are_those_of_the_reference() -> None:
    """../shared/reference/training.md: 37.60 GFLOP forward, 112.75 with backward, for 320×320 and 7.76 M parameters."""
    with torch.device("meta"):
        network = build_network(Architecture("unet2d-b", {"in_channels": 1, "out_channels": 1}))
    cost = count_flop(network, 1, 320)
    assert cost["forward"] == pytest.approx(37.60e9, rel=2e-4)
    assert cost["step"] == pytest.approx(112.75e9, rel=2e-4)


def test_flop_of_a_convolution_are_counted_by_hand() -> None:
    network = nn.Conv2d(3, 5, 3, padding=1, bias=False)
    forward = 2 * 5 * 3 * 3 * 3 * 8 * 8
    # Backward: the weights' gradient costs as much again; that of the picture is not needed.
    assert count_flop(network, 3, 8) == {"forward": forward, "step": 2 * forward}


def test_the_peak_is_what_was_computed_over_the_time_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that goes by the work: a second for each teraflop counted by torch itself."""
    counter = FlopCounterMode(display=False)
    monkeypatch.setattr(time, "process_time", lambda: counter.get_total_flops() / 1e12)
    with counter:
        peak = matrix_peak(CPU, "fp32", 1e-4)
    assert peak["flop_per_s"] == pytest.approx(1e12, rel=1e-6)
    assert peak["size"] in (512, 1024, 2048)


def test_a_window_counts_its_steps_beforehand_and_warms_up_first() -> None:
    asked: list[int] = []
    found = window.measure(asked.append, CPU, 1e-9, before=7)
    assert asked == [window.WARM_UP + 7, window.LEAST, window.LEAST] and found["steps"] == window.LEAST

    def busy(steps: int) -> None:
        asked.append(steps)
        end = time.perf_counter() + 2e-4 * steps
        while time.perf_counter() < end:
            pass

    found = window.measure(busy, CPU, 0.05)
    assert found["steps"] == asked[-1] > window.LEAST
    assert found["seconds"] >= 2e-4 * found["steps"]
    assert found["peak_bytes"] is None or found["peak_bytes"] > 1e6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not tell of children that run")
def test_processor_time_of_children_counts_while_they_run() -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
    try:
        give_up = time.monotonic() + 60
        while window.processor_seconds() - time.process_time() < 0.05:
            assert time.monotonic() < give_up
    finally:
        child.kill()
        child.wait()


def test_data_are_of_the_seed_and_hold_ducts(tmp_path: Path) -> None:
    made = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        make_data(tmp_path / name, 2, 3, 48, seed)
        made.append([np.load(tmp_path / name / f"{part}.npy") for part in ("images", "labels")])
    (images, labels), again, other = made
    assert images.shape == labels.shape == (2, 3, 48, 48)
    assert np.array_equal(images, again[0]) and not np.array_equal(images, other[0])
    assert all(0 < labels[case, k].mean() < 0.4 for case in range(2) for k in range(3))
    assert images[labels == 1].mean() > images[labels == 0].mean() + 50


def test_ours_is_the_trainer_and_each_mode_does_what_it_says(tmp_path: Path) -> None:
    from medseg_training.bench.network import build
    from medseg_training.bench.ours import Contender

    make_data(tmp_path, 2, 4, 32, 0)
    arguments = {"widths": [4, 8], "in_channels": 1, "out_channels": 2}
    settings = Settings(str(tmp_path), "unet2d", arguments, 32, "basic", "cpu", "fp32", None, False, 3)
    contender = Contender("ours", settings)

    def weights() -> list[torch.Tensor]:
        return [p.detach().clone() for p in contender._trainer(2).network.parameters()]

    first = weights()
    assert [w.shape for w in first] == [p.shape for p in build(settings).parameters()]
    for mode, learns in (("batches", False), ("full", True), ("plain", True), ("made", True)):
        before = weights()
        found = contender.measure(Point(mode, 2), 1e-9)
        same = all(torch.equal(a, b) for a, b in zip(before, weights(), strict=True))
        assert same is not learns and found["steps"] == window.LEAST, mode
        trainer = contender._trainer(2)
        assert bool(trainer.augmenter.settings.transforms) is (mode != "plain")
    assert contender.about()["precision"] == "fp32" and not contender.about()["compiled"]


def _windows(steps: int, seconds: float, cpu: float) -> list[dict[str, Any]]:
    return [{"steps": steps, "seconds": seconds, "cpu_seconds": cpu, "peak_bytes": 2_000_000_000}]


def _outcome(device: str) -> dict[str, Any]:
    settings = {
        **{"size": 64, "network": "unet2d", "arguments": {}, "augmentation": "basic", "device": device, "seed": 0},
        **{"precision": "bf16", "threads": 1, "compile": True, "cases": 2, "slices": 4, "batches": [8]},
    }
    machine = {"processor": "P", "cores": 2, "cores_allowed": 1, "system": "Linux"}
    outcome = new_outcome(machine, settings, {"forward": 4e9, "step": 12e9})
    outcome["sessions"].append(
        {"command": "medseg bench train", "when": "now", "minutes": 1.0, "load_before": 0.1, "load_after": 0.2,
         "contenders": ["ours", "monai"], "peak": {"flop_per_s": 1.2e12, "size": 1024, "precision": "bf16"}}
    )  # fmt: skip
    about = {"versions": {"torch": "2"}, "precision": "bf16", "compiled": False, "threads": 1, "notes": []}
    ours = [
        make_row("ours", "full", 8, None, _windows(10, 1.0, 2.0), None),
        make_row("ours", "made", 8, None, _windows(10, 0.8, 1.8), None),
    ]
    theirs = [
        make_row("monai", "full", 8, 4, _windows(10, 4.0, 5.0), None),
        make_row("monai", "made", 8, None, _windows(10, 1.0, 2.0), None),
    ]
    put_rows(outcome, "ours", about, ours)
    put_rows(outcome, "monai", about, theirs)
    put_rows(outcome, "nnunet", {}, [make_row("nnunet", "full", 8, None, [], "no environment")])
    return outcome


def test_ratios_and_shares_are_those_of_the_speeds() -> None:
    outcome = _outcome("cuda")
    add_figures(outcome)
    full = outcome["rows"][0]
    assert full["slices_per_s"] == 80 and full["slices_per_cpu_s"] == 40
    assert full["share_of_peak"] == pytest.approx(80 * 12e9 / 1.2e12)
    (one,) = outcome["ratios"]
    assert one["loading_and_augmenting"] == {"ours": pytest.approx(0.2), "monai": pytest.approx(0.75)}
    assert one["ours_over"] == {"monai": {"full": pytest.approx(4.0), "made": pytest.approx(1.25)}}
    outcome = _outcome("cpu")
    add_figures(outcome)
    assert outcome["ratios"][0]["ours_over"]["monai"]["full"] == pytest.approx(2.5)
    assert outcome["rows"][0]["share_of_peak"] == pytest.approx(40 * 12e9 / 1.2e12)


def test_what_was_not_run_stands_there_with_its_reason_and_replaces_nothing() -> None:
    outcome = _outcome("cuda")
    put_rows(outcome, "ours", outcome["contenders"]["ours"], [make_row("ours", "full", 8, None, [], "not asked for")])
    add_figures(outcome)
    assert outcome["rows"][0]["slices_per_s"] == 80
    text, page = "\n".join(lines(outcome)), write_page(outcome)
    assert "not run: no environment" in text and "not run: no environment" in page
    assert "4.00" in text and "4.00" in page and "80" in text and "<svg" in page
    put_rows(outcome, "nnunet", {}, [make_row("nnunet", "full", 8, 2, _windows(5, 1.0, 1.0), None)])
    assert [r["slices_per_s"] for r in outcome["rows"] if r["contender"] == "nnunet"] == [40]


def test_only_what_was_measured_alike_is_put_together(tmp_path: Path) -> None:
    outcome = _outcome("cpu")
    path = tmp_path / "former.json"
    path.write_text(json.dumps(outcome))
    machine, settings = outcome["machine"], outcome["settings"]
    assert read_outcome(path, machine, {**settings, "batches": [32]})["settings"]["batches"] == [8, 32]
    with pytest.raises(InputError, match="another machine"):
        read_outcome(path, {**machine, "cores": 3}, settings)
    with pytest.raises(InputError, match=r"other settings \(size, precision\)"):
        read_outcome(path, machine, {**copy.deepcopy(settings), "size": 96, "precision": "fp32"})
    path.write_text("[]")
    with pytest.raises(InputError, match="no outcome"):
        read_outcome(path, machine, settings)
