"""Make I/O calls of commands fail, one in each run, and judge how the runs end.

    scripts/fuzz faults [--commands NAME...] [--faults NAME...] [--each N] [--seed S] [--all]

Each kind of call (an operation on a kind of file) of each command fails in each way that applies
to it: at N of its calls, drawn by the seed, or with --all at every one. After a run that was
refused, the same command runs without a fault, and must end with the same bits.

`same`, `warned` and `again` are right: the same bits at once, with a warning, or by the same
command after an error in one message. So is `left`: the same bits, but hidden files could not be
removed, and `streamkm clean` lists them; and `reported`: damage that was written is reported by
the run that reads it. `unknown` marks wrong bytes of a file whose format has no checksum. The rest
are defects: `silent` (other values), `partial` (an incomplete output), `stuck` (the same command is
refused, and the message does not say what to remove), `unlisted` (hidden files that `clean` does
not know), `traceback`, `hang`, `signal`, `unclear`.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

import numpy as np

from streamkm.cli import main as streamkm
from tests import killing
from tests.fuzzing.confined import SECONDS, confined, load
from tests.fuzzing.layer import FAULTS, Call, Layer
from tests.fuzzing.outputs import digest

NBYTES = 4 * 2**30
_MARK = "--- outputs"  # precedes the digests in what a run has printed
RIGHT = ("same", "warned", "again", "left", "reported", "unknown")
_FIT = "fit x.zarr -k 3 --init random --tol 0 --checkpoint ckpt --checkpoint-every 0"
# Commands, and their outputs with the function that reads each.
COMMANDS = {
    "fit": (f"{_FIT} --max-iter 3 -o m --labels l", {"m": "model", "l": "labels"}),
    "resume": (f"{_FIT} --max-iter 4 -o m", {"m": "model"}),
    "predict": ("predict model x.zarr -o l", {"l": "labels"}),
    "predict.npy": ("predict model x.zarr -o l.npy", {"l.npy": "npy"}),
    "sweep": ("sweep x.zarr -k 1:3 --checkpoint c --checkpoint-every 0 -o s", {"s": "sweep"}),
    "stream": ("stream x.zarr -k 3 --checkpoint c --checkpoint-every 0 -o m", {"m": "model"}),
    "update": ("update stream grown.zarr", {"stream": "model"}),
    "compress": ("compress images -k 4 -o a", {"a": "archive"}),
    "decompress": ("decompress archive -o f --overwrite", {"f": "files"}),
    "ingest": ("ingest x.csv -o i.zarr", {"i.zarr": "rows"}),
    "tree": ("tree x.zarr -k 6 --levels 1 -o m", {"m": "model"}),
    "quantize": ("quantize x.zarr -m 3 --codewords 4 -o q", {"q": "quantizer"}),
    "encode": ("encode quantizer x.zarr -o e", {"e": "labels"}),
    "partition": ("partition model x.zarr -o p", {"p": "partition"}),
    "dedup": ("dedup parts -o k", {"k": "labels"}),
}
# Files that formats do not protect; Zarr's metadata of the user's data are such files, too.
_BARE = ("x.csv", "x.zarr/zarr.json", "grown.zarr/zarr.json")


def make(folder):
    """Make the data that the command lines name."""
    import zarr
    from PIL import Image
    from zarr.codecs import ZstdCodec

    draw = np.random.default_rng(0)
    x = draw.normal(size=(60, 3)).astype("f4")
    sealed = {"chunks": (20, 3), "compressors": ZstdCodec(checksum=True)}
    zarr.create_array(folder / "x.zarr", data=x, **sealed)
    np.savetxt(folder / "x.csv", x, delimiter=",", header="a,b,c", comments="")
    (folder / "images").mkdir()
    for name in ("a", "b"):
        pixels = draw.integers(0, 255, (9, 8, 3)).astype("u1")
        Image.fromarray(pixels).save(folder / "images" / f"{name}.png")
    zarr.create_array(folder / "grown.zarr", data=x[:40], **sealed)
    for words in (
        "fit x.zarr -k 3 -o model",
        "quantize x.zarr -m 3 --codewords 4 -o quantizer",
        "stream grown.zarr -k 3 -o stream",
        "partition model x.zarr -o parts",
        "compress images -k 4 -o archive",
        f"{_FIT} --max-iter 2 -o before",
    ):
        streamkm(words.split(), standalone_mode=False)
    grown = zarr.open_array(folder / "grown.zarr")
    grown.resize((60, 3))
    grown[40:] = x[40:]
    return 0


def _run(words):
    streamkm(words, prog_name="streamkm")


def faulty(words, fault, at, log, outputs):
    """Run a command in this process under a layer, then print a digest of its outputs."""
    layer = Layer(Path(), fault, at, log)
    layer.put()
    try:
        streamkm(words, prog_name="streamkm")
        code = 0
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else 1
    layer.end()
    print(_MARK)
    digest(outputs)
    return code


class Faulty:
    """A command in copies of a folder, of which one I/O call fails.

    Parameters
    ----------
    home : folder for the copies
    start : folder with the data
    name : name of the command
    command : its words, and its outputs with the function that reads each
    """

    run, seconds = staticmethod(faulty), SECONDS

    def __init__(self, home, start, name, command):
        self.name, self.start, self.home = name, start, Path(home)
        words, self.outputs = command
        self.words = words.split()
        folder = self._copy()
        log = self.home / f"{name}.log"
        verdict, said, self.wanted = self._run(folder, "", None, log)
        assert verdict == "done", said
        assert "refused" not in self.wanted, self.wanted
        assert "absent" not in self.wanted, self.wanted
        self.calls = self._calls(log)
        self.hidden = _hidden(folder)
        self.before = confined([self.outputs], self._copy(), SECONDS, NBYTES, digest).said

    def _calls(self, log):
        return [Call(a, b, int(n)) for a, b, n in map(str.split, _lines(log))]

    def _bare(self, fault, at):
        """Whether nobody can tell the fault, as there is no checksum to compare."""
        if fault != "wrong byte":
            return False
        read = at.what == "read" and at.path in _BARE
        return read or (at.what == "write" and at.path.endswith(".npy"))

    def _copy(self):
        folder = self.home / "case"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.start, folder, symlinks=True)
        return folder

    def _run(self, folder, fault="", at=None, log=None):
        """Run the command; return its verdict, its output and the digests of its files."""
        given = [self.words, fault, at, log, self.outputs]
        ended = confined(given, folder, self.seconds, NBYTES, self.run)
        said, _, found = ended.said.partition(f"{_MARK}\n")
        return ended.verdict, said, found

    def tried(self, fault, at):
        """Run the command with a fault; return the verdict, and what was said."""
        folder = self._copy()
        verdict, said, found = self._run(folder, fault, at)
        if verdict == "done":
            return self._finished(folder, fault, at, said, found)
        if verdict != "refused":
            return verdict, said
        if not self._whole(found):
            return "partial", f"{said}\n{found}"
        return self._again(folder, said, found)

    def _finished(self, folder, fault, at, said, found):
        if found == self.wanted:
            left = self._left(folder)
            if left:
                return left
            return ("warned" if "Warning:" in said else "same"), said
        if fault == "wrong byte" and "refused by" in found and "Zarr" not in found:
            return "reported", f"{said}\n{found}"
        return ("unknown" if self._bare(fault, at) else "silent"), f"{said}\n{found}\n{self.wanted}"

    def _whole(self, found):
        """Whether each output is absent, the old one or the new one.

        Of a folder of files, each file is complete; it may be some of them.
        """
        if "files" in self.outputs.values():
            return True
        lines = zip(*map(str.splitlines, (found, self.before, self.wanted)), strict=True)
        return all(now in (old, new) or now.endswith("absent") for now, old, new in lines)

    def _again(self, folder, said, found):
        """Run the same command without a fault, as a user would who reads what was said."""
        if found == self.wanted:
            return self._left(folder) or ("again", said)
        verdict, more, found = self._run(folder)
        said = f"{said}\n--- again:\n{more}"
        if verdict == "refused":
            told = any(word in more for word in ("Restore", "restore", "remove", "--overwrite"))
            return ("reported" if told else "stuck"), said
        if verdict != "done":
            return verdict, said
        if found != self.wanted:
            return "silent", f"{said}\n{found}\n{self.wanted}"
        return self._left(folder) or ("again", said)

    def _left(self, folder):
        """Return a verdict if the run has left hidden files, which `clean` must know."""
        left = _hidden(folder) - self.hidden
        if not left:
            return None
        listed = confined(["clean", "."], folder, SECONDS, NBYTES).said
        known = all(f"{name}: " in listed or name.endswith(".lock") for name in left)
        return ("left" if known else "unlisted"), f"{sorted(left)}\n{listed}"


def prepare(start, commands, run=_run):
    """Import what the commands import, and load kernels, once for all children."""
    listed = start.with_name("modules")
    given = [start.with_name("prepared"), start, listed, commands, run]
    confined(given, start, 300.0, NBYTES, _modules)
    for name in _lines(listed):
        with suppress(Exception):
            import_module(name)
    killing.load_kernels(np.random.default_rng(0).normal(size=(60, 3)).astype("f4"))


def _modules(folder, start, listed, commands, run):
    shutil.copytree(start, folder)
    os.chdir(folder)
    for words, *_ in commands.values():
        with suppress(SystemExit):
            run(words.split())
    listed.write_text("\n".join(sorted(set(sys.modules) - {"__main__"})))
    return 0


def _lines(path):
    return path.read_text().splitlines()


def _hidden(folder):
    return {path.name for path in folder.iterdir() if path.name.startswith(".")}


def cases(calls, fault, each, seed, applies=FAULTS):
    """Return calls that a fault applies to, up to a number of each kind; all of them for None."""
    kinds: dict[tuple[str, str, str], list[Call]] = {}
    for call in calls:
        if call.what in applies[fault]:
            kinds.setdefault(call.kind, []).append(call)
    chosen = []
    for kind, own in sorted(kinds.items()):
        draw = random.Random(f"{seed} {fault} {kind}")
        chosen += own if each is None else draw.sample(own, min(each, len(own)))
    return chosen


def options(commands, applies, description):
    """Parse the options of a run of faults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--commands", nargs="*", choices=commands, default=list(commands))
    parser.add_argument("--faults", nargs="*", choices=applies, default=list(applies))
    parser.add_argument("--each", type=int, default=1)
    parser.add_argument("--most", type=int, help="cases of a command and fault")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all", action="store_true")
    return parser.parse_args()


