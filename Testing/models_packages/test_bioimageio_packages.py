"""bioimage.io packages: a public one against its authors' output, and packages of formats 0.4 and 0.5 made here."""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from medseg.card.model_card import Normalisation
from medseg.errors import InputError, UnsafeModelError
from medseg.intensity import measure_intensity
from medseg.models import inspect_model, open_model
from medseg.models.bioimageio_steps import NotInCard, Step, activation_of, normalisation_of
from medseg.pipeline import segment
from medseg.volume import Volume

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "models" / "nuclei_unet2d"


def volume_of(slices: np.ndarray) -> Volume:
    return Volume(slices.astype(np.float32), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the public model is not on this machine")
@pytest.mark.parametrize("name", ["", "v0_4_9.bioimageio.yaml"])
def test_a_public_package_gives_its_authors_output_with_nothing_typed_in(name) -> None:
    image = np.load(SHARED / "test_input.npy")[0]
    reference = np.load(SHARED / "test_output.npy")[0, 0]
    with open_model(SHARED / name, device="cpu", backend="onnxruntime") as model:
        assert model.format == "bioimageio" and model.missing == () and model.warnings == []
        assert (model.card.output.activation, model.card.input.normalisation.kind) == ("sigmoid", "zscore")
        result = segment(volume_of(image), model, keep_probabilities=True)
    assert np.abs(result.probabilities[0, 0] - reference).max() < 1e-5
    np.testing.assert_array_equal(result.labels.array[0], reference >= 0.5)


class Edges(torch.nn.Module):
    """A small convolution with fixed weights."""

    def __init__(self, channels: int = 1, outputs: int = 1) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.convolution = torch.nn.Conv2d(channels, outputs, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.convolution(x)


def save_weights(folder: Path, channels: int = 1, outputs: int = 1) -> Edges:
    network = Edges(channels, outputs).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(network, torch.zeros(1, channels, 16, 16)).save(str(folder / "net.pt"))
    return network


def space(name: str, size: object) -> dict:
    return {"type": "space", "id": name, "size": size}


def description(**changes: object) -> dict:
    """A description of format 0.5 with free slice sizes in steps of 4."""
    free = {"min": 16, "step": 4}
    data = {
        "format_version": "0.5.3",
        "type": "model",
        "name": "edges",
        "license": "CC0-1.0",
        "inputs": [
            {
                "id": "raw",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": ["raw"]},
                    space("y", free),
                    space("x", free),
                ],
                "preprocessing": [{"id": "scale_linear", "kwargs": {"gain": 0.5, "offset": -1.0}}],
            }
        ],
        "outputs": [
            {
                "id": "out",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": ["nucleus"]},
                    space("y", {"tensor_id": "raw", "axis_id": "y"}),
                    space("x", {"tensor_id": "raw", "axis_id": "x"}),
                ],
                "postprocessing": [{"id": "sigmoid"}],
            }
        ],
        "weights": {"torchscript": {"source": "net.pt"}},
    }
    return {**data, **changes}


def package(folder: Path, data: dict | str, name: str = "rdf.yaml") -> Path:
    text = data if isinstance(data, str) else yaml.safe_dump(data)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def zipped(folder: Path, target: Path, root: str = "") -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, root + file.name)
    return target


