"""Makes a corpus of hostile and broken model files: ``python Testing/hostile/corpus.py FOLDER``.

Every payload makes a folder below ``FOLDER/executed`` when it runs, so that a look there tells whether one did. The
files are the same for the same versions of the libraries; flips are drawn from a fixed seed, or from another one with
``MEDSEG_FLIP_SEED=NUMBER``.
"""

from __future__ import annotations

import base64
import io
import json
import marshal
import os
import pickle
import struct
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

FLIPS = 40


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.makedirs, (str(self.folder),)


class Corpus:
    """The corpus being made: ``files`` maps each name to its path; ``mark(name)`` is where its payload would show."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.executed = folder / "executed"
        self.executed.mkdir(parents=True)
        self.files: dict[str, Path] = {}

    def mark(self, name: str) -> Path:
        return self.executed / name

    def payload(self, name: str, protocol: int = 2) -> bytes:
        return pickle.dumps(Payload(self.mark(name)), protocol=protocol)

    def code(self, name: str) -> str:
        """Python text that makes the mark."""
        return f"__import__('os').makedirs({str(self.mark(name))!r})"

    def add(self, name: str, content: bytes) -> Path:
        path = self.folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.files[name] = path
        return path

    def add_zip(self, name: str, entries: dict[str, bytes], deflate: bool = False) -> Path:
        return self.add(name, zip_of(entries, deflate))

    def add_folder(self, name: str, entries: dict[str, bytes]) -> Path:
        folder = self.folder / "files" / name
        for entry, content in entries.items():
            file = folder / entry
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        self.files[name] = folder
        return folder


def zip_of(entries: dict[str, bytes], deflate: bool = False) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED) as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)
    return stream.getvalue()


def entries_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def valid_models() -> dict[str, bytes]:
    """One small valid model in each format that one file can hold."""
    import onnx
    import torch
    from onnx import TensorProto, helper, numpy_helper
    from safetensors.torch import save

    network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, 1, 1)).eval()
    example = torch.zeros(1, 1, 16, 16)

    def written(write: Callable[[io.BytesIO], object]) -> bytes:
        stream = io.BytesIO()
        write(stream)
        return stream.getvalue()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = written(lambda s: torch.jit.save(torch.jit.trace(network, example), s))
        exported = written(lambda s: torch.export.save(torch.export.export(network, (example,)), s))
    weights = network[0].weight.detach().numpy()
    shape = ["b", 1, "h", "w"]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("ReduceMean", ["c"], ["y"], axes=[1], keepdims=1),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weights, "w")],
    )
    model: onnx.ModelProto = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    state = network.state_dict()
    return {
        "onnx": model.SerializeToString(),
        "torchscript": scripted,
        "pt2": exported,
        "safetensors": save(state),
        "state_dict": written(lambda s: torch.save({"epoch": 3, "state_dict": state}, s)),
        "state_dict_old": written(lambda s: torch.save(state, s, _use_new_zipfile_serialization=False)),
        "keras": keras_file(PLAIN_LAYER),
        "hdf5": empty_hdf5(keras_version="2.11.0"),
        "bioimageio": zip_of({"rdf.yaml": DESCRIPTION.encode(), "net.pt": scripted}),
        "bundle": zip_of({f"b/{name}": content for name, content in bundle_files(scripted).items()}),
        **{f"keras_{name}": (KERAS_FIXTURES / f"sequential.{name}").read_bytes() for name in ("h5", "keras")},
    }


#: Made once with Keras 2 (`Testing/models_keras`).
KERAS_FIXTURES = Path(__file__).resolve().parents[1] / "models_keras" / "fixtures"


def bundle_files(scripted: bytes) -> dict[str, bytes]:
    """A small MONAI bundle."""
    config = {"network_def": "$torch.jit.load('models/model.ts')"}
    return {
        "configs/metadata.json": b'{"version": "0.1.0", "monai_version": "1.5.0"}',
        "configs/inference.json": json.dumps(config).encode(),
        "models/model.ts": scripted,
    }


DESCRIPTION = """format_version: 0.4.9
type: model
name: small
inputs: [{name: raw, axes: bcyx, shape: {min: [1, 1, 16, 16], step: [0, 0, 1, 1]}}]
outputs: [{name: out, axes: bcyx, shape: {reference_tensor: raw, scale: [1, 1, 1, 1], offset: [0, 0, 0, 0]},
           postprocessing: [{name: sigmoid}]}]
