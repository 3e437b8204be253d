"""Readers of bytes, and options, that `tests.fuzzing.bytes` tries."""

from __future__ import annotations

import atexit
import io
import json
import shlex
import shutil
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import ClassVar

import click
import numpy as np

import streamkm
from streamkm.cli import main
from streamkm.decoding.decode import decode, headers
from streamkm.errors import StreamkmError
from streamkm.files import packed
from streamkm.files.find import File
from streamkm.files.items import Held
from streamkm.files.npy import npy_header
from streamkm.images.archive.codec import CodebookCodec
from streamkm.ingesting.pipes import PipeOptions, arriving
from streamkm.rows import open_rows
from streamkm.sizes import parse_bytes, parse_seconds
from tests import flips

PIXELS = 2**20  # bytes of an image, beyond which it is refused
X = np.arange(12.0, dtype="f4").reshape(4, 3)


@dataclass(frozen=True)
class Target:
    """A function of bytes, the exceptions that it may raise, and its seeds."""

    run: Callable[[bytes], object]
    allowed: tuple[type[BaseException], ...]
    seeds: Callable[[], list[bytes]]


def image(content):
    for header in headers(Held("x", content), PIXELS, True, True)[:3]:
        decode(header, PIXELS)


def images():
    """Encode small images by Pillow and rasterio, and by hand what they do not write."""
    from PIL import Image

    draw = np.random.default_rng(0)
    plain = Image.fromarray(draw.integers(0, 255, (5, 6, 3)).astype("u1"))
    frames = [plain.quantize(8), plain.transpose(0).quantize(4)]
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    more = {"save_all": True, "append_images": frames[1:]}
    kinds: list[tuple[Image.Image, str, dict]] = [
        (plain, "PNG", {"exif": exif}),
        (plain.convert("RGBA"), "PNG", {}),
        (frames[0], "PNG", more),
        (frames[0], "GIF", {"transparency": 2, "disposal": 2, **more}),
        (plain, "JPEG", {"exif": exif, "icc_profile": _profile()}),
        (plain.convert("CMYK"), "JPEG", {}),
        (plain, "TIFF", {"compression": "tiff_lzw", **more, "append_images": [plain]}),
        (plain.convert("I;16"), "TIFF", {}),
        (plain, "PPM", {}),
        (plain, "BMP", {}),
        (plain, "WEBP", {"lossless": True, "exif": exif}),
    ]
    found = [b"P5\n2 2\n65535\n" + bytes(8), b"P6\n# a\n2 1\n1000\n" + bytes(12), b"P4\n2 2\nab"]
    for picture, kind, options in kinds:
        stream = io.BytesIO()
        picture.save(stream, kind, **options)
        found.append(stream.getvalue())
    return found


def _profile():
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def npy(content):
    npy_header(io.BytesIO(content), File(None, "x", len(content), ""))


