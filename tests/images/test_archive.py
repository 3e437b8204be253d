"""Archives return their images: nearest colours, names, alpha, profiles and windows."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import dask
import numpy as np
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner
from PIL import Image, ImageCms
from sklearn.datasets import load_sample_image

from streamkm.cli import main
from streamkm.errors import DataError, MemoryLimitError, OutputExistsError
from streamkm.images import Archive, compress, decompress
from streamkm.images.archive.summary import summary
from streamkm.images.compression import run
from streamkm.images.export import portions
from streamkm.images.export.as_file import as_file
from streamkm.kernels.compiling import compiler_lock
from tests import reference
from tests.images.conftest import deep_png, encoded, noise, png, put, write_raster
from tests.ingesting.test_runs import digest


def photograph(height=60, width=80, name="flower.jpg"):
    return load_sample_image(name)[100 : 100 + height, 200 : 200 + width]


@pytest.fixture
def folder(tmp_path):
    """Images of every kind, in folders."""
    made = tmp_path / "in"
    put(made, "a/one.png", encoded(photograph()))
    put(made, "a/two.png", encoded(photograph(name="china.jpg")))
    put(made, "b/small.png", encoded(photograph(33, 47)))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    alpha = np.dstack([photograph(40, 30), noise(40, 30)])
    put(made, "b/clear.png", encoded(alpha, icc_profile=profile))
    put(made, "grey.png", encoded(photograph(50, 50)[..., 0]))
    put(made, "grey-deep.png", encoded(noise(20, 21, dtype="u2")))
    put(made, "deep.png", deep_png(noise(17, 19, 3, dtype="u2")))
    exif = Image.Exif()
    exif[274], exif[315] = 6, "somebody"
    put(made, "turned.jpg", encoded(photograph(), "JPEG", quality=100, subsampling=0, exif=exif))
    return made


def true_pixels(folder, name):
    if name == "deep.png":
        return noise(17, 19, 3, dtype="u2")
    with Image.open(folder / name) as image:
        turned = name == "turned.jpg"
        values = np.asarray(image.transpose(Image.Transpose.ROTATE_270) if turned else image)
    return values if values.ndim == 3 else values[..., None]


@pytest.mark.parametrize("per", ["archive", "group", "image"])
def test_pixels_are_the_nearest_colours_of_the_palette(folder, tmp_path, per):
    archive = compress(folder, tmp_path / "o.zarr", 12, per=per)
    assert set(archive) == {str(p.relative_to(folder)) for p in folder.rglob("*.*")}
    for name, image in archive.items():
        true, palette = true_pixels(folder, name), archive.palette(name)
        colours = true[..., : palette.shape[1]]
        labels = reference.labels(colours.reshape(-1, palette.shape[1]), palette.astype(float))
        nearest = palette[labels].reshape(colours.shape)
        assert image.shape == true.shape
        assert image.dtype == true.dtype
        np.testing.assert_array_equal(image.values[..., : palette.shape[1]], nearest)
        if true.shape[-1] == 4:
            np.testing.assert_array_equal(image.values[..., 3], true[..., 3])


def test_files_that_come_out_have_the_pixels_names_alpha_and_profile(folder, tmp_path):
    archive = compress(folder, tmp_path / "o.zarr", 12)
    written = {str(p.relative_to(tmp_path / "out")) for p in decompress(archive, tmp_path / "out")}
    assert written == {str(name).replace(".jpg", ".png") for name in archive}
    for name in archive:
        _, pixels = read(tmp_path / "out" / name.replace(".jpg", ".png"))
        np.testing.assert_array_equal(pixels, archive[name].values)
    with (
        Image.open(tmp_path / "out/b/clear.png") as clear,
        Image.open(folder / "b/clear.png") as was,
    ):
        assert clear.info["icc_profile"] == was.info["icc_profile"]
        assert archive.profile("b/clear.png") == clear.info["icc_profile"]
    with Image.open(tmp_path / "out/turned.png") as turned:
        assert turned.mode == "P"
        assert turned.getexif()[315] == "somebody"
        assert turned.getexif().get(274, 1) == 1


def test_profiles_of_16_bits_and_of_bands_come_out(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    deep = noise(9, 8, 3, dtype="u2")
    packed = b"sRGB\0\0" + zlib.compress(profile)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    put(tmp_path / "in", "a.png", png(8, 9, 16, 2, rows, (b"iCCP", packed)))
    own = {"SOURCE_ICC_PROFILE": base64.b64encode(profile).decode()}
    write_raster(tmp_path / "in/b.tif", np.moveaxis(deep, -1, 0), photometric="rgb", **own)
    write_raster(tmp_path / "in/c.tif", noise(5, 9, 8, dtype="u2"), **own)
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 12)
    assert [archive.profile(name) for name in archive] == [profile] * 3
    written = decompress(archive, tmp_path / "out")
    assert {file.name for file in written} == {"a.png", "b.png", "c.tif"}
    for file in written:
        assert read(file)[0].icc == profile


def test_a_resolution_that_a_png_cannot_have_is_left_out(tmp_path):
    for name, dpi in {"few": 72, "many": 2**32 - 1}.items():
        put(tmp_path / "in", f"{name}.tif", encoded(noise(9, 8, 3), "TIFF", dpi=(dpi, dpi)))
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 12)
    few, many = decompress(archive, tmp_path / "out")
    with Image.open(few) as image:
        assert image.info["dpi"] == pytest.approx((72, 72), abs=0.1)
    with Image.open(many) as image:
        assert "dpi" not in image.info


def test_rasters_are_not_packed_one_after_another(tmp_path, monkeypatch):
    """A thread that held the lock of Numba while it packs a raster would block the others."""
    put(tmp_path / "in", "a.png", deep_png(noise(9, 8, 3, dtype="u2")))
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 12)
    held = []

    def moved(*arguments):
        held.append(compiler_lock.is_locked())
        return np.moveaxis(*arguments)

    numpy = SimpleNamespace(moveaxis=moved, asarray=np.asarray, uint8=np.uint8, iinfo=np.iinfo)
    monkeypatch.setattr("streamkm.images.export.as_file.np", numpy)
    decompress(archive, tmp_path / "out")
    assert held == [False]


def read(path):
    """Read pixels with colours and alpha by the reader of sources, which supports 16 bits."""
    from tests.images.conftest import read as read_one

    header, pixels = read_one(str(path))
    parts = [pixels.colour, *([] if pixels.alpha is None else [pixels.alpha[..., None]])]
    return header, np.concatenate(parts, axis=-1)


def test_nothing_is_lost_of_images_of_few_colours(tmp_path):
    few = noise(7, 3)[noise(50, 40) % 7]
    put(tmp_path / "in", "few.png", encoded(few))
    put(tmp_path / "in", "clear.png", encoded(np.dstack([few, noise(50, 40)])))
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 7)
    np.testing.assert_array_equal(archive["few.png"].values, few)
    np.testing.assert_array_equal(archive["clear.png"].values[..., :3], few)
    assert summary(archive).psnr == np.inf


def test_zarr_and_xarray_see_pixels_and_read_only_what_is_asked(folder, tmp_path):
    archive = compress(folder, tmp_path / "o.zarr", 12)
    stack, number = archive.place("a/two.png")
    true = archive["a/two.png"].values
    pixels = zarr.open(tmp_path / "o.zarr", mode="r")[f"images/{stack}/pixels"]
    np.testing.assert_array_equal(pixels[number], true)
    np.testing.assert_array_equal(pixels[number, 3:50:7, 70:, 1:], true[3:50:7, 70:, 1:])
    np.testing.assert_array_equal(pixels.oindex[[number], :, [5, 2]], true[:, [5, 2]][None])
    opened = xr.open_zarr(tmp_path / "o.zarr", group=f"images/{stack}", consolidated=False)
    assert opened["pixels"].dims == ("image", "y", "x", "channel")
    assert opened["pixels"].chunks
    np.testing.assert_array_equal(opened["pixels"][number].values, true)
    assert opened["name"].values[number] == "a/two.png"
    with pytest.raises(DataError, match="cannot be written"):
        zarr.open(tmp_path / "o.zarr", mode="r+")[f"images/{stack}/pixels"][0] = 0


def test_a_window_of_a_large_image_reads_a_few_chunks(tmp_path, monkeypatch):
    large = np.kron(photograph(90, 90), np.ones((20, 20, 1), np.uint8))
    put(tmp_path / "in", "large.png", encoded(large))
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 16)
    window = archive["large.png"][700:710, 1000:1020]
    read, get = [], zarr.storage.LocalStore.get

    async def counted(self, key, prototype, byte_range=None):
        found = await get(self, key, prototype, byte_range)
        if "codes/c/" in key and found is not None:
            read.append(len(found))
        return found

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    window.values  # noqa: B018  # reads
    stored = archive.group["images/1800x1800-rgb/codes"].nbytes_stored()
    assert 0 < sum(read) < stored / 4


def test_codes_and_palettes_are_read_without_streamkm(folder, tmp_path):
    archive = compress(folder, tmp_path / "o.zarr", 12)
    stack, number = archive.place("a/one.png")
    code = f"""
