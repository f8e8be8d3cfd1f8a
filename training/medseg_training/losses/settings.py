"""What is made small in training: terms with their weights."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..section import Amount, Section, Share

Positive = Annotated[float, Field(gt=0)]


class Term(Section):
    """What all terms share."""

    weight: Positive = 1.0


class Dice(Term):
    """V-Net's soft Dice without the squares (Milletari et al. 2016), over all pixels of the batch together."""


class CrossEntropy(Term):
    """Binary for sigmoid, over background and labels for softmax."""


class Tversky(Term):
    """Salehi et al. 2017 (arXiv:1706.05721); with ``gamma`` the focal one, Abraham and Khan 2019 (arXiv:1810.07842)."""

    false_positives: Amount = 0.3
    false_negatives: Amount = 0.7
    """Above ``false_positives``, a pixel missed costs more than one too many."""
    gamma: Positive = 1.0
    """Exponent on (1 − index)."""


class Focal(Term):
    """Lin et al. 2017 (arXiv:1708.02002): cross-entropy in which sure and right pixels fade."""

    gamma: Amount = 2.0


class CentrelineDice(Term):
    """Soft clDice, Shit et al. 2021 (arXiv:2003.07311)."""

    iterations: int = Field(default=5, ge=1, le=50)
    """Erosions of the soft skeleton: at least half of the widest duct in pixels."""


class SkeletonRecall(Term):
    """Kirchhoff et al. 2024 (arXiv:2404.03010): share of the reference's thickened skeleton that is found."""

    radius: int = Field(default=1, ge=0, le=10)
    """Pixels by which the skeleton is thickened, within the label."""


class Boundary(Term):
    """Kervadec et al. 2019 (arXiv:1812.07032): probability times the signed distance to the reference's border."""

    limit: Positive = 20.0
    """Distance in pixels beyond which nothing grows."""


class BorderCrossEntropy(Term):
    """Cross-entropy weighted by 1 + w0 · exp(−(d1 + d2)² / 2σ²) (Ronneberger et al. 2015, arXiv:1505.04597).

    d1 and d2 are a pixel's distances to the nearest and second nearest object.
    """

    w0: Amount = 10.0
    sigma: Positive = 5.0
    objects: Literal["labels", "background"] = "labels"
    """What are the objects whose thin walls weigh more: connected parts of the labels (cells), or of the background,
    where the walls themselves are the label (membranes)."""
    balance: bool = True
    """Weigh background and labels so that both count alike in every batch (the paper's w_c)."""


class Terms(Section):
    """The loss is the sum of the terms named, each with its weight."""

    dice: Dice | None = None
    cross_entropy: CrossEntropy | None = None
    tversky: Tversky | None = None
    focal: Focal | None = None
    centreline_dice: CentrelineDice | None = None
    skeleton_recall: SkeletonRecall | None = None
    boundary: Boundary | None = None
    border_cross_entropy: BorderCrossEntropy | None = None

    @property
    def named(self) -> dict[str, Term]:
        """The terms asked for, by name."""
        every = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: value for name, value in every if isinstance(value, Term)}

    @model_validator(mode="after")
    def _some_term(self) -> Terms:
        if not self.named:
            raise ValueError("name at least one term, for example dice: {}")
        return self


class Loss(Section):
    """``alpha`` · Dice + (1 − ``alpha``) · cross-entropy, or ``terms``; sigmoid or softmax, as the card says."""

    kind: Literal["auto", "dice_bce", "dice_ce"] = "auto"
    alpha: Share = 0.5
    """Share of the Dice term (system A: 0.5)."""
    terms: Terms | None = None
    """Other terms; with them, ``kind`` and ``alpha`` are not used."""
    label_weights: list[Amount] | None = None
    """Weight of each label in all terms, in the card's order; equal where left out."""
    smooth: float = Field(default=1.0, gt=0)
    """Pixels added to both parts of ratios, so that an absent label has a gradient."""

    @property
    def all_terms(self) -> dict[str, Term]:
        """Terms by name, with their weights; those of weight zero left out."""
        if self.terms is not None:
            return self.terms.named
        both: dict[str, Term] = {}
        if self.alpha > 0:
            both["dice"] = Dice(weight=self.alpha)
        if self.alpha < 1:
            both["cross_entropy"] = CrossEntropy(weight=1 - self.alpha)
        return both