@pytest.mark.parametrize("kind", ["folder", "zip", "zip with a folder"])
def test_folder_and_zip_give_the_same_numbers_as_the_network(tmp_path, kind) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    network = save_weights(folder)
    path = package(folder, description())
    if kind != "folder":
        path = zipped(folder, tmp_path / "package.zip", "edges-1.0/" if "with" in kind else "")
    slices = np.random.default_rng(0).normal(size=(3, 20, 24)).astype(np.float32)
    with open_model(path, device="cpu") as model:
        assert model.card.input.size.multiple_of == 4 and model.card.output.labels[0].name == "nucleus"
        found = segment(volume_of(slices), model, keep_probabilities=True).probabilities[0]
    with torch.inference_mode():
        wanted = torch.sigmoid(network(torch.from_numpy(slices * 0.5 - 1)[:, None]))[:, 0].numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_format_0_4_with_two_channels_and_softmax(tmp_path) -> None:
    save_weights(tmp_path, 2, 3)
    data = {
        "format_version": "0.4.10",
        "type": "model",
        "name": "two",
        "inputs": [
            {
                "name": "raw",
                "axes": "bcyx",
                "shape": {"min": [1, 2, 16, 16], "step": [0, 0, 8, 8]},
                "preprocessing": [
                    {
                        "name": "scale_range",
                        "kwargs": {"mode": "per_sample", "axes": "yx", "min_percentile": 1, "max_percentile": 99.8},
                    }
                ],
            }
        ],
        "outputs": [
            {
                "name": "out",
                "axes": "bcyx",
                "data_range": [0.0, 1.0],
                "shape": {"reference_tensor": "raw", "scale": [1, 0, 1, 1], "offset": [0, 1.5, 0, 0]},
            }
        ],
        "weights": {"torchscript": {"source": "./net.pt"}},
    }
    report = inspect_model(package(tmp_path, data))
    card = report.card
    assert (report.in_channels, report.out_channels) == (2, 3) and len(card.input.volumes) == 2
    assert card.input.normalisation == Normalisation(
        kind="percentile", scope="slice", percentiles=(1, 99.8), clip=False
    )
    assert card.output.activation == "none" and [label.channel for label in card.output.labels] == [0, 1, 2]


def test_steps_become_the_normalisation_that_does_the_same() -> None:
    image = np.random.default_rng(0).uniform(-500, 1500, size=(32, 32)).astype(np.float32)

    def card_gives(*steps: Step) -> np.ndarray:
        data, _ = normalisation_of(list(steps), 1, True)
        data = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
        return measure_intensity(image, Normalisation(**data)).apply(image.copy())

    divide = Step("scale_linear", {"gain": 1 / 255, "offset": 0})
    measured = Step("zero_mean_unit_variance", {"axes": ["x", "y"]})
    np.testing.assert_allclose(card_gives(), image)
    np.testing.assert_allclose(card_gives(divide), image / 255, rtol=1e-5)
    np.testing.assert_allclose(card_gives(divide, measured), (image - image.mean()) / image.std(), atol=1e-4)
    np.testing.assert_allclose(
        card_gives(Step("fixed_zero_mean_unit_variance", {"mean": 100, "std": 20})),
        (image - 100) / 20,
        rtol=1e-4,
        atol=1e-5,
    )
    low, high = np.percentile(image, [2, 98])
    scale = Step("scale_range", {"min_percentile": 2, "max_percentile": 98, "axes": "yx"})
    np.testing.assert_allclose(card_gives(scale), (image - low) / (high - low), atol=1e-4)
    limits = Step("clip", {"min": 0, "max": 1})
    np.testing.assert_allclose(card_gives(scale, limits), np.clip((image - low) / (high - low), 0, 1), atol=1e-4)
    window = (Step("clip", {"min": -100, "max": 300}), Step("scale_linear", {"gain": 1 / 400, "offset": 0.25}))
    np.testing.assert_allclose(card_gives(*window), (np.clip(image, -100, 300) + 100) / 400, atol=1e-5)


@pytest.mark.parametrize(
    "steps",
    [
        [Step("scale_linear", {"gain": [1, 2]})],
        [Step("clip", {"min": 0, "max": 255})],
        [Step("binarize", {"threshold": 3})],
        [Step("scale_range", {}), Step("scale_linear", {"gain": 2, "offset": -1})],
        [Step("scale_linear", {"gain": -1})],
        [Step("ensure_dtype", {"dtype": "uint8"})],
        [Step("zero_mean_unit_variance", {"axes": "c"})],
        [Step("custom", {})],
        [Step("clip", {"min": 0, "max": 9}), Step("zero_mean_unit_variance", {})],
    ],
)
def test_what_a_card_cannot_say_is_not_said_wrongly(steps) -> None:
    with pytest.raises(NotInCard):
        normalisation_of(steps, 2, True)


