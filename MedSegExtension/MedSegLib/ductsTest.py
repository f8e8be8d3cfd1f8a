"""Scenarios of ducts: a drawn tree is measured, reviewed, compared and given back (MedSegTest, and Testing/)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import slicer

from .segmentsOutput import BINARY, orientedLabelmap, voxelsToSegmentation

SHAPE = (70, 40, 80)


def drawnTree() -> np.ndarray:
    """(k, j, i) label map: a trunk of 8 mm with a narrow place of 3.2 mm in its middle, and two arms of 6 mm."""
    k, j, i = np.indices(SHAPE).astype(float)
    labels = np.zeros(SHAPE, bool)
    for start, stop, radius, narrow in (
        ((40, 20, 5), (40, 20, 45), 4.0, 1.6),
        ((40, 20, 45), (15, 20, 65), 3.0, 3.0),
        ((40, 20, 45), (65, 20, 65), 3.0, 3.0),
    ):
        first, last = np.array(start, float), np.array(stop, float)
        length = float(np.linalg.norm(last - first))
        along = [n - m for n, m in zip((i, j, k), first, strict=True)]
        step = (last - first) / length
        distance = np.clip(sum(a * s for a, s in zip(along, step, strict=True)), 0, length)
        away = np.sqrt(sum((a - distance * s) ** 2 for a, s in zip(along, step, strict=True)))
        labels[away <= radius - (radius - narrow) * np.exp(-(((distance - length / 2) / 4) ** 2))] = True
    return labels.astype(np.uint8)


def drawSegment(segmentationNode, volumeNode, name: str, labels: np.ndarray) -> str:
    """Draw a segment as a person would, or draw one anew; its id is its name."""
    image = orientedLabelmap(labels, voxelsToSegmentation(volumeNode, segmentationNode))
    segmentation = segmentationNode.GetSegmentation()
    segment = segmentation.GetSegment(name)
    if segment is not None:
        segment.AddRepresentation(BINARY, image)
        segmentation.InvokeEvent(slicer.vtkSegmentation.SourceRepresentationModified)
        return name
    segment = slicer.vtkSegment()
    segment.SetName(name)
    if image is not None:
        segment.AddRepresentation(BINARY, image)
    segmentation.AddSegment(segment, name)
    return name


def addTree():
    """A volume and a segmentation of it with the segments "ducts" and "short" (the trunk's lower half is missing)."""
    volumeNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "MRCP")
    slicer.util.updateVolumeFromArray(volumeNode, (100 + 200 * drawnTree()).astype(np.int16))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Drawn ducts")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    drawSegment(node, volumeNode, "ducts", drawnTree())
    short = drawnTree()
    short[:20] = 0
    drawSegment(node, volumeNode, "short", short)
    return volumeNode, node


def scenarioDucts(test, logic) -> None:
    """A drawn tree is measured and shown; doubts are followed; it is compared and given back."""
    volumeNode, node = addTree()
    job = logic.startMeasure(node, "ducts")
    measured = job.wait(120)
    measurement = measured["measurement"]
    test.assertEqual(len(measurement["branches"]), 3)
    test.assertEqual(len(measurement["strictures"]), 1)
    position = np.array(measurement["strictures"][0]["position_lps_mm"]) * (-1, -1, 1)
    test.assertLess(np.abs(position - (40, 20, 25)).max(), 3)
    for curve, profile in zip(job.nodes.curves, measured["profiles"], strict=True):
        length = profile["distance_mm"][-1]
        test.assertAlmostEqual(curve.GetCurveLengthWorld(), length, delta=0.03 * length)
    test.assertGreater(job.nodes.tree.GetPolyData().GetNumberOfPoints(), 100)
    stop = logic.review(measured).next()
    test.assertEqual(stop.kind, "stricture")
    figures = logic.compare((node, "short"), (node, "ducts"), volumeNode)
    whole, short = drawnTree().sum(), drawnTree()[20:].sum()
    test.assertAlmostEqual(figures["dice"], 2 * short / (whole + short), places=6)
    with tempfile.TemporaryDirectory() as folder:
        written = logic.giveBack(volumeNode, node, ["ducts", "short"], folder)
        test.assertTrue(Path(written["image"]).is_file() and Path(written["labels"]).is_file())


SCENARIOS = (scenarioDucts,)