weights: {torchscript: {source: net.pt}}
"""
PLAIN_LAYER = {
    "class_name": "Activation",
    "module": "keras.layers",
    "registered_name": None,
    "config": {"name": "a", "activation": "relu"},
    "inbound_nodes": [],
}


def empty_hdf5(**attributes: str) -> bytes:
    """An HDF5 file without weights, as Keras lays it out, with ``attributes`` at its root."""
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_group("layers")
        file.create_group("model_weights")
        file.attrs.update(attributes)
    return stream.getvalue()


def keras_file(layer: dict) -> bytes:
    config = {
        "class_name": "Functional",
        "module": "keras",
        "registered_name": None,
        "config": {"name": "m", "layers": [layer], "input_layers": [], "output_layers": []},
    }
    return zip_of(
        {
            "metadata.json": b'{"keras_version": "3.9.0"}',
            "config.json": json.dumps(config).encode(),
            "model.weights.h5": empty_hdf5(),
        }
    )


def pickles(corpus: Corpus, models: dict[str, bytes]) -> None:
    """A payload in every place where a format can hold a pickle or code."""
    import torch

    for protocol in range(6):
        corpus.add(f"bare-{protocol}.pt", corpus.payload(f"bare-{protocol}.pt", protocol))
    for name, wrap in {
        "state.pt": lambda p: {"state_dict": {"w": torch.zeros(2), "x": p}},
        "optimizer.pth": lambda p: {"state_dict": {"w": torch.zeros(4, 1, 3, 3)}, "optimizer": {"state": {0: p}}},
        "list.pt": lambda p: [p],
        "whole.pt": lambda p: p,
    }.items():
        for new in (True, False):
            stream, full = io.BytesIO(), f"{'zip' if new else 'old'}-{name}"
            torch.save(wrap(Payload(corpus.mark(full))), stream, _use_new_zipfile_serialization=new)
            corpus.add(full, stream.getvalue())
    for kind, places in {
        "torchscript": ("data.pkl", "constants.pkl", "attributes.pkl", "traced_inputs.pkl", "extra/more.pkl"),
        "state_dict": ("data.pkl",),
        "pt2": (
            "data/sample_inputs/model.pt",
            "data/weights/weight_0",
            "data/weights/model.pt",
            "data/constants/opaque_obj_0",
            "data/constants/custom_obj_0",
            "data/constants/tensor_0",
        ),
    }.items():
        for place in places:
            name = f"{kind}-in-{place.replace('/', '-')}"
            entries = entries_of(models[kind])
            root = next(iter(entries)).partition("/")[0]
            stream = io.BytesIO()
            torch.save(Payload(corpus.mark(name)), stream)
            raw = place.endswith((".pkl", "_obj_0"))
            entries[f"{root}/{place}"] = corpus.payload(name) if raw else stream.getvalue()
            if kind == "pt2" and not raw:
                for config in (entry for entry in entries if entry.endswith("weights_config.json")):
                    entries[config] = entries[config].replace(b'"use_pickle": false', b'"use_pickle": true')
            corpus.add_zip(name + ".pt", entries)
    for name in ("objects.npy", "objects.npz"):
        array = np.array([Payload(corpus.mark(name))], dtype=object)
        stream = io.BytesIO()
        if name.endswith("y"):
            np.save(stream, array, allow_pickle=True)
        else:
            np.savez(stream, w=array)
        corpus.add(name, stream.getvalue())
    # The same inside a package, under the name of a test tensor and of weights.
    for weights in ("net.npy", "net.pt"):
        name = f"package-with-{weights}"
        description = DESCRIPTION.replace("net.pt", weights) + "test_inputs: [in.npy]\ntest_outputs: [in.npy]\n"
        corpus.add_folder(
            name,
            {
                "rdf.yaml": description.encode(),
                weights: corpus.payload(name),
                "in.npy": b"\x93NUMPY" + corpus.payload(name),
            },
        )

    # The weights of a bundle, under each name that they may have, as a folder and as a zip.
    files = bundle_files(models["torchscript"])
    for number, weights in enumerate(("model.ts", "model.pt", "model.pth", "model.onnx", "model.safetensors")):
        name = f"bundle-pickle-{number}"
        with_payload = {k: v for k, v in files.items() if not k.startswith("models/")}
        corpus.add_folder(name, {**with_payload, f"models/{weights}": corpus.payload(name)})
        corpus.add_zip(
            f"{name}.zip",
            {f"b/{k}": v for k, v in with_payload.items()} | {f"b/models/{weights}": corpus.payload(name)},
        )


def code(corpus: Corpus, models: dict[str, bytes]) -> None:
    """Code that is no pickle: Lambda layers, expressions, import paths, YAML tags."""
    text = corpus.code("keras-lambda.keras")
    function = base64.b64encode(marshal.dumps(compile(text, "f", "eval"))).decode()
    corpus.add(
        "keras-lambda.keras",
        keras_file(
            {
                "class_name": "Lambda",
                "module": "keras.layers",
                "registered_name": None,
                "inbound_nodes": [],
                "config": {"name": "l", "function": {"class_name": "__lambda__", "config": {"code": function}}},
            }
        ),
    )
    corpus.add(
        "keras-import.keras",
        keras_file(
            {
                "class_name": "system",
                "module": "os",
                "registered_name": None,
                "inbound_nodes": [],
                "config": {"name": "l", "command": f"mkdir {corpus.mark('keras-import.keras')}"},
            }
        ),
    )
    layer = {
        "class_name": "Lambda",
        "config": {"name": "l", "function_type": "lambda", "function": [function, None, None]},
    }
    for name, config in (
        ("keras-lambda.h5", {"class_name": "Sequential", "config": {"name": "m", "layers": [layer]}}),
        ("keras-config-deep.h5", {}),
    ):
        written = json.dumps(config) if config else '{"a":' * 200_000
        corpus.add(name, empty_hdf5(model_config=written, keras_version="2.11.0", backend="tensorflow"))
    for name, network in {
        "target": {"_target_": "os.makedirs", "name": str(corpus.mark("bundle-target"))},
        "expression": "$" + corpus.code("bundle-expression"),
        "nested": {"_target_": "UNet", "spatial_dims": "$" + corpus.code("bundle-nested")},
    }.items():
        config = {
            "imports": ["$" + corpus.code(f"bundle-{name}")],
            "network_def": network,
            "network": "@network_def",
            "initialize": ["$" + corpus.code(f"bundle-{name}")],
        }
        corpus.add_folder(
            f"bundle-{name}",
            {
                "configs/metadata.json": b'{"version": "1"}',
                "configs/inference.json": json.dumps(config).encode(),
                "configs/train.json": json.dumps(config).encode(),
                "models/model.pt": models["state_dict"],
            },
        )
    plans = {
        "configurations": {
            "2d": {
                "architecture": {
                    "network_class_name": "os.makedirs",
                    "arch_kwargs": {"name": str(corpus.mark("nnunet-class"))},
                }
            }
        },
        "plans_name": "p",
    }
    corpus.add_folder(
        "nnunet-class",
        {
            "plans.json": json.dumps(plans).encode(),
            "dataset.json": b"{}",
            "fold_0/checkpoint_final.pth": models["state_dict"],
        },
    )
    corpus.add_folder(
        "nnunet-pickle",
        {
            "plans.json": json.dumps(plans).encode(),
            "dataset.json": b"{}",
            "fold_0/checkpoint_final.pth": corpus.payload("nnunet-pickle"),
        },
    )
    for name, line in {
        "object": f"!!python/object/apply:os.makedirs ['{corpus.mark('yaml-object')}']",
        "name": "x: !!python/name:os.system",
        "cycle": "a: &a [*a]",
        "deep": "[" * 20_000,
        "laughs": "\n".join(
            [
                f"{a}: &{a} [{','.join([f'*{b}'] * 9)}]" if b else f"{a}: &{a} [1,2,3]"
                for b, a in zip(" abcdefghi".strip(), "bcdefghij", strict=True)
            ]
        ),
        "long": "name: " + "x" * (2 << 20),
    }.items():
        if name == "laughs":
            line = "a: &a [1,2,3]\n" + line
        corpus.add_folder(f"yaml-{name}", {"rdf.yaml": line.encode(), "net.pt": models["torchscript"]})
    graph = models["pt2"]
    for name, old, new in (
        ("target", b"torch.ops.aten.relu.default", b"torch.os.system"),
        ("file", b"torch.ops.aten.relu.default", b"torch.ops.aten.from_file.default"),
        ("guard", b'"guards_code": [', b'"guards_code": [' + json.dumps(corpus.code("pt2-guard")).encode() + b", "),
    ):
        entries = {
            entry: content.replace(old, new).replace(b", ]", b"]") if entry.endswith("model.json") else content
            for entry, content in entries_of(graph).items()
        }
        corpus.add_zip(f"pt2-{name}.pt2", entries)


def bombs(corpus: Corpus, models: dict[str, bytes]) -> None:
    """Archives, graphs and headers that ask for far more than they are."""
    for kind in ("torchscript", "pt2", "keras", "bioimageio", "state_dict", "bundle"):
        entries = entries_of(models[kind])
        root = next(iter(entries)).partition("/")[0] + "/" if "/" in next(iter(entries)) else ""
        place = {"torchscript": "code/bomb.py", "keras": "assets/bomb", "bioimageio": "rdf.yaml"}.get(kind, "bomb.json")
        corpus.add_zip(f"bomb-{kind}", {**entries, root + place: b" " * (64 << 20)}, deflate=True)
        corpus.add_zip(f"traversal-{kind}", {**entries, f"{root}../../outside": b"x"})
        corpus.add_zip(f"absolute-{kind}", {**entries, "/outside": b"x"})
    corpus.add_zip("many-entries.pt", {f"a/{number}": b"" for number in range(50_100)})
    deep = b'{"a":' * 200_000
    for name, content in {
        "header-claims": struct.pack("<Q", 1 << 31) + b'{"a":1}',
        "header-deep": struct.pack("<Q", len(deep)) + deep,
        "shape-absurd": _safetensors(
            {"a": {"dtype": "F32", "shape": [1 << 40, 1 << 20], "data_offsets": [0, 4]}}, b"\0" * 4
        ),
        "metadata-long": _safetensors({"__metadata__": {"medseg.card": "x" * (15 << 20)}}, b""),
        "card-deep": _safetensors({"__metadata__": {"medseg.card": "[" * 100_000}}, b""),
    }.items():
        corpus.add(f"{name}.safetensors", content)
    corpus.add("memo.pt", b"\x80\x02]r\xff\xff\xff\x7f.")
    corpus.add("tuples.pt", b"\x80\x02" + b"(" * 2_000_000 + b"t" * 2_000_000 + b".")
    corpus.add("cycle.pt", b"\x80\x02]q\x00h\x00a.")
    corpus.add("integer.pt", b"\x80\x02\x8b\xff\xff\xff\x7f" + b"\xff" * 64 + b".")


def nested(corpus: Corpus, models: dict[str, bytes]) -> None:
    """Pickles that are short and, hashed, compared, printed or walked through, go on for ever."""
    twice = b"\x80\x02" + b"K\x01" + b"q\x00h\x00\x86" * 60  # a tuple of itself twice, sixty times over
    lists = b"\x80\x02]q\x00" + b"".join(b"]q%c(h%ch%ce" % (n + 1, n, n) for n in range(60))
    long_key = b"X" + (1 << 16).to_bytes(4, "little") + b"k" * (1 << 16)
    chain = b"\x80\x02" + b"}" + long_key + b"q\x00" + b"}h\x00" * 3000 + b"N" + b"s" * 3001 + b"."
    rebuilt = b"ctorch._utils\n_rebuild_tensor_v2\n"
    for name, pickled in {
        "as-key": b"\x80\x02}" + twice[2:] + b"Ns.",
        "as-two-keys": b"\x80\x02}" + twice[2:] + b"Ns" + twice[2:] + b"Ns.",
        "as-type": b"\x80\x02"
        + rebuilt
        + b"(("
        + b"X\x07\0\0\0storage"
        + twice[2:]
        + b"X\x01\0\0\x000X\x03\0\0\0cpuK\x04tQK\0K\x04\x85K\x01\x85tR.",
        "as-value": twice + b".",
        "lists": lists + b".",
        "names": chain,
    }.items():
        for kind in ("torchscript", "state_dict"):
            entries = entries_of(models[kind])
            root = next(iter(entries)).partition("/")[0]
            corpus.add_zip(f"nested-{name}-{kind}", {**entries, f"{root}/data.pkl": pickled})
        header = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
        corpus.add(f"nested-{name}-old.pt", header + pickled + pickle.dumps([], 2))


def links(corpus: Corpus, models: dict[str, bytes]) -> None:
    """Links that lead out of the model's folder: ONNX external data, the weights of packages."""
    from onnx import TensorProto, helper

    secret = corpus.folder / "secret.bin"
    secret.write_bytes(b"\0" * 4096)
    for name, location in {"file": "w.bin", "folder": "inner/w.bin"}.items():
        folder = corpus.folder / "files" / f"linked-{name}"
        folder.mkdir(parents=True)
        if name == "file":
            (folder / "w.bin").symlink_to(secret)
        else:
            (corpus.folder / "outer").mkdir()
            (corpus.folder / "outer" / "w.bin").write_bytes(b"\0" * 4096)
            (folder / "inner").symlink_to(corpus.folder / "outer", target_is_directory=True)
        tensor = TensorProto(name="w", data_type=1, dims=[4, 1, 3, 3], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=location)
        shape = ["b", 1, "h", "w"]
        graph = helper.make_graph(
            [helper.make_node("Conv", ["x", "w"], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
            [tensor],
        )
        path = folder / "model.onnx"
        path.write_bytes(helper.make_model(graph, ir_version=8).SerializeToString())
        corpus.files[f"linked-{name}"] = path
    outside = corpus.folder / "outside.ts"
    outside.write_bytes(models["torchscript"])
    for name, files, place in (
        ("bundle", bundle_files(b""), "models/model.ts"),
        ("bioimageio", {"rdf.yaml": DESCRIPTION.encode()}, "net.pt"),
    ):
        folder = corpus.add_folder(f"linked-{name}", {k: v for k, v in files.items() if k != place})
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).symlink_to(outside)


def hdf5(corpus: Corpus) -> None:
    """HDF5 files whose weights lie elsewhere, were never written, or unpack to a thousand times their size."""
    import h5py

    makers: dict[str, Callable[[h5py.Group], object]] = {
        "external": lambda group: group.__setitem__("w", h5py.ExternalLink("/etc/passwd", "/")),
        "outside": lambda group: group.create_dataset("w", (4,), "f4", external=[("/etc/passwd", 0, 16)]),
        "unwritten": lambda group: group.create_dataset("w", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024)),
        "bomb": lambda group: group.create_dataset("w", data=np.zeros(1 << 24, "f4"), compression="gzip"),
        "cycle": lambda group: group.__setitem__("again", group),
    }
    layers = [{"class_name": "Conv2D", "config": {"name": "c", "filters": 1, "kernel_size": [1, 1]}}]
    config = json.dumps({"class_name": "Sequential", "config": {"name": "m", "layers": layers}})
    for name, make in makers.items():
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            make(file.create_group("model_weights").create_group("c"))
            file.attrs["model_config"] = config
        corpus.add(f"keras-{name}.h5", stream.getvalue())


