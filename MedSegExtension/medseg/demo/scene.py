"""The demo's scene, built in real MRML by the Slicer side in a process of its own.

The engine does not import Slicer (DESIGN.md). Where the Slicer side lies beside the engine, as in a clone and in an
installed extension, and Slicer's core can be imported (the ``slicer-core`` wheel), its script is run.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

#: The Slicer side's own program, beside the engine's folder.
SCENE_PROGRAM = Path(__file__).resolve().parents[2] / "MedSegLib" / "sceneBundle.py"


def write_scene(volume: Path, segmentation: Path, bundle: Path) -> tuple[bool, str]:
    """Write a Slicer scene bundle (.mrb) of a volume and its segments; returns whether it was done, else why not."""
    if not SCENE_PROGRAM.is_file():
        return False, "the Slicer side of the extension does not lie beside the engine; run it from a clone"
    if find_spec("slicer") is None:
        return False, "Slicer's core is not installed; pip install 'medseg[slicer-core]'"
    command = [sys.executable, "-P", str(SCENE_PROGRAM), str(volume), str(segmentation), str(bundle)]
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=300, check=False
    )
    if done.returncode != 0 or not bundle.is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return False, f"the scene program ended with status {done.returncode}: {last}"
    return True, ""
