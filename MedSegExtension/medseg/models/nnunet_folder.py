"""nnU-Net v2 result folders (folder or zip), 2D configuration: all folds as an ensemble, mirrored as by its predictor.

Read without nnU-Net: plans and dataset as JSON, checkpoints by `checkpoint_pickle`, which executes none. What differs
from ``nnUNetv2_predict``, and is said in the report: statistics are over the whole volume where nnU-Net leaves out an
empty border; probabilities, and not logits, are resampled back; sums are float32 where nnU-Net's are half precision.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import Any

from ..backends import Backend, Choice, require
from ..backends.base import memory_errors
from ..errors import InputError
from .checkpoint_pickle import Checkpoint, StoredArray, open_checkpoint
from .nnunet_plans import Plans, PlansRefused, read_plans
from .package import Package
from .report import ModelReport, TensorInfo
from .yaml_text import read_json

CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
MAX_PLANS = 16 * 1024 * 1024
FOLDS = ("fold_all", *(f"fold_{number}" for number in range(20)))
_MEND = "give the folder of a 2D training, such as nnUNetTrainer__nnUNetPlans__2d"


def is_nnunet(package: Package) -> bool:
    """Whether a package is a result folder."""
    return package.has("plans.json") and package.has("dataset.json")


def inspect_nnunet(path: Path) -> ModelReport:
    """The report of a result folder. Raises InputError where it is not usable, UnsafeModelError where it is hostile."""
    package = Package(path)
    plans, mirror, folds = _read(package)
    report = ModelReport(path=path, format="nnunet", framework="nnU-Net v2")
    report.version = f"2D, {len(folds)} fold{'s' if len(folds) > 1 else ''}"
    inputs = plans.network["inputs"]
    report.in_channels, report.out_channels = inputs, len(plans.labels) + (0 if plans.regions else 1)
    report.inputs = (TensorInfo("input", "float32", (None, inputs, None, None)),)
    report.outputs = (TensorInfo("logits", "float32", (None, report.out_channels, None, None)),)
    report.details = {"folds": folds, "patch_size": list(plans.patch), "spacing_mm": list(plans.spacing),
                      "mirroring_axes": mirror, "normalisation": list(plans.normalisations),
                      "residual_encoder": plans.network["residual"]}  # fmt: skip
    with package.local(folds[0]) as file, open_checkpoint(file) as checkpoint:
        weights = _weights(checkpoint)
        report.parameters = sum(prod(array.shape) for array in weights.values())
    try:
        card, notes = _card(path, plans)
        report.card_text = json.dumps(card)
        report.warnings += notes
    except PlansRefused as reason:
        report.warnings.append(f"the plans cannot be put into a card: {reason}")
    return report


def open_nnunet(report: ModelReport, choice: Choice, threads: int | None, precision: str) -> Backend:
    """The ensemble on PyTorch. Raises InputError where weights and plans do not fit."""
    from ..backends.torch_backend import TorchBackend

    module = load_ensemble(report.path)
    return TorchBackend(module, choice.device, threads=threads, precision=precision)


def load_ensemble(path: Path) -> Any:
    """`networks.nnunet.SlidingEnsemble` with the weights of every fold, float32 on the CPU. Raises InputError."""
    torch = require("torch")
    from ..networks.nnunet import PlannedUNet, SlidingEnsemble

    package = Package(path)
    plans, mirror, folds = _read(package)
    outputs = len(plans.labels) + (0 if plans.regions else 1)
    networks = []
    for name in folds:
        with torch.device("meta"):
            network = PlannedUNet(classes=outputs, **plans.network)
        wanted = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
        with package.local(name) as file, open_checkpoint(file) as checkpoint, memory_errors("cpu"):
            given = _weights(checkpoint)
            lines = [f"{key} is missing" for key in wanted if key not in given]
            lines += [f"{key} is not part of it" for key in given if key not in wanted]
            lines += [f"{key} is {list(given[key].shape)} in the file and {list(shape)} by the plans"
                      for key, shape in wanted.items() if key in given and given[key].shape != shape]  # fmt: skip
            if lines:
                raise InputError(f"{name} does not fit the plans: {', '.join(lines[:3])}", file=path,
                                 mend="give a folder as nnU-Net wrote it")  # fmt: skip
            tensors = {key: torch.from_numpy(checkpoint.load(array)).float() for key, array in given.items()}
        network.load_state_dict(tensors, strict=True, assign=True)
        networks.append(network)
    fixed = _fixed(plans) if _all(plans, "CTNormalization") else None
    return SlidingEnsemble(networks, plans.patch, mirror, fixed).eval().requires_grad_(False)


def _read(package: Package) -> tuple[Plans, list[int], list[str]]:
    """Plans, mirrored axes, and the checkpoint of every fold. Raises InputError."""
    path = package.path
    texts = [read_json(package.read(name, MAX_PLANS), path, name, MAX_PLANS) for name in ("plans.json", "dataset.json")]
    try:
        plans = read_plans(*texts)
    except PlansRefused as error:
        raise InputError(f"this nnU-Net folder cannot be used: {error}", file=path, mend=_MEND) from None
    folds = [f"{fold}/{name}" for name in CHECKPOINTS for fold in FOLDS if package.has(f"{fold}/{name}")]
    # As nnU-Net does: the final checkpoints of all folds, others only where there is none.
    folds = [name for name in folds if name.endswith(folds[0].rpartition("/")[2])] if folds else []
    if not folds:
        raise InputError("this nnU-Net folder has no fold with a checkpoint", file=path,
                         mend="add fold_0/checkpoint_final.pth")  # fmt: skip
    with package.local(folds[0]) as file, open_checkpoint(file) as checkpoint:
        root = checkpoint.root if isinstance(checkpoint.root, dict) else {}
        settings = root.get("init_args")
        configuration = settings.get("configuration") if isinstance(settings, dict) else None
        if configuration not in (None, "2d"):
            raise InputError(f"this nnU-Net folder is of the configuration {str(configuration)[:40]}, 2d is needed",
                             file=path, mend=_MEND)  # fmt: skip
        axes = root.get("inference_allowed_mirroring_axes")
        mirror = sorted({axis for axis in axes if axis in (0, 1)}) if isinstance(axes, (list, tuple)) else []
    return plans, mirror, folds


def _weights(checkpoint: Checkpoint) -> dict[str, StoredArray]:
    """The tensors of the network, each once: nnU-Net's modules name theirs up to four times."""
    root = checkpoint.root
    table = root.get("network_weights") if isinstance(root, dict) else None
    if not isinstance(table, dict):
        raise InputError("the checkpoint has no network_weights", file=checkpoint.path,
                         mend="give a folder as nnU-Net v2 wrote it")  # fmt: skip
    found = {}
    for key, array in table.items():
        name = str(key).removeprefix("module.").removeprefix("_orig_mod.")
        if isinstance(array, StoredArray) and not name.startswith("decoder.encoder.") and ".all_modules." not in name:
            found[name] = array
    return found