def graphs(corpus: Corpus) -> None:
    """ONNX graphs: cyclic, huge, deep, reaching out of the folder, with overlong metadata."""
    from onnx import TensorProto, helper

    def model(name: str, nodes: list, **options: object) -> None:
        shape = ["b", 1, "h", "w"]
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
            list(options.get("initializers", ())),
        )  # type: ignore[call-overload]
        made = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
        for key, value in dict(options.get("metadata", {})).items():  # type: ignore[call-overload]
            made.metadata_props.add(key=key, value=value)
        corpus.add(name, made.SerializeToString())

    model(
        "cyclic.onnx",
        [
            helper.make_node("Add", ["x", "b"], ["a"]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Relu", ["b"], ["y"]),
        ],
    )
    chain = [helper.make_node("Relu", ["x" if n == 0 else f"n{n}"], [f"n{n + 1}"]) for n in range(100_000)]
    model("long-chain.onnx", [*chain, helper.make_node("Relu", ["n100000"], ["y"])])
    relu = [helper.make_node("Relu", ["x"], ["y"])]
    model("foreign.onnx", [helper.make_node("PyOp", ["x"], ["y"], domain="ai.onnx.contrib")])
    model("metadata-long.onnx", relu, metadata={"medseg.card": "x" * (20 << 20)})
    model("metadata-deep.onnx", relu, metadata={"medseg.card": '{"a":' * 200_000})
    model("huge-tensor.onnx", relu, initializers=[TensorProto(name="w", data_type=1, dims=[1 << 40, 1 << 20])])
    for number, location in enumerate(("/etc/passwd", "../../outside", "C:\\secret")):
        tensor = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=location)
        model(f"outside-{number}.onnx", relu, initializers=[tensor])


