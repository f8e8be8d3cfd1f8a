"""nnU-Net v2 result folders made here in the layout it writes; nothing of nnU-Net is needed or executed."""

from __future__ import annotations

import itertools
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from medseg.card import ModelCard
from medseg.errors import InputError, UnsafeModelError
from medseg.io import write_volume
from medseg.models import inspect_model, open_model
from medseg.models.converting import convert_model
from medseg.models.nnunet_patches import gaussian, steps
from medseg.models.nnunet_plans import read_plans
from medseg.models.nnunet_prepare import PlannedPreparer
from medseg.networks import build_network
from medseg.networks.nnunet import PlannedUNet, SlidingEnsemble
from medseg.pipeline import segment
from medseg.preprocess import SlicePreparer
from medseg.volume import Volume
from scipy import ndimage

KWARGS = {
    "n_stages": 3,
    "features_per_stage": [4, 8, 8],
    "conv_op": "torch.nn.modules.conv.Conv2d",
    "kernel_sizes": [[3, 3]] * 3,
    "strides": [[1, 1], [2, 2], [2, 2]],
    "n_conv_per_stage": [2, 2, 2],
    "n_conv_per_stage_decoder": [2, 2],
    "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
    "norm_op_kwargs": {"eps": 1e-05, "affine": True},
    "dropout_op": None,
    "nonlin": "torch.nn.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}
PACKAGE = "dynamic_network_architectures.architectures.unet."


def plans(residual: bool = False, **changes: object) -> dict:
    kwargs = dict(KWARGS)
    if residual:
        kwargs["n_blocks_per_stage"] = kwargs.pop("n_conv_per_stage")
    configuration = {
        "patch_size": [16, 24],
        "spacing": [0.5, 0.75],
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data_kwargs": {"order": 3, "order_z": 0},
        "architecture": {
            "network_class_name": PACKAGE + ("ResidualEncoderUNet" if residual else "PlainConvUNet"),
            "arch_kwargs": kwargs,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        **changes,
    }
    intensities = {
        "mean": 40.0,
        "std": 20.0,
        "percentile_00_5": 0.0,
        "percentile_99_5": 100.0,
        "min": -5.0,
        "max": 300.0,
    }
    return {
        "plans_name": "nnUNetPlans",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"2d": configuration},
        "foreground_intensity_properties_per_channel": {"0": intensities},
    }


DATASET = {
    "channel_names": {"0": "MRI"},
    "labels": {"background": 0, "duct": 1, "bladder": 2},
    "file_ending": ".nii.gz",
}


def build(residual: bool = False, seed: int = 0) -> PlannedUNet:
    torch.manual_seed(seed)
    network = PlannedUNet(1, 3, [4, 8, 8], [(3, 3)] * 3, [(1, 1), (2, 2), (2, 2)], [2, 2, 2], [2, 2], residual=residual)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return network.eval()


def checkpoint(network: PlannedUNet, configuration: str = "2d") -> dict:
    """As nnU-Net's trainer writes it: each tensor under all its names, an optimizer, numpy numbers in the log."""
    weights = network.state_dict()
    for name, tensor in list(weights.items()):
        if name.startswith("encoder."):
            weights["decoder." + name] = tensor
        for kind, number in (("conv", 0), ("norm", 1)):
            if f".{kind}." in name:
                weights[name.replace(f".{kind}.", f".all_modules.{number}.")] = tensor
    return {
        "network_weights": weights,
        "optimizer_state": {"state": {0: {"momentum_buffer": torch.zeros(3)}}},
        "grad_scaler_state": None,
        "logging": {"mean_fg_dice": [np.float64(0.5)], "lrs": [0.01]},
        "_best_ema": np.float64(0.5),
        "current_epoch": 3,
        "trainer_name": "nnUNetTrainer",
        "init_args": {"configuration": configuration, "fold": 0, "plans": plans(), "dataset_json": DATASET},
        "inference_allowed_mirroring_axes": (0, 1),
    }


def result_folder(
    folder: Path, networks: list[PlannedUNet], written: dict | None = None, dataset: dict = DATASET, **options: str
) -> Path:
    for fold, network in enumerate(networks):
        (folder / f"fold_{fold}").mkdir(parents=True)
        torch.save(checkpoint(network, **options), folder / f"fold_{fold}" / "checkpoint_final.pth")
    (folder / "plans.json").write_text(json.dumps(written or plans()))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    return folder


@pytest.mark.parametrize("residual", [False, True])
def test_folds_and_mirrors_are_averaged(tmp_path, residual) -> None:
    networks = [build(residual, seed) for seed in range(2)]
    path = result_folder(tmp_path / "nnUNetTrainer__nnUNetPlans__2d", networks, plans(residual))
    # A slice of exactly one patch: what the predictor gives is the plain mean over folds and flips.
    x = torch.randn(2, 1, 16, 24)
    flips = [axes for count in range(3) for axes in itertools.combinations((2, 3), count)]
    with torch.inference_mode():
        wanted = torch.stack([network(x.flip(axes)).flip(axes) for network in networks for axes in flips]).mean(0)
    report = inspect_model(path)
    assert report.format == "nnunet" and len(report.details["folds"]) == 2 and report.missing == ()
    assert report.parameters == sum(parameter.numel() for parameter in networks[0].parameters())
    with open_model(path, device="cpu") as model:
        found = model.run(x.numpy())
    # Sums are kept in half precision, as nnU-Net keeps them: coarse in the corners, where weights are tiny.
    inner = np.broadcast_to(gaussian((16, 24)) > 0.01, found.shape)
    np.testing.assert_allclose(found[inner], wanted.numpy()[inner], rtol=4e-3, atol=1e-3)


def test_a_zip_gives_the_same_as_its_folder(tmp_path) -> None:
    path = result_folder(tmp_path / "run", [build()])
    with zipfile.ZipFile(tmp_path / "run.zip", "w") as archive:
        for file in sorted(item for item in path.rglob("*") if item.is_file()):
            archive.write(file, "run/" + file.relative_to(path).as_posix())
    x = np.random.default_rng(0).normal(size=(1, 1, 20, 40)).astype(np.float32)
    with open_model(path, device="cpu") as first, open_model(tmp_path / "run.zip", device="cpu") as second:
        np.testing.assert_array_equal(first.run(x), second.run(x))


def test_the_network_has_the_names_of_nnunets_checkpoints() -> None:
    """Names as in published checkpoints of nnU-Net v2 (PlainConvUNet and ResidualEncoderUNet)."""
    plain, residual = set(build().state_dict()), set(build(True).state_dict())
    assert {
        "encoder.stages.0.0.convs.0.conv.weight",
        "encoder.stages.2.0.convs.1.norm.bias",
        "decoder.stages.1.convs.0.conv.bias",
        "decoder.transpconvs.0.weight",
        "decoder.seg_layers.1.bias",
    } <= plain
    assert {
        "encoder.stem.convs.0.conv.weight",
        "encoder.stages.1.blocks.0.conv1.conv.weight",
        "encoder.stages.1.blocks.0.skip.1.conv.weight",
        "encoder.stages.2.blocks.1.conv2.norm.weight",
    } <= residual
    # The third stage is as wide as the second: it pools, and projects nothing.
    assert not any(name.startswith("encoder.stages.2.blocks.0.skip") for name in residual)


def test_patches_lie_as_in_nnunet() -> None:
    assert steps(110, 64) == [0, 23, 46]  # the example in nnU-Net's own source
    assert steps(64, 64) == [0] and steps(65, 64) == [0, 1] and steps(128, 64) == [0, 32, 64]
    weights = gaussian((16, 24))
    assert weights.argmax() == 8 * 24 + 12 and weights.max() == 10 and weights.min() > 0


def test_overlapping_patches_of_a_local_network_give_what_the_whole_gives() -> None:
    torch.manual_seed(0)
    pointwise = torch.nn.Conv2d(1, 2, 1)
    ensemble = SlidingEnsemble([pointwise, pointwise], (16, 24), (0, 1))
    for shape in ((40, 50), (7, 60), (16, 24), (9, 9)):
        x = torch.randn(1, 1, *shape)
        with torch.inference_mode():
            torch.testing.assert_close(ensemble(x).float(), pointwise(x), atol=4e-3, rtol=0.1)


def test_plans_become_the_card(tmp_path) -> None:
    path = result_folder(tmp_path / "run", [build()])
    report = inspect_model(path)
    size, output = report.card.input.size, report.card.output
    assert (size.mode, size.spacing_mm, size.interpolation, size.antialias) == ("resample", (0.5, 0.75), "cubic", False)
    assert [(label.value, label.name, label.channel) for label in output.labels] == [(1, "duct", 1), (2, "bladder", 2)]
    assert output.activation == "softmax" and output.threshold is None
    assert report.warnings == []
    volume = Volume(
        np.random.default_rng(0).normal(size=(3, 10, 20)).astype(np.float32),
        (1.0, 1.0, 4.0),
        (0.0, 0.0, 0.0),
        np.eye(3),
    )
    with open_model(path, device="cpu") as model:
        assert segment(volume, model).labels.array.shape == (3, 10, 20)


def volume_of(array: np.ndarray, spacing: tuple[float, float, float] = (0.75, 0.5, 3.0)) -> Volume:
    return Volume(array.astype(np.float32), spacing, (0.0, 0.0, 0.0), np.eye(3))


def preparer_for(written: dict, *arrays: np.ndarray, dataset: dict = DATASET, **more: object) -> PlannedPreparer:
    plan = read_plans(written, dataset)
    return PlannedPreparer(plan, [volume_of(array, **more) for array in arrays], None)


def test_ct_is_limited_and_normalised_by_the_fixed_numbers(tmp_path) -> None:
    written = plans(normalization_schemes=["CTNormalization"])
    array = np.random.default_rng(1).uniform(-100, 300, (2, 16, 24))
    preparer = preparer_for(written, array)
    np.testing.assert_allclose(preparer.prepare(1)[0], (array[1].clip(0, 100) - 40) / 20, atol=1e-5)
    # The card says the same, for a model that is converted from this one.
    card = inspect_model(result_folder(tmp_path / "run", [build()], written)).card
    alone = SlicePreparer([volume_of(array)], card)
    np.testing.assert_allclose(alone.prepare(1)[0], preparer.prepare(1)[0], atol=1e-5)


def test_the_empty_border_is_left_out_and_comes_back_as_background() -> None:
    array = np.zeros((6, 30, 40), np.float32)
    array[1:4, 5:21, 7:31] = np.random.default_rng(0).uniform(1, 9, (3, 16, 24))
    preparer = preparer_for(plans(), array)
    assert list(preparer.indices) == [1, 2, 3] and preparer.network_shape == (16, 24)
    inside = array[1:4, 5:21, 7:31]
    np.testing.assert_allclose(preparer.prepare(2)[0], (inside[1] - inside.mean()) / inside.std(), atol=1e-5)
    back = preparer.restore(np.stack([np.zeros((16, 24)), np.full((16, 24), 3.0), np.zeros((16, 24))]), [0, 1])
    assert back.shape == (2, 30, 40) and back[0, 0, 0] == 1 and back[1, 0, 0] == 0
    np.testing.assert_allclose(back[1, 5:21, 7:31], np.exp(3) / (np.exp(3) + 2), atol=1e-6)


def test_inside_the_body_alone_where_the_plans_say_so() -> None:
    array = np.random.default_rng(0).uniform(1, 9, (3, 16, 24)).astype(np.float32)
    array[:, :4, :6] = 0
    array[1, 9, 9] = 0  # a hole in the body counts as body
    preparer = preparer_for(plans(use_mask_for_norm=[True]), array)
    body = np.ones(array.shape, bool)
    body[:, :4, :6] = False
    wanted = np.where(body, (array - array[body].mean()) / array[body].std(), array)
    np.testing.assert_allclose(preparer.prepare(1)[0], wanted[1], atol=1e-5)


def test_each_channel_is_normalised_in_its_own_way() -> None:
    dataset = {**DATASET, "channel_names": {"0": "CT", "1": "T2"}}
    written = plans(normalization_schemes=["CTNormalization", "ZScoreNormalization"], use_mask_for_norm=[False, False])
    rng = np.random.default_rng(0)
    first, second = rng.uniform(-50, 200, (2, 16, 24)), rng.uniform(1, 2, (2, 16, 24))
    preparer = preparer_for(written, first, second, dataset=dataset)
    np.testing.assert_allclose(preparer.prepare(0)[0], (first[0].clip(0, 100) - 40) / 20, atol=1e-5)
    np.testing.assert_allclose(preparer.prepare(0)[1], (second[0] - second.mean()) / second.std(), atol=1e-4)
    with pytest.raises(InputError, match="CT, T2"):
        preparer_for(written, first, dataset=dataset)


@pytest.mark.parametrize(
    ("spacing", "separate"),
    [((1.0, 1.3, 1.4), None), ((1.0, 1.3, 5.0), 0), ((1.0, 6.0, 1.0), 1), ((6.0, 1.0, 1.0), 2)],
)
def test_slices_are_resampled_as_the_whole_volume_is(spacing, separate) -> None:
    """Against scikit-image on the whole volume at once, which is what nnU-Net calls."""
    skimage = pytest.importorskip("skimage.transform")
    rng = np.random.default_rng(3)
    array = ndimage.gaussian_filter(rng.normal(size=(7, 22, 30)), 1).astype(np.float32)
    preparer = preparer_for(plans(normalization_schemes=["NoNormalization"]), array, spacing=spacing)
    rows, columns = preparer.network_shape
    found = np.concatenate([preparer.prepare(number) for number in range(7)])
    options = {"order": 3, "mode": "edge", "anti_aliasing": False}
    wide = array.astype(np.float64)
    if separate is None:
        wanted = skimage.resize(wide, (7, rows, columns), **options)
    elif separate == 0:
        wanted = np.stack([skimage.resize(plane, (rows, columns), **options) for plane in wide])
    else:
        fine = (7, columns) if separate == 1 else (7, rows)
        planes = [skimage.resize(plane, fine, **options) for plane in np.moveaxis(wide, separate, 0)]
        count, have = (rows, 22) if separate == 1 else (columns, 30)
        nearest = [min(have - 1, int(have / count * (n + 0.5))) for n in range(count)]
        wanted = np.moveaxis(np.stack(planes)[nearest], 0, separate)
    np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_raw_outputs_are_resampled_and_not_probabilities() -> None:
    preparer = preparer_for(plans(), np.random.default_rng(0).normal(size=(2, 8, 12)), spacing=(1.5, 1.0, 3.0))
    assert preparer.network_shape == (16, 24)
    raw = np.zeros((3, 16, 24), np.float32)
    raw[1, :, 12:] = 40.0
    raw[0, :, :12] = 4.0
    back = preparer.restore(raw)
    # Half-way the raw outputs would be 2 and 20; the probabilities would be even.
    assert back.shape == (3, 8, 12) and back[1, 4, 6] > 0.99


def test_turned_slices_run_along_the_axis_of_the_plans(tmp_path) -> None:
    path = result_folder(tmp_path / "run", [build()], {**plans(), "transpose_forward": [1, 0, 2]})
    array = np.random.default_rng(0).normal(size=(16, 3, 24)).astype(np.float32)
    straight = result_folder(tmp_path / "straight", [build()])
    report = inspect_model(path)
    assert any("stored j axis" in warning for warning in report.warnings)
    with open_model(path, device="cpu") as turned, open_model(straight, device="cpu") as usual:
        found = segment(volume_of(array, (0.75, 3.0, 0.5)), turned).labels.array
        wanted = segment(volume_of(array.transpose(1, 0, 2), (0.75, 0.5, 3.0)), usual).labels.array
    assert found.any()
    np.testing.assert_array_equal(found, wanted.transpose(1, 0, 2))


def test_regions_are_painted_over_each_other(tmp_path) -> None:
    regions = {
        **DATASET,
        "labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "rim": 3},
        "regions_class_order": [1, 2, 5],
    }
    path = result_folder(tmp_path / "run", [build()], None, regions)
    with open_model(path, device="cpu") as model:
        model.run = lambda batch: np.broadcast_to(  # raw outputs of three regions, in stripes
            np.repeat(np.array([[-1, 1, 1, 1], [-1, -1, 1, 1], [-1, -1, -1, 1]], np.float32) * [[2], [1], [4]], 6, 1)[
                None, :, None
            ],
            (len(batch), 3, 16, 24),
        )
        found = segment(volume_of(np.random.default_rng(0).normal(size=(2, 16, 24))), model)
    assert [np.unique(found.labels.array[..., column]).tolist() for column in (2, 8, 14, 20)] == [[0], [1], [2], [5]]
    assert [segment.name for segment in found.segments] == ["whole", "core", "rim"]


def test_older_plans_are_read(tmp_path) -> None:
    old = {
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 4,
        "unet_max_num_features": 8,
        "conv_kernel_sizes": [[3, 3]] * 3,
        "pool_op_kernel_sizes": [[1, 1], [2, 2], [2, 2]],
        "n_conv_per_stage_encoder": [2, 2, 2],
        "n_conv_per_stage_decoder": [2, 2],
    }
    written = plans(**old)
    del written["configurations"]["2d"]["architecture"]
    open_model(result_folder(tmp_path / "run", [build()], written), device="cpu").close()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"patch_size": [8, 16, 16]}, "two dimensions"),
        ({"spacing": [0, 1]}, "no spacing"),
        ({"architecture": 3}, "understood"),
        ({"architecture": {"network_class_name": "os.makedirs", "arch_kwargs": {}}}, "not on the list"),
        (
            {
                "architecture": {
                    "network_class_name": PACKAGE + "PlainConvUNet",
                    "arch_kwargs": {**KWARGS, "conv_op": "os.system"},
                }
            },
            "conv_op",
        ),
        (
            {
                "architecture": {
                    "network_class_name": PACKAGE + "PlainConvUNet",
                    "arch_kwargs": {**KWARGS, "features_per_stage": [1 << 30] * 3},
                }
            },
            "no number",
        ),
        (
            {
                "architecture": {
                    "network_class_name": PACKAGE + "PlainConvUNet",
                    "arch_kwargs": {**KWARGS, "n_stages": 2},
                }
            },
            "different numbers",
        ),
    ],
)
def test_plans_that_cannot_be_built_say_why(tmp_path, change, word) -> None:
    with pytest.raises(InputError, match=word):
        open_model(result_folder(tmp_path / "run", [build()], plans(**change)), device="cpu")


