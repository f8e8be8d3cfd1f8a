"""From a mask to the graph of its skeleton: thinning, branches between ends and bifurcations, spurs removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..errors import MissingPackageError
from ..packages import MEASURING
from ..skeleton import skeletonise

if TYPE_CHECKING:
    import networkx

#: A spur is a terminal branch that ends within this many voxels outside the largest ball inscribed at its origin …
SPUR_VOXELS = 2.0
#: … or within this fraction of that ball's radius, whichever is more.
SPUR_RADII = 0.7
#: Prongs that stay within the duct they end, and reach at most this many of its radii on, are corners of its end.
BLUNT_RADII = 2.0

#: Two branches that leave a node further apart than this, in degrees, are one duct passing through.
THROUGH_DEG = 125.0
#: A contact is at most this many voxels longer than the radii of the two ducts it joins.
CONTACT_VOXELS = 3.0

Radius = Callable[[np.ndarray], np.ndarray]


def inscribed_radius(mask: np.ndarray, spacing: np.ndarray) -> Radius:
    """A function from local mm points (N, 3) to the distance in mm to the nearest voxel face of the surface, (N,).

    Distances run to the middles of the faces between duct and background, not to background voxel centres, so that
    they do not carry the half voxel by which a distance transform of the mask is too large.
    """
    faces = []
    for axis in range(3):
        change = np.diff(mask.view(np.int8), axis=axis) != 0
        index = np.argwhere(change).astype(float)
        index[:, axis] += 0.5
        faces.append(index)
    tree = cKDTree(np.concatenate(faces) * spacing)
    return lambda points: tree.query(np.atleast_2d(points))[0]


def skeleton_graph(mask: np.ndarray, spacing: np.ndarray, radius: Radius, steps_mm: float = 0.0) -> networkx.MultiGraph:
    """The pruned graph of the thinned mask.

    Parameters
    ----------
    mask : (A, B, C) bool with a background border, spacings nearly equal.
    spacing : (3,) mm.
    radius : from `inscribed_radius`.
    steps_mm : the largest spacing of the image, where the mask was interpolated between its slices: the outline has
        steps of that size.

    Returns
    -------
    Multigraph with ``position`` (3,) local mm at each node and ``points`` (N, 3) at each edge, from the node
    ``start`` to the node ``stop``. A ring without bifurcation is one node with an edge to itself; a part too small or
    too round for a centreline is one node without edges. ``graph.graph["contacts"]`` counts links that were cut
    between ducts that only touch, see `_cut_contact`.
    """
    try:
        import networkx as nx
    except ImportError as error:
        raise MissingPackageError(
            "measuring needs networkx", mend="pip install 'medseg[measure]'", packages=MEASURING
        ) from error

    voxels = np.argwhere(skeletonise(mask, layers=True))
    graph = nx.MultiGraph()
    if len(voxels):
        _trace(voxels, spacing, radius, graph)
        voxel = max(float(spacing.max()), 0.6 * steps_mm)
        _prune(graph, radius, voxel)
        while _cut_contact(graph, radius, voxel):
            graph.graph["contacts"] = graph.graph.get("contacts", 0) + 1
            _prune(graph, radius, voxel)
    return graph


def _trace(voxels: np.ndarray, spacing: np.ndarray, radius: Radius, graph: networkx.MultiGraph) -> None:
    """Fill ``graph`` from skeleton voxels (N, 3): clusters of junction voxels become nodes, chains become edges."""
    pairs = cKDTree(voxels).query_pairs(1.8, output_type="ndarray")  # 26-neighbours lie up to sqrt(3) apart
    n = len(voxels)
    ones = np.ones(len(pairs), dtype=bool)
    adjacency = sparse.coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(n, n)).tocsr()
    adjacency = (adjacency + adjacency.T).tocsr()
    degree = np.diff(adjacency.indptr)
    points = voxels * spacing
    inscribed = radius(points)

    junction = np.flatnonzero(degree > 2)
    _, cluster = connected_components(adjacency[junction][:, junction], directed=False)
    node_of = np.full(n, -1)
    for c in range(cluster.max() + 1 if len(cluster) else 0):
        members = junction[cluster == c]
        node_of[members] = c
        graph.add_node(c, position=points[members[np.argmax(inscribed[members])]])
    count = graph.number_of_nodes()
    for v in np.flatnonzero(degree < 2).tolist():
        node_of[v] = count
        graph.add_node(count, position=points[v])
        count += 1

    neighbours = [adjacency.indices[adjacency.indptr[v] : adjacency.indptr[v + 1]] for v in range(n)]
    seen = np.zeros(n, dtype=bool)

    def walk(first: int, second: int) -> list[int]:
        path = [first, second]
        while node_of[path[-1]] < 0:
            seen[path[-1]] = True
            onward = [w for w in neighbours[path[-1]] if w != path[-2]]
            if not onward or (onward[0] == first and node_of[first] < 0):
                break
            path.append(int(onward[0]))
        return path

    for v in np.flatnonzero(node_of >= 0).tolist():
        for w in neighbours[v]:
            if node_of[w] >= 0:
                # two ends side by side are a branch of two voxels; voxels of one cluster are one node
                if node_of[v] < node_of[w]:
                    _add(graph, node_of[v], node_of[w], points[[v, w]])
            elif not seen[w]:
                path = walk(v, int(w))
                _add(graph, node_of[v], node_of[path[-1]], points[path])
    for v in range(n):
        if node_of[v] < 0 and not seen[v]:  # a ring
            seen[v] = True
            path = walk(v, int(neighbours[v][0]))
            graph.add_node(count, position=points[v])
            graph.add_edge(count, count, points=points[[*path, v]], start=count, stop=count)
            count += 1


def _add(graph: networkx.MultiGraph, start: Any, stop: Any, points: np.ndarray) -> None:
    """Add an edge whose polyline begins and ends at its nodes' positions."""
    start, stop = int(start), int(stop)
    ends = graph.nodes[start]["position"], graph.nodes[stop]["position"]
    if np.any(points[0] != ends[0]):
        points = np.vstack([ends[0], points])
    if np.any(points[-1] != ends[1]):
        points = np.vstack([points, ends[1]])
    graph.add_edge(start, stop, points=points, start=start, stop=stop)


