"""A measurement in the scene: the tree in 3D and the main ways as curves, both coloured by calibre; findings as points,
tables, a plot.

The whole tree is one model: Slicer takes tenths of a second for each markups curve, and a tree has fifty branches.

All nodes of one segment lie in one folder of the subject hierarchy and carry its name in an attribute; measuring again
renews them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from .messages import inLanguage

#: Attribute of our nodes: the segmentation's id and the segment's, with a bar between.
OWNER = "MedSeg.Ducts"
#: Attribute that says which of a measurement's nodes this is.
ROLE = "MedSeg.DuctsRole"
CALIBRE = "Calibre"
#: Name of the model's scalars.
CALIBRE_MM = "Calibre (mm)"
#: mm between the control points of a centreline.
STEP_MM = 1.0
#: What both sides have in common on their way from the papilla.
COMMON_WAY = "common bile duct"

#: Shown colours run from 0 to this calibre; wider ducts keep the last colour.
WIDEST_MM = 8.0


@dataclass
class DuctsNodes:
    """What was put into the scene: tree (a model), curves (markups) of the main ways from the papilla to the periphery,
    points, ``tables`` by name ("branches", "findings", "profile 0", ...), the lines and the chart of the plot.
    """

    owner: str
    tree: Any = None
    curves: list[Any] = field(default_factory=list)
    findings: Any = None
    gaps: Any = None
    tables: dict[str, Any] = field(default_factory=dict)
    series: list[Any] = field(default_factory=list)
    chart: Any = None

    def all(self) -> list[Any]:
        """Every node that is there."""
        single = [self.tree, self.findings, self.gaps, self.chart]
        nodes = [*self.curves, *single, *self.tables.values(), *self.series]
        return [node for node in nodes if node is not None]


def ownerOf(segmentationNode, segmentId: str) -> str:
    """What the nodes of a segment's measurement are marked with."""
    return f"{segmentationNode.GetID()}|{segmentId}"


def removeDucts(scene, owner: str) -> None:
    """Remove what an earlier measurement of this segment put into the scene."""
    every = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    ours = [node for node in every if node.GetAttribute(OWNER) == owner]
    # A display node does not go with what it displays.
    displays = [
        node.GetNthDisplayNode(n)
        for node in ours
        if node.IsA("vtkMRMLDisplayableNode")
        for n in range(node.GetNumberOfDisplayNodes())
    ]
    for node in [*ours, *displays]:
        if node is not None and node.GetScene() is not None:
            scene.RemoveNode(node)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = _folderItem(hierarchy, owner)
    if folder:
        hierarchy.RemoveItem(folder)


def showDucts(measured: dict[str, Any], segmentationNode, segmentId: str, name: str) -> DuctsNodes:
    """Put a measurement (the worker's answer to ``measure``) into the scene; an earlier one of the segment goes.

    Positions are those of the world: the nodes lie under no transform.
    """
    nodes = DuctsNodes(ownerOf(segmentationNode, segmentId))
    for _step in showInSteps(nodes, measured, segmentationNode, name):
        pass
    return nodes


def showInSteps(nodes: DuctsNodes, measured: dict[str, Any], segmentationNode, name: str) -> Iterator[None]:
    """As `showDucts`, a node at a time: the window can be painted in between."""
    scene = segmentationNode.GetScene()
    owner = nodes.owner
    measurement = measured["measurement"]
    removeDucts(scene, owner)
    yield
    # Not as a batch of the scene: selectors would forget what was chosen.
    nodes.tables["branches"] = _branchTable(scene, owner, measurement, name)
    nodes.tables["findings"] = _findingTable(scene, owner, measurement, name)
    yield
    _profilePlot(scene, nodes, measured["profiles"], name)
    yield
    nodes.tree = _tree(scene, owner, measurement, name)
    yield
    nodes.findings = _points(scene, owner, measurement["strictures"] + measurement["dilatations"], name)
    nodes.gaps = _bridges(scene, owner, measurement["bridges_proposed"], name)
    yield
    folder = _folder(segmentationNode, owner, name)
    for node in nodes.all():
        _putInto(folder, node)
    yield
    for number, profile in enumerate(measured["profiles"]):
        nodes.curves.append(_curve(scene, owner, number, profile, name))
        _putInto(folder, nodes.curves[-1])
        yield


def ras(position) -> np.ndarray:
    """LPS mm of the engine as RAS mm of the scene, (3,) or (N, 3)."""
    return np.asarray(position, dtype=float) * np.array([-1.0, -1.0, 1.0])