def test_what_the_plans_leave_open_is_refused(tmp_path) -> None:
    unordered = {**DATASET, "labels": {"background": 0, "whole": [1, 2], "part": 2}}
    with pytest.raises(InputError, match="no order"):
        inspect_model(result_folder(tmp_path / "a", [build()], None, unordered))
    other = plans(resampling_fn_data="resample_torch_fornnunet")
    with pytest.raises(InputError, match="resamples with"):
        inspect_model(result_folder(tmp_path / "b", [build()], other))
    with pytest.raises(InputError, match="normalisation"):
        inspect_model(result_folder(tmp_path / "c", [build()], plans(normalization_schemes=["MineOwn"])))


def test_folds_are_chosen_as_nnunet_chooses_them(tmp_path) -> None:
    path = result_folder(tmp_path / "run", [build()])
    for name in ("fold_all/checkpoint_final.pth", "fold_1/checkpoint_best.pth"):
        (path / name).parent.mkdir()
        torch.save(checkpoint(build(seed=1)), path / name)
    assert inspect_model(path).details["folds"] == ["fold_0/checkpoint_final.pth"]


def test_a_configuration_that_inherits_is_read(tmp_path) -> None:
    written = plans()
    written["configurations"]["2d_small"] = {"inherits_from": "2d", "patch_size": [16, 16]}
    path = result_folder(tmp_path / "run", [build()], written, configuration="2d_small")
    assert inspect_model(path).details["patch_size"] == [16, 16]


