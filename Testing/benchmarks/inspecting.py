"""`medseg inspect` of one model in each format: time until it has answered, and processor time of all its processes.

    python Testing/benchmarks/inspecting.py [--static] [--keep FOLDER]

The network is a U-Net of 7.8 million weights (MONAI's, Keras's and nnU-Net's own are of like size). Each is looked at
twice, and the second time counts: the first one reads libraries from the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WIDTHS = (32, 64, 128, 256, 512)
CARD: dict[str, Any] = {
    "schema_version": 1,
    "name": "measured",
    "plane": "axial",
    "orientation": "PLS",
    "input": {"size": {"mode": "native", "multiple_of": 16}, "normalisation": {"kind": "zscore"}},
    "output": {"activation": "sigmoid", "labels": [{"value": 1, "name": "ducts"}]},
}


def models(folder: Path) -> Iterator[tuple[str, Path]]:
    """(what it is, where it lies) of every model, made one after the other."""
    import torch
    from medseg.card import Architecture, ModelCard
    from medseg.models.writing import write_model
    from medseg.networks import build_network

    ours = Architecture("unet2d", {"widths": list(WIDTHS)})
    network = build_network(ours).eval()
    card = ModelCard.from_dict({**CARD, "architecture": {"name": ours.name, "arguments": ours.arguments}})
    for kind, name in (
        ("onnx", "unet.onnx"),
        ("torchscript", "unet.ts"),
        ("pt2", "unet.pt2"),
        ("safetensors", "unet.safetensors"),
    ):
        write_model(network, card, folder / name, kind)
        yield kind, folder / name
    state = network.state_dict()
    torch.save({"epoch": 3, "model_state_dict": state, "ema_state_dict": state}, folder / "unet.pth")
    yield "checkpoint, averaged weights too", folder / "unet.pth"
    yield "bioimage.io package", bioimageio(folder, (folder / "unet.ts").read_bytes())
    monai = {
        "in_channels": 1,
        "out_channels": 1,
        "channels": list(WIDTHS),
        "strides": [2] * 4,
        "num_res_units": 2,
        "norm": "batch",
    }
    network = build_network(Architecture("monai-unet", monai)).eval()
    torch.save(network.state_dict(), folder / "monai.pt")
    yield "weights of MONAI's UNet", folder / "monai.pt"
    yield "MONAI bundle, network named", monai_bundle(folder, network.state_dict(), monai)
    yield "nnU-Net folder, one fold", nnunet(folder)
    yield from keras_files(folder)


def bioimageio(folder: Path, scripted: bytes) -> Path:
    """A package of today's description with TorchScript in it."""
    package = folder / "package"
    package.mkdir()
    (package / "net.pt").write_bytes(scripted)
    (package / "rdf.yaml").write_text(
        "format_version: 0.4.9\ntype: model\nname: small\n"
        "inputs: [{name: raw, axes: bcyx, shape: {min: [1, 1, 16, 16], step: [0, 0, 16, 16]}}]\n"
        "outputs: [{name: out, axes: bcyx, shape: {reference_tensor: raw, scale: [1, 1, 1, 1], offset: [0, 0, 0, 0]},\n"
        "           postprocessing: [{name: sigmoid}]}]\nweights: {torchscript: {source: net.pt}}\n"
    )
    return package