def calibreText(diameter: float | None, resolved: bool) -> str:
    """``4.2 mm``, or ``< 1.7 mm`` where the voxels do not resolve it."""
    if diameter is None:
        return "–"
    return f"{diameter:.1f} mm" if resolved else f"< {diameter:.1f} mm"


def branchName(branch: dict[str, Any]) -> str:
    """What a branch is called: its proposed or given name, or its number."""
    return ductName(branch["name"]) or _("branch {number}").format(number=branch["id"])


def ductName(name: str | None) -> str:
    """A proposed name in the person's language; a name that a person gave stays; empty for none."""
    return inLanguage(name) if name else ""


def kindName(kind: str) -> str:
    """A finding's kind, for a person."""
    names = {
        "stricture": _("candidate stricture"),
        "possible complete stricture": _("possible complete stricture"),
        "dilatation": _("candidate dilatation"),
    }
    return names.get(kind, kind)


def _new(scene, className: str, owner: str, role: str, name: str):
    node = scene.AddNewNodeByClass(className, name)
    node.SetAttribute(OWNER, owner)
    node.SetAttribute(ROLE, role)
    return node


def _tree(scene, owner: str, measurement: dict[str, Any], name: str):
    """All branches as tubes as wide as the duct was measured, coloured by calibre; None where there is no branch."""
    points, lines = vtk.vtkPoints(), vtk.vtkCellArray()
    calibre, radius = vtk.vtkDoubleArray(), vtk.vtkDoubleArray()
    calibre.SetName(CALIBRE_MM)
    radius.SetName("radius")
    for branch in measurement["branches"]:
        along, diameters = _resampled(branch["points_lps_mm"], branch["diameter_mm"], branch["distance_mm"])
        lines.InsertNextCell(len(along))
        for position, diameter in zip(along, diameters, strict=True):
            lines.InsertCellPoint(points.InsertNextPoint(*position))
            calibre.InsertNextValue(diameter)
            radius.InsertNextValue(diameter / 2)
    if not points.GetNumberOfPoints():
        return None
    polyData = vtk.vtkPolyData()
    polyData.SetPoints(points)
    polyData.SetLines(lines)
    polyData.GetPointData().AddArray(calibre)
    polyData.GetPointData().SetScalars(radius)
    tube = vtk.vtkTubeFilter()
    tube.SetInputData(polyData)
    tube.SetVaryRadiusToVaryRadiusByAbsoluteScalar()
    tube.SetNumberOfSides(12)
    tube.CappingOn()
    tube.Update()
    shown = vtk.vtkPolyData()
    shown.DeepCopy(tube.GetOutput())
    shown.GetPointData().SetActiveScalars(CALIBRE_MM)
    node = _new(scene, "vtkMRMLModelNode", owner, "tree", _("{name}: tree by calibre").format(name=name))
    node.SetAndObservePolyData(shown)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetActiveScalarName(CALIBRE_MM)
    _byCalibre(display)
    display.SetVisibility2D(False)
    colors = getattr(getattr(slicer, "modules", None), "colors", None)
    if colors is not None:
        legend = colors.logic().AddDefaultColorLegendDisplayNode(node)
        legend.SetTitleText(_("Calibre (mm)"))
        legend.SetLabelFormat("%.0f")
        legend.SetSize(0.08, 0.4)
        # Slicer makes its numbers, and the title, as large as so many have room for.
        legend.SetNumberOfLabels(9)
    return node


def _byCalibre(display) -> None:
    """Colours of all our nodes, so that the same colour is the same calibre everywhere."""
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeFileViridis.txt")
    display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
    display.SetScalarRange(0.0, WIDEST_MM)
    display.SetScalarVisibility(True)


def _resampled(points, diameters, distance) -> tuple[np.ndarray, np.ndarray]:
    """RAS points about `STEP_MM` apart, (n, 3), and the calibre there, (n,); a gap is bridged."""
    along, positions = np.asarray(distance, float), ras(np.asarray(points, float).reshape(-1, 3))
    calibre = np.array([np.nan if d is None else float(d) for d in diameters])
    known = np.isfinite(calibre)
    wanted = np.linspace(0, along[-1], max(2, int(np.ceil(along[-1] / STEP_MM)) + 1))
    resampled = np.stack([np.interp(wanted, along, positions[:, axis]) for axis in range(3)], axis=1)
    return resampled, np.interp(wanted, along[known], calibre[known])