def broken(corpus: Corpus, models: dict[str, bytes]) -> None:
    """Each valid model cut at every tenth and with bytes flipped, half of the flips near its head or tail."""
    rng = np.random.default_rng(int(os.environ.get("MEDSEG_FLIP_SEED", "2026")))
    for kind, content in models.items():
        for tenth in range(10):
            corpus.add(f"cut-{tenth}0-{kind}", content[: len(content) * tenth // 10])
        for trial in range(FLIPS):
            flipped = bytearray(content)
            for place in rng.integers(0, len(content), size=4):
                near = int(place) % 600
                flipped[(near if trial % 4 else -near) if trial % 2 else int(place)] = int(rng.integers(256))
            corpus.add(f"flip-{trial:02d}-{kind}", bytes(flipped))


def two_readings(corpus: Corpus, models: dict[str, bytes]) -> None:
    """Files in which our reader and a framework's own could see different things: each once showed us a harmless one.

    The TorchScript ones write a file where they run; PyTorch finds names in any case, and the archive's directory
    where the end of the file says it is.
    """
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stream = io.BytesIO()
        torch.jit.save(torch.jit.script(torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1))), stream)
    entries = entries_of(stream.getvalue())
    name = next(entry for entry, content in entries.items() if b"class Sequential" in content)
    harmless = entries[name]

    def writing(mark: str) -> bytes:
        """The same network, whose answer is also written to a file."""
        call = f'ops.aten.save(input, "{corpus.mark(mark)}")'.encode()
        begin = harmless.index(b"-> Tensor:\n") + len(b"-> Tensor:\n")
        return harmless[:begin] + b"    " + call + b"\n" + harmless[begin:]

    folder, _, leaf = name.rpartition("/")
    for mark, made in {
        "reading-upper-ending.pt": {f"{folder}/{leaf[:-3]}.PY": True},
        "reading-upper-folder.pt": {f"{folder.replace('/code/', '/CODE/')}/{leaf}": True},
        "reading-both.pt": {name: False, f"{folder}/{leaf.swapcase()[:-3]}.py": True},
    }.items():
        rest = {entry: content for entry, content in entries.items() if entry != name}
        corpus.add_zip(mark, rest | {entry: writing(mark) if evil else harmless for entry, evil in made.items()})
    mark = "reading-behind.pt"
    evil, plain = writing(mark), harmless
    longest = max(len(evil), len(plain)) + 1
    first, second = (zip_of({**entries, name: code_.ljust(longest - 1, b"\n") + b"\n"}) for code_ in (evil, plain))
    corpus.add(mark, first + second)
    corpus.add("reading-trailing.pt", models["torchscript"] + b"x" * 100)
    entries = entries_of(models["torchscript"])
    root = next(iter(entries)).partition("/")[0]
    place = f"{root}/code/__torch__/more.py.debug_pkl"
    corpus.add_zip("reading-debug.pt", {**entries, place: corpus.payload("reading-debug.pt")})
    corpus.add("reading-zero.pt", models["torchscript"].replace(b"traced_inputs.pkl", b"traced_inputs.pk\0"))


