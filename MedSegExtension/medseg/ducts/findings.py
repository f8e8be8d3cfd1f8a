"""Candidate strictures and dilatations from the calibre along the branches.

A narrowing counts relative to the calibre on both of its sides, so that neither the taper of a tree towards its
periphery nor the step from a duct to its side branch is one. Thresholds and grades with their sources are in
docs/measuring.md.
"""

from __future__ import annotations

import numpy as np

from .calibre import BOUND_MARGIN_VOXELS, LEAST_BOUND_VOXELS, RESOLVED_VOXELS
from .model import Branch, Finding, Node

#: How far to each side the neighbouring calibre is looked for, in mm, and at least in calibres for strictures: several
#: of them may lie together in a wide duct.
NEIGHBOURHOOD_MM, NEIGHBOURHOOD_CALIBRES = 10.0, 3.0
#: The neighbouring calibre of a gap or a dilatation is this percentile of the calibres there: near the widest, but not
#: one wide section.
NEIGHBOUR_PERCENTILE = 90.0
#: The neighbouring calibre of a stricture is the mean of the widest of these many mm.
WIDEST_MM = 2.5
#: A stricture takes away at least this many times the square root of the neighbouring calibre on the thinner of its
#: sides and a voxel: how far fitted calibres of a healthy duct stray grows with its calibre, but less than in step.
LEAST_NARROWING = 0.6
#: Where this many narrow places are certain, the tree has strictures in several places, and less is enough for others.
MANY, LEAST_AMONG_MANY = 3, 0.33
#: The neighbouring calibre is at least this many voxels on both sides.
LEAST_REFERENCE_VOXELS = 1.35
#: Ducts on both sides of a gap are at least this many voxels wide for the gap to be a possible complete stricture:
#: thinner ones break by chance, where their axis runs along the corners of voxels and none is half full …
LEAST_GAP_VOXELS = 1.5
#: … and this many, where the tree has strictures in several places.
LEAST_GAP_AMONG_MANY = 1.25
#: A narrowing is at least this many voxels long at half its depth: a shorter one is one point of the fit.
LEAST_LENGTH_VOXELS = 1.0
#: A narrowing that takes up this part of its branch is the calibre of the branch.
WHOLE_BRANCH = 0.85
#: The narrowest calibre, or its bound, is at most this part of the neighbouring one: else nothing would be said.
MOST_LEFT = 0.97
#: More than this is a severe stricture on MRCP.
SEVERE_NARROWING = 0.75
#: A focal dilatation is at least this much wider than the duct on both sides …
LEAST_WIDENING = 0.5
#: … and at least this many voxels.
LEAST_WIDENING_VOXELS = 1.5


def find_strictures(branches: list[Branch], voxel: float, gaps: list[Finding] | None = None) -> list[Finding]:
    """Possible complete strictures, then narrow places, the narrowest first.

    Parameters
    ----------
    voxel : the largest spacing in mm. gaps : gaps between ducts as `find_gaps` lists them, whatever the calibre.
    """
    gaps = gaps or []
    around = _by_node(branches)
    looped = _in_loops(branches)
    found = [item for b in branches if b.id not in looped for item in _narrow_places(b, around, voxel)]
    found.sort(key=lambda item: (-item[0], item[1].branch))
    kept = _once([finding for _, finding in found])
    score = {id(finding): value for value, finding in found}
    certain = sum(score[id(f)] >= LEAST_NARROWING for f in kept)
    certain += sum(g.reference_diameter_mm >= LEAST_GAP_VOXELS * voxel for g in gaps)
    many = certain >= MANY
    least, least_gap = (LEAST_AMONG_MANY, LEAST_GAP_AMONG_MANY) if many else (LEAST_NARROWING, LEAST_GAP_VOXELS)
    kept = [f for f in kept if score[id(f)] >= least]
    return [
        *(g for g in gaps if g.reference_diameter_mm >= least_gap * voxel),
        *sorted(kept, key=lambda f: (-f.change, f.branch)),
    ]


def _narrow_places(
    branch: Branch, around: dict[int, list[tuple[Branch, bool]]], voxel: float
) -> list[tuple[float, Finding]]:
    """Candidates of one branch and how much each is narrowed (see `LEAST_NARROWING`)."""
    s, d, inner = _followed(branch, around)
    found: list[tuple[float, Finding]] = []
    if not inner.any():
        return found
    left, right = _widest(s, d)
    reference = np.minimum(left, right)
    score = np.where(
        inner & (reference >= LEAST_REFERENCE_VOXELS * voxel),
        (reference - d) / np.sqrt(np.maximum(reference * voxel, 1e-9)),
        -1.0,
    )
    while True:
        worst = int(np.argmax(score))
        if score[worst] < LEAST_AMONG_MANY:
            return found
        low, high = _run(d <= (reference[worst] + d[worst]) / 2, worst)
        own = min(s[high], branch.length_mm) - max(s[low], 0.0)
        # a thin branch between two wide ones is thin, not narrowed
        if own < WHOLE_BRANCH * branch.length_mm and s[high] - s[low] >= LEAST_LENGTH_VOXELS * voxel:
            finding = _stricture(branch, s, d, worst, low, high, float(reference[worst]), voxel)
            if finding.change >= 1 - MOST_LEFT:
                found.append((float(score[worst]), finding))
        score[low : high + 1] = -1.0
        score[np.abs(s - s[worst]) < 3 * voxel] = -1.0


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