def path_length(points: np.ndarray) -> float:
    """Length of a polyline (N, 3) in the unit of its points."""
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def _prune(graph: networkx.MultiGraph, radius: Radius, voxel: float) -> None:
    """Remove spurs and the loops of small dents until none is left; nodes between two edges are dissolved.

    A terminal branch stays when its end, with the ball inscribed there, reaches at least ``SPUR_VOXELS`` voxels and
    ``SPUR_RADII`` of the radius beyond the ball inscribed at the bifurcation. Corners of a blunt end reach 0.41 of
    the radius beyond it, so both prongs of such a fork go; of prongs that reach farther and yet stay within the duct
    that ends in them, the longest stays (`_blunt_ends`). One that stops inside another branch of the same bifurcation
    goes too, however long it is.
    """
    while True:
        changed = _blunt_ends(graph, radius, voxel)
        for node in list(graph.nodes):
            if node not in graph or graph.degree(node) < 3:
                continue
            here = graph.nodes[node]["position"]
            ball = float(radius(here)[0])
            margin = max(SPUR_VOXELS * voxel, SPUR_RADII * ball)
            for _, other, key, data in list(graph.edges(node, keys=True, data=True)):
                if other == node:
                    reach = np.linalg.norm(data["points"] - here, axis=1).max()
                    if reach < ball + voxel and graph.has_edge(node, other, key):
                        graph.remove_edge(node, other, key)
                        changed = True
                elif graph.degree(other) == 1:
                    tip = graph.nodes[other]["position"]
                    beyond = np.linalg.norm(tip - here) + float(radius(tip)[0]) - ball
                    if beyond < margin or _inside_another(graph, node, other, radius, voxel):
                        graph.remove_node(other)
                        changed = True
        changed |= _merge_parallel(graph, radius, voxel)
        changed |= _dissolve(graph)
        if not changed:
            return


def _inside_another(graph: networkx.MultiGraph, node: int, end: int, radius: Radius, voxel: float) -> bool:
    """Whether the branch from ``node`` to its free ``end`` stops within a voxel of another one's lumen there."""
    others = [data["points"] for _, other, data in graph.edges(node, data=True) if other != end]
    if not others:
        return False
    tip = graph.nodes[end]["position"]
    points = np.concatenate(others)
    reach = np.linalg.norm(points - tip, axis=1) + float(radius(tip)[0]) - radius(points)
    return bool(reach.min() < voxel)


