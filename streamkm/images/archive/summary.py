"""Size and quality of an archive."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.errors import DataError
from streamkm.images.archive.archive import Archive
from streamkm.rows import damage


@dataclass(frozen=True)
class ImageSummary:
    """Size and quality of an image.

    Parameters
    ----------
    name, stack : str
    height, width : in pixels
    psnr : in dB, infinite if lossless
    ssim : structural similarity, NaN for images with a side of less than 7 pixels
    """

    name: str
    stack: str
    height: int
    width: int
    psnr: float
    ssim: float


@dataclass(frozen=True)
class Summary:
    """Size and quality of an archive.

    Parameters
    ----------
    images : tuple of ImageSummary
    n_pixels : number of pixels of all images
    nbytes : stored bytes of all arrays, including palettes and names, without Zarr's metadata
    codes_nbytes : stored bytes of the codes
    decoded_nbytes : bytes of the pixels
    source_nbytes : bytes of the source files
    psnr : in dB, of the mean squared error of all samples, weighted by opacity
    ssim : mean over the images
    """

    images: tuple[ImageSummary, ...]
    n_pixels: int
    nbytes: int
    codes_nbytes: int
    decoded_nbytes: int
    source_nbytes: int
    psnr: float
    ssim: float

    @property
    def n_images(self) -> int:
        return len(self.images)

    @property
    def bits_per_pixel(self) -> float:
        """Stored bits per pixel, including palettes and names."""
        return 8 * self.nbytes / self.n_pixels

    @property
    def ratio(self) -> float:
        """Decoded bytes per stored byte."""
        return self.decoded_nbytes / self.nbytes


def summary(archive: Archive) -> Summary:
    """Read size and quality from the archive's metadata, without decoding pixels.

    Raises
    ------
    DataError
        If a part of the archive is missing or damaged.
    """
    with damage(archive.path):
        return _summary(archive)


def _summary(archive: Archive) -> Summary:
    images = []
    decoded = codes = 0
    error = samples = 0.0
    for stack, group in archive.stacks.items():
        psnr, ssim = (np.asarray(group[name][...]) for name in ("psnr", "ssim"))
        names = np.asarray(group["name"][...])
        _, height, width, channels = group["pixels"].shape
        whole = np.flatnonzero(psnr >= 0)
        images += [
            ImageSummary(str(names[i]), stack, height, width, float(psnr[i]), float(ssim[i]))
            for i in whole
        ]
        one = height * width * channels * group["pixels"].dtype.itemsize
        decoded += one * len(whole)
        # Relative to the peak, so that kinds of 8 and of 16 bits can be combined.
        each = height * width * (channels - ("alpha" in group))
        # Mean opacity of the images, which archives of earlier versions lack.
        opacity = np.asarray(group["opacity"][...]) if "opacity" in group else np.ones(len(psnr))
        error += float(each * np.sum(opacity[whole] * 10 ** (-psnr[whole] / 10)))
        samples += each * float(np.sum(opacity[whole]))
        codes += group["codes"].nbytes_stored()
    if not images:
        raise DataError(f"{archive.path} contains no image.")
    known = [image.ssim for image in images if not math.isnan(image.ssim)]
    return Summary(
        tuple(images),
        sum(image.height * image.width for image in images),
        sum(array.nbytes_stored() for array in arrays_of(archive.group)),
        codes,
        decoded,
        archive.source_nbytes,
        math.inf if error == 0 else -10 * math.log10(error / samples),
        sum(known) / len(known) if known else math.nan,
    )


def arrays_of(group: Any) -> Iterator[Any]:
    """Yield all arrays of a group and of its subgroups."""
    for _, array in group.arrays():
        yield array
    for _, inner in group.groups():
        yield from arrays_of(inner)
