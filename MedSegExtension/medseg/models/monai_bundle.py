"""MONAI bundles (folder or zip): their weights, and the network that their configuration names, if it is on a list.

A bundle's configuration is a program: ``_target_`` names what is called and ``$`` begins Python text. None of it runs
here. The entry of the network is read as data, its target looked up in `TARGETS`, its arguments taken where they are
plain values or references to such. Format: docs.monai.io/en/stable/mb_specification.html.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..backends import Backend, Choice
from ..errors import InputError, UnsafeModelError
from .monai_transforms import read_transforms
from .package import Package, UnpackedBackend
from .report import ModelReport
from .yaml_text import MAX_TEXT, read_json, read_yaml

METADATA = ("configs/metadata.json", "configs/metadata.yaml", "configs/metadata.yml")
CONFIGS = tuple(
    f"configs/{name}.{ending}" for name in ("inference", "evaluate", "train") for ending in ("json", "yaml", "yml")
)
#: Weights in the order they are looked for: graphs say more of themselves than tables of tensors.
WEIGHTS = ("models/model.onnx", "models/model.ts", "models/model.pt2", "models/model.safetensors", "models/model.pt",
           "models/model.pth", "models/model_final_iteration.pt", "models/best_metric_model.pt")  # fmt: skip
#: Networks a configuration may name, by the last part of the target, and where MONAI keeps them.
TARGETS = {"unet": "monai-unet", "basicunet": "monai-basic-unet", "dynunet": "monai-dynunet",
           "attentionunet": "monai-attention-unet", "segresnet": "monai-segresnet",
           "basicunetplusplus": "monai-basic-unet-plus-plus", "unet2d": "unet2d", "unet2db": "unet2d-b"}  # fmt: skip
_HOMES = ("", "monai.networks.nets", "medseg.networks", "networks.nets")
#: Arguments that change nothing of a network in use, or hold the only value that the network on the list has.
MAX_VALUES = 10_000
_WITHOUT_EFFECT = {"dropout", "dropout_prob", "deep_supervision", "deep_supr_num", "dimensions", "spatial_dims"}
_ONLY = {"adn_ordering": "NDA"}


def is_bundle(package: Package) -> bool:
    """Whether there is a bundle's description inside."""
    return any(package.has(name) for name in METADATA)


def inspect_monai_bundle(path: Path) -> ModelReport:
    """The report of a bundle. Raises InputError where nothing in it is usable, UnsafeModelError where it is hostile."""
    package = Package(path)
    metadata = _read(package, next(name for name in METADATA if package.has(name)))
    architecture, reason = _architecture(package)
    file, inner = _choose(package, architecture, reason)
    report = replace(inner, path=path, format="monai_bundle", card_text=None)
    report.version = ", ".join(f"{word} {metadata[key]}"[:60] for word, key in
                               (("bundle", "version"), ("MONAI", "monai_version")) if metadata.get(key))  # fmt: skip
    report.details = {**inner.details, "weights_file": file, "inner_format": inner.format}
    if reason:
        report.details["configuration"] = reason
    card = metadata.get("medseg")
    if card is not None:
        report.card_text = json.dumps(card)
    else:
        _add_words(report, metadata)
        _add_transforms(package, report, metadata)
    return report


def open_monai_bundle(report: ModelReport, choice: Choice, threads: int | None, precision: str) -> Backend:
    """The backend with the bundle's weights, checked again. Raises InputError."""
    from .opening import _backend

    package = Package(report.path)
    with ExitStack() as stack:
        file = stack.enter_context(package.local(report.details["weights_file"]))
        inner = _static(package, report.details["weights_file"], file, report.details.get("architecture"))
        if inner.unsafe:
            raise UnsafeModelError(f"the model is refused: {inner.unsafe[0]}", file=report.path,
                                   mend="do not open this bundle")  # fmt: skip
        inner.card = report.card
        backend = _backend(inner, choice, threads, precision)
        return backend if package.is_folder else UnpackedBackend(backend, stack.pop_all())


def _read(package: Package, name: str) -> dict[str, Any]:
    read = read_json if name.endswith(".json") else read_yaml
    return read(package.read(name, MAX_TEXT), package.path)


# Weights.


def _choose(package: Package, architecture: dict[str, Any] | None, reason: str) -> tuple[str, ModelReport]:
    problems: list[str] = []
    for name in WEIGHTS:
        if not package.has(name):
            continue
        with package.local(name) as file:
            try:
                return name, _static(package, name, file, architecture)
            except UnsafeModelError:
                raise
            except InputError as error:
                problems.append(error.what)
    if not problems:
        problems.append(f"there is none of {', '.join(WEIGHTS[:5])}")
    raise InputError(f"no weights of the bundle can be used ({'; '.join(problems)}{'; ' + reason if reason else ''})",
                     file=package.path, mend="export it with monai.bundle ckpt_export, or to ONNX")  # fmt: skip


def _static(package: Package, name: str, file: Path, architecture: dict[str, Any] | None) -> ModelReport:
    """The static report of a file of the bundle, with the network that the configuration names."""
    from .inspecting import static_report

    try:
        report = static_report(file)
    except InputError as error:
        raise type(error)(f"{name}: {error.what}", file=package.path, mend=error.mend) from None
    if report.format == "state_dict" and architecture is not None:
        report.details["architecture"], report.details["unknown"] = architecture, ()
        report.details["assumed"] = ()
        report.details["network"] = architecture["name"]
        report.warnings = [warning for warning in report.warnings if "recognised" not in warning
                           and not warning.startswith("the weights do not tell")]  # fmt: skip
        for side in ("in_channels", "out_channels"):
            value = architecture["arguments"].get(side)
            if isinstance(value, int):
                setattr(report, side, value)
    return report


