"""``medseg segment`` as a person calls it: real processes, exit statuses, one line a mistake, nothing half-written."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from medseg.io import read_labels, write_volume
from medseg.volume import Volume
from tiny_models import card_with, write_onnx

pytest.importorskip("onnxruntime", reason="needs the extra medseg[onnx]")
pytest.importorskip("onnx", reason="needs onnx to make the models")


def medseg(*arguments: object, status: int = 0, **options) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "medseg", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )
    assert done.returncode == status, done.stderr
    return done


def one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Standard error ends in one line of ours that has these words, and there is no traceback."""
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("medseg: ") and all(word in line for word in words), line


def bright_ball(shape: tuple[int, int, int] = (8, 20, 24), **geometry) -> Volume:
    k, j, i = np.indices(shape)
    inside = (k - 4) ** 2 + (j - 10) ** 2 + (i - 12) ** 2 < 16
    return Volume(np.where(inside, 1000, 10).astype(np.int16), **geometry)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_onnx(tmp_path_factory.mktemp("model") / "bright.onnx", card_with())


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    path = tmp_path / "Žluč ducts" / "čase.nii.gz"
    path.parent.mkdir()
    write_volume(bright_ball(spacing=(1.0, 2.0, 3.0), origin=(5, 6, 7)), path)
    return path


def test_a_volume_becomes_a_segmentation_on_its_own_grid(model: Path, volume: Path) -> None:
    out = volume.with_name("ducts.seg.nrrd")
    report = json.loads(medseg("segment", volume, "-m", model, "-o", out, "--json").stdout)
    labels = read_labels(out)
    expected = bright_ball(spacing=(1.0, 2.0, 3.0), origin=(5, 6, 7))
    assert labels.same_grid(expected)
    np.testing.assert_array_equal(labels.array == 1, expected.array > 500)
    (found,) = report["segments"]
    assert found["voxels"] == (expected.array > 500).sum()
    assert found["volume_ml"] == pytest.approx(found["voxels"] * 6 / 1000)
    assert report["backend"] in ("openvino", "onnxruntime") and report["device"] == "cpu"
    assert {"read", "network", "write", "total"} <= set(report["timings_s"])
    assert sorted(p.name for p in volume.parent.iterdir()) == ["ducts.seg.nrrd", "čase.nii.gz"]


def test_probabilities_are_written_where_asked(model: Path, volume: Path, tmp_path: Path) -> None:
    medseg("segment", volume, "-m", model, "-o", tmp_path / "d.nii.gz", "--probabilities", tmp_path / "p", "--json")
    from medseg.io import read_volume

    (path,) = (tmp_path / "p").iterdir()
    probabilities = read_volume(path).array
    assert probabilities.max() > 0.99 and probabilities.min() < 0.01
    np.testing.assert_array_equal(probabilities >= 0.5, read_labels(tmp_path / "d.nii.gz").array == 1)


