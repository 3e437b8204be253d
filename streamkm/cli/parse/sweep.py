"""Options of ``streamkm sweep``."""

from __future__ import annotations

from typing import Any

import click

from streamkm.cli.parse.options import (
    checkpoint_options,
    data_options,
    init_option,
    iteration_options,
    print_options,
    seed_option,
)


class Clusters(click.ParamType[list[int]]):
    """Numbers of clusters, such as 1:20 (20 included), 10:100:10 or 2,4,8."""

    name = "k"

    def convert(self, value: Any, param: Any, ctx: Any) -> list[int]:
        try:
            numbers: set[int] = set()
            for part in value.split(","):
                first, *rest = [int(number) for number in part.split(":")]
                last, step, *more = [*rest, *(first, 1)[len(rest) :]]
                if more:
                    raise ValueError(value)
                numbers |= set(range(first, last + 1, step))
            if not numbers or min(numbers) < 1:
                raise ValueError(value)
        except ValueError:
            self.fail(f"{value!r}: write 1:20, 10:100:10 or 2,4,8.", param, ctx)
        return sorted(numbers)


@click.command(name="sweep")
@click.argument("data")
@click.option(
    "-k",
    "--n-clusters",
    type=Clusters(),
    required=True,
    help="1:20 (20 included), 10:100:10 or 2,4,8.",
)
@click.option(
    "-o", "--output", required=True, metavar="SWEEP.zarr", help="Where the result is stored."
)
@click.option("--n-init", type=click.IntRange(1), default=1, show_default=True, help="Restarts.")
@click.option("--validation", metavar="DATA2", help="Rows for a validation loss, read once.")
@init_option
@iteration_options
@seed_option
@data_options
@checkpoint_options
@click.option(
    "--plot", "picture", metavar="FILE.png", help="Also plot the distortions and the elbow."
)
@print_options
@click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
def command() -> None:
    """Fit every k to the rows of DATA, in as many reads as the slowest fit takes.

    Prints the losses and scores of every k, and the elbow of the distortions.
    """
