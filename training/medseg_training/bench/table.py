"""The outcome for a person: tables of text, and under what conditions they came about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

NAMES = {"ours": "medseg", "monai": "MONAI, stock", "monai-tuned": "MONAI, tuned", "nnunet": "nnU-Net v2 2D"}
MODES = {
    "full": "augmented step",
    "batches": "batches alone",
    "plain": "plain step",
    "made": "step on made data",
}
#: What the words of `MODES` mean.
MEANING = (
    "Augmented step: load, augment, learn, as training does. Batches alone: load and augment, no learning. Plain step: "
    "load and learn, nothing augmented. Step on made data: learning alone, on one augmented batch."
)
HEADS = ("", "", "batch", "workers", "slices/s", "per processor second", "of peak", "memory (GB)")


def cells(outcome: dict[str, Any]) -> list[list[str]]:
    """A row for each row; where one was not run, the reason. Rows of one contender and one reason are one."""
    found: list[list[str]] = []
    for row in outcome["rows"]:
        name = NAMES[row["contender"]]
        if row["reason"] is not None:
            line = [name, f"not run: {row['reason']}", *[""] * (len(HEADS) - 2)]
            if not found or found[-1] != line:
                found.append(line)
            continue
        workers = "" if row["workers"] is None else str(row["workers"])
        share = "" if row["share_of_peak"] is None else f"{row['share_of_peak']:.1%}"
        memory = "" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 1e9:.2f}"
        speed = [_short(row["slices_per_s"]), _short(row["slices_per_cpu_s"])]
        found.append([name, MODES[row["mode"]], str(row["batch"]), workers, *speed, share, memory])
    return found


def shares(outcome: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """How much of the augmented step is loading and augmenting: heads, and a row for each batch size."""
    ratios = [one for one in outcome["ratios"] if "loading_and_augmenting" in one]
    names = [n for n in NAMES if any(n in one["loading_and_augmenting"] for one in ratios)]
    rows = [
        [str(one["batch"]), *(_percent(one["loading_and_augmenting"].get(name)) for name in names)] for one in ratios
    ]
    return ["batch", *(NAMES[name] for name in names)], rows


def ratios(outcome: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """How many times as fast ours is: heads, and a row for each batch size and peer."""
    rows = []
    for one in outcome["ratios"]:
        for peer, by_mode in one.get("ours_over", {}).items():
            values = [f"{by_mode[mode]:.2f}" if mode in by_mode else "" for mode in MODES]
            rows.append([f"medseg / {NAMES[peer]}", str(one["batch"]), *values, _precisions(outcome, peer)])
    return ["", "batch", *MODES.values(), "precision"], rows


def conditions(outcome: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and text of everything that a reader must know."""
    settings, cost, machine = outcome["settings"], outcome["flop_per_slice"], outcome["machine"]
    cores = f"{machine['cores_allowed']} of {machine['cores']} cores"
    named = ", ".join(str(machine[k]) for k in ("gpu", "processor", "system") if k in machine)
    yield "machine", f"{named}, {cores}"
    yield "network", f"{settings['network']}, {cost['step'] / 1e9:.2f} GFLOP a slice and step ({cost['forward'] / 1e9:.2f} forward)"  # fmt: skip  # noqa: E501
    made = f"{settings['cases']} volumes of {settings['slices']} slices, made for this"
    yield "data", f"{settings['size']}×{settings['size']}, {made}; augmentation {settings['augmentation']}"
    if outcome["peak_flop_per_s"]:
        per = " and processor second" if settings["device"] == "cpu" else ""
        peak = f"{outcome['peak_flop_per_s'] / 1e12:.3g} TFLOP/s{per}"
        yield "peak", f"{peak}: the best square matrix product of random numbers, {settings['precision']}, same run"
    for name, about in outcome["contenders"].items():
        if about.get("versions"):
            versions = ", ".join(f"{k} {v}" for k, v in about["versions"].items())
            more = "compiled" if about.get("compiled") else "not compiled"
            yield NAMES[name], f"{versions}; {about['precision']}, {more}, {about['threads']} threads of torch"
            yield from ((NAMES[name], note) for note in about.get("notes", ()))
        tried = [f"{s['workers']} ({MODES[s['mode']]}): {s['slices_per_s']:.3g}" for s in about.get("search", ())]
        if tried:
            yield f"workers tried, {NAMES[name]}", "; ".join(tried) + " slices/s"
    yield "memory", "of the GPU; on a CPU of the main process without its loaders' processes"
    for session in outcome["sessions"]:
        load = f"load {session['load_before']} before, {session['load_after']} after"
        yield session["when"], f"{session['command']}  ({session['minutes']:.1f} minutes; {load})"


def lines(outcome: dict[str, Any]) -> Iterator[str]:
    """Everything as plain text."""
    yield from _aligned(HEADS, cells(outcome))
    heads, rows = shares(outcome)
    if rows:
        yield from ("", f"Part of the augmented step that loads and augments, by {by(outcome)}")
        yield from _aligned(heads, rows)
    heads, rows = ratios(outcome)
    if rows:
        yield from ("", f"How many times as fast, by {by(outcome)}")
        yield from _aligned(heads, rows)
    yield ""
    for name, text in conditions(outcome):
        yield f"{name}: {text}"


def by(outcome: dict[str, Any]) -> str:
    """What ratios and pictures are taken by."""
    return "processor time" if outcome["settings"]["device"] == "cpu" else "the clock"


def _aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    plain = [row for row in [heads, *rows] if not any(cell.startswith("not run") for cell in row)]
    widths = [max(len(row[n]) for row in plain) for n in range(len(heads))]
    widths[0] = max(len(row[0]) for row in rows)
    for row in (heads, *rows):
        left = sum(not heads[n] for n in range(2))
        parts = [c.ljust(w) if n < left else c.rjust(w) for n, (c, w) in enumerate(zip(row, widths, strict=True))]
        yield "  ".join(parts).rstrip()


def _precisions(outcome: dict[str, Any], peer: str) -> str:
    mine, theirs = (outcome["contenders"][name].get("precision") for name in ("ours", peer))
    return f"{mine}, both" if mine == theirs else f"{mine} against {theirs}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
