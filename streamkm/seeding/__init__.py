"""Seeding: the first centroids of a fit. One file for each method.

Every module of this package is imported here, so that each registers its methods.
"""

from importlib import import_module
from pkgutil import iter_modules

from streamkm.seeding.base import Seeding, Task
from streamkm.seeding.registry import METHODS, Method, method_of, register, resolved

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "METHODS",
    "Method",
    "Seeding",
    "Task",
    "method_of",
    "register",
    "resolved",
]