def test_folders_of_another_kind_are_refused(tmp_path) -> None:
    whole = plans()
    whole["configurations"]["3d_fullres"] = {**whole["configurations"]["2d"], "spacing": [1] * 3, "patch_size": [8] * 3}
    with pytest.raises(InputError, match="configuration 3d_fullres is not of two dimensions"):
        inspect_model(result_folder(tmp_path / "a", [build()], whole, configuration="3d_fullres"))
    with pytest.raises(InputError, match="no fold"):
        inspect_model(empty(tmp_path / "d"))
    with pytest.raises(InputError, match="does not fit the plans"):
        open_model(result_folder(tmp_path / "e", [build(True)]), device="cpu")


def empty(folder: Path) -> Path:
    folder.mkdir()
    (folder / "plans.json").write_text(json.dumps(plans()))
    (folder / "dataset.json").write_text(json.dumps(DATASET))
    return folder


class Payload:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_a_payload_in_a_checkpoint_is_not_executed(tmp_path) -> None:
    path = result_folder(tmp_path / "run", [build()])
    torch.save(
        {**checkpoint(build()), "logging": Payload(tmp_path / "executed")}, path / "fold_0" / "checkpoint_final.pth"
    )
    with pytest.raises(UnsafeModelError, match="mkdir"):
        open_model(path, device="cpu")
    assert not (tmp_path / "executed").exists()


