"""The output of ``streamkm info`` for an archive."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.table import Column, Table
from rich.text import Text

from streamkm.cli.ui.facts import show_table
from streamkm.cli.ui.say import say, strict_json
from streamkm.decoding.notices import notice_lines
from streamkm.files.names import shown
from streamkm.images.archive.archive import Archive
from streamkm.images.archive.summary import ImageSummary, summary
from streamkm.reporting.archives import facts_of as texts_of
from streamkm.showing.console import PlainConsole

_SHOWN = 20  # number of the worst images that are listed


def show_archive(path: str, all_of_it: bool, as_json: bool) -> None:
    """Print sizes and quality of the archive, and of its worst images or of all images."""
    if as_json:
        say(strict_json(facts_of(path, all_of_it)))
        return
    archive = Archive(path)
    total = summary(archive)
    show_table(texts_of(archive, total))
    console = PlainConsole()
    for line in notice_lines(archive.notices):
        console.print(line, soft_wrap=True)
    ranked = sorted(total.images, key=lambda image: (image.psnr, image.name))
    listed = list(total.images) if all_of_it else ranked[:_SHOWN]
    console.print(_table(listed))
    if len(listed) < total.n_images:
        console.print(
            f"the worst {len(listed)} of {total.n_images:,} images; --all lists all of them"
        )
    if all_of_it:
        for name, reason in archive.skipped:
            console.print(f"skipped {shown(name)}: {reason}", soft_wrap=True)


def facts_of(path: str, all_of_it: bool) -> dict[str, Any]:
    """The sizes and the quality of an archive, and of each image on request, for JSON."""
    archive = Archive(path)
    total = asdict(summary(archive))
    images = total.pop("images")
    more = {"images": list(images), "skipped": list(archive.skipped)} if all_of_it else {}
    known = {"parameters": archive.parameters, "versions": archive.versions}
    return {"n_images": len(images), **total, **known, **more}


def _table(images: list[ImageSummary]) -> Table:
    numbers = (Column(title, justify="right") for title in ("size", "PSNR dB", "SSIM"))
    table = Table("image", *numbers, box=None)
    for image in images:
        size = f"{image.width}x{image.height}"
        table.add_row(Text(shown(image.name)), size, f"{image.psnr:.2f}", f"{image.ssim:.4f}")
    return table
