"""Run commands in child processes with limits, and judge how they end."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from streamkm.cli import main
from streamkm.cli.app import _COMMANDS

SECONDS = 20.0  # wall time after which a command counts as one that hangs
NBYTES = 1536 * 2**20  # address space beyond that of the parent, a part of it for threads
_TRACEBACK = 99


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Parameters
    ----------
    code : exit code, or minus the number of a signal
    said : what it printed
    seconds : wall time
    nbytes : peak of the resident memory
    """

    code: int
    said: str
    seconds: float
    nbytes: int

    @property
    def verdict(self) -> str:
        """right, refused, or what is wrong."""
        if self.code == -signal.SIGKILL:
            return "hang"
        if self.code < 0:
            return "signal"
        if self.code == _TRACEBACK or "Traceback (most recent call last)" in self.said:
            return "traceback"
        if self.code == 0:
            return "done"
        said = [line for line in self.said.splitlines() if line.startswith("Error:")]
        return "refused" if len(said) == 1 else "unclear"


def load():
    """Import all commands, once for all children. No thread may start in the parent."""
    for name in _COMMANDS:
        import_module(f"streamkm.cli.parse.{name}")
        import_module(f"streamkm.cli.commands.{name}")
    for name in ("zarr", "xarray", "PIL.Image", "dask.array", "fsspec", "distributed"):
        import_module(name)


def confined(arguments, folder, seconds=SECONDS, nbytes=NBYTES, call=None):
    """Run a command, or call a function, in a child process with limits.

    Parameters
    ----------
    arguments : list of str of the command, or the arguments of `call`
    folder : working folder of the child
    seconds, nbytes : limits of the time and of the additional address space
    call : function to call in the place of the command
    """
    said = Path(folder).with_name(f"{Path(folder).name}.said")
    sys.stdout.flush()
    sys.stderr.flush()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _in_child(arguments, folder, said, nbytes, call)
    while True:
        pid, status, used = os.wait4(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() - began > seconds:
            os.kill(child, signal.SIGKILL)
            _, status, used = os.wait4(child, 0)
            break
        time.sleep(0.005)
    text = said.read_text(errors="replace")
    code = os.waitstatus_to_exitcode(status)
    return Ended(code, text, time.monotonic() - began, used.ru_maxrss * 1024)


def _in_child(arguments, folder, said, nbytes, call):
    code = _TRACEBACK
    try:
        os.chdir(folder)
        output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number in (1, 2):
            os.dup2(output, number)
        there = Path("x.csv")  # what is piped into the command
        os.dup2(os.open(there if there.exists() else os.devnull, os.O_RDONLY), 0)
        own = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (own + nbytes, own + nbytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        code = call(*arguments) if call else _ran(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


def _ran(arguments):
    try:
        main(arguments, prog_name="streamkm")
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else 1
    return 0
