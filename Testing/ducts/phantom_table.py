"""How well the measurement finds the truth of the phantoms, as the table in docs/measuring.md.

    python Testing/ducts/phantom_table.py                      seeds 9000 to 9019, from the reference masks
    python Testing/ducts/phantom_table.py --seeds 200 239      other seeds (thresholds were set on 200 to 239)
    python Testing/ducts/phantom_table.py --model FILE         the same from the masks of a model, beside it

A point of a true centreline counts where it is in the image, in no other duct's lumen and labelled; it is compared
with the nearest point of the measured centrelines. A true stricture is found when a candidate lies within half its
length and 3 mm of its middle; a candidate that is that near to no true stricture is a false one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from medseg.ducts import DuctMeasurement, measure_ducts
from medseg.volume import Volume
from scipy.spatial import cKDTree

CALIBRES = ((0.0, 1.5), (1.5, 2.4), (2.4, 4.0), (4.0, 99.0))
NEAR_MM = 3.0


@dataclass
class Tally:
    """What is counted over the cases."""

    branch_error: dict[str, list[float]] = field(default_factory=dict)
    point_error: dict[str, list[float]] = field(default_factory=dict)
    bias: dict[str, list[float]] = field(default_factory=dict)
    true_length: dict[str, float] = field(default_factory=dict)
    found_length: dict[str, float] = field(default_factory=dict)
    bound_held: list[bool] = field(default_factory=list)
    strictures: list[dict] = field(default_factory=list)
    false: list[dict] = field(default_factory=list)
    names: list[dict[str, bool]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cases: int = 0


def group(diameter: float) -> str:
    """The calibre class of a diameter in mm."""
    low, high = next(c for c in CALIBRES if c[0] <= diameter < c[1])
    return f"{low:g} mm and more" if high > 90 else f"{low:g} to {high:g} mm"


def compare(m: DuctMeasurement, labels: Volume, truth: dict, tally: Tally, case: str) -> None:
    """Add one case to the tally."""
    tally.cases += 1
    ducts = [b for b in truth["branches"] if b["label"] == m.label]
    lines = [(np.array(b["centreline_lps_mm"]), np.array(b["diameter_mm"])) for b in ducts]
    trees = [cKDTree(p) for p, _ in lines]
    if m.branches:
        points = np.concatenate([b.points_lps_mm for b in m.branches])
        diameter = np.concatenate([b.diameter_mm for b in m.branches])
        resolved = np.concatenate([b.resolved for b in m.branches])
    else:
        points, diameter, resolved = np.zeros((1, 3)) + 1e6, np.zeros(1), np.ones(1, bool)
    measured = cKDTree(points)
    to_ijk = np.linalg.inv(labels.ijk_to_lps)
    last = np.array(labels.array.shape[::-1]) - 1
    for n, (p, d) in enumerate(lines):
        ijk = p @ to_ijk[:3, :3].T + to_ijk[:3, 3]
        counts = np.all((ijk >= 0) & (ijk <= last), axis=1)
        for k, (_, od) in enumerate(lines):
            if k != n:
                apart, nearest = trees[k].query(p, distance_upper_bound=float(od.max()))
                ok = np.isfinite(apart)
                counts[ok] &= apart[ok] > od[nearest[ok]] / 2
        if counts.sum() < 4:
            continue
        steps = np.linalg.norm(np.gradient(p, axis=0), axis=1)
        apart, nearest = measured.query(p)
        hit = counts & (apart <= np.maximum(1.5, 0.5 * d))
        kind = group(float(d[counts].mean()))
        tally.true_length[kind] = tally.true_length.get(kind, 0.0) + float(steps[counts].sum())
        tally.found_length[kind] = tally.found_length.get(kind, 0.0) + float(steps[hit].sum())
        good = hit & resolved[nearest]
        tally.bound_held += (d[hit & ~resolved[nearest]] <= diameter[nearest[hit & ~resolved[nearest]]] + 1e-9).tolist()
        if good.sum() >= 4:
            error = diameter[nearest[good]] - d[good]
            tally.point_error.setdefault(kind, []).append(float(np.abs(error).mean()))
            tally.branch_error.setdefault(kind, []).append(abs(float(error.mean())))
            tally.bias.setdefault(kind, []).append(float(error.mean()))
    _strictures(m, labels, ducts, tally, case)
    _names(m, ducts, tally)


def _strictures(m: DuctMeasurement, labels: Volume, ducts: list[dict], tally: Tally, case: str) -> None:
    to_ijk = np.linalg.inv(labels.ijk_to_lps)
    last = np.array(labels.array.shape[::-1]) - 1
    found = np.array([f.position_lps_mm for f in m.strictures]).reshape(-1, 3)
    matched = np.zeros(len(found), dtype=bool)
    for b in ducts:
        for s in b["strictures"]:
            at = np.array(s["position_lps_mm"])
            ijk = to_ijk[:3, :3] @ at + to_ijk[:3, 3]
            if np.any(ijk < 0) or np.any(ijk > last):
                continue
            near = np.linalg.norm(found - at, axis=1) <= s["length_mm"] / 2 + NEAR_MM
            matched |= near
            tally.strictures.append(
                {
                    **s,
                    "case": case,
                    "branch": b["name"],
                    "found": bool(near.any()),
                    "measured": [(m.strictures[n].diameter_mm, m.strictures[n].resolved) for n in np.flatnonzero(near)],
                }
            )
    for n in np.flatnonzero(~matched):
        f = m.strictures[n]
        tally.false.append(
            {
                "case": case,
                "kind": f.kind,
                "position": [round(float(x)) for x in f.position_lps_mm],
                "diameter": round(f.diameter_mm, 2),
                "reference": round(f.reference_diameter_mm, 2),
                "length": round(f.length_mm, 1),
                "name": f.name,
            }
        )


def _names(m: DuctMeasurement, ducts: list[dict], tally: Tally) -> None:
    """Whether each proposed name lies on the true duct of that name."""
    true = {b["name"]: np.array(b["centreline_lps_mm"]) for b in ducts}
    right = {}
    for name, alike in (
        ("common bile duct", ("common bile duct", "common hepatic duct")),
        ("right hepatic duct", ("right",)),
        ("left hepatic duct", ("left",)),
    ):
        lines = [p for n, p in true.items() if any(n.startswith(a) for a in alike)]
        mine = [b.points_lps_mm for b in m.branches if b.name == name]
        if not lines:
            continue
        if not mine:
            right[name] = False
            continue
        other = [p for n, p in true.items() if not any(n.startswith(a) for a in alike)]
        points = np.concatenate(mine)
        at_home = cKDTree(np.concatenate(lines)).query(points)[0]
        elsewhere = cKDTree(np.concatenate(other)).query(points)[0] if other else np.full(len(points), np.inf)
        right[name] = bool(np.mean(at_home <= elsewhere + 0.5) > 0.7)
    tally.names.append(right)


def summary(tally: Tally) -> dict:
    """The figures, ready for JSON."""
    wide = [k for k in tally.branch_error if float(k.split()[0]) >= 2.4]
    pooled = {
        name: [v for k in wide for v in getattr(tally, name)[k]] for name in ("point_error", "branch_error", "bias")
    }

    def sensitivity(which: list[dict]) -> str:
        return f"{sum(s['found'] for s in which)} of {len(which)}"

    visible = [s for s in tally.strictures if s["reference_diameter_mm"] >= 2.4]
    high = [s for s in visible if s["grade"] >= 0.5]
    return {
        "cases": tally.cases,
        "branches_2.4_mm_and_more": {
            "n": len(pooled["point_error"]),
            **{k: round(float(np.mean(v)), 3) for k, v in pooled.items()},
        },
        "by_calibre": {
            k: {
                "true_length_mm": round(tally.true_length[k]),
                "length_found": round(tally.found_length.get(k, 0) / tally.true_length[k], 3),
                "n": len(tally.point_error.get(k, [])),
                **{
                    name: round(float(np.mean(getattr(tally, name)[k])), 3)
                    for name in ("point_error", "branch_error", "bias")
                    if k in getattr(tally, name)
                },
            }
            for k in sorted(tally.true_length, key=lambda k: float(k.split()[0]))
        },
        "points_below_resolution": len(tally.bound_held),
        "bound_held": round(float(np.mean(tally.bound_held)), 3) if tally.bound_held else None,
        "strictures_found": sensitivity(tally.strictures),
        "strictures_found_reference_2.4_mm_and_more": sensitivity(visible),
        "strictures_found_reference_2.4_mm_and_more_grade_0.5_and_more": sensitivity(high),
        "false_strictures_per_case": round(len(tally.false) / max(tally.cases, 1), 2),
        "names_right": {
            n: f"{sum(r.get(n, False) for r in tally.names)} of {sum(n in r for r in tally.names)}"
            for n in ("common bile duct", "right hepatic duct", "left hepatic duct")
        },
        "seconds_mean": round(float(np.mean(tally.seconds)), 2),
        "seconds_longest": round(float(np.max(tally.seconds)), 2),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs=2, type=int, default=(9000, 9019), metavar=("FIRST", "LAST"))
    parser.add_argument("--model", type=Path, help="also measure the masks of this model")
    parser.add_argument("--details", action="store_true", help="list strictures that were missed and false ones")
    options = parser.parse_args()
    from medseg.phantom import make_phantom

    tallies = {"reference masks": Tally()}
    model = None
    if options.model:
        import medseg

        model = medseg.open_model(options.model)
        tallies[f"masks of {options.model.name}"] = Tally()
    for seed in range(options.seeds[0], options.seeds[1] + 1):
        phantom = make_phantom(seed)
        masks = [phantom.labels]
        if model is not None:
            masks.append(medseg.segment(phantom.volume, model).labels)
        for labels, tally in zip(masks, tallies.values(), strict=True):
            began = time.perf_counter()
            m = measure_ducts(labels, 1)
            tally.seconds.append(time.perf_counter() - began)
            compare(m, labels, phantom.truth, tally, str(seed))
        print(f"{seed} ", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    for name, tally in tallies.items():
        print(json.dumps({"from": name, **summary(tally)}, indent=1))
        if options.details:
            for s in tally.strictures:
                if not s["found"]:
                    print(
                        "missed",
                        {k: s[k] for k in ("case", "branch", "length_mm", "diameter_mm", "reference_diameter_mm")},
                    )
            for f in tally.false:
                print("false", f)


if __name__ == "__main__":
    main()
