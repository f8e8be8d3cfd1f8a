"""The card of an nnU-Net: what its plans say, as far as a card can say it.

The plans prepare the volumes themselves (`nnunet_prepare`); the card names labels and volumes, tells people what is
done, and takes along what of the plans a model converted from this one needs (``preparation``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..card import ModelCard
from ..errors import InputError
from .nnunet_plans import Plans, PlansRefused, inherited, read_plans


def preparation(plans: dict[str, Any], dataset: dict[str, Any], name: str, mirror: list[int]) -> dict[str, Any]:
    """What of the JSON of a result folder prepares volumes, for the card's field of that name; names of files and
    fingerprints of the data stay out."""
    kept = ("transpose_forward", "image_reader_writer", "foreground_intensity_properties_per_channel")
    configuration = {key: value for key, value in inherited(plans["configurations"], name).items() if key in _USED}
    return {
        "kind": "nnunet",
        "plans": {"configurations": {name: configuration}, **{key: plans[key] for key in kept if key in plans}},
        "dataset": {
            key: dataset[key]
            for key in ("channel_names", "modality", "labels", "regions_class_order")
            if key in dataset
        },
        "configuration": name,
        "mirroring_axes": mirror,
    }


def read_preparation(card: ModelCard, path: Path) -> tuple[Plans, list[int]]:
    """The plans in a card, and the axes that are mirrored. Raises InputError."""
    given = card.preparation
    try:
        plans = read_plans(given["plans"], given["dataset"], str(given.get("configuration", "2d")))
    except PlansRefused as error:
        raise InputError(
            f"the card's preparation cannot be used: {error}", file=path, mend="convert the nnU-Net folder again"
        ) from None
    return plans, sorted(set(given.get("mirroring_axes", ())))


#: What of a configuration is read; architecture included, from which the number of channels is known.
_USED = (
    "architecture", "UNet_class_name", "UNet_base_num_features", "unet_max_num_features", "conv_kernel_sizes",
    "pool_op_kernel_sizes", "n_conv_per_stage_encoder", "n_conv_per_stage_decoder", "patch_size", "spacing",
    "preprocessor_name", "normalization_schemes", "use_mask_for_norm", "resampling_fn_data",
    "resampling_fn_data_kwargs", "resampling_fn_probabilities", "resampling_fn_probabilities_kwargs",
)  # fmt: skip


def nnunet_card(path: Path, plans: Plans) -> tuple[dict[str, Any], list[str]]:
    """Card data, and what a person should know besides."""
    notes: list[str] = []
    if plans.transpose != (0, 1, 2):
        axis = "kji"[plans.transpose[0]]
        notes.append(f"the slices lie along the stored {axis} axis, as the plans say; the card's plane does not hold")
    schemes = {(scheme, masked) for scheme, masked in zip(plans.normalisations, plans.masked, strict=True)}
    if len(schemes) > 1 or (plans.normalisations[0] == "CTNormalization" and len(plans.channels) > 1):
        notes.append("each input volume is normalised in its own way, by the plans; the card gives the first one's")
    if ("ZScoreNormalization", True) in schemes:
        notes.append("mean and deviation are measured inside the body alone, by the plans")
    if plans.regions:
        notes.append("the labels are regions, painted one over the other: each value is its region without later ones")
    entry: dict[str, Any] = {
        "size": {
            "mode": "resample",
            "spacing_mm": list(plans.spacing),
            "antialias": False,
            "interpolation": {0: "nearest", 1: "linear"}.get(plans.data.order, "cubic"),
        },
        "normalisation": _normalisation(plans),
    }
    if len(plans.channels) > 1:
        names = [name[:90] or "channel" for name in plans.channels]
        entry["volumes"] = [name if names.count(name) == 1 else f"{name} {n}" for n, name in enumerate(names)]
    labels = [
        {"value": value, "name": name[:200] or f"label {value}", "channel": number + (0 if plans.regions else 1)}
        for number, (name, value) in enumerate(_in_channel_order(plans))
    ]
    output: dict[str, Any] = {"activation": "softmax", "background_channel": True, "labels": labels}
    if plans.regions:
        output = {
            "activation": "sigmoid", "background_channel": False, "threshold": 0.5, "overlap": "last", "labels": labels
        }  # fmt: skip
    card: dict[str, Any] = {
        "schema_version": 1,
        "name": path.resolve().name[:200] or "nnU-Net",
        "plane": "acquisition",
        "orientation": None,
        "input": entry,
        "output": output,
    }
    if plans.normalisations[0] == "CTNormalization":
        card["modality"] = "CT"
    return card, notes


def _in_channel_order(plans: Plans) -> list[tuple[str, int]]:
    """Names and values; the channels of regions follow dataset.json, those of labels their values."""
    if plans.regions:
        return list(plans.labels.items())
    return sorted(plans.labels.items(), key=lambda item: item[1])


def _normalisation(plans: Plans) -> dict[str, Any]:
    """Of the first volume."""
    scheme = plans.normalisations[0]
    if scheme == "CTNormalization":
        fixed = plans.intensities[0]
        return {
            "kind": "zscore",
            "mean": fixed["mean"],
            "standard_deviation": max(fixed["std"], 1e-8),
            "limits": [fixed["percentile_00_5"], fixed["percentile_99_5"]],
        }
    if scheme == "ZScoreNormalization":
        return {"kind": "zscore", "scope": "volume"}
    if scheme == "RGBTo01Normalization":
        return {"kind": "divide", "divisor": 255}
    if scheme == "RescaleTo01Normalization":
        return {"kind": "minmax", "scope": "volume"}
    return {"kind": "none"}
