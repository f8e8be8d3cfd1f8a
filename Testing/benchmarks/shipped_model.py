"""How good the model that ships is on phantoms it has never seen: the table of the README.

    python Testing/benchmarks/shipped_model.py [--model FILE] [--seeds 9000 9009]

For each seed: Dice and clDice of each label, and the Dice that the best global threshold of that very case reaches on
label 1, which says how much of the task is more than brightness. Then, by the true calibre of a bile duct at each
point of its centreline, how much of the length was found: a point counts as found where the voxel it lies in, or one
that touches it, has label 1.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from medseg import open_model, segment
from medseg.data import shipped_model
from medseg.metrics import Agreement, evaluate_labels, summarise
from medseg.phantom import Phantom, make_phantom
from medseg.volume import Volume
from rich.console import Console
from rich.table import Table
from scipy import ndimage

NAMES = {1: "bile ducts", 2: "gallbladder and cystic duct", 3: "pancreatic duct"}
CALIBRES_MM = ((0.0, 1.5), (1.5, 2.0), (2.0, 3.0), (3.0, 4.0), (4.0, 6.0), (6.0, np.inf))


def best_threshold_dice(phantom: Phantom) -> float:
    """The highest Dice of label 1 that any global intensity threshold reaches on this case."""
    values, truth = phantom.volume.array.ravel(), (phantom.labels.array == 1).ravel()
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(truth[order])
    scores = 2 * hits / (np.arange(1, truth.size + 1) + truth.sum())
    last_of_value = np.append(np.diff(values[order]) != 0, True)
    return float(scores[last_of_value].max())


def length_found(phantom: Phantom, labels: Volume) -> dict[tuple[float, float], list[float]]:
    """For each class of calibre: [length found, length in the image], in mm."""
    near = ndimage.binary_dilation(labels.array == 1, np.ones((3, 3, 3)))
    to_voxel = np.linalg.inv(labels.ijk_to_lps)
    tally = {c: [0.0, 0.0] for c in CALIBRES_MM}
    for branch in phantom.truth["branches"]:
        if branch["label"] != 1:
            continue
        points, diameters = np.array(branch["centreline_lps_mm"]), np.array(branch["diameter_mm"])
        middles, calibres = (points[1:] + points[:-1]) / 2, (diameters[1:] + diameters[:-1]) / 2
        lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
        ijk = np.rint(np.c_[middles, np.ones(len(middles))] @ to_voxel.T)[:, :3].astype(int)
        inside = ((ijk >= 0) & (ijk < labels.array.shape[::-1])).all(axis=1)
        for (i, j, k), calibre, length in zip(ijk[inside], calibres[inside], lengths[inside], strict=True):
            group = next(c for c in CALIBRES_MM if c[0] <= calibre < c[1])
            tally[group][0] += length * near[k, j, i]
            tally[group][1] += length
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=shipped_model())
    parser.add_argument("--seeds", type=int, nargs=2, default=(9000, 9009), metavar=("FIRST", "LAST"))
    options = parser.parse_args()
    console = Console(width=130)
    model = open_model(options.model, device="cpu")
    table = Table("seed", "threshold", *(f"{NAMES[v]}: Dice / clDice" for v in NAMES), "network (s)")
    agreements: dict[int, list[Agreement]] = {v: [] for v in NAMES}
    thresholds: list[float] = []
    found: dict[tuple[float, float], list[float]] = {c: [0.0, 0.0] for c in CALIBRES_MM}
    for seed in range(options.seeds[0], options.seeds[1] + 1):
        phantom = make_phantom(seed)
        result = segment(phantom.volume, model)
        scores = evaluate_labels(result.labels.array, phantom.labels.array, phantom.volume.spacing[::-1], list(NAMES))
        thresholds.append(best_threshold_dice(phantom))
        for value, score in scores.items():
            agreements[value].append(score)
        for group, (hit, length) in length_found(phantom, result.labels).items():
            found[group][0] += hit
            found[group][1] += length
        cells = [
            f"{scores[v].dice:.3f} / {scores[v].cldice:.3f}" if scores[v].counted else "none, none found" for v in NAMES
        ]
        table.add_row(str(seed), f"{thresholds[-1]:.2f}", *cells, f"{result.timings['network']:.1f}")
    console.print(table)
    console.print(f"best threshold of each case, label 1: at most {max(thresholds):.3f}")
    for value, name in NAMES.items():
        summary = summarise(agreements[value])
        for figure in ("dice", "cldice", "precision", "recall", "hd95_mm", "assd_mm"):
            s = summary[figure]
            interval = f"95 % interval {s.low:.3f} to {s.high:.3f}"
            console.print(f"{name}: {figure} mean {s.mean:.3f} ({interval}), median {s.median:.3f}")
    lengths = Table("true calibre (mm)", "length in the image (mm)", "found (%)")
    for (low, high), (hit, length) in found.items():
        share = f"{100 * hit / length:.1f}" if length else "–"
        lengths.add_row(f"{low:g} to {high:g}" if np.isfinite(high) else f"{low:g} and more", f"{length:.0f}", share)
    console.print(lengths)


if __name__ == "__main__":
    main()
