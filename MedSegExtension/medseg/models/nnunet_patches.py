"""Slices of any size through a network that takes patches, as nnU-Net's predictor does it, on any backend.

Half a patch apart or less, weighted with a Gaussian, mirrored along the axes that training allowed. Sums are kept in
half precision, as nnU-Net keeps them: its rounding decides voxels where two classes are nearly even. Source: nnU-Net
v2.8's ``predict_from_raw_data`` and ``sliding_window_prediction``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import ceil
from typing import Any

import numpy as np

from ..backends import Backend


def steps(size: int, patch: int) -> list[int]:
    """Where patches begin along an axis: half a patch apart or less, evenly, the last one at the end."""
    count = ceil((size - patch) / (patch * 0.5)) + 1
    return [round((size - patch) / (count - 1) * number) for number in range(count)] if count > 1 else [0]


def gaussian(patch: tuple[int, int]) -> np.ndarray:
    """The weight of each pixel of a patch, float16: a Gaussian of an eighth of its side, 10 at most, never 0."""
    from scipy.ndimage import gaussian_filter  # 0.3 s, which looking into other models need not wait for

    image = np.zeros(patch)
    image[patch[0] // 2, patch[1] // 2] = 1
    image = gaussian_filter(image, [side / 8 for side in patch], mode="constant", cval=0)
    weights = (image / (image.max() / 10)).astype(np.float32).astype(np.float16)
    weights[weights == 0] = weights[weights != 0].min()
    return weights


def mirrorings(axes: Sequence[int]) -> list[tuple[int, ...]]:
    """The axes of (B, C, H, W) to flip for each run of the network, none first; ``axes`` are 0 (rows), 1 (columns)."""
    return [chosen for n in range(len(axes) + 1) for chosen in combinations([axis + 2 for axis in axes], n)]


def padding(size: tuple[int, int], patch: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Zeros before and after the rows and the columns, so that a slice is no smaller than a patch."""
    short = [max(0, side - have) for side, have in zip(patch, size, strict=True)]
    return (short[0] // 2, short[0] - short[0] // 2), (short[1] // 2, short[1] - short[1] // 2)


class PatchBackend:
    """`Backend` for slices of any size around ``inner``, which takes patches.

    ``run``: (B, C, H, W) float32, normalised, to raw outputs (B, K, H, W).
    """

    def __init__(self, inner: Backend, patch: tuple[int, int], mirror: Sequence[int]) -> None:
        self.inner = inner
        self.name, self.device = inner.name, inner.device
        self._patch, self._flips = patch, mirrorings(mirror)
        self._weights = gaussian(patch).astype(np.float32)

    def run(self, batch: np.ndarray) -> np.ndarray:
        """As `Backend.run`."""
        rows, columns = padding((batch.shape[2], batch.shape[3]), self._patch)
        x = np.pad(batch, ((0, 0), (0, 0), rows, columns))
        total: np.ndarray | None = None
        weight = np.zeros(x.shape[2:], np.float16)
        for row in steps(x.shape[2], self._patch[0]):
            for column in steps(x.shape[3], self._patch[1]):
                place = (..., slice(row, row + self._patch[0]), slice(column, column + self._patch[1]))
                part = self._mirrored(np.ascontiguousarray(x[place])) * self._weights
                if total is None:
                    total = np.zeros((*part.shape[:2], *x.shape[2:]), np.float16)
                total[place] = (total[place] + part).astype(np.float16)
                weight[place] = (weight[place] + self._weights).astype(np.float16)
        assert total is not None
        found = (total.astype(np.float32) / weight.astype(np.float32)).astype(np.float16).astype(np.float32)
        return found[:, :, rows[0] : rows[0] + batch.shape[2], columns[0] : columns[0] + batch.shape[3]]

    def trial(self, batch: np.ndarray) -> np.ndarray:
        """One patch from the corner of the slices, not mirrored; raw outputs of the size of ``batch``."""
        size = batch.shape[2:]
        more = [(0, max(0, side - have)) for side, have in zip(self._patch, size, strict=True)]
        x = np.pad(batch[:, :, : self._patch[0], : self._patch[1]], ((0, 0), (0, 0), *more))
        found = self.inner.run(x)[:, :, : size[0], : size[1]]
        return np.pad(found, ((0, 0), (0, 0), *((0, have - n) for have, n in zip(size, found.shape[2:], strict=True))))

    def _mirrored(self, part: np.ndarray) -> np.ndarray:
        total = self.inner.run(part)
        for axes in self._flips[1:]:
            total = total + np.flip(self.inner.run(np.ascontiguousarray(np.flip(part, axes))), axes)
        return total / np.float32(len(self._flips))

    @property
    def module(self) -> Any:
        """The torch module that takes patches, where the backend has one."""
        return self.inner.module  # type: ignore[attr-defined]

    def close(self) -> None:
        """As `Backend.close`."""
        self.inner.close()
