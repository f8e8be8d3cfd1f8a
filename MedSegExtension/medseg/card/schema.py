"""Validation of a card against the published JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import InputError


@cache
def schema() -> dict[str, Any]:
    """The published schema (JSON Schema draft 7)."""
    return json.loads(files("medseg.data").joinpath("model-card.schema.json").read_text(encoding="utf-8"))


@cache
def _validator() -> Callable[[Any], Any]:
    import fastjsonschema

    return fastjsonschema.compile(schema(), use_default=False)


def validate(data: Mapping[str, Any], source: str | Path | None = None) -> None:
    """Raise InputError, naming the field and the mend, where ``data`` does not follow the schema."""
    import fastjsonschema

    try:
        _validator()(data)
    except fastjsonschema.JsonSchemaValueException as error:
        name = ".".join(str(part) for part in error.path[1:]) or "(the whole card)"
        what = str(error.message).replace("data.", "").replace(name, "", 1).strip()
        raise InputError(f"model card field {name}: {what}", file=source, mend=_mend(error)) from None


def _mend(error: Any) -> str:
    rule, definition = error.rule, error.definition if isinstance(error.definition, dict) else {}
    if rule == "enum":
        return f"use one of {', '.join(map(repr, definition['enum']))}"
    if rule == "const":
        return f"use {definition['const']!r}; a newer card needs a newer medseg"
    if rule == "required":
        return f"give {', '.join(n for n in definition['required'] if n not in (error.value or {}))}"
    if rule == "additionalProperties":
        known = sorted(definition.get("properties", {}))
        return f"remove it or correct its name; known here: {', '.join(known)}"
    if rule == "type":
        return f"give a value of type {definition.get('type')}"
    if "description" in definition:
        return definition["description"]
    return f"see the rule {rule!r} in model-card.schema.json"
