"""Each way a worker can end gets the sentence that helps."""

from __future__ import annotations

import pytest
from medseg.worker.death import explain

TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n'


@pytest.mark.parametrize(
    ("status", "log", "said", "mend"),
    [
        (-9, "", "killed, most likely because memory ran out", "close other programs"),
        (137, "", "killed, most likely because memory ran out", "close other programs"),
        (1, "[PythonSlicer] exit abnormally - Report the problem.", "killed, most likely", "close other programs"),
        (0xC0000017, "", "killed, most likely", "close other programs"),
        (1, f"{TRACEBACK}MemoryError\n", "ran out of memory", "close other programs"),
        (-11, "", "crashed (SIGSEGV)", "report it"),
        (139, "", "crashed (SIGSEGV)", "report it"),
        (-6, "", "crashed (SIGABRT)", "report it"),
        (1, "Fatal Python error: Segmentation fault\n\nexit abnormally", "crashed (Segmentation fault)", "report it"),
        (0xC0000005, "", "crashed (access violation)", "report it"),
        (
            1,
            f"{TRACEBACK}ModuleNotFoundError: No module named 'numpy'\n",
            "without the Python package numpy",
            "get numpy",
        ),
        (
            1,
            f"{TRACEBACK}ModuleNotFoundError: No module named 'skimage.morphology'\n",
            "scikit-image",
            "get scikit-image",
        ),
        (1, "python: Error while finding module: ModuleNotFoundError: No module named 'medseg'", "engine", "extension"),
        (1, f"{TRACEBACK}ImportError: DLL load failed while importing x: not found\n", "DLL load failed", "install"),
        (3, "one\ntwo\n\n", "exit status 3: two", "report it"),
        (None, "", "exit status None", "report it"),
    ],
)
def test_the_reason_and_the_mend(status, log, said, mend):
    error = explain(status, log, lambda name: f"get {name}")
    assert said in error.what and mend in error.mend
    assert error.log == log
    assert "\n" not in error.line()
