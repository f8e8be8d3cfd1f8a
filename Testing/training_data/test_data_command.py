"""``medseg train --check`` as a person and a script meet it: in a process of its own, on a terminal, interrupted."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from data_sets import ball_case, config, settings, write_case
from medseg_training.data import check_cases
from medseg_training.data.check import Report, useful_processes

MEDSEG = [sys.executable, "-P", "-m", "medseg", "train"]


def write_settings(folder: Path, data: Path, **changes: object) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(settings(data, **changes)), encoding="utf-8")
    return path


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MEDSEG, *map(str, arguments)], capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture
def flawed(tmp_path: Path) -> Path:
    """Three cases: one good, one with an empty reference (a warning), one with NaN (an error)."""
    data = tmp_path / "data"
    image, labels = ball_case(0)
    write_case(data, "good", image, labels)
    other, mask = ball_case(1)
    write_case(data, "empty", other, mask.with_array(mask.array * 0))
    broken = ball_case(2)[0]
    voxels = broken.array.astype(np.float32)
    voxels[1, 2, 3] = np.nan
    write_case(data, "nan", broken.with_array(voxels), labels)
    return data


def test_json_is_one_object_and_the_status_says_whether_training_can_start(tmp_path: Path, flawed: Path) -> None:
    path = write_settings(tmp_path, flawed)
    done = run(path, "--check", "--json")
    assert done.returncode == 2
    report = json.loads(done.stdout)
    assert (report["cases"], report["patients"], report["errors"], report["warnings"]) == (3, 3, 1, 1)
    by_file = {Path(p["file"]).name: p for p in report["problems"]}
    assert by_file["nan.nii.gz"]["fatal"] and by_file["nan.nii.gz"]["mend"]
    assert not by_file["empty.nii.gz"]["fatal"]
    assert report["fingerprint"]["cases"] == 2  # those that could be read
    assert done.stderr.strip().splitlines() == [f"medseg: {flawed}: 1 error in 3 cases; mend what the lines above name"]
    for part in ("images", "labels"):
        (flawed / part / "nan.nii.gz").unlink()
    done = run(path, "--check")
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("warning: ") and "empty.nii.gz" in lines[0]
    assert lines[1].startswith("2 readable cases of 2 patients; 20×24×6 voxels of 1.5 × 1.5 × 3 mm")
    assert lines[-1] == "2 cases, no errors, 1 warning"
    assert not list(tmp_path.glob("runs")), "a check leaves nothing behind"


def test_on_a_terminal_it_shows_how_far_it_is(tmp_path: Path, flawed: Path) -> None:
    path = write_settings(tmp_path, flawed)
    ours, its = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([*MEDSEG, str(path), "--check"], stdout=subprocess.DEVNULL, stderr=its, env=environment)
    os.close(its)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux: the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(timeout=60) == 2
    assert b"3 of 3" in shown


def linked(folder: Path, count: int) -> Path:
    """Many cases out of one, and one image without a reference, of which the first line tells."""
    write_case(folder, "c0", *ball_case(0, (40, 64, 64)))
    for n in range(1, count):
        for part in ("images", "labels"):
            os.link(folder / part / "c0.nii.gz", folder / part / f"c{n}.nii.gz")
    os.link(folder / "images" / "c0.nii.gz", folder / "images" / "bare.nii.gz")
    return folder


def test_ctrl_c_ends_it_with_130_and_no_traceback(tmp_path: Path) -> None:
    path = write_settings(tmp_path, linked(tmp_path / "data", 300))
    process = subprocess.Popen(
        [*MEDSEG, str(path), "--check"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert "bare.nii.gz" in process.stdout.readline()  # it has begun, and has 300 cases before it
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=120)
    assert process.returncode == 130
    assert complaints.strip() == "medseg: interrupted"


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from data_sets import config
from medseg_training.data import check_cases

if __name__ == "__main__":
    for case, found in check_cases(config(Path(sys.argv[2])), processes=2):
        print(case and case.name, flush=True)
"""


def test_several_processes_find_the_same_and_end_when_interrupted(tmp_path: Path) -> None:
    data = linked(tmp_path / "data", 8)
    made = config(data)
    (data / "images" / "c3.nii.gz").unlink()
    (data / "images" / "c3.nii.gz").write_bytes(b"no image")

    def found(processes: int) -> list[tuple[str | None, list[str]]]:
        return [(c and c.name, [p.line() for p in problems]) for c, problems in check_cases(made, processes)]

    assert found(2) == found(1)

    # A whole process group is interrupted, as a terminal does it.
    script = tmp_path / "check.py"
    script.write_text(SCRIPT, encoding="utf-8")
    many = linked(tmp_path / "many", 300)
    process = subprocess.Popen(
        [sys.executable, str(script), str(Path(__file__).parent), str(many)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert [process.stdout.readline().strip() for _ in range(2)] == ["None", "c0"]
    os.killpg(process.pid, signal.SIGINT)
    rest, complaints = process.communicate(timeout=120)  # ends only when the workers have closed the pipes too
    assert process.returncode == -signal.SIGINT or "KeyboardInterrupt" in complaints
    assert len(rest.splitlines()) < 150


def test_little_data_is_read_by_one_process(tmp_path: Path, balls: Path) -> None:
    report = Report()
    report.begin(config(balls))
    assert useful_processes(report.cases) == 1
    heavy = tmp_path / "data"
    write_case(heavy, "a", *ball_case(0))
    with (heavy / "images" / "a.nii.gz").open("r+b") as stream:
        stream.truncate(500 * 2**20)  # sparse
    report = Report()
    report.begin(config(heavy))
    assert useful_processes(report.cases * 64) == min(8, len(os.sched_getaffinity(0)))
