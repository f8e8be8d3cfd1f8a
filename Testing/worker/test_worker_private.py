"""Private folders: who may read them, and that those of dead processes go."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from medseg.worker import private
from medseg.worker.private import LOCK, PREFIX, PrivateFolder, sweep
from medseg.worker.process import ENGINE_FOLDER


def leave_behind(root) -> str:
    """A folder whose owner died without cleaning up."""
    code = (
        f"import os\nfrom medseg.worker.private import PrivateFolder\nfolder = PrivateFolder({str(root)!r})\n"
        "(folder.path / 'image.array').write_bytes(b'secret')\nprint(folder.path, flush=True)\nos._exit(1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ENGINE_FOLDER)},
        text=True,
        stdout=subprocess.PIPE,
    )
    return done.stdout.strip()


def test_the_next_start_sweeps_what_a_dead_process_left(tmp_path):
    stale = leave_behind(tmp_path)
    assert [str(path) for path in tmp_path.iterdir()] == [stale]
    folder = PrivateFolder(tmp_path)
    assert list(tmp_path.iterdir()) == [folder.path]
    folder.close()
    assert not list(tmp_path.iterdir())


def test_a_living_owner_keeps_its_folder(tmp_path):
    code = (
        f"import sys\nfrom medseg.worker.private import PrivateFolder\nfolder = PrivateFolder({str(tmp_path)!r})\n"
        "print('made', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ENGINE_FOLDER)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        owner.stdout.readline()
        assert sweep(tmp_path) == []
        owner.stdin.close()
        owner.wait()
    assert len(sweep(tmp_path)) == 1


def test_a_folder_that_is_just_being_made_is_left_alone(tmp_path, monkeypatch):
    young = tmp_path / f"{PREFIX}young"
    young.mkdir()
    assert sweep(tmp_path) == []
    monkeypatch.setattr(private, "UNLOCKED_GRACE_S", -1.0)
    assert sweep(tmp_path) == [young]


@pytest.mark.skipif(os.name != "posix", reason="links and owners")
def test_links_and_other_names_are_left_alone(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    (target / LOCK).touch()
    (tmp_path / f"{PREFIX}link").symlink_to(target)
    (tmp_path / "medseg-else").mkdir()
    (tmp_path / f"{PREFIX}file").write_text("no folder")
    assert sweep(tmp_path) == []
    assert target.is_dir()