def test_mirrored_slices_are_averaged_where_asked(tmp_path: Path) -> None:
    import medseg as engine
    import onnx
    from medseg.io import read_volume

    weights = np.zeros((1, 1, 5, 5), np.float32)
    weights[0, 0, 1, 0] = 1  # what lies one row up and two columns before: the network feels every flip
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[5, 5], pads=[2] * 4)],
        "shift",
        [helper.make_tensor_value_info("x", 1, ["n", 1, "h", "w"])],
        [helper.make_tensor_value_info("y", 1, ["n", 1, "h", "w"])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = tmp_path / "shift.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), model)
    (tmp_path / "shift.onnx.card.json").write_text(
        json.dumps(card_with(output={"activation": "none", "threshold": 0.5}))
    )
    write_volume(bright_ball(), tmp_path / "case.nii.gz")
    found = {}
    for name, options in (("plain", []), ("columns", ["columns"]), ("both", ["columns", "rows"])):
        flips = [part for option in options for part in ("--flip", option)]
        out = ("-o", tmp_path / f"{name}.nii.gz", "--probabilities", tmp_path / name, "--backend", "onnxruntime")
        medseg("segment", tmp_path / "case.nii.gz", "-m", model, *out, *flips)
        (path,) = (tmp_path / name).iterdir()
        found[name] = read_volume(path).array
        opened = engine.open_model(model, backend="onnxruntime")
        wanted = engine.segment(read_volume(tmp_path / "case.nii.gz"), opened, flips=options, keep_probabilities=True)
        np.testing.assert_allclose(found[name], wanted.probabilities[0], atol=1e-6)
    assert not np.allclose(found["plain"], found["columns"]) and not np.allclose(found["both"], found["columns"])
    done = medseg(
        "segment", tmp_path / "case.nii.gz", "-m", model, "-o", tmp_path / "x.nii.gz", "--flip", "up", status=2
    )
    one_line(done, "up", "rows or columns")


def test_what_a_person_should_know_about_the_input_reaches_the_report(model: Path, tmp_path: Path) -> None:
    import SimpleITK as sitk

    sitk.WriteImage(sitk.GetImageFromArray(bright_ball().array[4].astype(np.uint8)), str(tmp_path / "slice.png"))
    done = medseg("segment", tmp_path / "slice.png", "-m", model, "-o", tmp_path / "o.nii.gz", "--json")
    assert any("slice.png" in w and "1 mm" in w for w in json.loads(done.stdout)["warnings"])
    assert "UserWarning" not in done.stderr


def test_an_existing_result_is_not_replaced_unless_asked(model: Path, volume: Path) -> None:
    out = volume.with_name("ducts.seg.nrrd")
    out.write_text("a person's work")
    one_line(medseg("segment", volume, "-m", model, "-o", out, status=2), "ducts.seg.nrrd", "exists", "--overwrite")
    assert out.read_text() == "a person's work"
    medseg("segment", volume, "-m", model, "-o", out, "--overwrite")
    assert read_labels(out).array.any()


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    folder = tmp_path / "cases"
    folder.mkdir()
    for name in ("a", "b", "c"):
        write_volume(bright_ball(), folder / f"{name}.nii.gz")
    whole = (folder / "b.nii.gz").read_bytes()
    (folder / "b.nii.gz").write_bytes(whole[: len(whole) // 2])
    return folder


def test_a_folder_of_cases_goes_on_after_a_bad_one_and_resumes(model: Path, cases: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    one_line(
        medseg("segment", cases, "-m", model, "-o", out, status=2), "1 of 3 cases failed", "b.nii.gz", "call again"
    )
    rows = list(csv.DictReader((out / "segments.csv").open(encoding="utf-8")))
    assert [(r["case"], r["status"]) for r in rows] == [("a", "done"), ("b", "failed"), ("c", "done")]
    assert float(rows[0]["volume_ml"]) == pytest.approx(int(rows[0]["voxels"]) / 1000)
    before = {p.name: p.stat().st_mtime_ns for p in out.glob("*.seg.nrrd")}

    write_volume(bright_ball(), cases / "b.nii.gz")  # mended
    report = json.loads(medseg("segment", cases, "-m", model, "-o", out, "--json").stdout)
    assert [c["status"] for c in report["cases"]] == ["done"] * 3
    after = {p.name: p.stat().st_mtime_ns for p in out.glob("*.seg.nrrd")}
    assert {n: after[n] for n in before} == before and set(after) - set(before) == {"b.seg.nrrd"}

    medseg("segment", cases, "-m", model, "-o", out, "--threshold", "0.9")  # other options: done again
    again = {p.name: p.stat().st_mtime_ns for p in out.glob("*.seg.nrrd")}
    assert all(again[n] > after[n] for n in after)


def test_a_foreign_file_in_the_output_folder_is_not_replaced(model: Path, cases: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.seg.nrrd").write_text("a person's work")
    done = medseg("segment", cases, "-m", model, "-o", out, status=2)
    assert "a: failed" in done.stderr and (out / "a.seg.nrrd").read_text() == "a person's work"


def test_several_input_volumes_go_to_the_channels_of_the_card(tmp_path: Path) -> None:
    model = write_onnx(tmp_path / "two.onnx", card_with(input={"volumes": ["T1", "T2"]}), channels=2)
    write_volume(bright_ball(), tmp_path / "one.nii.gz")
    write_volume(Volume(np.zeros((8, 20, 24), np.int16)), tmp_path / "two.nii.gz")
    medseg("segment", tmp_path / "one.nii.gz", tmp_path / "one.nii.gz", "-m", model, "-o", tmp_path / "a.nii.gz")
    assert read_labels(tmp_path / "a.nii.gz").array.any()
    done = medseg("segment", tmp_path / "one.nii.gz", "-m", model, "-o", tmp_path / "b.nii.gz", status=2)
    one_line(done, "takes 2 input volume(s) (T1, T2), 1 given")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("truncated", ("broken.nii.gz",)),
        ("empty", ("broken.nii.gz", "empty")),
        ("text", ("broken.nii.gz",)),
        ("nan", ("1 of 3840 voxel is NaN or infinite",)),
        ("four", ("4D", "2")),
        ("colour", ("colour",)),
        ("missing", ("no such file",)),
    ],
)
def test_a_volume_that_cannot_be_used_is_one_line(
    model: Path, tmp_path: Path, what: str, words: tuple[str, ...]
) -> None:
    import SimpleITK as sitk

    path = tmp_path / "broken.nii.gz"
    good = bright_ball()
    if what == "truncated":
        noise = np.random.default_rng(0).integers(0, 1000, (8, 20, 24), dtype=np.int16)
        write_volume(Volume(noise), path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "text":
        path.write_text("this is not an image\n")
    elif what == "nan":
        array = good.array.astype(np.float32)
        array[0, 0, 0] = np.nan
        write_volume(Volume(array), path)
    elif what == "colour":
        path = tmp_path / "broken.png"
        sitk.WriteImage(
            sitk.GetImageFromArray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3), isVector=True), str(path)
        )
    elif what == "four":
        sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(good.array)] * 2), str(path))
    one_line(medseg("segment", path, "-m", model, "-o", tmp_path / "out.nii.gz", status=2), *words)
    assert not (tmp_path / "out.nii.gz").exists()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 20, 24), (8, 20, 3)])
