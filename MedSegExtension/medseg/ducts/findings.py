"""Candidate strictures and dilatations from the calibre along the branches.

A narrowing counts relative to the calibre on both of its sides, so that neither the taper of a tree towards its
periphery nor the step from a duct to its side branch is one. Thresholds and grades with their sources are in
docs/measuring.md.
"""

from __future__ import annotations

import numpy as np

from .model import Branch, Finding, Node

#: How far to each side the neighbouring calibre is looked for, in mm.
NEIGHBOURHOOD_MM = 10.0
#: The neighbouring calibre is this percentile of the calibres there: near the widest, but not one wide section.
NEIGHBOUR_PERCENTILE = 90.0
#: A stricture takes away at least this part of the neighbouring calibre on the thinner of its sides …
LEAST_NARROWING = 0.20
#: … and at least this many voxels of it: twice what noise of the outline makes …
LEAST_NARROWING_VOXELS = 0.7
#: … and at least this part of the mean of both sides, which is nearer to what the duct would have here.
LEAST_NARROWING_BETWEEN = 0.36
#: The neighbouring calibre is at least this many voxels on both sides.
LEAST_REFERENCE_VOXELS = 1.6
#: A narrowing that takes up this part of its branch is the calibre of the branch.
WHOLE_BRANCH = 0.85
#: More than this is a severe stricture on MRCP.
SEVERE_NARROWING = 0.75
#: A focal dilatation is at least this much wider than the duct on both sides …
LEAST_WIDENING = 0.5
#: … and at least this many voxels.
LEAST_WIDENING_VOXELS = 1.5


def find_strictures(branches: list[Branch], nodes: list[Node], voxel: float) -> list[Finding]:
    """Narrow places, the narrowest first. ``voxel`` : the largest spacing in mm."""
    found = []
    around = _by_node(branches)
    for branch in branches:
        if branch.closed:
            continue
        s, d, inner = _extended(branch, around)
        left, right = _sides(s, d)
        reference = np.minimum(left, right)
        narrowing = reference - d
        between = (left + right) / 2
        candidate = (
            inner
            & (narrowing >= LEAST_NARROWING * reference)
            & (narrowing >= LEAST_NARROWING_VOXELS * voxel)
            & (between - d >= LEAST_NARROWING_BETWEEN * between)
            & (reference >= LEAST_REFERENCE_VOXELS * voxel)
        )
        while candidate.any():
            worst = int(np.argmax(np.where(candidate, narrowing / np.maximum(reference, 1e-6), -1.0)))
            low, high = _run(d <= reference[worst] - narrowing[worst] / 2, worst)
            own = min(s[high], branch.length_mm) - max(s[low], 0.0)
            if own < WHOLE_BRANCH * branch.length_mm:  # a thin branch between two wide ones is thin, not narrowed
                found.append(_stricture(branch, s, inner, worst, low, high, float(reference[worst])))
            candidate[max(low - 1, 0) : high + 2] = False
            candidate[low : high + 1] = False
            near = np.abs(s - s[worst]) < 3 * voxel
            candidate &= ~near
    found.sort(key=lambda f: (-f.change, f.branch))
    return _once(found)


def find_dilatations(branches: list[Branch], nodes: list[Node], voxel: float) -> list[Finding]:
    """Focal dilatations, and named or intrahepatic ducts that are wide as a whole."""
    found = []
    around = _by_node(branches)
    for branch in branches:
        if branch.closed:
            continue
        s, d, inner = _extended(branch, around)
        left, right = _sides(s, d, percentile=30.0, least=3 * voxel, reach_mm=1.5 * NEIGHBOURHOOD_MM)
        reference = np.maximum(left, right)
        widening = d - reference
        candidate = (
            inner
            & (reference > 0)
            & (widening >= LEAST_WIDENING * reference)
            & (widening >= LEAST_WIDENING_VOXELS * voxel)
        )
        if candidate.any():
            peak = int(np.argmax(np.where(candidate, widening, -1.0)))
            low, high = _run(d >= reference[peak] + widening[peak] / 2, peak)
            found.append(_dilatation(branch, s, inner, peak, low, high, float(reference[peak]), "focal dilatation"))
    found.sort(key=lambda f: (-f.change, f.branch))
    return found


def stricture_grade(change: float, resolved: bool) -> str:
    """The grade in words of a narrowing ``change`` in [0, 1]; where not resolved, ``change`` is the least it can be."""
    if not resolved:
        return "severe" if change > SEVERE_NARROWING else "at least moderate, below what the voxels resolve"
    if change > SEVERE_NARROWING:
        return "severe"
    return "moderate" if change >= 0.5 else "mild"


def _by_node(branches: list[Branch]) -> dict[int, list[tuple[Branch, bool]]]:
    """For each node the branches that touch it and whether they start there."""
    around: dict[int, list[tuple[Branch, bool]]] = {}
    for b in branches:
        around.setdefault(b.start_node, []).append((b, True))
        around.setdefault(b.end_node, []).append((b, False))
    return around


