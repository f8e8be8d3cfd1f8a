"""Ducts measured, shown, compared and given back in a real MRML scene, by the real worker."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from medseg.errors import InputError
from medseg.io import read_labels, read_volume
from medseg.review import doubtful_slices

#: mm; the tree is a trunk along S that parts into two arms, with a narrow place in the trunk.
SPACING, SHAPE = (1.0, 1.0, 1.5), (60, 80, 90)
TRUNK, ARM, NARROW = 4.0, 3.0, 1.6


def _tree() -> np.ndarray:
    k, j, i = np.indices(SHAPE).astype(float)
    x, y, z = i * SPACING[0], j * SPACING[1], k * SPACING[2]
    labels = np.zeros(SHAPE, bool)

    def tube(start, stop, radius, narrow=None):
        a, b = np.array(start), np.array(stop)
        length = np.linalg.norm(b - a)
        d = (b - a) / length
        along = (x - a[0]) * d[0] + (y - a[1]) * d[1] + (z - a[2]) * d[2]
        away = np.sqrt(np.maximum((x - a[0]) ** 2 + (y - a[1]) ** 2 + (z - a[2]) ** 2 - along**2, 0))
        r = np.full(SHAPE, radius)
        if narrow is not None:
            r -= (radius - narrow) * np.exp(-(((along - length / 2) / 4) ** 2))
        labels[(along >= 0) & (along <= length) & (away <= r)] = True

    tube((45, 40, 8), (45, 40, 48), TRUNK, NARROW)
    tube((45, 40, 48), (20, 40, 75), ARM)
    tube((45, 40, 48), (70, 40, 75), ARM)
    return labels.astype(np.uint8)


@pytest.fixture
def ducts(scene, logic):
    """A volume with a segmentation of the tree, segment "ducts", under a shifted and turned geometry."""
    import slicer
    import vtk
    from MedSegLib import ductsCompare, ductsInput, ductsJob, ductsReview, ductsScene, segmentsOutput, workerHost

    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Doe^Jane MRCP")
    matrix = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
    matrix[:3, 3] = (30.0, 20.0, -50.0)
    voxels = (100 + 200 * _tree() + np.random.default_rng(0).normal(0, 5, SHAPE)).astype(np.int16)
    slicer.util.updateVolumeFromArray(volume, voxels)
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Segmentation")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)

    def add(name: str, labels: np.ndarray, node=segmentation) -> str:
        segment = slicer.vtkSegment()
        segment.SetName(name)
        image = segmentsOutput.orientedLabelmap(labels, segmentsOutput.voxelsToSegmentation(volume, node))
        if image is not None:
            segment.AddRepresentation(segmentsOutput.BINARY, image)
        node.GetSegmentation().AddSegment(segment, name)
        return name

    add("ducts", _tree())
    return SimpleNamespace(
        slicer=slicer, vtk=vtk, scene=scene, volume=volume, segmentation=segmentation, add=add, matrix=matrix,
        host=workerHost.sharedHost(), input=ductsInput, jobs=ductsJob, show=ductsScene, compare=ductsCompare,
        review=ductsReview,
    )  # fmt: skip


def _classes(scene) -> Counter:
    return Counter(scene.GetNthNode(n).GetClassName() for n in range(scene.GetNumberOfNodes()))


def _measure(d, **options):
    job = d.jobs.MeasureJob(d.host, d.segmentation, "ducts", **options)
    job.wait(120)
    return job


def test_a_segment_is_the_label_map_it_was_drawn_from(ducts) -> None:
    labels = ducts.input.segmentVolume(ducts.segmentation, "ducts")
    assert labels.array.shape == SHAPE and np.array_equal(labels.array, _tree())
    assert labels.spacing == pytest.approx(SPACING)
    assert np.allclose(np.diag([-1, -1, 1, 1]) @ ducts.matrix, labels.ijk_to_lps, atol=1e-5)
    # Without reference geometry: the segment's own box with a margin, in the same place.
    from MedSegLib.segmentsOutput import REFERENCE_GEOMETRY

    ducts.segmentation.GetSegmentation().SetConversionParameter(REFERENCE_GEOMETRY, "")
    cut = ducts.input.segmentVolume(ducts.segmentation, "ducts")
    assert cut.array.sum() == labels.array.sum() and cut.array.size < labels.array.size

    def middle(volume):
        k, j, i = (n.mean() for n in np.nonzero(volume.array))
        return volume.ijk_to_lps @ [i, j, k, 1]

    assert np.allclose(middle(cut), middle(labels), atol=1e-4)


def test_a_transform_moves_what_is_measured(ducts) -> None:
    still = ducts.input.segmentVolume(ducts.segmentation, "ducts").ijk_to_lps
    transform = ducts.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    moved = np.eye(4)
    moved[:3, 3] = (5, 6, 7)
    transform.SetMatrixTransformToParent(ducts.slicer.util.vtkMatrixFromArray(moved))
    ducts.segmentation.SetAndObserveTransformNodeID(transform.GetID())
    now = ducts.input.segmentVolume(ducts.segmentation, "ducts").ijk_to_lps
    assert np.allclose((now - still)[:3, 3], (-5, -6, 7))


def test_the_tree_is_shown_as_curves_points_tables_and_a_plot(ducts) -> None:
    job = _measure(ducts)
    measurement, nodes = job.result["measurement"], job.nodes
    assert len(measurement["branches"]) == 3 and len(nodes.curves) == len(job.result["profiles"]) >= 1
    inverse = np.linalg.inv(ducts.matrix)
    for curve, profile in zip(nodes.curves, job.result["profiles"], strict=True):
        # Along the curve of the scene the same length, and the calibre that was measured there.
        assert curve.GetCurveLengthWorld() == pytest.approx(profile["distance_mm"][-1], rel=0.02)
        values = curve.GetMeasurement(ducts.show.CALIBRE).GetControlPointValues()
        assert values.GetNumberOfTuples() == curve.GetNumberOfControlPoints()
        display = curve.GetDisplayNode()
        assert display.GetScalarVisibility() and display.GetActiveScalarName() == ducts.show.CALIBRE
        share = np.searchsorted(profile["distance_mm"], profile["distance_mm"][-1] / 4)
        assert values.GetValue(values.GetNumberOfTuples() // 4) == pytest.approx(profile["diameter_mm"][share], abs=0.6)
        # Every control point lies in the tree, in the scene's own coordinates.
        points = ducts.slicer.util.arrayFromMarkupsControlPoints(curve)
        ijk = (inverse @ np.c_[points, np.ones(len(points))].T)[:3].round().astype(int)
        assert _tree()[ijk[2], ijk[1], ijk[0]].mean() > 0.97
    # The tubes of the tree are as wide as was measured, and where the segment is.
    tubes = nodes.tree.GetPolyData()
    calibres = ducts.vtk.util.numpy_support.vtk_to_numpy(tubes.GetPointData().GetArray(ducts.show.CALIBRE_MM))
    widest = max(max(b["diameter_mm"]) for b in measurement["branches"])
    assert calibres.max() == pytest.approx(widest, abs=0.3) and calibres.min() < 5
    corners = np.array([[s.min(), s.max()] for s in np.nonzero(_tree())])[::-1]
    low, high = sorted((ducts.matrix @ [*corners[:, 0], 1])[:3]), sorted((ducts.matrix @ [*corners[:, 1], 1])[:3])
    assert np.abs(np.array(sorted(tubes.GetBounds())) - np.array(sorted([*low, *high]))).max() < 3
    assert nodes.tree.GetDisplayNode().GetActiveScalarName() == ducts.show.CALIBRE_MM
    assert nodes.findings.GetNumberOfControlPoints() == len(measurement["strictures"]) + len(measurement["dilatations"])
    stricture = ducts.slicer.util.arrayFromMarkupsControlPoints(nodes.findings)[0]
    k = (inverse @ [*stricture, 1])[2]
    assert len(measurement["strictures"]) == 1 and abs(k * SPACING[2] - 28) < 3  # the middle of the trunk
    table = nodes.tables["branches"]
    assert table.GetNumberOfRows() == 3 and table.GetTable().GetColumn(0).GetName() == "Branch"
    assert nodes.chart.GetNumberOfPlotSeriesNodes() == len(nodes.series) >= 1
    series = nodes.series[0]
    profile = series.GetTableNode()
    assert profile.GetTable().GetColumnByName(series.GetYColumnName()).GetNumberOfTuples() == profile.GetNumberOfRows()
    hierarchy = ducts.slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(ducts.scene)
    parents = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(n)) for n in nodes.all()}
    assert len(parents) == 1 and hierarchy.GetItemName(parents.pop()) == "ducts: ducts"


def test_measuring_again_renews_and_leaves_the_rest(ducts) -> None:
    first = _measure(ducts)
    other = ducts.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "the person's own")
    count = _classes(ducts.scene)
    second = _measure(ducts)
    assert _classes(ducts.scene) == count and other.GetScene() is not None
    assert all(node.GetScene() is None for node in first.nodes.all())
    assert all(node.GetScene() is not None for node in second.nodes.all())
    hierarchy = ducts.slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(ducts.scene)
    names = ducts.vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), names, True)
    folders = [n for n in range(names.GetNumberOfIds()) if hierarchy.GetItemName(names.GetId(n)) == "ducts: ducts"]
    assert len(folders) == 1


def test_a_given_name_is_shown(ducts) -> None:
    number = _measure(ducts).result["measurement"]["branches"][0]["id"]
    named = _measure(ducts, names={number: "my duct"})
    names = named.nodes.tables["branches"].GetTable().GetColumn(0)
    assert "my duct" in [names.GetValue(n) for n in range(names.GetNumberOfValues())]


def test_an_empty_segment_is_explained(ducts) -> None:
    ducts.add("empty", np.zeros(SHAPE, np.uint8))
    job = ducts.jobs.MeasureJob(ducts.host, ducts.segmentation, "empty")
    job.wait(120)
    assert (
        "empty" in job.result["measurement"]["warnings"][0]
        and job.nodes.curves == []
        and job.nodes.chart is job.nodes.tree is None
    )
    with pytest.raises(InputError, match="not there any more"):
        ducts.jobs.MeasureJob(ducts.host, ducts.segmentation, "gone")


def test_review_leads_through_the_doubts_and_the_views_follow(ducts) -> None:
    measured = _measure(ducts).result
    top = np.where(_tree() > 0, 0.99, 0.0).astype(np.float32)
    top[30, 35:45, 40:50] = 0.5  # an undecided patch
    labels = ducts.input.onGridOf(ducts.segmentation, "ducts", ducts.volume)
    review = ducts.review.makeReview(measured, [doubt.as_dict() for doubt in doubtful_slices(top, labels)])
    kinds = [stop.kind for stop in review.stops]
    assert kinds[0] == "stricture" and "slice" in kinds
    slice_node = ducts.slicer.vtkMRMLSliceNode()
    slice_node.SetLayoutName("Red")
    slice_node = ducts.scene.AddNode(slice_node)  # there may be one of that name already
    worst = next(stop for stop in review.stops if stop.kind == "slice")
    assert "Slice 31" in worst.text
    k = (np.linalg.inv(ducts.matrix) @ [*worst.position, 1])[:3]
    assert k == pytest.approx((44.5, 39.5, 30), abs=1)
    stops = []
    while (stop := review.next()) is not None:
        stops.append(stop)
        matrix = ducts.slicer.util.arrayFromVTKMatrix(slice_node.GetSliceToRAS())
        assert matrix[:3, 3] == pytest.approx(stop.position, abs=1e-6)
    assert len(stops) == len(review.stops) == len(review.seen) and review.next() is None
    assert review.previous() is review.stops[-2]


def test_a_comparison_says_what_is_too_much_and_what_is_missing(ducts) -> None:
    changed = _tree()
    changed[:20] = 0  # the lower trunk is missing
    changed[40:44, 5:9, 5:9] = 1  # and there is too much
    ducts.add("mine", changed)
    job = ducts.jobs.CompareJob(ducts.host, (ducts.segmentation, "mine"), (ducts.segmentation, "ducts"), ducts.volume)
    job.wait(120)
    tree = _tree()
    dice = 2 * (changed * tree).sum() / (changed.sum() + tree.sum())
    assert job.result["agreement"]["dice"] == pytest.approx(dice)
    table = job.nodes.table.GetTable()
    rows = {table.GetColumn(0).GetValue(n): table.GetColumn(1).GetValue(n) for n in range(table.GetNumberOfRows())}
    assert rows["Dice"] == f"{dice:.3f}"
    for name, wanted in (("too much", (changed > tree).sum()), ("missing", (tree > changed).sum())):
        found = ducts.slicer.util.arrayFromSegmentBinaryLabelmap(job.nodes.wrong, name, ducts.volume)
        assert (found > 0).sum() == wanted
    scalars = job.nodes.surface.GetPolyData().GetPointData().GetArray(ducts.compare.DISTANCE)
    assert scalars.GetRange()[1] > 10 and abs(np.median(ducts.vtk.util.numpy_support.vtk_to_numpy(scalars))) < 0.2
    count = _classes(ducts.scene)
    ducts.jobs.CompareJob(ducts.host, (ducts.segmentation, "mine"), (ducts.segmentation, "ducts"), ducts.volume).wait(
        120
    )
    assert _classes(ducts.scene) == count


def test_a_case_given_back_is_what_training_reads_and_names_nobody(ducts, tmp_path) -> None:
    job = ducts.jobs.GiveBackJob(ducts.host, ducts.volume, ducts.segmentation, ["ducts"], tmp_path / "set")
    done = job.wait(120)
    image, labels = read_volume(done["image"]), read_labels(done["labels"])
    assert np.array_equal(labels.array, _tree()) and image.same_grid(labels)
    assert np.array_equal(image.array, ducts.slicer.util.arrayFromVolume(ducts.volume))
    record = json.loads((tmp_path / "set" / "provenance" / f"{done['case']}.json").read_text())
    assert record["labels"]["ducts"] == {"model": None, "corrected": True}
    for file in (tmp_path / "set").rglob("*"):
        assert "Doe" not in file.name
        if file.suffix == ".gz":
            assert b"Doe" not in gzip.decompress(file.read_bytes())[:352]  # the header; voxels may spell anything
        elif file.is_file():
            assert "Doe" not in file.read_text()
    other = np.zeros(SHAPE, np.uint8)
    other[50:55, 60:70, 5:15] = 1
    ids = [ducts.add("other", other), "ducts"]
    again = ducts.jobs.GiveBackJob(ducts.host, ducts.volume, ducts.segmentation, ids, tmp_path / "set").wait(120)
    assert again["case"] == done["case"] and again["renewed"]
    # A name keeps its value, in whatever order segments come.
    assert json.loads((tmp_path / "set" / "labels.json").read_text()) == {"ducts": 1, "other": 2}
    assert set(np.unique(read_labels(again["labels"]).array)) == {0, 1, 2}
    assert len(list((tmp_path / "set" / "provenance").glob("*.labels-1.nii.gz"))) == 1


def test_what_two_ways_share_is_a_way_of_its_own() -> None:
    """Up to the fork nobody's line hides the other's; points stay what and where they were."""
    from MedSegLib.ductsScene import separateWays

    def way(name: str, branches: list[int]) -> dict:
        n = len(branches)
        return {
            "name": name,
            "distance_mm": list(range(n)),
            "diameter_mm": [float(b) for b in branches],
            "points_lps_mm": [[b, 0, 0] for b in branches],
            "branch": branches,
        }

    right, left = way("right side", [1, 1, 1, 2, 2]), way("left side", [1, 1, 1, 3, 3, 4])
    common, first, second = separateWays([right, left])
    assert [part["name"] for part in (common, first, second)] == ["common bile duct", "right side", "left side"]
    assert common["distance_mm"] == [0, 1, 2] and common["branch"] == [1, 1, 1]
    assert first["distance_mm"] == [3, 4] and second["diameter_mm"] == [3.0, 3.0, 4.0]
    assert separateWays([right]) == [right]
    apart = separateWays([way("right side", [1]), way("left side", [5])])
    assert [part["name"] for part in apart] == ["right side", "left side"]
