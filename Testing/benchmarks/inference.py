"""Whole processes side by side: `medseg segment`, a bare loop over the network, and MONAI's SliceInferer.

    python Testing/benchmarks/inference.py [--slices 90] [--size 320] [--repeats 3]

Same volume, same weights (the 7.76 M-parameter network of the "unet2d-b" preset with random weights), batch 1, fp32.
Every contender is a process of its own that reads the volume from a file and writes a label map; the contenders take
turns, so that a drifting machine hits all alike. Prints the median of each, the ratios, the largest difference of
probabilities, and the peak memory of the whole process (the operating system's count).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

CARD = {
    "schema_version": 1,
    "name": "benchmark",
    "plane": "axial",
    "orientation": "PLS",
    "input": {"size": {"mode": "native", "multiple_of": 16}, "normalisation": {"kind": "zscore"}},
    "output": {"activation": "sigmoid", "labels": [{"value": 1, "name": "structure"}]},
    "architecture": {"name": "unet2d-b", "arguments": {}},
}

BARE_TORCH = """
import json, sys, time, numpy as np, torch
from medseg.models import open_model
model = open_model(sys.argv[1], backend="torch", device="cpu")
batch = np.random.default_rng(0).normal(size=(1, 1, int(sys.argv[3]), int(sys.argv[3]))).astype(np.float32)
model.run(batch)
start = time.perf_counter()
for _ in range(int(sys.argv[2])):
    model.run(batch)
print(json.dumps({"loop_s": time.perf_counter() - start}))
"""

BARE_ANY = BARE_TORCH.replace('backend="torch"', "backend=sys.argv[4]")

MONAI = """
import json, sys, time, numpy as np, torch, SimpleITK as sitk
from safetensors.torch import load_file
from monai.inferers import SliceInferer
from medseg.card import Architecture
from medseg.networks import build_network
model_path, volume_path, out, size, keep = sys.argv[1:6]
network = build_network(Architecture("unet2d-b", {})).eval()
network.load_state_dict(load_file(model_path))
image = sitk.ReadImage(volume_path)
array = sitk.GetArrayFromImage(image).astype(np.float32)
array = (array - array.mean()) / array.std()
start = time.perf_counter()
with torch.inference_mode():
    inferer = SliceInferer(roi_size=(int(size), int(size)), sw_batch_size=1, spatial_dim=0)
    probabilities = torch.sigmoid(inferer(torch.from_numpy(array)[None, None], network))[0, 0].numpy()
loop = time.perf_counter() - start
labels = sitk.GetImageFromArray((probabilities >= 0.5).astype(np.uint8))
labels.CopyInformation(image)
sitk.WriteImage(labels, out)
if keep == "keep":
    np.save(out + ".npy", probabilities)
print(json.dumps({"loop_s": loop}))
"""


def make_inputs(folder: Path, slices: int, size: int) -> tuple[Path, Path, Path]:
    """A volume, and the same random network as safetensors and ONNX."""
    import torch
    from medseg.card import Architecture, ModelCard
    from medseg.io import write_volume
    from medseg.models import embed_card
    from medseg.networks import build_network
    from medseg.volume import Volume
    from safetensors.torch import save_file
    from scipy import ndimage

    rng = np.random.default_rng(0)
    array = ndimage.gaussian_filter(rng.normal(size=(slices, size, size)), 2).astype(np.float32)
    volume = folder / "volume.nii.gz"
    write_volume(Volume((array * 1000).astype(np.int16), (1.1, 1.1, 1.2)), volume)
    torch.manual_seed(0)
    network = build_network(Architecture("unet2d-b", {})).eval()
    with torch.no_grad():  # running statistics as a trained network has them, not the identity
        network.train()
        for _ in range(3):
            network(torch.from_numpy(array[:2, None] / array.std()))
        network.eval()
        # Logits spread as a trained network's are, so that a difference of probabilities would show.
        logits = network(torch.from_numpy(array[:2, None] / array.std()))
        network.head.weight *= 3 / logits.std()
        network.head.bias.copy_((network.head.bias - logits.mean()) * 3 / logits.std())
    card = ModelCard.from_dict(CARD)
    plain, onnx = folder / "plain.safetensors", folder / "model.onnx"
    save_file(network.state_dict(), plain)
    embed_card(plain, card)
    dynamic = {"x": {0: torch.export.Dim("batch"), 2: 16 * torch.export.Dim("h"), 3: 16 * torch.export.Dim("w")}}
    torch.onnx.export(
        network,
        (torch.zeros(2, 1, 64, 64),),
        onnx,
        dynamo=True,
        external_data=False,
        dynamic_shapes=dynamic,
        verbose=False,
    )
    embed_card(onnx, card)
    return volume, plain, onnx


def run(command: list[str]) -> tuple[float, int, str]:
    """Wall seconds, peak resident bytes and standard output of a finished process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate()
    wall = time.perf_counter() - start
    if process.returncode != 0:
        sys.exit(f"{' '.join(command[:6])} … failed:\n{err}")
    return wall, 0, out


