"""nnU-Net v2 (2D) and ours on the first fold of the liver recipe: same cases, same minutes, same core, same figures.

    .venv/bin/python Testing/peers/nnunet_side_by_side.py --work FOLDER [--minutes 25] [--core 1]

nnU-Net lives in an environment of its own (`make test-peers` makes it from Testing/peers/requirements.txt). It plans
and preprocesses by itself from the training cases alone, trains for the minutes with its own trainer
(nnunet_trainers/), and predicts the held patients with its own command, mirroring included. Preprocessing and
prediction do not count for either side. A plan made for a GPU has batches that a core turns over a few dozen times in
25 minutes, so nnU-Net gets a second run with a smaller batch; both are in the table.

What is done is kept: started again, it goes on with what is missing. Data: CC BY-NC-SA, not in the repository.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "training" / "recipes" / "liver-chaos-5fold.yaml"
PEERS = ROOT / ".venv-peers" / "bin"
TRAINERS = Path(__file__).parent / "nnunet_trainers"
DATASET = "Dataset501_Liver"
FIGURES = ("dice", "cldice", "hd95_mm", "nsd_1mm")


class Bench:
    """Where everything lies, and how processes are run: on one core, one thread, before others."""

    def __init__(self, data: Path, work: Path, core: int, minutes: float) -> None:
        self.data, self.work, self.core, self.minutes = data, work, core, minutes
        self.recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
        for name in ("raw", "preprocessed", "results"):
            (work / name).mkdir(parents=True, exist_ok=True)

    def held(self) -> list[str]:
        """Patients of the recipe's first fold."""
        from medseg_training.config import load_config
        from medseg_training.crossval.plan import make_plan

        return list(make_plan(load_config(RECIPE, [f"data={self.data}"])).folds[0])

    def run(self, command: list[str | Path], log: Path, **variables: str) -> None:
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "nnUNet_raw": str(self.work / "raw"),
            "nnUNet_preprocessed": str(self.work / "preprocessed"),
            "nnUNet_results": str(self.work / "results"),
            "nnUNet_extTrainer": str(TRAINERS),
            "nnUNet_n_proc_DA": "1",
            "CUDA_VISIBLE_DEVICES": "",
            **variables,
        }
        pinned = ["taskset", "-c", str(self.core)] if shutil.which("taskset") else []
        first = ["nice", "-n", "-10"] if os.geteuid() == 0 else []
        print(" ".join(str(c) for c in command), flush=True)
        with log.open("ab") as stream:
            subprocess.run(
                [*pinned, *first, *map(str, command)],
                check=True,
                env=environment,
                stdout=stream,
                stderr=stream,
                stdin=subprocess.DEVNULL,
            )


def convert(bench: Bench, held: list[str]) -> None:
    """The cases as nnU-Net wants them: liver only, held patients apart, so that the planner does not see them."""
    from medseg.io import read_labels, write_labels

    raw = bench.work / "raw" / DATASET
    if (raw / "dataset.json").is_file():
        return
    for name in ("imagesTr", "labelsTr", "imagesTs"):
        (raw / name).mkdir(parents=True, exist_ok=True)
    training = 0
    for image in sorted((bench.data / "images").glob("*.nii.gz")):
        name = image.name.removesuffix(".nii.gz")
        if patient_of(name, bench.recipe) in held:
            shutil.copyfile(image, raw / "imagesTs" / f"{name}_0000.nii.gz")
            continue
        training += 1
        shutil.copyfile(image, raw / "imagesTr" / f"{name}_0000.nii.gz")
        labels = read_labels(bench.data / "labels" / image.name)
        liver = labels.with_array((labels.array == 1).astype(labels.array.dtype))
        write_labels(liver, raw / "labelsTr" / f"{name}.nii.gz")
    description = {
        "channel_names": {"0": "T2-SPIR"},
        "labels": {"background": 0, "liver": 1},
        "numTraining": training,
        "file_ending": ".nii.gz",
    }
    (raw / "dataset.json").write_text(json.dumps(description))


