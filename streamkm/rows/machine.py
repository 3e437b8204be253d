"""Memory that this process may use, according to the system."""

from __future__ import annotations

import os
from pathlib import Path

# Locations and names of the limits, by the controllers in /proc/self/cgroup; version 2 has none.
_VERSIONS = {"": ("", "memory.max"), "memory": ("memory", "memory.limit_in_bytes")}


def memory_here(root: Path = Path("/")) -> int:
    """Return the bytes of the machine or of the tightest cgroup of the process; 0 if unknown.

    The limit of a container or a Slurm step may be at any level above the process. distributed,
    psutil and Dask check the top level or none.
    """
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0
    groups = root / "proc/self/cgroup"
    for line in groups.read_text().splitlines() if groups.exists() else ():
        _, controllers, place = line.split(":", 2)
        if controllers in _VERSIONS:
            folder, name = _VERSIONS[controllers]
            top = root / "sys/fs/cgroup" / folder
            inner = top / place.lstrip("/")
            for level in (inner, *inner.parents):
                if level.is_relative_to(top):
                    memory = min(memory, _limit(level / name, memory))
    return memory


def _limit(path: Path, otherwise: int) -> int:
    """Return the limit of a level: "max" or a huge number mean no limit; the top has no file."""
    try:
        text = path.read_text().strip()
    except OSError:
        return otherwise
    return int(text) if text.isdigit() else otherwise
