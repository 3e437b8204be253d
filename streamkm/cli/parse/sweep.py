"""What ``streamkm sweep`` takes."""

from __future__ import annotations

from typing import Any

import click

from streamkm.cli.parse.options import INITS, Finite, data_options


class Clusters(click.ParamType[list[int]]):
    """Numbers of clusters: 1:20, 10:100:10 or 2,4,8."""

    name = "k"

    def convert(self, value: Any, param: Any, ctx: Any) -> list[int]:
        try:
            found: set[int] = set()
            for part in value.split(","):
                first, *rest = [int(number) for number in part.split(":")]
                last, step, *more = [*rest, *(first, 1)[len(rest) :]]
                if more:
                    raise ValueError(value)
                found |= set(range(first, last + 1, step))
            if not found or min(found) < 1:
                raise ValueError(value)
        except ValueError:
            self.fail(f"{value!r}: write 1:20, 10:100:10 or 2,4,8.", param, ctx)
        return sorted(found)


@click.command(name="sweep")
@click.argument("data")
@click.option(
    "-k",
    "--n-clusters",
    type=Clusters(),
    required=True,
    help="1:20 (20 included), 10:100:10 or 2,4,8.",
)
@click.option("-o", "--output", required=True, metavar="SWEEP.zarr", help="The whole result.")
@click.option("--n-init", type=click.IntRange(1), default=1, show_default=True, help="Restarts.")
@click.option("--validation", metavar="DATA2", help="Rows for the validation loss: one read.")
@click.option("--init", type=click.Choice(INITS), default="auto", show_default=True)
@click.option("--max-iter", type=click.IntRange(1), default=300, show_default=True)
@click.option("--tol", type=Finite(0), default=1e-4, show_default=True)
@click.option("--loss-tol", type=Finite(0), help="As for fit.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@data_options
@click.option("--plot", "picture", metavar="FILE.png", help="Also draw the distortions and elbow.")
@click.option("--dry-run", is_flag=True, help="Print reads, bytes and memory; read nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
def command() -> None:
    """Fit every k to the rows of DATA, all in the reads of the slowest fit; say the elbow."""
