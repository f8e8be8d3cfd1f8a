"""nnU-Net v2 itself beside us: planned, trained for minutes and run by its own programs, then the same folder by ours.

Whole processes on the CPU, one after the other in turns: nnU-Net's one for all cases, ours one for each.
``MEDSEG_PEERS_WORK=FOLDER`` keeps what was trained, so that a second run only predicts.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from nnunet_cases import PLAIN, REGIONS, Kind, write_set  # noqa: E402

MEDSEG = Path(sys.executable).parent / "medseg"
TRAINERS = {PLAIN.name: ("nnUNetTrainerBrief", (0, 1)), REGIONS.name: ("nnUNetTrainerBriefest", (0,))}
ROUNDS = 2


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    kept = os.environ.get("MEDSEG_PEERS_WORK")
    yield Path(kept) if kept else tmp_path_factory.mktemp("nnunet")


def environment(work: Path) -> dict[str, str]:
    return {
        **os.environ,
        "nnUNet_raw": str(work / "raw"),
        "nnUNet_preprocessed": str(work / "preprocessed"),
        "nnUNet_results": str(work / "results"),
        "nnUNet_extTrainer": str(HERE / "trainers"),
        "nnUNet_def_n_proc": "2",
        "nnUNet_n_proc_DA": "1",
    }


def run(command: list[str | Path], work: Path, **more: str) -> float:
    """Seconds of a whole process, which must end well."""
    start = time.perf_counter()
    done = subprocess.run(
        [str(part) for part in command], env={**environment(work), **more}, capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return time.perf_counter() - start


def trained(kind: Kind, work: Path, peers: Path) -> Path:
    """The result folder of nnU-Net's own training."""
    trainer, folds = TRAINERS[kind.name]
    folder = work / "results" / kind.name / f"{trainer}__{kind.plans}__2d"
    if all((folder / f"fold_{fold}" / "checkpoint_final.pth").is_file() for fold in folds):
        return folder
    if not (work / "raw" / kind.name / "dataset.json").is_file():
        write_set(kind, work / "raw", training=6, testing=2)
    plan = [peers / "nnUNetv2_plan_and_preprocess", "-d", kind.number, "-pl", kind.planner, "-c", "2d"]
    run([*plan, "-np", "1", "-npfp", "1"], work)
    # nnU-Net's plans may be edited, and its batches are made for a graphics card.
    file = work / "preprocessed" / kind.name / f"{kind.plans}.json"
    plans = json.loads(file.read_text())
    plans["configurations"]["2d"]["batch_size"] = 4
    file.write_text(json.dumps(plans))
    for fold in folds:
        train = [peers / "nnUNetv2_train", kind.number, "2d", str(fold), "-tr", trainer, "-p", kind.plans]
        run([*train, "-device", "cpu"], work, nnUNet_n_proc_DA="0")
    return folder


def theirs(kind: Kind, work: Path, peers: Path) -> tuple[Path, float]:
    trainer, folds = TRAINERS[kind.name]
    out = work / "theirs" / kind.name
    shutil.rmtree(out, ignore_errors=True)
    images = work / "raw" / kind.name / "imagesTs"
    predict = [peers / "nnUNetv2_predict", "-i", images, "-o", out, "-d", kind.number, "-p", kind.plans, "-tr", trainer]
    return out, run([*predict, "-c", "2d", "-f", *map(str, folds), "-device", "cpu", "-npp", "1", "-nps", "1"], work)


def ours(kind: Kind, work: Path, model: Path) -> tuple[Path, float]:
    out = work / "ours" / kind.name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    images = work / "raw" / kind.name / "imagesTs"
    seconds = 0.0
    for name in sorted({file.name[:7] for file in images.iterdir()}):
        volumes = [images / f"{name}_{channel:04d}.nii.gz" for channel in range(len(kind.channels))]
        seconds += run(
            [MEDSEG, "segment", *volumes, "--trusted", "--model", model, "--output", out / f"{name}.nii.gz"], work
        )
    return out, seconds


@pytest.mark.parametrize("kind", [PLAIN, REGIONS], ids=["labels", "regions"])
def test_both_find_the_same_voxels_and_ours_is_not_slower(kind: Kind, work: Path, peers: Path, capsys) -> None:
    model = trained(kind, work, peers)
    times: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        their_folder, their_seconds = theirs(kind, work, peers)
        our_folder, our_seconds = ours(kind, work, model)
        times.append((their_seconds, our_seconds))
    same = total = marked = 0
    for file in sorted(their_folder.glob("*.nii.gz")):
        wanted, found = (sitk.ReadImage(str(folder / file.name)) for folder in (their_folder, our_folder))
        assert found.GetSpacing() == pytest.approx(wanted.GetSpacing())
        assert found.GetOrigin() == pytest.approx(wanted.GetOrigin())
        a, b = sitk.GetArrayFromImage(wanted), sitk.GetArrayFromImage(found)
        same, total, marked = same + int((a == b).sum()), total + a.size, marked + int((a > 0).sum())
    with capsys.disabled():
        ratio = min(a for a, _ in times) / min(b for _, b in times)
        line = ", ".join(f"{a:.1f} s and {b:.1f} s" for a, b in times)
        print(f"\n{kind.name}: {same} of {total} voxels alike, {marked} marked; nnU-Net and ours {line}: {ratio:.2f} ×")
    assert marked > 500 and total > 80_000
    assert same / total >= 0.999
    assert np.median([a / b for a, b in times]) >= 1


@pytest.mark.parametrize("kind", [PLAIN, REGIONS], ids=["labels", "regions"])
def test_the_folder_as_one_file_finds_the_same_voxels(kind: Kind, work: Path, peers: Path, capsys) -> None:
    folder, file = trained(kind, work, peers), work / f"{kind.name}.onnx"
    their_folder, _ = theirs(kind, work, peers)
    run([MEDSEG, "convert", folder, file, "--overwrite"], work)
    our_folder, seconds = ours(kind, work, file)
    same = total = 0
    for name in sorted(found.name for found in their_folder.glob("*.nii.gz")):
        a, b = (sitk.GetArrayFromImage(sitk.ReadImage(str(side / name))) for side in (their_folder, our_folder))
        same, total = same + int((a == b).sum()), total + a.size
    with capsys.disabled():
        print(f"\n{kind.name} as ONNX: {same} of {total} voxels alike, {seconds:.1f} s")
    assert same >= 0.999 * total
