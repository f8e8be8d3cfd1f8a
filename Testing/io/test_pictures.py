"""Pictures, stacks and folders of slices as volumes."""

from __future__ import annotations

import numpy as np
import pytest
from medseg.errors import InputError
from medseg.io import SpacingAssumedWarning, read_labels, read_volume, write_volume
from medseg.volume import Volume

Image = pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.usefixtures("quiet")


def grey(seed: int = 0, shape=(6, 8), dtype=np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape).astype(dtype)


def save(array: np.ndarray, path) -> None:
    Image.fromarray(array).save(path)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".PNG", ".tiff"])
def test_a_picture_is_a_volume_of_one_slice(tmp_path, suffix):
    save(grey(), tmp_path / f"x{suffix}")
    volume = read_volume(tmp_path / f"x{suffix}")
    assert np.array_equal(volume.array, grey()[None])
    assert volume.array.dtype == np.uint8
    assert volume.spacing == (1, 1, 1) and np.array_equal(volume.direction, np.eye(3))
    assert volume.modality is None


def test_sixteen_bits_stay_sixteen_bits(tmp_path):
    for name in ("x.png", "x.tif"):
        save(grey(dtype=np.uint16), tmp_path / name)
        assert np.array_equal(read_volume(tmp_path / name).array[0], grey(dtype=np.uint16))


def test_a_missing_voxel_size_is_told_unless_one_is_given(tmp_path):
    save(grey(), tmp_path / "x.png")
    with pytest.warns(SpacingAssumedWarning, match="1 mm is assumed"):
        read_volume(tmp_path / "x.png")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_volume(tmp_path / "x.png", spacing=(0.5,)).spacing == (0.5, 0.5, 0.5)


def test_print_resolution_is_not_taken_for_millimetres(tmp_path):
    Image.fromarray(grey()).save(tmp_path / "x.tif", dpi=(72, 72))
    assert read_volume(tmp_path / "x.tif").spacing == (1, 1, 1)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colour_with_equal_channels_becomes_grey(tmp_path, mode):
    Image.fromarray(grey()).convert(mode).save(tmp_path / "x.png")
    assert np.array_equal(read_volume(tmp_path / "x.png").array[0], grey())


def test_grey_with_opacity_is_refused_with_its_mend(tmp_path):
    Image.fromarray(grey()).convert("LA").save(tmp_path / "x.png")
    with pytest.raises(InputError, match="opacity"):
        read_volume(tmp_path / "x.png")


def test_real_colour_is_refused_or_given_channel_by_channel(tmp_path):
    rgb = np.stack([grey(0), grey(1), grey(2)], axis=-1)
    save(rgb, tmp_path / "x.png")
    with pytest.raises(InputError, match="colour image"):
        read_volume(tmp_path / "x.png")
    channels = read_volume(tmp_path / "x.png", colour="channels")
    assert [np.array_equal(c.array[0], grey(n)) for n, c in enumerate(channels)] == [True] * 3
    rgba = np.concatenate([rgb, np.full((6, 8, 1), 255, np.uint8)], axis=-1)
    save(rgba, tmp_path / "y.png")
    assert len(read_volume(tmp_path / "y.png", colour="channels")) == 3
    save(grey(), tmp_path / "z.png")
    assert len(read_volume(tmp_path / "z.png", colour="channels")) == 1


def test_slices_of_a_folder_are_stacked_in_natural_order(tmp_path):
    folder = tmp_path / "Žluč řezy"
    folder.mkdir()
    for n in (10, 9, 2, 1, 100):
        save(np.full((4, 5), n, np.uint8), folder / f"slice{n}.png")
    (folder / "notes.txt").write_text("passed over")
    volume = read_volume(folder, spacing=(0.5, 0.5, 2))
    assert volume.array[:, 0, 0].tolist() == [1, 2, 9, 10, 100]
    assert volume.spacing == (0.5, 0.5, 2)
    assert volume.name == "Žluč řezy"


def test_png_masks_are_labels(tmp_path):
    mask = (grey() > 100).astype(np.uint8) * 255
    save(mask, tmp_path / "m.png")
    assert np.array_equal(read_labels(tmp_path / "m.png").array[0], mask)