def shapes_and_functions(corpus: Corpus) -> None:
    """ONNX: functions that call themselves, unfold without end or stand in for operators, hidden and sparse fields."""
    from onnx import AttributeProto, SparseTensorProto, TensorProto, helper, numpy_helper

    shape = ["b", 1, "h", "w"]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1), helper.make_opsetid("com.microsoft", 1)]

    def call(name: str, source: str = "x", target: str = "y", domain: str = "local") -> object:
        return helper.make_node(name, [source], [target], domain=domain)

    def function(name: str, *nodes: object, domain: str = "local") -> object:
        return helper.make_function(domain, name, ["a"], ["b"], list(nodes), opsets)

    def add(name: str, nodes: list, functions: tuple = (), initializers: tuple = ()) -> bytes:
        graph = helper.make_graph(nodes, "g", [x], [y], list(initializers))
        model = helper.make_model(graph, ir_version=8, opset_imports=opsets, functions=list(functions))
        content: bytes = model.SerializeToString()
        corpus.add(name, content)
        return content

    add("function-of-itself.onnx", [call("F")], (function("F", call("F", "a", "b")),))
    pair = function("A", call("B", "a", "b")), function("B", call("A", "a", "b"))
    add("function-circle.onnx", [call("A")], pair)
    doubled = [function(f"L{n}", call(f"L{n + 1}", "a", "t"), call(f"L{n + 1}", "t", "b")) for n in range(30)]
    last = function("L30", helper.make_node("Relu", ["a"], ["b"]))
    add("function-laughs.onnx", [call("L0")], (*doubled, last))
    chain = [function(f"F{n}", call(f"F{n + 1}", "a", "b")) for n in range(20_000)]
    add("function-chain.onnx", [call("F0")], tuple(chain))
    relu = helper.make_node("Relu", ["a"], ["b"])
    stands_in = function("EPContext", relu, domain="com.microsoft")
    add("function-stands-in.onnx", [call("EPContext", domain="com.microsoft")], (stands_in,))
    add("many-operators.onnx", [helper.make_node(f"Op{n}", ["x"], ["y"]) for n in range(100_000)])
    sparse = SparseTensorProto()
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "s"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64), "i"))
    sparse.dims.extend([1 << 20, 1 << 18])
    constant = helper.make_node("Constant", [], ["c"])
    constant.attribute.add(name="sparse_value", type=AttributeProto.SPARSE_TENSOR).sparse_tensor.CopyFrom(sparse)
    add("huge-sparse.onnx", [constant, helper.make_node("Add", ["x", "c"], ["y"])])
    tensor = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    for location in ("/etc/passwd", "huge-sparse.onnx"):
        tensor.external_data.add(key="location", value=location)
    add("outside-twice.onnx", [helper.make_node("Add", ["x", "w"], ["y"])], (), (tensor,))
    plain = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    hidden = call("PyOp", "x", "z", "ai.onnx.contrib").SerializeToString()  # type: ignore[attr-defined]
    # Field 1 of the graph, a node, with a number that fits 32 bits only when its upper bits are dropped.
    body = plain.SerializeToString() + b"\x8a\x80\x80\x80\x10" + bytes([len(hidden)]) + hidden
    outer = b"\x08\x08" + b"\x42" + bytes([len(opsets[0].SerializeToString())]) + opsets[0].SerializeToString()
    length = bytes([len(body) & 0x7F | 0x80, len(body) >> 7])
    corpus.add("foreign-hidden.onnx", outer + b"\x3a" + length + body)


