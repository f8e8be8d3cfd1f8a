"""Gaps between parts: which ends point at each other, what joining them would look like, and which may be
strictures.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import cKDTree

from .findings import NEIGHBOUR_PERCENTILE, NEIGHBOURHOOD_MM
from .model import Branch, Bridge, Component, Finding, Node

#: The widest gap for which joining is proposed, in mm of what is not labelled: the axis of a duct that closes with a
#: dome ends a radius before its lumen does, so that the radii of both ends come on top.
WIDEST_GAP_MM = 20.0
#: An end points at what it may have been joined to within this angle; gaps of up to `CLOSE_VOXELS` may turn more.
WIDEST_ANGLE_DEG = 50.0
CLOSE_VOXELS = 3.0


def find_gaps(
    branches: list[Branch], nodes: list[Node], components: list[Component], voxel: float
) -> tuple[list[Bridge], list[Finding]]:
    """Proposed bridges, at most one fewer than parts, and each as the complete stricture that it may be.

    Also sets ``gap_mm`` and ``nearest_component`` of every component that has a centreline. ``voxel`` : largest
    spacing, mm.
    """
    by_id = {b.id: b for b in branches}
    with_branches = [c for c in components if c.branches]
    if len(with_branches) < 2:
        return [], []
    ends = [n for n in nodes if n.degree == 1 and not n.at_border]
    points = np.concatenate([b.points_lps_mm for b in branches])
    owner = np.concatenate([np.full(len(b.points_lps_mm), b.id) for b in branches])
    index = np.concatenate([np.arange(len(b.points_lps_mm)) for b in branches])
    part = np.concatenate([np.full(len(b.points_lps_mm), b.component) for b in branches])
    radius = np.concatenate([b.measured_mm for b in branches]) / 2
    best: dict[tuple[int, int], tuple[float, Bridge]] = {}
    for c in with_branches:
        mine = part == c.id
        tree = cKDTree(points[~mine])
        others, other_owner, other_index, other_part = points[~mine], owner[~mine], index[~mine], part[~mine]
        other_radius = radius[~mine]
        tips = [n for n in nodes if n.component == c.id and n.degree == 1]
        places = np.array([n.position_lps_mm for n in tips]) if tips else points[mine]
        apart, nearest = tree.query(places)
        first = int(np.argmin(apart))
        c.gap_mm, c.nearest_component = float(apart[first]), int(other_part[nearest[first]])
        for tip in (n for n in ends if n.component == c.id):
            branch = by_id[tip.branches[0]]
            outward, _ = _end(branch, tip.id)
            cap = float(branch.measured_mm[0 if branch.start_node == tip.id else -1]) / 2
            reach = WIDEST_GAP_MM + cap
            hits = np.array(tree.query_ball_point(tip.position_lps_mm, reach + float(other_radius.max())), dtype=int)
            near = np.linalg.norm(others[hits] - tip.position_lps_mm, axis=1) <= reach + other_radius[hits]
            for hit in hits[near].tolist():
                target = by_id[int(other_owner[hit])]
                bridge = _bridge(tip, branch, outward, target, int(other_index[hit]), others[hit], nodes, voxel)
                if bridge is None:
                    continue
                key = (min(c.id, target.component), max(c.id, target.component))
                cost = bridge.gap_mm * (1 + 2 * (1 - np.cos(np.radians(bridge.angle_deg))))
                if key not in best or cost < best[key][0]:
                    best[key] = (cost, bridge)
    bridges = _spanning(best, components)
    return bridges, [_possible_stricture(b, by_id, nodes) for b in bridges]


def _end(branch: Branch, node: int) -> tuple[np.ndarray, float]:
    """Outward unit vector of a branch at its end ``node`` and the neighbouring calibre there in mm."""
    at_start = branch.start_node == node
    points = branch.points_lps_mm if at_start else branch.points_lps_mm[::-1]
    diameter = branch.measured_mm if at_start else branch.measured_mm[::-1]
    s = branch.distance_mm if at_start else branch.distance_mm[-1] - branch.distance_mm[::-1]
    reach = points[min(int(np.searchsorted(s, max(2 * diameter[0], 4.0))), len(s) - 1)]
    vector = points[0] - reach
    length = float(np.linalg.norm(vector))
    calibre = float(np.percentile(diameter[s <= NEIGHBOURHOOD_MM], NEIGHBOUR_PERCENTILE))
    return (vector / length if length > 0 else np.zeros(3)), calibre


def _bridge(
    tip: Node,
    branch: Branch,
    outward: np.ndarray,
    target: Branch,
    at: int,
    place: np.ndarray,
    nodes: list[Node],
    voxel: float,
) -> Bridge | None:
    """The bridge from a tip to point ``at`` of another branch, or None where they do not point at each other."""
    across = place - tip.position_lps_mm
    gap = float(np.linalg.norm(across))
    if gap <= 0:
        return None
    across = across / gap
    angle = float(np.degrees(np.arccos(np.clip(outward @ across, -1, 1))))
    end = None
    if at == 0:
        end = target.start_node
    elif at == len(target.points_lps_mm) - 1:
        end = target.end_node
    if end is not None and nodes[end - 1].degree == 1:
        back, _ = _end(target, end)
        angle = max(angle, float(np.degrees(np.arccos(np.clip(-(back @ across), -1, 1)))))
    allowed = 90.0 if gap <= CLOSE_VOXELS * voxel else WIDEST_ANGLE_DEG
    if angle > allowed:
        return None
    other = end if end is not None else _tip_beside(target, place, float(target.measured_mm[at]) / 2 + voxel, nodes)
    points = np.stack([tip.position_lps_mm, place])
    return Bridge(
        tip.id,
        other,
        branch.id,
        target.id,
        gap,
        angle,
        (_end(branch, tip.id)[1], float(target.measured_mm[at])),
        points,
    )


def _tip_beside(target: Branch, place: np.ndarray, reach: float, nodes: list[Node]) -> int:
    """The free end of a branch within ``reach`` mm of a place on it, 0 where there is none."""
    for node in (target.start_node, target.end_node):
        tip = nodes[node - 1]
        if tip.degree == 1 and float(np.linalg.norm(tip.position_lps_mm - place)) <= reach:
            return node
    return 0


def _spanning(best: dict[tuple[int, int], tuple[float, Bridge]], components: list[Component]) -> list[Bridge]:
    """The cheapest bridges that join each group of parts once."""
    if not best:
        return []
    count = max(c.id for c in components) + 1
    keys = sorted(best)
    matrix = coo_matrix(
        ([best[k][0] for k in keys], ([k[0] for k in keys], [k[1] for k in keys])), shape=(count, count)
    )
    tree = minimum_spanning_tree(matrix.tocsr()).tocoo()
    chosen = sorted((min(a, b), max(a, b)) for a, b in zip(tree.row.tolist(), tree.col.tolist(), strict=True))
    return [best[key][1] for key in chosen]


def _possible_stricture(bridge: Bridge, by_id: dict[int, Branch], nodes: list[Node]) -> Finding:
    """The gap as a possible complete stricture; whether the ducts are wide enough for that is not asked here."""
    one, two = by_id[bridge.from_branch], by_id[bridge.to_branch]
    calibres = [_end(one, bridge.from_node)[1]]
    if bridge.to_node and nodes[bridge.to_node - 1].degree == 1:
        calibres.append(_end(two, bridge.to_node)[1])
    else:
        calibres.append(bridge.diameters_mm[1])
    reference = min(calibres)
    return Finding(
        "possible complete stricture",
        one.id,
        bridge.points_lps_mm.mean(axis=0),
        bridge.gap_mm,
        0.0,
        False,
        reference,
        1.0,
        "possibly complete: no lumen labelled between two ends",
        other_branch=two.id,
        name=one.name,
    )
