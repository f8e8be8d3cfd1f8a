"""The phantom in the scene lies where the engine's phantom lies, and its reference with it."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="needs the slicer-core wheel")


def test_the_phantom_in_the_scene_is_the_engines(scene, logic) -> None:
    from medseg.phantom import make_phantom
    from MedSegLib import sampleData
    from MedSegLib.volumeInput import volumeFromNode

    volumeNode, referenceNode = sampleData.addPhantom(9100)
    phantom = make_phantom(9100)
    volume = volumeFromNode(volumeNode)
    assert volume.same_grid(phantom.volume)
    np.testing.assert_array_equal(volume.array, phantom.volume.array)
    segmentation = referenceNode.GetSegmentation()
    names = [segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())]
    assert names == list(sampleData.phantomLabels().values())
    for number, value in enumerate(sampleData.phantomLabels()):
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(
            referenceNode, segmentation.GetNthSegmentID(number), volumeNode
        )
        np.testing.assert_array_equal(mask > 0, phantom.labels.array == value)
    assert not referenceNode.GetDisplayNode().GetVisibility()


def test_the_sample_data_entry_is_what_slicer_takes(scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from MedSegLib import sampleData

    entries = []

    def register(
        category="Custom",
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFiles=None,
        loadFileProperties=None,
        checksums=None,
        loadFileType=None,
    ):
        """The arguments of Slicer 5.12.3, and no others."""
        entries.append(dict(locals()))

    logic = types.SimpleNamespace(registerCustomSampleDataSource=register)
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
    sampleData.registerSampleData(str(tmp_path / "picture.png"))
    (entry,) = entries
    assert isinstance(entry["uris"], str)  # Slicer 5.12.3 takes the length of None otherwise, and fails
    assert entry["thumbnailFileName"].endswith("picture.png")
    assert entry["customDownloader"] is sampleData.makeInBackground
