"""Fits of files in place, and of the same files that are converted to Zarr first.

Options: --megabytes N (1,000 by default), -k K, --iterations N, --limit SIZE, --kind KIND (may be
repeated).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

D = 16
KINDS = ("npy", "parquet", "netcdf", "cog")
_ROWS = 2**17  # written together; a row group
WIDTH = 2048  # pixels of the raster
FEATURES = {"netcdf": ["--feature-dim", "f"], "cog": ["--feature-dim", "band"]}
TO_ZARR = (
    "import sys, xarray as xr; "
    "xr.open_dataset(sys.argv[1], engine='h5netcdf', chunks={}).drop_encoding()"
    ".to_zarr(sys.argv[2], zarr_format=3, consolidated=False)"
)


def parts(n: int):
    """Yield rows of twenty overlapping clusters, rounded so that they compress a little."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(20, D)).astype("f4") * 2
    for start in range(0, n, _ROWS):
        size = min(_ROWS, n - start)
        noise = rng.standard_normal((size, D), np.float32)
        yield start, np.round(centres[rng.integers(20, size=size)] + noise, 2)


def make(kind: str, path: Path, n: int) -> None:
    write = {"npy": _npy, "parquet": _parquet, "netcdf": _netcdf, "cog": _cog}
    write[kind](path, n)


def _npy(path: Path, n: int) -> None:
    rows = np.lib.format.open_memmap(path, "w+", "f4", (n, D))
    for start, x in parts(n):
        rows[start : start + len(x)] = x


def _parquet(path: Path, n: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("v", pa.list_(pa.float32(), D))])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for _, x in parts(n):
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), D)
            writer.write_table(pa.table([vectors], schema), len(x))


def _netcdf(path: Path, n: int) -> None:
    import h5netcdf

    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"row": n, "f": D}
        options = {"chunks": (2**15, D), "compression": "gzip", "compression_opts": 4}
        rows = file.create_variable("x", ("row", "f"), "f4", shuffle=True, **options)
        for start, x in parts(n):
            rows[start : start + len(x)] = x


def _cog(path: Path, n: int) -> None:
    import rasterio
    from rasterio.shutil import copy

    tiles, height = path.with_suffix(".tiles.tif"), n // WIDTH
    place = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
    options = {"width": WIDTH, "height": height, "count": D, "dtype": "float32", "crs": 32633}
    with rasterio.open(
        tiles, "w", driver="GTiff", transform=place, bigtiff="if_safer", **options
    ) as file:
        for start, x in parts(n):
            y = start // WIDTH
            bands = np.moveaxis(x.reshape(-1, WIDTH, D), -1, 0)
            file.write(bands, window=((y, y + bands.shape[1]), (0, WIDTH)))
    copy(tiles, path, driver="COG", compress="deflate", bigtiff="if_safer", overviews="none")
    tiles.unlink()


def measured(*command: str) -> tuple[float, float, float, str]:
    """Run Python; return seconds, seconds of CPU, peak memory in MiB, and its output."""
    with tempfile.TemporaryFile("w+") as said:
        began = time.perf_counter()
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 1)
            os.execv(sys.executable, [sys.executable, *command])
        _, status, usage = os.wait4(child, 0)
        seconds = time.perf_counter() - began
        if status:
            sys.exit(f"failed: {' '.join(command)}")
        said.seek(0)
        cpu = usage.ru_utime + usage.ru_stime
        return seconds, cpu, usage.ru_maxrss / 1024, said.read()


def size_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("-k", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--limit", default="640MiB")
    parser.add_argument("--kind", action="append", choices=KINDS)
    asked = parser.parse_args()
    n = asked.megabytes * 10**6 // (4 * D) // _ROWS * _ROWS
    print(f"{n:,} float32 rows of {D} features, {n * D * 4 / 1e6:.0f} MB; limit {asked.limit}")
    print(
        "| file | MB | way | convert s | CPU s | fit s | CPU s | peak MiB | read MB | written MB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    folder = Path(tempfile.mkdtemp(prefix="streamkm-in-place-"))
    try:
        for kind in asked.kind or KINDS:
            compare(kind, folder, n, asked)
    finally:
        shutil.rmtree(folder)


def compare(kind: str, folder: Path, n: int, asked: argparse.Namespace) -> None:
    suffix = {"netcdf": "nc", "cog": "tif"}.get(kind, kind)
    path, store = folder / f"x.{suffix}", folder / "x.zarr"
    # In a process of its own, because the peak of a child includes that of its parent at the fork.
    maker = multiprocessing.Process(target=make, args=(kind, path, n))
    maker.start()
    maker.join()
    found = []
    for way in ("in place", "converted"):
        seconds = converting = peak = 0.0
        written = 0
        if way == "converted":
            convert = ("-c", TO_ZARR, str(path), str(store))
            if kind != "netcdf":
                convert = ("-m", "streamkm", "ingest", str(path), "-o", str(store))
            seconds, converting, peak, _ = measured(*convert)
            written = size_of(store)
        fit = ["-m", "streamkm", "fit", str(path if way == "in place" else store)]
        fit += ["-k", str(asked.k), *FEATURES.get(kind, []), "--memory-limit", asked.limit]
        fit += ["--max-iter", str(asked.iterations), "--tol", "0", "--json"]
        fit += ["-o", str(folder / "m.zarr"), "--labels", str(folder / "l.npy"), "--overwrite"]
        took, fitting, high, said = measured(*fit)
        result = json.loads(said)
        found.append(result["inertia"])
        print(
            f"| {kind} | {size_of(path) / 1e6:.0f} | {way} | {seconds:.0f} | {converting:.0f} "
            f"| {took:.0f} | {fitting:.0f} | {max(peak, high):.0f} "
            f"| {result['bytes_read'] / 1e6:.0f} | {written / 1e6:.0f} |",
            flush=True,
        )
    if abs(found[0] / found[1] - 1) > 1e-3:
        sys.exit(f"the losses differ: {found}")
    path.unlink()
    shutil.rmtree(store)


if __name__ == "__main__":
    main()