def _curve(scene, owner: str, number: int, profile: dict[str, Any], name: str):
    """A way from the papilla to the periphery: control points about `STEP_MM` apart, its calibre in colour."""
    along, diameters = _resampled(profile["points_lps_mm"], profile["diameter_mm"], profile["distance_mm"])
    title = _("{name}: centreline, {way}").format(name=name, way=ductName(profile["name"]))
    node = _new(scene, "vtkMRMLMarkupsCurveNode", owner, f"way {number}", title)
    node.SetCurveTypeToLinear()
    slicer.util.updateMarkupsControlPointsFromArray(node, along)
    node.SetLocked(True)
    measurement = slicer.vtkMRMLStaticMeasurement()
    measurement.SetName(CALIBRE)
    measurement.SetUnits("mm")
    measurement.SetPrintFormat("")  # a list has no single value to print
    values = numpy_to_vtk(diameters, deep=True)
    values.SetName(CALIBRE)
    measurement.SetControlPointValues(values)
    node.AddMeasurement(measurement)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(False)
    display.SetGlyphScale(0.01)  # the line says it; a dot each millimetre would hide it
    display.SetUseGlyphScale(True)
    display.SetLineThickness(0.5)
    display.SetActiveScalar(CALIBRE, vtk.vtkAssignAttribute.POINT_DATA)
    _byCalibre(display)
    return node


def _points(scene, owner: str, findings: list[dict[str, Any]], name: str):
    """Strictures and dilatations as one list of points."""
    node = _new(scene, "vtkMRMLMarkupsFiducialNode", owner, "findings", _("{name}: findings").format(name=name))
    for finding in findings:
        # Short: a dozen of them stand in one view. The kind is in the description and in the table.
        # Where there is no lumen, the gap of the same place has the label.
        text = calibreText(finding["diameter_mm"], finding["resolved"]) if finding["diameter_mm"] else " "
        number = node.AddControlPoint(vtk.vtkVector3d(*ras(finding["position_lps_mm"])), text)
        node.SetNthControlPointDescription(number, f"{kindName(finding['kind'])}: {inLanguage(finding['grade'])}")
    node.SetLocked(True)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetSelectedColor(0.84, 0.37, 0.0)
    display.SetTextScale(2.5)
    return node


def _bridges(scene, owner: str, bridges: list[dict[str, Any]], name: str):
    """Gaps that point at each other: proposals, drawn as points in their middle."""
    node = _new(scene, "vtkMRMLMarkupsFiducialNode", owner, "gaps", _("{name}: gaps").format(name=name))
    for bridge in bridges:
        middle = ras(np.mean(np.asarray(bridge["points_lps_mm"], float), axis=0))
        node.AddControlPoint(vtk.vtkVector3d(*middle), _("gap of {gap:.1f} mm").format(gap=bridge["gap_mm"]))
    node.SetLocked(True)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetSelectedColor(0.8, 0.47, 0.65)
    return node


def _branchTable(scene, owner: str, measurement: dict[str, Any], name: str):
    columns = [
        _("Branch"),
        _("Length (mm)"),
        _("Mean calibre"),
        _("Narrowest"),
        _("Tortuosity"),
        _("Part"),
    ]
    rows = [
        [
            branchName(branch),
            f"{branch['length_mm']:.1f}",
            calibreText(branch["mean_diameter_mm"], branch["mean_resolved"]),
            calibreText(branch["min_diameter_mm"], branch["min_resolved"]),
            "–" if branch["tortuosity"] is None else f"{branch['tortuosity']:.2f}",
            str(branch["component"]),
        ]
        for branch in measurement["branches"]
    ]
    positions = [branch["narrowest_lps_mm"] for branch in measurement["branches"]]
    return _table(scene, owner, "branches", _("{name}: branches").format(name=name), columns, rows, positions)


def _findingTable(scene, owner: str, measurement: dict[str, Any], name: str):
    findings = measurement["strictures"] + measurement["dilatations"]
    named = {branch["id"]: branchName(branch) for branch in measurement["branches"]}
    columns = [_("Finding"), _("Branch"), _("Calibre"), _("Expected (mm)"), _("Length (mm)"), _("Grade")]
    rows = [
        [
            kindName(finding["kind"]),
            ductName(finding["name"]) or named.get(finding["branch"], "–"),
            _("no lumen") if finding["diameter_mm"] == 0 else calibreText(finding["diameter_mm"], finding["resolved"]),
            "–" if finding["reference_diameter_mm"] is None else f"{finding['reference_diameter_mm']:.1f}",
            f"{finding['length_mm']:.1f}",
            inLanguage(finding["grade"]),
        ]
        for finding in findings
    ]
    positions = [finding["position_lps_mm"] for finding in findings]
    return _table(scene, owner, "findings", _("{name}: findings (table)").format(name=name), columns, rows, positions)


