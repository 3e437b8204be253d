"""Check the seeding method of a command."""

from __future__ import annotations

import click

from streamkm.seeding import Method, method_of


def seeding_method(name: str) -> Method:
    """Return the method that ``--init`` names.

    Raises
    ------
    click.BadParameter
        If there is none.
    """
    try:
        return method_of(name)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--init'") from error