def test_volumes_are_turned_to_ras_where_nnunets_reader_does_so() -> None:
    written = {**plans(normalization_schemes=["NoNormalization"]), "image_reader_writer": "NibabelIOWithReorient"}
    array = np.random.default_rng(0).normal(size=(3, 16, 24)).astype(np.float32)
    # LPS as stored: columns run to the left and rows to the back, so both are turned round.
    preparer = preparer_for(written, array)
    np.testing.assert_allclose(preparer.prepare(1)[0], array[1, ::-1, ::-1], atol=1e-6)


@pytest.fixture(scope="module")
def shaped() -> Volume:
    """A volume that is coarser than the plans want, with an empty border, larger than a patch."""
    array = np.zeros((6, 30, 44), np.float32)
    smooth = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=(4, 24, 38)), 1.5)
    array[1:5, 3:27, 2:40] = 1 + smooth / smooth.std()
    return volume_of(array, (1.1, 0.8, 3.0))


@pytest.mark.parametrize(("suffix", "residual"), [(".onnx", False), (".pt2", False), (".safetensors", True)])
def test_a_folder_becomes_one_file_that_prepares_volumes_by_the_plans(tmp_path, shaped, suffix, residual) -> None:
    path = result_folder(
        tmp_path / "run",
        [build(residual, seed) for seed in range(2)],
        plans(residual, normalization_schemes=["ZScoreNormalization"], use_mask_for_norm=[True]),
    )
    out = tmp_path / f"one{suffix}"
    done = convert_model(path, out)
    assert done.largest_probability_difference is not None and done.largest_probability_difference <= 1e-5
    assert done.slices[2:] == (16, 24)  # compared patch by patch
    report = inspect_model(out)
    assert report.card is not None and report.card.preparation["mirroring_axes"] == [0, 1] and report.missing == ()
    assert "optimizer" not in report.card.to_json() and "fingerprint" not in report.card.to_json()
    with open_model(path, device="cpu") as folder, open_model(out, device="cpu") as single:
        wanted, found = segment(shaped, folder), segment(shaped, single)
        with open_model(out, card=small_words(), device="cpu") as named:  # a card without the plans
            assert [s.name for s in segment(shaped, named).segments] == ["mine", "yours"]
    assert len(np.unique(wanted.labels.array)) >= 2
    # Folds are averaged before the sums in half precision and not after: undecided voxels may fall to the other side.
    assert (wanted.labels.array == found.labels.array).mean() >= 0.9995
    assert not found.labels.array[0].any() and not found.labels.array[:, :, :2].any()


