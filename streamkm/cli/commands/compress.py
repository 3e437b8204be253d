"""``streamkm compress``."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.cli.common import peak_memory
from streamkm.cli.files import report_file
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.ui.say import say, say_aside
from streamkm.decoding.notices import notice_lines
from streamkm.errors import DamagedImagesError, DataError, RunAgain
from streamkm.files.names import shown
from streamkm.images import Archive, compress, decompress
from streamkm.images.archive.summary import summary
from streamkm.images.export.sheet import contact_sheet
from streamkm.in_memory.monitor import monitored
from streamkm.outputs import ARCHIVE, File, Folder, Store, check_outputs, local, whole_file
from streamkm.progress import PhaseCallback
from streamkm.safe_text import safe
from streamkm.showing.bar import ProgressBar
from streamkm.sizes import show_bytes

_NAMED = 20  # maximum number of lines on files that were left out
_ALIKE = 3  # maximum number of names for one reason


def run(
    sources: tuple[str, ...],
    output: str,
    *,
    png: str | None,
    palettes: str | None,
    sheet: str | None,
    list_bad: str | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Write the archive and the other requested outputs, and print a summary."""
    outputs = [
        Store(output, ARCHIVE, overwrite),
        None if png is None else Folder(png, (".png", ".tif"), overwrite),
        None if palettes is None else Folder(palettes, (".gpl", ".json"), overwrite),
        None if sheet is None else File(sheet, (".png",), overwrite),
        None
        if list_bad is None
        else File(list_bad, (".txt", ".tsv"), overwrite or _is_list(list_bad)),
        report_file(options["report"], overwrite),
    ]
    check_outputs(outputs, sources)
    held = png is not None and local(png).is_dir() and any(local(png).iterdir())
    if palettes is not None and (options["per"] == "image" or options["patch"] != (1, 1)):
        raise DataError(
            "--palettes applies to shared palettes only: leave out --per image and --patch."
        )
    began = time.monotonic()
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(options.pop(name) for name in CLUSTER)))
        bar = stack.enter_context(ProgressBar())
        stack.enter_context(monitored(bar.step))
        try:
            archive = compress(
                sources,
                output,
                overwrite=overwrite,
                watch=[bar.show],
                **options,
            )
        except KeyboardInterrupt:
            raise RunAgain("\nInterrupted; run the same command to resume.", 130) from None
        except DamagedImagesError as error:
            _list_bad(error.images, list_bad)
            raise DataError(f"{error}{_where(len(error.images), list_bad)}") from error
        count = 0
        if png is not None:
            limit, watch = options["memory_limit"], [bar.show]
            count = _write_files(archive, png, "--overwrite" if held else "--missing", limit, watch)
    _list_bad(archive.skipped, list_bad)
    _say_skipped(archive.skipped, list_bad or f"streamkm info --all {shlex.quote(output)}")
    for line in notice_lines(archive.notices):
        say_aside(line)
    if png is not None:
        say(f"{png}: {count:,} file{'s' * (count != 1)}")
    if palettes is not None:
        _write_palettes(archive, local(palettes))
    if sheet is not None:
        with whole_file(local(sheet)) as partial:
            contact_sheet(archive).save(partial)
    found = summary(archive)
    wanted = options["quality"]
    if wanted is not None and found.psnr < wanted:
        say_aside(
            f"the PSNR of {found.psnr:.2f} dB is below the requested {wanted:g} dB: allow more "
            "colours with -k (up to 65,536), or use patches with more --stages."
        )
    peak, seconds = peak_memory(), time.monotonic() - began
    say(
        f"{output}: {found.n_images:,} images, {found.n_pixels / 1e6:,.1f} Mpixel, "
        f"{show_bytes(found.nbytes)} ({found.bits_per_pixel:.2f} bits a pixel) "
        f"of {show_bytes(found.source_nbytes)}, "
        f"PSNR {found.psnr:.2f} dB, {seconds:.1f} s"
        + (f", peak memory {show_bytes(peak)}" if peak else "")
    )
    say(f"streamkm decompress {shlex.quote(output)} -o DIR")


def _write_files(
    archive: Archive,
    folder: str,
    how: str,
    memory_limit: int | None,
    watch: Sequence[PhaseCallback],
) -> int:
    """Write each image; if that fails, print the command with which `how` writes the rest."""
    which = "the other" if how == "--missing" else "all"
    fix = shlex.join(["streamkm", "decompress", archive.path, "-o", folder, how])
    fix = f"{archive.path} is complete. To write {which} files, run: {fix}"
    replaces = how == "--overwrite"  # existing files belong to an earlier archive
    try:
        found = decompress(
            archive, folder, overwrite=replaces, memory_limit=memory_limit, watch=watch
        )
    except KeyboardInterrupt:
        raise RunAgain(f"\nInterrupted; {fix}", 130) from None
    except Exception:
        say_aside(fix)
        raise
    return len(found)


def _write_palettes(archive: Archive, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, palette in archive.palettes().items():
        texts = {"json": palette.to_json()}
        if palette.dtype == np.uint8:  # GIMP palettes have 8 bits
            texts["gpl"] = palette.to_gpl(name)
        for suffix, text in texts.items():
            with whole_file(folder / f"{name}.{suffix}") as partial:
                partial.write_text(text)


def _list_bad(bad: Sequence[tuple[str, str]], path: str | None) -> None:
    """Write a line for each file: its name and, after a tab, the reason."""
    if path is None:
        return
    with whole_file(local(path)) as partial:
        partial.write_text("".join(f"{shown(name)}\t{safe(reason)}\n" for name, reason in bad))


def _is_list(path: str) -> bool:
    """Whether a file is such a list, of an earlier run that may be continued."""
    try:
        lines = local(path).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return False
    return all(line.count("\t") == 1 and line.endswith(".") for line in lines)


def _where(count: int, path: str | None) -> str:
    """Say where all bad files are listed, or how."""
    if path is not None:
        return f" All are listed in {path}."
    more = count > DamagedImagesError.LISTED
    return " The option --list-bad FILE.txt writes all names." if more else ""


def _say_skipped(skipped: list[tuple[str, str]], all_in: str) -> None:
    """Print a line for each file that was left out, or one line for many with the same reason."""
    together: dict[str, list[str]] = {}
    for name, reason in skipped:
        together.setdefault(reason, []).append(shown(name))
    lines = [
        f"left out {name}: {reason}" if name not in reason else f"left out: {reason}"
        for reason, names in together.items()
        if len(names) <= _ALIKE
        for name in names
    ]
    if len(lines) > _NAMED:
        lines = [*lines[:_NAMED], f"... and {len(lines) - _NAMED:,} more: {all_in}"]
    for reason, names in together.items():
        if len(names) > _ALIKE:
            lines.append(f"left out {len(names):,} ({names[0]}, ...): {reason}")
    for line in lines:
        say_aside(line)
