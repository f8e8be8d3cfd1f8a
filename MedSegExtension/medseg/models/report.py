"""What the static checks found out about a model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..card import ModelCard

#: Key of the card in ONNX metadata, safetensors metadata and the extra files of a TorchScript archive.
CARD_KEY = "medseg.card"


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a graph. A dimension is a number, the name of a free one, or None where nothing is said."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None


@dataclass
class ModelReport:
    """The result of `inspect_model`; nothing of the file was executed to fill it.

    ``draft`` is the part of a card that could be inferred, shaped as the card's JSON; ``inferred`` says for each of its
    fields how sure that is and why; ``missing`` names the card fields a person must be asked for (empty where the model
    has a card). ``unsafe`` names what would make `open_model` refuse the file.
    """

    path: Path
    format: str
    framework: str = ""
    version: str = ""
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    parameters: int | None = None
    in_channels: int | None = None
    out_channels: int | None = None
    fixed_size: tuple[int, int] | None = None
    fixed_batch: int | None = None
    multiple_of: int | None = None
    ends_in: str | None = None
    card: ModelCard | None = None
    card_source: str = ""
    card_error: str = ""
    draft: dict[str, Any] = field(default_factory=dict)
    inferred: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    unsafe: tuple[str, ...] = ()
    warnings: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    card_text: str | None = None
    #: What happened when a worker loaded the file and ran one slice: ``{"backend", "device", "slice", "output",
    #: "seconds"}``, or ``{"error": line}``; empty where it was not loaded.
    loaded: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        data = {name: value for name, value in asdict(self).items() if name not in ("card", "card_text", "path")}
        data["path"] = str(self.path)
        data["size_bytes"] = self.path.stat().st_size if self.path.is_file() else None
        data["card"] = self.card.to_dict() if self.card else None
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModelReport:
        """The report that `as_dict` described, as it comes from a worker."""
        given = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        for side in ("inputs", "outputs"):
            given[side] = tuple(
                TensorInfo(t["name"], t["dtype"], None if t["shape"] is None else tuple(t["shape"]))
                for t in data.get(side, ())
            )
        for name in ("missing", "unsafe"):
            given[name] = tuple(data.get(name, ()))
        size = data.get("fixed_size")
        card = data.get("card")
        given |= {
            "path": Path(data["path"]),
            "fixed_size": None if size is None else (size[0], size[1]),
            "card": None if card is None else ModelCard.from_dict(card),
        }
        return cls(**given)
