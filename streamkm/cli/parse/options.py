"""Options that commands share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from streamkm.cli.parse.described import headed, together
from streamkm.cli.parse.needing import needing_option
from streamkm.cli.parse.types import Bytes, Finite, Nodata, Seconds
from streamkm.numbers import MOST_RESTARTS

F = TypeVar("F", bound=Callable[..., Any])


def registered_names(package: str) -> list[str]:
    """Return the names that the files of a package register, without importing them.

    Parameters
    ----------
    package : 'seeding' or 'ingesting'
    """
    # Not by importlib.resources, whose import takes longer than the rest of this function.
    sources = Path(__file__).parents[2].joinpath(package).glob("*.py")
    texts = [each.read_text("utf-8") for each in sources]
    return sorted(
        name for text in texts for name in re.findall(r'^@register\(\s*"(.+?)"', text, re.M)
    )


def _one_or_several(
    ctx: click.Context, param: click.Parameter, given: tuple[str, ...]
) -> str | list[str] | None:
    """Return the value of an option, or the values of a repeated one."""
    twice = next((name for name in given if given.count(name) > 1), None)
    if twice is not None:
        raise click.BadParameter(f"{twice!r} is given twice.", ctx, param)
    return list(given) if len(given) > 1 else next(iter(given), None)


def choice_option(name: str, choices: Sequence[str], text: str) -> Callable[[F], F]:
    """Return an option with a value of these choices; the first is the default."""
    kind = click.Choice(choices)
    return click.option(name, type=kind, default=choices[0], show_default=True, help=text)


def sweep_option(command: F) -> F:
    """Add the option that selects one k of a sweep, which then takes the place of a model."""
    text = "Number of clusters (required for a sweep)."
    return click.option("-k", "--n-clusters", type=click.IntRange(1), help=text)(command)


def _methods(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of the seeding methods that begin so, for the shell."""
    names = ["auto", *registered_names("seeding")]
    return [name for name in names if name.startswith(incomplete)]


def init_option(command: F) -> F:
    """Add the option that names a seeding method; the command compares it with the registry."""
    names = ", ".join(["auto", *registered_names("seeding")])
    option = click.option(
        "--init",
        metavar="METHOD",
        default="auto",
        shell_complete=_methods,
        show_default=True,
        help=f"Method that finds the first centroids: {names}. auto is coreset, a search in a "
        "sample, which takes 2 reads, or two-level, a search in groups of it, from 2,000 clusters "
        "on; k-means++ and farthest take one for each centroid.",
    )
    return option(command)


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
scale_option = click.option(
    "--scale",
    type=click.Choice(["standard", "robust"]),
    help="Scale features by mean and deviation, or by median and quartiles; needs one more read.",
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


def variable_option(text: str) -> Callable[[F], F]:
    """Return the option that names arrays of a group."""
    return click.option(
        "--variable", multiple=True, callback=_one_or_several, metavar="NAME", help=text
    )


_VARIABLE = (
    "Array in a Zarr group; may be repeated, and then each array is one feature of the rows."
)
_NODATA = (
    "Leave out rows with one of these values, such as 0,nan; auto uses the array's _FillValue, "
    "missing_value or nodata, and none keeps all rows."
)
_feature_option = click.option(
    "--feature-dim",
    "feature_dims",
    multiple=True,
    metavar="DIM",
    help="Feature dimension of N-d data, by name or number; may be repeated.",
)
data_options = together(
    headed(
        "Data",
        variable_option(_VARIABLE),
        click.option(
            "--nodata",
            type=Nodata(),
            metavar="VALUES",
            default="auto",
            show_default=True,
            help=_NODATA,
        ),
        _feature_option,
    ),
    memory_option,
)
# By default those of the model that a run continues.
data_options_again = together(
    headed(
        "Data",
        variable_option(_VARIABLE),
        click.option(
            "--nodata",
            type=Nodata("model"),
            metavar="VALUES",
            default="model",
            show_default=True,
            help=f"{_NODATA} model keeps the values of the stream.",
        ),
        _feature_option,
    ),
    memory_option,
)
mask_option = click.option(
    "--mask",
    metavar="ARRAY",
    help="Rows to use, where this array is true: path or URL of a Zarr array, or name of an array "
    "in the group DATA. Dimensions are matched by name.",
)
row_options = headed(
    "Data",
    click.option(
        "--weights",
        metavar="ARRAY|cos(NAME)",
        help="Weights of the rows, given like --mask; or, such as cos(lat), areas by the cosine "
        "of a coordinate. Along dimensions that the array lacks, it is repeated.",
    ),
    mask_option,
)
missing_option = headed(
    "Data",
    click.option(
        "--missing",
        type=click.Choice(["omit", "impute"]),
        help="Leave out rows with missing values, the default of a fit, or let them take part by "
        "their observed values.",
    ),
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
