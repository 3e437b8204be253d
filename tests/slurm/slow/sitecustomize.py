"""Slow reads without caching, in every Python process of the Slurm tests.

Runs are then long without work for the two cores that all nodes share.
"""

import os
import time

import streamkm.rows.memory as memory
import streamkm.rows.opened as opened
import streamkm.rows.stored as stored

wait, read = float(os.environ.get("SLOW_READ", 0)), stored.read


def slow(array, region):
    time.sleep(wait)
    return read(array, region)


if "SLOW_READ" in os.environ:  # pytest looks for doctests here as well
    memory.TABLE_NBYTES = memory.SAMPLE_NBYTES = 0
    memory.Budget.keeps = lambda *_: False
    opened._SMALLEST_NBYTES = 1
    stored.read = slow
