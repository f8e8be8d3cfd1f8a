"""The content of an HDF5 file as plain values: what is left of it once its reader, a C library, is out of the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Text = str | list[str]


@dataclass
class Data:
    """A data set: its shape and, where they were asked for, its values (float, integer or bool)."""

    shape: tuple[int, ...]
    values: np.ndarray | None = None

    def __getitem__(self, key: tuple[()]) -> np.ndarray:
        """``data[()]``: all values. Raises ValueError where there are none."""
        if self.values is None:
            raise ValueError("it holds no numbers")
        return self.values[key]


@dataclass
class Group:
    """A group: attributes that are text, and what lies in it, found by name or by path (``a/b``)."""

    attrs: dict[str, Text] = field(default_factory=dict)
    items: dict[str, Group | Data] = field(default_factory=dict)

    def get(self, path: str, default: Any = None) -> Any:
        """What lies at ``path``, or ``default``."""
        found: Group | Data = self
        for part in path.strip("/").split("/"):
            if not isinstance(found, Group) or part not in found.items:
                return default
            found = found.items[part]
        return found

    def __contains__(self, path: str) -> bool:
        return self.get(path) is not None

    def __getitem__(self, path: str) -> Any:
        found = self.get(path)
        if found is None:
            raise KeyError(path)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.items)

    def values(self) -> Iterator[Any]:
        """What lies in it."""
        return iter(self.items.values())


def as_json(group: Group, stream: Any = None) -> dict[str, Any]:
    """The tree as JSON-ready data; values go to the binary ``stream`` one after the other."""
    items: dict[str, Any] = {}
    for name, item in group.items.items():
        if isinstance(item, Group):
            items[name] = as_json(item, stream)
            continue
        entry: dict[str, Any] = {"shape": list(item.shape)}
        if item.values is not None and stream is not None:
            entry |= {"dtype": item.values.dtype.str, "at": stream.tell()}
            stream.write(np.ascontiguousarray(item.values).tobytes())
        items[name] = entry
    return {"attrs": group.attrs, "items": items}


def from_json(data: Mapping[str, Any], file: Path | None = None) -> Group:
    """The tree that `as_json` described; ``file`` holds the values. Raises ValueError, KeyError, TypeError."""
    group = Group(attrs={str(name): text for name, text in data["attrs"].items()})
    for name, entry in data["items"].items():
        if "items" in entry:
            group.items[name] = from_json(entry, file)
            continue
        shape = tuple(int(n) for n in entry["shape"])
        values = None
        if file is not None and "at" in entry:
            dtype = np.dtype(str(entry["dtype"]))
            if dtype.hasobject:
                raise ValueError("objects are no numbers")
            count = int(np.prod(shape, dtype=np.int64))
            values = np.fromfile(file, dtype, count, offset=int(entry["at"])).reshape(shape)
        group.items[name] = Data(shape, values)
    return group