def patient_of(name: str, recipe: dict[str, Any]) -> str:
    found = re.search(recipe["patient"], name)
    assert found is not None
    return found.group(1)


def plan(bench: Bench, batches: list[int]) -> None:
    """nnU-Net's own plan, and beside it the same with smaller batches (configurations ``2d_b2`` ...)."""
    folder = bench.work / "preprocessed" / DATASET
    file = folder / "nnUNetPlans.json"
    if not file.is_file() or not any(folder.glob("nnUNetPlans_2d/*")):
        command = ["nnUNetv2_plan_and_preprocess", "-d", "501", "-c", "2d", "-np", "1", "-npfp", "1", "--no_pbar"]
        bench.run([PEERS / command[0], *command[1:]], bench.work / "plan.log")
    plans = json.loads(file.read_text())
    for size in batches:
        plans["configurations"][f"2d_b{size}"] = {"inherits_from": "2d", "batch_size": size}
    file.write_text(json.dumps(plans, indent=1))


def nnunet(bench: Bench, batch: int | None, held: list[str]) -> dict[str, Any]:
    """Train and predict with one configuration; figures of the held patients."""
    configuration = "2d" if batch is None else f"2d_b{batch}"
    trainer = "nnUNetTrainerMinutes"
    results = bench.work / "results" / DATASET / f"{trainer}__nnUNetPlans__{configuration}" / "fold_all"
    log = bench.work / f"nnunet_{configuration}.log"
    common = ["-tr", trainer, "-device", "cpu"]
    if not (results / "minutes.json").is_file():
        bench.run(
            [PEERS / "nnUNetv2_train", "501", configuration, "all", *common],
            log,
            NNUNET_MINUTES=str(bench.minutes),
            nnUNet_n_proc_DA="0",  # augmentation in the training process itself: there is one core
        )
    out = bench.work / f"predicted_{configuration}"
    if len(list(out.glob("*.nii.gz"))) < len(held):
        bench.run(
            [
                *(PEERS / "nnUNetv2_predict", "-i", bench.work / "raw" / DATASET / "imagesTs", "-o", out, "-d", "501"),
                *("-c", configuration, "-f", "all", "-npp", "1", "-nps", "1", "--disable_progress_bar", *common),
            ],
            log,
        )
    about = json.loads((results / "minutes.json").read_text())
    size = "its plan's" if batch is None else "smaller"
    return {
        "name": f"nnU-Net v2 2D, {size} batch of {about['batch_size']}",
        **{k: about[k] for k in ("steps", "minutes", "seconds_per_step", "batch_size", "patch_size", "parameters")},
        "cases": figures(bench, out),
        "post-processed": figures(bench, out, as_the_recipe=True),
    }


def ours(bench: Bench, held: list[str]) -> dict[str, Any]:
    """The recipe's network on the same training cases; through `medseg train`, `export` and `segment`."""
    run, log, model = bench.work / "ours", bench.work / "ours.log", bench.work / "ours.onnx"
    medseg = [sys.executable, "-P", "-c", "from medseg.cli import main; main()"]
    if not (run / "evaluation.json").is_file():
        changes = {
            "data": str(bench.data),
            "split": json.dumps({"hold_out": held}),
            "budget.max_minutes": bench.minutes,
            "budget.epochs": "null",
            "threads": 1,
        }
        settings = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
        bench.run([*medseg, "train", RECIPE, "--run", run, *settings], log)
    if not model.is_file():
        bench.run([*medseg, "export", run, "-o", model], log)
    out = bench.work / "predicted_ours"
    for image in sorted((bench.work / "raw" / DATASET / "imagesTs").glob("*.nii.gz")):
        target = out / image.name.replace("_0000", "")
        if not target.is_file():
            out.mkdir(exist_ok=True)
            bench.run(
                [*medseg, "segment", image, "--trusted", "-m", model, "-o", target, "--backend", "onnxruntime"], log
            )
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    resolved = yaml.safe_load((run / "config.yaml").read_text())
    import numpy as np
    from medseg.card import read_card  # noqa: F401
    from medseg.models import inspect_model

    parameters = inspect_model(model).parameters
    speeds = [resolved["sampling"]["batch_size"] / line["slices_per_s"] for line in lines]
    return {
        "name": f"ours, batch of {resolved['sampling']['batch_size']}",
        "steps": lines[-1]["step"],
        "minutes": lines[-1]["elapsed_s"] / 60,
        "seconds_per_step": float(np.median(speeds)),
        "batch_size": resolved["sampling"]["batch_size"],
        "patch_size": resolved["sampling"]["crop"],
        "parameters": parameters,
        "cases": figures(bench, out),
    }


