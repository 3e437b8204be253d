"""Make system calls of commands fail, also those of libraries that open files themselves.

    scripts/fuzz system [--commands NAME...] [--faults NAME...] [--each N] [--seed S] [--all]

strace injects the faults into the calls on one file: HDF5, Arrow, GDAL, libtiff and Rust make such
calls without Python. Otherwise this is `scripts/fuzz faults`, with the same outcomes. A fault is at
the call of a number in its thread, so that it may hit more than one thread; `missed` counts runs in
which it hit none.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamkm.cli import main as streamkm
from tests.fuzzing.faults import _MARK, RIGHT, Faulty, inject, options, prepared
from tests.fuzzing.layer import FILLS, READS, WRITES, Call
from tests.fuzzing.outputs import digest

_FIT = "-k 3 --init random --tol 0 --max-iter 2 -o m"
_MODEL, _LABELS = {"m": "model"}, {"l": "labels"}
_SOURCES = ("x.h5", "x.nc", "x3.nc", "x.parquet", "x.arrow", "x.tif", "x.lance", "x.npy")
_BANDS = {"x.tif": "--feature-dim band"}
# Commands, their outputs, and an expression that finds the paths of the files whose calls fail.
COMMANDS = {
    **{
        f"fit {name}": (f"fit {name} {_BANDS.get(name, '')} {_FIT}", _MODEL, name)
        for name in (*_SOURCES, "x.zarr")
    },
    **{
        f"predict {name}": (f"predict model {name} {_BANDS.get(name, '')} -o l", _LABELS, name)
        for name in _SOURCES
    },
    **{
        f"ingest {name}": (f"ingest {name} -o i.zarr", {"i.zarr": "rows"}, name)
        for name in ("x.parquet", "x.tif", "x.npy")
    },
    "predict to .nc": ("predict model x.h5 -o l.nc", {"l.nc": "netcdf"}, r"l\.nc$"),
    "predict to .parquet": (
        "predict model x.h5 -o l.parquet",
        {"l.parquet": "parquet"},
        r"l\.parquet$",
    ),
    "predict to .tif": (
        "predict model x.tif --feature-dim band -o l.tif",
        {"l.tif": "geotiff"},
        r"l\.tif$",
    ),
    "compress": ("compress images -k 4 -o a", {"a": "archive"}, r"case/images/"),
    "compress -p": ("compress images -k 4 --patch 2x2 -o a", {"a": "archive"}, r"case/images/"),
}
# System calls and their operations; the flags of an open call show whether it creates a file.
_OPERATIONS = {
    **dict.fromkeys(("openat", "open"), "open"),
    **dict.fromkeys(("read", "pread64", "readv", "preadv"), "read"),
    **dict.fromkeys(("stat", "fstat", "lstat", "newfstatat", "statx"), "stat"),
    "getdents64": "list",
    **dict.fromkeys(("flock", "fcntl"), "lock"),
    **dict.fromkeys(("write", "pwrite64", "writev", "pwritev", "ftruncate", "fallocate"), "write"),
    **dict.fromkeys(("fsync", "fdatasync"), "sync"),
    **dict.fromkeys(("rename", "renameat", "renameat2"), "rename"),
    **dict.fromkeys(("link", "linkat"), "link"),
    **dict.fromkeys(("mkdir", "mkdirat"), "mkdir"),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), "remove"),
    "mmap": "map",
    "close": "close",
}
_ALL = (*READS, *WRITES, "map", "lock", "close")
FAULTS = {
    "fails once": _ALL,
    "fails from then on": _ALL,
    "disk full": FILLS,
    "short": ("read",),
    "wrong byte": ("read",),
    "slow": _ALL,
}
# What strace injects; {n} is the number of the call. A short read returns 0, the end of the file.
_INJECTED = {
    "fails once": "error=EIO:when={n}",
    "fails from then on": "error=EIO:when={n}+",
    "disk full": "error=ENOSPC:when={n}+",
    "short": "retval=0:when={n}",
    "wrong byte": "poke_exit=@arg2=a5:when={n}",
    "slow": "delay_enter=300000:when={n}",
}
_MISSED = "--- missed"
_LINE = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<rest>.*)")
_PATH = re.compile(r'<([^<>]*)>|"([^"]*)"')


@dataclass(frozen=True)
class SystemCall(Call):
    """A system call on a file.

    Parameters
    ----------
    name : system call
    real : path of the file
    """

    name: str = ""
    real: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.path} #{self.number}"

    @property
    def kind(self) -> tuple[str, str, str]:
        return self.name, *super().kind[1:]


def make(folder):
    """Make the data that the command lines name, with checksums where the formats have them."""
    import h5netcdf
    import h5py
    import pyarrow as pa
    import pyarrow.parquet as pq
    import rasterio
    import scipy.io
    import zarr
    from PIL import Image
    from zarr.codecs import ZstdCodec

    draw = np.random.default_rng(0)
    x = draw.normal(size=(2048, 3)).astype("f4")
    zarr.create_array(
        folder / "x.zarr", data=x, chunks=(512, 3), compressors=ZstdCodec(checksum=True)
    )
    sealed = {"chunks": (512, 3), "fletcher32": True}
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("x", data=x, **sealed)
    with h5netcdf.File(folder / "x.nc", "w") as file:
        file.dimensions = {"time": 2048, "feature": 3}
        file.create_variable("x", ("time", "feature"), data=x, **sealed)
    with scipy.io.netcdf_file(folder / "x3.nc", "w") as file:
        file.createDimension("time", 2048)
        file.createDimension("feature", 3)
        file.createVariable("x", "f4", ("time", "feature"))[:] = x
    table = pa.table(dict(zip("abc", x.T, strict=True)))
    pq.write_table(table, folder / "x.parquet", row_group_size=512, write_page_checksum=True)
    with pa.ipc.new_file(folder / "x.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=512)
    np.save(folder / "x.npy", x)
    shape = {"height": 32, "width": 32, "count": 3, "dtype": "float32"}
    tiles = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
    with rasterio.open(folder / "x.tif", "w", driver="GTiff", **shape, **tiles, **place) as file:
        file.write(draw.normal(size=(3, 32, 32)).astype("f4"))
    import lance

    lance.write_dataset(table, folder / "x.lance")
    (folder / "images").mkdir()
    for name, how in (("a.png", {}), ("b.jpg", {}), ("c.tif", {"compression": "tiff_lzw"})):
        pixels = draw.integers(0, 255, (9, 8, 3)).astype("u1")
        Image.fromarray(pixels).save(folder / "images" / name, **how)
    streamkm(["fit", "x.zarr", "-k", "3", "--seed", "0", "-o", "model"], standalone_mode=False)
    return 0


def traced(words, fault, at, log, outputs):
    """Run a command in this process under strace, then print a digest of its outputs."""
    shutil._use_fd_functions = False  # removal by paths, which strace can compare
    _repeatable_names("again" if at is None and log is None else "first")
    written = Path.cwd().with_name("strace")
    written.unlink(missing_ok=True)
    tracer = attached(written if log is None else log, at, fault) if fault or log else None
    try:
        streamkm(words, prog_name="streamkm")
        code = 0
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else 1
    if tracer is not None:
        tracer.send_signal(signal.SIGINT)  # detaches, so that no more calls fail
        tracer.wait()
    if fault and fault != "slow" and "INJECTED" not in written.read_text():
        print(_MISSED)
    print(_MARK)
    digest(outputs)
    return code


def _repeatable_names(salt):
    """Make random names the same in each run, as strace compares whole paths."""
    draw = np.random.default_rng(list(salt.encode()))
    uuid.uuid4 = lambda: uuid.UUID(bytes=draw.bytes(16))


def attached(log, at=None, fault=""):
    """Start a strace of this process and its threads; wait until it is attached."""
    chosen = ["-e", f"trace={','.join(f'?{name}' for name in _OPERATIONS)}"]
    if at is not None:
        chosen = ["-P", at.real, "-P", os.path.relpath(at.real), "-e", f"trace={at.name}"]
        chosen += ["-e", f"inject={at.name}:{_INJECTED[fault].format(n=at.number)}"]
    allow, any_process = 0x59616D61, ctypes.c_ulong(-1)  # PR_SET_PTRACER, PR_SET_PTRACER_ANY
    ctypes.CDLL(None).prctl(allow, any_process, 0, 0, 0)
    tracer = subprocess.Popen(
        ["strace", "-f", "-y", "-qq", "-s", "0", *chosen, "-o", str(log), "-p", str(os.getpid())]
    )
    while "TracerPid:\t0\n" in Path("/proc/self/status").read_text():
        assert tracer.poll() is None, "strace cannot attach to a process"
        time.sleep(0.002)
    return tracer


def calls_in(log, folder, part):
    """Return the calls on files in a folder whose paths match, from what strace wrote."""
    counts: Counter[tuple[str, str, str]] = Counter()
    found = {}
    for line in log.read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None or match["name"] not in _OPERATIONS:
            continue
        for path in _paths(match["rest"], folder):
            if not re.search(part, path):
                continue
            key = match["pid"], match["name"], path
            counts[key] += 1
            call = _call(match, path, counts[key], folder)
            found[call] = None
    return list(found)


def _paths(rest, folder):
    """Return the absolute paths in a line, below a folder."""
    names = [opened or named for opened, named in _PATH.findall(rest.partition(") = ")[0])]
    paths = {os.path.normpath(os.path.join(folder, name)) for name in names if name}
    return sorted(path for path in paths if path.startswith(f"{folder}/"))


def _call(match, path, number, folder):
    what = _OPERATIONS[match["name"]]
    if what == "open" and "O_CREAT" in match["rest"]:
        what = "create"
    short = re.sub(r"(?<=[.-])[0-9a-f]{8}(?![0-9a-f])", "#", path[len(str(folder)) + 1 :])
    return SystemCall(what, short, number, match["name"], path)


class Traced(Faulty):
    """A command of which one system call fails."""

    run = staticmethod(traced)

    def __init__(self, home, start, name, command):
        *command, self.part = command
        super().__init__(home, start, name, command)

    def _calls(self, log):
        folder = (self.home / "case").resolve()
        return calls_in(log, folder, self.part)

    def _bare(self, fault, at):
        if fault == "short":  # HDF5 takes the end of a file for zeros
            return at.path.endswith((".h5", "x.nc"))
        return fault == "wrong byte" and self.part.startswith(("x.", "x3.", "case/images/"))

    def tried(self, fault, at):
        verdict, said = super().tried(fault, at)
        return ("missed" if _MISSED in said and verdict in RIGHT else verdict), said


def main():
    asked = options(COMMANDS, FAULTS, __doc__)
    everything: Counter[str] = Counter()
    with prepared(make, COMMANDS) as (home, start):
        for name in asked.commands:
            everything += inject(Traced(home, start, name, COMMANDS[name]), asked, FAULTS)
    print(dict(everything))
    raise SystemExit(any(name not in (*RIGHT, "missed") for name in everything))


if __name__ == "__main__":
    main()
