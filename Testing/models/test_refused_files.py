"""Broken and hostile model files: each is refused in one line, and nothing of it is executed."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from medseg.errors import InputError, MedSegError, UnsafeModelError
from medseg.models import inspect_model, open_model
from onnx import TensorProto, helper, numpy_helper


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def refused(path: Path, kind: type[MedSegError] = InputError) -> str:
    """The one line that both doors give for a file that must not open."""
    with pytest.raises(kind) as opened:
        open_model(path, device="cpu")
    line = opened.value.line()
    assert str(path) in line and "\n" not in line and len(line) < 700
    return line


# What is no model.


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"<html><body>404</body></html>", "web page"),
        (b"\x1f\x8b\x08\x00" + b"x" * 50, "gzip"),
        (bytes(range(1, 200)), "no model"),
        (b"PK\x03\x04" + b"\0" * 40, "damaged"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "HDF5"),
        (b"\0" * 4096, "no model"),
    ],
)
def test_what_is_no_model_is_refused_whatever_its_name(tmp_path, content, word) -> None:
    for name in ("model.onnx", "model.pt", "model.safetensors"):
        path = tmp_path / name
        path.write_bytes(content)
        assert word in refused(path)


def test_missing_files_and_folders_are_refused(tmp_path) -> None:
    assert "no such file" in refused(tmp_path / "missing.onnx")
    assert "folder" in refused(tmp_path)


@pytest.mark.parametrize("kind", ["onnx", "torchscript", "safetensors"])
def test_a_model_cut_short_anywhere_is_refused(carded, tmp_path, kind) -> None:
    content = carded[kind].read_bytes()
    for tenth in range(10):
        path = tmp_path / f"cut{tenth}"
        path.write_bytes(content[: len(content) * tenth // 10 + 7])
        refused(path)


@pytest.mark.parametrize("kind", ["onnx", "torchscript", "safetensors"])
def test_flipped_bytes_never_raise_anything_but_our_errors(carded, tmp_path, kind) -> None:
    content = bytearray(carded[kind].read_bytes())
    rng = np.random.default_rng(0)
    for trial in range(150):
        broken = bytearray(content)
        # Half of the flips in the first kilobytes, where headers and structure lie.
        reach = 4000 if trial % 2 else len(content)
        for place in rng.integers(0, min(reach, len(content)), size=3):
            broken[place] = rng.integers(256)
        path = tmp_path / "flipped"
        path.write_bytes(broken)
        try:
            inspect_model(path)
        except MedSegError as error:
            assert "\n" not in error.line()


# Pickles.


@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_bare_pickle_is_refused_and_not_executed(tmp_path, protocol) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(pickle.dumps({"weights": Payload(tmp_path / "executed")}, protocol=protocol))
    assert "run any code" in refused(path, UnsafeModelError)
    assert not (tmp_path / "executed").exists()


def test_a_pickled_pytorch_file_is_refused_with_how_to_save_it_again(network, tmp_path) -> None:
    path = tmp_path / "whole.pt"
    torch.save(network, path)
    line = refused(path, UnsafeModelError)
    assert "safetensors.torch.save_file" in line and "torch.save(model.state_dict()" in line


def rewrite(
    source: Path, target: Path, changes: dict[str, bytes | None], extra: dict[str, bytes] | None = None
) -> Path:
    """Copy a TorchScript archive with entries (named without their root) replaced, removed (None) or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        root = old.namelist()[0].partition("/")[0]
        for entry in old.namelist():
            name = entry.partition("/")[2]
            content = changes.get(name, old.read(entry))
            if content is not None:
                new.writestr(entry, content)
        for name, content in (extra or {}).items():
            new.writestr(f"{root}/{name}" if not name.startswith("!") else name[1:], content)
    return target


