"""Many cases in one call: a state that survives, and a table of what was found.

The output folder holds one segmentation a case, ``medseg-state.jsonl`` (one line for each finished or failed case,
appended as soon as it is) and ``segments.csv``. A second call skips what is done with the same model, options and
input file; anything else is done again.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from ..errors import Cancelled, InputError, MedSegError
from .common import errors

STATE_FILE = "medseg-state.jsonl"
TABLE_FILE = "segments.csv"
COLUMNS = (
    "case",
    "status",
    "segment",
    "value",
    "voxels",
    "volume_ml",
    "highest_probability",
    "seconds",
    "output",
    "warnings",
    "error",
)


def find_case_paths(inputs: list[Path]) -> list[Path] | None:
    """The cases of a folder of cases, or None where the inputs are one case (files, a DICOM or a slice folder)."""
    from ..io import find_cases
    from ..io.names import PICTURE_SUFFIXES, suffix_of

    if len(inputs) != 1 or not inputs[0].is_dir():
        return None
    cases = find_cases(inputs[0])
    loose_dicom = inputs[0] in cases
    # A folder of nothing but pictures is a stack of slices; name its pictures one by one to have each as a case.
    if loose_dicom or all(path.is_file() and suffix_of(path) in PICTURE_SUFFIXES for path in cases):
        return None
    return cases


def segment_cases(
    cases: list[Path],
    model: Any,
    out: Path,
    *,
    suffix: str,
    run_options: dict[str, Any],
    overwrite: bool,
    probabilities: Path | None,
) -> dict[str, Any]:
    """Segment every case into ``out`` and return the report. One failed case does not stop the others."""
    from ..io import case_name
    from .segment import segment_one

    _make_folder(out)
    key = _run_key(model, run_options, suffix)
    state = _State(out / STATE_FILE)
    names = [case_name(path) for path in cases]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise InputError(f"two cases have the name {twice[0]}", file=cases[0].parent, mend="rename one of them")
    rows: list[dict[str, Any]] = []
    for number, (path, name) in enumerate(zip(cases, names, strict=True), start=1):
        target = out / f"{name}{suffix}"
        identity = {"case": name, "key": key, "input": _input_key(path)}
        done = state.find(identity)
        if done is not None and target.exists() and not overwrite:
            rows.append(done)
            errors.print(f"[{number}/{len(cases)}] {name}: done before")
            continue
        if target.exists() and not overwrite and not state.wrote(name):
            row = {
                **identity,
                "status": "failed",
                "error": f"{target} exists and was not made by this command; move it away or say --overwrite",
            }
        else:
            row = {**identity, **_run_case(segment_one, path, model, target, run_options, probabilities)}
        errors.print(
            f"[{number}/{len(cases)}] {name}: {row['status']}"
            + (f" in {row['seconds']:.1f} s" if row["status"] == "done" else f": {row['error']}")
        )
        state.append(row)
        rows.append(row)
        _write_table(rows, out / TABLE_FILE)
    _write_table(rows, out / TABLE_FILE)
    return {"output": str(out), "cases": [{k: v for k, v in r.items() if k not in ("key", "input")} for r in rows]}


def _run_case(
    run: Any, path: Path, model: Any, target: Path, run_options: dict[str, Any], probabilities: Path | None
) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        report = run([path], model, target, run_options=run_options, probabilities=probabilities)
    except Cancelled:
        raise
    except MedSegError as error:
        return {"status": "failed", "error": error.line(), "seconds": time.perf_counter() - started}
    return {
        "status": "done",
        "seconds": time.perf_counter() - started,
        "output": target.name,
        "segments": report["segments"],
        "warnings": report["warnings"],
    }


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the output folder cannot be made ({error.strerror})", file=out, mend="choose a folder you may write to"
        ) from None


def _run_key(model: Any, run_options: dict[str, Any], suffix: str) -> str:
    """Changes with anything that changes the result."""
    digest = hashlib.sha256()
    with Path(model.path).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    card = model.card.to_json() if model.card is not None else ""
    digest.update(json.dumps([card, run_options, suffix], sort_keys=True).encode())
    return digest.hexdigest()


def _input_key(path: Path) -> str:
    """Size and modification time of the file, or of the files of a folder."""
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    stats = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return hashlib.sha256(json.dumps(stats).encode()).hexdigest()


class _State:
    """Append-only lines; a line cut off by a crash is ignored."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    self.rows.append(json.loads(line))
                except json.JSONDecodeError:
                    continue

    def find(self, identity: dict[str, str]) -> dict[str, Any] | None:
        for row in reversed(self.rows):
            if row.get("case") == identity["case"]:
                same = all(row.get(k) == v for k, v in identity.items())
                return row if same and row.get("status") == "done" else None
        return None

    def wrote(self, case: str) -> bool:
        """Whether an earlier call of ours made this case's output."""
        return any(row.get("case") == case and row.get("status") == "done" for row in self.rows)

    def append(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        try:
            ends_clean = not self.path.exists() or self.path.stat().st_size == 0 or _last_byte(self.path) == b"\n"
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(("" if ends_clean else "\n") + json.dumps(row, ensure_ascii=False) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise InputError(
                f"the state cannot be written ({error.strerror})",
                file=self.path,
                mend="free disk space or choose another output folder",
            ) from None


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1)


def _write_table(rows: list[dict[str, Any]], path: Path) -> None:
    from ..io import atomic_path

    with atomic_path(path) as temporary, Path(temporary).open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, COLUMNS, extrasaction="ignore")
        table.writeheader()
        for row in rows:
            common = {**row, "seconds": f"{row.get('seconds', 0):.2f}", "warnings": " | ".join(row.get("warnings", []))}
            for found in row.get("segments") or [{}]:
                table.writerow({**common, **found, "segment": found.get("name", "")})
