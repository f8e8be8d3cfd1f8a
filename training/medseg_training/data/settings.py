"""The part of the configuration that says where the cases are and what their labels mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ..section import Section

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, (str, Path)) else value


class Arrays(Section):
    """Where images and references lie in ``.npy``, ``.npz`` and HDF5 files.

    ``image`` and ``labels`` are ``FILE`` or ``FILE:KEY`` below the data folder; ``{case}`` in the file or in the key
    stands for the name of a case: ``images/{case}.npy``, ``{case}.npz:image``, ``all.h5:{case}/image``.
    """

    image: str = Field(min_length=1)
    labels: str = Field(min_length=1)
    axes: str = "zyx"
    """What each axis of an image array is: ``x`` columns, ``y`` rows, ``z`` slices, ``c`` channels, ``n`` cases."""
    label_axes: str | None = None
    """The same of a reference array; ``axes`` without ``c`` where left out."""
    spacing: str | None = None
    """``FILE:KEY`` of three numbers, mm along x, y and z, where each case has its own; else ``spacing_mm`` holds."""

    @field_validator("axes", "label_axes")
    @classmethod
    def _known_axes(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if len(set(value)) != len(value) or not set(value) <= set("nczyx") or not {"x", "y"} <= set(value):
            raise ValueError("needs x and y, may have z, c and n, each once, such as nyx or zyxc")
        return value

    @model_validator(mode="after")
    def _one_kind_of_case(self) -> Arrays:
        if "n" in self.axes and "z" in self.axes:
            raise ValueError("axes: n and z cannot stand together; cases along n are single slices")
        if "c" in self.axes_of_labels:
            raise ValueError("label_axes has no c: a reference is one label map")
        if ("n" in self.axes) != ("n" in self.axes_of_labels):
            raise ValueError("axes and label_axes need n both or neither")
        if ("{case}" in self.image) != ("{case}" in self.labels):
            raise ValueError("image and labels need {case} both or neither")
        return self

    @property
    def axes_of_labels(self) -> str:
        """``label_axes``, or what follows from ``axes``."""
        return self.label_axes or self.axes.replace("c", "")


class Files(Section):
    """Which file is the image and which the reference, where their names and folders do not tell.

    Paths below the data folder. ``{case}`` stands for the name of a case: ``{case}/t1.nii.gz``; without it the folder
    holds one case, called after its image.
    """

    image: Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]
    """One file, or one for each of the card's input volumes, in order."""
    labels: str = Field(min_length=1)

    @model_validator(mode="after")
    def _one_kind_of_case(self) -> Files:
        if len({"{case}" in text for text in (*self.image, self.labels)}) > 1:
            raise ValueError("image and labels need {case} in all or in none")
        if any(text.count("{case}") > 1 for text in (*self.image, self.labels)):
            raise ValueError("{case} stands once in a path")
        return self


class DataSettings(Section):
    """Where the cases are, whose they are, and which label values are learned."""

    data: Annotated[list[Path], BeforeValidator(_as_list), Field(min_length=1)]
    """Folders of cases; ``docs/training-data.md`` describes the layouts, which are told apart by content."""
    layout: Literal["auto", "folders", "case_folders", "pairs", "nnunet", "decathlon", "arrays", "files"] = "auto"
    """Only where telling apart by content goes wrong."""
    files: Files | None = None
    """Image and reference by name, where no layout fits."""
    arrays: Arrays | None = None
    """Needed for ``.npy``, ``.npz`` and HDF5 files, which say nothing of what they hold."""
    channels: list[int | str] | None = Field(default=None, min_length=1)
    """Which channel of the data each of the card's ``input.volumes`` is, by number from 0 or by the data set's name;
    all of them in order where left out."""
    spacing_mm: Annotated[list[Positive], Field(min_length=1, max_length=3)] | None = None
    """mm along columns, rows and slices (the last is repeated), instead of what pictures, stacks and arrays say."""
    blocks: int | None = Field(default=None, ge=1)
    """Cut each volume into cases of so many consecutive slices, each a patient of its own: for a stack of sections."""
    patient: str | None = None
    """Regular expression on the case name; its first group (or whole match) is the patient. ``dicom`` groups by the
    PatientID of the DICOM files, which is not written anywhere. The case itself where left out."""
    patients: Path | None = None
    """CSV file with the columns case, patient and, if wanted, stratum; in the data folder or the working folder."""
    source_labels: dict[int, list[int]] | None = None
    """For each label value of the card, the values in the label files that become it; itself where left out.
    0 may be named too: what is background beside 0."""
    other_labels: Literal["refuse", "background"] = "refuse"
    """What becomes of values that no label takes."""
    data_kind: str = ""
    """What the cases are, for the card: ``MR volumes of the CHAOS challenge`` ..."""
    synthetic: bool = False

    @field_validator("patients")
    @classmethod
    def _found_again(cls, value: Path | None) -> Path | None:
        # A run keeps this configuration and may be exported from another working folder.
        return value.resolve() if value is not None and value.is_file() else value

    @model_validator(mode="after")
    def _data_is_clear(self) -> DataSettings:
        if self.patient is not None and self.patients is not None:
            raise ValueError("patient and patients both say whose the cases are; leave one out")
        if self.layout == "arrays" and self.arrays is None:
            raise ValueError("layout arrays needs the section arrays, which says what lies where")
        if self.arrays is not None and self.layout not in ("auto", "arrays"):
            raise ValueError(f"the section arrays does not go with layout {self.layout}")
        if self.layout == "files" and self.files is None:
            raise ValueError("layout files needs the section files, which says which file is what")
        if self.files is not None and (self.layout not in ("auto", "files") or self.arrays is not None):
            raise ValueError("the section files does not go with another layout or with the section arrays")
        seen: dict[int, int] = {}
        for value, sources in (self.source_labels or {}).items():
            for source in sources:
                if seen.setdefault(source, value) != value:
                    raise ValueError(f"source_labels: {source} becomes {seen[source]} and {value}; leave one out")
        return self