import sys
sys.modules["streamkm"] = None
import numpy as np, zarr
root = zarr.open_group({str(tmp_path / "o.zarr")!r}, mode="r")
codes = root["images/{stack}/codes"][{number}]
assert root["images/{stack}/name"][{number}] == "a/one.png"
np.save({str(tmp_path / "x.npy")!r}, root["palettes/rgb"][0][codes])
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), archive["a/one.png"].values)


def test_patches_come_out_as_their_codewords(folder, tmp_path):
    archive = compress(folder, tmp_path / "o.zarr", 32, patch=(4, 3), stages=2)
    for name in ("a/one.png", "b/small.png", "b/clear.png"):
        assert archive.stacks[archive.place(name).stack]["codes"].ndim == 4
        words = archive.group["codebooks/rgb"][...].astype(int)
        true = true_pixels(folder, name)
        high, wide = -(-true.shape[0] // 4) * 4, -(-true.shape[1] // 3) * 3
        beyond = ((0, high - true.shape[0]), (0, wide - true.shape[1]), (0, 0))
        padded = np.pad(true[..., :3], beyond, "edge").astype(float)
        rows = padded.reshape(high // 4, 4, wide // 3, 3, 3).swapaxes(1, 2).reshape(-1, 36)
        made = np.zeros(rows.shape)
        for stage in range(2):
            made += words[stage][reference.labels(rows - made, words[stage].astype(float))]
        shape = (high // 4, wide // 3, 4, 3, 3)
        image = made.clip(0, 255).reshape(shape).swapaxes(1, 2).reshape(high, wide, 3)
        got = archive[name].values
        np.testing.assert_array_equal(got[..., :3], image[: true.shape[0], : true.shape[1]])
        np.testing.assert_array_equal(archive[name][5:9, 2:30].values, got[5:9, 2:30])
    with pytest.raises(DataError, match="a codebook but no colour palette"):
        archive.palette("a/one.png")


def test_bands_are_coded_by_a_codebook(tmp_path):
    import rasterio

    from tests.landsat import scene

    path = scene()
    with rasterio.open(path) as opened:
        bands = opened.read()
    archive = compress(str(path), tmp_path / "o.zarr", 64)
    (name,) = archive
    assert archive[name].shape == (*bands.shape[1:], len(bands))
    assert 25 < summary(archive).psnr < 60


def test_the_same_bytes_on_every_scheduler(folder, tmp_path, cluster, monkeypatch):
    compress(folder, tmp_path / "here.zarr", 12)
    with cluster.as_current():
        monkeypatch.chdir(tmp_path)  # the workers keep their folder
        there = compress("in", "there.zarr", 12)
        decompress(Archive("there.zarr"), "there")
        assert len(there) == len(list((tmp_path / "there").rglob("*.*")))
    assert digest(tmp_path / "here.zarr") == digest(tmp_path / "there.zarr")
    decompress(tmp_path / "here.zarr", tmp_path / "here")
    assert digest(tmp_path / "here") == digest(tmp_path / "there")


def test_files_that_are_missing_are_written_and_others_stay(folder, tmp_path):
    archive = compress(folder, tmp_path / "o.zarr", 12)
    seen = []
    first, *others = decompress(archive, tmp_path / "out", watch=[seen.append])
    assert [(now.phase, now.done == now.total) for now in seen][-1] == ("files", True)
    whole = digest(tmp_path / "out")
    first.unlink()
    stamps = {file: file.stat().st_mtime_ns for file in others}
    assert decompress(archive, tmp_path / "out", missing=True) == [first, *others]
    assert digest(tmp_path / "out") == whole
    assert {file: file.stat().st_mtime_ns for file in others} == stamps
    decompress(archive, tmp_path / "out", missing=True)
    with pytest.raises(OutputExistsError, match="missing=True"):
        decompress(archive, tmp_path / "out")
    with pytest.raises(DataError, match="give only one"):
        decompress(archive, tmp_path / "out", missing=True, overwrite=True)


def test_a_file_that_two_tasks_write_is_whole(tmp_path, monkeypatch):
    """As if Dask repeats a task while the lost worker still runs it."""
    put(tmp_path / "in", "x.png", encoded(photograph()))
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 12)
    rename, again = Path.rename, []

    def renamed(path, target):
        if not again:
            again.append(path)
            decompress(archive, tmp_path / "out", overwrite=True)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", renamed)
    (file,) = decompress(archive, tmp_path / "out")
    np.testing.assert_array_equal(read(file)[1], archive["x.png"].values)
    assert os.listdir(tmp_path / "out") == ["x.png"]


def test_a_limit_that_an_image_does_not_fit_is_told_before_any_is_written(tmp_path):
    put(tmp_path / "in", "x.png", encoded(np.zeros((4000, 4000), np.uint8)))
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 2)
    with pytest.raises(MemoryLimitError, match=r"has 15.3 MiB when decoded, over the .* raise"):
        decompress(archive, tmp_path / "out", memory_limit="300MiB")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "error", "code"),
    [
        ("decompress", KeyboardInterrupt, 130),
        ("compress", KeyboardInterrupt, 130),
        ("compress", OSError(28, "No space left on device"), 1),
    ],
)
def test_stopped_while_files_are_written(command, error, code, folder, tmp_path, monkeypatch):
    """The existing files are complete, and the message names the command that resumes."""
    compress(folder, tmp_path / "o.zarr", 12)
    written = []

    def write(archive, name, *others):
        if len(written) == 3:
            raise error
        written.append(name)
        return as_file(archive, name, *others)

    arguments = ["decompress", tmp_path / "o.zarr", "-o", tmp_path / "out"]
    if command == "compress":
        arguments = ["compress", folder, "-k", "12", "-o", tmp_path / "o.zarr", "--overwrite"]
        arguments += ["--png", tmp_path / "out"]
    with monkeypatch.context() as patched, dask.config.set(scheduler="sync"):
        patched.setattr(portions, "as_file", write)
        said = CliRunner().invoke(main, list(map(str, arguments)))
    assert said.exit_code == code
    assert "--missing" in said.output
    files = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert len(files) == 3
    decompress(tmp_path / "o.zarr", tmp_path / "out", missing=True)
    decompress(tmp_path / "o.zarr", tmp_path / "whole")
    assert digest(tmp_path / "out") == digest(tmp_path / "whole")


