"""The prepared slices of all training cases, in memory or in a mapped file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from medseg.card import Channel
from torch import Tensor


@dataclass(frozen=True, eq=False)
class SliceStore:
    """Every slice of every case once: neighbours are found by index, so nothing is stored twice.

    Slices of unlike sizes lie centred in frames of the largest; ``extents`` says where. All tensors are on the host;
    `medseg_training.store.batches` brings what is drawn to the device.

    Attributes
    ----------
    images : (N, V, H, W) float16, prepared and normalised, V input volumes.
    labels : (N, H, W) uint8; 0 is background, n the card's n-th label.
    planes : (N, P, H, W) float16, what the loss reads beside the labels (`medseg_training.losses.make_planes`).
    first, last : (N,) int64, index of the first and last slice of the slice's case: context stops there.
    extents : (N, 4) int64, top, left, height and width of the slice in its frame.
    positions : for each label, (M, 3) int32 of (slice, row, column) that hold it.
    bright : the same of unlabelled voxels brighter than the darkest tenth of the case's labelled ones.
    """

    images: Tensor
    labels: Tensor
    planes: Tensor
    first: Tensor
    last: Tensor
    extents: Tensor
    positions: tuple[Tensor, ...]
    bright: Tensor

    @classmethod
    def from_arrays(cls, big: Mapping[str, np.ndarray], index: Mapping[str, np.ndarray]) -> SliceStore:
        """The other way round: of plain arrays.

        ``big`` : ``images``, ``labels``, ``planes``. ``index`` : ``first``, ``last``, ``extents``, and ``places_0`` ...
        of the labels, the last one being ``bright``.
        """
        places = [torch.from_numpy(index[f"places_{n}"]) for n in range(len(index) - 3)]
        images, labels, planes = (torch.from_numpy(big[name]) for name in ("images", "labels", "planes"))
        first, last, extents = (torch.from_numpy(index[name]) for name in ("first", "last", "extents"))
        return cls(images, labels, planes, first, last, extents, tuple(places[:-1]), places[-1])

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the frames."""
        return int(self.images.shape[2]), int(self.images.shape[3])

    @property
    def bytes(self) -> int:
        """What images, labels and planes take."""
        return sum(t.numel() * t.element_size() for t in (self.images, self.labels, self.planes))

    def rows(self, indices: Tensor, channels: Sequence[Channel]) -> Tensor:
        """For slices (...,) the rows (..., C) of ``images.flatten(0, 1)`` that are their input channels.

        Beyond the ends of a case its last slice is repeated, as `SlicePreparer.prepare` does.
        """
        offsets = torch.tensor([channel.offset for channel in channels])
        volumes = torch.tensor([channel.volume for channel in channels])
        around = indices[..., None] + offsets
        around = torch.minimum(torch.maximum(around, self.first[indices][..., None]), self.last[indices][..., None])
        return around * self.images.shape[1] + volumes

    def gather(self, indices: Tensor, channels: Sequence[Channel]) -> tuple[Tensor, Tensor]:
        """Slices (B,) as the network sees them: (B, C, H, W) float32, and (B, 1 + P, H, W)."""
        images = self.images.flatten(0, 1)[self.rows(indices, channels)].float()
        return images, with_labels(self.labels[indices], self.planes[indices])


def with_labels(labels: Tensor, planes: Tensor) -> Tensor:
    """(B, H, W) labels before (B, P, H, W) planes; half precision holds every uint8."""
    return torch.cat([labels[:, None].half(), planes], dim=1) if planes.shape[1] else labels[:, None]
