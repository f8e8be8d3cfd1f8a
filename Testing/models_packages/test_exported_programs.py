"""Exported programs (.pt2): the same numbers as PyTorch's own loader gives, and nothing of theirs evaluated."""

from __future__ import annotations

import io
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from medseg.errors import InputError, UnsafeModelError
from medseg.models import embed_card, inspect_model, open_model

CARD = {
    "schema_version": 1,
    "name": "small",
    "plane": "axial",
    "orientation": "PLS",
    "input": {"size": {"mode": "native", "multiple_of": 2}, "normalisation": {"kind": "zscore"}},
    "output": {"activation": "sigmoid", "labels": [{"value": 1, "name": "ducts"}]},
}


class Small(torch.nn.Module):
    """A U-Net of one level, with what exported networks are made of: norms, strides, sizes asked of tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4)
        self.down, self.up = torch.nn.Conv2d(4, 4, 2, stride=2), torch.nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.last = torch.nn.Conv2d(12, 1, 1)
        self.register_buffer("weighting", torch.tensor([0.5]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.nn.functional.leaky_relu(self.norm(self.first(x)), 0.1)
        z = torch.nn.functional.instance_norm(self.down(y))
        resized = torch.nn.functional.interpolate(z, size=y.shape[2:], mode="bilinear", align_corners=False)
        a, b = torch.split(y, [1, 3], dim=1)
        return self.last(torch.cat([self.up(z) * self.weighting, resized, b, a + torch.tensor(2.0)], 1))


@pytest.fixture(scope="module")
def network() -> Small:
    torch.manual_seed(3)
    made = Small()
    made(torch.randn(4, 1, 16, 16))
    return made.eval()


@pytest.fixture(scope="module")
def program(network, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pt2") / "small.pt2"
    free = {0: torch.export.Dim("b"), 2: 2 * torch.export.Dim("h"), 3: 2 * torch.export.Dim("w")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(network, (torch.zeros(2, 1, 16, 24),), dynamic_shapes=(free,)), path)
    return path


def change(
    source: Path, target: Path, changes: dict[str, Callable[[bytes], bytes]], added: dict[str, bytes] | None = None
):
    """Copy an archive with entries (named without their root) rewritten and added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        root = old.namelist()[0].partition("/")[0]
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, changes.get(name.partition("/")[2], lambda same: same)(content))
        for name, content in (added or {}).items():
            new.writestr(f"{root}/{name}", content)
    return target


def test_it_gives_what_the_network_gives_at_any_size(network, program) -> None:
    report = inspect_model(program)
    assert (report.format, report.in_channels, report.out_channels, report.multiple_of) == ("pt2", 1, 1, 2)
    assert report.parameters == sum(p.numel() for p in network.parameters()) + 2 and not report.unsafe
    assert report.fixed_size is None and report.fixed_batch is None
    slices = np.random.default_rng(0).normal(size=(3, 1, 20, 34)).astype(np.float32)
    with torch.inference_mode():
        wanted = network(torch.from_numpy(slices)).numpy()
    with open_model(program, device="cpu") as model:
        np.testing.assert_allclose(model.run(slices), wanted, atol=1e-6)


def test_the_card_travels_inside(program, tmp_path) -> None:
    path = embed_card(program, CARD, tmp_path / "carded.pt2")
    with open_model(path, device="cpu") as model:
        assert model.card.name == "small" and model.run(np.zeros((1, 1, 16, 16), np.float32)).shape == (1, 1, 16, 16)
    assert torch.export.load(str(path)) is not None  # still whole for its own framework


def rewritten(edit: Callable[[dict], object]) -> Callable[[bytes], bytes]:
    def apply(content: bytes) -> bytes:
        data = json.loads(content)
        edit(data)
        return json.dumps(data).encode()

    return apply


def nodes(data: dict) -> list[dict]:
    return data["graph_module"]["graph"]["nodes"]


class Payload:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.folder),)


def hostile_texts(mark: Path) -> dict[str, Callable[[dict], object]]:
    """Places of the graph whose text PyTorch's own loader evaluates or imports."""
    code = f"__import__('os').mkdir({str(mark)!r})"

    def sizes(data: dict) -> None:
        for value in data["graph_module"]["graph"]["tensor_values"].values():
            value["sizes"] = [{"as_expr": {"expr_str": code, "hint": None}} for _ in value["sizes"]]

    def spec(data: dict) -> None:
        text = json.dumps(
            [
                1,
                {
                    "type": "collections.defaultdict",
                    "context": json.dumps(
                        {"default_factory_module": "os", "default_factory_name": "system", "dict_context": []}
                    ),
                    "children_spec": [],
                },
            ]
        )
        for entry in data["graph_module"]["module_call_graph"]:
            if entry.get("signature"):
                entry["signature"]["in_spec"] = entry["signature"]["out_spec"] = text

    return {
        "sizes": sizes,
        "guards": lambda data: data.update(guards_code=[code]),
        "spec": spec,
        "metadata": lambda data: [n["metadata"].update(torch_fn=code, nn_module_stack=code) for n in nodes(data)],
    }


