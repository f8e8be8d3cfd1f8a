"""Whether the chosen volumes are what the model was made for, before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import slicer
from medseg.card import ModelCard
from medseg.errors import MedSegError
from medseg.fit import check_fit
from slicer.i18n import tr as _

from .messages import asSentence, errorText
from .volumeInput import volumesFromNodes


@dataclass
class FitReport:
    """``problems`` forbid the run, ``warnings`` are to be weighed, ``notes`` cannot be checked; each is a sentence."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """For the window: one line each."""
        lines = [f"✗ {line}" for line in self.problems] + [f"⚠ {line}" for line in self.warnings]
        if not lines:
            lines = ["✓ " + _("The volume fits what the model was made for, as far as can be checked.")]
        return "\n".join(lines + self.notes)


def checkNodes(volumeNodes, card: ModelCard) -> FitReport:
    """Compare volume nodes with a card: number, grid, plane, spacing, modality and contrast. Looks at no voxel."""
    report = FitReport()
    wanted = card.input.volumes
    if not volumeNodes or volumeNodes[0] is None:
        report.problems.append(_("Choose a volume."))
        return report
    if any(node is None for node in volumeNodes) or len(volumeNodes) != len(wanted):
        report.problems.append(
            _("The model needs {count} volumes: {names}.").format(count=len(wanted), names=", ".join(wanted))
        )
        return report
    try:
        nodes, volumes = volumesFromNodes(volumeNodes)
    except MedSegError as error:
        report.problems.append(errorText(error))
        return report
    named = []
    for volume, node, name in zip(volumes, nodes, wanted, strict=True):
        named.append(replace(volume, modality=nodeModality(node) or None, name=name))
    fit = check_fit(named, card)
    report.problems += [asSentence(line) for line in fit.problems]
    report.warnings += [asSentence(line) for line in fit.warnings]
    if card.modality and not named[0].modality:
        report.notes.append(
            _("The volume does not say its modality; the model is for {modality}.").format(modality=card.modality)
        )
    if card.contrast:
        report.notes.append(
            _("Please check the contrast yourself: the model is for {contrast}.").format(contrast=card.contrast)
        )
    return report


def nodeModality(node) -> str:
    """The DICOM modality the subject hierarchy knows of a volume node ("MR", "CT"), or empty."""
    scene = node.GetScene()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene) if scene else None
    item = hierarchy.GetItemByDataNode(node) if hierarchy else 0
    name = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName()
    return (hierarchy.GetItemAttribute(item, name) if item else "") or ""
