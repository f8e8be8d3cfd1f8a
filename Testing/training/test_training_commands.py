"""``medseg train`` and ``medseg export`` as a person calls them: lines, JSON and exit statuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from medseg.cli import main
from training_cases import ellipsoid_case, settings, write_case


def _call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return int(end.value.code or 0)


def test_check_says_how_many_cases_are_good(
    write_settings: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call("train", str(write_settings()), "--check") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "6 cases, no errors"


def test_check_prints_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, labels = ellipsoid_case(0)
    write_case(tmp_path, "a_p1", image, labels.with_array(labels.array * 3))
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps(settings(tmp_path)))  # JSON is YAML
    assert _call("train", str(config), "--check", "--json") == 2
    seen = capsys.readouterr()
    report = json.loads(seen.out)
    assert report["cases"] == 1 and report["errors"] == 1 and report["problems"][0]["file"].endswith("a_p1.nii.gz")
    assert len(seen.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "optimizer.name=adam"], "unknown key optimizer; did you mean optimiser?"),
        (["--set", "data=nowhere", "--check"], "nowhere: there is no such folder"),
        (["--resume"], "no run to go on with"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    write_settings: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert _call("train", str(write_settings()), "--run", str(tmp_path / "run"), *arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and message in lines[0]
    assert not (tmp_path / "run").exists()


def test_export_of_what_is_no_run_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _call("export", str(tmp_path), "-o", str(tmp_path / "model.onnx")) == 2
    assert "not the directory of a run" in capsys.readouterr().err


def test_ctrl_c_keeps_the_state_and_says_how_to_go_on(ellipsoids: Path, tmp_path: Path) -> None:
    config, run = tmp_path / "tiny.yaml", tmp_path / "run"
    config.write_text(json.dumps(settings(ellipsoids, budget={"epochs": 1000, "steps_per_epoch": 5})))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-P", "-m", "medseg", "train", str(config), "--run", str(run)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        give_up = time.monotonic() + 200
        while not (run / "metrics.jsonl").is_file() and process.poll() is None and time.monotonic() < give_up:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=90)
    assert process.returncode == 130
    assert "the same command goes on from there" in errors and "Traceback" not in errors
    assert (run / "checkpoints" / "last.pt").is_file()
    assert "stopped after step" in (run / "log.txt").read_text(encoding="utf-8")
