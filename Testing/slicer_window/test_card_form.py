"""What a model's file does not say: asked for in the window, and what the answers make."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import onnx
import pytest
import SimpleITK as sitk
from medseg.card import ModelCard
from medseg.io import read_volume
from medseg.preprocess import SlicePreparer
from onnx import TensorProto, helper

ANSWERS = {"plane": "axial", "orientation": "PLS", "normalisation": "none", "labels": ["duct"]}


def report(**known) -> dict:
    draft = {"schema_version": 1, "name": "m", "input": {"size": {"mode": "native", "multiple_of": 8}}, "output": {}}
    return {"draft": draft, "in_channels": 1, **known}


def card_of(window, answers: dict, **known) -> ModelCard:
    window.open()
    from MedSegLib.cardAnswers import cardData

    return ModelCard.from_dict(cardData(report(**known), {**ANSWERS, **answers}))


@pytest.mark.parametrize(
    ("answers", "known", "expected"),
    [
        ({}, {}, ("native", None, None, None)),
        ({"size": "resize", "height": 320, "width": 256}, {}, ("resize", 320, 256, None)),
        ({"size": "pad_or_crop"}, {"fixed_size": [64, 48]}, ("pad_or_crop", 64, 48, None)),
        ({"size": "resample", "pixel": 1.2}, {}, ("resample", None, None, (1.2, 1.2))),
        ({"size": "resample", "pixel": 1.2}, {"fixed_size": [64, 48]}, ("resample", 64, 48, (1.2, 1.2))),
    ],
)
def test_how_slices_come_to_their_size(window, answers: dict, known: dict, expected: tuple) -> None:
    size = card_of(window, answers, **known).input.size
    assert (size.mode, size.height, size.width, size.spacing_mm) == expected and size.multiple_of == 8


def test_intensities_are_what_was_answered(window) -> None:
    numbers = {"scope": "slice", "low": -160.0, "high": 240.0, "divisor": 4095.0}
    found = {
        kind: card_of(window, {"normalisation": kind, **numbers}).input.normalisation
        for kind in ("zscore", "minmax", "percentile", "window", "divide", "none")
    }
    assert {kind for kind, given in found.items() if given.scope == "slice"} == {"zscore", "minmax", "percentile"}
    assert found["window"].window == (-160.0, 240.0) and found["divide"].divisor == 4095.0
    assert found["zscore"].window is None and found["none"].divisor is None


def test_each_way_of_reading_slices_is_what_those_programs_read(window, tmp_path: Path) -> None:
    """The codes in the list, against slices cut by nibabel and SimpleITK themselves."""
    window.open()
    from MedSegLib.cardAnswers import READERS

    array = np.random.default_rng(5).normal(size=(6, 7, 8)).astype(np.float32)
    for stored, sign in (("RAS", 1), ("LAS", -1)):
        nibabel.save(nibabel.Nifti1Image(array, np.diag([sign, 1.0, 1.0, 1.0])), tmp_path / f"{stored}.nii.gz")
    sitk.WriteImage(sitk.GetImageFromArray(array), tmp_path / "lps.nrrd")  # identity: LPS
    cut = {"axial": lambda a, n: a[:, :, n], "coronal": lambda a, n: a[:, n], "sagittal": lambda a, n: a[n]}
    itk_cut = {"axial": lambda a, n: a[n], "coronal": lambda a, n: a[:, n], "sagittal": lambda a, n: a[:, :, n]}
    checked = 0
    for plane, readers in READERS.items():
        for reader, code in readers.items():
            answers = {"plane": plane, "orientation": code}
            if reader == "SimpleITK":
                path, read = tmp_path / "lps.nrrd", lambda p: sitk.GetArrayFromImage(sitk.ReadImage(p))
                wanted = itk_cut[plane](read(path), 2)
            else:
                path = tmp_path / f"{reader.split()[1]}.nii.gz"
                wanted = cut[plane](nibabel.load(path).get_fdata(dtype=np.float32), 2)
            given = card_of(window, {**answers, "size": "native"})
            given = ModelCard.from_dict({**given.to_dict(), "input": {**given.to_dict()["input"], "size": NATIVE}})
            np.testing.assert_array_equal(SlicePreparer([read_volume(path)], given).prepare(2)[0], wanted, code)
            checked += 1
    assert checked == 8


NATIVE = {"mode": "native"}


@pytest.mark.parametrize(
    ("answer", "applied", "channels"),
    [
        ("softmax", ("softmax", True), [1, 2]),
        ("sigmoid", ("sigmoid", False), [0, 1, 2]),
        ("classes", ("none", True), [1, 2]),
        ("structures", ("none", False), [0, 1, 2]),
    ],
)
def test_three_channels_are_two_structures_or_three(window, answer: str, applied: tuple, channels: list) -> None:
    output = card_of(window, {"activation": answer, "labels": ["a", "b", "c"]}, out_channels=3).output
    assert (output.activation, output.background_channel) == applied
    assert [label.channel for label in output.labels] == channels
    assert [label.name for label in output.labels] == ["a", "b", "c"][: len(channels)]


def test_a_picture_of_the_slice_as_it_will_be_fed(window) -> None:
    """The worker's slice is the run's, and the picture has its extremes at black and white."""
    window.open()
    from MedSegLib import cardPreview, selfTest

    volume = selfTest.addVolume(selfTest.blockArray(), selfTest.obliqueFlipped())
    card = card_of(window, {"size": "resize", "height": 24, "width": 40, "normalisation": "zscore"})
    answers = []
    window.module.logic.startSlice([volume], card.to_dict(), answers.append)
    window.wait(lambda: answers)
    from MedSegLib.volumeInput import volumesFromNodes

    preparer = SlicePreparer(volumesFromNodes(volume)[1], card)
    image = answers[0].result["image"]
    np.testing.assert_array_equal(image, preparer.prepare(preparer.count // 2)[0])
    data = cardPreview.greyMap(np.array([[-2.0, 0.0, 2.0]] * 2))
    assert data == b"P5 3 2 255\n" + bytes([0, 127, 255] * 2)


def two_outputs(path: Path) -> Path:
    """y = x and z = −x: which of the two is the segmentation, no graph tells."""
    shape = ["n", 1, "h", "w"]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xyz"]
    nodes = [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["z"])]
    graph = helper.make_graph(nodes, "g", infos[:1], infos[1:])
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def test_which_output_is_the_segmentation_is_asked_for(window) -> None:
    window.open()
    from MedSegLib import selfTest

    array = np.full((3, 32, 32), 7, np.int16)
    array[1, 10:20, 5:15] = -7
    window.ui.inputSelector.setCurrentNode(selfTest.addVolume(array))
    panel = window.widget.modelPanel
    panel.choose(str(two_outputs(Path(window.app.temporaryPath) / "two.onnx")))
    window.wait(lambda: panel.report is not None or panel.problem)
    assert not panel.problem and not window.ui.cardFormFrame.isHidden()
    fields = panel.form.fields
    assert [fields["output"].itemData(n) for n in range(fields["output"].count)] == ["y", "z"]
    fields["output"].currentIndex = 1
    fields["normalisation"].currentIndex = fields["normalisation"].findData("none")
    window.ui.useCardButton.click()
    window.ui.segmentButton.click()
    window.wait(lambda: not window.widget.queue.running)
    assert window.widget.job.state == "done", window.ui.statusLabel.text
    np.testing.assert_array_equal(window.widget.job.result.labels.array > 0, array == -7)
    # What was answered can be changed again.
    assert "#answers" in window.ui.cardBrowser.html
    panel.changeAnswers()
    fields["output"].currentIndex = 0
    window.ui.useCardButton.click()
    window.ui.segmentButton.click()
    window.wait(lambda: not window.widget.queue.running)
    np.testing.assert_array_equal(window.widget.job.result.labels.array > 0, array == 7)


def test_there_is_a_name_for_each_structure_that_the_answer_makes(window) -> None:
    window.open()
    shapes = {"x": ["n", 1, "h", "w"], "y": ["n", 3, "h", "w"]}
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    graph = helper.make_graph([helper.make_node("Concat", ["x"] * 3, ["y"], axis=1)], "g", infos[:1], infos[1:])
    path = Path(window.app.temporaryPath) / "three.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    panel = window.widget.modelPanel
    panel.choose(str(path))
    window.wait(lambda: panel.report is not None or panel.problem)
    fields = panel.form.fields

    def names() -> list[str]:
        return [field.text for name, field in fields.items() if name.startswith("label ")]

    assert names() == ["label 1", "label 2"]
    fields["label 0"].text = "duct"
    fields["activation"].currentIndex = fields["activation"].findData("sigmoid")
    assert names() == ["duct", "label 2", "label 3"]
    fields["activation"].currentIndex = fields["activation"].findData("classes")
    assert names() == ["duct", "label 2"]
    window.ui.useCardButton.click()
    assert [label.name for label in panel.card.output.labels] == ["duct", "label 2"]
