"""Folds, and what is chosen on out-of-fold probabilities: known answers, and that nothing is chosen on itself."""

from __future__ import annotations

import io
import itertools
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from medseg.card import ModelCard, PostProcessing
from medseg.errors import InputError
from medseg.metrics import Agreement, dice, evaluate_labels
from medseg.scores import Scores
from medseg_training.config import load_config, parse_config
from medseg_training.crossval.choose import Choice, Search, choose_nested, given_by
from medseg_training.crossval.devices import make_slots, threads_for
from medseg_training.crossval.display import Folds, last_line, share_done
from medseg_training.crossval.folds import draw_folds
from medseg_training.crossval.outcome import figures_of, over_patients
from medseg_training.crossval.place import FoldPlace, Place, only_one
from medseg_training.crossval.plan import make_plan
from medseg_training.crossval.pool import last_words
from medseg_training.crossval.scores import Judged, load_scores, save_scores
from medseg_training.crossval.settings import CrossValidation
from medseg_training.validation import CaseFigures
from rich.console import Console

SHAPE = (6, 20, 20)


# Folds ---------------------------------------------------------------------------------------------------------------


def test_folds_part_no_patient_and_do_not_depend_on_the_order_of_cases() -> None:
    patients = {f"c{n}": f"p{n // 2}" for n in range(24)}
    folds = draw_folds(patients, 5, seed=3)
    assert sorted(itertools.chain(*folds)) == sorted(set(patients.values()))
    assert max(map(len, folds)) - min(map(len, folds)) <= 1
    assert draw_folds(dict(reversed(patients.items())), 5, seed=3) == folds
    assert draw_folds(patients, 5, seed=4) != folds
    with pytest.raises(InputError, match="13 folds of 12 patients"):
        draw_folds(patients, 13)


def test_strata_are_even_over_the_folds_as_far_as_whole_patients_allow() -> None:
    # Ten of thirty patients have the rare kind; drawn without strata the folds are uneven for some seed.
    patients = {f"c{n}": f"p{n:02}" for n in range(30)}
    strata = {case: "rare" if n % 3 == 0 else "common" for n, case in enumerate(patients)}

    def rare(folds: list[tuple[str, ...]]) -> list[int]:
        return [sum(strata[c] == "rare" for c, p in patients.items() if p in fold) for fold in folds]

    assert all(rare(draw_folds(patients, 5, seed, strata)) == [2, 2, 2, 2, 2] for seed in range(5))
    assert any(rare(draw_folds(patients, 5, seed)) != [2, 2, 2, 2, 2] for seed in range(5))


def test_strata_come_from_names_labels_or_the_table(tiny: dict[str, Any], tmp_path: Path) -> None:
    def plan(**split: Any) -> Any:
        return make_plan(parse_config({**tiny, "split": {"folds": 2, **split}}))

    assert plan().strata is None
    assert plan(stratify="^([ab])_").strata == {**{f"a_p{n}": "a" for n in range(1, 6)}, "b_p1": "b"}
    assert set(plan(stratify="labels").strata.values()) == {"1"}
    table = tmp_path / "patients.csv"
    table.write_text(
        "case,patient,stratum\n" + "".join(f"{c}_p{n},p{n},{'xy'[n % 2]}\n" for c in "ab" for n in range(1, 6))
    )
    data = {**tiny, "patient": None, "patients": str(table), "split": {"folds": 2, "stratify": "table"}}
    with_table = make_plan(parse_config(data))
    assert with_table.strata is not None and with_table.strata["a_p1"] == "y"
    for rule, words in (
        ("nothing_like_it", "finds nothing in the name"),
        ("(", "nor a regular expression"),
        ("table", "no stratum"),
    ):
        with pytest.raises(InputError, match=words):
            plan(stratify=rule)
    with pytest.raises(InputError, match="draws its own"):
        plan(validate_on=["p2"])


