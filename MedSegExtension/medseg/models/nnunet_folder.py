"""nnU-Net v2 result folders (folder or zip), 2D configurations: all folds as an ensemble, mirrored as by its predictor.

Read without nnU-Net: plans and dataset as JSON, checkpoints by `checkpoint_pickle`, which executes none. Volumes are
prepared and put back as the plans say (`nnunet_prepare`), so that ``nnUNetv2_predict`` finds the same voxels; the card
is made from the plans, and takes along what a converted model needs of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..backends import Backend, Choice, require
from ..backends.base import memory_errors
from ..errors import InputError
from .checkpoint_pickle import Checkpoint, StoredArray, open_checkpoint
from .nnunet_card import nnunet_card, preparation
from .nnunet_plans import Plans, PlansRefused, read_plans
from .package import Package
from .report import ModelReport, TensorInfo
from .yaml_text import read_json

if TYPE_CHECKING:
    from ..preprocess import Preparer

CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
MAX_PLANS = 16 * 1024 * 1024
NUMBERED_FOLDS = tuple(f"fold_{number}" for number in range(20))
_MEND = "give the folder of a 2D training, such as nnUNetTrainer__nnUNetPlans__2d"


def is_nnunet(package: Package) -> bool:
    """Whether a package is a result folder."""
    return package.has("plans.json") and package.has("dataset.json")


def inspect_nnunet(path: Path) -> ModelReport:
    """The report of a result folder. Raises InputError where it is not usable, UnsafeModelError where it is hostile."""
    package = Package(path)
    plans, mirror, folds, planned = _read(package)
    report = ModelReport(path=path, format="nnunet", framework="nnU-Net v2")
    report.version = f"2D, {len(folds)} fold{'s' if len(folds) > 1 else ''}"
    inputs = plans.network["inputs"]
    report.in_channels, report.out_channels = inputs, plans.heads
    report.inputs = (TensorInfo("input", "float32", (None, inputs, None, None)),)
    report.outputs = (TensorInfo("logits", "float32", (None, report.out_channels, None, None)),)
    report.details = {"folds": folds, "patch_size": list(plans.patch), "spacing_mm": list(plans.spacing),
                      "mirroring_axes": mirror, "normalisation": list(plans.normalisations),
                      "residual_encoder": plans.network["residual"]}  # fmt: skip
    with package.local(folds[0]) as file, open_checkpoint(file) as checkpoint:
        weights = _weights(checkpoint)
        report.parameters = sum(prod(array.shape) for array in weights.values())
    card, notes = nnunet_card(path, plans)
    card["preparation"] = planned
    report.card_text = json.dumps(card)
    report.warnings += notes
    return report


def preparer_of(path: Path) -> Callable[..., Preparer]:
    """How volumes become slices by the plans in a result folder. Raises InputError."""
    from .nnunet_prepare import planned_preparer

    return planned_preparer(_read(Package(path))[0])


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
    plans, mirror, folds, _ = _read(package)
    networks = []
    for name in folds:
        with torch.device("meta"):
            network = PlannedUNet(classes=plans.heads, **plans.network)
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
    return SlidingEnsemble(networks, plans.patch, mirror).eval().requires_grad_(False)


def _read(package: Package) -> tuple[Plans, list[int], list[str], dict[str, Any]]:
    """Plans, mirrored axes, the checkpoint of every fold, and the card's preparation. Raises InputError."""
    path = package.path
    folds = _folds(package)
    with package.local(folds[0]) as file, open_checkpoint(file) as checkpoint:
        root = checkpoint.root if isinstance(checkpoint.root, dict) else {}
        settings = root.get("init_args")
        configuration = settings.get("configuration") if isinstance(settings, dict) else None
        axes = root.get("inference_allowed_mirroring_axes")
        mirror = sorted({axis for axis in axes if axis in (0, 1)}) if isinstance(axes, (list, tuple)) else []
    texts = [read_json(package.read(name, MAX_PLANS), path, name, MAX_PLANS) for name in ("plans.json", "dataset.json")]
    name = configuration if isinstance(configuration, str) else "2d"
    try:
        plans = read_plans(texts[0], texts[1], name)
    except PlansRefused as error:
        raise InputError(f"this nnU-Net folder cannot be used: {error}", file=path, mend=_MEND) from None
    return plans, mirror, folds, preparation(texts[0], texts[1], name, mirror)


def _folds(package: Package) -> list[str]:
    """The checkpoints to average, as nnU-Net chooses them: numbered folds before ``fold_all``, final before best."""
    for name in CHECKPOINTS:
        for folds in (NUMBERED_FOLDS, ("fold_all",)):
            found = [f"{fold}/{name}" for fold in folds if package.has(f"{fold}/{name}")]
            if found:
                return found
    raise InputError(
        "this nnU-Net folder has no fold with a checkpoint", file=package.path, mend="add fold_0/checkpoint_final.pth"
    )


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