@pytest.mark.parametrize("command", ["decompress", "compress"])
def test_interrupted_while_files_of_another_archive_are_replaced(
    command, folder, tmp_path, monkeypatch
):
    """Files that were not replaced are not mistaken for files of this archive."""
    decompress(compress(folder, tmp_path / "before.zarr", 4), tmp_path / "out")
    compress(folder, tmp_path / "o.zarr", 12)
    arguments = ["decompress", tmp_path / "o.zarr", "-o", tmp_path / "out", "--overwrite"]
    if command == "compress":
        arguments = ["compress", folder, "-k", "12", "-o", tmp_path / "o.zarr", "--overwrite"]
        arguments += ["--png", tmp_path / "out"]
    with monkeypatch.context() as patched, dask.config.set(scheduler="sync"):
        patched.setattr(portions, "as_file", interrupted)
        said = CliRunner().invoke(main, list(map(str, arguments)))
    assert said.exit_code == 130
    assert "--missing" not in said.output
    assert ("--overwrite" if command == "compress" else "the same command") in said.output


@pytest.mark.parametrize(
    ("stride", "more"), [(19, []), (29, ["--per", "image"]), (17, ["--patch", "4x4"])]
)
def test_killed_anywhere_it_ends_with_the_same_bytes(tmp_path, stride, more):
    for number in range(3):
        put(tmp_path / "in", f"{number}.png", encoded(photograph(20 + 5 * (number > 0), 30)))
    runs = tmp_path / "runs"
    runs.mkdir()
    command = ["compress", tmp_path / "in", "-k", 8, *more]
    words = [str(word) for word in ("tests.ingesting.killed", runs, stride, *command)]
    subprocess.run([sys.executable, "-m", *words], check=True, timeout=300, capture_output=True)
    stores = list(runs.glob("*/o.zarr"))
    assert len(stores) > 3
    assert len({digest(store) for store in stores}) == 1
    for store in stores:
        assert set(os.listdir(store.parent)) - {"events", "again", ".o.zarr.lock"} == {"o.zarr"}


