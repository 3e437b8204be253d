"""The registry of seeding methods. Each method's file registers its class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from streamkm.seeding.base import Seeding, Task

S = TypeVar("S", bound=Seeding)


@dataclass(frozen=True)
class Method:
    """A seeding method, its costs, and the stop rule of fits that begin with it.

    Parameters
    ----------
    start : callable
        Returns the first state for a `Task`.
    summary : str
        One line for the table in docs/seeding.md.
    reads : callable
        Number of reads of the data, as a function of k.
    width : callable
        Number of centroids or candidates of the method's widest pass, as a function of k.
    least_sample : callable, optional
        Minimum number of rows of its sample, as a function of k. None if it has no sample.
    enough_sample : callable, optional
        Number of rows of its sample from which on more bring little. None for as many as fit.
    reading_tol : float, optional
        With ``loss_tol="auto"``, stop iterating when a read of the data lowers the loss by a
        smaller share than this. None for no such rule.
    """

    start: Callable[[Task], Seeding]
    summary: str
    reads: Callable[[int], int]
    width: Callable[[int], int]
    least_sample: Callable[[int], int] | None
    reading_tol: float | None
    enough_sample: Callable[[int], int] | None = None


METHODS: dict[str, Method] = {}
# The best methods in docs/seeding.md, the second from this number of clusters on.
AUTO, _AUTO_MANY, _MANY = "coreset", "two-level", 2000


def register(
    name: str,
    *,
    summary: str,
    reads: Callable[[int], int],
    width: Callable[[int], int] = lambda k: k,
    least_sample: Callable[[int], int] | None = None,
    reading_tol: float | None = None,
    enough_sample: Callable[[int], int] | None = None,
) -> Callable[[type[S]], type[S]]:
    """Return a class decorator that registers a `Seeding` subclass as the method `name`.

    Parameters
    ----------
    name : str
        Value of ``init`` and ``--init``. A string literal: the help of the command line finds it in
        the source, without an import.
    summary, reads, width, least_sample, reading_tol, enough_sample
        See `Method`.

    Raises
    ------
    ValueError
        If the name is registered already.
    """
    if name in METHODS or name == "auto":
        raise ValueError(f"the seeding method {name!r} is registered already; choose another name.")

    def add(kind: type[S]) -> type[S]:
        METHODS[name] = Method(
            kind.from_task, summary, reads, width, least_sample, reading_tol, enough_sample
        )
        return kind

    return add


def resolved(name: str, k: int) -> str:
    """Return the name of the method for k clusters; 'auto' stays for few clusters.

    Examples
    --------
    >>> resolved("auto", 10), resolved("auto", 10_000), resolved("random", 10_000)
    ('auto', 'two-level', 'random')
    """
    return _AUTO_MANY if name == "auto" and k >= _MANY else name


def method_of(name: str) -> Method:
    """Return the method registered as `name`; 'auto' is the method for few clusters.

    Raises
    ------
    ValueError
        If there is none; the message lists the names.
    """
    method = METHODS.get(AUTO if name == "auto" else name)
    if method is None:
        names = sorted((*METHODS, "auto"))
        raise ValueError(f"init={name!r} is not known; use one of {names} or an array.")
    return method
