"""Options of ``streamkm compress``."""

from __future__ import annotations

import re
from typing import Any

import click

from streamkm.cli.parse.described import described
from streamkm.cli.parse.options import choice_option, cluster_options, memory_option, search_options
from streamkm.cli.parse.types import Finite


class Patch(click.ParamType[tuple[int, int]]):
    """Height and width of a patch, such as 4x4."""

    name = "patch"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        sides = re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", str(value))
        if not sides:
            self.fail(f"{value!r}: give 1, or height x width as in 4x4", param, ctx)
        high, wide = sides.groups()
        return int(high), int(wide or high)


@described("compress", "streamkm compress photos -o photos.zarr -k 64 --sheet sheet.png")
@click.argument("sources", nargs=-1, required=True, metavar="SRC...")
@click.option("-o", "--output", required=True, metavar="ARCHIVE.zarr", help="The archive.")
@click.option(
    "-k",
    "--n-colors",
    type=click.IntRange(1, 65536),
    help="Maximum number of colours of a palette, or codewords of a stage (default 256).",
)
@click.option(
    "--palette",
    metavar="FILE",
    help="Use these colours: .npy, .gpl, .act, .pal, hex text, a model, or an archive.",
)
@click.option("--srgb", is_flag=True, help="Convert colours to sRGB by their ICC profile.")
@click.option("--frames", is_flag=True, help="Read every frame of an animation as an image.")
@choice_option(
    "--per",
    ["archive", "group", "image"],
    "Use one palette for all images, for each folder, or for each image.",
)
@click.option(
    "--patch",
    type=Patch(),
    default="1",
    show_default=True,
    metavar="1|4x4",
    help="Size of the patch that one code represents, as height x width; 1 means single pixels.",
)
@click.option(
    "--stages",
    type=click.IntRange(1),
    help="Number of codes for each patch; each stage encodes the residual of the previous ones.",
)
@click.option(
    "--quality",
    type=Finite(0, min_open=True),
    metavar="PSNR",
    help="PSNR in dB to reach with as few colours (up to -k), or stages of patches, as possible.",
)
@click.option(
    "--bits-per-pixel",
    type=Finite(0, min_open=True),
    metavar="B",
    help="Bits per pixel of the codes before compression; sets the number of colours or stages.",
)
@click.option("--dither", is_flag=True, help="Apply Floyd-Steinberg dithering.")
@search_options
@memory_option
@click.option(
    "--skip-bad", is_flag=True, help="Leave out damaged and hostile files, and list them."
)
@click.option(
    "--list-bad",
    metavar="FILE.txt",
    help="Write name and reason of all files that are left out or cannot be processed.",
)
@click.option("--png", metavar="DIR", help="Also write each image as a PNG.")
@click.option("--palettes", metavar="DIR", help="Also write the palettes as .gpl and .json.")
@click.option("--sheet", metavar="FILE.png", help="Also draw thumbnails and the palette.")
@click.option("--overwrite", is_flag=True, help="Replace existing outputs, also incomplete ones.")
@cluster_options
def command() -> None:
    """Compress images (files, folders, patterns, tars, zips, TIFFs, Zarr arrays, URLs).

    The archive is a Zarr group of palettes and codes: streamkm info ARCHIVE, streamkm decompress.
    The same command resumes a killed run.
    """