def removed_in_part(name):
    """A removal that is killed when half of the files are removed."""

    def call(path, **_):
        if path.name == name:
            for file in path.rglob("zarr.json" if name == "colours" else "codes/c/**/*"):
                if file.is_file():
                    file.unlink()
            raise KeyboardInterrupt

    return call


def test_killed_while_the_counts_are_removed(folder, tmp_path, monkeypatch):
    compress(folder, tmp_path / "whole.zarr", 12)
    monkeypatch.setattr("streamkm.checkpoint.periodic.SECONDS", 0)
    with monkeypatch.context() as patched:
        patched.setattr(run.shutil, "rmtree", removed_in_part("colours"))
        with pytest.raises(KeyboardInterrupt):
            compress(folder, tmp_path / "o.zarr", 12)
    compress(folder, tmp_path / "o.zarr", 12)
    assert digest(tmp_path / "o.zarr") == digest(tmp_path / "whole.zarr")


def test_killed_while_another_run_is_overwritten(folder, tmp_path, monkeypatch):
    """The remaining files of the other run are not resumed."""
    compress(folder, tmp_path / "whole.zarr", 12)
    for k, owner, name, kill in (
        (12, run.Run, "finish", interrupted),
        (8, run.shutil, "rmtree", removed_in_part("images")),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, kill)
            with pytest.raises(KeyboardInterrupt):
                compress(folder, tmp_path / "o.zarr", k, overwrite=True)
    compress(folder, tmp_path / "o.zarr", 12)
    assert digest(tmp_path / "o.zarr") == digest(tmp_path / "whole.zarr")


