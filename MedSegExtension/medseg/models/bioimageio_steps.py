"""Pre- and post-processing steps of bioimage.io descriptions as fields of a card.

The steps and their defaults are those of the specification, formats 0.4 and 0.5 (bioimage-io/spec-bioimage-io,
"preprocessing" and "postprocessing"). A card knows one normalisation; a chain of steps is folded into one where that is
exact: statistics measured after a positive affine map are the map's own, a fixed map after a fixed map is one map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .yaml_text import number, numbers

#: Letters and ids of axes that lie within one slice.
IN_SLICE = frozenset({"x", "y"})


class NotInCard(ValueError):
    """A step that a card cannot say; ``args[0]`` names it and the reason."""


@dataclass(frozen=True)
class Step:
    """A step: its name, its arguments."""

    name: str
    arguments: dict[str, Any]


def steps_of(value: Any) -> list[Step]:
    """The steps of an input or output (``name`` in format 0.4, ``id`` in 0.5)."""
    found = []
    for entry in value if isinstance(value, list) else []:
        entry = entry if isinstance(entry, dict) else {}
        arguments = entry.get("kwargs")
        name = entry.get("id", entry.get("name"))
        found.append(Step(str(name), arguments if isinstance(arguments, dict) else {}))
    return found


def axis_names(value: Any) -> frozenset[str] | None:
    """Axes of a step: the letters "yx" or a list of ids; None where the step takes all."""
    if value is None:
        return None
    names = list(value) if isinstance(value, (str, list)) else []
    return frozenset({"b": "batch", "c": "channel", "i": "batch"}.get(str(name), str(name)) for name in names)


@dataclass
class _Chain:
    """What the steps so far amount to: an affine map (x * gain + offset), limits before it, or measured statistics."""

    gain: float = 1.0
    offset: float = 0.0
    clip: tuple[float, float] | None = None
    measured: dict[str, Any] | None = None

    def affine(self, gain: float, offset: float, step: Step) -> None:
        if self.measured is not None and (gain, offset) != (1.0, 0.0):
            raise NotInCard(f"step {step.name} after a normalisation by measured values")
        if gain <= 0:
            raise NotInCard(f"step {step.name} with the factor {gain}")
        self.gain, self.offset = self.gain * gain, self.offset * gain + offset

    def measure(self, normalisation: dict[str, Any], step: Step) -> None:
        if self.measured is not None and (
            self.measured["kind"] != "percentile" or normalisation["kind"] != "zscore" or self.measured["clip"]
        ):
            raise NotInCard(f"step {step.name} after another normalisation by measured values")
        if self.clip is not None:
            raise NotInCard(f"step {step.name} after limits")
        # Mean and percentiles follow a positive affine map, so what came before cancels out.
        self.measured, self.gain, self.offset = normalisation, 1.0, 0.0

    def limit(self, low: float, high: float, step: Step) -> None:
        if not low < high:
            raise NotInCard(f"step {step.name} whose limits are {low} and {high}")
        if self.measured is not None:
            if self.measured["kind"] == "percentile" and (low, high) == (0.0, 1.0):
                self.measured["clip"] = True
                return
            raise NotInCard(f"step {step.name} after a normalisation by measured values")
        if self.clip is not None:
            raise NotInCard(f"step {step.name} after other limits")
        self.clip = ((low - self.offset) / self.gain, (high - self.offset) / self.gain)

    def result(self) -> dict[str, Any]:
        if self.measured is not None:
            return self.measured
        if self.clip is not None:
            low, high = self.clip
            mapped = (low * self.gain + self.offset, high * self.gain + self.offset)
            if max(abs(mapped[0]), abs(mapped[1] - 1)) > 1e-6:
                raise NotInCard(f"limits that become {mapped[0]:g} and {mapped[1]:g}, not 0 and 1 as a card's window")
            return {"kind": "window", "window": [low, high], "clip": True}
        if (self.gain, self.offset) == (1.0, 0.0):
            return {"kind": "none"}
        if self.offset == 0.0:
            return {"kind": "divide", "divisor": 1 / self.gain}
        return {"kind": "zscore", "mean": -self.offset / self.gain, "standard_deviation": 1 / self.gain}


def normalisation_of(steps: list[Step], channels: int, batch_is_one: bool) -> tuple[dict[str, Any], list[str]]:
    """The card's ``input.normalisation`` for the steps of an input, and sentences about what is not quite the same.

    Raises NotInCard where the steps are more than a card can say.
    """
    chain = _Chain()
    notes: list[str] = []
    for step in steps:
        arguments, mode = step.arguments, step.arguments.get("mode", "per_sample")
        if step.name == "ensure_dtype":
            if str(arguments.get("dtype", "float32")) not in ("float32", "float64"):
                raise NotInCard(f"step ensure_dtype to {arguments.get('dtype')}, which rounds")
        elif step.name == "scale_linear":
            chain.affine(_one(arguments.get("gain", 1.0), step), _one(arguments.get("offset", 0.0), step), step)
        elif step.name == "fixed_zero_mean_unit_variance" or (
            step.name == "zero_mean_unit_variance" and mode == "fixed"
        ):
            mean, deviation = _one(arguments.get("mean"), step), _one(arguments.get("std"), step)
            if deviation <= 0:
                raise NotInCard(f"step {step.name} with the standard deviation {deviation}")
            chain.affine(1 / deviation, -mean / deviation, step)
        elif step.name == "zero_mean_unit_variance":
            scope = _scope(step, channels, batch_is_one, notes)
            chain.measure({"kind": "zscore", "scope": scope}, step)
        elif step.name == "scale_range":
            low, high = (
                _one(arguments.get("min_percentile", 0.0), step),
                _one(arguments.get("max_percentile", 100.0), step),
            )
            if not 0 <= low < high <= 100 or arguments.get("reference_tensor") is not None:
                raise NotInCard("step scale_range between these percentiles or by another tensor")
            scope = _scope(step, channels, batch_is_one, notes)
            chain.measure({"kind": "percentile", "percentiles": [low, high], "clip": False, "scope": scope}, step)
        elif step.name == "clip":
            least, most = number(arguments.get("min")), number(arguments.get("max"))
            if least is None or most is None:
                raise NotInCard("step clip with one limit, or limits by percentile")
            chain.limit(least, most, step)
        else:
            raise NotInCard(f"step {step.name[:60]}")
    return chain.result(), notes


def activation_of(steps: list[Step]) -> tuple[str | None, float | None]:
    """Activation ("sigmoid", "softmax", None where no step says) and threshold of an output. Raises NotInCard."""
    activation: str | None = None
    threshold: float | None = None
    for step in steps:
        if step.name == "ensure_dtype":
            continue
        if step.name in ("sigmoid", "softmax") and activation is None and threshold is None:
            axis = step.arguments.get("axis", "channel")
            if step.name == "softmax" and axis not in ("channel", "c"):
                raise NotInCard(f"step softmax along {axis}")
            activation = step.name
        elif step.name == "binarize" and threshold is None:
            threshold = _one(step.arguments.get("threshold"), step)
            if not 0 <= threshold <= 1:
                raise NotInCard(f"step binarize at {threshold:g}, which is no probability")
        elif step.name == "clip" and (number(step.arguments.get("min")), number(step.arguments.get("max"))) == (
            0.0,
            1.0,
        ):
            continue
        else:
            raise NotInCard(f"step {step.name[:60]} on the output")
    return activation, threshold


def _one(value: Any, step: Step) -> float:
    """One number, also where it is repeated for every channel."""
    found = numbers(value)
    if not found or len(set(found)) != 1:
        raise NotInCard(
            f"step {step.name} with a number for each channel" if found else f"step {step.name} without numbers"
        )
    return found[0]


def _scope(step: Step, channels: int, batch_is_one: bool, notes: list[str]) -> str:
    axes = axis_names(step.arguments.get("axes"))
    if axes is not None and not axes >= IN_SLICE:
        raise NotInCard(f"step {step.name} along {', '.join(sorted(axes)) or 'no axes'} only")
    if channels > 1 and (axes is None or "channel" in axes):
        notes.append("its statistics are over all channels together; here each channel is measured by itself")
    if step.arguments.get("mode") == "per_dataset":
        notes.append("its statistics are over the data set; here over the volume")
        return "volume"
    return "volume" if (axes is None or "batch" in axes) and not batch_is_one else "slice"