def test_the_hash_tells_who_is_in_which_fold(tiny: dict[str, Any]) -> None:
    plan = make_plan(parse_config(tiny))
    assert plan.hold_out == ("p5",) and "a_p5" not in plan.patients
    assert make_plan(parse_config(tiny)).sha256 == plan.sha256
    swapped = replace(plan, folds=plan.folds[::-1])
    assert swapped.sha256 != plan.sha256
    single = parse_config({**tiny, "split": {"folds": 2, "fold": 1, "hold_out": ["p5"]}})
    from medseg_training.data import list_cases
    from medseg_training.split import split_patients

    assert set(split_patients(list_cases(single)[0], single.split).validation) == set(plan.cases(1))


# Choosing ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def card(tiny: dict[str, Any]) -> ModelCard:
    return parse_config(tiny).draft


def _judged(name: str, fold: int, inside: float, outside: float, *, speck: bool = False) -> Judged:
    """A block of probability ``inside`` in a sea of ``outside``; with ``speck`` a single voxel of 0.99 far away."""
    reference = np.zeros(SHAPE, np.uint8)
    reference[1:5, 4:12, 4:12] = 1
    top = np.where(reference == 1, np.float32(inside), np.float32(outside))
    if speck:
        top[5, 18, 18] = 0.99
    best = np.ones(SHAPE, np.uint8)
    scores = Scores(best, top, (top >= 0.5).astype(np.uint8))
    return Judged(name, name, fold, scores, reference, (3.0, 1.5, 1.5), SHAPE, (0, 0, 0))


def test_threshold_and_smallest_part_are_found(card: ModelCard) -> None:
    cases = [_judged("a", 0, 0.42, 0.32, speck=True), _judged("b", 1, 0.44, 0.33, speck=True)]
    settings = CrossValidation(minimum_part_mm3=[0, 100], fill_holes=[False])
    best, score = Search(card, settings).choose(cases, given_by(card))
    assert (best.threshold, best.postprocessing.minimum_part_mm3, score) == (0.35, 100, 1.0)
    assert "threshold 0.35" in best.words() and "100 mm³" in best.words()
    assert Search(card, settings).score(given_by(card), cases) < 0.1


def test_what_the_card_says_stays_where_nothing_is_better(card: ModelCard) -> None:
    cases = [_judged("a", 0, 0.95, 0.01), _judged("b", 1, 0.95, 0.01)]
    given = replace(card, postprocessing=PostProcessing(minimum_part_mm3=7))
    best, score = Search(given, CrossValidation()).choose(cases, given_by(given))
    assert best == Choice(0.5, PostProcessing(minimum_part_mm3=7)) and score == 1.0


def test_one_patient_does_not_decide_for_all(card: ModelCard) -> None:
    """At 0.35 one patient gains 1.0, eight lose a little: the mean is better and says nothing about the next one."""
    cases = [_judged("a", 0, 0.42, 0.01)]
    for n in range(8):
        case = _judged(f"b{n}", 1, 0.9, 0.01)
        case.scores.top[1, 4:9, 12:14] = 0.4
        cases.append(case)
    settings = CrossValidation(thresholds=[0.35], minimum_part_mm3=[], fill_holes=[])
    search, given = Search(card, settings), given_by(card)
    assert search.score(replace(given, threshold=0.35), cases) > search.score(given, cases) + 0.05
    assert search.choose(cases, given)[0] == given
    cases += [_judged(f"c{n}", 0, 0.42, 0.01) for n in range(3)]
    assert search.choose(cases, given)[0].threshold == 0.35


def test_keeping_the_largest_part_is_not_tried_unless_asked_for(card: ModelCard) -> None:
    cases = [_judged("a", 0, 0.9, 0.01, speck=True), _judged("b", 1, 0.9, 0.01, speck=True)]
    plain = Search(card, CrossValidation(minimum_part_mm3=[])).choose(cases, given_by(card))[0]
    assert plain.postprocessing.keep_largest_parts is None
    asked = CrossValidation(minimum_part_mm3=[], keep_largest_parts=[None, 1])
    assert Search(card, asked).choose(cases, given_by(card))[0].postprocessing.keep_largest_parts == 1


