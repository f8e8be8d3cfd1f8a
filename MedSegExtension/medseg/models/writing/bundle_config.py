"""What a MONAI bundle says of a model: ``configs/inference.json`` and ``configs/metadata.json``, made from its card.

The inference configuration does what our own pipeline does, in MONAI's transforms: orientation by the direction
cosines, in-plane size, normalisation, neighbours as channels, whole slices through the network, back onto the volume's
own grid, threshold there. `differences` names what MONAI's transforms cannot do in the same way. Layout and keys:
docs.monai.io/en/stable/mb_specification.html and mb_properties.html; metadata schema 20240725.
"""

from __future__ import annotations

import inspect
from typing import Any

from ...card import ModelCard
from ...version import __version__
from .graphs import SliceShape

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
#: Our names of networks that are MONAI's own, and their classes.
MONAI_CLASSES = {
    "monai-unet": "monai.networks.nets.UNet",
    "monai-basic-unet": "monai.networks.nets.BasicUNet",
    "monai-dynunet": "monai.networks.nets.DynUNet",
    "monai-attention-unet": "monai.networks.nets.AttentionUnet",
}
_MODES = {"nearest": "nearest-exact", "linear": "trilinear", "cubic": "trilinear"}

Step = dict[str, Any]


def inference_config(card: ModelCard, weights: str) -> dict[str, Any]:
    """``configs/inference.json``; ``weights`` is the file in ``models/``, ``model.pt`` (a table) or ``model.ts``."""
    keys = volume_keys(card)
    patterns = {key: "*.nii.gz" if len(keys) == 1 else f"{name}/*.nii.gz" for key, name in
                zip(keys, card.input.volumes, strict=True)}  # fmt: skip
    config: dict[str, Any] = {
        "imports": ["$import glob", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/data'",
        "output_dir": "$@bundle_root + '/eval'",
        "image_patterns": patterns,
        "images": {key: f"$sorted(glob.glob(@dataset_dir + '/' + @image_patterns::{key}))" for key in keys},
        "data_list": "$[dict(zip(@images.keys(), files)) for files in zip(*@images.values())]",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": _network(card, weights),
        "network": "$@network_def.to(@device).eval()",
        "preprocessing": {"_target_": "Compose", "transforms": preprocessing(card)},
        "dataset": {"_target_": "Dataset", "data": "@data_list", "transform": "@preprocessing"},
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@dataset",
            "batch_size": 1,
            "shuffle": False,
            "num_workers": 0,
        },
        # The whole slice at once, as in training: no patches, no overlap.
        "inferer": {"_target_": "SliceInferer", "roi_size": [-1, -1], "sw_batch_size": 1, "spatial_dim": 2},
        "postprocessing": {"_target_": "Compose", "transforms": postprocessing(card)},
        "handlers": [],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
            "amp": False,
        },
        "initialize": [],
        "run": ["$@evaluator.run()"],
    }
    if weights == "model.pt":
        config["handlers"] = [
            {
                "_target_": "CheckpointLoader",
                "load_path": "$@bundle_root + '/models/model.pt'",
                "load_dict": {"model": "@network"},
                "map_location": "@device",
            }
        ]
    return config


def _network(card: ModelCard, weights: str) -> Any:
    if weights == "model.ts":
        return "$torch.jit.load(@bundle_root + '/models/model.ts', map_location=@device)"
    assert card.architecture is not None
    name = card.architecture.name
    return {"_target_": MONAI_CLASSES[name], "spatial_dims": 2, **all_arguments(name, card.architecture.arguments)}