def pipes(corpus: Corpus, models: dict[str, bytes]) -> None:
    """What would keep whoever opens it waiting for ever."""
    if not hasattr(os, "mkfifo"):
        return
    for name, files, place in (
        ("pipe.onnx", {}, ""),
        ("pipe-bundle", bundle_files(models["torchscript"]), "configs/metadata.json"),
        ("pipe-bioimageio", {"net.pt": models["torchscript"]}, "rdf.yaml"),
    ):
        path = (
            corpus.add_folder(name, {k: v for k, v in files.items() if k != place}) / place
            if place
            else (corpus.folder / "files" / name)
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
        corpus.files[name] = corpus.folder / "files" / name


def _safetensors(header: dict, body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def make_corpus(folder: Path) -> Corpus:
    """Write the whole corpus below ``folder``, which must not hold one yet."""
    corpus, models = Corpus(folder), valid_models()
    for kind, content in models.items():
        corpus.add(f"valid-{kind}", content)
    pickles(corpus, models)
    code(corpus, models)
    bombs(corpus, models)
    graphs(corpus)
    hdf5(corpus)
    nested(corpus, models)
    links(corpus, models)
    two_readings(corpus, models)
    shapes_and_functions(corpus)
    pipes(corpus, models)
    broken(corpus, models)
    return corpus


if __name__ == "__main__":
    made = make_corpus(Path(sys.argv[1]))
    print(f"{len(made.files)} files")
