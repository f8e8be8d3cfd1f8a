"""What the files of a demo are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DemoFiles:
    """The files of a demo, all in one folder."""

    folder: Path

    def __getattr__(self, name: str) -> Path:
        names = {
            "volume": "mrcp.nii.gz",
            "segmentation": "ducts.seg.nrrd",
            "reference": "reference.seg.nrrd",
            "overview": "overview.png",
            "slices": "slices.png",
            "report": "report.html",
            "scene": "demo.mrb",
        }
        if name not in names:
            raise AttributeError(name)
        return self.folder / names[name]
