"""Outputs that are written in stages, such as sorted runs of all blocks, and their merge.

Every stage is a fold, is saved after its waves, and is resumed by the next run of the same options
over the same data. The output appears under its name when all are complete.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamkm.checkpoint import Record
from streamkm.engine import Folded, folding, same_processes, wave_size
from streamkm.engine.folded import Blocks
from streamkm.outputs import alone, whole, whole_file_of_store
from streamkm.rows import Rows, damage
from streamkm.runs.output_progress import OutputProgress, Written

RUNS = "_runs"  # folder of the sorted runs, which readers of Parquet skip
ShowStage = Callable[[str, int, int], None]
Statistics = tuple[Any, ...]


@dataclass(frozen=True)
class Stage:
    """A fold that writes.

    Parameters
    ----------
    name : for the progress
    call : writes what belongs to a block, and returns a statistic; has an `identity`
    blocks : Blocks
    """

    name: str
    call: Any
    blocks: Blocks


@dataclass(frozen=True)
class StagedOutput:
    """An output that is written in stages.

    Parameters
    ----------
    target : Path, checked
    overwrite : whether an output of the kind at the target may be replaced
    written : Written
    rows : Rows that the first stage reads
    record : Record, or None if the run cannot be resumed
    is_file : whether the target is a file, which the last step writes in the unfinished store
    message : callable or None
        Called with a line of text if the run resumes.
    show : callable or None
        Called with the name of the stage, its finished blocks and all its blocks, after each wave.
    """

    target: Path
    overwrite: bool
    written: Written
    rows: Rows
    record: Record | None
    is_file: bool = False
    message: Callable[[str], None] | None = None
    show: ShowStage | None = None

    def write(
        self,
        stages: Sequence[Callable[[Path, Statistics], Stage]],
        finish: Callable[[Path], None] | None = None,
    ) -> Statistics:
        """Run the stages, and publish the output.

        Parameters
        ----------
        stages : called with the folder of the unfinished output and the statistics of the stages
            before
        finish : called with this folder when all stages are complete, or None

        Returns
        -------
        The statistics of all stages.

        Raises
        ------
        DataChangedError
            If the data change while they are read; nothing is published.
        OutputExistsError
            If the target is being written by another run, or was created meanwhile.
        """
        with alone(self.target):
            progress = OutputProgress(self.target, self.rows, self.record, None, self.written)
            with self._published(progress.identity) as partial, same_processes():
                try:
                    (partial / RUNS).mkdir(parents=True, exist_ok=True)
                    while len(progress.done) < len(stages):
                        make = stages[len(progress.done)]
                        # What was written before may be damaged; an error of writing stays one.
                        with damage(str(partial), OSError):
                            stage = make(partial, progress.done)
                        self._run(stage, progress)
                    shutil.rmtree(partial / RUNS)
                    if finish is not None:
                        finish(partial)
                except BaseException as error:
                    progress.stop(partial, error)
                    raise
            progress.remove()
            return progress.done

    def _run(self, stage: Stage, progress: OutputProgress) -> None:
        """Run the rest of a stage."""
        total = stage.blocks.n_blocks
        if progress.folded.n_blocks and self.message is not None:
            self.message(
                f"resuming the {self.written.noun} of {self.target}, {stage.name}, block "
                f"{progress.folded.n_blocks:,} of {total:,}"
            )
        self._shown(stage, progress.folded)
        for folded in folding(stage.call, stage.blocks, wave_size(), progress.folded):
            progress.advance(folded)
            self._shown(stage, folded)
        progress.next_stage(progress.folded.total() if total else stage.call.identity())

    def _shown(self, stage: Stage, folded: Folded) -> None:
        if self.show is not None:
            self.show(stage.name, folded.n_blocks, stage.blocks.n_blocks)

    def _published(self, identity: str) -> AbstractContextManager[Path]:
        if self.is_file:
            return whole_file_of_store(self.target, self.overwrite, identity)
        return whole(self.target, self.written.kind, self.overwrite, identity)
