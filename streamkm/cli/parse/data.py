"""Options of the rows that a command reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from streamkm.cli.parse.described import headed, together
from streamkm.cli.parse.options import memory_option
from streamkm.cli.parse.types import Nodata

F = TypeVar("F", bound=Callable[..., Any])


def _one_or_several(
    ctx: click.Context, param: click.Parameter, given: tuple[str, ...]
) -> str | list[str] | None:
    """Return the value of an option, or the values of a repeated one."""
    twice = next((name for name in given if given.count(name) > 1), None)
    if twice is not None:
        raise click.BadParameter(f"{twice!r} is given twice.", ctx, param)
    return list(given) if len(given) > 1 else next(iter(given), None)


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


def _data_options(nodata: Nodata, default: str, more: str = "") -> Callable[[F], F]:
    """Return the options by which data are opened, with a default of --nodata."""
    return together(
        headed(
            "Data",
            variable_option(_VARIABLE),
            click.option(
                "--nodata",
                type=nodata,
                metavar="VALUES",
                default=default,
                show_default=True,
                help=_NODATA + more,
            ),
            click.option(
                "--feature-dim",
                "feature_dims",
                multiple=True,
                metavar="DIM",
                help="Feature dimension of N-d data, by name or number; may be repeated.",
            ),
        ),
        memory_option,
    )


data_options = _data_options(Nodata(), "auto")
# By default those of the model that a run continues.
data_options_again = _data_options(
    Nodata("model"), "model", " model keeps the values of the stream."
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
        help="Leave out rows with missing values, or use their observed values. By default, a fit "
        "leaves them out, and a model is used as it was fitted.",
    ),
)
