"""The same augmentation in our words and in MONAI's, transform by transform.

``basic`` is what the project measures itself by: rotation, flips, elastic deformation and noise. ``mixed`` is the
preset of that name, without what MONAI has no counterpart of.
"""

from __future__ import annotations

import math
from typing import Any

from ..augment import PRESETS, Augmentation

POLICIES: dict[str, dict[str, Any]] = {
    "basic": {
        "flip": {"probability": 0.75, "axes": ["rows", "columns"]},
        "rotation": {"probability": 1, "degrees": 15},
        "elastic": {"probability": 1, "alpha": [100, 300], "sigma": [10, 15]},
        "noise": {"probability": 1, "strength": 0.15},
    },
    "mixed": PRESETS["mixed"],
}

#: Of noise on a coarse grid of pitch 1 that torch interpolates bicubically: standard deviation, and the distance at
#: which two places are correlated by a half. (Counted from its weights; the tests do so too.)
BICUBIC_SPREAD = 6 / 7
BICUBIC_HALF = 0.669
#: The same distance for noise that a Gaussian of standard deviation 1 smoothed: 2·sqrt(ln 2).
GAUSSIAN_HALF = 1.6651


def augmentation(name: str) -> Augmentation:
    """In our words."""
    return Augmentation.model_validate(POLICIES[name])


def monai_elastic(alpha: tuple[float, float], sigma: tuple[float, float]) -> dict[str, Any]:
    """``spacing`` and ``magnitude_range`` of MONAI's `Rand2DElastic` whose displacements are in the mean as large as
    those of alpha and sigma, and reach as far. MONAI interpolates between random points, Simard smooths noise.
    """
    low, high = sigma
    inverse = math.log(high / low) / (high - low) if high > low else 1 / low
    factor = inverse / (math.sqrt(12 * math.pi) * BICUBIC_SPREAD)
    spacing = round(GAUSSIAN_HALF / BICUBIC_HALF * (low + high) / 2)
    return {"spacing": (spacing, spacing), "magnitude_range": (alpha[0] * factor, alpha[1] * factor)}


def monai_transforms(settings: Augmentation, *, tuned: bool) -> list[Any]:
    """The same as dictionary transforms, in the same order.

    ``tuned``: what can be one warp is one, as somebody would write it who knows where the time goes: rotation inside
    the elastic deformation where both are always done, else zoom inside the rotation.

    Raises ValueError for what has no counterpart there.
    """
    from monai import transforms as m

    keys, image = ["image", "label"], ["image"]
    warp: dict[str, Any] = {"mode": ("bilinear", "nearest"), "padding_mode": ("border", "zeros")}
    asked = dict(settings.transforms)
    done: list[Any] = []
    if (flip := asked.pop("flip", None)) is not None:
        # Two independent halves give each of the three combinations a quarter, as ours with 0.75.
        if set(settings.flip.axes) != {"rows", "columns"} or flip.probability != 0.75:  # type: ignore[union-attr]
            raise ValueError("flips of another kind have no counterpart here")
        done += [m.RandFlipd(keys, prob=0.5, spatial_axis=axis) for axis in (0, 1)]
    turn, zoom, elastic = settings.rotation, settings.zoom, settings.elastic
    for name in ("rotation", "zoom", "elastic"):
        asked.pop(name, None)
    inside: dict[str, Any] = {}
    if turn is not None:
        radians = math.radians(turn.degrees)
        if tuned and elastic is not None and zoom is None and turn.probability == elastic.probability == 1:
            inside = {"rotate_range": radians}
        elif tuned and zoom is not None and zoom.probability == turn.probability:
            scale = (1 / zoom.factor - 1, zoom.factor - 1)
            both: dict[str, Any] = {"rotate_range": radians, "scale_range": (scale, scale)}
            done.append(m.RandAffined(keys, prob=turn.probability, **both, **warp))
            zoom = None
        else:
            done.append(m.RandRotated(keys, range_x=radians, prob=turn.probability, **warp))
    if zoom is not None:
        limits: dict[str, Any] = {"min_zoom": 1 / zoom.factor, "max_zoom": zoom.factor}
        limits |= {"mode": ("bilinear", "nearest-exact"), "padding_mode": ("edge", "constant")}
        done.append(m.RandZoomd(keys, prob=zoom.probability, **limits))
    if elastic is not None:
        grid = monai_elastic(elastic.alpha, elastic.sigma)
        done.append(m.Rand2DElasticd(keys, prob=elastic.probability, **grid, **inside, **warp))
    for name in asked:
        done.append(_looks(m, settings, name, image))
    return done


def _looks(m: Any, settings: Augmentation, name: str, keys: list[str]) -> Any:
    asked: Any = getattr(settings, name)
    p = asked.probability
    if name == "noise":
        return m.RandGaussianNoised(keys, prob=p, std=asked.strength)  # slices are z-scored: their spread is about 1
    if name == "blur":
        both = {"sigma_x": (0.0, asked.sigma), "sigma_y": (0.0, asked.sigma)}
        return m.RandGaussianSmoothd(keys, prob=p, **both)
    if name == "gamma":
        return m.RandAdjustContrastd(keys, prob=p, gamma=(1 / asked.factor, asked.factor))
    if name == "contrast":
        factors = (1 / asked.factor - 1, asked.factor - 1)
        return m.RandScaleIntensityFixedMeand(keys, prob=p, factors=factors, fixed_mean=True)
    if name == "brightness":
        return m.RandStdShiftIntensityd(keys, prob=p, factors=asked.strength)
    if name == "low_resolution":
        limits = (1 / asked.factor, 1.0)
        return m.RandSimulateLowResolutiond(keys, prob=p, zoom_range=limits, upsample_mode="bilinear")
    if name == "bias_field":
        return m.RandBiasFieldd(keys, prob=p, coeff_range=(-asked.strength, asked.strength))
    raise ValueError(f"{name} has no counterpart in MONAI")
