"""Archives of images: a large one under a memory limit, search times, and comparison with WebP.

    scripts/bench archives FOLDER [--photographs FOLDER] [--parts whole,search,table]

`whole` compresses all images of the folder by the command line, with one palette of 256 colours
under 512 MiB, and counts how often each is decoded. `search` counts the colours of the folder once
and times the searches on that table. `table` compares ten photographs of 800 pixels, encoded with
palettes and with patches, with WebP, AVIF and JPEG at the lowest quality of at least the same PSNR.

The measurements of docs/images.md use the images below usr/share of the Debian packages
plasma-workspace-wallpapers, lomiri-wallpapers-16.04 and mate-backgrounds, unpacked by dpkg-deb -x,
and the photographs of `scripts/bench palettes`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import zarr
from data import photographs
from palettes import psnr, small
from PIL import Image, features
from report import table

from streamkm.images import Archive, compress, decompress
from streamkm.images.archive.summary import arrays_of, summary
from streamkm.images.colour.palette_search import PaletteSearch
from streamkm.images.compression.palettes import count_colours
from streamkm.passes import Colours

LIMIT = "512MiB"
KS = (16, 64, 256)
PARTS = ("whole", "search", "table")
# For each format: how it is written, and its lowest and highest quality.
LOSSY: dict[str, tuple[str, dict[str, object], int]] = {
    "JPEG": ("JPEG", {"optimize": True, "progressive": True, "subsampling": "4:4:4"}, 95),
    "WebP": ("WEBP", {"method": 6}, 100),
    "AVIF": ("AVIF", {"speed": 6, "subsampling": "4:4:4"}, 100),
}
HEAD = ("", "bytes", "bits a pixel", "PSNR dB", "WebP", "AVIF", "JPEG")
Cells = list[object]


def whole(folder: Path, here: Path) -> None:
    out = here / "whole.zarr"
    command = ["compress", str(folder), "-o", str(out), "-k", "256", "--memory-limit", LIMIT]
    began = time.monotonic()
    run = [sys.executable, str(Path(__file__).with_name("decodes.py")), *command]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    print(done.stdout, f"{time.monotonic() - began:.1f} s with the start of Python", sep="")
    sums = summary(Archive(out))
    print(
        f"{sums.decoded_nbytes / 1e9:.2f} GB decoded, {sums.source_nbytes / 1e6:.1f} MB of files; "
        f"{sums.nbytes / 1e6:.2f} MB, {sums.bits_per_pixel:.3f} bits a pixel, "
        f"{sums.psnr:.2f} dB, SSIM {sums.ssim:.4f}"
    )


def search(folder: Path) -> None:
    """Return seconds of searches on one table, as shares of reading it and one search."""
    began = time.perf_counter()
    tables = count_colours([str(folder)], memory_limit=LIMIT)
    read = time.perf_counter() - began
    sizes = ", ".join(f"{kind}: {len(c.keys):,} cells" for kind, c in tables.items())
    print(f"one read of the pixels: {read:.2f} s; {sizes}")
    timed(tables, [PaletteSearch(256)])  # the overhead of the first search
    plain = timed(tables, [PaletteSearch(256)])
    rows = []
    for name, searches in (
        ("k=256", [PaletteSearch(256)]),
        ("k=16, 64, 256", [PaletteSearch(k) for k in KS]),
        *((f"k={k}, 10 starts", [PaletteSearch(k, n_init=10)]) for k in KS),
    ):
        seconds = timed(tables, searches)
        more = (seconds - plain) / (read + plain)
        rows.append((name, f"{seconds:.2f}", f"{more:+.1%}"))
    print("\n".join(table(("searched", "seconds", "increase over the read and one search"), rows)))


def timed(tables: dict[str, Colours], searches: Sequence[PaletteSearch]) -> float:
    began = time.perf_counter()
    for colours in tables.values():
        for one in searches:
            one(colours)
    return time.perf_counter() - began


def honest(sources: list[Path], here: Path) -> None:
    """Return bytes and PSNR of all encodings of streamkm, and of lossy files of the same PSNR."""
    pixels = sum(int(np.prod(Image.open(path).size)) for path in sources)
    rows: list[Cells] = []
    for k in KS:
        made = here / f"own-{k}"
        compress(sources, here / f"own-{k}.zarr", k, per="image")
        files = list(decompress(here / f"own-{k}.zarr", made))
        rows.append(["indexed PNGs, one palette each", k, size(files), quality(sources, files)])
    shared = "archive, one palette"
    rows += [archived(sources, here / f"shared-{k}.zarr", shared, k) for k in KS]
    for stages in (1, 2):
        name = f"archive, patches 4x4, {stages} stage" + "s" * (stages - 1)
        for k in (256, 4096):
            out = here / f"patches-{k}-{stages}.zarr"
            more = {"patch": (4, 4), "stages": stages}
            rows.append(archived(sources, out, name, k, **more))
    cells = [
        (
            f"{name}, k={k:,}",
            f"{nbytes / 1e3:,.0f} kB",
            f"{8 * nbytes / pixels:.2f}",
            f"{reached:.2f}",
            *(lossy(sources, kind, reached) for kind in ("WebP", "AVIF", "JPEG")),
        )
        for name, k, nbytes, reached in rows
    ]
    print("\n".join(table(HEAD, cells)))


def archived(sources: list[Path], out: Path, name: str, k: int, **more: object) -> Cells:
    archive = compress(sources, out, k, **more)  # type: ignore[arg-type]
    sums = summary(archive)
    group = zarr.open_group(str(out), mode="r")
    beside = (
        sum(a.nbytes_stored() for a in arrays_of(group["codebooks"])) if "stages" in more else 0
    )
    if beside:
        name += f" ({beside / 1e3:.0f} kB of it the codebook)"
    return [name, k, sums.nbytes, float(np.mean([image.psnr for image in sums.images]))]


def size(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def quality(sources: Sequence[Path], files: Sequence[Path]) -> float:
    by_name = {path.stem: path for path in files}
    return float(np.mean([psnr(path, by_name[path.stem]) for path in sources]))


def lossy(sources: list[Path], kind: str, wanted: float) -> str:
    """Return the bytes of all images at the lowest quality with the requested mean PSNR."""
    if kind in ("AVIF", "WebP") and not features.check(kind.lower()):
        return "-"
    low, high, found = 0, LOSSY[kind][2], ""
    while low <= high:
        middle = (low + high) // 2
        nbytes, reached = written(tuple(sources), kind, middle)
        if reached >= wanted:
            found, high = f"{nbytes / 1e3:,.0f}", middle - 1
        else:
            low = middle + 1
    return found or "never"


@cache
def written(sources: tuple[Path, ...], kind: str, setting: int) -> tuple[int, float]:
    """Return the bytes of all images at a quality, and their mean PSNR."""
    form, options, _ = LOSSY[kind]
    nbytes, ratios = 0, []
    for source in sources:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder, "made")
            image = Image.open(source).convert("RGB")
            image.save(made, form, quality=setting, **options)  # type: ignore[arg-type]
            nbytes += made.stat().st_size
            ratios.append(psnr(source, made))
    return nbytes, float(np.mean(ratios))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--photographs", type=Path, help="folder of PNGs (default: those of Debian)"
    )
    parser.add_argument("--parts", default=",".join(PARTS))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        for part in asked.parts.split(","):
            print(f"\n{part}\n")
            if part == "whole":
                whole(asked.folder, here)
            elif part == "search":
                search(asked.folder)
            elif asked.photographs:
                honest(sorted(asked.photographs.iterdir()), here)
            else:
                honest(small(photographs(), here), here)


if __name__ == "__main__":
    main()
