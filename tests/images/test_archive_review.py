"""Findings of a review: resumed runs, images that are left out, stores below a folder."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr
from click.testing import CliRunner
from PIL import Image
from rasterio.enums import ColorInterp

from streamkm import KMeans
from streamkm.cli import main
from streamkm.errors import CheckpointWarning, DamagedError, DataError, OutputExistsError, ReadError
from streamkm.images import (
    Archive,
    compress,
    decompress,
    find_palettes,
    quantize,
)
from streamkm.images.archive.summary import summary
from streamkm.images.coding.stack import Batch, Stack
from streamkm.images.compression import reads, run
from streamkm.images.compression.catalogue import ReadHeaders
from streamkm.images.sources import find_items
from streamkm.versions import versions
from tests.images.conftest import PNG, encoded, noise, put, read


def plain(value, height=30):
    return np.full((height, 20, 3), value, np.uint8)


def damaged(height=40):
    whole = encoded(noise(height, 40, 3))
    return whole[: 2 * len(whole) // 3]


def bands(path, count, alpha=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = noise(count, 12, 15)
    shape = {"count": count, "height": 12, "width": 15, "dtype": "uint8"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "w", driver="GTiff", photometric="MINISBLACK", **shape) as out:
            kinds = [ColorInterp.gray] + [ColorInterp.undefined] * (count - 1)
            out.colorinterp = [*kinds[:-1], ColorInterp.alpha] if alpha else kinds
            out.write(values)
    return np.moveaxis(values, 0, -1)


class Killed(Exception):
    pass


@pytest.mark.parametrize("later", [{1: 1, 2: 1}, {1: 1, 2: 2}])
def test_a_run_goes_on_with_other_memory_or_cores(tmp_path, monkeypatch, later):
    for number in range(4):
        put(tmp_path / "in", f"{number}.png", encoded(plain(60 * number + 10, 30 + number)))

    def kill(now):
        if now.phase == "colours" and any(tmp_path.glob(".o.zarr.partial-*/colours/*/state-*")):
            assert now.done < now.total
            raise Killed

    def workers(of):
        return lambda _, nbytes: of[1 if nbytes > 32 * 20 * 3 else 2]

    monkeypatch.setattr("streamkm.checkpoint.periodic.SECONDS", 0)
    monkeypatch.setattr(reads.ImageMemory, "workers", workers({1: 1, 2: 2}))
    with pytest.raises(Killed):
        compress(tmp_path / "in", tmp_path / "o.zarr", 8, watch=[kill])
    monkeypatch.setattr(reads.ImageMemory, "workers", workers(later))
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 8)
    assert len(archive.palettes()["rgb"]) == 4
    assert summary(archive).psnr == np.inf


def kill_in_the_read_of_colours(tmp_path, monkeypatch):
    """Compress four images until the first block of colours is saved."""
    for number in range(4):
        put(tmp_path / "in", f"{number}.png", encoded(plain(60 * number + 10, 30 + number)))

    def kill(now):
        if now.phase == "colours" and any(tmp_path.glob(".o.zarr.partial-*/colours/*/state-*")):
            raise Killed

    monkeypatch.setattr("streamkm.checkpoint.periodic.SECONDS", 0)
    with pytest.raises(Killed):
        compress(tmp_path / "in", tmp_path / "o.zarr", 8, watch=[kill])


def test_info_shows_the_progress_of_a_compression(tmp_path, monkeypatch):
    kill_in_the_read_of_colours(tmp_path, monkeypatch)
    [saved] = tmp_path.glob(".o.zarr.partial-*/colours/*")
    shown = CliRunner().invoke(main, ["info", str(saved)])
    assert shown.exit_code == 0, shown.output
    assert "read" in shown.output
    assert "block" in shown.output


def test_damaged_progress_and_other_versions_are_warnings(tmp_path, monkeypatch):
    kill_in_the_read_of_colours(tmp_path, monkeypatch)
    for path in tmp_path.glob(".o.zarr.partial-*/colours/*/state-*/zarr.json"):
        path.write_text("damaged")
    monkeypatch.setattr(run, "versions", lambda: versions() | {"numpy": "1.0"})
    with pytest.warns(CheckpointWarning) as caught:
        archive = compress(tmp_path / "in", tmp_path / "o.zarr", 8)
    messages = " ".join(str(warning.message) for warning in caught)
    assert "numpy was" in messages
    assert "the work starts again" in messages
    assert summary(archive).psnr == np.inf


def test_a_run_that_goes_on_names_what_the_one_before_left_out(tmp_path, monkeypatch):
    put(tmp_path / "in", "a.png", damaged())
    put(tmp_path / "in", "b.png", encoded(plain(7)))

    def kill(_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(run.Run, "finish", kill)
        with pytest.raises(Killed):
            compress(tmp_path / "in", tmp_path / "o.zarr", 8, skip_bad=True)
    with pytest.raises(DamagedError, match=r"a\.png is damaged"):
        compress(tmp_path / "in", tmp_path / "o.zarr", 8)
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 8, skip_bad=True)
    assert [name for name, _ in archive.skipped] == ["a.png"]
    assert "damaged" not in os.listdir(tmp_path / "o.zarr")


def test_a_folder_of_damaged_images_does_not_move_the_palettes_of_others(tmp_path):
    for name in "aceg":
        put(tmp_path / "in", f"{name}/x.png", damaged())
    for place, name in enumerate("bdf"):
        put(tmp_path / "in", f"{name}/x.png", encoded(noise(40, 40, 3, seed=place) // 128 * 100))
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 8, per="group", skip_bad=True)
    assert list(archive) == ["b/x.png", "d/x.png", "f/x.png"]
    for place, image in enumerate(archive.values()):
        true = noise(40, 40, 3, seed=place) // 128 * 100
        np.testing.assert_array_equal(image.values, true)
    assert archive.group["images/40x40-rgb/pixels"][...].shape == (7, 40, 40, 3)


def test_nothing_but_damaged_images_is_refused(tmp_path):
    put(tmp_path / "in", "a.png", damaged())
    with pytest.raises(
        DataError, match=r"none of 1 images could be decoded; the first error: a\.png"
    ):
        compress(tmp_path / "in", tmp_path / "o.zarr", 8, skip_bad=True)
    with pytest.raises(DataError, match="every image in .* is damaged"):
        find_palettes(tmp_path / "in", 8, skip_bad=True)


@pytest.mark.parametrize("per", ["group", "image"])
def test_bands_beside_palettes(tmp_path, per):
    true = {name: bands(tmp_path / "in" / name, 4) for name in ("a/x.tif", "b/y.tif")}
    put(tmp_path / "in", "a/p.png", encoded(plain(7)))
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 256, per=per)
    for name, values in true.items():
        np.testing.assert_array_equal(archive[name].values, values)
    np.testing.assert_array_equal(archive["a/p.png"].values, plain(7))


def test_bands_with_and_without_alpha_are_not_one_stack(tmp_path):
    opaque, clear = tmp_path / "in/a.tif", tmp_path / "in/b.tif"
    true = {"a.tif": bands(opaque, 4), "b.tif": bands(clear, 5, alpha=True)}
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 256)
    for name, values in true.items():
        np.testing.assert_array_equal(archive[name].values, values)


def test_small_images_of_many_bands_are_few_in_a_batch(tmp_path):
    bands(tmp_path / "x.tif", 120)
    (header,) = [read(str(tmp_path / "x.tif"))[0]]
    stack = Stack((header,) * 100_000, (0,) * 100_000)
    batch: Batch = next(stack.batches())
    assert len(batch.headers) * batch.nbytes < 16 * 2**20


def test_palettes_of_small_images_are_no_larger_than_they_are(tmp_path):
    for number in range(3):
        put(tmp_path / "in", f"{number}.png", encoded(noise(4, 5, 3, seed=number)))
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 65536, per="image")
    assert archive.group["images/5x4-rgb/palettes"].shape == (3, 20, 3)
    assert summary(archive).psnr == np.inf


@pytest.mark.parametrize("options", [{}, {"per": "image"}, {"patch": (2, 2)}])
def test_pixels_are_read_by_whoever_opens_them_alone(tmp_path, options):
    import fsspec

    alpha = np.dstack([noise(5, 6, 3), noise(5, 6, seed=1)])
    put(tmp_path / "in", "x.png", encoded(alpha))
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 256, **options)
    far = fsspec.filesystem("memory")
    far.put(str(tmp_path / "o.zarr"), "/review/o.zarr", recursive=True)
    true = archive["x.png"].values
    for base in (str(tmp_path / "o.zarr"), "memory://review/o.zarr"):
        stack = f"{base}/images/6x5-rgba"
        np.testing.assert_array_equal(zarr.open(f"{stack}/pixels", mode="r")[0], true)
        np.testing.assert_array_equal(zarr.open(stack, mode="r")["pixels"][0], true)
        opened = xr.open_zarr(stack, consolidated=False)
        np.testing.assert_array_equal(opened["pixels"][0].values, true)
    far.rm("/review", recursive=True)
    store = zarr.storage.MemoryStore()
    source = tmp_path / "o.zarr/images/6x5-rgba/pixels/zarr.json"
    buffer = zarr.core.buffer.default_buffer_prototype().buffer
    zarr.core.sync.sync(store.set("zarr.json", buffer.from_bytes(source.read_bytes())))
    with pytest.raises(DataError, match="open the archive"):
        zarr.open_array(store, mode="r")[0]


def test_the_files_that_come_out_never_take_each_others_place(tmp_path):
    kinds = {"a.jpg": "JPEG", "a.gif": "GIF", "a.jpg.webp": "WEBP", "b.png": "PNG"}
    for name, kind in kinds.items():
        put(tmp_path / "in", name, encoded(plain(9), kind))
    put(tmp_path / "more", "b.png/c.png", PNG)
    put(tmp_path / "more", "x" * 251 + ".png", PNG)
    archive = compress([tmp_path / "in", tmp_path / "more"], tmp_path / "o.zarr", 64)
    out = tmp_path / "out"
    files = {str(file.relative_to(out)) for file in decompress(archive, out)}
    assert len(files) == 6
    assert files == {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    (file,) = decompress(archive, tmp_path / "one", ["b.png"])
    assert str(file.relative_to(tmp_path / "one")) in files


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    put(tmp_path / "in", "a/b.png", PNG)
    compress(tmp_path / "in", tmp_path / "o.zarr", 4)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="because of a link"):
        decompress(tmp_path / "o.zarr", tmp_path / "out")
    assert not os.listdir(tmp_path / "elsewhere")


def test_numbers_of_numpy_and_patches_of_other_types(tmp_path):
    put(tmp_path / "in", "x.png", PNG)
    numbers = {"n_colors": np.int64(8), "random_state": np.int32(3), "n_init": np.uint8(1)}
    compress(tmp_path / "in", tmp_path / "a.zarr", quality=np.float32(30), **numbers)
    compress(tmp_path / "in", tmp_path / "b.zarr", 4, patch=[2, np.int64(2)], stages=np.int64(1))
    assert Archive(tmp_path / "b.zarr").patch == (2, 2)
    for patch in (4, (4.0, 4.0), "44", None):
        with pytest.raises(DataError, match="give its height and width"):
            compress(tmp_path / "in", tmp_path / "c.zarr", patch=patch)


def test_info_of_names_that_are_markup_or_move_the_cursor(tmp_path):
    for name in ("a[/b].png", "e\x1b[2J.png"):
        put(tmp_path / "in", name, PNG)
    compress(tmp_path / "in", tmp_path / "o.zarr", 4)
    said = CliRunner().invoke(main, ["info", str(tmp_path / "o.zarr")])
    assert said.exit_code == 0
    assert "a[/b].png" in said.output
    assert "\x1b[2J" not in said.output


def test_memory_holds_for_many_folders_with_a_palette_each(tmp_path):
    for number in range(24):
        content = encoded(noise(400, 500, 3, seed=number), compress_level=1)
        put(tmp_path / "in", f"{number:02}/x.png", content)
    command = [sys.executable, "-m", "streamkm", "compress", str(tmp_path / "in"), "-k", "16"]
    command += ["--per", "group", "--memory-limit", "400MiB", "-o", str(tmp_path / "o.zarr")]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(said.stdout.split("peak memory ")[1].split(" MiB")[0]) < 400


def test_the_metadata_of_an_image_are_read_without_those_of_all_others(tmp_path):
    exif = Image.Exif()
    exif[270] = "x" * 50_000
    photo = encoded(noise(8, 8, 3), "JPEG", exif=exif)
    for number in range(130):
        put(tmp_path / "in", f"{number}.jpg", photo)
    items = find_items([str(tmp_path / "in")]).items
    catalogue = ReadHeaders(2**20)(items)
    assert len(pickle.dumps(catalogue)) < 130 * 1000  # the EXIF data stay in the files
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 4)
    assert archive.group["images/8x8-rgb/metadata"].chunks == (128,)
    assert len(archive.metadata("129.jpg")["exif"]) > 50_000


def test_what_a_stranger_ran_into(tmp_path):
    put(tmp_path / "in", "a/one.png", encoded(noise(30, 40, 3)))
    put(tmp_path / "in", "b/c/two.png", encoded(noise(30, 40, 3, seed=1)))

    def run(*arguments):
        return CliRunner().invoke(main, ["compress", *(str(a) for a in arguments)]).output

    out = tmp_path / "o.zarr"
    said = run(tmp_path / "in", "-o", out, "-k", 4, "--quality", 60)
    assert "dB is below the requested 60 dB: allow more colours with -k" in said
    assert "is already an archive" in run(out, "-o", tmp_path / "x.zarr")
    put(tmp_path, "cut.tar.gz", b"\x1f\x8b no gzip")
    assert "Error" in run(tmp_path / "cut.tar.gz", "-o", tmp_path / "x.zarr")
    assert not list(tmp_path.glob(".x.zarr.partial*"))
    archive = compress(tmp_path / "in", tmp_path / "g.zarr", 4, per="group")
    assert list(archive.palettes()) == ["rgb-0-a", "rgb-1-b-c"]
    codes = quantize(archive["a/one.png"], archive.palettes()["rgb-0-a"], dither=True)
    np.testing.assert_array_equal(codes, archive.codes("a/one.png"))


def test_a_run_that_differs_from_the_one_it_would_resume_is_refused_by_name(tmp_path):
    put(tmp_path / "in", "one.png", encoded(noise(30, 40, 3)))

    class Stopped(Exception):
        pass

    def stop(progress):
        if progress.phase == "codes":
            raise Stopped

    with pytest.raises(Stopped):
        compress(tmp_path / "in", tmp_path / "o.zarr", 4, watch=[stop])
    with pytest.raises(OutputExistsError, match="differs from this one: n_colors was 4, is now 5"):
        compress(tmp_path / "in", tmp_path / "o.zarr", 5)
    put(tmp_path / "in", "two.png", encoded(noise(30, 40, 3)))
    with pytest.raises(OutputExistsError, match="number of images was 1, is now 2"):
        compress(tmp_path / "in", tmp_path / "o.zarr", 4)


@pytest.mark.parametrize("lost", ["images/*/codes/c/0/0/0", "palettes/rgb/c/0/0/0"])
def test_pixels_made_of_an_array_that_lost_a_chunk_are_refused(tmp_path, lost):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 30, 40, 3), np.uint8)
    zarr.create_array(tmp_path / "p.zarr", data=pixels, dimension_names=("n", "y", "x", "c"))
    compress([tmp_path / "p.zarr"], tmp_path / "a.zarr", 16)
    (stack,) = (tmp_path / "a.zarr/images").glob("*/pixels")
    assert zarr.open_array(stack, mode="r")[:].shape == pixels.shape
    (chunk,) = (tmp_path / "a.zarr").glob(lost)
    chunk.unlink()
    with pytest.raises(DataError, match="missing"):
        zarr.open_array(stack, mode="r")[:]
    with pytest.raises((DataError, ReadError), match="missing"):
        KMeans(3, feature_dim=-1, random_state=0).fit(str(stack))
