"""Checkpoints as training code leaves them, and pickles that want more than to be read: nothing of them is executed."""

from __future__ import annotations

import argparse
import collections
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from medseg.errors import InputError, UnsafeModelError
from medseg.models.checkpoint_pickle import StoredArray, open_checkpoint
from medseg.models.state_dict_file import complete_card, inspect_state_dict, load_state_dict_network
from public_unets import IncDownUp, randomise


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(3)
    return randomise(IncDownUp(width=2))


def first_weight(path: Path) -> np.ndarray:
    report = inspect_state_dict(path)
    loaded = load_state_dict_network(path, complete_card(report, None))
    return loaded.encoder[0].conv1.weight.numpy()


def prefixed(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return collections.OrderedDict((prefix + name, tensor) for name, tensor in state.items())


KEYS = (
    "state_dict", "model_state_dict", "model", "net", "network", "network_state_dict", "network_weights", "weights",
    "params", "unet", "generator", "segmentor", "best_model",
)  # fmt: skip
PREFIXES = ("module.", "model.", "module.net.", "_orig_mod.", "module._orig_mod.", "model._orig_mod.", "net.module.")
AVERAGES = (
    "ema", "model_ema", "ema_model", "ema_state_dict", "state_dict_ema", "ema_weights", "swa_model", "swa_state_dict",
    "averaged_model", "shadow",
)  # fmt: skip


@pytest.mark.parametrize(
    ("key", "prefix"),
    [*((key, "") for key in KEYS), *(("state_dict", prefix) for prefix in PREFIXES), ("net", "module.")],
)
def test_weights_are_found_under_any_key_and_prefix(network, tmp_path, key, prefix) -> None:
    path = tmp_path / "last.pth"
    torch.save(
        {
            "epoch": 3,
            key: prefixed(network.state_dict(), prefix),
            "args": argparse.Namespace(lr=1e-4),
            "best": np.float64(0.9),
            "where": Path("runs"),
            "rng": np.zeros(3),
        },
        path,
    )
    np.testing.assert_array_equal(first_weight(path), network.state_dict()["inc.double_conv.0.weight"].numpy())
    assert key in inspect_state_dict(path).details["weights"]


def test_a_lightning_checkpoint_with_its_optimizer_and_loss_weights(network, tmp_path) -> None:
    other = randomise(IncDownUp(width=2), seed=9)
    optimizer = torch.optim.Adam(other.parameters())
    other(torch.randn(1, 1, 32, 32)).sum().backward()
    optimizer.step()
    state = prefixed(network.state_dict(), "net.")
    state["loss.weight"] = torch.ones(2)
    path = tmp_path / "epoch=3.ckpt"
    torch.save(
        {
            "state_dict": state,
            "optimizer_states": [optimizer.state_dict()],
            "optimizer": optimizer.state_dict(),
            "hyper_parameters": {"lr": 1e-4},
            "pytorch-lightning_version": "2.5.0",
        },
        path,
    )
    np.testing.assert_array_equal(first_weight(path), network.state_dict()["inc.double_conv.0.weight"].numpy())


@pytest.mark.parametrize("where", ["key", "nested", "prefix", "averaged model"])
def test_averaged_weights_come_before_the_last_ones(network, tmp_path, where) -> None:
    last = randomise(IncDownUp(width=2), seed=9).state_dict()
    averaged = network.state_dict()
    saved: dict[str, Any]
    if where == "key":
        saved = {"model": last, "model_ema": averaged}
    elif where == "nested":
        saved = {"model": last, "ema": {"decay": 0.99, "module": averaged}}
    elif where == "prefix":
        saved = {"state_dict": {**prefixed(last, "model."), **prefixed(averaged, "ema_model.")}}
    else:
        saved = {"model": last, "swa_state": torch.optim.swa_utils.AveragedModel(network).state_dict()}
    path = tmp_path / "c.pt"
    torch.save(saved, path)
    np.testing.assert_array_equal(first_weight(path), averaged["inc.double_conv.0.weight"].numpy())
    report = inspect_state_dict(path)
    assert report.details["averaged"] and any("averaged" in warning for warning in report.warnings)


@pytest.mark.parametrize("key", AVERAGES)
@pytest.mark.parametrize("last", ["state_dict", "model"])
def test_averaged_weights_are_known_by_every_usual_key(network, tmp_path, key, last) -> None:
    """And what was taken is said, with the prefixes of both tables left out."""
    other = randomise(IncDownUp(width=2), seed=9).state_dict()
    path = tmp_path / "c.pt"
    torch.save({last: prefixed(other, "module."), key: prefixed(network.state_dict(), "module.")}, path)
    np.testing.assert_array_equal(first_weight(path), network.state_dict()["inc.double_conv.0.weight"].numpy())
    report = inspect_state_dict(path)
    assert report.details["averaged"] and report.details["weights"].startswith(f"under '{key}'")
    assert any(f"averaged weights under '{key}'" in warning for warning in report.warnings)


def test_averages_without_names_are_told_of(network, tmp_path) -> None:
    """torch_ema writes a list; the last weights are taken, and a person must know."""
    path = tmp_path / "c.pt"
    shadow = [tensor + 1 for tensor in network.parameters()]
    torch.save({"model": network.state_dict(), "ema": {"decay": 0.99, "shadow_params": shadow}}, path)
    np.testing.assert_array_equal(first_weight(path), network.state_dict()["inc.double_conv.0.weight"].numpy())
    report = inspect_state_dict(path)
    assert not report.details["averaged"]
    assert any("'ema.shadow_params' have no names" in warning for warning in report.warnings)


@pytest.mark.parametrize(
    "options", [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}, {"pickle_protocol": 5}]
)
def test_every_layout_of_torch_save_is_read_exactly(network, tmp_path, options) -> None:
    path = tmp_path / "w.pt"
    state = dict(network.state_dict())
    state["inc.double_conv.0.weight"] = torch.nn.Parameter(state["inc.double_conv.0.weight"])
    torch.save(state, path, **options)
    np.testing.assert_array_equal(first_weight(path), state["inc.double_conv.0.weight"].detach().numpy())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool])
