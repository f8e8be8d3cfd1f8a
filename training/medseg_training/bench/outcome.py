"""What a run found, as one JSON object: rows, ratios, and what is needed to believe or repeat them."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
from pathlib import Path
from typing import Any

from medseg.errors import InputError

from .request import MODES

FORMAT = "medseg-bench-train-1"
CONTENDERS = ("ours", "monai", "monai-tuned", "nnunet")
#: What must be the same for rows of two runs to stand in one table.
_SAME = ("size", "network", "arguments", "augmentation", "device", "precision", "threads", "cases", "slices", "seed")


def new_outcome(machine: dict[str, Any], settings: dict[str, Any], flop: dict[str, float]) -> dict[str, Any]:
    """An outcome with no rows."""
    return {
        "format": FORMAT,
        "machine": machine,
        "settings": settings,
        "flop_per_slice": flop,
        "sessions": [],
        "contenders": {},
        "rows": [],
    }


def read_outcome(path: Path, machine: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """A former run's, to add to. Raises InputError where it is none, or of another machine or other settings."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"this cannot be read ({error})", file=path, mend="give the JSON of a former run") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InputError("this is no outcome of medseg bench train", file=path, mend="give the JSON of a former run")
    if found["machine"] != machine:
        raise InputError("this was measured on another machine", file=path, mend="leave out --resume")
    other = [name for name in _SAME if found["settings"][name] != settings[name]]
    if other:
        raise InputError(
            f"this was measured with other settings ({', '.join(other)})",
            file=path,
            mend="repeat that run's options, or leave out --resume",
        )
    found["settings"]["batches"] = sorted({*found["settings"]["batches"], *settings["batches"]})
    return found


def put_rows(outcome: dict[str, Any], contender: str, about: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Replace what is there of the same points; a row that was not run does not replace one that was."""
    outcome["contenders"][contender] = about
    for row in rows:
        same = [r for r in outcome["rows"] if all(r[k] == row[k] for k in ("contender", "mode", "batch"))]
        if same and row["reason"] is not None and same[0]["reason"] is None:
            continue
        outcome["rows"] = [r for r in outcome["rows"] if r not in same] + [row]
    order = {name: n for n, name in enumerate(CONTENDERS)}
    outcome["rows"].sort(key=lambda r: (order[r["contender"]], r["batch"], MODES.index(r["mode"])))


def make_row(
    contender: str, mode: str, batch: int, workers: int | None, windows: list[dict[str, Any]], reason: str | None
) -> dict[str, Any]:
    """Medians over windows; ``reason`` says why there is none."""
    row: dict[str, Any] = {"contender": contender, "mode": mode, "batch": batch, "workers": workers}
    row |= {"slices_per_s": None, "slices_per_cpu_s": None, "peak_bytes": None}
    if windows:
        row["slices_per_s"] = statistics.median(batch * w["steps"] / w["seconds"] for w in windows)
        cpu = [batch * w["steps"] / w["cpu_seconds"] for w in windows if w["cpu_seconds"] > 0]
        row["slices_per_cpu_s"] = statistics.median(cpu) if cpu else None
        peaks = [w["peak_bytes"] for w in windows if w["peak_bytes"] is not None]
        row["peak_bytes"] = max(peaks) if peaks else None
    return row | {"windows": windows, "reason": None if windows else (reason or "not asked for")}


def add_figures(outcome: dict[str, Any]) -> None:
    """Share of the peak for each row with a step, and the ratios.

    On a CPU both are by processor time, which other work on the machine changes least; elsewhere by the clock.
    """
    unit = unit_of(outcome)
    peaks = [session["peak"]["flop_per_s"] for session in outcome["sessions"] if session["peak"]]
    outcome["peak_flop_per_s"] = peak = max(peaks) if peaks else None
    for row in outcome["rows"]:
        worked = row[unit] is not None and row["mode"] != "batches" and peak
        row["share_of_peak"] = row[unit] * outcome["flop_per_slice"]["step"] / peak if worked else None
    outcome["ratios"] = _ratios(outcome)


def unit_of(outcome: dict[str, Any]) -> str:
    """The key of a row's speed that ratios are taken of."""
    return "slices_per_cpu_s" if outcome["settings"]["device"] == "cpu" else "slices_per_s"


def _ratios(outcome: dict[str, Any]) -> list[dict[str, Any]]:
    """For each batch size: the part of the step that loading and augmenting takes, and ours over each peer."""
    unit = unit_of(outcome)
    speed = {(r["contender"], r["mode"], r["batch"]): r[unit] for r in outcome["rows"] if r[unit]}
    found = []
    for batch in sorted({r["batch"] for r in outcome["rows"]}):
        one: dict[str, Any] = {"batch": batch, "by": unit}
        for name in CONTENDERS:
            full, made = speed.get((name, "full", batch)), speed.get((name, "made", batch))
            if full and made:
                one.setdefault("loading_and_augmenting", {})[name] = max(0.0, 1 - full / made)
        for peer in CONTENDERS[1:]:
            for mode in MODES:
                mine, theirs = speed.get(("ours", mode, batch)), speed.get((peer, mode, batch))
                if mine and theirs:
                    one.setdefault("ours_over", {}).setdefault(peer, {})[mode] = mine / theirs
        found.append(one)
    return found


def this_machine(device: str) -> dict[str, Any]:
    """What a reader must know of it; no names of hosts or persons."""
    import torch

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    machine: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "cores_allowed": allowed,
        "system": f"{platform.system()} {platform.machine()}",
    }
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        machine |= {"gpu": properties.name, "gpu_memory_bytes": properties.total_memory, "cuda": torch.version.cuda}
    return machine


def _processor() -> str:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()