# The network.


def _architecture(package: Package) -> tuple[dict[str, Any] | None, str]:
    """Architecture and arguments by the configuration, or None and the reason why not."""
    reason = "it has no configuration of the network"
    for name in CONFIGS:
        if not package.has(name):
            continue
        config = _read(package, name)
        for key in ("network_def", "network", "net", "model"):
            try:
                entry = _resolved(config, config.get(key), [MAX_VALUES])
                if isinstance(entry, dict) and "_target_" in entry:
                    return architecture_of(entry), ""
            except ValueError as error:
                reason = f"{name}: {error}"
    return None, reason


def architecture_of(entry: dict[str, Any]) -> dict[str, Any]:
    """``{"name", "arguments"}`` of our own registry for a network's entry. Raises ValueError with the reason."""
    target = str(entry["_target_"])
    home, _, word = target.rpartition(".")
    # monai.networks.nets.unet.UNet and monai.networks.nets.UNet are the same class.
    known = any(home == place or (place and home.startswith(place + ".")) for place in _HOMES)
    name = TARGETS.get(word.lower().replace("_", "")) if known else None
    if name is None:
        raise ValueError(f"the network {target[:80]!r} is not on the list ({', '.join(sorted(set(TARGETS.values())))})")
    dimensions = entry.get("spatial_dims", entry.get("dimensions", 2 if not name.startswith("monai") else None))
    if dimensions != 2:
        raise ValueError(f"the network has spatial_dims {str(dimensions)[:40]!r}; a 2D one is needed")
    arguments: dict[str, Any] = {}
    for key, value in entry.items():
        if key.startswith("_") or key in _WITHOUT_EFFECT:
            continue
        if key in _ONLY:
            if value != _ONLY[key]:
                raise ValueError(f"the network's {key} is {str(value)[:40]!r}, only {_ONLY[key]!r} can be built")
            continue
        if _has_expression(value):
            raise ValueError(f"the network's {key} is an expression, which is not executed")
        if (key == "upsample" and name == "monai-basic-unet") or key not in ("upsample",):
            arguments[key] = value
    return {"name": name, "arguments": arguments}


def _has_expression(value: Any) -> bool:
    if isinstance(value, str):
        return value.startswith(("$", "@", "%"))
    if isinstance(value, dict):
        return "_target_" in value or any(_has_expression(item) for item in value.values())
    return isinstance(value, list) and any(_has_expression(item) for item in value)


def _resolved(config: dict[str, Any], value: Any, left: list[int], depth: int = 0) -> Any:
    """``value`` with references ``@a::b`` (formerly ``@a#b``) replaced; what cannot be found stays a reference.

    ``left`` counts down the values that may come of it: references multiply as YAML's aliases do. Raises ValueError.
    """
    left[0] -= 1
    if depth > 32 or left[0] < 0:
        raise ValueError("its references go in circles or multiply themselves")
    if isinstance(value, str) and value.startswith("@"):
        found: Any = config
        for part in value[1:].replace("::", "#").split("#"):
            if isinstance(found, dict) and part in found:
                found = found[part]
            elif isinstance(found, list) and part.isdecimal() and int(part[:9]) < len(found):
                found = found[int(part)]
            else:
                return value
        return _resolved(config, found, left, depth + 1)
    if isinstance(value, dict):
        return {key: _resolved(config, item, left, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(config, item, left, depth + 1) for item in value]
    return value


# What the description tells where there is no card.


def _add_transforms(package: Package, report: ModelReport, metadata: dict[str, Any]) -> None:
    """What the transforms of the first configuration that has some say of a card."""
    for name in CONFIGS:
        if not package.has(name):
            continue
        config = _read(package, name)
        try:
            parts = {key: _resolved(config, config.get(key), [MAX_VALUES])
                     for key in ("preprocessing", "postprocessing", "inferer")}  # fmt: skip
        except ValueError:
            continue
        if parts["preprocessing"] is None:
            continue
        said, unknown = read_transforms(parts, metadata)
        report.details["transforms"] = {"file": name, "say": said, "not_understood": unknown[:50]}
        if unknown:
            report.warnings.append(f"of its transforms a card cannot say: {', '.join(unknown[:8])[:300]}")
        return


def _add_words(report: ModelReport, metadata: dict[str, Any]) -> None:
    """Name, task and classes into the details, for a person who fills in the card."""
    for key in ("name", "task", "description", "intended_use", "data_type"):
        if isinstance(metadata.get(key), str):
            report.details[key] = metadata[key][:500]
    outputs = (
        (metadata.get("network_data_format") or {}) if isinstance(metadata.get("network_data_format"), dict) else {}
    )
    predicted = outputs.get("outputs", {}).get("pred", {}) if isinstance(outputs.get("outputs"), dict) else {}
    channels = predicted.get("channel_def") if isinstance(predicted, dict) else None
    if isinstance(channels, dict) and len(channels) <= 1000:
        report.details["channels"] = {str(key)[:10]: str(name)[:100] for key, name in channels.items()}
    report.warnings.append("the bundle has no card under the key medseg in configs/metadata.json; its transforms are a "
                           "program, which is not executed, so processing must be filled in")  # fmt: skip
