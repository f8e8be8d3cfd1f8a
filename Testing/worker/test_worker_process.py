"""The worker's side, spoken to without the client."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from medseg.worker.messages import decode, encode
from medseg.worker.process import ENGINE_FOLDER, worker_environment


@pytest.fixture
def worker(tmp_path):
    # The working folder holds a file that `python -m` without -P would import before the library's own.
    (tmp_path / "faulthandler.py").write_text("raise SystemExit(3)")
    folder = tmp_path / "folder"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "medseg.worker", "--folder", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ENGINE_FOLDER)},
    )
    process.folder = folder
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def say(worker, **message) -> None:
    worker.stdin.write(encode(message))
    worker.stdin.flush()


def hear(worker) -> dict:
    return json.loads(worker.stdout.readline())


def test_the_first_message_says_who_speaks_whatever_lies_in_the_working_folder(worker):
    hello = hear(worker)
    assert (hello["id"], hello["event"], hello["protocol"]) == (0, "hello", 1)
    assert hello["pid"] == worker.pid
    assert set(hello["backends"]) <= {"torch", "onnxruntime", "openvino"}


def test_nonsense_is_passed_over(worker):
    hear(worker)
    worker.stdin.write(b"\n\xff\xfe\n[1]\n{\n" + b"[" * 100_000 + b"\n")
    say(worker, id=5, op="nothing")
    assert (hear(worker)["id"]) == 5


def test_the_end_of_input_ends_the_worker(worker):
    hear(worker)
    worker.stdin.close()
    assert worker.wait(10) == 0
    assert not worker.folder.exists()


def test_shutdown_ends_the_worker(worker):
    hear(worker)
    say(worker, id=9, op="shutdown")
    assert hear(worker) == {"id": 9, "event": "result", "result": {}}
    assert worker.wait(10) == 0


def test_nothing_heavy_is_imported_before_it_is_needed(tmp_path):
    code = (
        "import sys, medseg.worker.server, medseg.worker.operations, medseg.client\n"
        "print([n for n in ('torch', 'onnxruntime', 'openvino', 'SimpleITK', 'skimage') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ENGINE_FOLDER)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_messages_are_single_lines_of_ascii():
    line = encode({"id": 1, "text": "Žluč\nducts", "score": float("nan")})
    assert line.count(b"\n") == 1 and line.isascii()
    assert decode(line) == {"id": 1, "text": "Žluč\nducts", "score": None}


@pytest.mark.parametrize("line", [b"", b"null", b"[]", b"{}", b'{"id": "1"}', b"\xff"])
def test_other_lines_are_no_messages(line):
    assert decode(line) is None


def test_another_interpreter_does_not_get_our_home_and_path():
    base = {"PYTHONHOME": "/x", "PYTHONPATH": "/y", "PYTHONSTARTUP": "/z", "PATH": "/bin"}
    environment = worker_environment(["/opt/PythonSlicer"], base)
    assert environment["PYTHONPATH"] == str(ENGINE_FOLDER)
    assert "PYTHONHOME" not in environment and "PYTHONSTARTUP" not in environment
    assert environment["PATH"] == "/bin"
