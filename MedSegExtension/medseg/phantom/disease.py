"""Strictures, dilatation above them, stones and sludge."""

from __future__ import annotations

import numpy as np

from .curves import arc_length, norm, quantise, unit
from .randomness import Draws
from .settings import PhantomSettings
from .tree import BILE_DUCTS, PANCREATIC_DUCT, Anatomy, Branch, Stone

#: Widest a diseased bile duct gets, mm.
_WIDEST_MM = 14.0


def choose_disease(settings: PhantomSettings, draws: Draws) -> str:
    """At most one disease of the ducts for each case."""
    weights = {
        "duct stones": settings.probability_duct_stones,
        "distal stricture": settings.probability_distal_stricture,
        "hilar stricture": settings.probability_hilar_stricture,
        "multifocal strictures": settings.probability_multifocal_strictures,
        "ectasia": settings.probability_ectasia,
    }
    weights["none"] = max(1.0 - sum(weights.values()), 0.0)
    return draws.choose(weights)


def fall_ill(anatomy: Anatomy, draws: Draws) -> None:
    """Changes the calibres of the finished tree as ``anatomy.disease`` says."""
    cbd, chd = anatomy.branches[0], anatomy.branches[1]
    disease = anatomy.disease
    if disease == "ectasia":
        _dilate(anatomy, cbd, 0.0, draws.uniform(1.2, 1.55), within=1.0)
    elif disease == "duct stones":
        _dilate(anatomy, cbd, 0.0, draws.uniform(1.15, 1.7), within=1.0)
        for _ in range(draws.integer(1, 4)):
            _add_stone(anatomy, cbd if draws.flag(0.8) else chd, draws.uniform(0.12, 0.85), draws, 0.45, 0.85)
    elif disease == "distal stricture":
        at = draws.uniform(0.16, 0.42)
        narrow(anatomy, cbd, at, draws.uniform(8.0, 20.0), draws.uniform(0.0, 0.4), draws)
        _dilate(anatomy, cbd, at, draws.uniform(1.5, 2.3))
        main = anatomy.named("main pancreatic duct")
        if main is not None and draws.flag(0.6):
            narrow(anatomy, main, 0.12, draws.uniform(6.0, 12.0), draws.uniform(0.2, 0.5), draws)
            _dilate(anatomy, main, 0.12, draws.uniform(1.4, 2.1))
    elif disease == "hilar stricture":
        _hilar(anatomy, draws)
    elif disease == "multifocal strictures":
        _multifocal(anatomy, draws)


def _hilar(anatomy: Anatomy, draws: Draws) -> None:
    """Bismuth-Corlette I (below the confluence), II (at it), IIIa, IIIb (and one side), IV (both sides)."""
    chd = anatomy.branches[1]
    kind = draws.choose({"I": 0.2, "II": 0.3, "IIIa": 0.2, "IIIb": 0.15, "IV": 0.15})
    anatomy.variants["Bismuth-Corlette"] = kind
    at = draws.uniform(0.45, 0.65) if kind == "I" else 0.9
    narrow(anatomy, chd, at, draws.uniform(7.0, 14.0), draws.uniform(0.0, 0.35), draws)
    rhd = anatomy.named("right hepatic duct") or anatomy.named("right anterior sectoral duct")
    lhd = anatomy.named("left hepatic duct")
    sides = {"IIIa": [rhd], "IIIb": [lhd], "IV": [rhd, lhd]}.get(kind, [])
    _dilate(anatomy, chd, at, draws.uniform(1.5, 2.3))
    for side in sides:
        if side is not None:
            narrow(
                anatomy, side, 0.3, min(draws.uniform(5.0, 9.0), 0.7 * side.length_mm), draws.uniform(0.15, 0.4), draws
            )


def _multifocal(anatomy: Anatomy, draws: Draws) -> None:
    """Short strictures with mild dilatation between them (beading)."""
    ducts = [b for b in anatomy.branches if b.label == BILE_DUCTS and b.order <= 2 and b.length_mm > 14.0]
    for branch in ducts:
        if not draws.flag(0.6):
            continue
        for number in range(draws.integer(1, 3)):
            at = 0.15 + 0.27 * number + draws.uniform(0.0, 0.12)
            _widen_here(branch, min(at + 0.14, 0.9), 10.0, draws.uniform(1.2, 1.6))
            narrow(anatomy, branch, at, draws.uniform(3.0, 7.0), draws.uniform(0.3, 0.6), draws)


def narrow(anatomy: Anatomy, branch: Branch, fraction: float, length_mm: float, remaining: float, draws: Draws) -> None:
    """A stricture with tapered shoulders.

    Parameters
    ----------
    fraction : where along the branch its middle is. length_mm : from shoulder to shoulder.
    remaining : calibre left, as a part of what it was; under 0.12 the lumen is closed over the middle third.
    """
    along = arc_length(branch.points)
    middle = branch.index_at(fraction)
    reference = float(branch.diameters[middle])
    distance = np.abs(along - along[middle]) / max(0.5 * length_mm, 1.2)
    closed = remaining < 0.12
    left = 0.0 if closed else max(remaining, 0.35 / reference)
    # Full narrowing over the middle third, then a straight shoulder.
    weight = np.clip((1.0 - distance) * 1.5, 0.0, 1.0)
    branch.diameters = quantise(branch.diameters * (1.0 - (1.0 - left) * weight))
    least = float(branch.diameters[middle])
    branch.strictures.append(
        {
            "position_lps_mm": branch.points[middle].tolist(),
            "length_mm": round(length_mm, 3),
            "diameter_mm": round(least, 3),
            "reference_diameter_mm": round(reference, 3),
            "grade": round(1.0 - least / reference, 3),
            "complete": closed,
        }
    )


