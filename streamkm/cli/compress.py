"""``streamkm compress``."""

from __future__ import annotations

import shlex
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from streamkm.cli.clusters import scheduled
from streamkm.cli.common import peak_memory
from streamkm.cli.files import check_file, check_folder
from streamkm.errors import RunAgain
from streamkm.images import Archive, Progress, compress, decompress
from streamkm.images.sheet import contact_sheet
from streamkm.images.summary import summary
from streamkm.sizes import show_bytes

_SILENCE = 5.0  # seconds without a line in a log
_NAMED = 20  # files that were passed over, at most
_WORDS = {"headers": "reading headers", "colours": "reading colours", "codes": "writing codes"}


def run(
    sources: tuple[str, ...],
    output: str,
    *,
    seed: int,
    png: str | None,
    palettes: str | None,
    sheet: str | None,
    overwrite: bool,
    scheduler: str | None,
    workers: int | None,
    dashboard: str | None,
    report: str | None,
    **options: Any,
) -> None:
    """Write the archive, and what else is asked for; say what came of it."""
    for folder in (png, palettes):
        check_folder(folder, overwrite)
    check_file(sheet, overwrite, (".png",))
    began = time.monotonic()
    with ExitStack() as stack:
        stack.enter_context(scheduled(scheduler, workers, dashboard, report))
        bar = stack.enter_context(Bar())
        try:
            archive = compress(
                sources,
                output,
                random_state=seed,
                overwrite=overwrite,
                watch=[bar.seen],
                **options,
            )
        except KeyboardInterrupt:
            raise RunAgain("\nInterrupted; run the same command to go on.", 130) from None
    seconds = time.monotonic() - began
    _say_skipped(archive)
    if png is not None:
        count = sum(1 for _ in decompress(archive, png, overwrite=overwrite))
        click.echo(f"{png}: {count:,} files")
    if palettes is not None:
        _write_palettes(archive, Path(palettes))
    if sheet is not None:
        contact_sheet(archive).save(sheet)
    told = summary(archive)
    peak = peak_memory()
    click.echo(
        f"{output}: {told.n_images:,} images, {told.n_pixels / 1e6:,.1f} Mpixel, "
        f"{show_bytes(told.nbytes)} ({told.bits_per_pixel:.2f} bits a pixel), "
        f"PSNR {told.psnr:.2f} dB, {seconds:.1f} s"
        + (f", peak memory {show_bytes(peak)}" if peak else "")
    )
    click.echo(f"streamkm decompress {shlex.quote(output)} -o DIR")


def _write_palettes(archive: Archive, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, palette in archive.palettes().items():
        if palette.dtype == np.uint8:  # as far as GIMP goes
            (folder / f"{name}.gpl").write_text(palette.to_gpl(name))
        (folder / f"{name}.json").write_text(palette.to_json())


def _say_skipped(archive: Archive) -> None:
    skipped = archive.skipped
    for name, reason in skipped[:_NAMED]:
        click.echo(f"skipped {name}: {reason}", err=True)
    if len(skipped) > _NAMED:
        click.echo(f"... and {len(skipped) - _NAMED:,} more: streamkm info", err=True)


class Bar:
    """Shows each read; in a log, a line now and then."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,} of {task.total:,}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._tasks: dict[str, Any] = {}
        self._spoke = time.monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def seen(self, now: Progress) -> None:
        """Move the bar of a read, or write a line."""
        words = _WORDS.get(now.phase, now.phase)
        if now.phase not in self._tasks:
            self._tasks[now.phase] = self._bars.add_task(words, total=now.total)
        self._bars.update(self._tasks[now.phase], completed=now.done)
        clock = time.monotonic()
        if self._console.is_terminal or clock - self._spoke < _SILENCE:
            return
        self._spoke = clock
        self._console.print(f"{words}: {now.done:,} of {now.total:,}", soft_wrap=True)