def small_words() -> dict:
    return {
        "schema_version": 1,
        "name": "mine",
        "plane": "acquisition",
        "orientation": None,
        "input": {"size": {"mode": "native"}, "normalisation": {"kind": "none"}},
        "output": {"activation": "softmax", "labels": [{"value": 1, "name": "mine"}, {"value": 2, "name": "yours"}]},
    }


def test_what_a_bundle_cannot_do_and_what_does_not_fit_is_refused(tmp_path) -> None:
    path = result_folder(tmp_path / "run", [build()])
    with pytest.raises(InputError, match="MONAI bundle cannot prepare volumes as nnU-Net does; choose ONNX"):
        convert_model(path, tmp_path / "bundle")
    convert_model(path, tmp_path / "one.safetensors")
    card = inspect_model(tmp_path / "one.safetensors").card.to_dict()
    other = json.loads(json.dumps(card))
    other["preparation"]["dataset"]["labels"]["more"] = 3
    with pytest.raises(InputError, match="4 outputs"):
        open_model(tmp_path / "one.safetensors", card=other, device="cpu")
    other["preparation"]["plans"] = {"configurations": {"2d": {"patch_size": 1}}}
    with pytest.raises(InputError, match="preparation cannot be used"):
        open_model(tmp_path / "one.safetensors", card=other, device="cpu")
    card["architecture"]["arguments"]["members"] = 1 << 30
    with pytest.raises(InputError, match="members"):
        build_network(ModelCard.from_dict(card).architecture)
    card["architecture"]["arguments"] |= {"members": 1, "widths": [1 << 30] * 3}
    with pytest.raises(InputError, match="nnunet"):
        build_network(ModelCard.from_dict(card).architecture)


def test_int8_measures_its_ranges_on_patches(tmp_path, shaped) -> None:
    pytest.importorskip("onnxruntime.quantization")
    path = result_folder(tmp_path / "run", [build()])
    (tmp_path / "cases").mkdir()
    write_volume(shaped, tmp_path / "cases" / "a.nii.gz")
    out = tmp_path / "small.onnx"
    done = convert_model(path, out, precision="int8", cases=tmp_path / "cases", force=True)
    assert done.loss is not None and done.loss["points"]["dice"] < 20
    with open_model(out, device="cpu") as model:
        assert model.card is not None and model.card.preparation and segment(shaped, model).labels.array.any()