@pytest.mark.parametrize("place", ["sizes", "guards", "spec", "metadata"])
def test_texts_that_pytorch_evaluates_stay_texts(program, tmp_path, place) -> None:
    mark = tmp_path / "executed"
    path = change(program, tmp_path / "m.pt2", {"models/model.json": rewritten(hostile_texts(mark)[place])})
    try:
        with open_model(path, device="cpu") as model:
            model.run(np.zeros((1, 1, 16, 16), np.float32))
    except InputError:
        pass
    assert not mark.exists()


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.from_file.default",
        "torch.os.system",
        "torch.hub.load",
        "torch.load",
        "math.floor",
        "#ext:op",
        "evil",
        "torch.ops.mylib.op.default",
        "torch.ops.aten.relu.__class__",
        "_operator.methodcaller",
        "torch.ops.higher_order.cond",
        "torch.ops.aten.relu.default.__globals__",
        "torch.ops.aten.set_.source_Storage",
    ],
)
def test_operators_that_do_more_than_compute_are_refused(program, tmp_path, target) -> None:
    path = change(
        program, tmp_path / "m.pt2", {"models/model.json": rewritten(lambda data: nodes(data)[2].update(target=target))}
    )
    assert inspect_model(path).unsafe
    with pytest.raises(InputError):
        open_model(path, device="cpu").run(np.zeros((1, 1, 16, 16), np.float32))


def test_pickles_wherever_a_program_can_hold_one_are_never_read(program, tmp_path) -> None:
    mark = tmp_path / "executed"
    payload = pickle.dumps(Payload(mark))
    saved = io.BytesIO()
    torch.save(Payload(mark), saved)

    def pickled(data: dict) -> None:
        next(iter(data["config"].values()))["use_pickle"] = True

    first = change(
        program,
        tmp_path / "a.pt2",
        {
            "data/weights/weight_0": lambda _: saved.getvalue(),
            "data/weights/model_weights_config.json": rewritten(pickled),
        },
    )
    second = change(program, tmp_path / "b.pt2", {}, {"data/constants/opaque_obj_0": payload})
    third = change(program, tmp_path / "c.pt2", {}, {"data/constants/custom_obj_0": payload})
    fourth = change(program, tmp_path / "d.pt2", {}, {"data/weights/model.pt": saved.getvalue()})
    fifth = change(program, tmp_path / "e.pt2", {}, {"data/aotinductor/model/model.so": b"\x7fELF"})
    for path in (first, second, third, fourth, fifth):
        with pytest.raises(UnsafeModelError):
            open_model(path, device="cpu")
    # Sample inputs are not needed, so they are not read at all.
    sixth = change(program, tmp_path / "f.pt2", {"data/sample_inputs/model.pt": lambda _: saved.getvalue()})
    open_model(sixth, device="cpu").close()
    assert not mark.exists()


def graph_of(data: dict) -> dict:
    return data["graph_module"]["graph"]


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: nodes(data).reverse(),
        lambda data: nodes(data).pop(0),
        lambda data: data.pop("graph_module"),
        lambda data: nodes(data)[0]["inputs"].append(
            {"name": "a", "arg": {"as_tensor": {"name": "nowhere"}}, "kind": 1}
        ),
        lambda data: nodes(data)[0]["inputs"].append({"name": "a", "arg": {"as_graph": {}}, "kind": 1}),
        lambda data: nodes(data)[0]["inputs"].append({"name": "a", "arg": {"as_custom_obj": {}}, "kind": 1}),
        lambda data: nodes(data)[0].update(inputs=3),
        lambda data: nodes(data)[0].update(outputs=[{}]),
        lambda data: data["schema_version"].update(major=9),
        lambda data: graph_of(data).update(nodes=[{}] * 100_001),
        lambda data: graph_of(data).update(custom_obj_values={"x": {}}),
        lambda data: data["graph_module"].update(signature={}),
    ],
)
def test_graphs_that_do_not_hold_are_refused(program, tmp_path, edit) -> None:
    path = change(program, tmp_path / "m.pt2", {"models/model.json": rewritten(edit)})
    with pytest.raises(InputError) as refused:
        open_model(path, device="cpu")
    assert "\n" not in refused.value.line() and len(refused.value.line()) < 700


@pytest.mark.parametrize(
    "edit",
    [
        lambda meta: meta["sizes"].__setitem__(0, {"as_int": 1 << 39}),
        lambda meta: meta.update(storage_offset={"as_int": 10**9}),
        lambda meta: meta.update(strides=[{"as_int": 0}] * 4, sizes=[{"as_int": 10**5}] * 4),
        lambda meta: meta.update(dtype=99),
        lambda meta: meta.update(sizes=[{"as_int": -1}]),
        lambda meta: meta.update(strides=[]),
    ],
)
def test_tensors_that_do_not_fit_their_data_are_refused(program, tmp_path, edit) -> None:
    def first(data: dict) -> None:
        edit(next(iter(data["config"].values()))["tensor_meta"])

    path = change(program, tmp_path / "m.pt2", {"data/weights/model_weights_config.json": rewritten(first)})
    assert inspect_model(path).unsafe
    with pytest.raises(InputError):
        open_model(path, device="cpu")


def test_programs_of_older_pytorch_are_named_with_the_mend(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "old.pt2", "w") as archive:
        archive.writestr("version", "8.2")
        archive.writestr("serialized_exported_program.json", "{}")
        archive.writestr("serialized_state_dict.pt", pickle.dumps(Payload(tmp_path / "executed")))
    with pytest.raises(InputError, match=r"torch\.export\.save"):
        open_model(tmp_path / "old.pt2", device="cpu")
    assert not (tmp_path / "executed").exists()
