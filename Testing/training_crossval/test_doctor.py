"""The doctor on real processes, real disks, and on drivers as they are and as they fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import medseg
import medseg_training
import pytest
import torch
from medseg_training.doctor import machine, storage, trial
from medseg_training.doctor.devices import judge_build, judge_devices, run_trial
from medseg_training.doctor.finding import Finding
from medseg_training.doctor.nvidia import Driver, Gpu, gpu_memory, look_for_driver, parse
from medseg_training.doctor.packages import packages

sys.path.insert(0, str(Path(__file__).parent))  # these folders are no packages

import nvidia_smi_texts as texts

MEDSEG = [sys.executable, "-P", "-c", "from medseg.cli import main; main()"]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts an nvidia-smi first on the path."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return lambda *a, **k: texts.put_nvidia_smi(tmp_path / "bin", *a, **k)


def _sources() -> list[str]:
    """Where medseg and medseg_training lie, editable or not."""
    return sorted({str(Path(module.__file__ or "").parents[1]) for module in (medseg, medseg_training)})


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def test_a_driver_and_its_gpus_are_read(put: Any) -> None:
    put(texts.A10, texts.A10_TABLE)
    driver, finding = look_for_driver()
    assert driver is not None and finding.state == "ok" and "535.183.1" in finding.what and "12.2" in finding.what
    free, busy = gpu_memory(driver)
    assert free.state == "ok" and "NVIDIA A10, 22 GiB of 22 GiB free" in free.what
    assert busy.state == "warn" and "3.0 GiB of 22 GiB free" in busy.what and "somebody computes there" in busy.mend
    assert driver.gpus[0].capability == (8, 6) and driver.gpus[0].total == 23028 * 2**20


def test_grace_hopper_mig_and_memory_that_is_not_told(put: Any) -> None:
    put(texts.GRACE_HOPPER, texts.GRACE_HOPPER_TABLE)
    driver, _ = look_for_driver()
    assert driver is not None and driver.version == (580, 95, 5) and driver.cuda == (13, 0)
    assert driver.gpus[0].capability == (9, 0) and not driver.gpus[0].mig
    unified = parse(texts.GRACE_HOPPER, texts.UNIFIED_MEMORY_TABLE)
    assert unified is not None and gpu_memory(unified)[0].what == "NVIDIA GB10; its memory is not told"
    shared = parse(texts.GRACE_HOPPER, texts.SHARED_OUT_TABLE)
    assert shared is not None
    line = gpu_memory(shared)[0]
    assert line.state == "warn" and "MIG" in line.what and "--jobs 1" in line.mend


def test_an_old_driver_that_does_not_know_every_question_is_asked_fewer(put: Any) -> None:
    put(texts.A10, texts.OLD_TABLE, knows="little")
    driver, finding = look_for_driver()
    assert driver is not None and finding.state == "ok"
    assert driver.gpus[0].name == "Tesla K80" and driver.gpus[0].capability is None


@pytest.mark.parametrize(
    ("text", "status", "words", "mend"),
    [
        (texts.MISMATCH, 18, "updated under a running kernel", "restart"),
        (texts.NOT_LOADED, 9, "not loaded", "--gpus all"),
        ("No devices were found\n", 6, "finds no GPU", "administrator"),
        ("Segmentation fault\n", 139, "ends with status 139 and says: Segmentation fault", "by hand"),
        ("something else\n", 0, "not understood", "by hand"),
    ],
)
def test_a_driver_that_fails_is_told_with_what_helps(put: Any, text: str, status: int, words: str, mend: str) -> None:
    put(text, status=status)
    driver, finding = look_for_driver()
    assert driver is None and finding.state == "fail" and words in finding.what and mend in finding.mend


def test_no_driver_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    driver, finding = look_for_driver()
    assert driver is None and finding.state == "warn"


def _report(**changes: Any) -> dict[str, Any]:
    good = {
        "torch": "2.13.0",
        "cuda": "13.0",
        "cudnn": 92000,
        "built_for": ["sm_75", "sm_80", "sm_90", "sm_100", "compute_120"],
        "available": True,
        "devices": [],
    }
    return {**good, **changes}


def _driver(version: str, *gpus: Gpu) -> Driver:
    return Driver(tuple(int(n) for n in version.split(".")), None, gpus)


A10 = Gpu(0, "NVIDIA A10", 1, 1, (8, 6))


@pytest.mark.parametrize(
    ("report", "driver", "state", "words"),
    [
        (_report(), _driver("580.95", A10), "ok", "the driver fits"),
        (_report(), _driver("535.183", A10), "fail", "needs driver 580 or newer, here is 535.183"),
        (_report(cuda="12.6"), _driver("535.183", A10), "ok", "the driver fits"),
        (_report(cuda=None), _driver("580.95", A10), "fail", "but there is an NVIDIA GPU"),
        (_report(cuda=None), None, "ok", "for the CPU only"),
        (_report(), None, "ok", "there is no driver"),
        (_report(), _driver("580.95", Gpu(0, "Tesla V100", 1, 1, (7, 0))), "fail", "no kernels for Tesla V100 (7.0)"),
        (_report(), _driver("580.95", Gpu(0, "new", 1, 1, (12, 1))), "ok", "the driver fits"),  # made from PTX
        (_report(built_for=["sm_90a"]), _driver("580.95", Gpu(0, "GH200", 1, 1, (9, 0))), "ok", "the driver fits"),
    ],
)
def test_the_build_of_torch_against_the_driver(
    report: dict[str, Any], driver: Driver | None, state: str, words: str
) -> None:
    finding = judge_build(report, driver)
    assert finding.state == state and words in finding.what
    assert bool(finding.mend) == (state != "ok")


def test_an_old_driver_gets_the_build_that_it_serves() -> None:
    assert "whl/cu126" in judge_build(_report(), _driver("535.183", A10)).mend
    assert "whl" not in judge_build(_report(cuda=None), _driver("580.95", A10)).mend
    assert "525" in judge_build(_report(), _driver("390.1", A10)).mend


def test_a_device_with_wrong_answers_is_not_to_be_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    right = {"device": "cuda:0", "name": "NVIDIA A10", "matrix product": True, "bf16": True, "convolution": True}
    right |= {"milliseconds": 0.1, "free_bytes": 2**34}
    good, bad, broken = judge_devices(
        _report(devices=[right, {**right, "bf16": False}, {"device": "cuda:1", "error": "AcceleratorError: busy"}]),
        _driver("580.95", A10),
    )
    assert good.state == "ok" and "bf16 right" in good.what and "16 GiB free" in good.what
    assert bad.state == "fail" and "wrong answers from bf16" in bad.what
    assert broken.state == "fail" and "busy" in broken.what
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (unusable,) = judge_devices(_report(available=False, why_not="CUDA driver is too old"), _driver("535.1", A10))
    assert unusable.state == "fail" and "too old" in unusable.what
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (hidden,) = judge_devices(_report(available=False), _driver("580.95", A10))
    assert hidden.state == "warn" and "hides every GPU" in hidden.what


def test_the_trial_computes_on_this_machine_and_notices_a_wrong_product(monkeypatch: pytest.MonkeyPatch) -> None:
    report = run_trial()
    assert isinstance(report, dict)
    (one,) = [d for d in report["devices"] if d["device"] == "cpu"]
    assert one["matrix product"] is True and one["convolution"] is True and one["bf16"] in (True, None)
    right = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: right(a, b) + (1 if a.is_floating_point() else 0))
    other = trial.try_device(torch, torch.device("cpu"))
    assert other["matrix product"] is False and other["convolution"] is True
    assert judge_devices({**report, "devices": [other]}, None)[0].state == "fail"


def test_the_command_runs_without_torch_and_says_so(tmp_path: Path) -> None:
    # The environment as it is, but for torch.
    site = tmp_path / "site-packages"
    site.mkdir()
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not entry.name.startswith("torch"):
            (site / entry.name).symlink_to(entry)
    inside = {**_environment(), "PYTHONPATH": os.pathsep.join([str(site), *_sources()])}
    command = [sys.executable, "-S", *MEDSEG[1:], "doctor", "--json", "--run", str(tmp_path / "not" / "yet")]
    done = subprocess.run(command, capture_output=True, text=True, env=inside, check=False)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    by_name = {f["name"]: f for f in report["findings"]}
    assert by_name["torch"]["state"] == "fail" and "pip install" in by_name["torch"]["mend"]
    assert report["ok"] is False and report["counts"]["fail"] >= 1
    wanted = {"architecture", "Python", "packages", "driver", "memory", "open files", "disk of the runs", "language"}
    assert wanted <= by_name.keys()
    assert all(f["mend"] for f in report["findings"] if f["state"] != "ok")
    assert not (tmp_path / "not").exists()


def test_file_systems_are_told_apart() -> None:
    mounts = (
        "/dev/sda1 / ext4 rw 0 0\nserver:/home /home nfs4 rw,vers=4.2 0 0\n"
        "10.0.0.1@tcp:/scratch /home/shared\\040work lustre rw 0 0\ntmpfs /homework tmpfs rw 0 0\n"
    )
    assert storage.mount_of(Path("/home/marie/runs"), mounts) == ("/home", "nfs4")
    assert storage.mount_of(Path("/home/shared work/x"), mounts) == ("/home/shared work", "lustre")
    assert storage.mount_of(Path("/srv"), mounts) == ("/", "ext4")
    assert storage.mount_of(Path("/homework"), mounts)[1] == "tmpfs"


def test_a_disk_is_written_to_and_left_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = storage.disk("home", tmp_path)
    assert finding.values["write_s"] > 0 and list(tmp_path.iterdir()) == []
    monkeypatch.setattr(storage, "mount_of", lambda path: ("/home", "nfs4"))
    shared = storage.disk("home", tmp_path)
    assert shared.state == "warn" and "shared by several machines" in shared.what and "--run" in shared.mend
    nowhere = storage.disk("home", Path("/proc"))
    assert nowhere.state == "fail" and "nothing can be written" in nowhere.what


def test_a_process_of_another_language_and_few_files_is_warned() -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 512))\n"
        "from medseg_training.doctor import machine\n"
        "print(machine.language().state, machine.open_files().state)"
    )
    environment = {**_environment(), "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-P", "-X", "utf8=0", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["warn", "warn"]
    assert machine.architecture().state == "ok"


def test_packages_older_than_asked_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert packages().state == "ok"
    import medseg_training.doctor.packages as module

    real = module.version

    def other(name: str) -> str:
        if name == "rich":
            raise module.PackageNotFoundError(name)
        return "1.0.0" if name == "scipy" else real(name)

    monkeypatch.setattr(module, "version", other)
    finding: Finding = packages()
    assert finding.state == "fail" and "missing: rich" in finding.what and "scipy 1.0.0 (needs >=" in finding.what
