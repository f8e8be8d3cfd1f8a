"""Coded terminology in the text form that 3D Slicer stores with a segment.

The form is `vtkSlicerTerminologiesModuleLogic::SerializeTerminologyEntry`'s: seven fields parted by ``~``: terminology
context name, category, type, type modifier, anatomic context name, anatomic region, region modifier; each code is
``scheme^value^meaning``.
"""

from __future__ import annotations

from .model_card import Code, Label, Terminology

TERMINOLOGY_CONTEXT = "Segmentation category and type - DICOM master list"
ANATOMIC_CONTEXT = "Anatomic codes - DICOM master list"

#: What a label without coded terminology is: SNOMED CT "Tissue", as Slicer's own default.
TISSUE = Terminology(Code("SCT", "85756007", "Tissue"), Code("SCT", "85756007", "Tissue"))


def slicer_terminology(label: Label) -> str:
    """Slicer's serialised terminology entry of ``label``."""
    entry = label.terminology or TISSUE
    return "~".join(
        (
            TERMINOLOGY_CONTEXT,
            _code(entry.category),
            _code(entry.type),
            _code(entry.type_modifier),
            ANATOMIC_CONTEXT,
            _code(entry.region),
            _code(entry.region_modifier),
        )
    )


def _code(code: Code | None) -> str:
    return "^^" if code is None else f"{code.scheme}^{code.value}^{code.meaning}"
