"""Disks: room, what kind they are, whether files appear whole, and whose clock they follow."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from .finding import Finding, gib

#: File systems that several machines share.
SHARED = ("nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "cifs", "smb3", "fuse.sshfs", "afs", "glusterfs", "panfs")
ENOUGH_FOR_RUNS = 20 * 2**30
ENOUGH_FOR_HOME = 5 * 2**30
SKEW_S = 5.0


def mount_of(path: Path, mounts: str | None = None) -> tuple[str, str]:
    """(mount point, kind of file system) of ``path``; empty where the system does not tell.

    ``mounts`` is the text of ``/proc/self/mounts``.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(errors="replace")
        except OSError:
            return "", ""
    best = ("", "")
    whole = os.path.realpath(path)
    for line in mounts.splitlines():
        cells = line.split()
        if len(cells) < 3:
            continue
        # Spaces in a mount point are written \040.
        point = cells[1].encode().decode("unicode_escape")
        if (whole == point or whole.startswith(point.rstrip("/") + "/")) and len(point) >= len(best[0]):
            best = (point, cells[2])
    return best


def folders(run: Path | None) -> dict[str, Path]:
    """What to look at, by name: each disk once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    wanted = {
        "disk of the runs": run or Path.cwd(),
        "home": Path.home(),
        "cache": cache,
        "temporary files": Path(tempfile.gettempdir()),
    }
    seen: dict[int, str] = {}
    chosen: dict[str, Path] = {}
    for name, path in wanted.items():
        there = existing(path)
        device = there.stat().st_dev
        if device not in seen:
            seen[device] = name
            chosen[name] = there
    return chosen


def existing(path: Path) -> Path:
    """``path`` or the nearest folder above it that is there."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def disk(name: str, path: Path) -> Finding:
    """Room, kind and a file written as a checkpoint is: temporary, flushed, renamed."""
    usage = shutil.disk_usage(path)
    _, kind = mount_of(path)
    shared = kind in SHARED
    values: dict[str, Any] = {"path": str(path), "free_bytes": usage.free, "total_bytes": usage.total, "kind": kind}
    values["shared"] = shared
    what = f"{path}: {gib(usage.free)} of {gib(usage.total)} free" + (f", {kind}" if kind else "")
    try:
        values["write_s"], skew = _write(path)
    except OSError as error:
        why = f"nothing can be written ({error.strerror})"
        return Finding(name, "fail", f"{what}; {why}", "check rights and quota", values)
    mends = []
    enough = ENOUGH_FOR_RUNS if name == "disk of the runs" else ENOUGH_FOR_HOME
    if usage.free < enough:
        mends.append(f"free some: {gib(enough)} is little enough; du -xh --max-depth=2 {path} | sort -h | tail")
    inodes = os.statvfs(path) if hasattr(os, "statvfs") else None
    if inodes is not None and inodes.f_files and inodes.f_favail < 10_000:
        mends.append(f"only {inodes.f_favail} more files fit, whatever their size: remove folders of many small files")
    if shared:
        what += ", shared by several machines"
        quota = _quota(path, kind)
        if quota:
            what += f"; {quota}"
        if name == "home":
            mends.append(
                "what everybody fills: keep the environment's pip cache elsewhere (pip config set global.no-cache-dir "
                "true), and large runs on a local disk with --run, if there is one"
            )
    if abs(skew) > SKEW_S:
        mends.append(f"its clock is {skew:+.0f} s from this machine's: ask the administrator for NTP on both")
    if values["write_s"] > 5:
        mends.append(f"writing 16 MiB took {values['write_s']:.0f} s: choose a faster disk for --run")
    return Finding(name, "warn" if mends else "ok", what, "; ".join(mends), values)


def _write(folder: Path) -> tuple[float, float]:
    """Seconds for a file of 16 MiB written, flushed and renamed; and how far the disk's clock is ahead, in seconds."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=".medseg-doctor-", dir=folder) as inside:
        first, last = Path(inside) / "part", Path(inside) / "whole"
        with first.open("wb") as stream:
            stream.write(os.urandom(2**20) * 16)
            stream.flush()
            os.fsync(stream.fileno())
        now = time.time()
        first.rename(last)
        skew = last.stat().st_mtime - now
        seconds = time.monotonic() - start
    return seconds, skew


def _quota(path: Path, kind: str) -> str:
    """What the quota program says for this account, in one line; empty where there is none."""
    command = ["lfs", "quota", "-hq", "-u", str(os.getuid()), str(path)] if kind == "lustre" else ["quota", "-s"]
    if shutil.which(command[0]) is None:
        return "a quota may be lower than what is free: ask how much is yours"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, errors="replace", check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = [" ".join(line.split()) for line in done.stdout.splitlines() if any(c.isdigit() for c in line)]
    return f"quota: {lines[-1]}" if lines else "no quota is told"
