"""Kill an ingest at one event after another and run it again, in a fresh process that forks.

    python -m tests.ingesting.killed FOLDER STRIDE ARGUMENTS...

FOLDER receives a store for each kill, and `0` for the run without a kill.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from streamkm.cli import main
from streamkm.in_memory import breathing, search
from streamkm.rows import memory
from tests.killing import Events


def run(arguments, log, last):
    """Run in a child process; return its wait status."""
    child = os.fork()  # no thread was started here
    if child == 0:
        code = 70
        memory.TABLE_NBYTES = memory.KEPT_SHARE = 0  # or codebooks are made in memory
        search._MANY_STARTS = breathing._CYCLES = 1  # searches would take most of the time
        try:
            with Events(log, last).around():
                main(arguments, standalone_mode=False)
            if last == 0:
                log.with_name("modules").write_text("\n".join(sys.modules))
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def import_like(log):
    """Import here what the first child imported, once for all others."""
    names = log.with_name("modules").read_text().split()
    for name in names:
        with suppress(ImportError):
            import_module(name)
    log.with_name("modules").unlink()


def kill_at_all(folder, stride, arguments):
    last = 0
    while True:
        out = folder / f"{last}" / "o.zarr"
        out.parent.mkdir()
        command = [*arguments, "-o", str(out)]
        status = run(command, out.parent / "events", last)
        if last and os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            assert not out.exists() or out.with_name("events").read_text().count("after rename")
            for partial in out.parent.glob(".o.zarr.partial-*"):
                # as left by Zarr when it is killed during a write
                (partial / "zarr.0123.partial").write_text("half")
            status = 0 if out.exists() else run(command, out.parent / "again", None)
        elif last:
            return  # there was no such event
        if status != 0:
            raise SystemExit(f"kill {last} ended with {status}")
        if last == 0:
            import_like(out.with_name("events"))
        last += stride


if __name__ == "__main__":
    kill_at_all(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
