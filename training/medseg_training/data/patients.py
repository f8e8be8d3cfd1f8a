"""Whose a case is: by a rule on its name, by a CSV file, or by the DICOM PatientID.

A PatientID never leaves this file. Cases that share one become a patient named after the first of them, in natural
order, so that what is stored with a run can be turned back into an identifier by nobody; a hash could be, by trying
every number a hospital gives out.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import SimpleITK as sitk
from medseg.errors import InputError
from medseg.io import case_name
from medseg.io.names import is_dicom, natural_key, walk_files

from .case import Case, Problem
from .naming import listed

if TYPE_CHECKING:
    from .settings import DataSettings

_NAME, _ID = "0010|0010", "0010|0020"
#: Shorter words are in too many names by chance to speak of an identifier.
_SHORTEST = 4


@dataclass(frozen=True, repr=False)
class _Identity:
    """What a DICOM header says of the person. Compared, never shown: even ``repr`` is that of ``object``."""

    patient_id: str
    words: frozenset[str]


def assign_patients(cases: Sequence[Case], settings: DataSettings) -> tuple[list[Case], list[Problem]]:
    """The cases with their patients (and strata); those without one are left out, with the reason."""
    identities = {case.name: identity for case in cases if (identity := _identity(case.image)) is not None}
    problems = _names_of_persons(cases, identities)
    if settings.patients is not None:
        cases, more = _from_table(cases, settings)
    elif settings.patient == "dicom":
        cases, more = _from_dicom(cases, identities)
    elif settings.patient is not None:
        cases, more = _from_rule(cases, settings.patient)
    else:
        cases, more = list(cases), []
    return cases, problems + more + _one_person_twice(cases, identities)


def _from_rule(cases: Sequence[Case], rule: str) -> tuple[list[Case], list[Problem]]:
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise InputError(
            f"the patient rule {rule!r} is not a regular expression ({error})",
            mend="correct `patient` in the configuration",
        ) from None
    kept, problems = [], []
    for case in cases:
        found = pattern.search(case.name)
        key = found and (found.group(1) if pattern.groups else found.group(0))
        if key:
            kept.append(replace(case, patient=key))
        else:
            what = f"the patient rule {rule!r} finds nothing in the name {case.name}"
            problems.append(Problem(case.image, what, "correct `patient` in the configuration"))
    return kept, problems


def _from_table(cases: Sequence[Case], settings: DataSettings) -> tuple[list[Case], list[Problem]]:
    assert settings.patients is not None
    places = [folder / settings.patients for folder in settings.data] + [settings.patients]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise InputError(
            "there is no such file, neither in the data folder nor here",
            file=settings.patients,
            mend="correct `patients` in the configuration",
        )
    table, problems = read_patients(file)
    kept = []
    for case in cases:
        if case.name in table:
            patient, stratum = table[case.name]
            kept.append(replace(case, patient=patient, stratum=stratum))
        else:
            problems.append(Problem(case.image, f"{case.name} is not in {file.name}", "add a line for it"))
    strangers = table.keys() - {case.name for case in cases}
    if strangers:
        what = f"names {len(strangers)} cases that are not in the data ({listed(strangers)})"
        problems.append(Problem(file, what, "see whether they are missing, or remove the lines", fatal=False))
    return kept, problems


def read_patients(file: Path) -> tuple[dict[str, tuple[str, str | None]], list[Problem]]:
    """Case name → (patient, stratum or None) of a CSV file separated by comma, semicolon or tab.

    The case column may be called case, file or image (a suffix of an image format is cut off), in any case of letters.
    Raises InputError where a needed column is missing.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})", file=file, mend="save it as UTF-8 text") from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = csv.DictReader(text.splitlines(), delimiter=delimiter)
    columns = {(name or "").strip().casefold(): name for name in rows.fieldnames or ()}
    case_column = next((columns[name] for name in ("case", "file", "image") if name in columns), None)
    if case_column is None or "patient" not in columns:
        raise InputError(
            f"has the columns {listed(columns)}, case and patient are needed",
            file=file,
            mend="write a first line such as case,patient,stratum",
        )
    table: dict[str, tuple[str, str | None]] = {}
    problems = []
    for number, row in enumerate(rows, start=2):
        name = case_name(Path((row[case_column] or "").strip()).name) if (row[case_column] or "").strip() else ""
        patient = (row[columns["patient"]] or "").strip()
        stratum = (row[columns["stratum"]] or "").strip() or None if "stratum" in columns else None
        if not name and not patient:
            continue
        if not name or not patient:
            problems.append(Problem(file, f"line {number} has no {'patient' if name else 'case'}", "add it"))
        elif table.setdefault(name, (patient, stratum)) != (patient, stratum):
            what = f"gives {name} to {table[name][0]} and, in line {number}, to {patient}"
            problems.append(Problem(file, what, "leave one of the lines"))
    return table, problems


def _from_dicom(cases: Sequence[Case], identities: dict[str, _Identity]) -> tuple[list[Case], list[Problem]]:
    named: dict[str, str] = {}
    kept, problems = [], []
    for case in sorted(cases, key=lambda c: natural_key(c.name)):
        identity = identities.get(case.name)
        if identity is None or not identity.patient_id:
            problems.append(
                Problem(case.image, "has no DICOM PatientID", "use a rule or a patients file, or correct the header")
            )
        else:
            kept.append(replace(case, patient=named.setdefault(identity.patient_id, case.name)))
    return kept, problems


def _one_person_twice(cases: Sequence[Case], identities: dict[str, _Identity]) -> list[Problem]:
    """Cases of one PatientID that the rule, the table or the names give to several patients."""
    by_person: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if (identity := identities.get(case.name)) is not None and identity.patient_id:
            by_person[identity.patient_id].append(case)
    problems = []
    for same in by_person.values():
        patients = {case.patient for case in same}
        if len(patients) > 1:
            what = f"{listed(c.name for c in same)} have one DICOM PatientID and count as {len(patients)} patients"
            problems.append(Problem(same[0].image, what, "set patient: dicom, or correct the rule or patients file"))
    return problems


def _names_of_persons(cases: Sequence[Case], identities: dict[str, _Identity]) -> list[Problem]:
    """A case named as the header names the person would carry that name into splits and logs."""
    problems = []
    for case in cases:
        identity = identities.get(case.name)
        found = {word.casefold() for word in re.findall(r"\w+", case.name.replace("_", " "))}
        if identity is not None and found & identity.words:
            problems.append(
                Problem(
                    case.image,
                    "its name holds the patient's name or identifier as in the DICOM header",
                    "rename the file or folder: case names are stored with a run",
                    fatal=False,
                )
            )
    return problems


def _identity(path: Path) -> _Identity | None:
    file = next((f for f in walk_files(path) if is_dicom(f)), None) if path.is_dir() else path
    if file is None or not is_dicom(file):
        return None
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(file))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None  # reading the case will say what is wrong

    def get(tag: str) -> str:
        text = reader.GetMetaData(tag) if reader.HasMetaDataKey(tag) else ""
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip(" \0")

    patient_id = get(_ID)
    parts = [patient_id, *re.findall(r"\w+", get(_NAME).replace("_", " "))]
    return _Identity(patient_id, frozenset(p.casefold() for p in parts if len(p) >= _SHORTEST))
