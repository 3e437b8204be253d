"""Open hostile stores, archives and checkpoints with the commands that read them.

    scripts/fuzz stores [--kinds NAME...] [--mutations N] [--seed S]

Each command must end with one message, within seconds and a limit of memory. `--mutations` also
changes the metadata of real stores at random, N times for each kind.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shlex
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fuzzing import arguments
from tests.fuzzing.confined import confined, load

NBYTES = 2**30  # address space beyond that of the parent
_VALUES = [0, 1, -1, 2**31, 2**63, 10**30, 1.5, "", "x", "../x", None, True, [], {}, [[]], "NaN"]


def _metadata(shape, chunks, dtype="float32", codecs=(), **more):
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, *codecs],
        "attributes": {},
        "dimension_names": None,
        **more,
    }


def _array(path, metadata, chunk=None):
    """Write an array with one stored chunk, by the bytes or a function that makes the file."""
    path.mkdir(parents=True)
    (path / "zarr.json").write_text(json.dumps(metadata))
    if chunk is not None:
        place = path.joinpath("c", *["0"] * len(metadata["shape"]))
        place.parent.mkdir(parents=True)
        place.write_bytes(chunk) if isinstance(chunk, bytes) else chunk(place)


def _stored(*given, **more) -> Callable[[Path], None]:
    return lambda path: _array(path, _metadata(*given), **more)


def _coded(name, configuration, chunk):
    def make(path):
        codec = {"name": name, "configuration": configuration}
        _array(path, _metadata([100, 3], [100, 3], codecs=[codec]), chunk())

    return make


def _zstd_bomb():
    """Return frames of 4 GiB of zeros, of which the first states that size."""
    block = (2**17 << 3 | 1 << 1).to_bytes(3, "little") + b"\0"  # 128 KiB of one byte
    count = 2**15
    last = (2**17 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd\xa0" + (2**32 - 1).to_bytes(4, "little") + block * (count - 1) + last


def _zstd_stream():
    """Return a frame of 4 GiB of zeros that does not state its size."""
    return b"\x28\xb5\x2f\xfd\x00\x58" + _zstd_bomb()[9:]


def _gzip_bomb():
    return gzip.compress(bytes(2**26)) * 64


def _blosc_bomb():
    import numcodecs

    found = bytearray(numcodecs.Blosc("zstd").encode(np.zeros(300, "f4")))
    found[4:8] = (2**31 - 1).to_bytes(4, "little")
    return bytes(found)


def _v2_bomb(path):
    import numcodecs

    path.mkdir()
    described = {
        **{"zarr_format": 2, "shape": [100, 3], "chunks": [100, 3], "dtype": "<f4", "order": "C"},
        **{"compressor": {"id": "zstd", "level": 0}, "fill_value": 0, "filters": None},
    }
    (path / ".zarray").write_text(json.dumps(described))
    (path / "0.0").write_bytes(_zstd_bomb())
    assert numcodecs


def _link(target):
    return lambda place: place.symlink_to(target)


def _loop(path):
    """A group in which links lead back to it."""
    path.mkdir()
    group = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    (path / "zarr.json").write_text(json.dumps(group))
    for name in ("a", "b", "c"):
        (path / name).symlink_to(".")


def _loop_of_files(path):
    path.mkdir()
    for name in ("a", "b", "c"):
        (path / name).symlink_to(".")


def _many_missing(path):
    many = {"missing_value": list(range(300_000))}
    x = np.ones((100, 3), "f4").tobytes()
    _array(path, _metadata([100, 3], [100, 3], attributes=many), x)


def _codebook(codes):
    def make(path):
        codec = {"codes": codes, "palettes": "../../palettes/archive"}
        codecs = [{"name": "streamkm.codebook", "configuration": codec}]
        described = _metadata([1, 9, 9, 3], [1, 9, 9, 3], "uint8")
        _array(path, described | {"codecs": codecs})

    return make


def _itself(path):
    """Codes that are decoded from codes, and so on."""
    codec = {"codes": "codes", "palettes": "../../palettes/archive"}
    codecs = [{"name": "streamkm.codebook", "configuration": codec}]
    described = _metadata([1, 9, 9, 3], [1, 9, 9, 3], "uint8") | {"codecs": codecs}
    _array(path / "images" / "u1" / "codes", described)
    for group in (path, path / "images", path / "images" / "u1"):
        about = {"zarr_format": 3, "node_type": "group", "attributes": {}}
        (group / "zarr.json").write_text(json.dumps(about))


def _nested(path):
    path.mkdir()
    (path / "zarr.json").write_text("[" * 100_000)


def _npy(shape):
    def make(path):
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117)
        path.write_bytes(b"\x93NUMPY\x01\0" + (118).to_bytes(2, "little") + header.encode() + b"\n")

    return make


def _sparse(path):
    with path.open("wb") as file:
        file.truncate(2**40)


FIT = "fit {} -k 3 -o out/m"
INFO = "info {}"
WRONG = ("traceback", "hang", "signal", "unclear")
# Kinds of hostile data: how they are made, and the command that reads them.
DATA = {
    "unwritten": (_stored([10**9, 3], [1000, 3]), FIT),
    "many rows": (_stored([10**12, 3], [10**6, 3]), FIT),
    "many chunks": (_stored([10**15, 3], [1, 3], chunk=bytes(12)), FIT),
    "large chunk": (_stored([10**10, 3], [10**10, 3], chunk=bytes(12)), FIT),
    "large chunk of features": (_stored([10, 10**9], [10, 10**9], chunk=bytes(12)), FIT),
    "many features": (_stored([10, 10**9], [1, 1000], chunk=bytes(12)), FIT),
    "huge": (_stored([2**62, 2**62], [2**62, 2**62], chunk=bytes(12)), FIT),
    "zstd": (_coded("zstd", {"level": 0, "checksum": False}, _zstd_bomb), FIT),
    "zstd stream": (_coded("zstd", {"level": 0, "checksum": False}, _zstd_stream), FIT),
    "gzip": (_coded("gzip", {"level": 1}, _gzip_bomb), FIT),
    "blosc": (
        _coded(
            "blosc",
            {"typesize": 4, "cname": "zstd", "clevel": 5, "shuffle": "noshuffle", "blocksize": 0},
            _blosc_bomb,
        ),
        FIT,
    ),
    "zstd of Zarr 2": (_v2_bomb, FIT),
    "zeros": (_stored([100, 3], [100, 3], chunk=_link("/dev/zero")), FIT),
    "pipe": (_stored([100, 3], [100, 3], chunk=os.mkfifo), FIT),
    "sparse chunk": (_stored([100, 3], [100, 3], chunk=_sparse), FIT),
    "metadata of zeros": (lambda p: (p.mkdir(), (p / "zarr.json").symlink_to("/dev/zero")), FIT),
    "metadata pipe": (lambda p: (p.mkdir(), os.mkfifo(p / "zarr.json")), FIT),
    "old metadata pipe": (lambda p: (p.mkdir(), os.mkfifo(p / ".zarray")), FIT),
    "a pipe": (os.mkfifo, FIT),
    "a pipe of csv": (os.mkfifo, "ingest {} --kind csv -o out/x"),
    "zeros of csv": (_link("/dev/zero"), "ingest {} --kind csv -o out/x"),
    "zeros of npy": (_link("/dev/zero"), "ingest {} --kind npy -o out/x"),
    "zeros of images": (_link("/dev/zero"), "compress {} -o out/a"),
    "loop": (_loop, FIT),
    "loop of files": (_loop_of_files, FIT),
    "loop of images": (_loop_of_files, "compress {} -o out/a"),
    "loop of csv": (_loop_of_files, "ingest {} -o out/x"),
    "missing values": (_many_missing, FIT),
    "codebook outside": (_codebook("../../../secret.zarr"), INFO + " --json"),
    "codebook of itself": (_itself, FIT + " --variable images/u1/codes --feature-dim 3"),
    "nested": (_nested, FIT),
    "npy": (_npy((10**12, 3)), FIT),
    "large npy": (_npy((3, 10**15)), FIT),
    "npy of codes": (_npy((10**12, 3)), "ingest {} --kind npy -o out/x"),
}
# Commands that read real stores, whose metadata are mutated.
REAL = {
    "model": ("info {}", "predict {} x.zarr -o out/l.npy"),
    "stream": ("info {}", "merge {} -o out/m"),
    "quantizer": ("info {}", "encode {} x.zarr -o out/c.npy"),
    "partition": ("info {}", "dedup {} -o out/k.npy"),
    "archive": ("info --all {}", "decompress {} -o out/f", "similar {}"),
    "ckpt": (
        "fit x.zarr -k 3 --init random --max-iter 4 --checkpoint {} -o out/m",
        "info {}",
    ),
    "x.zarr": ("fit {} -k 3 --init random --max-iter 1 -o out/m", "info {}"),
}


def judge(folder, words):
    """Run a command; return how it ended and the verdict, in which success is `accepted`."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir()
    ended = confined(words, folder, nbytes=NBYTES)
    if "Interrupted" in ended.said:
        return ended, "unclear"
    return ended, "accepted" if ended.verdict == "done" else ended.verdict


