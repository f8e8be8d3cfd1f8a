"""Augmentations by name: each of the lab's single ones (system A), and mixtures."""

from __future__ import annotations

from typing import Any

#: The warp of the mixed policies: as far as patients differ, not as far as a person still recognises.
_WARP: dict[str, Any] = {
    "rotation": {"probability": 0.8, "degrees": 15},
    "zoom": {"probability": 0.8, "factor": 1.2},
    "elastic": {"probability": 0.5, "alpha": [0, 250], "sigma": [10, 15]},
}
_LOOKS: dict[str, Any] = {
    "low_resolution": {"probability": 0.1, "factor": 2},
    "blur": {"probability": 0.2, "sigma": 1},
    "bias_field": {"probability": 0.5, "strength": 0.25},
    "gamma": {"probability": 0.5, "factor": 1.4},
    "contrast": {"probability": 0.5, "factor": 1.3},
    "brightness": {"probability": 0.5, "strength": 0.2},
    "noise": {"probability": 0.5, "strength": 0.15},
}
_K_SPACE: dict[str, Any] = {
    "amplitude_mix": {"probability": 0.2},
    "gibbs": {"probability": 0.1},
    "ghost": {"probability": 0.1},
    "spike": {"probability": 0.1},
}

PRESETS: dict[str, dict[str, Any]] = {
    "identity": {},
    "rotation": {"policy": "one", "rotation": {"probability": 1, "degrees": 15}},
    "flips": {"policy": "one", "flip": {"probability": 0.75, "axes": ["rows", "columns"]}},
    "noise": {"policy": "one", "noise": {"probability": 1, "strength": 0.2}},
    "contrast": {"policy": "one", "contrast": {"probability": 1, "factor": 1.5}},
    "gamma": {"policy": "one", "gamma": {"probability": 1, "factor": 1.5}},
    "affine": {
        "rotation": {"probability": 1, "degrees": 15},
        "zoom": {"probability": 1, "factor": 1.2},
        "shear": {"probability": 1, "degrees": 10},
        "shift": {"probability": 1, "share": 0.1},
    },
    "cutout": {"policy": "one", "cutout": {"probability": 1}},
    "elastic": {"policy": "one", "elastic": {"probability": 1}},
    "fourier": {"policy": "some_of", "count": [1, 2], **_K_SPACE, "identity": {"probability": 0.2}},
    "mixed": {**_WARP, **_LOOKS},
    "mixed-fourier": {**_WARP, **_K_SPACE, **_LOOKS},
}