def all_arguments(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Every argument of one of MONAI's networks: what is left to our defaults is not what MONAI would choose."""
    from ...networks.registry import ARCHITECTURES

    defaults = {key: value.default for key, value in inspect.signature(ARCHITECTURES[name]).parameters.items()}
    return {**defaults, **given}


def volume_keys(card: ModelCard) -> list[str]:
    """The keys of the input volumes: ``image``, then ``image1``, …"""
    return ["image", *(f"image{number}" for number in range(1, len(card.input.volumes)))]


def preprocessing(card: ModelCard) -> list[Step]:
    """From a file to (channels, row, column, slice), as our `SlicePreparer` makes it."""
    keys, spec = volume_keys(card), card.input
    steps: list[Step] = [
        {"_target_": "LoadImaged", "keys": keys, "ensure_channel_first": True, "image_only": True},
        {"_target_": "EnsureTyped", "keys": keys, "dtype": "$torch.float32"},
        _orientation(card, keys),
    ]
    if spec.normalisation.scope == "volume":
        steps += _whole_volume(card, keys)
    steps += _resized(card, keys)
    if spec.normalisation.scope == "slice":
        steps += _each_slice(card, keys)
    steps += _framed(card, keys)
    if len(keys) > 1:
        steps.append({"_target_": "ConcatItemsd", "keys": keys, "name": "image", "dim": 0})
    pairs = [(channel.volume, channel.offset) for channel in spec.channels]
    if pairs != [(number, 0) for number in range(len(keys))]:
        steps.append(
            _function(
                ["image"],
                "lambda x: torch.cat([torch.index_select(x[v : v + 1], 3, "
                "(torch.arange(x.shape[3], device=x.device) + o).clamp(0, x.shape[3] - 1)) "
                f"for v, o in {pairs}])",
            )
        )
    return steps


def _orientation(card: ModelCard, keys: list[str]) -> Step:
    if card.orientation is None:  # as stored: (i, j, k) to (row, column, slice); `Invertd` turns it back
        return {"_target_": "Transposed", "keys": keys, "indices": [0, 2, 1, 3]}
    # The letters are said because MONAI's own choice of them changes between its versions.
    letters = [["L", "R"], ["P", "A"], ["I", "S"]]
    return {"_target_": "Orientationd", "keys": keys, "axcodes": card.orientation, "labels": letters}


def _function(keys: list[str], code: str) -> Step:
    return {"_target_": "Lambdad", "keys": keys, "func": f"${code}"}


def _whole_volume(card: ModelCard, keys: list[str]) -> list[Step]:
    n = card.input.normalisation
    if n.kind == "none":
        return []
    step: Step
    if n.kind == "divide":
        step = {"_target_": "NormalizeIntensityd", "subtrahend": 0.0, "divisor": n.divisor}
    elif n.kind == "zscore":
        step = {"_target_": "NormalizeIntensityd"}
        if n.mean is not None:
            step |= {"subtrahend": n.mean, "divisor": n.standard_deviation}
    elif n.kind == "window":
        assert n.window
        step = {"_target_": "ScaleIntensityRanged", "a_min": n.window[0], "a_max": n.window[1]}
        step |= {"b_min": 0.0, "b_max": 1.0, "clip": n.clip}
    elif n.kind == "percentile":
        step = {"_target_": "ScaleIntensityRangePercentilesd", "lower": n.percentiles[0], "upper": n.percentiles[1]}
        step |= {"b_min": 0.0, "b_max": 1.0, "clip": n.clip}
    else:
        step = {"_target_": "ScaleIntensityd", "minv": 0.0, "maxv": 1.0}
    return [{**step, "keys": keys}]


def _each_slice(card: ModelCard, keys: list[str]) -> list[Step]:
    n = card.input.normalisation
    # Constant slices have no contrast to bring out: they become 0.
    affine = "torch.where({scale} > 0, (x - {shift}) / {scale}, torch.zeros_like(x))"
    if n.kind == "zscore" and n.mean is None:
        shift, scale = "x.mean((1, 2), True)", "x.std((1, 2), unbiased=False, keepdim=True)"
    elif n.kind == "minmax":
        shift, scale = "x.amin((1, 2), True)", "(x.amax((1, 2), True) - x.amin((1, 2), True))"
    elif n.kind == "percentile":
        low, high = (f"torch.quantile(x.flatten(1, 2), {p / 100}, 1)[:, None, None]" for p in n.percentiles)
        shift, scale = low, f"({high} - {low})"
    else:  # fixed numbers are the same for a slice and a volume
        return _whole_volume(card, keys)
    code = affine.format(shift=shift, scale=scale)
    return [_function(keys, f"lambda x: {code}" + (".clamp(0, 1)" if n.kind == "percentile" and n.clip else ""))]


def _resized(card: ModelCard, keys: list[str]) -> list[Step]:
    size = card.input.size
    if size.mode == "resize":
        return [
            {
                "_target_": "Resized",
                "keys": keys,
                "spatial_size": [size.height, size.width, -1],
                "mode": _MODES[size.interpolation],
                "anti_aliasing": bool(size.antialias and size.interpolation != "nearest"),
                **({} if size.interpolation == "nearest" else {"align_corners": False}),
            }
        ]
    if size.mode == "resample":
        assert size.spacing_mm
        return [
            {
                "_target_": "Spacingd",
                "keys": keys,
                "pixdim": [*size.spacing_mm, -1.0],
                "mode": "nearest" if size.interpolation == "nearest" else "bilinear",
                "padding_mode": "border",
                "scale_extent": True,
            }
        ]
    return []


def _framed(card: ModelCard, keys: list[str]) -> list[Step]:
    """Padding or cropping about the centre; padded with NaN first where the value is each slice's own minimum."""
    size, step = card.input.size, card.input.size.multiple_of
    minimum = size.pad_value == "minimum"
    frame: Step
    if size.mode in ("pad_or_crop", "resample") and size.height and size.width:
        height, width = (-(-side // step) * step for side in (size.height, size.width))
        frame = {"_target_": "ResizeWithPadOrCropd", "spatial_size": [height, width, -1]}
    elif step > 1:
        frame = {"_target_": "DivisiblePadd", "k": [step, step, 1]}
    else:
        return []
    value = "$float('nan')" if minimum else size.pad_value
    steps = [{**frame, "keys": keys, "mode": "constant", "value": value}]
    if minimum:
        steps.append(
            _function(
                keys,
                "lambda x: torch.where(torch.isnan(x), "
                "torch.nan_to_num(x, nan=float('inf')).amin((1, 2), True).expand_as(x), x)",
            )
        )
    return steps


def postprocessing(card: ModelCard) -> list[Step]:
    """From the network's output to a label map on the volume's own grid."""
    output = card.output
    steps: list[Step] = []
    if output.activation != "none":
        steps.append({"_target_": "Activationsd", "keys": "pred", output.activation: True})
    steps.append(
        {
            "_target_": "Invertd",
            "keys": "pred",
            "transform": "@preprocessing",
            "orig_keys": "image",
            "nearest_interp": False,
            "to_tensor": True,
        }
    )
    channels = [label.channel for label in output.labels]
    values = [label.value for label in output.labels]
    scores = f"p[{channels}]"
    best = f"torch.tensor({values}, device=p.device)[{scores}.argmax(0, True)]"
    floor = "p[0:1]" if output.threshold is None else repr(output.threshold)
    sign = ">" if output.threshold is None else ">="
    steps.append(
        _function(["pred"], f"lambda p: torch.where({scores}.amax(0, True) {sign} {floor}, {best}, 0).float()")
    )
    steps.append(
        {
            "_target_": "SaveImaged",
            "keys": "pred",
            "output_dir": "@output_dir",
            "output_postfix": "seg",
            "output_ext": ".nii.gz",
            "output_dtype": "$torch.uint8" if max(values) < 256 else "$torch.int32",
            "resample": False,
            "separate_folder": False,
        }
    )
    return steps


def differences(card: ModelCard) -> list[str]:
    """What the bundle's transforms do not do as our pipeline does, in words."""
    size, after = card.input.size, card.postprocessing
    found = []
    if after.hysteresis_low is not None:
        found.append(f"hysteresis from {after.hysteresis_low:g}")
    if after.fill_holes:
        found.append("filling of holes")
    if after.minimum_part_mm3:
        found.append(f"removal of parts below {after.minimum_part_mm3:g} mm³")
    if after.keep_largest_parts:
        found.append(f"keeping of the {after.keep_largest_parts} largest parts")
    if size.mode == "resample":
        found.append("resampling is not smoothed before shrinking, and may round a size by one pixel")
    if size.interpolation == "cubic" and size.mode in ("resize", "resample"):
        found.append("cubic interpolation became linear")
    if card.plane == "acquisition" and card.orientation is not None:
        found.append("slices are taken along the axis nearest to the orientation, not along the stored k axis")
    return found


def metadata(card: ModelCard, shape: SliceShape, versions: dict[str, str]) -> dict[str, Any]:
    """``configs/metadata.json``: MONAI's own fields, and the card under the key ``medseg``."""
    channels = [
        f"{card.input.volumes[c.volume]}" + (f", slice {c.offset:+d}" if c.offset else "") for c in card.input.channels
    ]
    names = {label.channel: label.name for label in card.output.labels}
    outputs = {
        str(n): names.get(n, "background" if n == 0 and card.output.background_channel else f"channel {n}")
        for n in range(card.out_channels)
    }
    size = shape.fixed or shape.usual
    spatial: list[Any] = list(size) if size else [f"{shape.step}*n" if shape.step > 1 else "*"] * 2
    version = card.version or "1.0.0"
    return {
        "schema": SCHEMA,
        "version": version,
        "changelog": {version: "written by medseg convert"},
        "monai_version": versions["monai"],
        "pytorch_version": versions["torch"],
        "numpy_version": versions["numpy"],
        "required_packages_version": {"pytorch-ignite": "0.4.11", "nibabel": "5.0.0"},
        "name": card.name,
        "task": card.description or card.task,
        "description": card.description or card.name,
        "authors": str(card.training.get("authors", "")) or "not said",
        "copyright": card.licence or "not said",
        "intended_use": card.intended_use,
        "image_classes": ", ".join(part for part in (card.modality, card.contrast, card.body_region) if part),
        "label_classes": ", ".join(f"{label.value} {label.name}" for label in card.output.labels),
        "pred_classes": ", ".join(f"{label.value} {label.name}" for label in card.output.labels),
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "hounsfield" if card.modality == "CT" else "magnitude",
                    "modality": card.modality or "n/a",
                    "num_channels": shape.channels,
                    "spatial_shape": spatial,
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": False,
                    "channel_def": {str(number): name for number, name in enumerate(channels)},
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "segmentation",
                    "num_channels": card.out_channels,
                    "spatial_shape": spatial,
                    "dtype": "float32",
                    "value_range": [0, 1] if card.output.activation == "none" else [],
                    "is_patch_data": False,
                    "channel_def": outputs,
                }
            },
        },
        "written_by": f"medseg {__version__}",
        "medseg": card.to_dict(),
    }
