"""The way of the bile: calibre from the papilla up to the periphery, through branches and across gaps.

A branch ends at every bifurcation; what an endoscopist follows does not. A `Profile` runs from the lower end of the
tree to the far end of one branch.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .anatomy import LEFT, RIGHT
from .model import Branch, DuctMeasurement, jsonable

if TYPE_CHECKING:
    import networkx

#: Bridges are proposals: the way crosses one only where no drawn duct leads on.
_GAP_PENALTY = 100.0


@dataclass(frozen=True)
class Profile:
    """Calibre along a way of ducts, from the lower end to the periphery.

    Attributes
    ----------
    name : what the way leads to.
    branches : ids of the branches it runs through, in order.
    distance_mm : (N,) along the way. diameter_mm : (N,) as in `Branch`, NaN across a gap and in a branch that
        has no section of its own.
    resolved, own : (N,) bool, as in `Branch`.
    branch : (N,) id of the branch each point lies in, 0 across a gap.
    points_lps_mm : (N, 3).
    """

    name: str
    branches: tuple[int, ...]
    distance_mm: np.ndarray
    diameter_mm: np.ndarray
    resolved: np.ndarray
    own: np.ndarray
    branch: np.ndarray
    points_lps_mm: np.ndarray

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; positions are LPS mm, gaps are null."""
        return {key: jsonable(value) for key, value in vars(self).items()}


def profile_to(m: DuctMeasurement, branch: int) -> Profile:
    """The profile from the lower end of the tree to the far end of a branch.

    In a part that no proposed bridge ties to the tree, the way begins at the lowest end of that part; in a loop it
    goes the shorter way round.

    Raises
    ------
    InputError : there is no such branch.
    """
    by_id = {b.id: b for b in m.branches}
    if branch not in by_id:
        raise InputError(f"there is no branch {branch}", mend=f"the branches are 1 to {len(by_id)}")
    target = by_id[branch]
    name = target.name or f"branch {branch}"
    if target.closed:
        return _along(name, [(target, False)])
    graph = _graph(m)
    return _along(name, _steps(graph, by_id, _root(graph, m, target.start_node), target))


def profiles(m: DuctMeasurement) -> list[Profile]:
    """The main ways: to the farthest end beyond the right and beyond the left hepatic duct, or the longest one."""
    import networkx as nx

    open_branches = [b for b in m.branches if not b.closed]
    if not open_branches:
        return [profile_to(m, b.id) for b in m.branches[:1]]
    graph = _graph(m)
    found = []
    for name in (RIGHT, LEFT):
        first = next((b for b in open_branches if b.name == name), None)
        if first is None:
            continue
        root = _root(graph, m, first.start_node)
        reach = nx.single_source_dijkstra_path_length(graph, root, weight="weight")
        inner = min(first.start_node, first.end_node, key=lambda n: reach[n])
        rest = graph.copy()
        rest.remove_node(inner)
        # what lies beyond a gap is not what the duct leads to, as far as is known
        rest.remove_edges_from([edge for edge in rest.edges(keys=True) if edge[2] < 0])
        outer = first.end_node if inner == first.start_node else first.start_node
        if outer not in rest:
            continue
        beyond = nx.single_source_dijkstra_path_length(rest, outer, weight="weight")
        far = max(beyond, key=lambda node: (beyond[node], node))
        last = next((b for b in open_branches if far in (b.start_node, b.end_node) and far != outer), first)
        steps = _steps(graph, {b.id: b for b in m.branches}, root, last)
        found.append(_along(name.replace("hepatic duct", "side"), steps))
    if not found:
        ways = [profile_to(m, b.id) for b in open_branches]
        found = [max(ways, key=lambda p: float(p.distance_mm[-1]))]
    return found


def _graph(m: DuctMeasurement) -> networkx.MultiGraph:
    import networkx as nx

    graph = nx.MultiGraph()
    by_id = {b.id: b for b in m.branches}
    for b in m.branches:
        if not b.closed:
            graph.add_edge(b.start_node, b.end_node, key=b.id, weight=b.length_mm)
    for n, bridge in enumerate(m.bridges):
        other = bridge.to_node
        if not other:
            target = by_id[bridge.to_branch]
            distance = np.linalg.norm(target.points_lps_mm[[0, -1]] - bridge.points_lps_mm[1], axis=1)
            other = target.start_node if distance[0] <= distance[1] else target.end_node
        graph.add_edge(bridge.from_node, other, key=-1 - n, weight=bridge.gap_mm * _GAP_PENALTY)
    return graph


def _root(graph: networkx.MultiGraph, m: DuctMeasurement, node: int) -> int:
    """The lower end of what ``node`` belongs to: the named one, else the lowest free end."""
    import networkx as nx

    part = nx.node_connected_component(graph, node)
    mine = [n for n in m.nodes if n.id in part]
    named = [n.id for n in mine if n.name and n.name.startswith("lower end")]
    if named:
        return named[0]
    ends = [n for n in mine if n.degree == 1] or mine
    return min(ends, key=lambda n: (float(n.position_lps_mm[2]), n.id)).id


def _steps(
    graph: networkx.MultiGraph, by_id: dict[int, Branch], root: int, target: Branch
) -> list[tuple[Branch | None, bool]]:
    """The branches from ``root`` through ``target``, and whether each is walked from its end; None for a gap."""
    import networkx as nx

    reach, paths = nx.single_source_dijkstra(graph, root, weight="weight")
    far, near = target.end_node, target.start_node
    if reach[near] > reach[far]:
        far, near = near, far
    nodes = paths[near]
    steps: list[tuple[Branch | None, bool]] = []
    for a, b in pairwise(nodes):
        key = min(graph[a][b], key=lambda k: graph[a][b][k]["weight"])
        branch = by_id.get(key)
        steps.append((branch, branch is not None and branch.end_node == a))
    return [*steps, (target, target.end_node == near)]


def _along(name: str, steps: list[tuple[Branch | None, bool]]) -> Profile:
    columns: dict[str, list[np.ndarray]] = {key: [] for key in ("points", "diameter", "resolved", "own", "branch")}
    ids = []
    for branch, backwards in steps:
        if branch is None:
            continue
        order = slice(None, None, -1) if backwards else slice(None)
        points = branch.points_lps_mm[order]
        if columns["points"] and np.linalg.norm(points[0] - columns["points"][-1][-1]) > 1e-3:
            columns["points"].append(np.stack([columns["points"][-1][-1], points[0]]))
            columns["diameter"].append(np.full(2, np.nan))
            for key in ("resolved", "own"):
                columns[key].append(np.zeros(2, dtype=bool))
            columns["branch"].append(np.zeros(2, dtype=int))
        columns["points"].append(points)
        # Within one bifurcation there is nothing to follow: its sections are those of several ducts.
        known = branch.diameter_mm if branch.own.any() else np.full(len(points), np.nan)
        columns["diameter"].append(known[order])
        columns["resolved"].append(branch.resolved[order])
        columns["own"].append(branch.own[order])
        columns["branch"].append(np.full(len(points), branch.id))
        ids.append(branch.id)
    points = np.concatenate(columns["points"])
    distance = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    diameter, resolved, own, numbers = (
        np.concatenate(columns[key]) for key in ("diameter", "resolved", "own", "branch")
    )
    return Profile(name, tuple(ids), distance, diameter, resolved, own, numbers, points)
