"""Kill a command at some events of its output, in processes that fork, and run it again."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import streamkm.rows.opened
from streamkm.checkpoint import periodic
from streamkm.cli import main
from streamkm.engine import schedule
from tests.killing import Events
from tests.soak import spread


@dataclass(frozen=True)
class KilledOutput:
    """A command whose output is to be whole or absent.

    Parameters
    ----------
    top : folder; its folder `start` has the inputs
    command : list of str, with paths relative to a copy of `start`
    output : name of the output
    patches : callable (events, patch) that shortens waves and parts, and logs further events
    right : callable (folder) that returns whether the output has the right values
    """

    top: Path
    command: list[str]
    output: str
    patches: Callable
    right: Callable

    def run(self, folder, last=None, *more):
        """Run the command in a child process; return its wait status."""
        child = os.fork()
        if child:
            return os.waitpid(child, 0)[1]
        code = 70
        try:
            os.chdir(folder)
            streamkm.rows.opened._SMALLEST_NBYTES = 1
            schedule._ENOUGH = 3  # waves of eight blocks
            periodic.SECONDS = 0.0
            events = Events(folder / "events", last)
            with events.around(), pytest.MonkeyPatch.context() as patch:
                events.phase = "store"
                self.patches(events, patch)
                main([*self.command, *more], standalone_mode=False)
            code = 0
        finally:
            os._exit(code)

    def whole(self, folder):
        """Whether the output is right and nothing else is left; locks go with the next run."""
        hidden = [n for n in os.listdir(folder) if n.startswith(".") and not n.endswith(".lock")]
        return not hidden and self.right(folder)

    def kill_and_run_again(self, n):
        """Kill the command at n events; each next run ends with a whole output."""
        shutil.copytree(self.top / "start", self.top / "whole")
        assert self.run(self.top / "whole") == 0
        assert self.whole(self.top / "whole")
        found = (self.top / "whole" / "events").read_text().splitlines()
        for last in sorted(set(spread(found, n))):
            folder = self.top / str(last)
            shutil.copytree(self.top / "start", folder)
            assert os.WTERMSIG(self.run(folder, last)) == signal.SIGKILL
            event = (folder / "events").read_text().splitlines()[-1]
            print("killed", event, flush=True)
            published = (folder / self.output).exists()
            assert not published or self.right(folder), event
            assert self.run(folder, None, *(["--overwrite"] if published else [])) == 0, event
            assert self.whole(folder), event
