"""Reading YAML and JSON texts of packages: plain data only, bounded in length, depth and number of values."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ..errors import InputError, UnsafeModelError

#: The longest description seen in public collections has some tens of kilobytes.
MAX_TEXT = 1 << 20
MAX_DEPTH = 64
#: Values after aliases are written out: a few lines of YAML can name 10⁹ of them.
MAX_VALUES = 200_000


def read_yaml(content: bytes, path: str | Path) -> dict[str, Any]:
    """The mapping that a YAML text holds: dicts with text keys, lists, str, int, float, bool, None; dates as text.

    No tag constructs an object. Raises InputError where it is no such text, UnsafeModelError where it is overlong or
    its aliases multiply or go in circles, MissingPackageError where PyYAML is not installed.
    """
    from ..backends import require

    yaml = require("yaml", "pyyaml")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = _text(content, path)
        # libyaml's composer recurses in C and takes the process down with it where a text is nested deeply; its events
        # come one by one.
        _check_events(yaml, yaml.parse(text, Loader=loader), path)
        return _mapping(yaml.load(text, Loader=loader), path)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError, MemoryError, TypeError, AttributeError) as error:
        line = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"the description is not valid YAML ({line})", file=path, mend="get the package again"
        ) from None


def _check_events(yaml: Any, events: Any, path: str | Path) -> None:
    depth = 0
    for count, event in enumerate(events):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH or count > MAX_VALUES:
            _refuse_size(path)


def _refuse_size(path: str | Path) -> None:
    raise UnsafeModelError(
        "the description is nested too deeply or multiplies itself", file=path, mend="do not open this package"
    )


def read_json(content: bytes, path: str | Path, what: str = "the description", limit: int = MAX_TEXT) -> dict[str, Any]:
    """The same for a JSON text. Raises InputError, UnsafeModelError."""
    try:
        return _mapping(json.loads(_text(content, path, limit)), path, max(MAX_VALUES, limit // 4))
    except (ValueError, RecursionError, MemoryError) as error:
        line = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{what} is not valid JSON ({line})", file=path, mend="get the package again") from None


def _text(content: bytes, path: str | Path, limit: int = MAX_TEXT) -> str:
    if len(content) > limit:
        raise UnsafeModelError(
            f"a description of {len(content)} bytes is not read, {limit} are allowed",
            file=path,
            mend="do not open this package",
        )
    return content.decode("utf-8-sig")


def _mapping(data: Any, path: str | Path, values: int = MAX_VALUES) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise InputError("the description is not a table of fields", file=path, mend="get the package again")
    left = [values]
    return _plain(data, 0, left, path)


def _plain(value: Any, depth: int, left: list[int], path: str | Path) -> Any:
    """A copy with every alias written out, within the limits."""
    left[0] -= 1
    if depth > MAX_DEPTH or left[0] < 0:
        _refuse_size(path)
    if isinstance(value, dict):
        return {str(key): _plain(item, depth + 1, left, path) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item, depth + 1, left, path) for item in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return str(value)


def number(value: Any) -> float | None:
    """``value`` as a finite float, or None where it is not one number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def numbers(value: Any) -> list[float] | None:
    """One number or a list of numbers (nested lists flattened) as a list, or None."""
    if isinstance(value, list):
        found: list[float] = []
        for item in value:
            part = numbers(item)
            if part is None:
                return None
            found += part
        return found
    single = number(value)
    return None if single is None else [single]
