"""The Python examples of the documents run as they stand, from top to bottom, in a real scene with a real worker."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="needs the slicer-core wheel")
pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)

#: A worker that makes small phantoms; all the rest is the real engine.
SMALL_PHANTOMS = """
import sys
import medseg.phantom as phantom

real = phantom.make_phantom
settings = phantom.PhantomSettings(shape=(20, 96, 96), spacing=(3.6, 3.6, 4.0))
phantom.make_phantom = lambda seed, progress=None: real(seed, settings, progress)
from medseg.worker.__main__ import main
sys.exit(main())
"""


def blocks(document: str) -> list[tuple[int, str]]:
    """Line and text of each Python block."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return [(text.count("\n", 0, found.start()) + 2, found.group(1)) for found in BLOCK.finditer(text)]


@pytest.fixture
def console(scene, logic, monkeypatch, tmp_path):
    """Run a document's blocks as at Slicer's console, in a folder with the files that the documents name."""
    from medseg.client import WorkerClient
    from medseg.io import SegmentInfo, read_segmentation_file, read_volume, write_segmentation_file, write_volume
    from medseg.volume import Volume
    from MedSegLib import ductsTest, selfTest, workerHost

    monkeypatch.chdir(tmp_path)
    tree = ductsTest.drawnTree()
    image = Volume((80 * tree).astype(np.int16), (1.0, 1.0, 1.0))
    write_volume(image, tmp_path / "mrcp.nii.gz")
    (tmp_path / "model.onnx").write_bytes(selfTest.identityModel())
    card = json.loads(json.dumps(selfTest.CARD))
    card["output"]["labels"][0]["name"] = "bile ducts"
    (tmp_path / "model.onnx.card.json").write_text(json.dumps(card), encoding="utf-8")
    reference = tree.copy()
    reference[:20] = 0
    named = [SegmentInfo(1, "reference", (1.0, 0.0, 0.0), "")]
    write_segmentation_file(image.with_array(reference), named, tmp_path / "reference.seg.nrrd")
    (tmp_path / "small_phantoms.py").write_text(SMALL_PHANTOMS, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    workerHost.closeSharedHost()
    workerHost._shared = workerHost.WorkerHost(WorkerClient(module="small_phantoms"))

    def load_volume(path):
        return selfTest.addVolume(read_volume(path).array)

    def load_segmentation(path):
        labels, _ = read_segmentation_file(Path(path))
        node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", Path(path).name)
        node.CreateDefaultDisplayNodes()
        ductsTest.drawSegment(node, scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"), "reference", labels.array)
        return node

    installed: list = []
    # What the application adds to `slicer.util`: its readers, its installer, its modules.
    monkeypatch.setattr(slicer.util, "loadVolume", load_volume, raising=False)
    monkeypatch.setattr(slicer.util, "loadSegmentation", load_segmentation, raising=False)
    monkeypatch.setattr(slicer.util, "pip_install", installed.append, raising=False)
    monkeypatch.setattr(slicer.util, "getModuleLogic", lambda name: {"MedSeg": logic}[name], raising=False)

    def run(document: str) -> dict:
        names: dict = {"slicer": slicer, "__name__": "console"}
        for line, text in blocks(document):
            code = compile("\n" * (line - 1) + text, str(ROOT / document), "exec")
            exec(code, names)
        names["installed"] = installed
        return names

    yield run
    workerHost.closeSharedHost()


def test_every_example_of_the_scripting_page_runs(console, tmp_path, capsys):
    from medseg.io import read_volume
    from MedSegLib import ductsTest
    from MedSegLib.requirements import requirements

    assert len(blocks("docs/scripting.md")) >= 6
    names = console("docs/scripting.md")
    said = capsys.readouterr().out
    tree = ductsTest.drawnTree()
    assert f"Found bile ducts {tree.sum() / 1000:.1f} ml." in said
    np.testing.assert_array_equal(read_volume(tmp_path / "ducts.nii.gz").array > 0, tree > 0)
    assert names["files"] == [Path("ducts.nii.gz")]
    assert len(names["measured"]["measurement"]["branches"]) == 3
    assert {stop.kind for stop in names["review"].stops} >= {"stricture"} and names["stop"].kind == "stricture"
    lost = int(tree[:20].sum())
    assert names["figures"]["dice"] == pytest.approx(2 * (tree.sum() - lost) / (2 * tree.sum() - lost))
    assert names["written"]["renewed"] is False
    assert len(list((tmp_path / "training-set" / "labels").iterdir())) == 1
    # From nothing: the phantom and the model that ships.
    assert names["referenceNode"].GetName().endswith("reference")
    assert set(names["result"].segmentIds) == {"bile ducts", "gallbladder and cystic duct", "pancreatic duct"}
    assert names["installed"] == [requirements()]
    if not names["job"].finished:
        with pytest.raises(Exception, match="cancelled"):
            names["job"].wait()
    assert names["job"].state in ("cancelled", "done")


def test_every_example_of_the_readme_runs(console, tmp_path, capsys):
    slicer.util.loadVolume("mrcp.nii.gz").SetName("mrcp")
    names = console("README.md")
    assert "Found bile ducts" in capsys.readouterr().out
    assert (tmp_path / "ducts.seg.nrrd").is_file() and not names["result"].empty
    from MedSegLib.requirements import requirements

    (line,) = names["installed"]
    assert line.split() == [re.split("[<>=]", one)[0] for one in requirements()]


def test_an_example_that_is_wrong_fails(console, monkeypatch, tmp_path):
    """The blocks are really executed, one namespace after the other."""
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n")
    with pytest.raises(AssertionError):
        console(str(page))
