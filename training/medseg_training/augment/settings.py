"""What augmentation can be asked for: each transform with its probability and strength, and the policy that picks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..section import Amount, Section, Share

Degrees = Annotated[float, Field(ge=0.0, le=180.0)]
Range = tuple[float, float]


class Transform(Section):
    """What all transforms share."""

    probability: Share = 0.5
    """Policy ``all``: chance that a sample is transformed. ``one_of`` and ``some_of``: weight in the draw."""


class Identity(Transform):
    """Nothing: a place in the draw of ``one_of`` and ``some_of`` for the sample as it is."""


class Rotation(Transform):
    degrees: Degrees = 15.0
    """Uniform from −degrees to +degrees."""


class Flip(Transform):
    """Anatomy has a left and a right: ask for flips only where the labels do not care."""

    axes: tuple[Literal["rows", "columns"], ...] = ("columns",)
    """What may be reversed: the order of the rows, of the columns; of two, any combination but none."""

    @model_validator(mode="after")
    def _some_axis(self) -> Flip:
        if not self.axes:
            raise ValueError("axes: name rows, columns or both")
        return self


class Shift(Transform):
    share: Share = 0.1
    """Of the crop's height and width, uniform in both directions."""


class Zoom(Transform):
    factor: float = Field(default=1.15, ge=1.0, le=4.0)
    """From 1/factor to factor, uniform in the logarithm."""


class Shear(Transform):
    degrees: Annotated[float, Field(ge=0.0, lt=90.0)] = 10.0
    """Angle by which the columns lean, uniform from −degrees to +degrees."""


class Elastic(Transform):
    """Simard et al. 2003 (doi:10.1109/ICDAR.2003.1227801): uniform noise smoothed by a Gaussian, times alpha.

    The displacement's standard deviation is alpha / (sqrt(12·pi)·sigma) pixels: 3.3 for alpha 200, sigma 10.
    """

    alpha: Range = (100.0, 300.0)
    """Pixels; drawn uniformly between the two."""
    sigma: Range = (10.0, 15.0)
    """Pixels; drawn uniformly between the two."""

    @model_validator(mode="after")
    def _ordered(self) -> Elastic:
        if not 0 <= self.alpha[0] <= self.alpha[1]:
            raise ValueError("alpha: give two numbers, the smaller first, none negative")
        if not 1 <= self.sigma[0] <= self.sigma[1]:
            raise ValueError("sigma: give two numbers of at least 1 pixel, the smaller first")
        return self


class Noise(Transform):
    """Gaussian noise."""

    strength: Amount = 0.1
    """Largest standard deviation, in standard deviations of the crop; uniform from 0."""


class Brightness(Transform):
    strength: Amount = 0.1
    """Largest shift either way, in standard deviations of the crop."""


class Contrast(Transform):
    factor: float = Field(default=1.15, ge=1.0)
    """About the crop's mean, from 1/factor to factor, uniform in the logarithm."""


class Gamma(Transform):
    factor: float = Field(default=1.25, ge=1.0)
    """Exponent on the crop scaled to 0..1, from 1/factor to factor, uniform in the logarithm."""


class Blur(Transform):
    sigma: Amount = 1.0
    """Largest standard deviation of the Gaussian in pixels; uniform from 0."""


class LowResolution(Transform):
    factor: float = Field(default=2.0, ge=1.0, le=8.0)
    """Largest loss of resolution: the crop is sampled that much coarser, and brought back linearly."""


class BiasField(Transform):
    """Smooth multiplicative field, as of a receiver coil."""

    strength: Amount = 0.2
    """Standard deviation of the field's logarithm at its 4 × 4 control points."""


class Cutout(Transform):
    """DeVries and Taylor 2017 (arXiv:1708.04552): rectangles of the image are hidden, the labels stay."""

    holes: int = Field(default=2, ge=1, le=16)
    share: Share = 0.2
    """Largest side of a hole, as a share of the crop's; uniform from a quarter of that."""


class Spike(Transform):
    """One wrong point in k-space: stripes across the picture."""

    strength: Amount = 0.3
    """Largest amplitude of the stripes, in standard deviations of the crop."""


class Gibbs(Transform):
    """Ringing: k-space beyond a radius is lost."""

    keep: Annotated[float, Field(gt=0.0, le=1.0)] = 0.4
    """Smallest radius kept, as a share of the highest frequency along the axes; uniform up to 1."""


class Ghost(Transform):
    """Periodic motion: every n-th line of k-space is weaker, and faint copies appear along one axis."""

    copies: tuple[int, int] = (2, 5)
    """Fewest and most copies."""
    strength: Share = 0.3
    """Largest weakening of the lines; uniform from 0."""

    @model_validator(mode="after")
    def _ordered(self) -> Ghost:
        if not 2 <= self.copies[0] <= self.copies[1]:
            raise ValueError("copies: give two whole numbers of at least 2, the smaller first")
        return self


class AmplitudeMix(Transform):
    """Low frequencies take part of their amplitude from another sample of the batch, phases stay.

    Yang and Soatto 2020 (arXiv:2004.05498), mixed as by Xu et al. 2021 (arXiv:2105.11120).
    """

    share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Half the side of the square of low frequencies, as a share of the highest."""
    strength: Share = 0.7
    """Largest part taken from the other sample; uniform from 0."""


class Augmentation(Section):
    """Transforms in the order in which they are applied. What is not named is not done."""

    policy: Literal["all", "one", "one_of", "some_of"] = "all"
    """``all``: each transform by its own probability. ``one``: the only transform named, by its probability.
    ``one_of``: each sample gets one of them. ``some_of``: each sample gets ``count`` of them, all different."""
    count: tuple[int, int] = (1, 3)
    """For ``some_of``: fewest and most."""

    identity: Identity | None = None
    flip: Flip | None = None
    rotation: Rotation | None = None
    zoom: Zoom | None = None
    shear: Shear | None = None
    shift: Shift | None = None
    elastic: Elastic | None = None
    amplitude_mix: AmplitudeMix | None = None
    low_resolution: LowResolution | None = None
    blur: Blur | None = None
    bias_field: BiasField | None = None
    gamma: Gamma | None = None
    contrast: Contrast | None = None
    brightness: Brightness | None = None
    gibbs: Gibbs | None = None
    ghost: Ghost | None = None
    spike: Spike | None = None
    noise: Noise | None = None
    cutout: Cutout | None = None

    @property
    def transforms(self) -> dict[str, Transform]:
        """What was asked for, by name, in the order of application."""
        every = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: value for name, value in every if isinstance(value, Transform)}

    @model_validator(mode="after")
    def _policy_has_what_it_needs(self) -> Augmentation:
        names = list(self.transforms)
        if self.policy == "one" and len(names) != 1:
            raise ValueError(f"policy one takes one transform, here are {len(names)}; use all, one_of or some_of")
        if self.policy in ("one_of", "some_of"):
            if not any(t.probability > 0 for t in self.transforms.values()):
                raise ValueError(f"policy {self.policy} has nothing to draw from; name transforms of some probability")
            possible = sum(t.probability > 0 for t in self.transforms.values())
            if self.policy == "some_of" and not 1 <= self.count[0] <= self.count[1] <= possible:
                raise ValueError(f"count: give two whole numbers from 1 to {possible}, the smaller first")
        return self
