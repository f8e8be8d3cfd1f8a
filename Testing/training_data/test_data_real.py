"""Real data as it lies beside the checkout, through the recipes' own settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from data_sets import card, config, errors, lines
from medseg.io import read_volume
from medseg_training.config import Config, parse_config
from medseg_training.data import list_cases, load_case
from medseg_training.data.fingerprint import voxels_sha256
from medseg_training.split import split_patients

RECIPES = Path(__file__).resolve().parents[2] / "training" / "recipes"


def recipe(name: str, data: Path, **changes: object) -> Config:
    made = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    return parse_config({**made, "data": str(data), **changes})


def test_membranes(shared_data: Path) -> None:
    made = recipe("isbi-membranes", shared_data / "isbi2012")
    assert lines(made) == []
    cases, _ = list_cases(made)
    split = split_patients(cases, made.split)
    # A contiguous block of the stack is held out, as its SOURCE.txt asks.
    assert (len(split.training), split.hold_out) == (20, ("20", "21", "22", "23"))
    loaded, _ = load_case(cases[0], made)
    assert loaded is not None
    stored = sitk.GetArrayFromImage(sitk.ReadImage(str(cases[0].labels)))
    assert np.array_equal(loaded.labels.array[0] == 1, stored == 0)
    assert 0.15 < loaded.labels.array.mean() < 0.3  # SOURCE.txt: 17 to 27 % are membrane


def test_lung_fields_with_their_own_table(shared_data: Path) -> None:
    made = recipe("chest-lungs", shared_data / "chest_xray_lungs")
    found = lines(made)
    assert len(found) == 1 and "110 images have no voxel size" in found[0]
    cases, _ = list_cases(made)
    assert len(cases) == 110 and len({c.patient for c in cases}) == 110
    loaded, _ = load_case(cases[0], made)
    assert loaded is not None and set(np.unique(loaded.labels.array)) == {0, 1}


def test_a_third_of_the_lungs_is_kept_out_and_chooses_nothing(shared_data: Path) -> None:
    made = recipe("chest-lungs", shared_data / "chest_xray_lungs")
    split = split_patients(list_cases(made)[0], made.split)
    parts = [set(split.training), set(split.validation), set(split.hold_out)]
    assert [len(part) for part in parts] == [69, 8, 33] and len(set.union(*parts)) == 110


def test_lobes_of_one_brain_in_blocks(shared_data: Path) -> None:
    made = recipe("brain-lobes", shared_data / "brain")
    assert lines(made) == []  # blocks of air beside the skull-stripped brain are no cases
    cases, _ = list_cases(made)
    split = split_patients(cases, made.split)
    assert (len(split.training), len(split.hold_out)) == (10, 2)
    held = [load_case(case, made)[0] for case in cases if case.name in split.hold_out]
    seen = {int(v) for loaded in held if loaded is not None for v in np.unique(loaded.labels.array)}
    assert seen == {0, 1, 2, 3, 4, 5, 6}  # every lobe is judged


def test_membranes_learn_with_the_border_map_of_cells(shared_data: Path) -> None:
    from medseg_training.losses.planes import border_weight

    made = recipe("isbi-membranes", shared_data / "isbi2012")
    term = made.loss.all_terms["border_cross_entropy"]
    loaded, _ = load_case(list_cases(made)[0][0], made)
    assert loaded is not None
    membrane = loaded.labels.array[0]
    weight = border_weight(membrane, term)  # type: ignore[arg-type]
    assert weight[membrane == 0].max() == 0 and weight[membrane == 1].max() > 0.5 * term.w0  # type: ignore[attr-defined]


def test_liver(shared_data: Path) -> None:
    made = recipe("liver-chaos", shared_data / "chaos_t2spir")
    cases, problems = list_cases(made)
    assert len(cases) == 14 and not problems
    everything = config(
        shared_data / "chaos_t2spir", card=card(labels=["liver", "right kidney", "left kidney", "spleen"])
    )
    loaded, found = load_case(list_cases(everything)[0][0], everything)
    assert loaded is not None and not found
    assert set(np.unique(loaded.labels.array)) == {0, 1, 2, 3, 4}


def test_one_brain_in_three_axis_orders_is_one_image(shared_data: Path, tmp_path: Path) -> None:
    """Under three patients' names that would be a leak, and the fingerprint sees it through the axes."""
    volumes = [read_volume(shared_data / "odd_volumes" / f"{code}.nii.gz") for code in ("RAS", "LPS", "PIR")]
    assert len({voxels_sha256([v]) for v in volumes}) == 1
    for n, code in enumerate(("RAS", "LPS", "PIR")):
        (tmp_path / f"p{n}").mkdir()
        (tmp_path / f"p{n}" / "t1.nii.gz").symlink_to(shared_data / "odd_volumes" / f"{code}.nii.gz")
        grey = volumes[n].with_array((volumes[n].array > volumes[n].array.mean()).astype(np.uint8))
        from medseg.io import write_labels

        write_labels(grey, tmp_path / f"p{n}" / "mask.nii.gz")
    found = errors(config(tmp_path))
    assert [line.split(": ")[2].split(" (")[0] for line in found] == ["holds the same image as p0"] * 2


@pytest.mark.parametrize("name", ["slicer_CTHeadAxialDicom", "torchio_dicom"])
def test_real_dicom_folders_are_images(shared_data: Path, tmp_path: Path, name: str) -> None:
    from medseg.io import write_labels

    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "images" / name).symlink_to(shared_data / "odd_volumes" / name)
    volume = read_volume(shared_data / "odd_volumes" / name)
    bright = (volume.array > np.percentile(volume.array, 90)).astype(np.uint8)
    write_labels(volume.with_array(bright), tmp_path / "labels" / f"{name}.nrrd")
    made = config(tmp_path, card=card("acquisition"), patient="dicom")
    assert errors(made) == []
    (case,) = list_cases(made)[0]
    assert case.patient == name  # named after the case, not by the PatientID
    loaded, _ = load_case(case, made)
    assert loaded is not None and np.array_equal(loaded.labels.array, bright)
