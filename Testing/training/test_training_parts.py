"""Known answers of the parts: networks and their sizes, schedules, averages, compilation, what is written down."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from medseg.card import Architecture
from medseg.errors import InputError, MissingPackageError
from medseg.networks import build_network, known_network
from medseg_training.compiling import compiled
from medseg_training.config import Config, Optimiser, load_config, parse_config
from medseg_training.data.settings import DataSettings
from medseg_training.device import choose_device, choose_precision, numerics
from medseg_training.display import Display
from medseg_training.journal import PREDICTION, REFERENCE, MLflow, flat, overlay
from medseg_training.networks import each_output, exported_weights, training_network
from medseg_training.optimisation import Average, build_optimiser, clip_gradient
from medseg_training.randomness import Randomness, mix
from medseg_training.reference import keys, reference
from medseg_training.rundir import RunDirectory
from medseg_training.schedule import Plateau, rate
from medseg_training.training import train
from rich.console import Console
from torch import nn
from training_cases import small_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("name", "channels", "parameters", "statistics"),
    [
        ("unet2d_b", 1, 7_762_401, 2_880),  # the report's 7,765,281, of which 7,762,401 trainable
        ("unet2d-b-deep", 1, 31_105_825 - 5_952, 5_952),  # the report's 31,105,825 in all
        ("unet2d_e", 3, 466_529, 0),  # lung fields, 128×128×3
        ("unet2d-32", 1, 7_762_465, 5_888),
        ("UNet2d-16", 3, 1_942_577, 2_944),
    ],
)
def test_presets_have_the_sizes_of_the_networks_they_stand_for(
    name: str, channels: int, parameters: int, statistics: int
) -> None:
    known = known_network(name)
    network = build_network(Architecture(known.name, {**known.arguments, "in_channels": channels, "out_channels": 1}))
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert sum(b.numel() for n, b in network.named_buffers() if "running" in n) == statistics


@pytest.mark.parametrize("name", ["BasicUNet", "AttentionUnet", "DynUNet", "UNet++"])
def test_networks_of_monai_have_names(name: str) -> None:
    """That their numbers and weights are MONAI's is tested in Testing/models/test_monai_networks.py."""
    known = known_network(name)
    network = build_network(Architecture(known.name, {"in_channels": 1, "out_channels": 2})).eval()
    assert network(torch.zeros(1, 1, 32, 32)).shape == (1, 2, 32, 32)


def test_a_network_nobody_knows_is_refused_with_the_nearest(ellipsoids: Path) -> None:
    with pytest.raises(InputError, match=r"network\.name.*no network 'unet2d-bb'; did you mean unet2d-b\?"):
        parse_config(small_settings(ellipsoids, network={"name": "unet2d-bb"}))


@pytest.mark.parametrize(
    ("name", "arguments", "outputs"),
    [
        ("unet2d", {"widths": [4, 8, 16, 32]}, 2),
        ("unet2d_b", {"depth": 3}, 2),
        ("DynUNet", {"filters": [4, 8, 16, 32]}, 3),
        ("UNet++", {"features": [4, 4, 8, 8, 16, 4]}, 4),
    ],
)
def test_deep_supervision_learns_from_every_level_and_exports_the_main_one(
    ellipsoids: Path, name: str, arguments: dict[str, Any], outputs: int
) -> None:
    given = {"name": name, "arguments": arguments, "deep_supervision": True}
    config = parse_config(small_settings(ellipsoids, network=given))
    network = training_network(config)
    x = torch.randn(2, 3, 64, 64)
    many = network(x)
    assert many.shape == (2, outputs, 1, 64, 64)
    parts = each_output(many)
    assert [w / parts[0][0] for w, _ in parts] == [0.5**n for n in range(outputs)]
    assert sum(w for w, _ in parts) == pytest.approx(1)
    many.square().sum().backward()
    assert all(p.grad is not None for n, p in network.named_parameters())
    network.eval()
    main = network(x)
    plain = parse_config(small_settings(ellipsoids, network={**given, "deep_supervision": False}))
    exported = training_network(plain)
    exported.load_state_dict(exported_weights(config, network.state_dict()))
    assert torch.equal(exported.eval()(x), main)


def test_deep_supervision_of_a_network_without_it_is_refused(ellipsoids: Path) -> None:
    given = {"name": "AttentionUnet", "deep_supervision": True}
    with pytest.raises(InputError, match="no deep supervision here"):
        training_network(parse_config(small_settings(ellipsoids, network=given)))


