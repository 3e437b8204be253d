"""Kill `streamkm stream` at random moments until it completes; the model always has the same bits.

    scripts/soak streams [--moments 50] [--kinds stores,pipe,watch,frozen]

Stores, standard input, the same beside frozen centroids, and a watched folder are streamed with a
checkpoint and models at intervals. Every second kill is SIGTERM, after which the state is saved;
the others are SIGKILL.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import zarr

import streamkm
from streamkm.models.storage import load_model
from streamkm.streaming import Summary
from tests.conftest import mixture
from tests.passes.contract import same

PARTS, ROWS = 40, 5_000  # files or stores, and the rows of each
RULES = ["-k", "5", "--summary-size", "2000", "--every", "0.3s", "--checkpoint-every", "0s"]
FEED = ["--batch", "3000"]  # does not divide the rows
KINDS = {
    "stores": [],
    "pipe": ["-", *FEED, "--skip-rows", "seen"],
    "frozen": ["-", *FEED, "--skip-rows", "seen", "--frozen", "known", "--radius", "2"],
    "watch": ["--watch", "watch", *FEED, "--watch-every", "0.1s", "--idle", "1s"],
}
AGAIN = 75


def make(folder: Path) -> None:
    """Write the same rows as stores, as the bytes of a pipe, and as files."""
    x = mixture(PARTS * ROWS, 3, 5, seed=8)
    streamkm.KMeans.from_centroids(x[:2]).save(folder / "known")
    for name in ("stores", "watch"):
        (folder / name).mkdir()
    with (folder / "pipe").open("wb") as pipe:
        for number, part in enumerate(np.array_split(x, PARTS)):
            zarr.create_array(folder / "stores" / f"{number:02d}", data=part, chunks=(1000, 3))
            np.save(folder / "watch" / f"{number:02d}.npy", part)
            np.save(pipe, part)


def command(kind: str, folder: Path, output: str) -> list[str]:
    """The command that streams data of a kind; its output and checkpoint have related names."""
    data = [str(path.relative_to(folder)) for path in sorted((folder / "stores").iterdir())]
    words = KINDS[kind] or data
    outputs = ["-o", output, "--checkpoint", f"{output}.ckpt"]
    return [sys.executable, "-m", "streamkm", "stream", *words, *RULES, *outputs]


def run(arguments, folder, moment=None, number=signal.SIGKILL):
    """Run until the end or the signal; return the exit code and the messages."""
    with (folder / "pipe").open("rb") as pipe:
        source = subprocess.Popen(["cat"], stdin=pipe, stdout=subprocess.PIPE)
    child = subprocess.Popen(
        arguments,
        cwd=folder,
        stdin=source.stdout,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    source.stdout.close()  # so that `cat` ends when its reader does
    try:
        _, said = child.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        child.send_signal(number)
        _, said = child.communicate()
    source.wait()
    return child.returncode, said


def bits(path: Path):
    """The model without what depends on the run: its identity, addresses, times and cost."""
    model = load_model(path)
    summary = Summary.from_stored(model.summary)
    return model.centroids, model.counts, model.inertia, summary, model.seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--kinds", default=",".join(KINDS))
    asked = parser.parse_args()
    rng, kinds = random.Random(0), asked.kinds.split(",")
    with tempfile.TemporaryDirectory(prefix="soak-streams-") as name:
        folder = Path(name)
        make(folder)
        for place, kind in enumerate(kinds):
            began = time.monotonic()
            code, said = run(command(kind, folder, f"{kind}.zarr"), folder)
            if code:
                sys.exit(f"{kind} ended with {code}: {said}")
            takes, whole = time.monotonic() - began, bits(folder / f"{kind}.zarr")
            assert streamkm.load(folder / f"{kind}.zarr").n_rows_seen_ == PARTS * ROWS
            kills: Counter[str] = Counter()
            share = asked.moments * (place + 1) // len(kinds) - asked.moments * place // len(kinds)
            while kills.total() < share:
                _until_done(kind, folder, takes, rng, kills)
                if not same(bits(folder / "again.zarr"), whole):
                    sys.exit(f"{kind}: other bits after {dict(kills)}")
                left = {path.name for path in folder.glob(".again*")}
                if left:
                    sys.exit(f"{kind}: files are left: {left}")
                for path in folder.glob("again*"):
                    shutil.rmtree(path)
            print(f"{kind}: {kills.total()} kills, the same bits; {dict(kills)}", flush=True)


def _until_done(kind, folder, takes, rng, kills):
    """Run and kill the command until it completes."""
    arguments = command(kind, folder, "again.zarr")
    while True:
        number = (signal.SIGKILL, signal.SIGTERM)[kills.total() % 2]
        code, said = run(arguments, folder, rng.uniform(0.3, 1) * takes, number)
        resumed = "resumed" if "resuming from" in said else "from the start"
        if code == 0:
            return
        if code not in (-number, AGAIN):
            sys.exit(f"{kind} ended with {code}: {said}")
        kills[f"{number.name}, {resumed}"] += 1


if __name__ == "__main__":
    main()
