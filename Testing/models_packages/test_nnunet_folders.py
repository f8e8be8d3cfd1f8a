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
from medseg.errors import InputError, UnsafeModelError
from medseg.models import inspect_model, open_model
from medseg.networks.nnunet import PlannedUNet, SlidingEnsemble, gaussian, steps
from medseg.pipeline import segment
from medseg.volume import Volume

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
        np.testing.assert_allclose(model.run(x.numpy()), wanted.numpy(), atol=1e-5)


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
    assert weights.argmax() == 8 * 24 + 12 and weights.max() == 1 and weights.min() > 0


def test_overlapping_patches_of_a_local_network_give_what_the_whole_gives() -> None:
    torch.manual_seed(0)
    pointwise = torch.nn.Conv2d(1, 2, 1)
    ensemble = SlidingEnsemble([pointwise, pointwise], (16, 24), (0, 1))
    for shape in ((40, 50), (7, 60), (16, 24), (9, 9)):
        x = torch.randn(1, 1, *shape)
        with torch.inference_mode():
            torch.testing.assert_close(ensemble(x), pointwise(x), atol=1e-5, rtol=1e-5)


def test_plans_become_the_card(tmp_path) -> None:
    path = result_folder(tmp_path / "run", [build()])
    report = inspect_model(path)
    size, output = report.card.input.size, report.card.output
    assert (size.mode, size.spacing_mm, size.interpolation, size.antialias) == ("resample", (0.5, 0.75), "cubic", False)
    assert [(label.value, label.name, label.channel) for label in output.labels] == [(1, "duct", 1), (2, "bladder", 2)]
    assert output.activation == "softmax" and output.threshold is None
    assert any("empty border" in warning for warning in report.warnings)
    volume = Volume(
        np.random.default_rng(0).normal(size=(3, 10, 20)).astype(np.float32),
        (1.0, 1.0, 4.0),
        (0.0, 0.0, 0.0),
        np.eye(3),
    )
    with open_model(path, device="cpu") as model:
        assert segment(volume, model).labels.array.shape == (3, 10, 20)


def test_ct_is_limited_and_normalised_by_the_fixed_numbers(tmp_path) -> None:
    network = build()
    path = result_folder(tmp_path / "run", [network], plans(normalization_schemes=["CTNormalization"]))
    x = torch.rand(1, 1, 16, 24) * 400 - 100
    with open_model(path, device="cpu") as model:
        assert model.card.input.normalisation.kind == "none"
        found = model.run(x.numpy())
    with torch.inference_mode():
        wanted = SlidingEnsemble([network], (16, 24), (0, 1))((x.clamp(0, 100) - 40) / 20)
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-4)


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


def test_regions_and_turned_slices_open_without_a_card(tmp_path) -> None:
    regions = {**DATASET, "labels": {"background": 0, "whole": [1, 2], "part": 2}, "regions_class_order": [1, 2]}
    turned = {**plans(), "transpose_forward": [1, 0, 2]}
    for number, (written, dataset) in enumerate(((plans(), regions), (turned, DATASET))):
        report = inspect_model(result_folder(tmp_path / str(number), [build()], written, dataset))
        assert report.card is None and "cannot be put into a card" in report.warnings[0]


def test_folders_of_another_kind_are_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="configuration 3d_fullres"):
        inspect_model(result_folder(tmp_path / "a", [build()], configuration="3d_fullres"))
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