@pytest.mark.parametrize("new", [True, False])
def test_views_and_types_are_read_as_torch_reads_them(tmp_path, dtype, new) -> None:
    base = (torch.arange(60) % 7).to(dtype)
    tensors = {"whole": base, "view": base[5:41].view(4, 9).t(), "step": base[::3], "one": base[7], "none": base[:0]}
    torch.save(tensors, tmp_path / "t.pt", _use_new_zipfile_serialization=new)
    with open_checkpoint(tmp_path / "t.pt") as checkpoint:
        for name, tensor in tensors.items():
            stored = checkpoint.root[name]
            assert isinstance(stored, StoredArray)
            wanted = tensor.float().numpy() if dtype is torch.bfloat16 else tensor.numpy()
            np.testing.assert_array_equal(checkpoint.load(stored), wanted)


class Attack:
    """Leaves a trace when its pickle is executed."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.trace)!r}, 'w')",)


@pytest.mark.parametrize("place", ["root", "beside", "inside the state dict", "optimizer", "metadata"])
@pytest.mark.parametrize("new", [True, False])
def test_a_payload_is_refused_and_never_runs(network, tmp_path, place, new) -> None:
    trace, state = tmp_path / "ran", network.state_dict()
    attack = Attack(trace)
    saved: Any = {
        "root": attack,
        "beside": {"model": state, "config": attack},
        "inside the state dict": {**state, "x": attack},
        "optimizer": {"model": state, "optimizer": {"state": {0: attack}}},
        "metadata": state,
    }[place]
    if place == "metadata":
        saved._metadata["x"] = attack
    path = tmp_path / "evil.pth"
    torch.save(saved, path, _use_new_zipfile_serialization=new)
    if place == "metadata":
        del state._metadata["x"]
    with pytest.raises(UnsafeModelError, match="exec"):
        inspect_state_dict(path)
    assert not trace.exists()


def test_a_whole_module_is_refused_with_how_to_save_it_again(network, tmp_path) -> None:
    for number, saved in enumerate((torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3)), {"model": network})):
        path = tmp_path / f"{number}.pt"
        torch.save(saved, path)
        with pytest.raises(UnsafeModelError, match=r"whole pickled network|refused") as caught:
            inspect_state_dict(path)
        assert "state_dict()" in caught.value.line()


def rewrite(path: Path, out: Path, pickled: bytes) -> Path:
    """The archive at ``path`` with another pickle inside."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w") as target:
        for entry in source.infolist():
            content = pickled if entry.filename.endswith("data.pkl") else source.read(entry)
            target.writestr(entry.filename, content)
    return out