@pytest.mark.parametrize(
    ("schedule", "at_half", "at_end"),
    [("cosine", 0.505, 0.01), ("poly", 0.5**0.9, 0.0), ("constant", 1.0, 1.0), ("plateau", 0.25, 0.25)],
)
def test_the_learning_rate_rises_and_follows_its_schedule(schedule: Any, at_half: float, at_end: float) -> None:
    settings = Optimiser(learning_rate=2.0, warm_up=0.2, schedule=schedule)
    assert [rate(s, settings, 2) for s in (0, 0.1, 0.2 - 1e-12)] == pytest.approx([0.2, 1.0, 2.0])
    assert rate(0.6, settings, 2) == pytest.approx(2 * at_half)
    assert rate(1.0, settings, 2) == pytest.approx(2 * at_end)


def test_a_plateau_is_told_by_the_looks_without_gain_and_remembered() -> None:
    plateau = Plateau(2)
    for figure, expected in ((0.5, 0), (0.4, 0), (math.nan, 1), (0.6, 1), (0.6, 1), (0.6, 2), (0.7, 2)):
        plateau.look(figure)
        assert plateau.reductions == expected
    again = Plateau(2)
    again.load_state_dict(plateau.state_dict())
    assert again == plateau


def test_the_average_follows_its_formula_and_counts_batches() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1))
    average = Average(network, 0.9)
    expected = 0.0
    for count in range(30):
        with torch.no_grad():
            network[0].weight.fill_(float(count))
            network[1].num_batches_tracked.fill_(count)
        average.update(network)
        keep = 0.0 if count == 0 else min(0.9, (1 + count) / (10 + count))
        expected = keep * expected + (1 - keep) * count
    assert float(average.module[0].weight) == pytest.approx(expected, rel=1e-5)
    assert int(average.module[1].num_batches_tracked) == 29
    again = Average(network, 0.9)
    again.load_state_dict(average.state_dict())
    assert again.count == 30


def test_weights_decay_and_scales_do_not_and_long_gradients_are_cut() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    optimiser = build_optimiser(network, Optimiser(weight_decay=0.1))
    assert [(g["weight_decay"], len(g["params"])) for g in optimiser.param_groups] == [(0.1, 1), (0.0, 3)]
    assert optimiser.defaults["fused"]
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 3.0)
    clip_gradient(network, 0.5)
    assert math.sqrt(sum(float(p.grad.square().sum()) for p in network.parameters() if p.grad is not None)) == (
        pytest.approx(0.5, rel=1e-4)
    )


def _trial(network: nn.Module) -> torch.Tensor:
    return network(torch.ones(2, 1, 8, 8)).square().sum()


@pytest.mark.parametrize(("backend", "works"), [("aot_eager", True), ("no such compiler", False)])
def test_compiling_leaves_no_trace_and_says_where_it_fails(backend: str, works: bool) -> None:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5))
    randomness = Randomness(0, torch.device("cpu"))
    before = {name: t.clone() for name, t in network.state_dict().items()}
    state = torch.get_rng_state()
    fast, why = compiled(network, _trial, randomness, backend=backend)
    assert (fast is not network) == works and (why is None) == works
    assert why is None or "no such compiler" in why
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state) and all(p.grad is None for p in network.parameters())
    network.eval()
    x = torch.randn(2, 1, 8, 8)
    assert torch.allclose(fast(x), network(x))


def test_places_have_seeds_of_their_own() -> None:
    seeds = {mix(seed, epoch, rank) for seed in (-1, 0, 1) for epoch in range(50) for rank in range(4)}
    assert len(seeds) == 600 and all(0 <= s < 2**63 for s in seeds)


def test_devices_that_are_not_there_are_refused_in_words() -> None:
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="no device 'gpu'"):
        choose_device("gpu")
    if not torch.cuda.is_available():
        assert choose_device("auto").type in ("cpu", "mps")
        with pytest.raises(InputError, match="CUDA"):
            choose_device("cuda:1")
    assert choose_precision("auto", torch.device("cpu"), deterministic=True) == "fp32"
    assert choose_precision("bf16", torch.device("cpu"), deterministic=True) == "bf16"


def test_strictness_ends_with_the_training() -> None:
    with numerics(torch.device("cpu"), deterministic=True):
        assert torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.benchmark
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_deterministic_run_does_not_end_by_the_clock(ellipsoids: Path) -> None:
    with pytest.raises(InputError, match="ends by the clock cannot be repeated"):
        parse_config(small_settings(ellipsoids, deterministic=True, budget={"max_minutes": 3}))


