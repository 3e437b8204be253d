"""Flip single bits in stores of every kind, and classify what reading them gives.

    scripts/soak flips [--flips N] [--kinds NAME...]

By default 300 bits of the chunks and 300 of the metadata of each kind are flipped. `right` means
the same values, `error` an error of streamkm (of Zarr for labels, which Zarr reads), `traceback`
any other exception, and `wrong` other values.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import tempfile
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main as command
from streamkm.errors import StreamkmError
from streamkm.images import Archive

OUTCOMES = ("right", "error", "traceback", "wrong")


def run(*arguments):
    result = CliRunner().invoke(command, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output


def rows():
    return np.random.default_rng(0).normal(size=(120, 3)).round(2) + np.arange(3)


def _saved(estimator):
    return lambda path, home: estimator().fit(rows()).save(path)


def _labels(path, home):
    data = zarr.create_array(home / "rows.zarr", data=rows(), chunks=(40, 3))
    streamkm.KMeans(4, random_state=0).fit(data).write_labels(data, path)


def _sweep(path, home):
    zarr.create_array(home / "swept.zarr", data=rows(), chunks=(40, 3))
    options = ["-k", "1:3", "--scale", "standard", "--seed", 0]
    run("sweep", home / "swept.zarr", *options, "-o", path)


def _archive(*options):
    def make(path, home):
        from PIL import Image

        (home / "images").mkdir(exist_ok=True)
        draw = np.random.default_rng(0)
        for name in ("a", "b"):
            pixels = np.repeat(draw.integers(0, 255, (12, 12, 4)), 2, axis=1).astype("u1")
            Image.fromarray(pixels).save(home / "images" / f"{name}.png")
        run("compress", home / "images", "-k", 8, *options, "-o", path)

    return make


def _partition(path, home):
    streamkm.partition(rows()[:4], rows(), path)


def _read_model(path):
    model = streamkm.load_model(path)
    return {**vars(model), "loaded": streamkm.load(path).predict(rows())}


def _read_sweep(path):
    sweep = streamkm.open_sweep(path)
    own = {name: sweep[name].values for name in sweep.variables if "centroids" not in name}
    centroids = [streamkm.centroids_of(path, k) for k in (1, 2, 3)]
    return own, sweep.attrs, centroids, streamkm.load(path, 3).predict(rows())


def _read_archive(path):
    archive = Archive(path)
    images = {name: (image.values, image.attrs) for name, image in archive.items()}
    codes = {name: archive.codes(name) for name in archive}
    facts = archive.skipped, archive.parameters, archive.versions, archive.notices
    quality = [np.asarray(s["psnr"][...]) for s in archive.stacks.values()]
    palettes = {name: palette.colours for name, palette in archive.palettes().items()}
    return images, codes, facts, quality, palettes


def _read_partition(path):
    found = streamkm.open_partition(path)
    return found.offsets, found.row_shape, [(np.asarray(r), np.asarray(n)) for _, r, n in found]


def _read_labels(path):
    labels = zarr.open_array(path, mode="r")
    return labels[...], dict(labels.attrs)


KINDS = {
    "model": (
        _saved(lambda: streamkm.KMeans(4, random_state=0, scale="standard")),
        _read_model,
    ),
    "tree": (_saved(lambda: streamkm.BisectingKMeans(4, random_state=0)), _read_model),
    "stream": (_saved(lambda: streamkm.StreamingKMeans(4, random_state=0)), _read_model),
    "mini-batches": (_saved(lambda: streamkm.MiniBatchKMeans(4, random_state=0)), _read_model),
    "hierarchy": (
        _saved(lambda: streamkm.HierarchicalKMeans([6, 2], random_state=0)),
        _read_model,
    ),
    "quantizer": (
        _saved(lambda: streamkm.ProductQuantizer(3, n_codewords=4, random_state=0)),
        lambda path: vars(streamkm.load(path)._known),
    ),
    "sweep": (_sweep, _read_sweep),
    "archive": (_archive(), _read_archive),
    "palettes": (_archive("--per", "image"), _read_archive),
    "patches": (_archive("--patch", "2x2"), _read_archive),
    "partition": (_partition, _read_partition),
    "labels": (_labels, _read_labels),
}


def bits(value):
    """A comparable form of values, in which every bit counts."""
    if dataclasses.is_dataclass(value):
        value = vars(value)
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "OTU":
            return value.shape, value.tolist()
        fields = value.dtype.names or ()
        return value.dtype.str, value.shape, value.tobytes(), *(bits(value[f]) for f in fields)
    if isinstance(value, Mapping):
        return {str(name): bits(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [bits(item) for item in value]
    return repr(value)


def outcome(kind, path, intact):
    """Read a store, and return the outcome and the error, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ("right" if bits(KINDS[kind][1](path)) == intact else "wrong"), None
        except StreamkmError as error:
            return "error", error
        except Exception as error:
            return ("error" if kind == "labels" else "traceback"), error


def flipped(kind, path, flips, metadata, seed=0):
    """Flip bits of a store one at a time; yield file, bit, outcome and error of each."""
    intact = bits(KINDS[kind][1](path))
    draw = random.Random(f"{kind} {metadata} {seed}")
    found = [f for f in sorted(path.rglob("*")) if f.is_file()]
    files = [f for f in found if (f.name == "zarr.json") == metadata]
    sizes = [f.stat().st_size for f in files]
    for _ in range(flips):
        file = draw.choices(files, sizes)[0]
        content = file.read_bytes()
        bit = draw.randrange(8 * len(content))
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        try:
            yield file, bit, *outcome(kind, path, intact)
        finally:
            file.write_bytes(content)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=300)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS))
    asked = parser.parse_args()
    print(f"{'':24}", *(f"{name:>9}" for name in OUTCOMES))
    for kind in asked.kinds:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "store.zarr")
            KINDS[kind][0](path, Path(folder))
            for metadata in (False, True):
                counts, errors = Counter(), Counter()
                for file, _, what, error in flipped(kind, path, asked.flips, metadata):
                    counts[what] += 1
                    if what in ("traceback", "wrong"):
                        place = file.relative_to(path).as_posix()
                        errors[f"{what} {place}: {type(error).__name__} {error}"[:150]] += 1
                part = "metadata" if metadata else "chunks"
                print(f"{kind:14} {part:9}", *(f"{counts[n]:9}" for n in OUTCOMES), flush=True)
                for text, count in errors.most_common(12):
                    print("   ", count, json.dumps(text))


if __name__ == "__main__":
    main()
