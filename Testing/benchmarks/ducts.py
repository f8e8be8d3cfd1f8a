"""How long measuring takes and how much memory, whole processes.

    python Testing/benchmarks/ducts.py                    both sizes
    python Testing/benchmarks/ducts.py --only large       512 × 512 × 300 alone
    python Testing/benchmarks/ducts.py --small-seed 9003  another phantom of 320 × 320 × 72

Each measurement is a process of its own that reads the label map from a file and calls `measure_ducts`; printed are the
wall and processor seconds in `measure_ducts` and the peak memory of the whole process (the operating system's count).
The large volume is the phantom's tree at half the spacing with its ducts grown by some voxels, on 300 slices of
512 × 512. On a shared machine read the processor seconds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

#: Slices, rows, columns.
LARGE = (300, 512, 512)

CHILD = """
import json, resource, sys, time
from medseg.io import read_labels
from medseg.ducts import measure_ducts
labels = read_labels(sys.argv[1])
wall, cpu = time.perf_counter(), time.process_time()
m = measure_ducts(labels, 1)
used = time.perf_counter() - wall, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({
    "wall_s": round(used[0], 2), "processor_s": round(used[1], 2), "peak_gb": round(peak / 1e9, 2),
    "branches": len(m.branches), "total_length_mm": round(m.total_length_mm), "foreground_percent":
    round(100 * float((labels.array == 1).mean()), 3),
}))
"""


def draw(seed: int, large: bool, grown: int, path: Path) -> None:
    """Write the label map of a phantom; a large one has half the spacing and its ducts grown by some voxels."""
    import numpy as np
    from medseg.io import write_labels
    from medseg.phantom.generator import make_anatomy
    from medseg.phantom.grid import plan
    from medseg.phantom.lumen import label_lumen
    from medseg.phantom.randomness import Draws
    from medseg.phantom.settings import PhantomSettings
    from medseg.volume import Volume
    from scipy import ndimage

    settings = PhantomSettings()
    anatomy = make_anatomy(seed, settings)
    grid = plan(settings, Draws(seed, "slab"), anatomy.hilum)
    labels = grid.volume((label_lumen(anatomy, grid)[0] == 1).astype(np.uint8), "ducts")
    if large:
        fine = labels.array.repeat(2, 0).repeat(2, 1).repeat(2, 2)
        box = ndimage.find_objects(fine)[0]
        part = np.pad(fine[box], grown + 1)[tuple(slice(0, n) for n in LARGE)]
        part = ndimage.binary_dilation(part, iterations=grown) if grown else part
        array = np.zeros(LARGE, np.uint8)
        array[tuple(slice(0, n) for n in part.shape)] = part
        labels = Volume(array, tuple(s / 2 for s in labels.spacing), labels.origin, labels.direction)
    write_labels(labels, path)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("small", "large"))
    parser.add_argument("--small-seed", type=int, default=9000)
    parser.add_argument("--grown", type=int, default=5, help="voxels by which the large volume's ducts are grown")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("small", "large"):
            if options.only in (None, name):
                path = Path(folder) / f"{name}.nii.gz"
                draw(options.small_seed, name == "large", options.grown, path)
                done = subprocess.run(
                    [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True
                )
                size = "512 × 512 × 300" if name == "large" else "320 × 320 × 72"
                print(json.dumps({"volume": size, **json.loads(done.stdout.splitlines()[-1])}), flush=True)


if __name__ == "__main__":
    main()