def test_the_choice_for_a_fold_never_sees_that_fold(card: ModelCard) -> None:
    # Fold 2 wants another threshold than the others: its own figures must be those of the others' choice.
    cases = [_judged("a", 0, 0.9, 0.62), _judged("b", 1, 0.9, 0.62)]
    cases += [_judged("c", 2, 0.4, 0.02), _judged("d", 2, 0.4, 0.02)]
    chosen = choose_nested(cases, card, CrossValidation())
    assert chosen.nested[2].threshold == pytest.approx(0.65)
    assert chosen.final.threshold is not None and chosen.final.threshold <= 0.4
    figures = {f.case: f.labels[1].dice for f in figures_of(cases, chosen.nested, card)}
    assert figures["c"] == figures["d"] == 0.0  # nothing of them reaches 0.65
    own = Search(card, CrossValidation()).choose([cases[2]], given_by(card))[0]
    assert dice(cases[2].decide(card, own.threshold, own.postprocessing) == 1, cases[2].reference == 1) == 1.0


def test_a_missed_structure_costs_the_diagonal_of_the_whole_volume(card: ModelCard, tmp_path: Path) -> None:
    whole = _judged("a", 0, 0.3, 0.01)
    path = tmp_path / "a.npz"
    save_scores(path, whole.scores, whole.reference, whole.spacing, 0.05)
    cut = load_scores(path, "a", "a", 0)
    assert cut.reference.shape == (4, 8, 8) and cut.corner == (1, 4, 4) and cut.shape == SHAPE
    assert np.array_equal(cut.whole(cut.reference), whole.reference)
    (figures,) = figures_of([cut], {0: Choice(0.5, PostProcessing())}, card)
    expected = evaluate_labels(np.zeros(SHAPE, np.uint8), whole.reference, whole.spacing, [1])[1]
    assert figures.labels[1] == expected and expected.hd95_mm == pytest.approx(np.linalg.norm([18, 30, 30]))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be read"):
        load_scores(path, "a", "a", 0)


