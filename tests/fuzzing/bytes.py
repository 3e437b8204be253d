"""Try bytes on readers that are written in Python, guided by the branches that they reach.

    scripts/fuzz bytes [TARGET...] [--seconds S] [--corpus FOLDER]

atheris changes the seeds of each target for S seconds of its own process. A defect is an exception
that is none of streamkm's (or of the command line), an input that takes more than 10 s, or more
than 2 GiB of memory; its bytes are kept in the folder. Each target ends at its first defect.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import subprocess
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

# Packages whose branches guide the changes. Kernels, which are compiled, are left out by name.
PACKAGES = ("streamkm", "tarfile", "zipfile", "click")
_KERNELS = Path(__file__).parents[2] / "streamkm" / "kernels"
COMPILED = [f"streamkm.kernels.{path.stem}" for path in _KERNELS.glob("*.py")]
SECONDS, MEBIBYTES, LONGEST = 10, 2048, 4096


def fuzz(name, seconds, corpus):
    """Try one target in this process, which ends then."""
    import atheris

    with atheris.instrument_imports(include=list(PACKAGES), exclude=COMPILED):
        from tests.fuzzing.targets import TARGETS

    target = TARGETS[name]
    place = Path(corpus, name)
    place.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (place / f"seed-{number}").write_bytes(seed)
    warnings.simplefilter("ignore")

    def one(content):
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                target.run(content)
        except target.allowed:
            pass
        except Exception:
            traceback.print_exc()
            raise

    limits = [f"-max_total_time={seconds}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEBIBYTES}"]
    options = [f"-artifact_prefix={place}/", f"-max_len={LONGEST}", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *limits, *options, "-verbosity=1", str(place)], one)
    atheris.Fuzz()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        fuzz(asked.targets[0], asked.seconds, asked.corpus)
    from tests.fuzzing.targets import TARGETS

    failed = []
    with tempfile.TemporaryDirectory() as folder:
        corpus = asked.corpus or folder
        for name in asked.targets or TARGETS:
            words = [name, "--one", "--seconds", str(asked.seconds), "--corpus", str(corpus)]
            command = [sys.executable, "-m", "tests.fuzzing.bytes", *words]
            ended = subprocess.run(command, capture_output=True, text=True, errors="replace")
            tried = [line for line in ended.stderr.splitlines() if "executed_units" in line]
            print(f"{name}: {' '.join(tried) or 'not counted'}, exit code {ended.returncode}")
            if ended.returncode:
                failed.append(name)
                print("\n".join(ended.stderr.splitlines()[-60:]), flush=True)
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
