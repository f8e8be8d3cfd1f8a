"""Cases of a data folder: which files belong together, whose they are, and what is wrong with them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from medseg.errors import InputError
from medseg.io import case_name, find_cases, read_labels, read_volume
from medseg.volume import Volume

from ..config import Config


@dataclass(frozen=True)
class Case:
    """One volume with its reference segmentation, not yet read."""

    name: str
    patient: str
    images: tuple[Path, ...]
    labels: Path

    @property
    def image(self) -> Path:
        """The first image: what messages name."""
        return self.images[0]


@dataclass(frozen=True)
class Problem:
    """Something wrong with a case. ``fatal`` ones keep the training from starting."""

    file: Path
    what: str
    mend: str
    fatal: bool = True

    def line(self) -> str:
        return f"{'error' if self.fatal else 'warning'}: {self.file}: {self.what}; {self.mend}"


@dataclass(frozen=True, eq=False)
class LoadedCase:
    """A case in memory; ``labels`` (uint8) holds the card's values on the image's grid."""

    case: Case
    images: tuple[Volume, ...]
    labels: Volume

    @property
    def image(self) -> Volume:
        """The first input volume; all lie on its grid."""
        return self.images[0]


def list_cases(config: Config) -> tuple[list[Case], list[Problem]]:
    """Pair ``images/`` and ``labels/`` of every data folder by case name.

    Raises InputError where a folder is missing; what is wrong with single files comes back as problems.
    """
    cases: list[Case] = []
    problems: list[Problem] = []
    for folder in config.data:
        images = {case_name(p): p for p in find_cases(_subfolder(folder, "images"))}
        labels = {case_name(p): p for p in find_cases(_subfolder(folder, "labels"))}
        problems += [
            Problem(
                images[name],
                "has no reference segmentation",
                f"put {name} into {folder / 'labels'} or remove the image",
            )
            for name in sorted(images.keys() - labels.keys())
        ]
        problems += [
            Problem(labels[name], "has no image", f"put {name} into {folder / 'images'} or remove it")
            for name in sorted(labels.keys() - images.keys())
        ]
        for name in sorted(images.keys() & labels.keys()):
            patient = _patient(name, config.patient)
            if patient is None:
                problems.append(
                    Problem(
                        images[name],
                        f"the patient rule {config.patient!r} finds nothing in the name",
                        "correct `patient` in the configuration",
                    )
                )
            else:
                cases.append(Case(name, patient, (images[name],), labels[name]))
    seen: dict[str, Case] = {}
    for case in cases:
        if case.name in seen:
            problems.append(
                Problem(case.image, f"two cases are called {case.name} (also {seen[case.name].image})", "rename one")
            )
        seen[case.name] = case
    return cases, problems + _split_problems(cases, config)


def load_case(case: Case, config: Config) -> tuple[LoadedCase | None, list[Problem]]:
    """Read a case and say what is wrong with it; None where it cannot be trained on."""
    try:
        image = read_volume(case.image)
    except InputError as error:
        return None, [Problem(case.image, error.what, error.mend or "replace the file")]
    try:
        labels = read_labels(case.labels)
    except InputError as error:
        return None, [Problem(case.labels, error.what, error.mend or "replace the file")]
    problems = [*_image_problems(case, image), *_geometry_problems(case, image, labels)]
    mapped, more = _map_labels(case, labels.array, config)
    problems += more
    if any(p.fatal for p in problems):
        return None, problems
    # A reference that agrees within a voxel's rounding takes the image's exact grid.
    return LoadedCase(case, (image,), image.with_array(mapped)), problems


def check_cases(config: Config) -> Iterator[tuple[Case | None, list[Problem]]]:
    """Read everything once: first the problems of the folders (with None), then each case with its own."""
    cases, problems = list_cases(config)
    yield None, problems
    for case in cases:
        yield case, load_case(case, config)[1]


def fingerprint(loaded: LoadedCase, config: Config) -> dict[str, object]:
    """What was trained on, without a name: spacing, size, intensity, foreground share, SHA-256 of both files."""
    array = loaded.image.array
    return {
        "case": loaded.case.name,
        "patient": loaded.case.patient,
        "shape_kji": list(array.shape),
        "spacing_mm": [round(s, 5) for s in loaded.image.spacing],
        "intensity": {
            "p1": float(np.percentile(array, 1)),
            "p99": float(np.percentile(array, 99)),
            "mean": float(array.mean()),
            "sd": float(array.std()),
        },
        "foreground_share": {
            str(label.value): float((loaded.labels.array == label.value).mean()) for label in config.draft.output.labels
        },
        "sha256": {"image": _sha256(loaded.case.image), "labels": _sha256(loaded.case.labels)},
    }


def _subfolder(folder: Path, name: str) -> Path:
    inside = folder / name
    if not inside.is_dir():
        raise InputError(
            f"the data folder has no folder {name}",
            file=folder,
            mend="lay cases out as images/CASE.nii.gz and labels/CASE.nii.gz",
        )
    return inside


def _patient(name: str, rule: str | None) -> str | None:
    if rule is None:
        return name
    try:
        found = re.search(rule, name)
    except re.error as error:
        raise InputError(
            f"the patient rule {rule!r} is not a regular expression ({error})",
            mend="correct `patient` in the configuration",
        ) from None
    if found is None:
        return None
    return found.group(1) if found.re.groups else found.group(0)


def _split_problems(cases: list[Case], config: Config) -> list[Problem]:
    patients = {case.patient for case in cases}
    return [
        Problem(
            config.data[0],
            f"no case belongs to patient {name!r} of split.{key}",
            f"correct it; patients here: {', '.join(sorted(patients))}",
        )
        for key in ("hold_out", "validate_on")
        for name in getattr(config.split, key)
        if name not in patients
    ]


def _image_problems(case: Case, image: Volume) -> list[Problem]:
    array = image.array
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int(array.size - np.isfinite(array).sum())
        return [Problem(case.image, f"{count} voxels are NaN or infinite", "replace them by the background's value")]
    if array.min() == array.max():
        return [Problem(case.image, "every voxel has the same value", "export the image again or remove the case")]
    return []


def _geometry_problems(case: Case, image: Volume, labels: Volume) -> list[Problem]:
    if image.array.shape != labels.array.shape:
        return [
            Problem(
                case.labels,
                f"has {_size(labels)} voxels, its image {_size(image)}",
                "resample the reference onto its image",
            )
        ]
    # A tenth of a voxel: headers of drawing programs round, and nothing is lost by it.
    if not image.same_grid(labels, tolerance_mm=0.1 * min(image.spacing)):
        return [
            Problem(
                case.labels,
                "lies elsewhere in space than its image (origin, spacing or direction differ)",
                "resample the reference onto its image, or correct its header",
            )
        ]
    return []


def _map_labels(case: Case, array: np.ndarray, config: Config) -> tuple[np.ndarray, list[Problem]]:
    """Label file values → card values, uint8 (uint16 above 255)."""
    wanted = config.draft.output.labels
    sources = config.source_labels or {label.value: [label.value] for label in wanted}
    dtype = np.uint8 if max(label.value for label in wanted) <= 255 else np.uint16
    mapped = np.zeros(array.shape, dtype=dtype)
    for value, from_values in sources.items():
        mapped[np.isin(array, from_values)] = value
    problems = []
    known = {0, *(v for values in sources.values() for v in values)}
    strange = sorted(int(v) for v in np.unique(array) if int(v) not in known)
    if strange and config.other_labels == "refuse":
        problems.append(
            Problem(
                case.labels,
                f"holds the label values {strange}, which the configuration does not name",
                "name them in source_labels, or set other_labels: background",
            )
        )
    elif not mapped.any():
        problems.append(
            Problem(
                case.labels, "the reference is empty", "draw it, or keep it knowingly as a negative case", fatal=False
            )
        )
    return mapped, problems


def _size(volume: Volume) -> str:
    return "×".join(str(n) for n in volume.array.shape[::-1])


def _sha256(path: Path) -> str:
    """Of a file, or of a folder's files in order of name."""
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        digest.update(file.read_bytes())
    return digest.hexdigest()