def test_killed_before_the_profiles_are_written(folder, tmp_path, monkeypatch):
    compress(folder, tmp_path / "whole.zarr", 12)
    with monkeypatch.context() as patched:
        patched.setattr(run, "write_profiles", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compress(folder, tmp_path / "o.zarr", 12)
    archive = compress(folder, tmp_path / "o.zarr", 12)
    assert any(archive.profile(name) for name in archive)
    assert digest(tmp_path / "o.zarr") == digest(tmp_path / "whole.zarr")


def interrupted(*_):
    raise KeyboardInterrupt


def test_bad_files_are_named_and_the_rest_is_whole(folder, tmp_path):
    whole = compress(folder, tmp_path / "whole.zarr", 12, per="image")
    cut = (folder / "a/one.png").read_bytes()
    put(folder, "a/cut.png", cut[: len(cut) // 2])
    put(folder, "text.png", b"no image")
    with pytest.raises(DataError, match=r"text.png .*--skip-bad"):
        compress(folder, tmp_path / "o.zarr", 12, per="image")
    put(folder, "text.png", b"no image")
    archive = compress(folder, tmp_path / "o.zarr", 12, per="image", skip_bad=True)
    assert [name for name, _ in archive.skipped] == ["a/cut.png", "text.png"]
    assert set(archive) == set(whole)
    for name in whole:
        np.testing.assert_array_equal(archive[name].values, whole[name].values)


def test_a_file_that_is_too_large_for_the_limit_is_refused_before_any_is_decoded(tmp_path):
    put(tmp_path / "in", "bomb.png", encoded(np.zeros((9000, 9000), np.uint8)))
    with pytest.raises(
        DataError, match=r"bomb.png declares 9,000 x 9,000 pixels, .* --memory-limit"
    ):
        compress(tmp_path / "in", tmp_path / "o.zarr", memory_limit="400MiB")
    with pytest.raises(MemoryLimitError, match="compression needs"):
        compress(tmp_path / "in", tmp_path / "o.zarr", memory_limit="256MiB")
    assert os.listdir(tmp_path) == ["in"]


def test_names_that_lead_elsewhere_are_not_written(folder, tmp_path):
    archive = compress(folder, tmp_path / "o.zarr", 12)
    stack, number = archive.place("a/one.png")
    names = zarr.open_group(tmp_path / "o.zarr", mode="r+")[f"images/{stack}/name"]
    for forged in ("../../evil.png", "/tmp/evil.png", "a/../../evil.png", "", ".", "/", "a\0.png"):
        names[number] = forged
        with pytest.raises(DataError, match="outside of"):
            decompress(Archive(tmp_path / "o.zarr"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_outputs_and_options_that_cannot_be(folder, tmp_path):
    archive = compress(folder, tmp_path / "o.zarr", 4)
    with pytest.raises(OutputExistsError, match="overwrite"):
        compress(folder, tmp_path / "o.zarr", 4)
    with pytest.raises(DataError, match="no image 'a/tow.png'; did you mean 'a/two.png'"):
        decompress(archive, tmp_path / "out", ["a/tow.png"])
    assert [p.name for p in decompress(archive, tmp_path / "out", ["a/*"])] == [
        "one.png",
        "two.png",
    ]
    with pytest.raises(OutputExistsError, match="one.png exists"):
        decompress(archive, tmp_path / "out")
    for options, message in (
        ({"per": "folder"}, "per='folder' is unknown; choose one of archive"),
        ({"stages": 2}, "^stages applies to patches"),
        ({"patch": (4, 4), "dither": True}, "^dither applies to palettes"),
        ({"patch": (4, 4), "per": "image"}, "one codebook"),
        ({"quality": 30.0, "bits_per_pixel": 1.0}, "give only one"),
        ({"patch": (4, 4), "bits_per_pixel": 0.01}, "bits per pixel"),
    ):
        with pytest.raises(DataError, match=message):
            compress(folder, tmp_path / "x.zarr", **options)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="contains no images of a supported format"):
        compress(tmp_path / "empty", tmp_path / "x.zarr")
    with pytest.raises(DataError, match="not a streamkm archive"):
        Archive(tmp_path / "none.zarr")


def test_as_few_colours_as_a_quality_needs(tmp_path):
    put(tmp_path / "in", "one.png", encoded(photograph(200, 200)))
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", quality=30.0)
    k = archive.group["palettes/rgb"].shape[1]
    assert summary(archive).psnr >= 30.0
    fewer = compress(tmp_path / "in", tmp_path / "f.zarr", k - 1)
    assert summary(fewer).psnr < 30.0
    bits = compress(tmp_path / "in", tmp_path / "b.zarr", bits_per_pixel=3)
    assert bits.group["palettes/rgb"].shape[1] == 8
    stages = compress(tmp_path / "in", tmp_path / "s.zarr", 16, patch=(2, 2), quality=28.0)
    assert summary(stages).psnr >= 28.0
    assert stages.group["codebooks/rgb"].shape[0] > 1


def test_memory_holds_for_many_images(tmp_path):
    """Memory depends on the images that are decoded at once, not on their number."""
    for number in range(24):
        put(
            tmp_path / "in",
            f"{number}.png",
            encoded(noise(400, 500, 3, seed=number), compress_level=1),
        )
    command = [sys.executable, "-m", "streamkm", "compress", str(tmp_path / "in"), "-k", "16"]
    command += ["--memory-limit", "400MiB", "-o", str(tmp_path / "o.zarr")]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "24 images" in said.stdout
    peak = float(said.stdout.split("peak memory ")[1].split(" MiB")[0])
    assert peak < 400


def test_the_command_line(folder, tmp_path):
    from click.testing import CliRunner

    from streamkm.cli import main

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert result.exit_code == code, result.output
        return result.output

    out, png = tmp_path / "o.zarr", tmp_path / "png"
    said = run(
        "compress",
        folder,
        "-o",
        out,
        "-k",
        12,
        "--png",
        png,
        "--palettes",
        tmp_path / "p",
        "--sheet",
        tmp_path / "sheet.png",
    )
    assert "8 images" in said
    assert len(list(png.rglob("*.png"))) == 8
    written = {p.name for p in (tmp_path / "p").iterdir()}
    assert written == {"grey.gpl", "rgb.gpl"} | {
        f"{kind}.json" for kind in ("grey", "grey16", "rgb", "rgb16")
    }
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] > 300
    said = run("info", out)
    assert "bits per pixel" in said
    assert "b/clear.png" in said
    said = run("decompress", out, "grey.png", "-o", tmp_path / "out")
    assert "1 file" in said
    gpl = tmp_path / "x.gpl"
    said = run("palette", folder / "a/one.png", "-k", 3, "-o", gpl, "-o", tmp_path / "x.png")
    assert said.count("#") == 3
    assert gpl.read_text().startswith("GIMP Palette")
    assert "#" in run("palette", folder / "a/one.png", "-k", 2)
    run("compress", folder / "a", "-o", tmp_path / "own.zarr", "--per", "image", "-k", 4)
    assert "one.png:" in run("palette", tmp_path / "own.zarr")
    said = run("compress", folder, "-o", out, code=1)
    assert "--overwrite" in said
    said = run("compress", tmp_path / "none", "-o", tmp_path / "x.zarr", code=1)
    assert "no such file or folder" in said
    run("compress", folder, "-o", tmp_path / "x.zarr", "--patch", "0", code=2)
