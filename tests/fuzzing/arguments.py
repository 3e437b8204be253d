"""Run commands with hostile values of their options, and judge how they end.

    scripts/fuzz arguments [--tries N] [--seed S] [--command NAME]

`done` and `refused` (one message and an exit code) are right; `traceback`, `hang`, `signal` (for
example out of memory), `unclear` (no message, or several), `wrote` (files beyond the outputs) and
`leaked` (a password in a message) are defects, which are printed.
"""

from __future__ import annotations

import argparse
import random
import shlex
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import click
import numpy as np

from streamkm.cli import main as streamkm
from tests.fuzzing.confined import confined, load

X = "x.zarr"
# A command line of each command that succeeds; outputs are in the folder out.
COMMANDS = {
    "fit": f"{X} -k 3 -o out/m --overwrite",
    "tree": f"{X} -k 6 --levels 1 -o out/m",
    "sweep": f"{X} -k 1:3 -o out/s",
    "predict": f"model {X} -o out/labels.npy",
    "sample": f"model {X} -n 9 -o out/rows.npy",
    "nearest": f"model {X} -n 2 -o out/rows.npy",
    "export": "model -o out/c.npy",
    "quantize": f"{X} -m 3 --codewords 4 -o out/q",
    "encode": f"quantizer {X} -o out/codes.npy",
    "partition": f"model {X} -o out/p",
    "dedup": "partition -o out/keep.npy",
    "stream": f"{X} -k 3 -o out/m",
    "update": f"stream {X}",
    "merge": "stream -o out/m",
    "ingest": "x.csv -o out/x",
    "compress": "images -k 4 -o out/a",
    "decompress": "archive -o out/files",
    "palette": "images -k 3",
    "similar": "archive",
    "info": "model",
    "clean": "out",
}
NUMBERS = (
    "0 -1 1 3 nan inf -inf 1e400 1e-400 0x10 1_000 ١٢ 99999999999999999999 -99999999999999999999"
)
_PLAIN = """
- -- é ab abc none auto nan,nan [ * **/* out out/x.png "
evil://host/x http:// https://user:secret@127.0.0.1:9/x.zarr file:// s3:// memory://x
http://[::1 http://127.0.0.1:9/*.csv simplecache:: zip://*::x reference://x python://os
1:1000000000000 1:2:0 5:1 -3:2 1,,2 1:3,2:9:0 0:0 2,2 1..3 999999x999999 4x 0x0 4x4x4 1e9x1
1,2,3,99999999999999999999 0,0,0,0 -1,-1,9,9
0B 1e9GiB 99999999999TiB -1GiB 1.5.5MB 99999999999d 0s -5m nans
O object V8 M8[ns] float16 complex64 S5 f4,f4 <f4,(3,)f8 (1000000000,)f4 U999999999
x.zarr x.csv model archive images missing missing/deep/x x.zarr/zarr.json . .. ~
/dev/null /dev/zero /proc/self/mem
threads processes slurm tcp://127.0.0.1:9 tcp:// 127.0.0.1:99999 ::: TERM KILL abc,TERM
k-means++ random farthest bisecting zarr parquet npy seen standard oklab
"""
_ODD = ["", " ", "\t", "\n", "a\x1b[31mb", "\udcff", "9" * 5000, "a" * 300, "$(id)", "* *"]
WORDS = [*NUMBERS.split(), *_PLAIN.split(), *_ODD]
# Those that take long by design, or start a service.
_SLOW = {("--scheduler", "processes"), ("--scheduler", "slurm")}
RIGHT = ("done", "refused")


def make(folder):
    """Make the data that the command lines name."""
    import zarr
    from PIL import Image

    draw = np.random.default_rng(0)
    x = draw.normal(size=(60, 3)).astype("f4")
    zarr.create_array(folder / X, data=x, chunks=(20, 3))
    np.savetxt(folder / "x.csv", x, delimiter=",", header="a,b,c", comments="")
    (folder / "images").mkdir()
    for name in ("a", "b"):
        Image.fromarray(draw.integers(0, 255, (9, 8, 3)).astype("u1")).save(
            folder / "images" / f"{name}.png"
        )
    for words in (
        f"fit {X} -k 3 -o model",
        f"quantize {X} -m 3 --codewords 4 -o quantizer",
        f"stream {X} -k 3 -o stream",
        f"partition model {X} -o partition",
        "compress images -k 4 -o archive",
        f"fit {X} -k 3 --init random --max-iter 1 --checkpoint ckpt -o out",
    ):
        streamkm(words.split(), standalone_mode=False)
    shutil.rmtree(folder / "out")
    return 0


