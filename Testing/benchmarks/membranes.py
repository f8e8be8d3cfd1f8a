"""Membranes of ISBI 2012 on sections kept out of training, in the figures of the challenge.

    python Testing/benchmarks/membranes.py --model MODEL.onnx [--data ISBI2012] [--sections 20 23] [--pictures DIR]

Foreground-restricted Rand score V_Rand and information score V_Info after thinning of borders (Arganda-Carreras et al.
2015, doi:10.3389/fnana.2015.00142), both 1 at best: the cells of the reference are its connected parts, those of the
prediction the connected parts beside its membranes, grown until they meet (so borders are as thin as can be); pixels of
the reference's membranes do not count. scikit-image compares (`adapted_rand_error`, `variation_of_information`). The
challenge takes the threshold that is best for the scored sections; here 0.5 comes first, the best one beside it.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from medseg import open_model, segment
from medseg.io import SpacingAssumedWarning, read_volume
from medseg.metrics import evaluate_case
from rich.console import Console
from rich.table import Table
from scipy import ndimage
from skimage.metrics import adapted_rand_error, variation_of_information
from skimage.segmentation import watershed

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def cells_of(membrane: np.ndarray) -> np.ndarray:
    """(H, W) int cells: connected parts of what is no membrane, grown over it until they meet."""
    parts, _ = ndimage.label(~membrane)
    return watershed(ndimage.distance_transform_edt(membrane), parts)


def entropy(labels: np.ndarray) -> float:
    """Of how pixels are shared out among labels, in bits."""
    share = np.unique(labels, return_counts=True)[1] / labels.size
    return float(-(share * np.log2(share)).sum())


def scores(membrane: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """V_Rand and V_Info of two (H, W) bool masks of membrane."""
    truth, _ = ndimage.label(~reference)
    found = cells_of(membrane)
    rand = 1.0 - float(adapted_rand_error(truth, found, ignore_labels=(0,))[0])
    inside = truth > 0
    split, merged = variation_of_information(truth, found, ignore_labels=(0,))
    of_truth, of_found = entropy(truth[inside]), entropy(found[inside])
    mutual = (of_truth + of_found - split - merged) / 2
    return rand, 2 * mutual / (of_truth + of_found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/isbi2012"))
    parser.add_argument("--sections", type=int, nargs=2, default=(20, 23), metavar=("FIRST", "LAST"))
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=SpacingAssumedWarning)  # nothing here is in mm
    console = Console(width=130)
    model = open_model(options.model, device="cpu")
    table = Table("section", "Dice", "IoU", "pixel error", "V_Rand", "V_Info")
    rows, by_threshold = [], {t: [] for t in THRESHOLDS}
    for number in range(options.sections[0], options.sections[1] + 1):
        image = read_volume(options.data / "image" / f"{number:02}.png")
        reference = read_volume(options.data / "label" / f"{number:02}.png").array[0] == 0
        result = segment(image, model, keep_probabilities=True)
        assert result.probabilities is not None
        probability = result.probabilities[0, 0]
        membrane = probability >= 0.5
        agreement = evaluate_case(membrane[None], reference[None], (1.0, 1.0, 1.0))
        for threshold in THRESHOLDS:
            by_threshold[threshold].append(scores(probability >= threshold, reference))
        row = (agreement.dice, agreement.iou, float((membrane != reference).mean()), *scores(membrane, reference))
        rows.append(row)
        table.add_row(f"{number:02}", *(f"{value:.3f}" for value in row))
        if options.pictures is not None:
            _picture(options.pictures, number, image.array[0], probability, reference)
    table.add_row("mean", *(f"{value:.3f}" for value in np.mean(rows, axis=0)))
    console.print(table)
    best = Table("threshold", "V_Rand", "V_Info")
    for threshold, each in by_threshold.items():
        best.add_row(f"{threshold:g}", *(f"{value:.3f}" for value in np.mean(each, axis=0)))
    console.print(best)


def _picture(folder: Path, number: int, image: np.ndarray, probability: np.ndarray, reference: np.ndarray) -> None:
    """Section, probability and reference side by side."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    grey = [image.astype(np.uint8), (probability * 255).astype(np.uint8), (reference * 255).astype(np.uint8)]
    Image.fromarray(np.hstack(grey)).save(folder / f"{number:02}.png")


if __name__ == "__main__":
    main()
