"""A batch of slices becomes a batch of augmented crops."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from . import fourier, intensity
from .geometry import draw_warp, warp_crop
from .policy import choose
from .settings import Augmentation

Draw = Callable[..., intensity.Values]
Apply = Callable[[Tensor, intensity.Values, torch.Generator | None], Tensor]

#: Each transform that leaves the labels alone: how its parameters are drawn and how they are applied.
INTENSITY: dict[str, tuple[Draw, Apply]] = {
    "low_resolution": (intensity.draw_low_resolution, intensity.low_resolution),
    "blur": (intensity.draw_blur, intensity.blur),
    "bias_field": (lambda s, n, g: intensity.draw_bias_field(n, s.strength, g), intensity.bias_field),
    "gamma": (intensity.draw_gamma, intensity.gamma),
    "contrast": (intensity.draw_contrast, intensity.contrast),
    "brightness": (intensity.draw_brightness, intensity.brightness),
    "gibbs": (fourier.draw_gibbs, fourier.gibbs),
    "ghost": (fourier.draw_ghost, fourier.ghost),
    "spike": (fourier.draw_spike, fourier.spike),
    "noise": (intensity.draw_noise, intensity.noise),
    "cutout": (intensity.draw_cutout, intensity.cutout),
}

#: Parameters that shape a computation and so are needed on the host.
_ON_HOST = {"blur"}


class Augmenter:
    """Draws what happens to each sample and does it to the whole batch.

    Which sample gets what, and how much of it, is drawn on the host and sent to the device; noise fields are drawn on
    the device. Nothing is read back, so a GPU is never waited for. The same host generator gives the same choices and
    strengths on every device.

    Parameters
    ----------
    settings : policy and transforms.
    crop : (rows, columns) of what comes out.
    """

    def __init__(self, settings: Augmentation, crop: tuple[int, int]) -> None:
        self.settings, self.crop = settings, crop

    def __call__(
        self,
        images: Tensor,
        planes: Tensor,
        centres: Tensor,
        host: torch.Generator,
        device: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Crops about ``centres``.

        Parameters
        ----------
        images : (B, C, H, W) float32.
        planes : (B, P, H, W): labels first, then whatever must move with them.
        centres : (B, 2) whole (row, column).
        host, device : random states, ``device`` of the images' device. Left out, it is ``host`` on a CPU and the
            device's own elsewhere.

        Returns
        -------
        (B, C, h, w) float32 and (B, P, h, w) float32.
        """
        batch = len(images)
        if device is None and images.device.type == "cpu":
            device = host
        chosen = choose(self.settings, batch, host)
        warp = draw_warp(self.settings, chosen, batch, self.crop, host)
        images, planes = warp_crop(images, planes, centres, self.crop, warp, device)
        return self._vary(images, chosen, host, device), planes

    def vary(
        self, images: Tensor, chosen: dict[str, Tensor], host: torch.Generator, device: torch.Generator | None
    ) -> Tensor:
        """Everything that leaves the labels alone, in the order of the settings; (B, C, h, w) float32."""
        return self._vary(images.clone(), chosen, host, device)

    def _vary(
        self, images: Tensor, chosen: dict[str, Tensor], host: torch.Generator, device: torch.Generator | None
    ) -> Tensor:
        """`vary`, which may write into ``images``."""
        batch = len(images)
        for name, settings in self.settings.transforms.items():
            indices = chosen[name]
            if len(indices) == 0 or (name not in INTENSITY and name != "amplitude_mix"):
                continue
            here = indices.to(images.device, non_blocking=True)
            if name == "amplitude_mix":
                values = fourier.draw_amplitude_mix(settings, indices, batch, host)  # type: ignore[arg-type]
                values = _send(values, images.device)
                others = images.index_select(0, values["partner"])
                changed = fourier.amplitude_mix(images.index_select(0, here), values, others)
            else:
                draw, apply = INTENSITY[name]
                values = draw(settings, len(indices), host)
                values = values if name in _ON_HOST else _send(values, images.device)
                every = len(indices) == batch
                changed = apply(images if every else images.index_select(0, here), values, device)
            images = changed if len(indices) == batch else images.index_copy_(0, here, changed)
        return images


def _send(values: intensity.Values, device: torch.device) -> intensity.Values:
    return {name: value.to(device, non_blocking=True) for name, value in values.items()}
