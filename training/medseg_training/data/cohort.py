"""What can only be seen with all cases at hand: copies, outliers, labels that never occur."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .case import Case, Problem
from .fingerprint import measured
from .naming import listed

if TYPE_CHECKING:
    from ..config import Config

#: Fewer cases have no median to stray from.
_FEWEST = 4
#: Spacing this many times the median, or the median this many times the spacing.
_SPACING_RATIO = 2.0
#: The same for the range of intensities (99th minus 1st percentile).
_INTENSITY_RATIO = 8.0


def check_cohort(
    cases: Sequence[Case], prints: Sequence[Mapping[str, Any]], config: Config, complete: bool = True
) -> list[Problem]:
    """``cases`` that could be read and their fingerprints, in the same order; ``complete``: those are all."""
    if not cases:
        return []
    return [
        *_copies(cases, prints),
        *(_absent_labels(cases, prints, config) if complete else ()),
        *_spacing_outliers(cases, prints),
        *_intensity_outliers(cases, prints, config),
        *_orientations(cases, prints, config),
        *_strata(cases),
        *_assumed_spacing(cases, config),
    ]


def _copies(cases: Sequence[Case], prints: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """The same voxels twice: under two patients this is a leak, under one a case that counts double."""
    problems = []
    told: set[str] = set()
    by_image: dict[str, list[Case]] = defaultdict(list)
    by_labels: dict[str, list[Case]] = defaultdict(list)
    for case, print_ in zip(cases, prints, strict=True):
        by_image[print_["voxels_sha256"]["image"]].append(case)
        if any(share > 0 for share in print_["foreground_share"].values()):
            by_labels[print_["voxels_sha256"]["labels"]].append(case)
    for same in by_image.values():
        for case in same[1:]:
            told.add(case.name)
            first = next((c for c in same if c.patient != case.patient), same[0])
            leak = first.patient != case.patient
            whose = f"of patients {first.patient} and {case.patient}" if leak else f"of patient {case.patient}"
            what = f"holds the same image as {first.name} ({whose})"
            mend = "remove one, or give both to one patient" if leak else "remove one: it counts double"
            problems.append(Problem(case.image, what, mend, fatal=leak))
    for same in by_labels.values():
        for case in same[1:]:
            if case.name not in told:
                what = f"is the same reference as that of {same[0].name}, whose image is another"
                problems.append(Problem(case.labels, what, "see whether it was saved under a wrong name", fatal=False))
    return problems


def _absent_labels(cases: Sequence[Case], prints: Sequence[Mapping[str, Any]], config: Config) -> list[Problem]:
    problems = []
    for label in config.draft.output.labels:
        if not any(p["foreground_share"][str(label.value)] > 0 for p in prints):
            what = f"label {label.value} ({label.name}) occurs in none of the {len(cases)} references"
            mend = "correct source_labels, or remove the label from the card; it could not be learned"
            problems.append(Problem(config.data[0], what, mend))
    return problems


def _spacing_outliers(cases: Sequence[Case], prints: Sequence[Mapping[str, Any]]) -> list[Problem]:
    if len(cases) < _FEWEST:
        return []
    axes = ("between slices", "between rows", "between columns")
    middle = [statistics.median(p["slice_spacing_mm"][n] for p in prints) for n in range(3)]
    problems = []
    for case, print_ in zip(cases, prints, strict=True):
        for name, its, usual in zip(axes, print_["slice_spacing_mm"], middle, strict=True):
            if max(its / usual, usual / its) > _SPACING_RATIO:
                what = f"{its:.3g} mm {name}, the median of all cases is {usual:.3g} mm"
                problems.append(Problem(case.image, what, "see whether its header is right and it belongs here", False))
    return problems


def _intensity_outliers(cases: Sequence[Case], prints: Sequence[Mapping[str, Any]], config: Config) -> list[Problem]:
    if len(cases) < _FEWEST:
        return []
    problems = []
    for channel, volume in enumerate(config.draft.input.volumes):
        ranges = [p["intensity"][channel]["p99"] - p["intensity"][channel]["p1"] for p in prints]
        usual = statistics.median(ranges)
        level = statistics.median(p["intensity"][channel]["p50"] for p in prints)
        for case, print_, its in zip(cases, prints, ranges, strict=True):
            where = f" ({volume})" if len(config.draft.input.volumes) > 1 else ""
            away = print_["intensity"][channel]["p50"] - level
            if its <= 0 or usual <= 0:
                continue
            if max(its / usual, usual / its) > _INTENSITY_RATIO:
                what = f"its intensities{where} span {its:.4g}, those of the other cases {usual:.4g}"
            elif abs(away) > _INTENSITY_RATIO / 2 * usual:
                what = f"its median intensity{where} lies {away:+.4g} from that of the other cases"
            else:
                continue
            mend = "see whether it was exported in another unit or scale"
            problems.append(Problem(case.image, what, mend, fatal=False))
    return problems


def _orientations(cases: Sequence[Case], prints: Sequence[Mapping[str, Any]], config: Config) -> list[Problem]:
    """Axis orders do not matter to a card that names an orientation; they do where volumes are taken as stored."""
    counts = Counter(p["orientation"] for p in prints)
    if len(counts) < 2 or config.draft.orientation is not None:
        return []
    usual = counts.most_common(1)[0][0]
    return [
        Problem(
            case.image,
            f"is stored along {print_['orientation']}, most cases along {usual}, and the card takes volumes as stored",
            "give card.plane and card.orientation, so that all are shown alike",
            fatal=False,
        )
        for case, print_ in zip(cases, prints, strict=True)
        if print_["orientation"] != usual
    ]


def _strata(cases: Sequence[Case]) -> list[Problem]:
    by_patient: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_patient[case.patient].append(case)
    return [
        Problem(
            same[0].image,
            f"patient {patient} is in several strata ({listed({str(c.stratum) for c in same})})",
            "give all cases of a patient one stratum; folds are balanced by the first",
            fatal=False,
        )
        for patient, same in by_patient.items()
        if len({c.stratum for c in same}) > 1
    ]


def _assumed_spacing(cases: Sequence[Case], config: Config) -> list[Problem]:
    without = [case for case in cases if not measured(case, config)]
    if not without:
        return []
    what = f"{len(without)} images have no voxel size; 1 mm is assumed, so millimetres in the results are pixels"
    return [Problem(config.data[0], what, "give spacing_mm, if it is known", fatal=False)]
