"""Options that commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from streamkm.cli.parse.described import headed, together
from streamkm.cli.parse.types import Bytes, Finite
from streamkm.numbers import MOST_RESTARTS

F = TypeVar("F", bound=Callable[..., Any])


def choice_option(name: str, choices: Sequence[str], text: str) -> Callable[[F], F]:
    """Return an option with a value of these choices; the first is the default."""
    kind = click.Choice(choices)
    return click.option(name, type=kind, default=choices[0], show_default=True, help=text)


def sweep_option(command: F) -> F:
    """Add the option that selects one k of a sweep, which then takes the place of a model."""
    text = "Number of clusters (required for a sweep)."
    return click.option("-k", "--n-clusters", type=click.IntRange(1), help=text)(command)


memory_option = click.option(
    "--memory-limit",
    type=Bytes(),
    metavar="SIZE",
    help="Maximum peak memory of this process, such as 2GiB.",
)
seed_option = click.option(
    "--seed",
    "random_state",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Random seed.",
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Print reads, bytes and memory; read nothing."
)
print_options = together(
    dry_run_option,
    click.option(
        "--time",
        "timed",
        is_flag=True,
        help="With --dry-run: read some blocks for a few seconds and also print the likely time.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
)
cluster_options = headed(
    "Scheduler",
    click.option(
        "--scheduler",
        metavar="[threads|processes|slurm|ADDRESS]",
        help="Where blocks are computed (default: threads of this process).",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1),
        help="Number of processes, or maximum number of Slurm jobs.",
    ),
    click.option(
        "--dashboard",
        metavar="HOST:PORT",
        help="Address of Dask's dashboard (default: loopback, any free port).",
    ),
    click.option("--performance-report", "report", metavar="FILE.html", help="Dask's report."),
)
scale_option = click.option(
    "--scale",
    type=click.Choice(["standard", "robust"]),
    help="Scale features by mean and deviation, or by median and quartiles; needs one more read.",
)
restarts_option = click.option(
    "--n-init",
    type=click.IntRange(1, MOST_RESTARTS),
    default=1,
    show_default=True,
    help="Restarts.",
)
iteration_options = headed(
    "Iterations",
    click.option(
        "--max-iter",
        type=click.IntRange(1),
        default=300,
        show_default=True,
        help="Maximum number of iterations.",
    ),
    click.option(
        "--tol",
        type=Finite(0),
        default=1e-4,
        show_default=True,
        help="Stop when the sum of squared centroid shifts is below this times the variance.",
    ),
    click.option(
        "--loss-tol",
        type=Finite(0),
        help="Stop when the relative decrease of the loss is below this; the default is 1e-3 "
        "after a coreset if iterations need reads. 0 disables it.",
    ),
)
search_options = together(
    choice_option(
        "--space",
        ["srgb", "oklab"],
        "Colour space of the distances: stored values, or perceptual colours.",
    ),
    click.option(
        "--n-init",
        type=click.IntRange(1, MOST_RESTARTS),
        default=1,
        show_default=True,
        help="Number of starts of the search.",
    ),
    seed_option,
)
refine_option = click.option(
    "--refine",
    type=click.IntRange(0),
    metavar="READS",
    help="Then continue like fit, by this many reads of all rows and one for the loss.",
)