def _all(plans: Plans, scheme: str) -> bool:
    return set(plans.normalisations) == {scheme}


def _fixed(plans: Plans) -> list[tuple[float, float, float, float]]:
    numbers = []
    for entry in plans.intensities:
        if len(entry) < 4:
            raise InputError("plans.json lacks the intensities of CT", mend="give a folder as nnU-Net wrote it")
        deviation = max(entry["std"], 1e-8)
        numbers.append((entry["percentile_00_5"], entry["percentile_99_5"], entry["mean"], deviation))
    return numbers


def _card(path: Path, plans: Plans) -> tuple[dict[str, Any], list[str]]:
    """The card, and what differs from nnU-Net. Raises PlansRefused where a card cannot say it."""
    if plans.transpose != (0, 1, 2):
        raise PlansRefused(f"its slices lie along stored axis {plans.transpose[0]}; a card must give the plane")
    if plans.regions:
        raise PlansRefused("its classes are overlapping regions")
    notes = ["probabilities are resampled back instead of logits, which can move borders by a part of a voxel"]
    if _all(plans, "CTNormalization"):
        normalisation: dict[str, Any] = {"kind": "none"}  # the network's first step, with its limits
    elif _all(plans, "ZScoreNormalization"):
        normalisation = {"kind": "zscore", "scope": "volume"}
        notes.append("mean and deviation are of the whole volume; nnU-Net leaves out an empty border"
                     + (" and, by these plans, measures non-zero voxels alone" if plans.masked else ""))  # fmt: skip
    elif _all(plans, "NoNormalization"):
        normalisation = {"kind": "none"}
    elif _all(plans, "RGBTo01Normalization"):
        normalisation = {"kind": "divide", "divisor": 255}
    elif _all(plans, "RescaleTo01Normalization"):
        normalisation = {"kind": "minmax", "scope": "volume"}
    else:
        raise PlansRefused(f"its normalisation is {', '.join(plans.normalisations)[:120]}")
    size = {"mode": "resample", "spacing_mm": list(plans.spacing), "antialias": False,
            "interpolation": "cubic" if plans.cubic else "linear"}  # fmt: skip
    entry: dict[str, Any] = {"size": size, "normalisation": normalisation}
    if len(plans.channels) > 1:
        entry["volumes"] = [name[:100] or f"channel {n}" for n, name in enumerate(plans.channels)]
    labels = [{"value": value, "name": name[:200] or f"label {value}"} for name, value in plans.labels.items()]
    return {
        "schema_version": 1, "name": path.resolve().name[:200] or "nnU-Net",
        "plane": "acquisition", "orientation": None,
        "input": entry, "output": {"activation": "softmax", "background_channel": True, "labels": [
            {**label, "channel": label["value"]} for label in labels]},
    }, notes  # fmt: skip