def figures(bench: Bench, folder: Path, *, as_the_recipe: bool = False) -> dict[str, dict[str, float]]:
    """medseg.metrics of every prediction in ``folder``, at native spacing in 3D.

    ``as_the_recipe``: with the recipe's post-processing, which ours has already.
    """
    from medseg.card import PostProcessing
    from medseg.io import read_labels
    from medseg.metrics import evaluate_labels
    from medseg.postprocess import postprocess

    found = {}
    for file in sorted(folder.glob("*.nii.gz")):
        prediction, reference = read_labels(file), read_labels(bench.data / "labels" / file.name)
        i, j, k = reference.spacing
        if as_the_recipe:
            settings = PostProcessing(**bench.recipe["card"]["postprocessing"])
            postprocess(prediction.array, [1], settings, reference.voxel_volume_mm3)
        one = evaluate_labels(prediction.array, reference.array, (k, j, i), [1])[1]
        found[patient_of(file.name.removesuffix(".nii.gz"), bench.recipe)] = {n: getattr(one, n) for n in FIGURES}
    return found


def table(contenders: list[dict[str, Any]]) -> str:
    """Markdown: a row a contender and patient."""
    heads = ["", "steps", "s/step", "patient", "Dice", "clDice", "HD95 (mm)", "NSD 1 mm"]
    rows = [heads, ["---"] * len(heads)]
    for one in [row for contender in contenders for row in _with_postprocessed(contender)]:
        lead = [one["name"], str(one["steps"]), f"{one['seconds_per_step']:.2f}"]
        for patient, values in one["cases"].items():
            rows.append([*lead, patient, *_numbers(values)])
            lead = ["", "", ""]
        means = {n: sum(v[n] for v in one["cases"].values()) / len(one["cases"]) for n in FIGURES}
        rows.append([*lead, "**mean**", *(f"**{text}**" for text in _numbers(means))])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _with_postprocessed(one: dict[str, Any]) -> list[dict[str, Any]]:
    if "post-processed" not in one:
        return [one]
    return [one, {**one, "name": "the same, largest part kept and holes filled", "cases": one["post-processed"]}]


def _numbers(values: dict[str, float]) -> list[str]:
    return [f"{values['dice']:.3f}", f"{values['cldice']:.3f}", f"{values['hd95_mm']:.1f}", f"{values['nsd_1mm']:.3f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "chaos_t2spir")
    parser.add_argument("--work", type=Path, required=True, help="folder for everything that is made; not in git")
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--batch", type=int, default=2, help="batch of nnU-Net's second run; 0 leaves it out")
    parser.add_argument("--only", choices=("nnunet", "nnunet-small", "ours"), help="run one contender now")
    options = parser.parse_args()
    bench = Bench(options.data.resolve(), options.work.resolve(), options.core, options.minutes)
    held = bench.held()
    batches = [options.batch] if options.batch else []
    wanted = [options.only] if options.only else ["nnunet", *(["nnunet-small"] if batches else []), "ours"]
    convert(bench, held)
    plan(bench, batches)
    contenders = []
    for name in wanted:
        if name == "ours":
            contenders.append(ours(bench, held))
        else:
            contenders.append(nnunet(bench, None if name == "nnunet" else options.batch, held))
        (bench.work / f"result_{name}.json").write_text(json.dumps(contenders[-1], indent=1))
    print(table(contenders))


if __name__ == "__main__":
    main()
