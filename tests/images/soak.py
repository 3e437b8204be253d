"""Kill `compress` at random moments until it completes; the bytes are always the same.

scripts/soak archives PHOTOS... [--moments N]
"""

from __future__ import annotations

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

MODES = (
    [],
    ["--per", "image"],
    ["--per", "group", "--dither"],
    ["--patch", "4x4", "--stages", "2"],
)


def digest(store):
    found = hashlib.sha256()
    for path in sorted(p for p in store.rglob("*") if p.is_file()):
        found.update(str(path.relative_to(store)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def run(command, seconds=None):
    """Whether the run completed; it is killed after a number of seconds."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _, said = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
        child.communicate()
        return False
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}: {said.decode()}")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--moments", type=int, default=100)
    arguments = parser.parse_args()
    rng = random.Random(0)
    kills = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number, mode in enumerate(MODES):
            command = [sys.executable, "-m", "streamkm", "compress", *arguments.photos, "-k", "16"]
            command += ["--skip-bad", *mode, "-o"]
            out = Path(folder, f"{number}.zarr")
            began = time.monotonic()
            run([*command, str(out)])
            takes, whole = time.monotonic() - began, digest(out)
            while kills[number] < arguments.moments / len(MODES):
                again = Path(folder, "again.zarr")
                while not again.exists():
                    ended = run([*command, str(again)], rng.uniform(0.3, 1) * takes)
                    kills[number] += not ended
                if digest(again) != whole:
                    raise SystemExit(f"{mode}: other bytes after {kills[number]} kills")
                run(["rm", "-r", str(again)])
            print(f"{' '.join(mode) or 'one palette'}: {kills[number]} kills, the same bytes")


if __name__ == "__main__":
    main()