def _blunt_ends(graph: networkx.MultiGraph, radius: Radius, voxel: float) -> bool:
    """Where a duct ends in a fork whose prongs all stay within its own width, keep the prong that leads farthest on.

    The end of a wide duct has corners (where it was cut, and where its cap lies obliquely to the voxels), and thinning
    runs to each of them. Two ducts that part leave the width of the one they come from; such prongs do not.
    """
    changed = False
    for node in list(graph.nodes):
        if node not in graph or graph.degree(node) < 3:
            continue
        edges = list(graph.edges(node, keys=True, data=True))
        prongs = [(other, data) for _, other, _, data in edges if other != node and graph.degree(other) == 1]
        if len(prongs) < 2 or len(edges) != len(prongs) + 1:
            continue
        here = graph.nodes[node]["position"]
        ball = float(radius(here)[0])
        parent = next(data for _, other, _, data in edges if other == node or graph.degree(other) != 1)["points"]
        away = np.linalg.norm(parent - here, axis=1)
        before = parent[(away >= ball) & (away <= 3 * ball)]
        if len(before) == 0:
            continue
        direction = here - before.mean(axis=0)
        direction /= np.linalg.norm(direction)
        reach = []
        for _, data in prongs:
            offset = data["points"] - here
            along = offset @ direction
            aside = np.linalg.norm(offset - along[:, None] * direction, axis=1)
            within = aside.max() <= ball + voxel and along.max() <= BLUNT_RADII * ball + SPUR_VOXELS * voxel
            reach.append(float(along.max()) if within else np.inf)
        if np.isfinite(reach).all():
            graph.remove_nodes_from(other for n, (other, _) in enumerate(prongs) if n != int(np.argmax(reach)))
            changed = True
    return changed


def _merge_parallel(graph: networkx.MultiGraph, radius: Radius, voxel: float) -> bool:
    """Of two edges between the same nodes that run inside each other's lumen, keep the shorter."""
    changed = False
    for a, b in {(a, b) for a, b in graph.edges() if a != b and graph.number_of_edges(a, b) > 1}:
        edges = sorted(graph[a][b].items(), key=lambda item: path_length(item[1]["points"]))
        first = edges[0][1]["points"]
        for key, data in edges[1:]:
            apart, nearest = cKDTree(first).query(data["points"])
            if np.all(apart <= radius(first)[nearest] + voxel):
                graph.remove_edge(a, b, key)
                changed = True
    return changed


def _cut_contact(graph: networkx.MultiGraph, radius: Radius, voxel: float) -> bool:
    """Remove one link between two ducts that touch side to side in the mask; whether there was one.

    Such a link closes a loop, which ducts do not form; it is little longer than the radii of the two ducts; and at
    both of its ends a duct passes through, straight on, which the link does not continue.
    """
    import networkx as nx

    simple = nx.Graph(graph)
    cut_edges = {frozenset(edge) for edge in nx.bridges(simple)}
    best: tuple[float, int, int, int] | None = None
    for a, b, key, data in graph.edges(keys=True, data=True):
        if a == b or (frozenset((a, b)) in cut_edges and graph.number_of_edges(a, b) == 1):
            continue
        points = data["points"] if data["start"] == a else data["points"][::-1]
        balls = radius(np.stack([points[0], points[-1]]))
        excess = path_length(points) - float(balls.sum())
        if excess > CONTACT_VOXELS * voxel:
            continue
        if _passes_by(graph, a, key, b, balls[0] + 3 * voxel) and _passes_by(graph, b, key, a, balls[1] + 3 * voxel):
            neck = float(radius(points).min() / max(float(balls.min()), voxel / 2))
            if best is None or neck < best[0]:
                best = (neck, a, b, key)
    if best is None:
        return False
    graph.remove_edge(*best[1:])
    return True


def _passes_by(graph: networkx.MultiGraph, node: int, key: int, other: int, reach: float) -> bool:
    """Whether at ``node`` two other branches are one duct passing through that branch ``key`` to ``other`` leaves
    sideways.
    """
    limit = np.cos(np.radians(THROUGH_DEG))
    link, rest = None, []
    for _, end, k, data in graph.edges(node, keys=True, data=True):
        points = data["points"] if data["start"] == node else data["points"][::-1]
        near = points[np.linalg.norm(points - points[0], axis=1) <= reach]
        step = (near if len(near) > 1 else points)[-1] - points[0]
        step = step / max(float(np.linalg.norm(step)), 1e-9)
        if k == key and end == other:
            link = step
        else:
            rest.append(step)
    if link is None or len(rest) < 2:
        return False
    through = min(float(u @ v) for n, u in enumerate(rest) for v in rest[n + 1 :])
    return through < limit and min(float(link @ u) for u in rest) > through


def _dissolve(graph: networkx.MultiGraph) -> bool:
    """Join the two edges at each node that has exactly two of them; rings keep their one node."""
    changed = False
    for node in list(graph.nodes):
        edges = list(graph.edges(node, keys=True, data=True))
        if len(edges) != 2 or graph.degree(node) != 2:
            continue
        (_, left, _, first), (_, right, _, second) = edges
        one = first["points"] if first["stop"] == node else first["points"][::-1]
        two = second["points"] if second["start"] == node else second["points"][::-1]
        graph.remove_node(node)
        graph.add_edge(left, right, points=np.vstack([one, two[1:]]), start=left, stop=right)
        changed = True
    return changed
