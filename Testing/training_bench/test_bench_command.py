"""`medseg bench train` as a real process, with contenders as real processes, on sizes that take seconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("monai", reason="the peer itself")
#: Half a minute on an idle machine; on one that others use as well it may take many.
pytestmark = pytest.mark.timeout(900)

TINY = (
    *("--device", "cpu", "--precision", "fp32", "--network", "unet2d-8", "--size", "32", "--batches", "2"),
    *("--cases", "2", "--slices", "4", "--threads", "1", "--workers", "0", "--seconds", "0.01", "--rounds", "1"),
)


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-P", "-m", "medseg", "bench", "train", *TINY, *map(str, arguments)]


def _environment(folder: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k != "MEDSEG_PEERS"}
    return {**kept, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}


def _run(folder: Path, *arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        _command(*arguments), capture_output=True, text=True, timeout=800, check=False, env=_environment(folder)
    )
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("bench")
    out = folder / "out.json"
    done = _run(folder, "-o", out, "--contender", "ours", "--contender", "monai", "--contender", "nnunet", "--json")
    assert json.loads(done.stdout)["rows"] == json.loads(out.read_text())["rows"]
    return out, json.loads(out.read_text())


def test_every_point_has_its_figures_or_its_reason(measured: tuple[Path, dict[str, Any]]) -> None:
    out, outcome = measured
    rows = {(row["contender"], row["mode"]): row for row in outcome["rows"]}
    modes = ("full", "batches", "plain", "made")
    assert list(rows) == [(name, mode) for name in ("ours", "monai", "monai-tuned", "nnunet") for mode in modes]
    for (name, mode), row in rows.items():
        if name in ("ours", "monai"):
            assert row["reason"] is None and row["slices_per_s"] > 0 and row["slices_per_cpu_s"] > 0, (name, mode)
            assert all(window["steps"] >= 3 for window in row["windows"]) and len(row["windows"]) == 1
            assert (row["share_of_peak"] is None) == (mode == "batches")
            assert row["workers"] == (0 if name == "monai" and mode != "made" else None)
        else:
            assert row["slices_per_s"] is None and not row["windows"]
    assert "--peers" in rows["nnunet", "full"]["reason"] and rows["monai-tuned", "full"]["reason"] == "not asked for"
    assert set(outcome["ratios"][0]["ours_over"]) == {"monai"}
    assert outcome["contenders"]["monai"]["versions"].keys() == {"monai", "torch"}
    assert outcome["contenders"]["ours"]["precision"] == outcome["contenders"]["monai"]["precision"] == "fp32"
    assert outcome["peak_flop_per_s"] > 1e8
    assert outcome["sessions"][0]["command"].startswith("medseg bench train --device cpu")
    page = out.with_suffix(".html").read_text()
    assert "no environment with nnU-Net was given" in page and "<svg" in page
    assert 'src="http' not in page and 'href="http' not in page


def test_a_second_run_adds_to_the_first_and_says_what_is_missing_there(measured: tuple[Path, dict[str, Any]]) -> None:
    """nnU-Net asked for in an environment that has none: this one."""
    out, first = measured
    both = out.with_name("both.json")
    _run(out.parent, "-o", both, "--resume", out, "--contender", "nnunet", "--peers", sys.executable)
    outcome = json.loads(both.read_text())
    assert [r for r in outcome["rows"] if r["contender"] != "nnunet"] == [
        # The share is of the best product of both runs.
        {**r, "share_of_peak": mine["share_of_peak"]}
        for r, mine in zip(first["rows"], outcome["rows"], strict=True)
        if r["contender"] != "nnunet"
    ]
    reasons = {r["reason"] for r in outcome["rows"] if r["contender"] == "nnunet"}
    assert reasons == {"nnunetv2 is not installed there"}
    assert len(outcome["sessions"]) == 2


def test_an_interrupt_leaves_no_file_and_no_process(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    process = subprocess.Popen(
        _command("-o", out, "--rounds", "100000", "--contender", "ours", "--mode", "batches"),
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(tmp_path),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("round 3 of"):
            process.send_signal(signal.SIGINT)
            break
    rest = process.stderr.read()
    assert process.wait(60) == 130 and "Traceback" not in rest and rest.strip().endswith("medseg: interrupted")
    # torch leaves a folder for compiled kernels there.
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("torchinductor")] == []
    if Path("/proc").is_dir():
        commands = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()]
        assert not [c for c in commands if str(tmp_path).encode() in c]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--contender", "keras"), ("no contender keras", "nnunet")),
        (("--batches", "8,x"), ("--batches 8,x", "whole numbers")),
        (("--mode", "half"), ("no mode half", "made")),
        (("--augmentation", "strong"), ("no augmentation strong", "basic")),
        (("--size", "40"), ("40×40", "16 divides")),
        (("--network", "unet9"), ("unet9",)),
        (("--peers", "/nowhere/venv"), ("no such environment", "make test-peers")),
        (("--resume", "nothing.json"), ("no such file", "former run")),
    ],
)
def test_mistakes_are_one_line(
    arguments: tuple[str, ...], words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medseg.errors import InputError
    from medseg_training.bench.command import app
    from typer.testing import CliRunner

    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["train", *TINY, *arguments])
    assert isinstance(result.exception, InputError)
    assert all(word in result.exception.line() for word in words), result.exception.line()
    assert not list(tmp_path.iterdir())
