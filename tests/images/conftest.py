"""Small images of every kind, and functions that find and decode them."""

from __future__ import annotations

import io
import struct
import tarfile
import warnings
import zlib

import numpy as np
import rasterio
from PIL import Image

from streamkm.decoding.decode import decode, headers
from streamkm.images.sources import find_items


def noise(*shape, dtype="u1", seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape).astype(dtype)


def encoded(values, kind="PNG", mode=None, **options):
    out = io.BytesIO()
    image = values if isinstance(values, Image.Image) else Image.fromarray(values)
    (image.convert(mode) if mode else image).save(out, kind, **options)
    return out.getvalue()


PNG = encoded(noise(4, 5, 3))


def png(width, height, depth, kind, pixels=b"", *more):
    """A PNG with the given header."""

    def chunk(name, content):
        crc = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)

    start = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", start),
            *(chunk(*other) for other in more),
            chunk(b"IDAT", zlib.compress(pixels)),
            chunk(b"IEND", b""),
        ]
    )


def deep_png(values, key=None):
    """A PNG of 16 bits, which Pillow cannot write in colour."""
    height, width, samples = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    more = [] if key is None else [(b"tRNS", np.asarray(key, ">u2").tobytes())]
    return png(width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[samples], rows, *more)


def write_tar(path, members, mode="w"):
    """Members: name to bytes, or to a TarInfo without content."""
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            member = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.name = name
            if isinstance(content, bytes):
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            else:
                tar.addfile(member)
    return path


def names(found):
    return [item.name for item in found.items]


def read(path, **options):
    """Header and pixels of the only image at a path."""
    (item,) = find_items([path]).items
    (header,) = headers(item)
    return header, decode(header, **options)


def put(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_raster(path, values, tags=None, **options):
    """Write a raster of values (bands, y, x), with the given compression."""
    count, height, width = values.shape
    how = {"count": count, "height": height, "width": width, "dtype": values.dtype} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", **how) as scene:
            scene.write(values)
            scene.update_tags(**tags or {})
    return path
