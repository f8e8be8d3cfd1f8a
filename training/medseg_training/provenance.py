"""What the card says about how a model came to be; counts and hashes, never a case's name."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from .config import Config
from .data import dataset_fingerprint
from .rundir import RunDirectory

PACKAGES = ("medseg", "torch", "numpy", "scipy", "SimpleITK", "onnx", "onnxscript", "onnxruntime")


def training_record(config: Config, run: RunDirectory, steps: int, minutes: float) -> dict[str, Any]:
    """The ``training`` part of the card (schema in ``model-card.schema.json``)."""
    split = json.loads(run.split.read_text(encoding="utf-8"))
    evaluation = json.loads(run.evaluation.read_text(encoding="utf-8")) if run.evaluation.is_file() else {}
    parts = ("training", "validation", "hold_out")
    return {
        "synthetic": config.synthetic,
        "data": config.data_kind,
        "fingerprint": dataset_fingerprint(json.loads(run.data.read_text(encoding="utf-8"))),
        "folds": {
            "sha256": split["sha256"],
            "seed": split["seed"],
            "cases": {part: len(split[part]) for part in parts},
            "patients": {part: len({split["patients"][case] for case in split[part]}) for part in parts},
        },
        "metrics": metrics_record(evaluation),
        "software": software(),
        "command": f"medseg train {run.config.name}",
        "configuration_sha256": hashlib.sha256(run.config.read_bytes()).hexdigest(),
        "steps": steps,
        "minutes": round(minutes, 1),
        "seed": config.seed,
    }


def metrics_record(evaluation: dict[str, Any]) -> dict[str, Any]:
    """Mean, SD and 95 % interval of the main figures for each label, by part; who chose the epoch stands beside."""
    record: dict[str, Any] = {k: evaluation[k] for k in ("checkpoint", "chosen_by") if k in evaluation}
    for part in ("validation", "hold_out"):
        if part in evaluation:
            record[part] = {
                value: {
                    "counted": summary["counted"],
                    **{
                        name: {key: summary["figures"][name][key] for key in ("n", "mean", "sd", "interval_95")}
                        for name in ("dice", "cldice", "nsd_1mm", "hd95_mm")
                    },
                }
                for value, summary in evaluation[part]["summary"].items()
            }
    return record


def software() -> dict[str, str]:
    """Versions of what trained and exported."""
    found = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": str(torch.get_num_threads()),
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
