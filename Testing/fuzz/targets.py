"""What is fuzzed: every static check and parser that sees bytes of a stranger. Used by `fuzz_models.py` and by a test.

A target takes bytes and may raise this package's own errors, and `PickleRefused`, `CodeRefused`, `WireError`,
`ProgramRefused`, `ConfigRefused`; anything else is a finding, and so is one that takes seconds or gigabytes.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from medseg.card import ModelCard
from medseg.errors import MedSegError
from medseg.models import inspect_model
from medseg.models.keras_config import ConfigRefused, entries, parse_config, read_graph
from medseg.models.keras_layers import is_code, operation
from medseg.models.nnunet_card import read_preparation
from medseg.models.pickle_scan import PickleRefused, read_inert, tensors_of
from medseg.models.protobuf import WireError
from medseg.models.pt2_program import ProgramRefused
from medseg.models.script_scan import CodeRefused, check_code
from medseg.models.state_dict_recognise import recognise

#: What a target may answer with: the refusals, each of which becomes one line.
ALLOWED = (MedSegError, PickleRefused, CodeRefused, WireError, ProgramRefused, ConfigRefused)


class Folder:
    """Where a target's files lie: in memory where the system has such a place."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")
        self.path = Path(tempfile.mkdtemp(prefix="medseg-fuzz-", dir=memory if os.access(memory, os.W_OK) else None))

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def file(self, content: bytes, name: str = "model.bin") -> Path:
        path = self.path / name
        path.write_bytes(content)
        return path

    def archive(self, entries_: Mapping[str, bytes], name: str = "model.zip") -> Path:
        path = self.path / name
        with zipfile.ZipFile(path, "w") as archive:
            for entry, content in entries_.items():
                archive.writestr(entry, content)
        return path

    def package(self, files: Mapping[str, bytes], name: str) -> Path:
        root = self.path / name
        for file, content in files.items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_bytes(content)
        return root


def whole_file(folder: Folder, data: bytes) -> None:
    """Any format, told by its content; HDF5 left out.

    Its library is C, and ends the process within minutes of this. The commands look at such files in a worker.
    """
    if b"\x89HDF" in data:
        return
    inspect_model(folder.file(data))


def pickled(folder: Folder, data: bytes) -> None:
    """The pickle of a TorchScript archive."""
    tensors_of(read_inert(data))


def checkpoint(folder: Folder, data: bytes) -> None:
    """The pickle of a checkpoint, with a storage beside it."""
    inspect_model(folder.archive({"a/data.pkl": data, "a/version": b"3\n", "a/data/0": b"\0" * 4096}))


def script_code(folder: Folder, data: bytes) -> None:
    """Code of a TorchScript archive."""
    check_code(data.decode("utf-8", "replace"))


def program(folder: Folder, data: bytes) -> None:
    """The graph of an exported program, with its table of weights after a zero byte."""
    graph, _, table = data.partition(b"\0")
    inspect_model(
        folder.archive(
            {
                "a/archive_format": b"pt2",
                "a/models/model.json": graph,
                "a/data/weights/model_weights_config.json": table or b'{"config": {}}',
                "a/data/weights/weight_0": b"\0" * 64,
            }
        )
    )


def keras_configuration(folder: Folder, data: bytes) -> None:
    """The configuration of a Keras model, without its weights."""
    config = parse_config(data.decode("utf-8", "replace"))
    for kind, settings in entries(config):
        is_code(kind, settings)
    for layer in read_graph(config).layers.values():
        operation(layer, False, "3.9.0")


def card_text(folder: Folder, data: bytes) -> None:
    """A model card, and what of nnU-Net's plans it carries."""
    card = ModelCard.from_json(data.decode("utf-8", "replace"))
    if ModelCard.from_dict(json.loads(card.to_json())) != card:
        raise AssertionError("the card does not come back from its own JSON")
    if card.preparation:
        plans, mirror = read_preparation(card, Path("model.onnx"))
        if mirror not in ([], [0], [1], [0, 1]) or min(plans.patch) < 1:
            raise AssertionError("plans that nobody can follow")


def bioimageio(folder: Folder, data: bytes) -> None:
    """The description of a bioimage.io package."""
    inspect_model(folder.package({"rdf.yaml": data, "net.pt": b"no model"}, "bioimageio"))


def bundle(folder: Folder, data: bytes) -> None:
    """The description and the configuration of a MONAI bundle, with a zero byte between them."""
    metadata, _, config = data.partition(b"\0")
    files = {"configs/metadata.json": metadata, "configs/inference.json": config, "models/model.pt": b"no model"}
    inspect_model(folder.package(files, "bundle"))


def nnunet(folder: Folder, data: bytes) -> None:
    """Plans and dataset of an nnU-Net folder, with a zero byte between them."""
    plans, _, dataset = data.partition(b"\0")
    files = {"plans.json": plans, "dataset.json": dataset, "fold_0/checkpoint_final.pth": b"no model"}
    inspect_model(folder.package(files, "nnunet"))


def weights_table(folder: Folder, data: bytes) -> None:
    """Names and shapes of weights, as a JSON table: which network they are of, and that its card can be read again."""
    try:
        table = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return
    shapes = {
        name: tuple(n for n in shape if isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 1 << 62)[:16]
        for name, shape in (table.items() if isinstance(table, dict) else ())
        if isinstance(shape, list)
    }
    found = recognise(shapes)
    if found is not None and not {*found.names, *found.left} <= set(shapes):
        raise AssertionError("it names tensors that are not there")


#: By the first byte of an input, in this order; an input that libFuzzer makes of nothing reaches all of them.
TARGETS: tuple[Callable[[Folder, bytes], None], ...] = (
    whole_file,
    pickled,
    checkpoint,
    script_code,
    program,
    keras_configuration,
    card_text,
    bioimageio,
    bundle,
    nnunet,
    weights_table,
)


def run_one(folder: Folder, data: bytes) -> str:
    """One input through the target that its first byte names; the refusal's text, or "". Raises what is a finding."""
    if not data:
        return ""
    target = TARGETS[data[0] % len(TARGETS)]
    try:
        target(folder, data[1:])
    except ALLOWED as error:
        return str(error) or type(error).__name__
    return ""
