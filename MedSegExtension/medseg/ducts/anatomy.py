"""Proposed names of bile ducts from the shape of the tree and how it lies in the patient (LPS)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .model import Branch, Bridge, Node

if TYPE_CHECKING:
    import networkx

COMMON = "common bile duct"
RIGHT, LEFT = "right hepatic duct", "left hepatic duct"
#: A side of the confluence drains at least this part of the length of all ducts above it.
LEAST_SIDE = 0.12
#: The middles of the two sides lie at least this far apart from right to left, in mm.
LEAST_APART_MM = 8.0
#: The duct that leads down is at least this part as wide as the widest.
LEAST_TRUNK = 0.5


def propose_names(branches: list[Branch], nodes: list[Node], bridges: list[Bridge]) -> list[str]:
    """Set proposed names of branches and nodes; returns remarks.

    The common duct is the way from the lowest end of a wide duct up to the confluence. The confluence is the first
    bifurcation on the way to the bulk of the tree whose two largest sides both drain a fair share and lie to the
    right and left of one another. Proposed bridges count as joined here and nowhere else, so that a tree above a
    complete stricture gets its names.
    """
    import networkx as nx

    graph = nx.MultiGraph()
    for b in branches:
        if not b.closed:
            graph.add_edge(b.start_node, b.end_node, key=b.id, branch=b, weight=b.length_mm)
    for n, bridge in enumerate(bridges):
        other = bridge.to_node or _nearer_end(bridge, branches)
        graph.add_edge(bridge.from_node, other, key=-1 - n, branch=None, weight=bridge.gap_mm)
    if not graph.number_of_edges():
        return []
    largest = max(
        nx.connected_components(graph),
        key=lambda part: sum(b.length_mm * b.mean_diameter_mm**2 for b in branches if b.start_node in part),
    )
    graph = graph.subgraph(largest).copy()
    root = _lowest_wide_end(graph, nodes)
    if root is None:
        return []
    path, sides = _to_confluence(graph, root, nodes)
    if sides is None:
        return ["no confluence with a right and a left side was found: no names are proposed"]
    for b in path:
        b.name, b.name_source = COMMON, "proposed"
    confluence, children = sides
    nodes[confluence - 1].name = "confluence"
    nodes[root - 1].name = "lower end of the common bile duct"
    by_side = sorted(children, key=lambda child: child[1])  # from the patient's right (negative L) to the left
    by_side[0][0].name, by_side[-1][0].name = RIGHT, LEFT
    for child, _ in (by_side[0], by_side[-1]):
        child.name_source = "proposed"
    return []


def _nearer_end(bridge: Bridge, branches: list[Branch]) -> int:
    """The node nearest to where a bridge meets the side of a branch."""
    branch = next(b for b in branches if b.id == bridge.to_branch)
    distance = np.linalg.norm(branch.points_lps_mm[[0, -1]] - bridge.points_lps_mm[1], axis=1)
    return branch.start_node if distance[0] <= distance[1] else branch.end_node


def _lowest_wide_end(graph: networkx.MultiGraph, nodes: list[Node]) -> int | None:
    """The free end lowest in the patient among those of wide ducts."""
    ends = []
    for node in graph.nodes:
        # bridges do not count: a wide duct that only a bridge leads on from, to a thin piece, ends here
        drawn_here = [b for *_, b in graph.edges(node, data="branch") if b is not None]
        if len(drawn_here) == 1:
            ends.append((node, drawn_here[0].mean_diameter_mm))
    if not ends:
        return None
    drawn = [b for *_, b in graph.edges(data="branch") if b is not None]
    long = [b for b in drawn if b.length_mm > 2 * b.mean_diameter_mm] or drawn
    widest = max(b.mean_diameter_mm for b in long)
    wide = [node for node, d in ends if d >= LEAST_TRUNK * widest] or [node for node, _ in ends]
    return min(wide, key=lambda node: float(nodes[node - 1].position_lps_mm[2]))


def _to_confluence(
    graph: networkx.MultiGraph, root: int, nodes: list[Node]
) -> tuple[list[Branch], tuple[int, list[tuple[Branch, float]]] | None]:
    """The branches from ``root`` to the confluence, and (confluence, [(first branch of a side, its middle along L in
    mm)]).
    """
    import networkx as nx

    path: list[Branch] = []
    seen, here = {root}, root
    while True:
        sides = []
        for _, other, _key, data in graph.edges(here, keys=True, data=True):
            if other in seen:
                continue
            rest = graph.subgraph(set(graph.nodes) - {here})
            beyond = nx.node_connected_component(rest, other) - seen
            inside = {id(b): b for *_, b in graph.subgraph(beyond).edges(data="branch") if b is not None}
            if data["branch"] is not None:
                inside[id(data["branch"])] = data["branch"]
            length = sum(b.length_mm for b in inside.values())
            middle = sum(b.length_mm * float(b.points_lps_mm[:, 0].mean()) for b in inside.values()) / max(length, 1e-6)
            sides.append((length, middle, other, data["branch"]))
        if not sides:
            return path, None
        total = sum(side[0] for side in sides)
        large = [side for side in sides if side[0] >= LEAST_SIDE * total and side[3] is not None]
        if len(large) >= 2:
            middles = [side[1] for side in large]
            if max(middles) - min(middles) >= LEAST_APART_MM:
                return path, (here, [(side[3], side[1]) for side in large])
        _, _, onward, branch = max(sides, key=lambda side: side[0])
        if branch is not None:
            path.append(branch)
        seen.add(onward)
        here = onward