def test_tensors_larger_than_what_is_stored_are_refused(tmp_path) -> None:
    torch.save({"a": torch.zeros(2, 2, 3, 3)}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        data = archive.read("a/data.pkl")
    huge = data.replace(b"(K\x02K\x02K\x03K\x03t", b"(J\xff\xff\xff\x7fK\x02K\x03K\x03t")
    assert huge != data
    path = rewrite(tmp_path / "a.pt", tmp_path / "b.pt", huge)
    with pytest.raises(InputError, match="larger than what is stored"):
        inspect_state_dict(path)


@pytest.mark.parametrize(
    "pickled",
    [
        pickle.dumps({"a": print}),
        b"\x80\x02cbuiltins\ngetattr\n.",
        b"\x80\x02}q\xff\xff\xff\x7f.",
        b"",
        b"\x80\x02]",
        b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".",
    ],
)
def test_odd_pickles_get_a_line(tmp_path, pickled) -> None:
    torch.save({"a": torch.zeros(2, 2, 3, 3)}, tmp_path / "a.pt")
    with pytest.raises(InputError):
        inspect_state_dict(rewrite(tmp_path / "a.pt", tmp_path / "b.pt", pickled))


def test_a_tensor_cannot_be_changed_after_it_was_checked(tmp_path) -> None:
    """BUILD would write new strides into it, and the view would reach beyond what is stored."""
    torch.save({"a": torch.zeros(2, 2, 3, 3)}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        data = archive.read("a/data.pkl")
    name = b"X\x07\x00\x00\x00strides"
    changed = data.replace(b"Rq", b"R}" + name + b"(J\xff\xff\xff\x0fK\x01K\x01K\x01tsbq", 2)
    assert changed != data
    with pytest.raises(UnsafeModelError, match="changes"):
        inspect_state_dict(rewrite(tmp_path / "a.pt", tmp_path / "b.pt", changed))


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02})" + b"2\x86" * 60 + b"K\x01s.",
        b"\x80\x02})" + b"2\x86" * 60 + b"N" + b"s" + b"X\x01\x00\x00\x00aK\x01s.",
        b"\x80\x02(X\x07\x00\x00\x00storagectorch\nFloatStorage\n)" + b"2\x86" * 60 + b"X\x03\x00\x00\x00cpuK\x04tQ.",
    ],
    ids=["key", "keys", "storage"],
)
def test_a_tuple_in_itself_sixty_times_costs_no_time(tmp_path, pickled) -> None:
    torch.save({"a": torch.zeros(2, 2, 3, 3)}, tmp_path / "a.pt")
    with pytest.raises(InputError):
        inspect_state_dict(rewrite(tmp_path / "a.pt", tmp_path / "b.pt", pickled))


@pytest.mark.parametrize("new", [True, False])
def test_cut_files_get_a_line(network, tmp_path, new) -> None:
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer, _use_new_zipfile_serialization=new)
    content = buffer.getvalue()
    for tenth in range(1, 10):
        path = tmp_path / "cut.pt"
        path.write_bytes(content[: len(content) * tenth // 10])
        with pytest.raises(InputError):
            inspect_state_dict(path)


@pytest.mark.parametrize(
    "saved", [{"a": 1}, torch.zeros(3), [torch.zeros(1, 1, 3, 3)], {"w": torch.zeros(4, 4)}, "text"]
)
def test_what_is_no_state_dict_is_said(tmp_path, saved) -> None:
    torch.save(saved, tmp_path / "x.pt")
    with pytest.raises(InputError, match="no weights of a 2D network"):
        inspect_state_dict(tmp_path / "x.pt")


def test_weights_of_an_unknown_network_ask_for_its_architecture(tmp_path) -> None:
    torch.save(torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Conv2d(4, 1, 1)).state_dict(), tmp_path / "x.pt")
    report = inspect_state_dict(tmp_path / "x.pt")
    assert report.details["network"] == "not recognised" and "'0.weight'" in report.warnings[-1]
    with pytest.raises(InputError, match="known are unet2d"):
        complete_card(report, None)
