"""Options of runs that are saved and resumed."""

from __future__ import annotations

import click

from streamkm.cli.parse.described import headed
from streamkm.cli.parse.needing import needing_option
from streamkm.cli.parse.types import Seconds

resume_options = headed(
    "Checkpoint",
    click.option(
        "--checkpoint",
        metavar="CKPT",
        help="Folder or URL of the checkpoint; the same command starts and resumes the run.",
    ),
    needing_option(
        "--checkpoint-every",
        needs=("checkpoint", "labels"),
        type=Seconds(),
        metavar="TIME",
        default="60s",
        show_default=True,
        help="Time between checkpoints.",
    ),
)
again_option = needing_option(
    "--again-code",
    needs=("checkpoint",),
    type=click.IntRange(1, 255),
    default=75,
    show_default=True,
    help="Exit code of a run that stopped early and must be run again.",
)
checkpoint_options = headed(
    "Checkpoint",
    resume_options,
    needing_option(
        "--checkpoint-reads",
        needs=("checkpoint",),
        type=click.IntRange(1),
        help="Maximum number of reads between checkpoints.",
    ),
    needing_option(
        "--signals",
        needs=("checkpoint",),
        metavar="NAMES",
        default="TERM,INT,USR1,USR2",
        show_default=True,
        help="Signals that stop a run with a checkpoint at the end of the current wave.",
    ),
    again_option,
)