def tried(folder, kind):
    """Make hostile data of a kind and run its command; return how it ended and the verdict."""
    make, command = DATA[kind]
    path = folder / "hostile"
    make(path)
    try:
        return judge(folder, command.format("hostile").split())
    finally:
        path.unlink() if path.is_symlink() or not path.is_dir() else shutil.rmtree(path)


def mutated(draw, metadata):
    """Return metadata with one value changed at random, at any depth."""
    places = []

    def search(node):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            places.append((node, key))
            if isinstance(value, (dict, list)):
                search(value)

    search(metadata)
    node, key = draw.choice(places)
    if draw.random() < 0.2:
        del node[key]
    else:
        node[key] = draw.choice(_VALUES)
    return metadata


def _seal(folder, metadata):
    """Forge the checksum of a state, if it has one."""
    from streamkm.checkpoint.content import checksum

    try:
        content = np.frombuffer((folder / "content/c/0").read_bytes(), np.uint8)
        facts = metadata["attributes"]
        facts["checksum"] = checksum(facts["tree"], facts["arrays"], content)
    except (OSError, KeyError, TypeError):
        pass


def mutations(folder, name, count, seed):
    """Change the metadata of a real store; yield the command, how it ended and the verdict."""
    whole, copy = folder / name, folder / "copy"
    files = sorted(whole.rglob("zarr.json"))
    shutil.copytree(whole, copy)
    for number in range(count):
        draw = random.Random(f"{name} {seed} {number}")
        file = draw.choice(files)
        metadata = mutated(draw, json.loads(file.read_text()))
        if name == "ckpt":
            _seal(file.parent, metadata)
        file.write_text(json.dumps(metadata))
        command = draw.choice(REAL[name]).format(name)
        try:
            ended, verdict = judge(folder, command.split())
        finally:
            shutil.rmtree(whole)
            shutil.copytree(copy, whole)
        yield f"{command} ({file.relative_to(folder)}, {number})", ended, verdict
    shutil.rmtree(copy)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="*", default=list(DATA))
    parser.add_argument("--mutations", type=int, default=0)
    parser.add_argument("--stores", nargs="*", default=list(REAL))
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    load()
    counts = Counter()

    def told(what, ended, verdict, wrong):
        counts[verdict] += 1
        if verdict in wrong or asked.mutations == 0:
            said = (ended.said.strip().splitlines() or [""])[-1][:200]
            size = f"{ended.seconds:5.1f} s {ended.nbytes / 2**20:6.0f} MiB"
            print(f"{verdict:9} {size}  {what}\n      {said}", flush=True)

    with tempfile.TemporaryDirectory() as home:
        folder = arguments.Fuzzed(home).folder if asked.mutations else Path(home, "data")
        folder.mkdir(exist_ok=True)
        for kind in asked.kinds if not asked.mutations else ():
            told(f"{kind}: {shlex.quote(DATA[kind][1])}", *tried(folder, kind), ())
        for name in asked.stores if asked.mutations else ():
            for what, ended, verdict in mutations(folder, name, asked.mutations, asked.seed):
                told(what, ended, verdict, WRONG)
    print(dict(counts))
    raise SystemExit(any(name not in ("refused", "accepted") for name in counts))


if __name__ == "__main__":
    main()
