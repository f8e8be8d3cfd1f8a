"""The card of an nnU-Net: what its plans say, as far as a card can say it.

The plans prepare the volumes themselves (`nnunet_prepare`); the card names labels and volumes, tells people what is
done, and is what a model converted from this one is left with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .nnunet_plans import Plans


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
        notes.append("mean and deviation are measured inside the body alone, by the plans; a card cannot say it")
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