def inject(faulted, asked, applies=FAULTS):
    """Run a command with the faults that were asked; print and count how the runs end."""
    print(f"{faulted.name}: {len(faulted.calls)} calls", flush=True)
    everything: Counter[str] = Counter()
    for fault in asked.faults:
        each = None if asked.all else asked.each
        chosen = cases(faulted.calls, fault, each, asked.seed, applies)
        if asked.most and len(chosen) > asked.most:
            chosen = random.Random(f"{asked.seed} {faulted.name}").sample(chosen, asked.most)
        counts: Counter[str] = Counter()
        for call in chosen:
            verdict, said = faulted.tried(fault, call)
            counts[verdict] += 1
            if verdict not in (*RIGHT, "missed"):
                print(f"   {verdict}: {fault}, {call}\n{_indented(said)}", flush=True)
        everything += counts
        print(f"   {fault:22} {len(chosen):4}  {dict(counts)}", flush=True)
    return everything


@contextmanager
def prepared(make, commands, run=_run):
    """Yield folders for copies and with the data, of which the commands have been run once."""
    load()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as home:
        start = Path(home, "start")
        start.mkdir()
        made = confined([start], start, 300, NBYTES, make)
        assert made.code == 0, made.said
        prepare(start, commands, run)
        yield home, start


def main():
    asked = options(COMMANDS, FAULTS, __doc__)
    everything: Counter[str] = Counter()
    with prepared(make, COMMANDS) as (home, start):
        for name in asked.commands:
            everything += inject(Faulty(home, start, name, COMMANDS[name]), asked)
    print(dict(everything))
    raise SystemExit(any(name not in RIGHT for name in everything))


def _indented(said):
    return "\n".join(f"      {line[:300]}" for line in said.strip().splitlines()[-14:])


if __name__ == "__main__":
    main()
