"""Whether a volume is what a model was made for, said before the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .card import ModelCard
from .orientation import OBLIQUE_DEGREES, PLANES, orientation_code, plane_of, reorientation
from .volume import Volume


@dataclass(frozen=True)
class Fit:
    """``problems`` forbid the run, ``warnings`` are for the person to weigh; each is one sentence."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check_fit(volumes: Sequence[Volume], card: ModelCard) -> Fit:
    """Compare volumes with what the card says it was trained on. Cheap: looks at headers only."""
    fit = Fit()
    wanted = card.input.volumes
    if len(volumes) != len(wanted):
        fit.problems.append(
            f"the model takes {len(wanted)} input volume(s) ({', '.join(wanted)}), {len(volumes)} given"
        )
        return fit
    volume = volumes[0]
    for other in volumes[1:]:
        if not other.same_grid(volume):
            fit.problems.append(f"{other.name} does not lie on the same grid as {volume.name}")
    turn = reorientation(volume, card.plane, card.orientation)
    if turn.obliqueness_degrees > OBLIQUE_DEGREES:
        fit.warnings.append(
            f"the volume lies {turn.obliqueness_degrees:.0f}° from the patient's axes; the model was trained on "
            f"{card.plane} slices and sees these turned by that much"
        )
    stored = orientation_code(volume)
    acquired = plane_of(stored[1] + stored[0] + stored[2])
    if card.plane in PLANES and acquired != card.plane and _anisotropic(volume):
        fit.warnings.append(
            f"the volume was acquired in {acquired} slices, the model reads {card.plane} ones; expect coarse slices"
        )
    _check_spacing(turn.spacing(volume), card, fit)
    _check_thickness(volume, card, turn.axes[0], fit)
    if card.modality and volume.modality and card.modality != volume.modality:
        fit.warnings.append(f"the model was trained on {card.modality}, the volume is {volume.modality}")
    return fit


def _anisotropic(volume: Volume) -> bool:
    return max(volume.spacing) > 1.5 * min(volume.spacing)


def _check_spacing(spacing: tuple[float, float, float], card: ModelCard, fit: Fit) -> None:
    parts = (("between_slices", spacing[:1], "slices"), ("in_plane", spacing[1:], "pixels in the slice"))
    for name, found, words in parts:
        known = card.spacing_range_mm.get(name)
        if known is None:
            continue
        low, high = known
        # 5 % beyond the range is what scanners round to.
        outside = [s for s in found if not 0.95 * low <= s <= 1.05 * high]
        if outside:
            fit.warnings.append(
                f"{words} lie {outside[0]:.2f} mm apart; the model was trained on {low:.2f} to {high:.2f} mm"
            )


def _check_thickness(volume: Volume, card: ModelCard, axis: int, fit: Fit) -> None:
    count = volume.array.shape[axis]
    if count == 1 and card.input.context > 0:
        fit.warnings.append(
            "the volume has one slice; the model also looks at neighbours and gets the same slice again"
        )
    in_plane = [n for a, n in enumerate(volume.array.shape) if a != axis]
    if min(in_plane) < 8:
        fit.warnings.append(
            f"slices of {in_plane[0]}×{in_plane[1]} voxels are smaller than any network was trained on; "
            f"is {card.plane} the right plane?"
        )
