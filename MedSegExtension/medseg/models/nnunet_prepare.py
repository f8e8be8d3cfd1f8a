"""Volumes into an nnU-Net's slices and back, as nnU-Net v2 does it, so that both find the same voxels.

In nnU-Net's order: axes transposed, cropped to the box of what is not zero, normalised, resampled in the plane; and on
the way back raw outputs resampled (not probabilities), the activation, the box put in its place. Slices outside of the
box are background without being looked at. Source: nnU-Net v2.8's preprocessor, cropping, normalisation and export.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import numpy as np
from scipy import ndimage

from ..card import ModelCard
from ..errors import InputError
from ..inference import activate
from ..io import check_finite
from ..orientation import Reorientation, reorientation
from ..volume import Volume
from .nnunet_plans import Plans
from .nnunet_resample import InPlane


def planned_preparer(plans: Plans) -> partial[PlannedPreparer]:
    """What `medseg.models.Model.preparer` is for an nnU-Net of these plans."""
    return partial(PlannedPreparer, plans)


class PlannedPreparer:
    """`medseg.preprocess.Preparer` by nnU-Net's plans; ``card`` is not needed for it, for the plans say all.

    Raises InputError for a wrong number of volumes, differing grids, NaN or infinite voxels.
    """

    restores_raw: ClassVar[bool] = True

    def __init__(self, plans: Plans, volumes: Sequence[Volume], card: ModelCard) -> None:
        first = volumes[0]
        if len(volumes) != len(plans.channels):
            raise InputError(
                f"the model takes {len(plans.channels)} input volume(s) ({', '.join(plans.channels)}), "
                f"{len(volumes)} given",
                mend="choose one volume for each",
            )
        for volume in volumes:
            if not volume.same_grid(first):
                raise InputError(
                    f"{volume.name} does not lie on the same grid as {first.name}",
                    file=volume.source,
                    mend="resample it onto the first volume",
                )
            check_finite(volume)
        self._plans = plans
        self.reorientation = _turned(first, plans)
        # Views, not copies in slice order: nnU-Net sums in the order of the stored array, and so do we.
        stacks = [self.reorientation.apply(volume.array.astype(np.float32, order="C")) for volume in volumes]
        self.constant = any(stack.min() == stack.max() for stack in stacks)
        self.count, rows, columns = stacks[0].shape
        self.native_shape = (rows, columns)
        nonzero = stacks[0] != 0
        for stack in stacks[1:]:
            nonzero |= stack != 0
        self._box = _box(nonzero)
        stacks = [stack[self._box] for stack in stacks]
        mask = None
        if any(plans.masked):
            mask = ndimage.binary_fill_holes(nonzero)[self._box]
        for number, stack in enumerate(stacks):
            _normalise(stack, plans, number, mask)
        self._stacks = stacks
        spacing = self.reorientation.spacing(first)
        self._inside = (stacks[0].shape[1], stacks[0].shape[2])
        sides = [round(a / b * n) for a, b, n in zip(spacing[1:], plans.spacing, self._inside, strict=True)]
        self.network_shape = self.resampled_shape = (max(1, sides[0]), max(1, sides[1]))
        target = (spacing[0], *plans.spacing)
        self._there = InPlane(plans.data, spacing, target, stacks)
        self._back = InPlane(plans.probabilities, target, spacing)

    @property
    def cropped(self) -> bool:
        """Whether slices lie partly outside of what the network sees: never, for it sees them in patches."""
        return False

    @property
    def indices(self) -> range:
        """The slices of the box."""
        return range(self._box[0].start, self._box[0].stop)

    def prepare(self, index: int) -> np.ndarray:
        """Slice ``index`` of the whole volume: (C, H, W) float32."""
        number = index - self._box[0].start
        return np.stack([
            self._there.resample(stack[number], self.network_shape, (volume, number)).astype(np.float32, copy=False)
            for volume, stack in enumerate(self._stacks)
        ])  # fmt: skip

    def restore(self, planes: np.ndarray, channels: Sequence[int] | None = None) -> np.ndarray:
        """(K, H, W) raw output to (channels, rows, columns) float32 probabilities; outside of the box background."""
        # nnU-Net keeps raw outputs in half precision, and so they are rounded here.
        raw = np.stack([self._back.resample(plane, self._inside).astype(np.float16) for plane in planes])
        found = activate(raw[None], "sigmoid" if self._plans.regions else "softmax")[0]
        chosen = list(range(len(planes))) if channels is None else list(channels)
        whole = np.zeros((len(chosen), *self.native_shape), np.float32)
        if not self._plans.regions and 0 in chosen:
            whole[chosen.index(0)] = 1.0
        whole[:, self._box[1], self._box[2]] = found[chosen]
        return whole


def _turned(volume: Volume, plans: Plans) -> Reorientation:
    """Stored axes to slice, row and column: turned to RAS first where nnU-Net's reader does so, then by the plans."""
    base = Reorientation((0, 1, 2), (False, False, False))
    if plans.canonical:
        base = reorientation(volume, "axial", "ARS")
    first, second, third = plans.transpose
    return Reorientation(
        (base.axes[first], base.axes[second], base.axes[third]),
        (base.flips[first], base.flips[second], base.flips[third]),
    )


def _box(nonzero: np.ndarray) -> tuple[slice, slice, slice]:
    """The bounding box of what is not zero; everything where all is zero."""
    found = []
    for axis in range(3):
        kept = np.flatnonzero(nonzero.any(axis=tuple(other for other in range(3) if other != axis)))
        found.append(slice(int(kept[0]), int(kept[-1]) + 1) if len(kept) else slice(0, nonzero.shape[axis]))
    return found[0], found[1], found[2]


def _normalise(image: np.ndarray, plans: Plans, channel: int, mask: np.ndarray | None) -> None:
    """By the scheme of the channel, in place, in float32."""
    scheme = plans.normalisations[channel]
    if scheme == "ZScoreNormalization":
        if plans.masked[channel] and mask is not None:
            inside = image[mask]
            image[mask] = (inside - inside.mean()) / max(inside.std(), 1e-8)
        else:
            mean, deviation = image.mean(), image.std()
            image -= mean
            image /= max(deviation, 1e-8)
    elif scheme == "CTNormalization":
        fixed = plans.intensities[channel]
        np.clip(image, fixed["percentile_00_5"], fixed["percentile_99_5"], out=image)
        image -= fixed["mean"]
        image /= max(fixed["std"], 1e-8)
    elif scheme == "RescaleTo01Normalization":
        image -= image.min()
        image /= max(image.max(), 1e-8)
    elif scheme == "RGBTo01Normalization":
        image /= 255.0