def test_thin_and_constant_volumes_end_well_and_say_so(
    model: Path, tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    write_volume(Volume(np.full(shape, 7, np.int16)), tmp_path / "thin.nii.gz")
    done = medseg("segment", tmp_path / "thin.nii.gz", "-m", model, "-o", tmp_path / "out.nii.gz", "--json")
    report = json.loads(done.stdout)
    assert any("same value everywhere" in w for w in report["warnings"])
    assert any("nothing was found" in w for w in report["warnings"])
    assert read_labels(tmp_path / "out.nii.gz").array.shape == shape


def test_a_folder_with_two_series_asks_which(model: Path, shared_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dicom"
    folder.mkdir()
    for name in ("torchio_dicom", "slicer_CTHeadAxialDicom"):
        for file in (shared_data / "odd_volumes" / name).iterdir():
            (folder / f"{name}-{file.name}").write_bytes(file.read_bytes())
    one_line(medseg("segment", folder, "-m", model, "-o", tmp_path / "o.nii.gz", status=2), "series")


def test_models_that_do_not_fit_are_refused_before_the_run(volume: Path, tmp_path: Path) -> None:
    card = card_with(input={"context": 1})
    plain = write_onnx(tmp_path / "plain.onnx")
    (tmp_path / "plain.onnx.card.json").write_text(json.dumps(card))
    one_line(medseg("segment", volume, "-m", plain, "-o", tmp_path / "o.nii.gz", status=2), "plain.onnx", "3", "1")
    (tmp_path / "plain.onnx.card.json").write_text(json.dumps(card_with(plane="axal")))
    one_line(medseg("segment", volume, "-m", plain, "-o", tmp_path / "o.nii.gz", status=2), "plane", "'axial'")
    (tmp_path / "plain.onnx.card.json").unlink()
    one_line(
        medseg("segment", volume, "-m", plain, "-o", tmp_path / "o.nii.gz", status=2), "plain.onnx", "card", "plane"
    )
    (tmp_path / "plain.onnx").write_bytes(b"not a model at all")
    one_line(medseg("segment", volume, "-m", plain, "-o", tmp_path / "o.nii.gz", status=2), "plain.onnx")
    assert not (tmp_path / "o.nii.gz").exists()


def test_mistakes_in_the_call_have_status_2(model: Path, volume: Path, tmp_path: Path) -> None:
    one_line(medseg("segment", volume, "-m", model, "-o", tmp_path / "no" / "o.nii.gz", status=2), "does not exist")
    one_line(medseg("segment", volume, "-m", model, "-o", tmp_path, status=2), "is a folder")
    one_line(medseg("segment", volume, "-m", model, "-o", tmp_path / "o.nii.gz", "--device", "tpu", status=2), "tpu")
    one_line(
        medseg("segment", volume, "-m", model, "-o", tmp_path / "o.nii.gz", "--threshold", "2", status=2), "threshold"
    )
    one_line(medseg("segment", volume, "--frobnicate", status=2), "frobnicate", "--help")


def test_a_full_disk_leaves_nothing_half_written(model: Path, volume: Path, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", full], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        (full / "filler").write_bytes(b"\0" * 12000)
        one_line(medseg("segment", volume, "-m", model, "-o", full / "o.nii.gz", status=2), "full")
        assert [p.name for p in full.iterdir()] == ["filler"]
    finally:
        subprocess.run(["umount", full], check=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_ends_with_130_and_leaves_nothing(model: Path, tmp_path: Path, number: signal.Signals) -> None:
    rng = np.random.default_rng(0)
    write_volume(Volume(rng.integers(0, 1000, (2000, 64, 64), dtype=np.int16)), tmp_path / "long.nrrd")
    out = tmp_path / "out"
    out.mkdir()
    # The wrapper says when the run is under way, so that the signal comes in the middle of it.
    code = (
        "import sys, medseg.pipeline as p; run = p.segment\n"
        "def told(*a, **k):\n    print('running', flush=True); return run(*a, **k)\n"
        "p.segment = told\nfrom medseg.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code, "segment", tmp_path / "long.nrrd", "-m", model, "-o", out / "o.nii.gz"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline().strip() == "running"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in err and "Traceback" not in err
    assert not list(out.iterdir())


def test_json_is_one_object_and_help_is_there() -> None:
    done = medseg("segment", "--help")
    assert "--model" in done.stdout and "--json" in done.stdout
    assert medseg("--version").stdout.startswith("medseg ")


def test_a_command_of_an_absent_training_package_says_how_to_install_it() -> None:
    code = (
        "import importlib.abc, sys\n"
        "class Absent(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.split('.')[0] == 'medseg_training': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\nfrom medseg.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "train", "x.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "pip install 'medseg[train]'" in done.stderr
    done = subprocess.run([sys.executable, "-P", "-c", code, "--help"], capture_output=True, text=True, check=False)
    assert "segment" in done.stdout and "crossval" not in done.stdout and "│ train" not in done.stdout


ABSENT = (
    "import importlib.abc, sys\n"
    "class Absent(importlib.abc.MetaPathFinder):\n"
    "    def find_spec(self, name, path, target=None):\n"
    "        if name.split('.')[0] == {name!r}: raise ModuleNotFoundError(f'No module named {{name}}', name=name)\n"
    "sys.meta_path.insert(0, Absent())\nfrom medseg.cli import main; main()"
)


@pytest.mark.parametrize(
    ("package", "arguments", "extra"), [("yaml", ["train", "x.yaml"], "train"), ("networkx", ["measure"], "measure")]
)
def test_a_package_that_is_not_installed_is_named_with_its_extra(
    package: str, arguments: list[str], extra: str, volume: Path, tmp_path: Path
) -> None:
    if package == "networkx":
        arguments = [*arguments, str(volume), "-o", str(tmp_path), "--label", "1000"]
    code = ABSENT.format(name=package)
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2, done.stderr
    one_line(done, package, f"pip install 'medseg[{extra}]'")


def test_brackets_in_a_message_reach_the_person() -> None:
    code = "from medseg.cli.common import errors; errors.print(\"pip install 'medseg[onnx]'\")"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "medseg[onnx]" in done.stderr


def test_a_model_is_tried_in_a_process_with_limits_first(volume: Path, tmp_path: Path) -> None:
    """A few hundred bytes that ask for 256 GiB as soon as a slice goes through."""
    from onnx import TensorProto, helper, numpy_helper

    shape = ["b", 1, "h", "w"]
    graph = helper.make_graph(
        [
            helper.make_node("Expand", ["one", "sizes"], ["many"]),
            helper.make_node("ReduceMean", ["many"], ["mean"], keepdims=0),
            helper.make_node("Add", ["x", "mean"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(np.ones((1, 1), np.float32), "one"),
            numpy_helper.from_array(np.array([1 << 18, 1 << 18], np.int64), "sizes"),
        ],
    )
    made = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    bomb = tmp_path / "bomb.onnx"
    bomb.write_bytes(made.SerializeToString())
    (tmp_path / "bomb.onnx.card.json").write_text(json.dumps(card_with()))
    out = tmp_path / "out.nii.gz"
    one_line(medseg("segment", volume, "-m", bomb, "-o", out, status=2), "bomb.onnx", "8 GiB", "--trusted")
    assert not out.exists()


def test_what_ships_and_what_is_trusted_needs_no_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import medseg.models
    from medseg.cli import segment

    asked = []
    monkeypatch.setattr(medseg.models, "open_model", lambda path, isolate, **_: asked.append(isolate))
    ours = Path(segment.__file__).parents[1] / "data" / "mrcp-ducts.onnx"
    for path, trusted in ((ours, False), (tmp_path / "a.onnx", True), (tmp_path / "a.onnx", False)):
        segment._open(path, {}, trusted)
    assert ours.is_file() and asked == [False, False, True]