def test_outputs_that_are_no_segmentation_are_not_taken_for_one() -> None:
    assert activation_of([Step("sigmoid", {}), Step("binarize", {"threshold": 0.3})]) == ("sigmoid", 0.3)
    for step in (Step("zero_mean_unit_variance", {}), Step("stardist_postprocessing", {}), Step("scale_range", {})):
        with pytest.raises(NotInCard):
            activation_of([step])


def test_processing_beyond_a_card_opens_without_one_and_says_why(tmp_path) -> None:
    save_weights(tmp_path)
    data = description()
    data["inputs"][0]["preprocessing"] = [{"id": "clip", "kwargs": {"min": 0, "max": 255}}]
    report = inspect_model(package(tmp_path, data))
    assert report.card is None and "cannot be put into a card: limits" in report.warnings[0]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"weights": {"torchscript": {"source": "https://example.org/net.pt"}}}, "lies at an address"),
        ({"weights": {"torchscript": {"source": "../net.pt"}}}, "outside of it"),
        ({"weights": {"torchscript": {"source": "missing.pt"}}}, "is not in the package"),
        ({"weights": {"tensorflow_saved_model_bundle": {"source": "net.zip"}}}, "no format that opens here"),
        ({"weights": {"torchscript": {"source": "net.pt", "sha256": "0" * 64}}}, "SHA-256 differs"),
        ({"inputs": []}, "0 inputs"),
        ({"type": "dataset"}, "a model of format"),
        ({"format_version": "0.3.0"}, "a model of"),
        ({"inputs": [{"axes": "bczyx", "shape": [1, 1, 8, 16, 16]}]}, "2D model"),
        ({"inputs": [{"axes": "bq"}]}, "cannot be understood"),
        ({"inputs": [{"axes": 3}]}, "cannot be understood"),
    ],
)
def test_packages_that_cannot_be_used_say_why(tmp_path, change, word) -> None:
    save_weights(tmp_path)
    with pytest.raises(InputError) as refused:
        open_model(package(tmp_path, description(**change)), device="cpu")
    assert word in refused.value.line() and "\n" not in refused.value.line()


def test_code_in_a_package_is_never_imported(tmp_path) -> None:
    mark = tmp_path / "executed"
    (tmp_path / "unet.py").write_text(f"open({str(mark)!r}, 'w')")
    save_weights(tmp_path)
    data = description()
    data["weights"] = {
        "pytorch_state_dict": {"source": "state.pt", "architecture": {"source": "unet.py", "callable": "N"}}
    }
    torch.save(Edges(), tmp_path / "state.pt")
    with pytest.raises(InputError):
        open_model(package(tmp_path, data), device="cpu")
    assert not mark.exists()


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)),
        "a: &a [*a]",
        "[" * 50_000,
        "!!python/object/apply:os.system ['true']",
        "x: " + "y" * (2 << 20),
        "a: b: c",
        "- 1",
        "\0",
    ],
)
def test_descriptions_made_to_do_harm_are_stopped(tmp_path, text) -> None:
    with pytest.raises(InputError):
        inspect_model(package(tmp_path, text))


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    save_weights(tmp_path)
    (folder / "net.pt").symlink_to(tmp_path / "net.pt")
    with pytest.raises(UnsafeModelError, match="outside of it"):
        open_model(package(folder, description()), device="cpu")


def test_a_right_checksum_passes(tmp_path) -> None:
    save_weights(tmp_path)
    right = hashlib.sha256((tmp_path / "net.pt").read_bytes()).hexdigest()
    data = description(weights={"torchscript": {"source": "net.pt", "sha256": right}})
    assert inspect_model(package(tmp_path, data)).card is not None


def test_a_description_that_contradicts_its_weights_is_refused(tmp_path) -> None:
    from onnx import TensorProto, helper

    shape = ["b", 1, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node("Sigmoid", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    data = description(weights={"onnx": {"source": "net.onnx"}})
    assert inspect_model(package(tmp_path, data)).card is not None
    data["inputs"][0]["axes"][1]["channel_names"] = ["red", "green"]
    with pytest.raises(InputError, match=r"gives in_channels 2, its weights net\.onnx have 1"):
        inspect_model(package(tmp_path, data))