def _in_loops(branches: list[Branch]) -> set[int]:
    """Branches that a loop leads through: bile ducts have none, so one of its narrow places is where ducts touch."""
    import networkx as nx

    graph = nx.MultiGraph()
    graph.add_edges_from((b.start_node, b.end_node, b.id) for b in branches)
    simple = nx.Graph(graph)
    bridges = {frozenset(edge) for edge in nx.bridges(simple)}
    return {
        b.id
        for b in branches
        if b.start_node == b.end_node
        or frozenset((b.start_node, b.end_node)) not in bridges
        or graph.number_of_edges(b.start_node, b.end_node) > 1
    }


def _fitted(branch: Branch) -> tuple[np.ndarray, np.ndarray]:
    """Distance along a branch and calibre where its wall is its own; from the sections where nothing was fitted."""
    known = np.isfinite(branch.fitted_mm)
    if known.any():
        return branch.distance_mm[known], branch.fitted_mm[known]
    return branch.distance_mm[branch.own], branch.measured_mm[branch.own]


def _followed(
    branch: Branch, around: dict[int, list[tuple[Branch, bool]]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance, fitted calibre and whether it is the branch's own, followed beyond each end into the widest duct.

    The way goes on from bifurcation to bifurcation as far as the neighbouring calibre is looked for.
    """
    s, d = _fitted(branch)
    parts_s, parts_d, inner = [s], [d], [np.ones(len(s), dtype=bool)]
    for at_start in (True, False):
        node, here, walked = (branch.start_node if at_start else branch.end_node), branch, 0.0
        seen, beyond_s, beyond_d = {branch.id}, [], []
        reach = max(NEIGHBOURHOOD_MM, NEIGHBOURHOOD_CALIBRES * float(d.max())) if len(d) else NEIGHBOURHOOD_MM
        while walked < reach:
            ways = []
            for other, starts in around[node]:
                if other.id in seen or other is here:
                    continue
                t, m = _fitted(other)
                if not starts:
                    t, m = other.length_mm - t[::-1], m[::-1]
                near = m[t <= max(NEIGHBOURHOOD_MM / 2, t[0])] if len(t) else np.zeros(1)
                ways.append((float(np.percentile(near, 80)), -other.id, other, starts, t, m))
            if not ways:
                break
            *_, here, starts, t, m = max(ways, key=lambda way: way[:2])
            beyond_s.append(walked + t)
            beyond_d.append(m)
            walked += here.length_mm
            seen.add(here.id)
            node = here.end_node if starts else here.start_node
        if not beyond_s:
            continue
        t, m = np.concatenate(beyond_s), np.concatenate(beyond_d)
        t, m = t[t <= reach], m[t <= reach]
        parts_s.insert(0 if at_start else len(parts_s), -t[::-1] if at_start else branch.length_mm + t)
        parts_d.insert(0 if at_start else len(parts_d), m[::-1] if at_start else m)
        inner.insert(0 if at_start else len(inner), np.zeros(len(t), dtype=bool))
    return np.concatenate(parts_s), np.concatenate(parts_d), np.concatenate(inner)


def _widest(s: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every point the mean of the widest `WIDEST_MM` on its left and on its right; 0 where there is no duct."""
    step = max(float(s[-1] - s[0]) / max(len(s) - 1, 1), 1e-6)
    count = max(round(WIDEST_MM / step), 1)
    sides = []
    for sign in (-1, 1):
        ahead = sign * (s[None, :] - s[:, None])
        near = np.where((ahead > 0) & (ahead < np.maximum(NEIGHBOURHOOD_MM, NEIGHBOURHOOD_CALIBRES * d)), d[None, :], 0)
        top = -np.partition(-near, min(count, len(s) - 1) - 1 if len(s) > 1 else 0, axis=1)[:, :count]
        sides.append(np.where((top > 0).sum(axis=1) >= min(count, len(s) - 1), top.mean(axis=1), 0.0))
    return sides[0], sides[1]


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
    branch: Branch, s: np.ndarray, d: np.ndarray, worst: int, low: int, high: int, reference: float, voxel: float
) -> Finding:
    at = int(np.argmin(np.abs(branch.distance_mm - s[worst])))
    diameter = float(d[worst])
    resolved = diameter >= RESOLVED_VOXELS * voxel
    if not resolved:
        diameter = max(diameter + BOUND_MARGIN_VOXELS * voxel, LEAST_BOUND_VOXELS * voxel)
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
