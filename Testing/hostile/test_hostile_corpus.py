"""No file of the corpus runs code, hangs, takes memory without bound, or gets anything but one line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("h5py")
pytest.importorskip("resource", reason="limits of memory are set as POSIX systems do")
HERE = Path(__file__).parent
#: Processor seconds and MiB that one file may take.
SECONDS, MIB = 10, 600


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    sys.path.insert(0, str(HERE))
    try:
        from corpus import make_corpus
    finally:
        sys.path.remove(str(HERE))
    return make_corpus(tmp_path_factory.mktemp("hostile") / "corpus")


@pytest.fixture(scope="module")
def results(corpus) -> dict[str, dict]:
    listing = corpus.folder / "listing.json"
    listing.write_text(json.dumps({name: str(path) for name, path in corpus.files.items()}))
    ended = subprocess.run(
        [sys.executable, "-P", str(HERE / "open_corpus.py"), str(listing)],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    found = {line["end"]: line for line in lines if "end" in line}
    last = next((line["start"] for line in reversed(lines) if "start" in line), "none")
    assert ended.returncode == 0, f"the process ended with {ended.returncode} at {last}: {ended.stderr[-1500:]}"
    return found


def test_every_file_was_looked_at(corpus, results) -> None:
    assert results.keys() == corpus.files.keys() and len(results) > 400
    opened = {name for name, result in results.items() if result["outcome"] == "opened"}
    assert {"valid-onnx", "valid-torchscript", "valid-pt2", "valid-bioimageio"} <= opened


def test_no_payload_was_executed(corpus, results) -> None:
    assert results and list(corpus.executed.iterdir()) == []
    assert not (corpus.folder / "outside").exists() and not (corpus.folder.parent / "outside").exists()


def test_each_refusal_is_one_line_and_never_a_traceback(results) -> None:
    wrong = [result for result in results.values() if result["outcome"] == "crashed"]
    assert wrong == []
    for result in results.values():
        assert "\n" not in result["line"] and len(result["line"]) < 1500
        assert bool(result["line"]) == (result["outcome"] != "opened")


def test_none_takes_time_or_memory_beyond_the_limits(results) -> None:
    slow = {name: round(result["seconds"], 1) for name, result in results.items() if result["seconds"] > SECONDS}
    large = {name: round(result["mib"]) for name, result in results.items() if result["mib"] > MIB}
    assert slow == {} and large == {}


def test_what_is_made_to_do_harm_never_opens(results) -> None:
    """Payloads that need not be read at all (sample inputs, a guard) may stand in a file that opens."""
    harmless = {"torchscript-in-attributes.pkl.pt", "pt2-in-data-sample_inputs-model.pt.pt", "pt2-guard.pt2"}
    for name, result in results.items():
        if (
            name.startswith(
                (
                    "bare-",
                    "zip-",
                    "old-",
                    "torchscript-in",
                    "state_dict-in",
                    "pt2-",
                    "objects",
                    "package-with",
                    "bundle-",
                    "nnunet-",
                    "yaml-",
                    "keras-",
                    "bomb-",
                    "traversal-",
                    "absolute-",
                    "outside-",
                    "foreign",
                    "cyclic",
                    "huge",
                    "cut-",
                )
            )
            and name not in harmless
        ):
            assert result["outcome"] != "opened", name


def test_cut_and_flipped_files_are_mostly_told_as_such(results) -> None:
    counted = Counter(result["outcome"] for name, result in results.items() if name.startswith("cut-"))
    assert counted["opened"] == 0 and counted["refused"] + counted["unsafe"] == sum(counted.values())