def monai_bundle(folder: Path, state: dict[str, Any], arguments: dict[str, Any]) -> Path:
    """A bundle that names MONAI's network in its configuration."""
    import torch

    bundle = folder / "bundle"
    for name in ("configs", "models"):
        (bundle / name).mkdir(parents=True)
    network = {"_target_": "UNet", "spatial_dims": 2, **arguments}
    metadata = {"version": "0.1.0", "monai_version": "1.5.0", "medseg": CARD}
    (bundle / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (bundle / "configs" / "inference.json").write_text(json.dumps({"network_def": network}))
    torch.save(state, bundle / "models" / "model.pt")
    return bundle


def nnunet(folder: Path) -> Path:
    """A result folder as nnU-Net v2 lays it out, with one fold."""
    import torch
    from medseg.networks.nnunet import PlannedUNet

    stages = len(WIDTHS)
    arguments: dict[str, Any] = {
        "n_stages": stages,
        "features_per_stage": list(WIDTHS),
        "conv_op": "torch.nn.modules.conv.Conv2d",
        "kernel_sizes": [[3, 3]] * stages,
        "strides": [[1, 1]] + [[2, 2]] * (stages - 1),
        "n_conv_per_stage": [2] * stages,
        "n_conv_per_stage_decoder": [2] * (stages - 1),
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    from medseg.models.nnunet_plans import read_plans

    configuration = {
        "patch_size": [256, 256],
        "spacing": [0.5, 0.5],
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data_kwargs": {"order": 3, "order_z": 0},
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": arguments,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
    }
    measured = {"mean": 1.0, "std": 1.0, "percentile_00_5": 0.0, "percentile_99_5": 9.0, "min": 0.0, "max": 9.0}
    plans = {
        "plans_name": "nnUNetPlans",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"2d": configuration},
        "foreground_intensity_properties_per_channel": {"0": measured},
    }
    dataset = {"channel_names": {"0": "MR"}, "labels": {"background": 0, "duct": 1}, "file_ending": ".nii.gz"}
    result = folder / "nnUNetTrainer__nnUNetPlans__2d"
    (result / "fold_0").mkdir(parents=True)
    (result / "plans.json").write_text(json.dumps(plans))
    (result / "dataset.json").write_text(json.dumps(dataset))
    read = read_plans(plans, dataset, "2d")
    network = PlannedUNet(classes=read.heads, **read.network)
    torch.save(
        {
            "network_weights": network.state_dict(),
            "init_args": {"configuration": "2d"},
            "inference_allowed_mirroring_axes": [0, 1],
        },
        result / "fold_0" / "checkpoint_final.pth",
    )
    return result


def keras_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """A Keras U-Net of the same widths in both containers, written by Keras in a process of its own."""
    program = (
        "import sys, keras\n"
        "from keras import layers as L\n"
        "def twice(x, n):\n"
        "    for _ in range(2):\n"
        "        x = L.ReLU()(L.BatchNormalization()(L.Conv2D(n, 3, padding='same')(x)))\n"
        "    return x\n"
        "x = first = keras.Input((None, None, 1)); skips = []\n"
        f"widths = {list(WIDTHS)}\n"
        "for n in widths[:-1]:\n"
        "    skips.append(twice(x, n)); x = L.MaxPooling2D()(skips[-1])\n"
        "x = twice(x, widths[-1])\n"
        "for n in widths[-2::-1]:\n"
        "    x = twice(L.Concatenate()([L.Conv2DTranspose(n, 2, strides=2)(x), skips.pop()]), n)\n"
        "model = keras.Model(first, L.Conv2D(1, 1, activation='sigmoid')(x))\n"
        "model.save(sys.argv[1]); model.save(sys.argv[2])\n"
    )
    names = [str(folder / name) for name in ("unet.h5", "unet.keras")]
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    subprocess.run([sys.executable, "-c", program, *names], check=True, env=environment, capture_output=True)
    yield "Keras .h5", Path(names[0])
    yield "Keras .keras", Path(names[1])


def measure(path: Path, static: bool) -> tuple[float, float]:
    """(wall, processor) seconds of one ``medseg inspect`` and of everything it starts."""
    command = [sys.executable, "-P", "-m", "medseg", "inspect", str(path), "--json", *(["--static"] if static else [])]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        sys.exit(f"{path.name}: {ended.stderr}")
    if not static and "output" not in json.loads(ended.stdout)["loaded"]:
        sys.exit(f"{path.name} was not loaded: {ended.stdout[-600:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--static", action="store_true", help="only look, do not load in a worker")
    parser.add_argument("--keep", type=Path, help="make the models in this folder, or take them from there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        listing = folder / "models.json"
        if listing.is_file():
            made = [(kind, Path(path)) for kind, path in json.loads(listing.read_text())]
        else:
            made = list(models(folder))
            listing.write_text(json.dumps([(kind, str(path)) for kind, path in made]))
        print(f"{'medseg inspect' + (' --static' if options.static else ''):<36} wall s   processor s")
        for kind, path in made:
            measure(path, options.static)
            wall, processor = measure(path, options.static)
            print(f"{kind:<36} {wall:6.2f} {processor:13.2f}", flush=True)


if __name__ == "__main__":
    main()
