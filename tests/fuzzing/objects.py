"""Make requests to an object store fail, and judge how commands end.

    scripts/fuzz objects [--commands NAME...] [--faults NAME...] [--each N] [--seed S] [--all]

A small S3 server on the loopback address gives no answer, or a wrong one, to one of the requests of
a command, or to all that are like it from then on. Otherwise this is `scripts/fuzz faults`, with
the same outcomes. s3fs repeats requests, too.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter

import numpy as np

from streamkm.cli import main as streamkm
from tests.fuzzing.bucket import FAULTS, Bucket, credentials
from tests.fuzzing.faults import _MARK, RIGHT, Faulty, inject, options, prepared
from tests.fuzzing.outputs import digest

_X = "s3://bucket/x.zarr"
_FIT = "-k 3 --init random --tol 0 --checkpoint s3://bucket/ckpt --checkpoint-every 0 -o m"
_MODEL = {"m": "model"}
COMMANDS = {
    "fit": (f"fit {_X} {_FIT} --max-iter 3", _MODEL),
    "resume": (f"fit {_X} {_FIT} --max-iter 4", _MODEL),
    "predict": (f"predict model {_X} -o l", {"l": "labels"}),
    "stream": (f"stream {_X} -k 3 --checkpoint s3://bucket/c --checkpoint-every 0 -o m", _MODEL),
    "fit .parquet": ("fit s3://bucket/x.parquet -k 3 -o m", _MODEL),
    "fit .h5": ("fit s3://bucket/x.h5 -k 3 -o m", _MODEL),
    "ingest": ("ingest s3://bucket/x.csv -o i.zarr", {"i.zarr": "rows"}),
    "compress": ("compress s3://bucket/images -k 4 -o a", {"a": "archive"}),
}


def make(folder):
    """Make the data that the command lines name."""
    import h5py
    import pyarrow as pa
    import pyarrow.parquet as pq
    import zarr
    from PIL import Image
    from zarr.codecs import ZstdCodec

    draw = np.random.default_rng(0)
    x = draw.normal(size=(60, 3)).astype("f4")
    bucket = folder / "bucket"
    zarr.create_array(
        bucket / "x.zarr", data=x, chunks=(20, 3), compressors=ZstdCodec(checksum=True)
    )
    np.savetxt(bucket / "x.csv", x, delimiter=",", header="a,b,c", comments="")
    table = pa.table(dict(zip("abc", x.T, strict=True)))
    pq.write_table(table, bucket / "x.parquet", row_group_size=20, write_page_checksum=True)
    with h5py.File(bucket / "x.h5", "w", libver="latest") as file:
        file.create_dataset("x", data=x, chunks=(20, 3), fletcher32=True)
    (bucket / "images").mkdir()
    for name in ("a", "b"):
        pixels = draw.integers(0, 255, (9, 8, 3)).astype("u1")
        Image.fromarray(pixels).save(bucket / "images" / f"{name}.png")
    _with_store(f"fit {_X} {_FIT} --max-iter 2".split())
    shutil.rmtree("m")
    _with_store(["fit", _X, "-k", "3", "--seed", "0", "-o", "model"])
    return 0


def _with_store(words, fault="", at=None, log=None):
    """Run a command with a server over this folder; return its exit code."""
    server = Bucket(".", fault, at, log)
    os.environ.update(credentials(server.address))
    try:
        streamkm(words, prog_name="streamkm")
        return 0
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else 1


def faulty(words, fault, at, log, outputs):
    """Run a command, then print a digest of its outputs."""
    code = _with_store(words, fault, at, log)
    print(_MARK)
    digest(outputs)
    return code


class Remote(Faulty):
    """A command of which one request fails."""

    run, seconds = staticmethod(faulty), 60.0

    def _bare(self, fault, at):
        named = ("x.csv", "x.zarr/zarr.json", "x.h5", "x.parquet")
        return fault == "wrong byte" and at.what == "get" and at.path.endswith(named)


def main():
    asked = options(COMMANDS, FAULTS, __doc__)
    everything: Counter[str] = Counter()
    with prepared(make, COMMANDS, _with_store) as (home, start):
        for name in asked.commands:
            everything += inject(Remote(home, start, name, COMMANDS[name]), asked, FAULTS)
    print(dict(everything))
    raise SystemExit(any(name not in RIGHT for name in everything))


if __name__ == "__main__":
    main()
