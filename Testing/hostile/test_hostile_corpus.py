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
#: A hang must end some time; a busy machine must not be taken for one.
pytestmark = pytest.mark.timeout(1200)
HERE = Path(__file__).parent
#: Processor seconds and MiB that one file may take.
SECONDS, MIB = 10, 600
#: Formats whose weights a framework's own reader takes.
WALLED = ("onnx", "torchscript", "pt2", "keras_h5")


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
        timeout=1000,
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
                    "linked-",
                    "reading-",
                    "function-",
                    "many-",
                    "pipe",
                    "cut-",
                )
            )
            and name not in harmless
        ):
            assert result["outcome"] != "opened", name


def test_damaged_weights_are_loaded_in_a_worker_and_end_nothing_else(corpus, tmp_path) -> None:
    """What no static check can see, a flipped byte in weights or code, meets the framework's reader behind a wall."""
    from medseg.client import WorkerClient
    from medseg.errors import MedSegError

    answered = 0
    with WorkerClient(temporary_root=tmp_path) as client:
        for name in (f"flip-{number:02d}-{kind}" for kind in WALLED for number in range(0, 40, 8)):
            request = client.submit("load", {"model": corpus.files[name]}, timeout_s=300)
            try:
                client.wait(request)
            except MedSegError as error:
                assert "\n" not in error.line() and len(error.line()) < 1500
            answered += request.finished
        assert answered == 5 * len(WALLED)
        still = client.submit("load", {"model": corpus.files["valid-onnx"]}, timeout_s=300)
        assert client.wait(still)["output"][0] == 1
    assert list(corpus.executed.iterdir()) == []


def test_a_file_that_crashes_the_hdf5_library_is_one_line(corpus, tmp_path, monkeypatch) -> None:
    """Found by fuzzing: ten changed bytes end the process that asks h5py (3.16) for an attribute."""
    from medseg.errors import InputError
    from medseg.models import open_model
    from medseg.models.isolated import inspect_isolated

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    content = bytearray(corpus.files["valid-keras_h5"].read_bytes())
    content[0x3EE:0x3F3], content[0x147F:0x1483], content[0x4C3C:0x4C3D] = b"1e999", b"\x03\xf4\xff\xff", b"1"
    path = tmp_path / "crash.h5"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        inspect_isolated(path)
    assert "\n" not in caught.value.line() and caught.value.exit_status == 2
    with pytest.raises(InputError):
        open_model(path, isolate=True)


def test_a_worker_beyond_its_memory_is_one_line(corpus, tmp_path) -> None:
    """The largest of the corpus that opens, in a tenth of what it takes."""
    from medseg.client import WorkerClient
    from medseg.errors import MedSegError

    with WorkerClient(temporary_root=tmp_path) as client:
        payload = {"model": corpus.files["long-chain.onnx"], "memory_limit_bytes": 64 << 20}
        with pytest.raises(MedSegError, match="memory") as caught:
            client.wait(client.submit("load", payload, timeout_s=300))
    assert "\n" not in caught.value.line()


def test_cut_and_flipped_files_are_mostly_told_as_such(results) -> None:
    counted = Counter(result["outcome"] for name, result in results.items() if name.startswith("cut-"))
    assert counted["opened"] == 0 and counted["refused"] + counted["unsafe"] == sum(counted.values())
