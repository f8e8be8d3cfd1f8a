"""Files appear under their final name when they are complete, or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from medseg.errors import InputError
from medseg.io import SegmentInfo, atomic_path, write_labels, write_segmentation_file, write_volume
from medseg.io import atomic as atomic_module
from medseg.volume import Volume

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX devices or mounts")
WRITERS = [".nii.gz", ".nii", ".nrrd", ".mha", ".tif", ".seg.nrrd"]


@pytest.fixture
def noise() -> Volume:
    """96,000 random bytes, which no compression fits into 64 KiB."""
    return Volume(np.random.default_rng(0).integers(0, 255, (20, 60, 80)).astype(np.uint8))


def write(volume: Volume, path: Path) -> None:
    if path.name.endswith(".seg.nrrd"):
        write_segmentation_file(volume, [SegmentInfo(1, "duct", (1, 0, 0))], path)
    else:
        write_volume(volume, path)


def test_the_temporary_file_lies_beside_the_final_one_with_its_whole_suffix(tmp_path):
    with atomic_path(tmp_path / "žluč.seg.nrrd") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(".seg.nrrd") and temporary.name.startswith(".")
        assert not temporary.exists() and not (tmp_path / "žluč.seg.nrrd").exists()
        temporary.write_text("whole")
    assert [p.name for p in tmp_path.iterdir()] == ["žluč.seg.nrrd"]
    assert (tmp_path / "žluč.seg.nrrd").read_text() == "whole"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_after_any_exception_the_old_file_stands_and_nothing_else(tmp_path, error):
    final = tmp_path / "x.json"
    final.write_text("old")
    with pytest.raises(error), atomic_path(final) as temporary:
        temporary.write_text("half")
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
    assert final.read_text() == "old"


def test_an_existing_file_is_kept_when_it_may_not_be_overwritten(tmp_path, noise):
    final = tmp_path / "x.nii.gz"
    final.write_text("old")
    with pytest.raises(InputError, match="exists already"):
        write_volume(noise, final, overwrite=False)
    assert final.read_text() == "old"
    with pytest.raises(InputError, match="exists already"), atomic_path(tmp_path / "y", overwrite=False) as temporary:
        temporary.write_text("mine")
        (tmp_path / "y").write_text("somebody else was faster")
    assert (tmp_path / "y").read_text() == "somebody else was faster"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.nii.gz", "y"]


def test_places_that_cannot_hold_the_file_are_named(tmp_path, noise):
    (tmp_path / "folder.nii").mkdir()
    for path, words in (
        (tmp_path / "no" / "x.nii", "folder to write to does not exist"),
        (tmp_path / "folder.nii", "is a folder"),
    ):
        with pytest.raises(InputError, match=words):
            write_volume(noise, path)


@posix
def test_a_device_is_no_place_for_a_file():
    with pytest.raises(InputError, match="not an ordinary file"), atomic_path("/dev/full"):
        pass


@pytest.mark.parametrize("name", ["x.dcm", "x.png", "x.mhd", "x", "x.nii.zip"])
def test_formats_that_cannot_hold_a_volume_are_refused(tmp_path, noise, name):
    for writer in (write_volume, write_labels, lambda v, p: write_segmentation_file(v, [], p)):
        with pytest.raises(InputError, match="not written as"):
            writer(noise, tmp_path / name)
    assert not list(tmp_path.iterdir())


@posix
def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.txt").symlink_to(tmp_path / "real" / "file.txt")
    with atomic_path(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real" / "file.txt").read_text() == "new"


@posix
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_device_that_is_always_full_is_reported(tmp_path, noise, suffix, monkeypatch):
    """Every byte goes to /dev/full: the temporary name is a link to it."""
    monkeypatch.setattr(atomic_module.secrets, "token_hex", lambda n: "full")
    monkeypatch.setattr(atomic_module, "_probe", lambda folder, temporary: temporary.symlink_to("/dev/full"))
    with pytest.raises(InputError):
        write(noise, tmp_path / f"x{suffix}")
    assert not list(tmp_path.iterdir())


@posix
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_full_disk_leaves_nothing_and_prints_nothing(tmp_path, noise, suffix, capfd):
    small = tmp_path / "small disk"
    small.mkdir()
    done = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True, check=False
        )
        if shutil.which("mount")
        else None
    )
    if done is None or done.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        (small / f"x{suffix}").write_text("old")
        with pytest.raises(InputError, match="disk is full") as caught:
            write(noise, small / f"x{suffix}")
        assert str(small) in caught.value.line() and caught.value.mend
        assert [p.name for p in small.iterdir()] == [f"x{suffix}"]
        assert (small / f"x{suffix}").read_text() == "old"
        assert capfd.readouterr().err == ""
    finally:
        # Lazily: ITK's TIFF writer keeps its file open after a failure.
        subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("code", ["ENOSPC", "EDQUOT", "EROFS", "EACCES"])
def test_a_full_or_closed_folder_is_told_from_the_systems_answer(tmp_path, noise, suffix, code, monkeypatch):
    """Where no file system can be mounted: the operating system's answer is put in the writer's mouth."""
    import errno

    def failing(image, path, **_):
        Path(path).write_bytes(b"half")
        raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))

    monkeypatch.setattr("medseg.io.writing.sitk.WriteImage", failing)
    with pytest.raises(InputError, match="full" if code in ("ENOSPC", "EDQUOT") else "may not be written") as caught:
        write(noise, tmp_path / f"x{suffix}")
    assert str(tmp_path) in caught.value.line()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.995])
def test_a_writer_that_stops_early_without_saying_so_is_found_out(tmp_path, noise, suffix, share, monkeypatch):
    """ITK's NIfTI writer does exactly this on a full disk."""
    import SimpleITK as sitk

    real = sitk.WriteImage

    def short(image, path, **options):
        real(image, path, **options)
        data = Path(path).read_bytes()
        Path(path).write_bytes(data[: int(share * len(data))])

    monkeypatch.setattr("medseg.io.writing.sitk.WriteImage", short)
    with pytest.raises(InputError, match="incomplete"):
        write(noise, tmp_path / f"x{suffix}")
    assert not list(tmp_path.iterdir())


@posix
def test_a_read_only_folder(tmp_path, noise):
    closed = tmp_path / "closed"
    closed.mkdir()
    if os.geteuid() == 0:  # root may write into folders without write permission, but not on a read-only mount
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", str(closed)], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip("root, and a read-only file system cannot be mounted here")
    else:
        closed.chmod(0o555)
    try:
        with pytest.raises(InputError, match="may not be written to") as caught:
            write_volume(noise, closed / "x.nii.gz")
        assert str(closed) in caught.value.line() and caught.value.mend
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", str(closed)], check=True)
        else:
            closed.chmod(0o755)


@posix
def test_ctrl_c_in_the_middle_of_writing_leaves_nothing(tmp_path):
    """A real process, interrupted while its temporary file stands there."""
    import signal

    script = (
        "import sys, time\nfrom medseg.io import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n    print('writing', flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "x.txt")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"writing"
    assert len(list(tmp_path.iterdir())) == 1
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert not list(tmp_path.iterdir())


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "x"):
        pass
