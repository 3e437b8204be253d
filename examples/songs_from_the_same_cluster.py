"""Songs recommended from the same cluster
=======================================

Songs are clustered by pitch and amplitude; the nearest of the same cluster are recommended.

The ten thousand songs are simulated, with four kinds of sound. Pitch is in hertz and amplitude is
between 0 and 1, so both are scaled; otherwise pitch alone would determine the clusters. The songs
nearest to the centre of a cluster are its examples, and the nearest songs of the same cluster are
the recommendations after a song.

Needs: ``pip install 'streamkm[plot]'``

Usage: ``python examples/songs_from_the_same_cluster.py OUTPUT.png``
"""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import numpy as np

import streamkm

KINDS = {"lullaby": (220, 0.15), "ballad": (300, 0.45), "march": (420, 0.85), "aria": (700, 0.6)}


def made_songs(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pitch and amplitude (n, 2), and the simulated kind of each song."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(len(KINDS), size=count)
    centres = np.array(list(KINDS.values()))
    songs = centres[kinds] + rng.normal(size=(count, 2)) * [40, 0.05]
    return songs, np.array(list(KINDS))[kinds]


def main(output: str) -> None:
    songs, kinds = made_songs(10_000)
    km = streamkm.KMeans(len(KINDS), scale="standard", n_init=5, random_state=0).fit(songs)
    names = km.name_clusters(songs[:40], kinds[:40])
    found = km.representatives(songs, 3)
    for name, numbers in zip(names, found.numbers, strict=True):
        told = ", ".join(f"song {n} ({songs[n, 0]:.0f} Hz, {songs[n, 1]:.2f})" for n in numbers)
        print(f"{name}: {told}")
    heard = 17
    same = np.flatnonzero(km.labels_ == km.labels_[heard])
    apart = np.abs((songs[same] - songs[heard]) / songs.std(axis=0)).sum(axis=1)
    following = same[apart.argsort()[1:4]]
    print(f"after song {heard} ({names[km.labels_[heard]]}): songs {following.tolist()}")
    print(f"{np.mean(names[km.labels_] == kinds):.1%} of the songs have the name of their kind")
    print(f"stopped by {km.stop_reason_}")
    _, ax = plt.subplots(figsize=(8, 6), layout="constrained")
    streamkm.plot.clusters(km, songs, ax)
    ax.set(xlabel="pitch, Hz", ylabel="amplitude")
    ax.figure.savefig(output, dpi=100)


if __name__ == "__main__":
    main(sys.argv[1])