@pytest.mark.parametrize("entry", ["data.pkl", "constants.pkl", "traced_inputs.pkl"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_payload_in_a_torchscript_archive_is_seen_and_not_executed(model_files, tmp_path, entry, protocol) -> None:
    payload = pickle.dumps(Payload(tmp_path / "executed"), protocol=protocol)
    path = rewrite(model_files["torchscript"], tmp_path / "model.pt", {entry: payload})
    assert "mkdir" in refused(path, UnsafeModelError)
    assert inspect_model(path).unsafe
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "instructions",
    [
        b"\x80\x02cbuiltins\neval\n.",
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93.",
        b"(S'true'\nios\nsystem\n.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02]r\xff\xff\xff\x7f.",
        b"\x80\x02",
        b"garbage",
        b"\x80\x02ctorch.jit._pickle\nbuild_intlist\n}\x8c\x01xK\x01s\x86b.",
    ],
)
def test_pickle_instructions_that_are_not_plain_data_are_refused(model_files, tmp_path, instructions) -> None:
    refused(rewrite(model_files["torchscript"], tmp_path / "model.pt", {"data.pkl": instructions}))


# TorchScript code.


class Writes(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, "/tmp/written-by-a-model")
        return x


class Reads(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.from_file("/etc/hostname", False, 4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("module", "word"), [(Writes, "save"), (Reads, "from_file")])
def test_torchscript_that_reaches_files_is_refused(tmp_path, module, word) -> None:
    path = tmp_path / "model.pt"
    torch.jit.script(module()).save(str(path))
    line = refused(path, UnsafeModelError)
    assert word in line and "reaches files" in line


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("_9 = torch", "passes on"),
        ("_9 = ops", "passes on"),
        ("_9 = ops.evil.run(x)", "not part of PyTorch"),
        ("_9 = getattr(x, 'save')", "refused name"),
        ("_9 = getattr(torch, 'save')", "refused name"),
        ("_9 = x.save('/tmp/f')", "reaches files"),
        ("_9 = torch.classes.evil.Thing()", "not part of PyTorch"),
        ("_9 = ops.prim.rpc_sync('w', x)", "reaches"),
        ("import os", "imports"),
        ("_9 = (", "cannot be understood"),
        ("_9 = ops.aten.from_file('/etc/passwd')", "reaches files"),
    ],
)
def test_hidden_operators_in_torchscript_code_are_found(model_files, tmp_path, statement, word) -> None:
    code = f"def helper(x: Tensor) -> Tensor:\n  {statement}\n  return x\n".encode()
    path = rewrite(model_files["torchscript"], tmp_path / "model.pt", {}, {"code/__torch__/helper.py": code})
    assert word in refused(path, UnsafeModelError)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_ordinary_torchscript_passes(tmp_path) -> None:
    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 2, 3, padding=1)
            self.norm = torch.nn.BatchNorm2d(2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.shape[1] != 1:
                raise ValueError("one channel")
            y = self.norm(self.conv(x))
            for _ in range(2):
                y = torch.nn.functional.interpolate(y, scale_factor=2.0, mode="bilinear")
            return torch.nn.functional.max_pool2d(y, 4)

    path = tmp_path / "plain.pt"
    torch.jit.script(Plain().eval()).save(str(path))
    report = inspect_model(path)
    assert report.unsafe == () and (report.in_channels, report.out_channels) == (1, 2)
    assert open_model(path, device="cpu").run(np.zeros((1, 1, 16, 16), np.float32)).shape == (1, 2, 16, 16)


# Archives.


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused(model_files, tmp_path) -> None:
    path = tmp_path / "bomb.pt"
    rewrite(model_files["torchscript"], path, {})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("small/code/bomb.py", b"\0" * (64 << 20))
    assert "would unpack to 67108864 bytes" in refused(path, UnsafeModelError)


@pytest.mark.parametrize("name", ["!../outside", "!/absolute", "!small/../../outside", "!C:/windows", "!a\\..\\b"])
def test_an_archive_whose_entries_lead_out_of_it_is_refused(model_files, tmp_path, name) -> None:
    path = rewrite(model_files["torchscript"], tmp_path / "model.pt", {}, {name: b"x"})
    refused(path, UnsafeModelError)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_two_entries_of_one_name_is_refused(model_files, tmp_path) -> None:
    path = rewrite(model_files["torchscript"], tmp_path / "model.pt", {}, {"data.pkl": b"\x80\x02N."})
    assert "twice" in refused(path, UnsafeModelError)


# ONNX.


def onnx_model(tmp_path: Path, nodes=None, initializers=(), inputs=None, outputs=None, **options) -> Path:
    """Write a small ONNX file with the given parts; by default y = Relu(x)."""
    shape = ["b", 1, "h", "w"]
    graph = helper.make_graph(
        nodes or [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        inputs or [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        outputs or [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        list(initializers),
    )
    options.setdefault("ir_version", 9)  # the onnx package is ahead of the runtimes
    options.setdefault("opset_imports", [helper.make_opsetid("", 18)])
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph, **options).SerializeToString())
    return path


@pytest.mark.parametrize(
    ("domain", "op", "word"),
    [
        ("ai.onnx.contrib", "PyOp", "ai.onnx.contrib"),
        ("my.lab", "Secret", "my.lab"),
        ("com.microsoft", "PythonOp", "run code"),
        ("com.microsoft", "EPContext", "run code or read files"),
    ],
)
def test_operators_that_need_other_libraries_are_refused(tmp_path, domain, op, word) -> None:
    path = onnx_model(tmp_path, [helper.make_node(op, ["x"], ["y"], domain=domain)])
    assert word in refused(path, UnsafeModelError)


def test_an_operator_hidden_in_a_branch_is_found(tmp_path) -> None:
    def branch(name: str, node: onnx.NodeProto) -> onnx.GraphProto:
        return helper.make_graph([node], name, [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])

    evil = helper.make_node("PyOp", ["x"], ["y"], domain="evil")
    inner = helper.make_node(
        "If",
        ["c"],
        ["y"],
        then_branch=branch("a", evil),
        else_branch=branch("b", helper.make_node("Identity", ["x"], ["y"])),
    )
    outer = helper.make_node(
        "If",
        ["c"],
        ["y"],
        then_branch=branch("c", inner),
        else_branch=branch("d", helper.make_node("Identity", ["x"], ["y"])),
    )
    condition = numpy_helper.from_array(np.array(True), "c")
    assert "'evil'" in refused(onnx_model(tmp_path, [outer], [condition]), UnsafeModelError)


def test_a_function_the_file_defines_is_no_foreign_operator(tmp_path) -> None:
    opset = helper.make_opsetid("", 18)
    adds = [helper.make_node("Add", ["a", "a"], ["b"])]
    function = helper.make_function("local", "Twice", ["a"], ["b"], adds, [opset])
    path = onnx_model(
        tmp_path,
        [helper.make_node("Twice", ["x"], ["y"], domain="local")],
        functions=[function],
        opset_imports=[opset, helper.make_opsetid("local", 1)],
    )
    x = np.ones((1, 1, 4, 4), np.float32)
    np.testing.assert_array_equal(open_model(path, backend="onnxruntime", device="cpu").run(x), 2 * x)
    calls = [helper.make_node("PyOp", ["a"], ["b"], domain="evil")]
    foreign = helper.make_function("local", "Twice", ["a"], ["b"], calls, [opset])
    path = onnx_model(
        tmp_path,
        [helper.make_node("Twice", ["x"], ["y"], domain="local")],
        functions=[foreign],
        opset_imports=[opset, helper.make_opsetid("local", 1)],
    )
    assert "'evil'" in refused(path, UnsafeModelError)


def external(location: str, count: int = 4, **entries: int) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[count], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


@pytest.mark.parametrize(
    "location",
    [
        "/etc/passwd",
        "../secret.bin",
        "sub/../../secret.bin",
        "C:\\secret",
        "..\\secret.bin",
        "",
        "*/_ORT_MEM_ADDR_/*",
        "link.bin",
    ],
)
def test_external_data_outside_the_models_folder_is_refused(tmp_path, location) -> None:
    (tmp_path / "secret.bin").write_bytes(b"\0" * 16)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    assert "external data" in refused(onnx_model(folder, nodes, [external(location)]), UnsafeModelError)


def test_external_data_beside_the_model_is_read_and_must_be_whole(tmp_path) -> None:
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    path = onnx_model(tmp_path, nodes, [external("w.bin", offset=0, length=16)])
    assert "missing" in refused(path)
    (tmp_path / "w.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    x = np.zeros((1, 1, 2, 4), np.float32)
    for backend in ("onnxruntime", "openvino"):
        result = open_model(path, backend=backend, device="cpu").run(x)
        np.testing.assert_array_equal(result[0, 0, 0], [0, 1, 2, 3])
    (tmp_path / "w.bin").write_bytes(b"\0" * 12)
    assert "too short" in refused(path)


def test_a_tensor_that_claims_more_than_the_file_has_is_refused(tmp_path) -> None:
    for tensor in (
        TensorProto(name="w", data_type=1, dims=[1 << 40, 1 << 20], raw_data=b"\0" * 16),
        TensorProto(name="w", data_type=1, dims=[1 << 40]),
        TensorProto(name="w", data_type=1, dims=[-4]),
        TensorProto(name="w", data_type=77, dims=[1]),
    ):
        assert "damaged" in refused(onnx_model(tmp_path, None, [tensor]))


def value(name: str, shape, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ({"inputs": [value("x", ["b", 1, "d", "h", "w"])]}, "batch, channels, height, width"),
        ({"inputs": [value("x", ["b", 1, "h", "w"], TensorProto.INT64)]}, "float32"),
        ({"inputs": [value("x", ["b", 1, "h", "w"]), value("z", ["b", 1, "h", "w"])]}, "2 inputs for slices"),
        ({"outputs": [value("y", ["b", 10])]}, "no segmentation network"),
        ({"outputs": [value("y", ["b", 1, "h", "w"]), value("x", ["b", 1, "h", "w"])]}, "2 outputs"),
        ({"inputs": [value("x", ["b", 1, 64, "w"])]}, "only one side"),
    ],
)
def test_networks_of_another_kind_are_refused_in_words(tmp_path, parts, word) -> None:
    assert word in refused(onnx_model(tmp_path, **parts))


def test_deeply_nested_graphs_stop_the_reader_early(tmp_path) -> None:
    graph = b""
    for _ in range(3000):
        attribute = b"\x32" + size(graph) + graph  # AttributeProto.g
        node = b"\x2a" + size(attribute) + attribute  # NodeProto.attribute
        graph = b"\x0a" + size(node) + node  # GraphProto.node
    path = tmp_path / "deep.onnx"
    path.write_bytes(b"\x08\x08" + b"\x3a" + size(graph) + graph)
    assert "nested" in refused(path)


def size(content: bytes) -> bytes:
    """The length of ``content`` as protobuf writes it."""
    number, encoded = len(content), bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


def test_the_reader_counts_as_the_onnx_package_does(model_files) -> None:
    for kind in ("onnx", "fixed"):
        model = onnx.load(str(model_files[kind]))
        report = inspect_model(model_files[kind])
        assert sum(report.details["operators"].values()) == len(model.graph.node)
        assert [info.name for info in report.inputs] == [info.name for info in model.graph.input]
        weights = [numpy_helper.to_array(t) for t in model.graph.initializer]
        assert report.parameters == sum(w.size for w in weights if w.dtype.kind == "f" and w.ndim)
        assert report.details["opsets"]["ai.onnx"] == model.opset_import[0].version


# safetensors.


def safetensors(path: Path, header: object, body: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def entry(shape, begin: int, end: int, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("header", "body", "word"),
    [
        ({"a": entry([2], 0, 8)}, b"\0" * 4, "the file has"),
        ({"a": entry([2], 0, 8)}, b"\0" * 12, "the file has"),
        ({"a": entry([3], 0, 8)}, b"\0" * 8, "does not fit its shape"),
        ({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, b"\0" * 12, "begins at 4"),
        ({"a": entry([2], 4, 12)}, b"\0" * 12, "begins at 4"),
        ({"a": entry([-2], 0, -8)}, b"", "does not fit"),
        ({"a": entry([1 << 62, 4], 0, 8)}, b"\0" * 8, "does not fit"),
        ({"a": entry([2], 0, 8, "X9")}, b"\0" * 8, "unknown type"),
        ({"a": {"dtype": "F32"}}, b"", "lacks"),
        ({"a": entry([True, 2], 0, 8)}, b"\0" * 8, "does not fit"),
        ({"__metadata__": {"k": 1}}, b"", "metadata"),
        (b'{"a": ', b"", "JSON"),
        (b'{"a":1,"a":1}', b"", "twice"),
        (b"{" * 100_000, b"", "JSON"),
    ],
)
def test_a_safetensors_header_that_does_not_hold_is_refused(tmp_path, header, body, word) -> None:
    assert word in refused(safetensors(tmp_path / "model.safetensors", header, body))


def test_an_overlong_safetensors_header_is_not_read(tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 31) + b'{"a":1}')
    assert "header claims" in refused(path)
