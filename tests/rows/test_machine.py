"""The memory that a process may use, under the cgroups of containers and Slurm."""

from __future__ import annotations

import os

import pytest

from streamkm.rows.machine import memory_here

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
LIMIT = 2**28


@pytest.mark.parametrize(
    ("groups", "limits", "want"),
    [
        ("0::/", {}, MACHINE),
        ("0::/a/job/step", {"a/job/step/memory.max": "max", "a/memory.max": "max"}, MACHINE),
        ("0::/a/job/step", {"a/job/step/memory.max": LIMIT, "a/memory.max": 2 * LIMIT}, LIMIT),
        ("0::/a/job/step", {"a/job/step/memory.max": "max", "a/memory.max": LIMIT}, LIMIT),
        ("0::/../..", {"memory.max": LIMIT}, LIMIT),
        (
            "0::/of/the/host",
            {"memory.max": LIMIT},
            LIMIT,
        ),  # a container that sees only its own cgroup
        ("4:memory:/job\n0::/", {"memory/job/memory.limit_in_bytes": LIMIT}, LIMIT),
        ("4:memory:/job\n0::/", {"memory/memory.limit_in_bytes": 2**63 - 4096}, MACHINE),
        ("3:cpuset:/job", {"memory/job/memory.limit_in_bytes": LIMIT}, MACHINE),
    ],
)
def test_the_tightest_cgroup_at_any_level_counts(tmp_path, groups, limits, want):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"{groups}\n")
    for name, limit in limits.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{limit}\n")
    assert memory_here(tmp_path) == want


def test_a_system_without_cgroups_gives_its_memory(tmp_path):
    assert memory_here(tmp_path) == MACHINE