def test_folders_that_are_no_stack_are_refused(tmp_path):
    save(grey(), tmp_path / "a1.png")
    save(grey(shape=(6, 9)), tmp_path / "a2.png")
    with pytest.raises(InputError, match="different sizes") as caught:
        read_volume(tmp_path)
    assert "8×6 in a1.png" in str(caught.value) and "9×6 in a2.png" in str(caught.value)
    (tmp_path / "a2.png").unlink()
    save(grey(dtype=np.uint16), tmp_path / "a2.png")
    with pytest.raises(InputError, match="voxel types"):
        read_volume(tmp_path)
    (tmp_path / "a2.png").unlink()
    save(grey(), tmp_path / "a2.tif")
    with pytest.raises(InputError, match="several formats"):
        read_volume(tmp_path)


def test_a_grey_slice_among_equal_channelled_ones_is_stacked(tmp_path):
    save(grey(0), tmp_path / "1.png")
    Image.fromarray(grey(1)).convert("RGB").save(tmp_path / "2.png")
    assert np.array_equal(read_volume(tmp_path).array, np.stack([grey(0), grey(1)]))


def test_tiff_stacks_come_back(tmp_path):
    stack = np.stack([grey(n) for n in range(5)])
    write_volume(Volume(stack), tmp_path / "a.tif")
    assert np.array_equal(read_volume(tmp_path / "a.tif").array, stack)
    pages = [Image.fromarray(page) for page in stack]
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    assert np.array_equal(read_volume(tmp_path / "b.tif").array, stack)


def test_a_tiff_of_pages_of_several_sizes_is_refused(tmp_path):
    pages = [Image.fromarray(grey()), Image.fromarray(grey(shape=(9, 9)))]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match="2 sizes"):
        read_volume(tmp_path / "a.tif")


class TestImageJ:
    tifffile = pytest.importorskip("tifffile")

    def test_spacing_of_a_stack_is_used(self, tmp_path):
        stack = np.stack([grey(n) for n in range(4)])
        self.tifffile.imwrite(
            tmp_path / "s.tif",
            stack,
            imagej=True,
            resolution=(2.0, 2.0),
            resolutionunit="CENTIMETER",
            metadata={"spacing": 3.0, "unit": "mm", "axes": "ZYX"},
        )
        volume = read_volume(tmp_path / "s.tif")
        assert np.array_equal(volume.array, stack)
        assert volume.spacing[2] == 3.0

    def test_hyperstacks_are_refused(self, tmp_path):
        self.tifffile.imwrite(
            tmp_path / "t.tif", np.zeros((3, 4, 6, 8), np.uint8), imagej=True, metadata={"axes": "TZYX"}
        )
        with pytest.raises(InputError, match="3 time points"):
            read_volume(tmp_path / "t.tif")
        self.tifffile.imwrite(
            tmp_path / "c.tif", np.zeros((4, 2, 6, 8), np.uint8), imagej=True, metadata={"axes": "ZCYX"}
        )
        with pytest.raises(InputError, match="2 channels"):
            read_volume(tmp_path / "c.tif")

    @pytest.mark.parametrize("options", [{"bigtiff": True}, {"compression": "zlib"}, {"byteorder": ">"}])
    def test_unusual_layouts_open(self, tmp_path, options):
        stack = np.stack([grey(n, (32, 48), np.uint16) for n in range(3)])
        self.tifffile.imwrite(tmp_path / "s.tif", stack, photometric="minisblack", **options)
        assert np.array_equal(read_volume(tmp_path / "s.tif").array, stack)

    def test_sixteen_bit_tiles_are_refused_rather_than_cut_to_eight_bits(self, tmp_path):
        stack = np.stack([grey(n, (32, 48), np.uint16) for n in range(3)])
        self.tifffile.imwrite(tmp_path / "s.tif", stack, photometric="minisblack", tile=(16, 16))
        with pytest.raises(InputError, match="without loss"):
            read_volume(tmp_path / "s.tif")
        self.tifffile.imwrite(tmp_path / "b.tif", stack.astype(np.uint8), photometric="minisblack", tile=(16, 16))
        assert np.array_equal(read_volume(tmp_path / "b.tif").array, stack.astype(np.uint8))
