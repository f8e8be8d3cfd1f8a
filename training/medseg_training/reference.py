"""The reference of the configuration, made from its types. ``python -m medseg_training.reference`` prints it."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from .config import Config

_BEGIN = """# Configuration of a training

Every key of the YAML file that `medseg train` and `medseg crossval` read. Made from the types in `medseg_training` by
`python -m medseg_training.reference`; a test holds that it is up to date. Any key can be set on the command line:
`--set optimiser.learning_rate=1e-3`. An unknown key is an error that names the nearest known one.

What each part is for, and examples: [training.md](training.md) and `training/recipes/`. Networks:
[networks.md](networks.md). Losses: [losses.md](losses.md). Augmentation: [augmentation.md](augmentation.md). The card:
[model-card.md](model-card.md).
"""


def reference() -> str:
    """The whole document, Markdown."""
    parts = [_BEGIN]
    for title, model in _sections(Config):
        parts.append(f"## {f'`{title}`' if title else 'Top level'}\n")
        if model is not Config and model.__doc__ and model.__doc__ != BaseModel.__doc__:
            parts.append(f"{_plain(model.__doc__)}\n")
        parts.append("| key | values | default | meaning |\n| --- | --- | --- | --- |")
        rows = [_row(name, field) for name, field in model.model_fields.items()]
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


def keys() -> Iterator[tuple[str, str, str, str]]:
    """(key, values, default, meaning) of everything, for a test that none is unexplained."""
    for title, model in _sections(Config):
        for name, field in model.model_fields.items():
            yield f"{title}.{name}".lstrip("."), _values(field), _default(field), _meaning(field)


def _sections(model: type[BaseModel], title: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    yield title, model
    for name, field in model.model_fields.items():
        inner = _model_of(field.annotation)
        if inner is not None:
            yield from _sections(inner, f"{title}.{name}".lstrip("."))


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [m for a in get_args(annotation) if (m := _model_of(a)) is not None]
    return found[0] if found and get_origin(annotation) in (Union, types.UnionType, Annotated) else None


def _row(name: str, field: FieldInfo) -> str:
    cells = (f"`{name}`", _values(field), _default(field), _meaning(field))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _meaning(field: FieldInfo) -> str:
    model = _model_of(field.annotation)
    if field.description:
        return _plain(field.description)
    if model is not None and model.__doc__:
        return _plain(model.__doc__).partition(". ")[0].rstrip(".") + "; see below."
    return ""


def _plain(text: str) -> str:
    """reStructuredText of the docstrings as Markdown on one line."""
    text = " ".join(text.split())
    return re.sub(r"``([^`]+)``", r"`\1`", text)


def _values(field: FieldInfo) -> str:
    limits = []
    for entry in field.metadata:
        for sign, word in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            if getattr(entry, sign, None) is not None:
                limits.append(f"{word} {getattr(entry, sign):g}")
    return ", ".join([_type(field.annotation), *limits])


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join("nothing" if a is type(None) else _type(a) for a in arguments)
    if origin is list:
        return f"list of {_type(arguments[0])}"
    if origin is tuple:
        return (
            f"{len(arguments)} × {_type(arguments[0])}"
            if Ellipsis not in arguments
            else f"list of {_type(arguments[0])}"
        )
    if origin is dict:
        return "mapping"
    if _model_of(annotation) is not None:
        return "section"
    names = {int: "whole number", float: "number", bool: "true, false", str: "text", Path: "path"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None or value == "":
        return ""
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if not isinstance(value, (list, dict)) or value else ""


if __name__ == "__main__":
    sys.stdout.write(reference())