def state_of(folder):
    """Size and time of every file that is no output."""
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if inside.parts[0] == "out" or "stream" in inside.parts[0] or path.is_dir():
            continue
        seen = path.lstat()
        found[str(inside)] = seen.st_size, seen.st_mtime_ns
    return found


def mutated(draw, name):
    """Return a command line with one to three hostile changes."""
    words = [name, *COMMANDS[name].split()]
    command = streamkm.get_command(click.Context(streamkm), name)
    options = [param for param in command.params if isinstance(param, click.Option)]
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        kind = draw.random()
        if kind < 0.75:
            option = draw.choice(options)
            flag = draw.choice(option.opts)
            value = [] if option.is_flag else [_value(draw, option)]
            if (flag, *value) not in _SLOW:
                words += [flag, *value]
        elif kind < 0.95:
            at = draw.randrange(1, len(words))
            if not words[at].startswith("-") and words[at - 1] not in ("-o", "--output"):
                words[at] = draw.choice(WORDS)
        elif len(words) > 2:
            del words[draw.randrange(1, len(words))]
    return words


def _value(draw, option):
    if isinstance(option.type, click.Choice) and draw.random() < 0.5:
        return draw.choice(list(option.type.choices))
    numeric = isinstance(option.type, (click.types.IntParamType, click.types.FloatParamType))
    return draw.choice(NUMBERS.split() if numeric and draw.random() < 0.7 else WORDS)


class Fuzzed:
    """A folder of data in which command lines are tried one after the other."""

    def __init__(self, folder):
        self.folder = Path(folder, "data")
        self.folder.mkdir()
        made = confined([self.folder], self.folder, 300, 4 * 2**30, make)
        assert made.code == 0, made.said
        (self.folder / "out").mkdir()
        self._before = state_of(self.folder)

    def tried(self, words):
        """Run a command line; return how it ended and the verdict."""
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        (self.folder / "out").mkdir()
        ended = confined(words, self.folder)
        verdict = "leaked" if ":secret@" in ended.said else ended.verdict
        after = state_of(self.folder)
        if verdict in RIGHT and after != self._before and not self._asked(words, after):
            verdict = "wrote"
        for name in set(after) - set(self._before):
            (self.folder / name).unlink()
        return ended, verdict

    def _asked(self, words, after):
        """Whether every file that is new or changed is below an argument."""
        changed = {name for name, what in after.items() if self._before.get(name) != what}
        places = [Path(word).parts for word in words if word]
        return all(any(Path(name).parts[: len(p)] == p for p in places) for name in changed)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=700)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", choices=COMMANDS)
    asked = parser.parse_args()
    load()
    counts, slowest = Counter(), (0.0, [])
    with tempfile.TemporaryDirectory() as folder:
        fuzzed = Fuzzed(folder)
        for number in range(asked.tries):
            draw = random.Random(f"{asked.seed} {number}")
            words = mutated(draw, asked.command or draw.choice(list(COMMANDS)))
            ended, verdict = fuzzed.tried(words)
            counts[verdict] += 1
            slowest = max(slowest, (ended.seconds, words))
            if verdict not in RIGHT:
                print(f"{verdict} {number}: {shlex.join(words)}\n   {_end(ended)}", flush=True)
    print(dict(counts), f"slowest {slowest[0]:.1f} s: {shlex.join(slowest[1])[:120]}")
    raise SystemExit(any(name not in RIGHT for name in counts))


def _end(ended):
    lines = ended.said.strip().splitlines() or ["nothing was said"]
    return "\n   ".join(line[:200] for line in lines[-4:])


if __name__ == "__main__":
    main()