def test_small_probabilities_are_dropped_and_everything_that_can_be_chosen_is_exact(
    card: ModelCard, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    top = rng.random(SHAPE, dtype=np.float32) ** 3
    scores = Scores(np.ones(SHAPE, np.uint8), top, (top >= 0.5).astype(np.uint8))
    reference = (top > 0.9).astype(np.uint8)
    save_scores(tmp_path / "x.npz", scores, reference, (3.0, 1.5, 1.5), 0.05)
    cut = load_scores(tmp_path / "x.npz", "x", "x", 0)
    assert cut.scores.top[cut.scores.top > 0].min() > 0 and cut.scores.top[cut.scores.top > 0].min() >= 0.05
    whole = Judged("x", "x", 0, scores, reference, (3.0, 1.5, 1.5), SHAPE, (0, 0, 0))
    for threshold, low, part in itertools.product((0.05, 0.1, 0.5, None), (None, 0.05), (0.0, 30.0)):
        settings = PostProcessing(hysteresis_low=low, minimum_part_mm3=part, fill_holes=True)
        assert np.array_equal(cut.whole(cut.decide(card, threshold, settings)), whole.decide(card, threshold, settings))


def test_a_patients_cases_are_averaged_first(card: ModelCard) -> None:
    def case(name: str, patient: str, moved: int) -> CaseFigures:
        reference = np.zeros(SHAPE, np.uint8)
        reference[:, 4:10, 4:10] = 1
        return CaseFigures(name, patient, evaluate_labels(np.roll(reference, moved, 1), reference, (1, 1, 1), [1]))

    figures = [
        case("a1", "a", 0),
        case("a2", "a", 3),
        case("b", "b", 0),
        CaseFigures("c", "c", {1: Agreement.both_empty()}),
    ]
    a, b, c = over_patients(figures, 1)
    assert a.dice == pytest.approx(0.75) and b.dice == 1.0 and not c.counted


# Places, slots, what is shown ----------------------------------------------------------------------------------------


def test_folds_see_their_own_gpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    slots = make_slots(["cuda:0", "cuda:1"], 3)
    assert [(s.label, s.device, s.environment["CUDA_VISIBLE_DEVICES"]) for s in slots] == [
        ("cuda:0", "cuda", "0"),
        ("cuda:1", "cuda", "1"),
        ("cuda:0", "cuda", "0"),
    ]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-7a")
    assert make_slots(["cuda:1"], None)[0].environment["CUDA_VISIBLE_DEVICES"] == "GPU-7a"
    assert make_slots(["cpu"], 2)[1].environment == {"CUDA_VISIBLE_DEVICES": ""}
    for names, jobs, words in (
        (["cuda:2"], 1, "shows 2"),
        (["gpu"], 1, "no device"),
        (["cpu"], 0, "0 jobs"),
        ([], 1, "no device is"),
    ):
        with pytest.raises(InputError, match=words):
            make_slots(names, jobs)
    assert threads_for(3, False, 1) == 3 and threads_for(None, True, 2) == 1
    assert threads_for(None, False, 10_000) == 1


def test_two_commands_do_not_work_in_one_directory(tmp_path: Path) -> None:
    with (
        only_one(tmp_path / ".lock"),
        pytest.raises(InputError, match=f"another process \\(number {os.getpid()}\\)"),
        only_one(tmp_path / ".lock"),
    ):
        pass
    with only_one(tmp_path / ".lock"):
        pass


def test_clearing_leaves_what_is_not_ours(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for name in ("fold_0/fold.yaml", "fold_x/fold.yaml", "fold_1/notes.txt", "folds.json", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    place.clear()
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert left == ["fold_1/notes.txt", "fold_x/fold.yaml", "notes.txt"]


def test_why_a_fold_ended_is_its_own_last_error(tmp_path: Path) -> None:
    console = tmp_path / "console.txt"
    assert last_words(console, 1) == "ended with status 1"
    console.write_text("step 1\nmedseg: a.nii.gz: is broken; replace it\nsome library says goodbye\n")
    assert last_words(console, 2) == "a.nii.gz: is broken; replace it"
    assert last_words(console, -9) == "ended by SIGKILL (out of memory, perhaps)"


def test_the_table_follows_the_folds(tmp_path: Path, tiny: dict[str, Any]) -> None:
    budget = parse_config(tiny).budget
    places = [FoldPlace(tmp_path / f"fold_{n}", n) for n in range(2)]
    places[0].path.mkdir()
    places[0].done.write_text("{}")
    shown = Folds(places, [3, 2], budget, tmp_path / "log.txt", quiet=True)
    assert [s.state for s in shown.states] == ["done before", "waiting"]
    console = Console(width=100, file=io.StringIO())
    console.print(shown.table())
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert "done before" in lines[1] and "waiting" in lines[2]
    metrics = tmp_path / "metrics.jsonl"
    assert last_line(metrics) is None
    metrics.write_text('{"epoch": 2, "elapsed_s": 3.0}\n{"epoch": 3, "elap')
    assert last_line(metrics) == {"epoch": 2, "elapsed_s": 3.0}
    assert share_done({"epoch": 2, "elapsed_s": 3.0}, budget) == pytest.approx(2 / 5)


def test_the_recipe_has_five_folds_by_patient() -> None:
    recipe = Path(__file__).parents[2] / "training" / "recipes" / "liver-chaos-5fold.yaml"
    config = load_config(recipe)
    assert config.split.folds == 5 and config.patient == r"(\d+)$"
    assert config.budget.max_minutes is not None and 5 * config.budget.max_minutes < 40  # all of it, one after another
