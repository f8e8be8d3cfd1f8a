"""MONAI bundles: MONAI's own networks in folders and zips, with nothing of their configuration executed."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from medseg.errors import InputError, UnsafeModelError
from medseg.models import inspect_model, open_model
from medseg.models.monai_bundle import architecture_of

nets = pytest.importorskip("monai.networks.nets")

CARD = {
    "schema_version": 1,
    "name": "bundled",
    "plane": "axial",
    "orientation": "PLS",
    "input": {"size": {"mode": "native", "multiple_of": 4}, "normalisation": {"kind": "zscore"}},
    "output": {"activation": "softmax", "labels": [{"value": 1, "name": "ducts"}]},
}
NETWORK = {
    "_target_": "UNet",
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": "@classes",
    "channels": [4, 8, 8],
    "strides": "@settings#strides",
    "num_res_units": 1,
    "norm": "batch",
    "dropout": 0.2,
}
CONFIG = {
    "imports": ["$import glob"],
    "classes": 2,
    "settings": {"strides": [2, 2]},
    "network_def": NETWORK,
    "network": "$@network_def.to(@device)",
    "device": "$torch.device('cpu')",
}
SLICES = np.random.default_rng(5).normal(size=(2, 1, 24, 32)).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(11)
    made = nets.UNet(2, 1, 2, (4, 8, 8), (2, 2), num_res_units=1, norm="batch", dropout=0.2)
    made(torch.randn(2, 1, 16, 16))
    return made.eval()


@pytest.fixture(scope="module")
def expected(network) -> np.ndarray:
    with torch.inference_mode():
        return network(torch.from_numpy(SLICES)).numpy()


def bundle(
    folder: Path,
    network: torch.nn.Module | None,
    config: dict = CONFIG,
    card: dict | None = CARD,
    file: str = "inference.json",
) -> Path:
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    metadata = {"version": "0.1.0", "monai_version": "1.4.0", "name": "test", **({"medseg": card} if card else {})}
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (folder / "configs" / file).write_text(json.dumps(config))
    if network is not None:
        torch.save(network.state_dict(), folder / "models" / "model.pt")
    return folder


def zipped(folder: Path, target: Path, root: str) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(file, root + file.relative_to(folder).as_posix())
    return target


@pytest.mark.parametrize("kind", ["folder", "zip", "zip with a folder", "train.yaml"])
def test_a_bundle_gives_what_its_network_gives(tmp_path, network, expected, kind) -> None:
    # JSON is YAML, so the same text serves for both endings.
    file = kind if kind.endswith("yaml") else "inference.json"
    path = bundle(tmp_path / "bundle", network, file=file)
    if kind.startswith("zip"):
        path = zipped(path, tmp_path / "bundle.zip", "" if kind == "zip" else "bundle-0.1.0/")
    report = inspect_model(path)
    assert (report.format, report.card.name, report.missing) == ("monai_bundle", "bundled", ())
    with open_model(path, device="cpu") as model:
        np.testing.assert_allclose(model.run(SLICES), expected, atol=1e-5)


def test_an_old_layout_with_torchscript_needs_no_configuration(tmp_path, network, expected) -> None:
    path = bundle(tmp_path / "bundle", None, {"network": "$import_and_make()"}, card=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(network, torch.zeros(1, 1, 16, 16)).save(str(path / "models" / "model.ts"))
    report = inspect_model(path)
    assert report.card is None and "under the key medseg" in report.warnings[-1] and report.details["name"] == "test"
    with open_model(path, device="cpu", card=CARD) as model:
        np.testing.assert_allclose(model.run(SLICES), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        ({"_target_": "os.makedirs"}, "not on the list"),
        ({"_target_": "evil.networks.nets.UNet"}, "not on the list"),
        ({"_target_": "SwinUNETR", "spatial_dims": 2}, "not on the list"),
        ({"_target_": "UNet", "spatial_dims": 3}, "2D one"),
        ({"_target_": "UNet"}, "2D one"),
        ({"_target_": "UNet", "spatial_dims": "$2"}, "2D one"),
        ({"_target_": "UNet", "spatial_dims": 2, "channels": "$f()"}, "expression"),
        ({"_target_": "UNet", "spatial_dims": 2, "act": {"_target_": "os.system"}}, "expression"),
        ({"_target_": "UNet", "spatial_dims": 2, "adn_ordering": "AND"}, "adn_ordering"),
    ],
)
def test_networks_that_are_not_on_the_list_are_not_built(entry, word) -> None:
    with pytest.raises(ValueError, match=word):
        architecture_of(entry)


def test_nothing_of_a_configuration_is_executed(tmp_path, network) -> None:
    mark = tmp_path / "executed"
    code = f"$__import__('os').mkdir({str(mark)!r})"
    config = {"imports": [code], "initialize": [code], "network_def": {**NETWORK, "channels": code}, "classes": code}
    path = bundle(tmp_path / "bundle", network, config)
    try:
        open_model(path, device="cpu").close()  # the weights tell the network without it
    except InputError as error:
        assert "\n" not in error.line()
    assert not mark.exists()


@pytest.mark.parametrize(
    "config",
    [
        {"network_def": "@a", "a": "@network_def"},
        {
            "network_def": ["@a"] * 9,
            "a": ["@b"] * 9,
            "b": ["@c"] * 9,
            "c": ["@d"] * 9,
            "d": ["@e"] * 9,
            "e": ["@f"] * 9,
            "f": 1,
        },
    ],
)
def test_references_in_circles_are_stopped(tmp_path, config) -> None:
    with pytest.raises(InputError, match="circles"):
        inspect_model(bundle(tmp_path / "bundle", None, config))


def test_weights_that_do_not_fit_the_named_network_are_refused(tmp_path, network) -> None:
    config = {"network_def": {**NETWORK, "channels": [4, 8, 16], "out_channels": 2, "strides": [2, 2]}}
    with pytest.raises(InputError, match="do not fit"):
        open_model(bundle(tmp_path / "bundle", network, config), device="cpu")


def test_a_pickled_module_as_weights_is_refused(tmp_path, network) -> None:
    path = bundle(tmp_path / "bundle", None)
    torch.save(network, path / "models" / "model.pt")
    with pytest.raises(UnsafeModelError):
        open_model(path, device="cpu")


TRANSFORMS = {
    "image_key": "image",
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "LoadImaged", "keys": "@image_key"},
            {"_target_": "EnsureChannelFirstd", "keys": "@image_key"},
            {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "RAS"},
            {"_target_": "Spacingd", "keys": "@image_key", "pixdim": [0.8, 0.9, -1], "mode": "bilinear"},
            {
                "_target_": "monai.transforms.ScaleIntensityRanged",
                "keys": "@image_key", "a_min": -57, "a_max": 164, "b_min": 0.0, "b_max": 1.0, "clip": True,
            },
        ],
    },
    "inferer": {"_target_": "SliceInferer", "roi_size": [96, 96], "spatial_dim": 2},
    "postprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "Activationsd", "keys": "pred", "softmax": True},
            {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
        ],
    },
}  # fmt: skip


def with_labels(folder: Path) -> Path:
    file = folder / "configs" / "metadata.json"
    metadata = json.loads(file.read_text())
    metadata["network_data_format"] = {"outputs": {"pred": {"channel_def": {"0": "background", "1": "spleen"}}}}
    file.write_text(json.dumps(metadata))
    return folder


def test_transforms_become_the_draft_of_a_card(tmp_path, network) -> None:
    from medseg.card import ModelCard

    path = with_labels(bundle(tmp_path / "b", network, {**CONFIG, **TRANSFORMS}, card=None))
    report = inspect_model(path)
    assert report.missing == () and not any("cannot say" in warning for warning in report.warnings)
    card = ModelCard.from_dict(report.draft)
    # Rows run to the right, columns to the front, slices upwards, as the volume lies after Orientation.
    assert (card.plane, card.orientation) == ("axial", "RAS")
    assert card.input.size.spacing_mm == (0.8, 0.9) and not card.input.size.antialias
    assert (card.input.normalisation.kind, card.input.normalisation.window) == ("window", (-57, 164))
    assert card.output.activation == "softmax" and card.output.labels[0].name == "spleen"
    with open_model(path, card=report.draft, device="cpu") as model:
        assert model.card is not None and model.run(SLICES).shape == (2, 2, 24, 32)


def test_transforms_that_a_card_cannot_say_are_named(tmp_path, network) -> None:
    config = json.loads(json.dumps({**CONFIG, **TRANSFORMS}))
    config["preprocessing"]["transforms"] += [
        {"_target_": "HistogramNormalized", "keys": "image"},
        {"_target_": "ScaleIntensityd", "keys": "image"},
    ]
    del config["inferer"]
    report = inspect_model(with_labels(bundle(tmp_path / "b", network, config, card=None)))
    (line,) = [warning for warning in report.warnings if "cannot say" in warning]
    assert "HistogramNormalized" in line and "ScaleIntensityd" in line and "SliceInferer" in line
    assert {"plane", "orientation"} <= set(report.missing)