def _table(scene, owner: str, role: str, name: str, columns: list[str], rows: list[list[str]], positions):
    """Text columns for people, and three number columns R, A, S (mm) for whoever wants to go there."""
    node = _new(scene, "vtkMRMLTableNode", owner, role, name)
    node.SetUseColumnTitleAsColumnHeader(True)
    for n, title in enumerate(columns):
        column = vtk.vtkStringArray()
        column.SetName(title)
        for row in rows:
            column.InsertNextValue(row[n])
        node.AddColumn(column)
    for axis, title in enumerate("RAS"):
        column = vtk.vtkDoubleArray()
        column.SetName(f"{title} (mm)")
        for position in positions:
            column.InsertNextValue(round(float(ras(position)[axis]), 2))
        node.AddColumn(column)
    return node


def _profilePlot(scene, nodes: DuctsNodes, profiles: list[dict[str, Any]], name: str) -> None:
    """Calibre from the papilla to the periphery: one table and one line for each way, all in one chart."""
    colours = ((0.0, 0.45, 0.70), (0.84, 0.37, 0.0), (0.0, 0.62, 0.45), (0.8, 0.47, 0.65))
    if not profiles:
        return
    chart = _new(scene, "vtkMRMLPlotChartNode", nodes.owner, "chart", _("{name}: calibre").format(name=name))
    chart.SetTitle(_("Calibre from the papilla to the periphery"))
    chart.SetXAxisTitle(_("distance (mm)"))
    chart.SetYAxisTitle(_("calibre (mm)"))
    for number, profile in enumerate(separateWays(profiles)):
        title = _("{name}: profile, {way}").format(name=name, way=ductName(profile["name"]))
        table = _new(scene, "vtkMRMLTableNode", nodes.owner, f"profile {number}", title)
        points = ras(np.asarray(profile["points_lps_mm"], float).reshape(-1, 3))
        diameters = [np.nan if d is None else float(d) for d in profile["diameter_mm"]]
        columns = (
            (_("distance (mm)"), profile["distance_mm"]),
            (_("calibre (mm)"), diameters),
            ("R (mm)", points[:, 0]),
            ("A (mm)", points[:, 1]),
            ("S (mm)", points[:, 2]),
        )
        for heading, values in columns:
            array = numpy_to_vtk(np.asarray(values, float), deep=True)
            array.SetName(heading)
            table.AddColumn(array)
        series = _new(scene, "vtkMRMLPlotSeriesNode", nodes.owner, f"series {number}", ductName(profile["name"]))
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName(columns[0][0])
        series.SetYColumnName(columns[1][0])
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
        series.SetLineWidth(2)
        series.SetColor(*colours[number % len(colours)])
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
        nodes.tables[f"profile {number}"] = table
        nodes.series.append(series)
    nodes.chart = chart


def separateWays(profiles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The stretch that several ways have in common as one of its own, and each way from where it leaves it.

    Drawn over one another, only the last would be seen, and a step at the fork would look like a narrow place.
    """
    if len(profiles) < 2:
        return profiles
    branches = [profile["branch"] for profile in profiles]
    shared = 0
    for numbers in zip(*branches, strict=False):
        if len(set(numbers)) > 1 or numbers[0] == 0:
            break
        shared += 1
    # Branches that only lie in the fork belong to nobody.
    columns = ("distance_mm", "diameter_mm", "points_lps_mm", "branch")
    common = {"name": COMMON_WAY, **{key: profiles[0][key][:shared] for key in columns}}
    own = [{"name": profile["name"], **{key: profile[key][shared:] for key in columns}} for profile in profiles]
    return [way for way in (common, *own) if len(way["distance_mm"])]


def _folder(segmentationNode, owner: str, name: str) -> tuple[Any, int]:
    """A folder beside the segmentation, for everything of one measurement."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(segmentationNode.GetScene())
    if hierarchy is None:
        return None, 0
    item = hierarchy.GetItemByDataNode(segmentationNode)
    parent = hierarchy.GetItemParent(item) if item else hierarchy.GetSceneItemID()
    folder = hierarchy.CreateFolderItem(parent, _("{name}: ducts").format(name=name))
    hierarchy.SetItemAttribute(folder, OWNER, owner)
    hierarchy.SetItemExpanded(folder, False)
    return hierarchy, folder


def _putInto(place: tuple[Any, int], node) -> None:
    hierarchy, folder = place
    if hierarchy is None:
        return
    own = hierarchy.GetItemByDataNode(node)
    if own:
        hierarchy.SetItemParent(own, folder)
    else:
        hierarchy.CreateItem(folder, node)


def _folderItem(hierarchy, owner: str) -> int:
    if hierarchy is None:
        return 0
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    for n in range(items.GetNumberOfIds()):
        if hierarchy.GetItemAttribute(items.GetId(n), OWNER) == owner:
            return items.GetId(n)
    return 0
