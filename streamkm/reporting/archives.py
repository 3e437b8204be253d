"""The report of an image archive: its size and quality, and a gallery."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from streamkm.arrays import AnyArray
from streamkm.files.find import need
from streamkm.images.archive.archive import Archive
from streamkm.images.archive.html import in_stacks
from streamkm.images.archive.summary import ImageSummary, Summary, summary
from streamkm.images.colour.spaces import in_8_bits
from streamkm.images.export.sheet import evenly, swatches, thumbnail
from streamkm.models.facts import versions_text
from streamkm.reporting.commands import command_line
from streamkm.reporting.html import Html, join, table, tag, void_tag
from streamkm.reporting.html import facts as listed
from streamkm.reporting.page import Section, command
from streamkm.sizes import show_bytes

_IMAGES = 60  # images of the gallery
_ROWS = 200  # images of the table
_PALETTES = 4


def facts_of(archive: Archive, total: Summary) -> dict[str, str]:
    """The size and the quality of an archive."""
    stacks = {image.stack for image in total.images}
    return {
        "images": f"{in_stacks(total.n_images, len(stacks))}, {total.n_pixels / 1e6:,.1f} Mpixel",
        "stored": f"{show_bytes(total.nbytes)}, {show_bytes(total.codes_nbytes)} of it codes",
        "bits per pixel": f"{total.bits_per_pixel:.3f}",
        "ratio": f"{total.ratio:.1f} to decoded pixels ({show_bytes(total.decoded_nbytes)}), "
        f"{total.source_nbytes / total.nbytes:.2f} to the sources "
        f"({show_bytes(total.source_nbytes)})",
        "PSNR": f"{total.psnr:.2f} dB",
        "SSIM": f"{total.ssim:.4f}, mean of the images",
        "skipped": f"{len(archive.skipped):,}",
        "parameters": ", ".join(f"{n}={v}" for n, v in archive.parameters.items() if v is not None),
        "versions": versions_text(archive.versions),
    }


def sections(archive: Archive, path: str) -> Iterator[Section]:
    """Yield the sections of the report of an archive."""
    total = summary(archive)
    again = command_line("compress", "SOURCES", path, _asked(archive.parameters))
    run = [listed(facts_of(archive, total)), tag("p", "The run is repeated by:"), command(again)]
    yield Section("run", "The archive", join(run))
    palettes = list(archive.palettes().items())
    if palettes:
        yield Section("palettes", "Palettes", join(map(_palette, palettes[:_PALETTES])))
    names = evenly(sorted(archive), _IMAGES)
    known = {image.name: image for image in total.images}
    yield Section("images", "Images", _gallery(archive, names, known))
    yield Section("quality", "Quality", _quality(total))


def _asked(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the command; the archive stores only a digest of a given palette."""
    if "palette" not in parameters:
        return dict(parameters)
    return {n: v for n, v in parameters.items() if n != "n_colors"} | {"palette": "PALETTE"}


def _palette(named: tuple[str, Any]) -> Html:
    kind, palette = named
    n = len(palette.colours)
    caption = f"{n} colours of {kind} images"
    image = _image(swatches(in_8_bits(palette.colours)), caption, "palette")
    return tag("figure", image, tag("figcaption", caption))


def _gallery(archive: Archive, names: Sequence[str], known: dict[str, ImageSummary]) -> Html:
    items = (
        tag("li", tag("figure", _image(thumbnail(archive, name), name), _caption(known[name])))
        for name in names
    )
    n = len(archive)
    note = f"{n:,} images as they are decoded, made smaller."
    if len(names) < n:
        note = f"{len(names):,} of {n:,} images at equal distances in the order of their names."
    return join([tag("p", note, class_="quiet"), tag("ul", *items, class_="gallery")])


def _caption(image: ImageSummary) -> Html:
    return tag("figcaption", f"{image.name} ({image.width} x {image.height}, {_psnr(image)})")


def _psnr(image: ImageSummary) -> str:
    return "lossless" if math.isinf(image.psnr) else f"{image.psnr:.1f} dB"


def _quality(total: Summary) -> Html:
    ranked = sorted(total.images, key=lambda image: (image.psnr, image.name))[:_ROWS]
    rows = [
        [image.name, f"{image.width} x {image.height}", f"{image.psnr:.2f}", f"{image.ssim:.4f}"]
        for image in ranked
    ]
    caption = "Images, the worst first"
    if len(ranked) < total.n_images:
        caption = f"The {len(ranked)} worst of {total.n_images:,} images"
    return table(caption, ["image", "size", "PSNR in dB", "SSIM"], rows)


def _image(pixels: AnyArray, alternative: str, kind: str | None = None) -> Html:
    """Return pixels (y, x, 3), uint8, as a PNG within the page."""
    written = io.BytesIO()
    need("PIL.Image", "images").fromarray(pixels).save(written, "PNG")
    data = base64.b64encode(written.getvalue()).decode()
    height, width = pixels.shape[:2]
    return void_tag(
        "img",
        class_=kind,
        src=f"data:image/png;base64,{data}",
        alt=alternative,
        width=width,
        height=height,
    )
