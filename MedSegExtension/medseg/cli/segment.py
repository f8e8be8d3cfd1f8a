"""``medseg segment``: one volume, a DICOM folder, or a folder of cases."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError
from .common import JsonOption, errors, output, print_json, progress_line


def segment(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="A volume file, a DICOM folder or a folder of cases; one for each input volume of the model.",
        ),
    ],
    model: Annotated[Path, typer.Option("--model", "-m", help="Model file: ONNX, TorchScript or safetensors.")],
    out: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Segmentation to write (.seg.nrrd, .nii.gz, …); a folder for a folder of cases."
        ),
    ],
    card: Annotated[
        Path | None, typer.Option(help="Model card (JSON) instead of the one in or beside the model.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    backend: Annotated[str | None, typer.Option(help="torch, onnxruntime or openvino; by default what fits.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; by default all cores.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Slices at once.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Probability threshold instead of the card's.")] = None,
    flip: Annotated[
        list[str] | None,
        typer.Option(
            help="Average with mirrored slices, rows or columns; give it twice for both (four times the time)."
        ),
    ] = None,
    series: Annotated[str | None, typer.Option(help="Which DICOM series: number or UID.")] = None,
    probabilities: Annotated[
        Path | None, typer.Option(help="Folder for the probability volumes, one NIfTI file a label.")
    ] = None,
    suffix: Annotated[str, typer.Option(help="File ending of the results of a folder of cases.")] = ".seg.nrrd",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is already there.")] = False,
    trusted: Annotated[
        bool,
        typer.Option(
            "--trusted",
            help="The model file is your own: do not let a process with limits of memory and time try it first.",
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Segment volumes with a trained 2D network. The result lies on exactly the input's grid."""
    from ..flips import check_flips
    from .cases import find_case_paths, segment_cases

    started = time.perf_counter()
    cases = find_case_paths(inputs)
    _check_target(out, is_folder=cases is not None, overwrite=overwrite)
    options = {"card": card, "device": device, "backend": backend, "threads": threads}
    run_options: dict[str, Any] = {"batch_size": batch_size, "threshold": threshold}
    if flip:
        run_options["flips"] = check_flips(flip)
    opened = _open(model, options, trusted)
    opening = time.perf_counter() - started
    if not json and opened.choice is not None:
        errors.print(f"{opened.choice.why}", style="dim")
    if cases is not None:
        report = segment_cases(
            cases, opened, out, suffix=suffix, run_options=run_options, overwrite=overwrite, probabilities=probabilities
        )
        if json:
            print_json(report)
        failed = [c for c in report["cases"] if c["status"] == "failed"]
        if failed:
            raise InputError(
                f"{len(failed)} of {len(report['cases'])} cases failed, the first: {failed[0]['error']}",
                mend=f"see {out / 'segments.csv'} and call again: what is done is kept",
            )
        return
    report = segment_one(
        inputs,
        opened,
        out,
        series=series,
        run_options=run_options,
        probabilities=probabilities,
        overwrite=overwrite,
        quiet=json,
    )
    report["timings_s"] = {"open model": opening, **report["timings_s"], "total": time.perf_counter() - started}
    if json:
        print_json(report)
    else:
        _print(report)


def segment_one(
    inputs: list[Path],
    model: Any,
    out: Path,
    *,
    series: str | None = None,
    run_options: dict[str, Any],
    probabilities: Path | None = None,
    overwrite: bool = True,
    quiet: bool = False,
) -> dict[str, Any]:
    """Read, segment and write one case; returns the JSON-ready report."""
    from ..io import MedSegWarning, read_volume
    from ..pipeline import segment as run
    from ..pipeline import write_segmentation

    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", MedSegWarning)
        volumes = [read_volume(path, series=series) for path in inputs]
    reading = time.perf_counter() - started
    with progress_line("reading") as update:

        def show(p: Any) -> None:
            update(p.fraction, p.text)

        result = run(
            volumes,
            model,
            keep_probabilities=probabilities is not None,
            progress=None if quiet else show,
            **run_options,
        )
    started = time.perf_counter()
    # Whether the target may be replaced was asked before the run; a file that appeared meanwhile is not ours.
    if out.exists() and not overwrite:
        raise InputError(
            "appeared while the case was segmented and is not replaced",
            file=out,
            mend="choose another output name or say --overwrite",
        )
    write_segmentation(result, out)
    if probabilities is not None:
        _write_probabilities(result, probabilities)
    report = {"input": [str(p) for p in inputs], "output": str(out), **result.summary()}
    report["warnings"] = [*(str(note.message) for note in notes), *report["warnings"]]
    report["timings_s"] = {"read": reading, **result.timings, "write": time.perf_counter() - started}
    return report


def _open(model: Path, options: dict[str, Any], trusted: bool) -> Any:
    """The model, after a process with limits has opened it and run one slice; one that ships needs no such trial."""
    from ..models import open_model

    own = Path(__file__).resolve().parents[1] / "data"
    return open_model(model, isolate=not (trusted or model.resolve().is_relative_to(own)), **options)


def _check_target(out: Path, *, is_folder: bool, overwrite: bool) -> None:
    """What can be known about the target before minutes are spent."""
    if is_folder:
        if out.is_file():
            raise InputError(
                "is a file, but a folder of cases needs a folder for its results", file=out, mend="name a folder"
            )
        return
    if out.is_dir():
        raise InputError(
            "is a folder, but one volume makes one file",
            file=out,
            mend=f"name a file, such as {out / 'ducts.seg.nrrd'}",
        )
    if not out.parent.is_dir():
        raise InputError("the folder does not exist", file=out.parent, mend="make it first")
    if out.exists() and not overwrite:
        raise InputError("exists already and is not replaced", file=out, mend="choose another name or say --overwrite")
    from ..io.atomic import disk_error, has_room

    failure = has_room(out.parent)
    if failure is not None:
        raise disk_error(failure, out.parent) or failure


def _write_probabilities(result: Any, folder: Path) -> None:
    from ..io import write_volume

    folder.mkdir(parents=True, exist_ok=True)
    for info, plane in zip(result.segments, result.probabilities, strict=True):
        name = f"{result.labels.name}-{info.name.replace(' ', '_').replace('/', '_')}.nii.gz"
        write_volume(result.labels.with_array(plane), folder / name)


def _print(report: dict[str, Any]) -> None:
    for found in report["segments"]:
        output.print(f"{found['name']}: {found['volume_ml']:.2f} ml ({found['voxels']} voxels)")
    for warning in report["warnings"]:
        errors.print(f"warning: {warning}")
    seconds = report["timings_s"]
    output.print(
        f"{report['output']} written; {seconds['total']:.1f} s, of which the network "
        f"{seconds.get('network', 0.0):.1f} s ({report['backend']} on {report['device']})"
    )
    if report["synthetic"]:
        output.print("Research use only. The model was trained on synthetic cases.")
    else:
        output.print("Research use only.")