def test_tensorboard_reads_loss_dice_and_pictures_also_of_a_run_taken_up(ellipsoids: Path, tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    changes: dict[str, Any] = {"split": {"validate_on": ["p4"]}, "validation": {"every_epochs": 1}}
    for epochs in (1, 2):
        changes["budget"] = {"epochs": epochs, "steps_per_epoch": 2}
        train(parse_config(small_settings(ellipsoids, **changes)), tmp_path, quiet=True)
        if epochs == 1:  # TensorBoard orders files by the second in their names: the first sitting was long ago
            (written_first,) = (tmp_path / "tensorboard").glob("events.out.tfevents.*")
            _, rest = written_first.name.removeprefix("events.out.tfevents.").split(".", 1)
            written_first.rename(written_first.with_name(f"events.out.tfevents.1000000000.{rest}"))
    seen = reading.EventAccumulator(str(tmp_path / "tensorboard"))
    seen.Reload()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
    for name in ("loss", "validation/dice/1"):
        written = [(line["step"], pytest.approx(flat(line)[name], rel=1e-6)) for line in lines]
        assert [(e.step, e.value) for e in seen.Scalars(name)] == written
    assert [e.step for e in seen.Images("validation/a_p4")] == [2, 4]


def test_mlflow_gets_parameters_and_figures(ellipsoids: Path, tmp_path: Path) -> None:
    config = parse_config(small_settings(ellipsoids, mlflow=str(tmp_path / "ml")))
    run = RunDirectory(tmp_path / "run")
    run.create()
    try:
        journal = MLflow(str(tmp_path / "ml"), config, run)
    except MissingPackageError as error:
        assert "medseg[mlflow]" in str(error)
        pytest.skip("mlflow is not installed")
    journal.epoch({"step": 2, "loss": 0.5, "validation": {"dice": {"1": 0.25}}})
    journal.close()
    client, number = journal._client, journal._run
    assert client.get_run(number).data.params["optimiser/learning_rate"] == "0.003"
    assert client.get_run(number).data.metrics["validation/dice/1"] == 0.25
    assert MLflow(str(tmp_path / "ml"), config, run)._run == number  # taken up, not begun anew


def test_numbers_are_flattened_and_outlines_drawn() -> None:
    assert flat({"a": 1, "b": {"c": 0.5, "d": math.nan, "e": None}}) == {"a": 1, "b/c": 0.5}
    reference, prediction = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    reference[1:5, 1:5] = 1
    prediction[2:7, 2:7] = 1
    picture = overlay(np.arange(64.0).reshape(8, 8), reference, prediction)
    assert tuple(picture[1, 1]) == REFERENCE and tuple(picture[6, 6]) == PREDICTION
    assert len(set(picture[3, 3].tolist())) == 1  # inside: the slice in grey
    assert picture[0, 0].tolist() == [0, 0, 0] and picture[7, 7].tolist() == [255, 255, 255]


def test_the_live_view_says_where_the_run_is(ellipsoids: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"split": {"validate_on": ["p4"]}, "validation": {"every_epochs": 1}}
    config = parse_config(small_settings(ellipsoids, **changes))
    views: list[str] = []
    from medseg_training import training

    class Watched(Display):
        def epoch(self, trainer: Any) -> None:
            super().epoch(trainer)
            console = Console(width=90, record=True, file=(tmp_path / "screen").open("a"))
            console.print(self.view())
            views.append(console.export_text())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "Display", Watched)
        train(config, tmp_path / "run", quiet=True)
    last = views[-1].splitlines()
    assert last[0].startswith("epoch 2/2") and "2/2  loss 0." in last[0]
    assert last[1].startswith("run") and "100%" in last[1] and "slices/s" in last[1]
    dice = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[1])["validation"]["dice"]["1"]
    assert last[3].split()[:2] == ["ellipsoid", f"{dice:.4f}"]
    assert "epoch 2  " in (tmp_path / "run" / "log.txt").read_text(encoding="utf-8")


def test_the_reference_of_the_configuration_is_the_configuration() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == reference(), (
        "renew it: python -m medseg_training.reference > docs/configuration.md"
    )


def test_every_key_of_the_loop_is_explained() -> None:
    ours = set(Config.model_fields) - set(DataSettings.model_fields)
    sections = ("network.", "split.", "optimiser.", "sampling.", "budget.", "validation.")
    unexplained = [key for key, *_, text in keys() if not text]
    assert [key for key in unexplained if key in ours or key.startswith(sections)] == []


def test_arguments_of_the_preset_stay_where_they_are_not_set_otherwise(ellipsoids: Path, tmp_path: Path) -> None:
    import yaml
    from medseg_training.networks import architecture_of

    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(small_settings(ellipsoids, network={"name": "unet2d-32"})))
    config = load_config(path, ["network.arguments.norm=instance"])
    expected = {"in_channels": 3, "out_channels": 1, "widths": [32, 64, 128, 256, 512], "norm": "instance"}
    assert architecture_of(config).arguments == expected
