"""What optional packages are called on the package index, and which of them belong together."""

from __future__ import annotations

#: Import name -> name on the package index, where they differ.
DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "yaml": "pyyaml",
}

#: What measuring ducts needs; whoever lacks one is asked for all at once.
MEASURING = ("scikit-image", "networkx")


def distribution(module: str) -> str:
    """The name on the package index of what brings ``module``."""
    package = module.partition(".")[0]
    return DISTRIBUTIONS.get(package, package)