def _npy_of(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npys():
    arrays = (X, np.asfortranarray(X), np.zeros((2, 2), "f4,f4"), np.zeros(3, ">i8"))
    return [_npy_of(array) for array in arrays]


def pipe(content):
    rows = 0
    for arrived in arriving(io.BytesIO(content), PipeOptions()):
        rows += len(arrived.rows)


def pipes():
    import pyarrow as pa

    stream, table = io.BytesIO(), pa.table(dict(zip("abc", X.T, strict=True)))
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    texts = (b"a,b,c\n1,2,3\n4,5,6\n", b'"a";b\n1;2\n', b"1 2\n3 4\n", b"t,x\nn,1e400\n,nan\n")
    return [stream.getvalue(), _npy_of(X) * 2, *texts]


def size(content):
    for parse in (parse_bytes, parse_seconds):
        try:
            parse(content.decode(errors="replace"))
        except ValueError as error:
            if len(str(error)) > 20 * len(content) + 500:
                raise AssertionError("a long message") from error


def sizes():
    return [b"1.5 GiB", b"-3MB", b"1h30m", b"1e9s", b"2d", b"nan"]


def line(content):
    """Parse a command line, without running it."""
    words = content.decode(errors="surrogateescape").split("\0")
    name = words[0] if words[0] in main.list_commands(None) else "fit"
    command = main.get_command(click.Context(main), name)
    context = command.make_context(name, words[1:], resilient_parsing=False)
    for option in command.params:
        assert option.name in context.params or not option.expose_value


def lines():
    from tests.fuzzing.arguments import COMMANDS

    more = (
        "fit x -k 3 --memory-limit 1GiB --time-limit 5m --nodata 0,nan --weights cos(lat)",
        "sweep x -k 1:9:2,12 -o s --scale standard --feature-dim band",
        "fit x -k 3 --image-shape 28x28x3 --checkpoint c --checkpoint-every 5m --again-code 3",
        "compress i -k 4 --patch 4x4 -o a --memory-limit 1e9B",
        "decompress a -o f --window 1,2,3,4",
        "stream - -k 3 -o m --half-life 5m --every 10s",
    )
    own = [shlex.split(f"{name} {rest}") for name, rest in COMMANDS.items()]
    return ["\0".join(words).encode() for words in (*own, *map(shlex.split, more))]


def codec(content):
    """Make the codec of an archive from JSON, as Zarr does."""
    made = CodebookCodec.from_dict(json.loads(content))
    assert CodebookCodec.from_dict(made.to_dict()) == made


def codecs():
    own = {"codes": "codes", "palettes": "../../palettes/p", "palette": "palette", "alpha": "a"}
    patches = {"codes": "codes", "codebook": "../../codebooks/b", "patch": [2, 2]}
    both = ({"name": "streamkm.codebook", "configuration": each} for each in (own, patches))
    return [json.dumps(each).encode() for each in both]


class InFiles:
    """Writes the bytes to a file of a name, and reads it.

    Parameters
    ----------
    name : name of the file in a folder
    read : function of the path
    """

    def __init__(self, name, read):
        self._name, self._read = name, read

    def __call__(self, content):
        path = _folder() / self._name
        path.write_bytes(content)
        self._read(path)


@cache
def _folder():
    """Return a folder in memory, which is removed when the process ends."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    made = tempfile.mkdtemp(dir=memory)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def _opened(path):
    rows = open_rows(path)
    if rows.layout.n_rows * rows.layout.n_features <= PIXELS:
        for number in range(rows.n_blocks):
            rows.block(number)


def zips():
    import zarr

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.zip")
        with zarr.storage.ZipStore(path, mode="w") as store:
            zarr.create_array(store, data=X, chunks=(2, 3))
        return [path.read_bytes()]


def netcdfs():
    from scipy.io import netcdf_file

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.nc")
        with netcdf_file(path, "w") as file:
            file.createDimension("a", None)
            file.createDimension("b", 3)
            file.createVariable("x", "f4", ("a", "b"))[:] = X
        return [path.read_bytes()]


def tars():
    import tarfile

    found = []
    for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=kind) as tar:
            member = tarfile.TarInfo("é" * 60 + "/a.png")
            member.size = 9
            tar.addfile(member, io.BytesIO(bytes(9)))
        found.append(stream.getvalue())
    return found


def _members(path):
    import fsspec

    fs = fsspec.filesystem("file")
    list(packed.tar_members_of(File.from_info(fs, str(path), fs.info(str(path))), "x", None))


class Metadata:
    """Puts the bytes in the place of metadata of stores, one of which the first byte chooses."""

    _readers: ClassVar = {
        "m": lambda path: streamkm.load(path).predict(X),
        "s": lambda path: streamkm.open_sweep(path),
        "a": flips._read_archive,
        "x": _opened,
    }

    @cached_property
    def _top(self):
        return _folder()

    def made(self):
        """Make the stores; return their metadata."""
        import zarr
        from PIL import Image

        zarr.create_array(self._top / "x", data=X, chunks=(2, 3))
        (self._top / "i").mkdir()
        Image.fromarray(np.arange(48, dtype="u1").reshape(4, 4, 3)).save(self._top / "i/a.png")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            streamkm.KMeans(2, random_state=0).fit(X).save(self._top / "m")
            for words in ("sweep {}/x -k 1:2 -o {}/s", "compress {}/i -k 2 -o {}/a"):
                main(words.format(self._top, self._top).split(), standalone_mode=False)
        return [
            bytes([number]) + (self._top / name / "zarr.json").read_bytes()
            for number, name in enumerate(self._readers)
        ]

    def __call__(self, content):
        if not content:
            return
        name = list(self._readers)[content[0] % len(self._readers)]
        path = self._top / name / "zarr.json"
        before = path.read_bytes()
        path.write_bytes(content[1:])
        try:
            self._readers[name](self._top / name)
        finally:
            path.write_bytes(before)


_METADATA = Metadata()
_OURS = (StreamkmError,)
TARGETS = {
    "images": Target(image, _OURS, images),
    "npy": Target(npy, _OURS, npys),
    "pipes": Target(pipe, _OURS, pipes),
    "sizes": Target(size, (), sizes),
    "lines": Target(line, (click.ClickException, click.exceptions.Exit), lines),
    "codec": Target(codec, (*_OURS, json.JSONDecodeError, UnicodeDecodeError), codecs),
    "zips": Target(InFiles("x.zip", _opened), _OURS, zips),
    "netcdf3": Target(InFiles("x.nc", _opened), _OURS, netcdfs),
    "tars": Target(InFiles("x.tar", _members), _OURS, tars),
    "metadata": Target(_METADATA, _OURS, _METADATA.made),
}
