"""The client with a worker that misbehaves: it must hear everything, and say what happened."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from medseg.client import LOG_BYTES, WorkerClient
from medseg.errors import Cancelled, InputError, MedSegError, MissingPackageError, WorkerDied
from medseg.volume import Volume
from medseg.worker.process import ENGINE_FOLDER

PROGRAMS = Path(__file__).parent / "programs"

posix = pytest.mark.skipif(os.name != "posix", reason="signals")


def poll_until(client: WorkerClient, condition, limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        client.poll()
        client._rest(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.int16).reshape(2, 3, 4),
        np.arange(24, dtype=">f4").reshape(2, 3, 4),
        np.asfortranarray(np.random.default_rng(1).random((3, 4, 5))),
        np.ones((2, 2), bool),
        np.zeros((0, 3), np.uint8),
        np.arange(60).reshape(3, 4, 5)[::2, ::-1, 1:],
    ],
    ids=["int16", "big-endian", "fortran", "bool", "empty", "strided"],
)
def test_arrays_arrive_as_they_were_sent(odd, array):
    result = odd.wait(odd.submit("echo", {"array": array}))
    np.testing.assert_array_equal(result["array"], array)
    assert result["array"].dtype == array.dtype
    assert result["mapped"] == [array.size > 0]


def test_a_volume_keeps_its_geometry_and_loses_its_name(odd, tmp_path):
    direction = np.array([[0.0, -1, 0], [0, 0, 1], [-1, 0, 0]])
    volume = Volume(
        np.ones((2, 3, 4), np.float32),
        (0.5, 1.5, 4.0),
        (1.0, -2.0, 3.0),
        direction,
        name="Doe^Jane",
        source=tmp_path / "doe.nii",
        modality="MR",
    )
    back = odd.wait(odd.submit("echo", {"volumes": [volume]}))["volumes"][0]
    assert back.same_grid(volume) and back.modality == "MR"
    assert (back.name, back.source) == ("volume", None)


def test_nothing_of_an_exchange_stays_on_disk(odd):
    odd.wait(odd.submit("echo", {"array": np.ones((8, 8))}))
    assert not list(odd._process.folder.glob("*.array"))


@posix
def test_the_folder_is_for_this_user_only_and_goes_with_the_client(tmp_path):
    client = WorkerClient(module="odd_worker")
    client.wait(client.submit("echo"))
    folder = client._process.folder
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    pid = client.pid
    client.close()
    assert not folder.exists() and not alive(pid)


def test_printing_libraries_do_not_break_the_protocol(odd):
    assert odd.wait(odd.submit("chatter")) == {"fake": False}
    odd.close()
    assert odd.log.count('"fake": true') == 3


def test_nan_travels_as_null(odd):
    assert odd.wait(odd.submit("nan")) == {"score": None, "scores": [1.0, None, None], "count": 3}


def test_progress_is_thinned_but_its_end_arrives(odd):
    seen = []
    odd.wait(odd.submit("count", on_progress=seen.append))
    assert 1 <= len(seen) < 500
    assert (seen[-1].done, seen[-1].fraction, seen[-1].stage) == (1000, 1.0, "count")


def test_an_error_keeps_its_kind_and_parts(odd):
    with pytest.raises(InputError) as caught:
        odd.wait(odd.submit("refuse"))
    assert (caught.value.what, caught.value.file, caught.value.mend) == (
        "the card has a wrong field",
        "model.onnx",
        "correct it",
    )


def test_a_failure_of_our_own_is_told_and_the_worker_lives_on(odd):
    with pytest.raises(MedSegError, match="ZeroDivisionError: by our own fault"):
        odd.wait(odd.submit("break"))
    pid = odd.pid
    assert odd.wait(odd.submit("echo", {"n": 1}))["n"] == 1
    assert odd.pid == pid


def test_a_package_that_is_missing_for_one_operation_is_named(odd):
    with pytest.raises(MissingPackageError, match="surely_absent_package is not installed"):
        odd.wait(odd.submit("absent"))


def test_an_unknown_operation_is_refused(odd):
    with pytest.raises(InputError, match="no operation 'dance'"):
        odd.wait(odd.submit("dance"))


def test_cancel_is_heard_between_batches_and_the_worker_stays(odd):
    request = odd.submit("obedient")
    poll_until(odd, lambda: request.progress)
    pid = odd.pid
    odd.cancel(request)
    with pytest.raises(Cancelled):
        odd.wait(request)
    odd.wait(odd.submit("echo"))
    assert odd.pid == pid


def test_a_worker_that_does_not_answer_cancel_is_killed_within_the_grace(odd):
    request, following = odd.submit("stubborn"), odd.submit("echo", {"n": 2})
    poll_until(odd, lambda: request.progress)
    pid = odd.pid
    start = time.monotonic()
    odd.cancel(request)
    with pytest.raises(Cancelled):
        odd.wait(request)
    assert time.monotonic() - start < 2.0  # 0.3 s of grace, and time on a busy machine
    assert not alive(pid)
    assert odd.wait(following)["n"] == 2  # what waited is asked of a new worker
    assert odd.pid != pid


def test_a_request_that_waits_is_cancelled_without_the_worker(odd):
    first, second = odd.submit("obedient"), odd.submit("echo")
    poll_until(odd, lambda: first.progress)
    odd.cancel(second)
    with pytest.raises(Cancelled):
        odd.wait(second)
    assert not first.finished
    odd.cancel(first)
    with pytest.raises(Cancelled):
        odd.wait(first)


@posix
def test_a_killed_worker_is_reported_as_out_of_memory_and_replaced(odd):
    request = odd.submit("stubborn")
    poll_until(odd, lambda: request.progress)
    os.kill(odd.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match="killed, most likely because memory ran out; close other programs"):
        odd.wait(request)
    assert odd.wait(odd.submit("echo", {"n": 3}))["n"] == 3


@posix
def test_an_idle_worker_that_was_killed_is_replaced_without_a_word(odd):
    odd.wait(odd.submit("echo"))
    pid = odd.pid
    os.kill(pid, signal.SIGKILL)
    poll_until(odd, lambda: odd._process is None)
    assert odd.wait(odd.submit("echo", {"n": 4}))["n"] == 4
    assert odd.pid != pid


@posix
def test_a_crash_names_its_signal_and_keeps_the_stack(odd):
    with pytest.raises(WorkerDied, match="crashed \\(SIGSEGV\\)") as caught:
        odd.wait(odd.submit("signal", {"signal": "SIGSEGV"}))
    assert "Segmentation fault" in caught.value.log and "signal_self" in caught.value.log


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (137, "killed, most likely because memory"),
        (134, r"crashed \(SIGABRT\)"),
        (5, "exit status 5: the last words"),
    ],
)
def test_exit_statuses_are_explained(odd, status, said):
    with pytest.raises(WorkerDied, match=said) as caught:
        odd.wait(odd.submit("leave", {"status": status}))
    assert "the last words" in caught.value.log


def test_a_python_without_numpy_is_named(tmp_path):
    with WorkerClient(module="worker_without_numpy", install=lambda name: f"get {name}") as client:
        with pytest.raises(WorkerDied, match="cannot start without the Python package numpy; get numpy") as caught:
            client.wait(client.submit("probe"))
        assert "ModuleNotFoundError" in caught.value.log


def test_a_python_that_is_not_there_is_named(tmp_path):
    with WorkerClient(tmp_path / "no python") as client:
        request = client.submit("probe")
        with pytest.raises(WorkerDied, match="no python cannot be started"):
            client.wait(request)
    assert not list(tmp_path.glob("medseg-worker-*"))


def test_a_worker_that_never_greets_is_given_up():
    with (
        WorkerClient(
            [sys.executable, "-c", "import threading; threading.Event().wait(120)"], start_timeout_s=0.3
        ) as client,
        pytest.raises(WorkerDied, match=r"did not answer within 0\.3 s"),
    ):
        client.wait(client.submit("probe"))


def test_another_protocol_is_refused(tmp_path):
    hello = '{"id": 0, "event": "hello", "protocol": 99, "pid": 1}'
    stranger = [sys.executable, "-c", f"import sys; print('{hello}', flush=True); sys.stdin.read()"]
    with WorkerClient(stranger) as client, pytest.raises(WorkerDied, match="protocol 99"):
        client.wait(client.submit("probe"))


def test_a_request_may_have_a_time_limit(odd):
    with pytest.raises(WorkerDied, match=r"stubborn took longer than 0\.2 s"):
        odd.wait(odd.submit("stubborn", timeout_s=0.2))


def test_waiting_may_end_before_the_request_does(odd):
    request = odd.submit("obedient")
    with pytest.raises(TimeoutError):
        odd.wait(request, timeout=0.05)
    assert not request.finished
    odd.cancel(request)
    with pytest.raises(Cancelled):
        odd.wait(request)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_a_memory_limit_fails_the_request_and_not_the_machine():
    with WorkerClient(module="odd_worker", memory_limit_bytes=2**30) as client:
        assert client.wait(client.submit("hoard", {"bytes": 2**20}))["size"] == 2**20
        with pytest.raises(MedSegError, match="memory"):
            client.wait(client.submit("hoard", {"bytes": 2**31}))


def test_callbacks_come_once_and_may_ask_again(odd):
    finished = []

    def again(request):
        finished.append(request.result["n"])
        if request.result["n"] < 3:
            # Waiting inside a callback must not hang.
            odd.wait(odd.submit("echo", {"n": request.result["n"] + 1}, on_finished=again))

    odd.wait(odd.submit("echo", {"n": 1}, on_finished=again))
    assert finished == [1, 2, 3]


def test_a_failing_callback_does_not_stop_the_others(odd, caplog):
    seen = []
    first = odd.submit("echo", on_finished=lambda request: 1 / 0)
    second = odd.submit("echo", on_finished=seen.append)
    odd.wait(second)
    assert first.finished and seen == [second]
    assert "ZeroDivisionError" in caplog.text


def test_close_finishes_what_is_left(odd):
    running, waiting = odd.submit("stubborn"), odd.submit("echo")
    poll_until(odd, lambda: running.progress)
    odd.close()
    assert isinstance(running.error, Cancelled) and isinstance(waiting.error, Cancelled)
    assert odd.wait(odd.submit("echo", {"n": 5}))["n"] == 5  # and it can be used again


@posix
def test_no_worker_outlives_a_parent_that_crashes(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ENGINE_FOLDER), str(PROGRAMS)))}
    parent = subprocess.run(
        [sys.executable, str(PROGRAMS / "parent_that_dies.py")],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        timeout=60,
    )
    pid, folder = parent.stdout.split(maxsplit=1)
    end = time.monotonic() + 10
    while alive(int(pid)) and time.monotonic() < end:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
    assert not alive(int(pid))
    assert not Path(folder.strip()).exists()


def test_the_log_that_is_kept_is_bounded(odd):
    odd.wait(odd.submit("echo"))
    log = odd._process.folder / "worker.log"
    log.write_bytes(b"x" * (LOG_BYTES + 5000) + b"end")
    assert len(odd._process.read_log()) == LOG_BYTES and odd._process.read_log().endswith("end")
