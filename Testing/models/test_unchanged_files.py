"""What was checked is what is loaded: a file that changes in between is refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from medseg.errors import UnsafeModelError
from medseg.models import open_model, opening
from medseg.models.unchanged import check_unchanged, seen


def replaced(file: Path) -> None:
    other = file.with_name("other")
    shutil.copy(file, other)
    other.replace(file)


def written_into(file: Path) -> None:
    """The same bytes again, and the old time put back, as somebody would who hides it."""
    told = file.stat()
    file.write_bytes(file.read_bytes())
    os.utime(file, ns=(told.st_atime_ns, told.st_mtime_ns))


@pytest.mark.parametrize("change", [replaced, written_into])
@pytest.mark.parametrize("when", ["before", "while"])
@pytest.mark.parametrize("kind", ["onnx", "torchscript", "safetensors"])
def test_a_file_that_changes_between_the_check_and_the_load_is_refused(
    carded, tmp_path, monkeypatch, kind: str, when: str, change: Callable[[Path], None]
) -> None:
    path = tmp_path / f"copy-{carded[kind].name}"
    shutil.copy(carded[kind], path)
    real = opening.choose_device if when == "before" else opening._backend

    def meanwhile(*arguments, **named):
        done = real(*arguments, **named)
        change(path)
        return done

    monkeypatch.setattr(opening, "choose_device" if when == "before" else "_backend", meanwhile)
    with pytest.raises(UnsafeModelError, match="changed while it was opened"):
        open_model(path, device="cpu")


def test_a_file_that_stays_and_one_that_is_gone(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    before = seen(tmp_path / "a", tmp_path, tmp_path / "missing")
    assert list(before) == [tmp_path / "a"]
    check_unchanged(before)
    (tmp_path / "a").unlink()
    with pytest.raises(UnsafeModelError):
        check_unchanged(before)
