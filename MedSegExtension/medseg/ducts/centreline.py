"""The centreline below the size of a voxel: from skeleton paths to the middle of the duct, its ends and its
bifurcations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from .curves import arc_length, direction, move_ends, resample, smooth, tangents_of
from .grid import DuctGrid
from .sections import cross_sections, disc_areas
from .skeleton import Radius

if TYPE_CHECKING:
    import networkx

#: Points of a centreline per smallest voxel spacing.
POINTS_PER_VOXEL = 2
#: How often the path is moved to the middle of its sections.
ROUNDS = 3
#: Two branches that leave a bifurcation in directions further apart than this are one duct going on, in degrees.
GOING_ON_DEG = 150.0
#: How far from a free end, in radii, the path of the skeleton is trusted.
CAP_RADII = 1.5
#: Sections at a tip reach this many voxels beyond the radius: half a voxel of outline and a little for its place.
TIP_MARGIN_VOXELS = 0.75
#: Standard deviation in voxels of the blur that voxels and interpolation give to the sections at a tip.
BLUR_VOXELS = 0.5
#: How sharply the fits of a dome and of a flat end are told apart, and the lean to the dome of an end one voxel in
#: radius.
CERTAINTY, DOME_PRIOR_VOXELS = 4.0, 3.0


@dataclass
class Path:
    """One branch on its way to a centreline.

    points : (N, 3) local mm, evenly spaced, from node ``start`` to node ``stop``.
    own : (N,) bool, where the section belongs to this branch alone: not in a bifurcation, not in the cap of an end.
    cap : (N,) bool, the caps of free ends.
    """

    start: Any
    stop: Any
    points: np.ndarray
    closed: bool
    free: tuple[bool, bool]
    own: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    cap: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))


def centrelines(graph: networkx.MultiGraph, grid: DuctGrid, radius: Radius) -> tuple[list[Path], dict[Any, np.ndarray]]:
    """Centreline paths of every edge of a skeleton graph and the refined position of every node, local mm.

    Order of the paths: by component and position as networkx lists them; callers sort.
    """
    step = float(grid.spacing.min()) / POINTS_PER_VOXEL
    positions = {node: np.asarray(data["position"], dtype=float) for node, data in graph.nodes(data=True)}
    paths = []
    for a, b, data in graph.edges(data=True):
        start, stop = data["start"], data["stop"]
        closed = a == b and graph.degree(a) == 2
        free = (graph.degree(start) == 1, graph.degree(stop) == 1)
        paths.append(Path(start, stop, resample(data["points"], step), closed, free))
    if not paths:
        return [], positions
    for path in paths:
        wide = float(np.median(radius(path.points)))
        path.points = resample(smooth(path.points, _window(grid, wide), path.closed), step)
    for _ in range(ROUNDS):
        mark_shared(paths, radius)
        _recentre(paths, grid, radius, step)
    for path in paths:
        for end in (0, 1):
            if path.free[end]:
                _finish_end(path, end, grid, radius, step)
    mark_shared(paths, radius)
    _join(paths, positions, graph, grid, radius, step)
    mark_shared(paths, radius)
    for path in paths:
        _unmark_caps(path, radius)
        positions[path.start] = path.points[0]
        positions[path.stop] = path.points[-1]
    return paths, positions


def _window(grid: DuctGrid, radius: float) -> float:
    """Smoothing window in mm: the steps of the skeleton are a voxel high and a few voxels long."""
    return 2.5 * float(grid.spacing.max()) + 1.5 * radius


def mark_shared(paths: list[Path], radius: Radius) -> None:
    """Set ``own``: False where a branch runs inside the lumen that it shares with another one at a bifurcation.

    A point is shared when the middle of the other branch is nearer than the other's radius and most of its own. A
    branch that goes straight on is the same duct and does not count.
    """
    inscribed = [radius(path.points) for path in paths]
    incident: dict[Any, list[tuple[int, int]]] = {}
    for n, path in enumerate(paths):
        path.own = np.ones(len(path.points), dtype=bool)
        if not path.closed:
            incident.setdefault(path.start, []).append((n, 0))
            incident.setdefault(path.stop, []).append((n, 1))
    for ends in incident.values():
        if len(ends) < 3:
            continue
        node = paths[ends[0][0]].points[0 if ends[0][1] == 0 else -1]
        ball = float(radius(node)[0])
        outward = [_outward(paths[n].points, end, 3 * ball) for n, end in ends]
        trees = [cKDTree(paths[n].points) for n, _ in ends]
        for a, (na, ea) in enumerate(ends):
            near = np.linalg.norm(paths[na].points - node, axis=1) < 5 * ball
            half = np.arange(len(near)) < len(near) / 2
            if na in [n for i, (n, _) in enumerate(ends) if i != a]:  # a loop at one node: each end has its half
                near &= half if ea == 0 else ~half
            for b, (nb, _) in enumerate(ends):
                if na == nb or outward[a] @ outward[b] < np.cos(np.radians(GOING_ON_DEG)):
                    continue
                apart, nearest = trees[b].query(paths[na].points)
                typical = float(np.median(inscribed[nb]))
                other = np.minimum(inscribed[nb][nearest], 1.3 * typical)
                paths[na].own &= ~(near & (apart < other + 0.8 * inscribed[na]))


def _outward(points: np.ndarray, end: int, reach: float) -> np.ndarray:
    """Unit vector (3,) in which a path leaves its start (``end`` 0) or its stop (1), over ``reach`` mm."""
    ordered = points if end == 0 else points[::-1]
    s = arc_length(ordered)
    part = ordered[s <= max(reach, s[min(2, len(s) - 1)])]
    vector = part[-1] - part[0]
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else np.array([1.0, 0.0, 0.0])


def _recentre(paths: list[Path], grid: DuctGrid, radius: Radius, step: float) -> None:
    """Move every path into the middle of its sections; where a branch shares its lumen, go with the nearest own
    point.
    """
    points = np.concatenate([path.points for path in paths])
    tangents = np.concatenate([tangents_of(path.points, path.closed) for path in paths])
    inscribed = radius(points)
    _, offset = cross_sections(grid, points, tangents, inscribed)
    limit = np.maximum(inscribed, grid.spacing.max() / 2)
    far = np.linalg.norm(offset, axis=1)
    offset *= np.minimum(1.0, limit / np.maximum(far, 1e-9))[:, None]
    at = 0
    for path in paths:
        n = len(path.points)
        shift, r = offset[at : at + n], inscribed[at : at + n]
        at += n
        usable = path.own.copy()
        for end in (0, 1):  # a cap has no section that is perpendicular to the duct
            if path.free[end]:
                order = slice(None) if end == 0 else slice(None, None, -1)
                usable &= _beyond_cap(arc_length(path.points[order]), r[order])[order]
        if not usable.any():
            continue
        index = np.arange(n)
        shift = np.stack([np.interp(index, index[usable], shift[usable, axis]) for axis in range(3)], axis=1)
        moved = path.points + shift
        if path.closed:
            moved[-1] = moved[0]
        wide = float(np.median(r))
        path.points = resample(smooth(moved, _window(grid, wide), path.closed, pinned=False), step)
    mark_shared(paths, radius)


def _beyond_cap(s: np.ndarray, inscribed: np.ndarray) -> np.ndarray:
    """Where a path, ``s`` mm from its free end, has left the cap of the duct; both (N,).

    The skeleton may run into the rim of a blunt end; it is back on the axis 1.41 radii from there. The radius is the
    largest met near the end: at the rim the inscribed balls are small.
    """
    typical = float(np.median(inscribed[s <= s[-1] / 2]))
    return s >= CAP_RADII * float(inscribed[s <= 2.5 * typical].max())


def _finish_end(path: Path, end: int, grid: DuctGrid, radius: Radius, step: float) -> None:
    """Let a free end run straight to where the duct ends.

    The path is cut back to one radius before its tip and goes on along its direction. A duct cut flat ends at the
    cut. A duct that closes with a dome is the sweep of a ball, and its axis ends at the last ball's centre.
    """
    points = path.points if end == 0 else path.points[::-1]
    s = arc_length(points)
    inscribed = radius(points)
    enough = np.flatnonzero(_beyond_cap(s, inscribed) | (s >= s[-1] / 2))
    cut = int(enough[0]) if len(enough) else 0
    rest = points[cut:]
    if len(rest) < 2:
        return
    along = arc_length(rest)
    voxel = float(grid.spacing.max())
    # a parabola through the next few radii, so that a bend goes on bending
    fitted = along <= max(4 * inscribed[cut], 6 * voxel, along[1])
    degree = min(2, int(fitted.sum()) - 1)
    curve = np.polynomial.polynomial.polyfit(along[fitted], rest[fitted], degree)
    base = curve[0]
    ahead = -1.2 * max(float(inscribed[cut]), voxel / 2)
    forward = np.polynomial.polynomial.polyval(ahead, curve) - base
    forward = forward / max(float(np.linalg.norm(forward)), 1e-9)
    sample = rest[along <= max(2 * inscribed[cut], 5 * voxel, along[1])]
    area, _ = cross_sections(grid, sample, tangents_of(sample), radius(sample))
    r = float(np.sqrt(max(np.median(area), 1e-6) / np.pi))
    reach = _distance_to_end(grid, base, forward, r, voxel)
    extension = _axis_end(grid, base, forward, r, reach, voxel)
    if extension > 0:
        rest = np.vstack([base + extension * forward, rest])
    elif -extension < along[-1] / 2:
        # from the very place: whole points would take up to a step too much, and all of a path of two but one
        tip = [np.interp(-extension, along, rest[:, axis]) for axis in range(3)]
        rest = np.vstack([tip, rest[along > -extension]])
    rest = resample(rest, step)
    path.points = rest if end == 0 else rest[::-1]


def _axis_end(grid: DuctGrid, base: np.ndarray, forward: np.ndarray, r: float, reach: float, voxel: float) -> float:
    """Where the axis ends, in mm from ``base`` along ``forward``; ``reach`` is where the lumen does, roughly.

    The areas of the sections towards the tip are fitted with those of a dome of radius ``r`` and of a flat cut, each
    at its best place, both as blurred as the voxels make them, and the better fit counts the more the better it is.
    """
    step = voxel / 4
    ahead = np.arange(reach - 2.5 * r, reach + 2.5 * voxel, step)
    area = disc_areas(grid, base + ahead[:, None] * forward, forward, r + TIP_MARGIN_VOXELS * voxel)
    area = np.minimum(area / (np.pi * r**2), 1.3)
    places = np.arange(reach - 1.4 * r, reach + 0.5 * voxel, step / 2)
    beyond = (ahead[None, :] - places[:, None]) / r
    flat = (beyond < 0).astype(float)
    dome = np.where(beyond < 0, 1.0, np.clip(1 - beyond**2, 0, 1))
    blur = BLUR_VOXELS * float(np.linalg.norm(forward * grid.spacing)) / step  # the voxel as seen along the duct
    best = []
    for model in (dome, flat):
        misfit = np.square(gaussian_filter1d(model, blur, axis=1, mode="nearest") - area).mean(axis=1)
        best.append((float(misfit.min()), float(places[int(np.argmin(misfit))])))
    (dome_misfit, dome_end), (flat_misfit, flat_end) = best
    prior = DOME_PRIOR_VOXELS * voxel / r  # a few voxels cannot tell: lean to the dome, which ends are more often
    odds = np.log((flat_misfit + 1e-6) / (dome_misfit + 1e-6)) * CERTAINTY + prior
    weight = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
    return weight * dome_end + (1 - weight) * flat_end


def _distance_to_end(grid: DuctGrid, base: np.ndarray, forward: np.ndarray, r: float, voxel: float) -> float:
    """How far from ``base`` along ``forward`` the duct ends, in mm: the median of a bundle of five parallel rays."""
    side = np.zeros(3)
    side[np.argmin(np.abs(forward))] = 1.0
    side = np.cross(forward, side)
    side /= np.linalg.norm(side)
    up = np.cross(forward, side)
    shifts = 0.35 * r * np.stack([np.zeros(3), side, -side, up, -up])
    t = np.arange(0, 4 * r + 4 * voxel, voxel / 16)
    inside = grid.sample(base + shifts[:, None] + t[None, :, None] * forward) >= 0.5
    ends = []
    for ray in inside:
        entered = np.flatnonzero(ray)
        if not len(entered):
            continue
        left = np.flatnonzero(~ray[entered[0] :])
        ends.append(t[entered[0] + left[0]] if len(left) else t[-1])
    return float(np.median(ends)) if ends else 0.0


def _join(
    paths: list[Path],
    positions: dict[Any, np.ndarray],
    graph: networkx.MultiGraph,
    grid: DuctGrid,
    radius: Radius,
    step: float,
) -> None:
    """Put each bifurcation where the axes of its branches meet, and lead the branches there.

    Thinning sets the node where the lumens part, which at an acute angle is well beyond where the axes meet.
    """
    ends: dict[Any, list[tuple[Path, int]]] = {}
    for path in paths:
        if not path.closed:
            for end, node in ((0, path.start), (1, path.stop)):
                if graph.degree(node) > 1:
                    ends.setdefault(node, []).append((path, end))
    voxel = float(grid.spacing.max())
    lines: dict[Any, np.ndarray] = {}
    for node, incident in ends.items():
        here = positions[node]
        ball = float(radius(here)[0])
        matrix, vector = 0.02 * np.eye(3), 0.02 * here
        for path, end in incident:
            points = path.points if end == 0 else path.points[::-1]
            own = path.own if end == 0 else path.own[::-1]
            first = np.flatnonzero(own)
            if not len(first):
                continue
            rest = points[first[0] :]
            along = arc_length(rest)
            stretch = rest[along <= max(2 * float(radius(rest[0])[0]), 4 * voxel)]
            if len(stretch) < 3:
                continue
            axis = direction(stretch)
            across = np.eye(3) - np.outer(axis, axis)
            matrix += across
            vector += across @ stretch.mean(axis=0)
        meeting = np.linalg.solve(matrix, vector)
        shift = meeting - here
        limit = 3 * ball
        lines[node] = here + shift * min(1.0, limit / max(float(np.linalg.norm(shift)), 1e-9))
    for path in paths:
        if path.closed:
            continue
        points, own = path.points, path.own
        inner = np.flatnonzero(own)
        start = lines.get(path.start, points[0])
        stop = lines.get(path.stop, points[-1])
        if not len(inner):
            path.points = resample(move_ends(points, start, stop), step)
            continue
        parts = [points[inner[0] : inner[-1] + 1]]
        if path.start in lines:
            parts.insert(0, start[None])
        elif inner[0] > 0:
            parts.insert(0, points[: inner[0]])
        if path.stop in lines:
            parts.append(stop[None])
        elif inner[-1] < len(points) - 1:
            parts.append(points[inner[-1] + 1 :])
        joined = resample(np.vstack(parts), step)
        path.points = resample(smooth(joined, _window(grid, float(np.median(radius(joined)))) / 1.5), step)


def _unmark_caps(path: Path, radius: Radius) -> None:
    """The last radius before a free end has no section of its own."""
    path.cap = np.zeros(len(path.points), dtype=bool)
    for end in (0, 1):
        if path.free[end]:
            points = path.points if end == 0 else path.points[::-1]
            near = arc_length(points) < np.minimum(radius(points), arc_length(points)[-1] / 4)
            # contiguous from the end only
            near = np.logical_and.accumulate(near)
            path.cap |= near if end == 0 else near[::-1]
    path.own &= ~path.cap