def _extended(
    branch: Branch, around: dict[int, list[tuple[Branch, bool]]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance, measured diameter and whether it is the branch's own, continued into the widest neighbour at each
    end.
    """
    s, d = branch.distance_mm, branch.measured_mm
    parts_s, parts_d, inner = [s], [d], [np.ones(len(s), dtype=bool)]
    for node, at_start in ((branch.start_node, True), (branch.end_node, False)):
        neighbours = [(other, starts) for other, starts in around[node] if other is not branch]
        if not neighbours:
            continue
        profiles = []
        for other, starts in neighbours:
            t = other.distance_mm if starts else other.distance_mm[::-1]
            t = np.abs(t - t[0])
            m = other.measured_mm if starts else other.measured_mm[::-1]
            near = t <= NEIGHBOURHOOD_MM
            profiles.append((float(np.percentile(m[near], NEIGHBOUR_PERCENTILE)), t[near], m[near]))
        _, t, m = max(profiles, key=lambda p: p[0])
        if at_start:
            parts_s.insert(0, -t[:0:-1])
            parts_d.insert(0, m[:0:-1])
            inner.insert(0, np.zeros(len(t) - 1, dtype=bool))
        else:
            parts_s.append(s[-1] + t[1:])
            parts_d.append(m[1:])
            inner.append(np.zeros(len(t) - 1, dtype=bool))
    return np.concatenate(parts_s), np.concatenate(parts_d), np.concatenate(inner)


def _sides(
    s: np.ndarray,
    d: np.ndarray,
    percentile: float = NEIGHBOUR_PERCENTILE,
    least: float = 0.0,
    reach_mm: float = NEIGHBOURHOOD_MM,
) -> tuple[np.ndarray, np.ndarray]:
    """The neighbouring calibre on each side of every point, 0 where there is no duct on that side."""
    step = float(s[-1] - s[0]) / max(len(s) - 1, 1)
    skip, reach = round(least / step) if step > 0 else 0, max(round(reach_mm / step), 1) if step > 0 else 1
    right = _following(d, skip, reach, percentile)
    left = _following(d[::-1], skip, reach, percentile)[::-1]
    return left, right


def _following(d: np.ndarray, skip: int, reach: int, percentile: float) -> np.ndarray:
    """The percentile of the ``reach`` values after ``skip`` ones after each value of ``d`` (N,), 0 where there are
    none.
    """
    padded = np.concatenate([d[skip + 1 :], np.full(reach + skip + 1, np.inf)])[: len(d) + reach - 1]
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(padded, reach)[: len(d)], axis=1)
    count = np.isfinite(windows).sum(axis=1)
    rank = np.rint(percentile / 100 * np.maximum(count - 1, 0)).astype(int)
    return np.where(count > 0, windows[np.arange(len(d)), rank], 0.0)


def _run(mask: np.ndarray, at: int) -> tuple[int, int]:
    """First and last index of the run of True around ``at``."""
    low = high = at
    while low > 0 and mask[low - 1]:
        low -= 1
    while high < len(mask) - 1 and mask[high + 1]:
        high += 1
    return low, high


def _place(branch: Branch, inner: np.ndarray, at: int) -> int:
    """Index in the branch of index ``at`` of the extended profile."""
    return int(np.clip(at - int(np.argmax(inner)), 0, len(branch.points_lps_mm) - 1))


def _stricture(
    branch: Branch, s: np.ndarray, inner: np.ndarray, worst: int, low: int, high: int, reference: float
) -> Finding:
    at = _place(branch, inner, worst)
    resolved = bool(branch.resolved[at])
    diameter = float(branch.diameter_mm[at])
    change = max(1 - diameter / reference, 0.0)
    return Finding(
        "stricture",
        branch.id,
        branch.points_lps_mm[at],
        float(s[high] - s[low]),
        diameter,
        resolved,
        reference,
        change,
        stricture_grade(change, resolved),
        float(max(s[low], 0.0)),
        float(min(s[high], branch.length_mm)),
        name=branch.name,
    )


def _dilatation(
    branch: Branch, s: np.ndarray, inner: np.ndarray, peak: int, low: int, high: int, reference: float, grade: str
) -> Finding:
    at = _place(branch, inner, peak)
    diameter = float(branch.diameter_mm[at])
    return Finding(
        "dilatation",
        branch.id,
        branch.points_lps_mm[at],
        float(s[high] - s[low]),
        diameter,
        bool(branch.resolved[at]),
        reference,
        diameter / reference - 1,
        grade,
        float(max(s[low], 0.0)),
        float(min(s[high], branch.length_mm)),
        name=branch.name,
    )


def _once(found: list[Finding]) -> list[Finding]:
    """Of findings of neighbouring branches that overlap at a bifurcation, keep the first."""
    kept: list[Finding] = []
    for f in found:
        if all(
            np.linalg.norm(f.position_lps_mm - k.position_lps_mm) > max(f.length_mm, k.length_mm) / 2 + 1.0
            for k in kept
        ):
            kept.append(f)
    return kept