def measured(command: list[str]) -> tuple[float, int, str]:
    """`run` in a child of its own, so that the peak memory counted is this process tree's alone."""
    code = (
        "import json, resource, subprocess, sys, time; start = time.perf_counter(); "
        "done = subprocess.run(json.loads(sys.argv[1]), stdout=subprocess.PIPE, text=True); "
        "wall = time.perf_counter() - start; "
        "print(json.dumps([wall, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, done.stdout, "
        "done.returncode]))"
    )
    _, _, out = run([sys.executable, "-c", code, json.dumps(command)])
    wall, peak, text, status = json.loads(out)
    if status != 0:
        sys.exit(f"{' '.join(command[:6])} … ended with status {status}")
    return wall, peak, text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=90)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        compare(Path(temporary), options.slices, options.size, options.repeats)


def compare(folder: Path, slices: int, size: int, repeats: int) -> None:
    volume, plain, onnx = make_inputs(folder, slices, size)
    medseg = [sys.executable, "-m", "medseg", "segment", str(volume), "--trusted", "--json", "--overwrite", "-m"]

    def ours(model: Path, backend: str, keep: bool = False) -> list[str]:
        extra = ["--probabilities", str(folder / backend)] if keep else []
        return [
            *medseg,
            str(model),
            "-o",
            str(folder / f"{backend}.nii.gz"),
            "--backend",
            backend,
            "--device",
            "cpu",
            *extra,
        ]

    def monai(keep: str = "no") -> list[str]:
        return [sys.executable, "-c", MONAI, str(plain), str(volume), str(folder / "monai.nii.gz"), str(size), keep]

    def bare(model: Path, backend: str) -> list[str]:
        return [sys.executable, "-c", BARE_ANY, str(model), str(slices), str(size), backend]

    contenders = {
        "medseg segment, torch": ours(plain, "torch"),
        "bare loop, torch": bare(plain, "torch"),
        "MONAI SliceInferer, torch": monai(),
        "medseg segment, onnxruntime": ours(onnx, "onnxruntime"),
        "bare loop, onnxruntime": bare(onnx, "onnxruntime"),
        "medseg segment, openvino": ours(onnx, "openvino"),
        "bare loop, openvino": bare(onnx, "openvino"),
    }
    walls: dict[str, list[float]] = {name: [] for name in contenders}
    loops: dict[str, list[float]] = {name: [] for name in contenders}
    peaks: dict[str, list[int]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, command in contenders.items():
            wall, peak, text = measured(command)
            answer = json.loads(text.strip().splitlines()[-1])
            walls[name].append(wall)
            peaks[name].append(peak)
            loops[name].append(answer.get("loop_s", answer.get("timings_s", {}).get("network", float("nan"))))
    console = Console(width=150)
    table = Table(
        "",
        "whole process (s)",
        "network alone (s)",
        "peak memory (GB)",
        title=f"{slices} slices of {size}×{size}, 7.76 M parameters, fp32, batch 1; median of {repeats}",
    )
    for name in contenders:
        table.add_row(
            name,
            f"{statistics.median(walls[name]):.2f}",
            f"{statistics.median(loops[name]):.2f}",
            f"{max(peaks[name]) / 1e9:.2f}",
        )
    console.print(table)
    for backend in ("torch", "onnxruntime", "openvino"):
        ratio = statistics.median(
            w / b for w, b in zip(walls[f"medseg segment, {backend}"], loops[f"bare loop, {backend}"], strict=True)
        )
        console.print(f"{backend}: whole `medseg segment` process / bare loop over the network = {ratio:.3f}")
    peer = walls["MONAI SliceInferer, torch"]
    for backend in ("torch", "onnxruntime", "openvino"):
        ratio = statistics.median(p / o for p, o in zip(peer, walls[f"medseg segment, {backend}"], strict=True))
        console.print(f"MONAI SliceInferer / medseg on {backend}: {ratio:.2f} (above 1: ours is faster)")
    _print_differences(
        console,
        folder,
        [ours(plain, "torch", True), ours(onnx, "onnxruntime", True), ours(onnx, "openvino", True), monai("keep")],
    )
    console.print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
        + ", ".join(f"{n} {_version(n)}" for n in ("torch", "onnxruntime", "openvino", "monai", "numpy"))
    )


def _print_differences(console: Console, folder: Path, commands: list[list[str]]) -> None:
    from medseg.io import read_volume

    for command in commands:
        measured(command)
    reference = np.load(folder / "monai.nii.gz.npy")
    for backend in ("torch", "onnxruntime", "openvino"):
        found = read_volume(next((folder / backend).glob("*.nii.gz"))).array
        console.print(
            f"largest difference of probabilities, medseg on {backend} and MONAI: "
            f"{np.abs(found - reference).max():.1e} (probabilities from {reference.min():.3f} to "
            f"{reference.max():.3f})"
        )


def _version(name: str) -> str:
    from importlib.metadata import version

    return version(name)


if __name__ == "__main__":
    main()
