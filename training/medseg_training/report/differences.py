"""In which settings trainings differ: what a comparison compares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..augment import PRESETS, Augmentation
from ..config import Config
from ..rundir import RunDirectory
from .collect import Training

#: Where and how fast, who asked, and whose turn it is: nothing that is learned follows from them.
_PASSED_OVER = ("run", "data", "threads", "device", "compile", "storage", "cache", "mlflow", "crossval", "variants")


def differing(trainings: Sequence[Training]) -> dict[str, list[str]]:
    """Names of settings that are not the same in all trainings, and what each has; empty where all are alike."""
    configs = [RunDirectory(training.runs[0]).read_config() for training in trainings]
    # Folds of one plan hold out the same patients; other plans are told apart by their hash.
    alike = len({training.folds_sha256 for training in trainings}) == 1 and trainings[0].folds_sha256
    flat = [_flat(config.model_dump(mode="json", exclude={*_PASSED_OVER, "augmentation"})) for config in configs]
    found = {"augmentation": [augmentation_of(config) for config in configs]}
    for key in dict.fromkeys(key for each in flat for key in each):
        if alike and key.startswith("split."):
            continue
        found[key] = [_text(each.get(key)) for each in flat]
    return {key: values for key, values in found.items() if len(set(values)) > 1}


def augmentation_of(config: Config) -> str:
    """The preset's name where it is one, and what it does: ``rotation (probability 1, degrees 15)``, ``none``."""
    settings = config.augmentation
    transforms = {name: value for name, value in settings.transforms.items() if name != "identity"}
    if not transforms:
        return "none"
    preset = next((name for name, each in PRESETS.items() if Augmentation.model_validate(each) == settings), "")
    listed = ", ".join(f"{name.replace('_', ' ')} ({_strength(each)})" for name, each in transforms.items())
    policy = {"one": "one of them", "one_of": "one of them", "some_of": "some of them"}.get(settings.policy, "")
    text = f"{listed} ({policy} for each sample)" if policy and len(transforms) > 1 else listed
    return text if preset == "" or preset in transforms else f"{preset}: {text}"


def _strength(transform: Any) -> str:
    """``probability 1, degrees 15``: its settings as they stand."""
    return ", ".join(f"{key.replace('_', ' ')} {_plain(value)}" for key, value in transform.model_dump().items())


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        numbers = all(isinstance(n, (int, float)) for n in value)
        return (" to " if numbers and len(value) == 2 else " and ").join(_plain(n) for n in value)
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _flat(data: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(data, dict):
        return {prefix: data}
    out: dict[str, Any] = {}
    for key, value in data.items():
        out |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return out


def _text(value: Any) -> str:
    return "–" if value is None else str(value)
