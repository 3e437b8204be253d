"""Palettes of single photographs: error, CPU seconds and bytes, compared with other programs.

    scripts/bench palettes [--photographs FOLDER] [--rounds N]

Each program converts PNGs of 800 pixels to indexed PNGs. CPU seconds are the minimum over the
rounds of the sum over all threads and images; in each round, every program converts every image.
Functions of this process run once before, and the start-up of a process is listed separately. PSNR
(RGB, the mean over images) and bytes are those of the written files; bytes are also given after
`optipng -o2` of all files. Programs that are missing of pngquant, ImageMagick and optipng are left
out.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from data import photographs
from PIL import Image, features
from sklearn.cluster import KMeans

from streamkm.images.colour.search import fit_palette
from streamkm.passes import Colours

KS = (16, 64, 256)
SIDE, MOST = 800, 10
SAMPLE = 60_000
Maker = Callable[[Path, Path, int], None]


def cpu() -> float:
    """Return the CPU seconds of this process, its threads and its finished children."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in both)


def write(codes: np.ndarray, colours: np.ndarray, path: Path) -> None:
    image = Image.fromarray(codes.astype(np.uint8))
    image.putpalette(colours.tobytes())
    image.save(path, bits=next(b for b in (1, 2, 4, 8) if len(colours) <= 2**b))


def streamkm(source: Path, target: Path, k: int) -> None:
    pixels = np.asarray(Image.open(source))
    palette = fit_palette(Colours.from_pixels(pixels.reshape(-1, 3)), k)
    write(palette.codes(pixels), palette.colours, target)


def scikit_learn(source: Path, target: Path, k: int) -> None:
    pixels = np.asarray(Image.open(source))
    rows = pixels.reshape(-1, 3).astype(np.float32)
    drawn = np.random.default_rng(0).permutation(len(rows))[:SAMPLE]
    fitted = KMeans(k, n_init=1, random_state=0).fit(rows[drawn])
    colours = np.rint(fitted.cluster_centers_).clip(0, 255).astype(np.uint8)
    write(fitted.predict(rows).reshape(pixels.shape[:2]), colours, target)


def pillow(method: Image.Quantize) -> Maker:
    def make(source: Path, target: Path, k: int) -> None:
        image = Image.open(source).quantize(k, method, dither=Image.Dither.NONE)
        image.save(target, bits=max(1, (k - 1).bit_length()))

    return make


def pngquant(source: Path, target: Path, k: int) -> None:
    command = ["pngquant", "--nofs", "--force", "-o", target, str(k), source]
    subprocess.run(command, check=True)


def image_magick(source: Path, target: Path, k: int) -> None:
    command = ["convert", source, "+dither", "-colors", str(k), f"PNG8:{target}"]
    subprocess.run(command, check=True)


def makers() -> dict[str, Maker]:
    found: dict[str, Maker] = {"streamkm": streamkm, "scikit-learn, 60,000 pixels": scikit_learn}
    if shutil.which("pngquant"):
        found["pngquant --nofs"] = pngquant
    found["Pillow, median cut"] = pillow(Image.Quantize.MEDIANCUT)
    if features.check("libimagequant"):
        found["Pillow, libimagequant"] = pillow(Image.Quantize.LIBIMAGEQUANT)
    if shutil.which("convert"):
        found["ImageMagick +dither"] = image_magick
    return found


def psnr(source: Path, made: Path) -> float:
    a, b = (np.asarray(Image.open(path).convert("RGB"), np.float64) for path in (source, made))
    return float(10 * np.log10(255**2 / np.mean((a - b) ** 2)))


def small(paths: list[Path], folder: Path) -> list[Path]:
    """Write the first photographs as PNGs, with the longer side scaled to `side`."""
    made = [folder / f"{number:02d}.png" for number in range(len(paths[:MOST]))]
    for path, target in zip(paths, made, strict=False):
        image = Image.open(path).convert("RGB")
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        image.save(target)
    return made


def start() -> float:
    before = cpu()
    code = "import PIL.Image, streamkm.images.colour.search"
    subprocess.run([sys.executable, "-c", code], check=True)
    return cpu() - before


def measure(sources: list[Path], rounds: int, folder: Path) -> None:
    tools = makers()
    for k in KS:
        streamkm(sources[0], folder / "warm.png", k)
        seconds: dict[str, list[float]] = {name: [0.0] * rounds for name in tools}
        quality, sizes, best = defaultdict(list), defaultdict(int), defaultdict(int)
        for number in range(rounds):
            for source in sources:
                for name, make in tools.items():
                    made = folder / "made.png"
                    before = cpu()
                    make(source, made, k)
                    seconds[name][number] += cpu() - before
                    if number == 0:
                        quality[name].append(psnr(source, made))
                        sizes[name] += made.stat().st_size
                        if shutil.which("optipng"):
                            subprocess.run(["optipng", "-o2", "-quiet", made], check=True)
                        best[name] += made.stat().st_size
        print(f"\n| {k} colours | PSNR dB | CPU s | kB | kB after optipng |\n|---|---|---|---|---|")
        for name in tools:
            cells = (
                f"{np.mean(quality[name]):.2f}",
                f"{min(seconds[name]):.2f}",
                f"{sizes[name] / 1e3:,.0f}",
                f"{best[name] / 1e3:,.0f}",
            )
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--photographs", type=Path, help="folder of images (default: those of Debian)"
    )
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    given = asked.photographs
    with tempfile.TemporaryDirectory() as folder:
        sources = small(sorted(given.iterdir()) if given else photographs(), Path(folder))
        pixels = sum(np.prod(Image.open(path).size) for path in sources)
        print(f"{len(sources)} photographs, {pixels / 1e6:.1f} million pixels;")
        print(f"starting Python and importing streamkm takes {start():.2f} s of CPU.")
        measure(sources, asked.rounds, Path(folder))


if __name__ == "__main__":
    main()
