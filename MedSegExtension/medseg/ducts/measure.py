"""`measure_ducts`: from a label map to a measurement. The steps are in files of their own; this one puts them
together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy import ndimage

from ..volume import Volume
from .anatomy import propose_names
from .calibre import RESOLVED_VOXELS, measure_calibre
from .centreline import Path, centrelines
from .curves import arc_length
from .findings import find_dilatations, find_strictures
from .gaps import find_gaps
from .grid import NEIGHBOURS, DuctGrid, crop_to_duct, isotropic_mask
from .model import Branch, Component, DuctMeasurement, Node
from .skeleton import inscribed_radius, skeleton_graph
from .surface import duct_surface, triangle_areas
from .tubes import fit_tubes

#: A part whose only branch is shorter than this many of its calibres is round: it has no direction to be measured
#: along.
LEAST_ELONGATION = 1.2
#: Parts of fewer voxels than this have no centreline.
LEAST_VOXELS = 4
#: From this many parts without a centreline the warning says that the mask looks like noise.
SPECKS = 50

Progress = Callable[[float, str], None]


def measure_ducts(
    labels: Volume,
    label: int = 1,
    *,
    probabilities: np.ndarray | None = None,
    names: Mapping[int, str | None] | None = None,
    progress: Progress | None = None,
) -> DuctMeasurement:
    """Measure one label of a label map as a tree of ducts, in LPS mm.

    Parameters
    ----------
    labels : label map with geometry, array (K, J, I) of uint8 or another whole-number type.
    label : the value to measure.
    probabilities : (K, J, I) in [0, 1] of this label, where they were kept: calibres then use how full each voxel is.
    names : branch id to name, overriding the proposed one; None takes a name away.
    progress : called with a fraction in [0, 1] and a word on what is being done.

    Raises
    ------
    InputError : the array is not a label map, the probabilities do not fit it, or a name is given to a branch that is
        not there.
    MissingPackageError : scikit-image or networkx is not installed.

    A mask with nothing to measure (empty, a ball, specks) is no error: the result says so in ``warnings``. See
    docs/measuring.md for the method, its sources and its limits.
    """
    tell = progress or (lambda _fraction, _text: None)
    tell(0.0, "finding the duct")
    grid = crop_to_duct(labels, label, probabilities)
    voxel = max(labels.spacing)
    if grid is None:
        m = DuctMeasurement(
            label,
            [],
            [],
            [],
            [],
            [],
            [],
            0.0,
            0.0,
            0.0,
            [f"label {label} is empty: nothing to measure"],
            RESOLVED_VOXELS * voxel,
            labels.spacing,
            labels.name,
        )
        _rename(m, names)
        return m
    parts, count = ndimage.label(grid.mask, NEIGHBOURS)
    tell(0.1, "thinning")
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    drawn = grid.mask if sizes[1:].min() >= LEAST_VOXELS else grid.mask & (sizes >= LEAST_VOXELS)[parts]
    radius = inscribed_radius(grid.mask, grid.spacing)
    graph = skeleton_graph(*isotropic_mask(drawn, grid.spacing), radius, voxel)
    tell(0.4, "following the centrelines")
    paths, positions = centrelines(graph, grid, radius)
    tell(0.6, "measuring the calibre")
    calibres = measure_calibre(paths, grid, radius)
    fitted = fit_tubes(paths, calibres, grid)
    branches, nodes = _assemble(paths, calibres, fitted, positions, grid, parts)
    tell(0.7, "making the surface")
    vertices, faces, face_part = duct_surface(grid, parts)
    areas = np.bincount(face_part, weights=triangle_areas(vertices, faces), minlength=count + 1)
    components = _components(grid, parts, sizes, areas, branches)
    _number(branches, nodes, components)
    tell(0.9, "looking for narrow and wide places")
    _describe_nodes(nodes, branches, labels)
    bridges, gaps = find_gaps(branches, nodes, components, voxel)
    remarks = propose_names(branches, nodes, bridges) if branches else []
    m = DuctMeasurement(
        label,
        branches,
        nodes,
        components,
        find_strictures(branches, voxel, gaps),
        find_dilatations(branches, nodes, voxel),
        bridges,
        volume_ml=grid.voxels * grid.voxel_volume_mm3 / 1000,
        surface_area_mm2=float(areas.sum()),
        total_length_mm=float(sum(b.length_mm for b in branches)),
        warnings=_warnings(grid, components, nodes, branches, graph.graph.get("contacts", 0)) + remarks,
        resolution_mm=RESOLVED_VOXELS * voxel,
        spacing_mm=labels.spacing,
        source=labels.name,
        surface_lps_mm=(vertices, faces),
    )
    _rename(m, names)
    tell(1.0, "done")
    return m


def _assemble(
    paths: list[Path],
    calibres: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
    fitted: list[np.ndarray],
    positions: dict,
    grid: DuctGrid,
    parts: np.ndarray,
) -> tuple[list[Branch], list[Node]]:
    """Branches and nodes with provisional numbers; ``component`` is the number of the part in ``parts``."""
    branches: list[Branch] = []
    numbers = {key: n + 1 for n, key in enumerate(positions)}
    degree = dict.fromkeys(positions, 0)
    dropped = set()
    for path, (diameter, resolved, measured), fit in zip(paths, calibres, fitted, strict=True):
        length = float(arc_length(path.points)[-1])
        alone = path.closed or (path.free[0] and path.free[1])
        where = path.own if path.own.any() else np.ones(len(path.own), dtype=bool)
        mean = float(diameter[where].mean())
        if alone and not path.closed and length < LEAST_ELONGATION * float(measured[where].mean()):
            dropped.add(path.stop)  # a round part is one node
            continue
        narrow = int(np.argmin(np.where(path.cap, np.inf, measured)))
        chord = float(np.linalg.norm(path.points[-1] - path.points[0]))
        branches.append(
            Branch(
                len(branches) + 1,
                grid.to_lps(path.points),
                diameter,
                resolved,
                path.own,
                measured,
                fit,
                length,
                float("nan") if path.closed or chord <= 0 else max(length / chord, 1.0),
                mean,
                float(diameter[narrow]),
                bool(resolved[narrow]),
                grid.to_lps(path.points[narrow]),
                numbers[path.start],
                numbers[path.stop],
                _part_of(path.points, grid, parts),
                path.closed,
            )
        )
        degree[path.start] += 1
        degree[path.stop] += 1
    nodes = []
    for key, position in positions.items():
        if key in dropped:
            continue
        kind = {0: "compact part", 1: "end", 2: "ring"}.get(degree[key], "bifurcation")
        mine = [b.id for b in branches if numbers[key] in (b.start_node, b.end_node)]
        nodes.append(
            Node(numbers[key], grid.to_lps(position), degree[key], kind, _part_of(position[None], grid, parts), mine)
        )
    return branches, nodes


def _part_of(points: np.ndarray, grid: DuctGrid, parts: np.ndarray) -> int:
    """The part most of these points lie in, or next to."""
    index = np.rint(points / grid.spacing).astype(int)
    index = np.clip(index, 0, np.array(parts.shape) - 1)
    found = parts[tuple(index.T)]
    found = found[found > 0]
    if len(found):
        return int(np.bincount(found).argmax())
    low = np.maximum(index.min(axis=0) - 2, 0)
    near = parts[tuple(slice(a, b) for a, b in zip(low, index.max(axis=0) + 3, strict=True))]
    near = near[near > 0]
    return int(np.bincount(near).argmax()) if len(near) else 0


def _components(
    grid: DuctGrid, parts: np.ndarray, sizes: np.ndarray, areas: np.ndarray, branches: list[Branch]
) -> list[Component]:
    count = len(sizes) - 1
    centres = ndimage.center_of_mass(grid.mask, parts, np.arange(1, count + 1))
    lengths = np.zeros(count + 1)
    mine: dict[int, list[int]] = {}
    for b in branches:
        lengths[b.component] += b.length_mm
        mine.setdefault(b.component, []).append(b.id)
    places = grid.to_lps(np.array(centres) * grid.spacing)
    result = []
    for n in range(1, count + 1):
        remark = None
        if n not in mine:
            remark = "too small for a centreline" if sizes[n] < 50 * LEAST_VOXELS else "too round for a centreline"
        result.append(
            Component(
                n,
                int(sizes[n]),
                float(sizes[n] * grid.voxel_volume_mm3 / 1000),
                float(areas[n]),
                float(lengths[n]),
                mine.get(n, []),
                places[n - 1],
                remark=remark,
            )
        )
    return result


def _number(branches: list[Branch], nodes: list[Node], components: list[Component]) -> None:
    """Final numbers: parts by volume, the largest first; branches and nodes by part, then from the lowest to the
    highest.
    """
    components.sort(key=lambda c: (-c.voxels, *np.round(c.position_lps_mm, 2)))
    part = {c.id: n + 1 for n, c in enumerate(components)}
    for b in branches:
        b.component = part.get(b.component, 0)
    for n in nodes:
        n.component = part.get(n.component, 0)
    nodes[:] = [n for n in nodes if n.degree > 0 or n.component > 0]
    nodes.sort(key=lambda n: (n.component, round(float(n.position_lps_mm[2]), 1), *np.round(n.position_lps_mm, 1)))
    node = {n.id: k + 1 for k, n in enumerate(nodes)}
    for b in branches:
        b.start_node, b.end_node = node[b.start_node], node[b.end_node]
        if b.start_node > b.end_node:
            b.start_node, b.end_node = b.end_node, b.start_node
            b.points_lps_mm = b.points_lps_mm[::-1].copy()
            for name in ("diameter_mm", "resolved", "own", "measured_mm", "fitted_mm"):
                setattr(b, name, getattr(b, name)[::-1].copy())
    branches.sort(key=lambda b: (b.component, b.start_node, b.end_node, round(b.length_mm, 1)))
    branch = {b.id: k + 1 for k, b in enumerate(branches)}
    for c in components:
        c.id, c.branches = part[c.id], sorted(branch[b] for b in c.branches)
    for n in nodes:
        n.id, n.branches = node[n.id], sorted(branch[b] for b in n.branches)
    for b in branches:
        b.id = branch[b.id]


def _describe_nodes(nodes: list[Node], branches: list[Branch], labels: Volume) -> None:
    """Angles between the branches at each bifurcation, and which ends lie at the edge of the image."""
    by_id = {b.id: b for b in branches}
    to_ijk = np.linalg.inv(labels.ijk_to_lps)
    last = np.array(labels.array.shape[::-1]) - 1
    for n in nodes:
        if n.degree == 1:
            ijk = to_ijk[:3, :3] @ n.position_lps_mm + to_ijk[:3, 3]
            b = by_id[n.branches[0]]
            margin = 1.0 + b.mean_diameter_mm / 2 / np.asarray(labels.spacing)
            n.at_border = bool(np.any((ijk < margin - 0.5) | (ijk > last - margin + 0.5)))
        if n.degree < 3:
            continue
        outward = []
        for i in n.branches:
            b = by_id[i]
            for starts in [s for s, node in ((True, b.start_node), (False, b.end_node)) if node == n.id]:
                points = b.points_lps_mm if starts else b.points_lps_mm[::-1]
                along = arc_length(points)
                # long enough to leave the bifurcation, short enough to come before the next bend
                reach = min(max(1.5 * float(b.mean_diameter_mm), 3 * max(labels.spacing)), float(along[-1]))
                vector = points[int(np.searchsorted(along, reach - 1e-9))] - points[0]
                outward.append((i, vector / max(float(np.linalg.norm(vector)), 1e-9)))
        for k, (i, u) in enumerate(outward):
            for j, v in outward[k + 1 :]:
                n.angles_deg[f"{i}-{j}"] = float(np.degrees(np.arccos(np.clip(u @ v, -1, 1))))


def _warnings(
    grid: DuctGrid, components: list[Component], nodes: list[Node], branches: list[Branch], contacts: int
) -> list[str]:
    warnings = []
    bare = [c for c in components if not c.branches]
    if not branches:
        warnings.append("no part is long enough for a centreline: only volume and surface are measured")
    if len(bare) >= SPECKS:
        warnings.append(
            f"{len(bare)} of {len(components)} parts have no centreline: the mask looks like noise; "
            "they count in the volume"
        )
    elif bare and branches:
        warnings.append(
            f"{len(bare)} of {len(components)} parts are too small or too round for a centreline; "
            "they count in the volume"
        )
    if sum(bool(c.branches) for c in components) > 1:
        warnings.append(
            f"the ducts lie in {sum(bool(c.branches) for c in components)} parts that are not joined; all are measured"
        )
    if contacts:
        places = f"{contacts} place{'s' if contacts > 1 else ''}"
        warnings.append(f"ducts that touch side to side in the mask were taken apart in {places}")
    if grid.filled_voxels:
        filled = grid.filled_voxels * grid.voxel_volume_mm3 / 1000
        warnings.append(
            f"{filled:.3f} ml of cavities inside the duct were filled for the calibre and the surface; "
            "the volume is without them"
        )
    for c in components:
        mine = [b for b in branches if b.component == c.id]
        if mine:
            loops = len(mine) - len({n for b in mine for n in (b.start_node, b.end_node)}) + 1
            if loops > 0:
                warnings.append(
                    f"part {c.id} contains {loops} loop{'s' if loops > 1 else ''}; bile ducts have none: "
                    "ducts that touch in the mask, or a hole in it"
                )
    if grid.touches_border:
        warnings.append("the duct touches the edge of the image: it may go on outside")
    return warnings


def _rename(m: DuctMeasurement, names: Mapping[int, str | None] | None) -> None:
    from ..errors import InputError

    by_id = {b.id: b for b in m.branches}
    for number, name in (names or {}).items():
        if number not in by_id:
            raise InputError(f"there is no branch {number} to name", mend=f"the branches are 1 to {len(by_id)}")
        by_id[number].name, by_id[number].name_source = name, None if name is None else "given"
    for f in [*m.strictures, *m.dilatations]:
        f.name = by_id[f.branch].name
