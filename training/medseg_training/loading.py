"""From the data to what a training works on: the store of training slices, the cases that validate, the split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from medseg.errors import InputError

from .config import Config
from .data import Case, LoadedCase, Problem, check_cohort, fingerprint, list_cases, load_case
from .data.fingerprint import files_sha256
from .data.label_values import check_source_labels
from .data.settings import DataSettings
from .device import available_ram, free_memory
from .display import Display
from .split import PatientSplit, split_patients
from .store import SliceStore, StoreBuilder
from .store.mapped import FORMAT, open_mapped

#: Share of the free memory that training slices may take, on the host and on the device.
SHARE_OF_MEMORY = 0.5


class Cases:
    """Cases that are read when they are wanted, and kept as far as a share of the memory goes."""

    SHARE = 0.25

    def __init__(self, cases: Sequence[Case], config: Config) -> None:
        self.cases, self.config = list(cases), config
        self._kept: dict[str, LoadedCase] = {}
        self._left = self.SHARE * (available_ram() or 0)

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[LoadedCase]:
        for case in self.cases:
            yield self._kept.get(case.name) or self.keep(self._read(case))

    def keep(self, loaded: LoadedCase) -> LoadedCase:
        """Hold a case that has been read, where there is room."""
        size = sum(v.array.nbytes for v in (*loaded.images, loaded.labels))
        if loaded.case.name not in self._kept and size <= self._left:
            self._left -= size
            self._kept[loaded.case.name] = loaded
        return loaded

    def _read(self, case: Case) -> LoadedCase:
        loaded, problems = load_case(case, self.config)
        if loaded is None:
            stop_at(problems)
            raise InputError("the case cannot be read any more", file=case.image, mend="restore the file")
        return loaded


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a training works on.

    Attributes
    ----------
    store, resident, why : the training slices; whether they go to the device as a whole; for a person, where and why.
    validation, hold_out : the other cases.
    split, prints : to be written down: who is where, and the fingerprint of each case in order.
    """

    store: SliceStore
    resident: bool
    why: str
    validation: Cases
    hold_out: Cases
    split: PatientSplit
    prints: list[dict[str, Any]]


def load_training(config: Config, cache: Path, device: torch.device, display: Display) -> TrainingData:
    """Read every case once; prepare those that train.

    Raises InputError with the first thing that is wrong, and says how much more there is.
    """
    check_source_labels(config)
    cases, problems = list_cases(config)
    split = split_patients(cases, config.split) if cases else None
    if split is None:
        stop_at(problems)
        raise InputError("there are no cases here", file=config.data[0], mend="see docs/training-data.md")
    training = [case for case in cases if case.name in set(split.training)]
    parts = {part: [c for c in cases if c.name in set(getattr(split, part))] for part in ("validation", "hold_out")}
    validation, hold_out = Cases(parts["validation"], config), Cases(parts["hold_out"], config)

    folder = config.cache or cache
    key, found, known = "", None, {}
    if config.storage == "disk" or (config.storage == "auto" and any(folder.glob("slices-*"))):
        key = key_of(config, training)
        found = open_mapped(folder / f"slices-{key}")
        known = _read_prints(folder / f"slices-{key}") if found is not None else {}
    limit = float("inf")
    if config.storage in ("auto", "disk"):
        limit = 0 if config.storage == "disk" else SHARE_OF_MEMORY * (available_ram() or float("inf"))
    builder = StoreBuilder(config.draft, config.loss, config.seed, limit=limit, folder=folder)
    trains = {case.name for case in training}
    prints, readable = [], []
    try:
        for case in cases:
            if case.name in known:
                prints.append(known[case.name])
                readable.append(case)
                continue
            loaded, more = load_case(case, config)
            problems += more
            if loaded is None:
                continue
            prints.append(fingerprint(loaded, config))
            readable.append(case)
            if case.name not in trains:
                (validation if case.name in set(split.validation) else hold_out).keep(loaded)
            elif found is None and not any(p.fatal for p in problems):
                builder.add(loaded)
        problems += check_cohort(readable, prints, config)
        for problem in problems:
            if not problem.fatal:
                display.line(problem.line())
        stop_at(problems)
        store = found
        if store is None:
            spilled = builder.spilled
            store = builder.finish((key or key_of(config, training)) if spilled else "")
            if spilled:
                mine = {p["case"]: p for p in prints if p["case"] in trains}
                _write_prints(folder / f"slices-{key or key_of(config, training)}", mine)
    finally:
        builder.discard()
    resident, why = _place(config, store, device, builder.spilled or found is not None, found is not None)
    return TrainingData(store, resident, why, validation, hold_out, split, prints)


def stop_at(problems: Sequence[Problem]) -> None:
    """Raise InputError for the first fatal one, and say how many there are."""
    fatal = [p for p in problems if p.fatal]
    if fatal:
        others = f" ({len(fatal) - 1} more: medseg train CONFIG --check)" if len(fatal) > 1 else ""
        raise InputError(fatal[0].what, file=fatal[0].file, mend=fatal[0].mend + others)


def key_of(config: Config, cases: Sequence[Case]) -> str:
    """A checksum over everything that prepared slices follow from: files and settings."""
    settings = config.model_dump(mode="json", include={*DataSettings.model_fields, "card", "loss", "seed"})
    settings.pop("data", None)
    sums = [(case.name, files_sha256(case, "image"), files_sha256(case, "labels")) for case in cases]
    text = json.dumps([FORMAT, settings, sums], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _place(config: Config, store: SliceStore, device: torch.device, mapped: bool, reused: bool) -> tuple[bool, str]:
    """Whether the slices go to the device as a whole, and the sentence that says so."""
    size = f"{_size(store.bytes)} of slices"
    if mapped:
        how = "found in the cache" if reused else "written to a mapped file"
        asked = "asked for" if config.storage == "disk" else "more than half of the free memory"
        return False, f"{size} stream from the disk ({asked}; {how})"
    if config.storage == "memory":
        return False, f"{size} stream from memory (asked for)"
    if device.type == "cpu" or config.storage == "device":
        return True, f"{size} in memory" if device.type == "cpu" else f"{size} on the device (asked for)"
    free = free_memory(device)
    if free is not None and store.bytes > SHARE_OF_MEMORY * free:
        return False, f"{size} stream from memory (the device has {_size(free)} free)"
    return True, f"{size} on the device" + ("" if free is None else f" ({_size(free)} free)")


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def _read_prints(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        return json.loads((folder / "prints.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _write_prints(folder: Path, prints: dict[str, dict[str, Any]]) -> None:
    from medseg.io import atomic_path

    with atomic_path(folder / "prints.json") as temporary:
        temporary.write_text(json.dumps(prints), encoding="utf-8")
