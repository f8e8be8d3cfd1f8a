"""The fuzzed targets without the fuzzer: what it begins from, what it once found, and that it would see a finding."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("h5py")
HERE = Path(__file__).parent
REGRESSIONS = sorted(path for path in (HERE / "regressions").glob("*") if path.suffix != ".md")


@pytest.fixture(scope="module")
def fuzz():
    sys.path.insert(0, str(HERE))
    try:
        import seeds
        import targets
    finally:
        sys.path.remove(str(HERE))
    folder = targets.Folder()
    yield targets, seeds.seeds(), folder
    folder.close()


def test_every_target_has_a_seed_that_reaches_its_end(fuzz) -> None:
    """Where the seeds were refused at once, the fuzzer would have nothing to change."""
    targets, seeds, folder = fuzz
    through = {seeds[name][0] % len(targets.TARGETS) for name in seeds if not targets.run_one(folder, seeds[name])}
    # Packages hold weights that are none, so that nothing but their description is fuzzed: their seeds end there.
    ends = {
        number: targets.run_one(folder, seed)
        for seed in seeds.values()
        if (number := seed[0] % len(targets.TARGETS)) not in through
    }
    names = {target.__name__: ends.get(number, "") for number, target in enumerate(targets.TARGETS)}
    assert {name for name, said in names.items() if said} <= {
        "checkpoint",
        "program",
        "bioimageio",
        "bundle",
        "nnunet",
    }, names


def test_seeds_cut_short_are_refused_or_read_like_any_other_input(fuzz) -> None:
    targets, seeds, folder = fuzz
    said = [
        targets.run_one(folder, seed[:1] + seed[1 : len(seed) * tenth // 10])
        for seed in seeds.values()
        for tenth in range(1, 10)
    ]
    assert len(said) > 150 and sum(map(bool, said)) > len(said) / 2


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.name)
def test_what_the_fuzzer_once_found_stays_mended(fuzz, path) -> None:
    targets, _, folder = fuzz
    targets.run_one(folder, path.read_bytes())


def test_a_finding_is_seen(fuzz, monkeypatch) -> None:
    targets, _, folder = fuzz

    def broken(*_: object) -> None:
        raise KeyError("a parser that trusts what it reads")

    monkeypatch.setattr(targets, "TARGETS", (broken,))
    with pytest.raises(KeyError):
        targets.run_one(folder, b"\0anything")


def test_a_heap_of_texts_that_keeps_the_hdf5_library_going_round_is_refused(tmp_path) -> None:
    """The first finding: an object of size 0 in a global heap; h5py never came back."""
    from medseg.errors import InputError
    from medseg.models import inspect_model

    content = bytearray((HERE.parent / "models_keras" / "fixtures" / "sequential.h5").read_bytes())
    heap = content.index(b"GCOL")
    content[heap + 16 : heap + 32] = bytes(16)
    path = tmp_path / "round.h5"
    path.write_bytes(content)
    with pytest.raises(InputError, match="heap of texts"):
        inspect_model(path)
