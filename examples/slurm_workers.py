"""Worker jobs of Slurm
====================

The blocks of a store are computed by worker jobs, or, to try it, by workers in this process.

``dask-jobqueue`` submits the jobs, and every fit within the client runs on them: on as many as
there are, which may come and go. The same seed gives the same bits on any workers. The checkpoint
is for the controlling process: after ``time_limit``, or if its job ends, the same script resumes.
Without Python, ``sbatch scripts/slurm/driver.sbatch DATA K MODEL`` does the same.

Needs: ``pip install 'streamkm[plot,slurm]'``

Usage: ``python examples/slurm_workers.py OUTPUT.png [slurm]``
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import zarr
from distributed import Client, LocalCluster

import streamkm


@contextmanager
def workers(slurm: bool):
    """Start worker jobs, or workers in this process, and send them the blocks of all fits."""
    if slurm:
        from dask_jobqueue import SLURMCluster

        # Partition, account and the like can also stand in ~/.config/dask/jobqueue.yaml.
        cluster = SLURMCluster(cores=4, memory="16GiB", walltime="01:00:00")
        print(cluster.job_script())
        cluster.adapt(minimum=1, maximum=8)
    else:
        cluster = LocalCluster(n_workers=2, processes=False, dashboard_address="127.0.0.1:0")
    with cluster, Client(cluster) as client:
        client.wait_for_workers(1)
        yield client


def main(output: str, where: str = "here") -> None:
    # On a cluster, a folder that all nodes see, such as one in the home directory.
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        centres = rng.normal(scale=2, size=(12, 16))
        x = (centres[rng.integers(12, size=10_000)] + rng.normal(size=(10_000, 16))).astype("f4")
        store = Path(folder, "rows.zarr")
        zarr.create_array(store, data=x, chunks=(1_000, 16))

        km = streamkm.KMeans(
            12,
            init="random",
            n_init=2,
            random_state=0,
            checkpoint=Path(folder, "run.ckpt"),
            time_limit=3000,
        )
        with workers(where == "slurm") as client:
            print(f"{len(client.scheduler_info()['workers'])} workers")
            km.fit(store)
        print(f"iterations: {km.n_iter_}, reads: {km.n_passes_}, stopped by {km.stop_reason_}")
        alone = streamkm.KMeans(12, init="random", n_init=2, random_state=0).fit(store)
        same = np.array_equal(km.cluster_centers_, alone.cluster_centers_)
        print(f"without workers: {'the same bits' if same else 'other centroids'}")
        streamkm.plot.loss(km).figure.savefig(output, dpi=90)


if __name__ == "__main__":
    main(*sys.argv[1:])