def _widened(diameters: np.ndarray, factor: np.ndarray | float) -> np.ndarray:
    """Calibres after dilatation: wide ducts widen more than the finest ones, which stay near 1 mm."""
    grown = diameters + (factor - 1.0) * np.maximum(diameters - 0.75, 0.0)
    return quantise(np.minimum(grown, np.maximum(diameters, _WIDEST_MM)))


def _dilate(anatomy: Anatomy, branch: Branch, above: float, factor: float, within: float = 0.85) -> None:
    """Widens a branch above a fraction of its length and, by ``within`` of that, all that drains into it."""
    along = arc_length(branch.points)
    start = along[branch.index_at(above)]
    ramp = np.clip((along - start - (3.0 if above > 0.0 else 4.0)) / 8.0, 0.0, 1.0)
    _record(branch, 1.0 + (factor - 1.0) * ramp, above)
    for other in anatomy.upstream(branch):
        if other.label == branch.label and (branch.label == PANCREATIC_DUCT or other.label == BILE_DUCTS):
            _record(other, 1.0 + (factor - 1.0) * within, 0.0)


def _record(branch: Branch, factor: np.ndarray | float, above: float) -> None:
    before = branch.diameters
    branch.diameters = _widened(before, factor)
    widest = int(np.argmax(branch.diameters))
    branch.dilatations.append(
        {
            "from_lps_mm": branch.points[branch.index_at(above)].tolist(),
            "to_lps_mm": branch.points[-1].tolist(),
            "largest_diameter_mm": round(float(branch.diameters[widest]), 3),
            "factor": round(float(np.max(factor)), 3),
        }
    )


def _widen_here(branch: Branch, fraction: float, length_mm: float, factor: float) -> None:
    """A short widening between strictures."""
    along = arc_length(branch.points)
    middle = along[branch.index_at(fraction)]
    bump = np.clip(1.0 - (np.abs(along - middle) / (0.5 * length_mm)) ** 2, 0.0, 1.0)
    half = 0.5 * length_mm / branch.length_mm
    low, high = max(fraction - half, 0.0), min(fraction + half, 1.0)
    branch.diameters = _widened(branch.diameters, 1.0 + (factor - 1.0) * bump)
    branch.dilatations.append(
        {
            "from_lps_mm": branch.points[branch.index_at(low)].tolist(),
            "to_lps_mm": branch.points[branch.index_at(high)].tolist(),
            "largest_diameter_mm": round(float(branch.diameters[branch.index_at(fraction)]), 3),
            "factor": round(factor, 3),
        }
    )


def _add_stone(anatomy: Anatomy, branch: Branch, fraction: float, draws: Draws, least: float, most: float) -> None:
    """A stone of ``least`` … ``most`` of the local calibre, resting on the posterior wall, wholly inside the lumen."""
    index = branch.index_at(fraction)
    near = branch.diameters[max(index - 3, 0) : index + 4]
    lumen = 0.5 * float(near.min())
    radius = min(lumen * draws.uniform(least, most), 6.0)
    if radius < 0.9:
        return
    centre = quantise(branch.points[index] + resting(branch.tangent(index)) * (0.75 * (lumen - radius)))
    if any(float(norm(centre - s.centre)) < radius + float(s.semi_axes.max()) for s in anatomy.stones):
        return
    axes = quantise(radius * np.array([draws.uniform(0.75, 1.0), draws.uniform(0.75, 1.0), draws.uniform(0.75, 1.0)]))
    anatomy.stones.append(Stone(branch.id, centre, axes))


def resting(tangent: np.ndarray) -> np.ndarray:
    """Unit vector across a lumen to where things sink in a supine patient (posterior), or zero along it."""
    along = unit(tangent)
    down = np.array([0.0, 1.0, 0.0]) - along * along[1]
    return unit(down) if float(norm(down)) > 0.3 else np.zeros(3)


def fill_gallbladder(anatomy: Anatomy, draws: Draws, settings: PhantomSettings) -> None:
    """Stones and sludge in the gallbladder, where there is one."""
    bladder = anatomy.named("gallbladder")
    stones, sludge = draws.flag(settings.probability_gallbladder_stones), draws.flag(settings.probability_sludge)
    if bladder is None:
        return
    if stones:
        most = draws.uniform(0.2, 0.45)
        for _ in range(draws.integer(1, 8)):
            _add_stone(anatomy, bladder, draws.uniform(0.4, 0.92), draws, 0.5 * most, most)
    if sludge:
        anatomy.sludge_fraction = round(draws.uniform(0.15, 0.45), 3)
