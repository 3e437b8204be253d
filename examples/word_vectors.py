"""Words of the same kind
======================

Vectors of words are clustered by their angle; the words nearest to each centroid name a cluster.

The vectors come from a text that every Python has, the reference of the language: words that stand
beside the same words get similar vectors (positive pointwise mutual information and its principal
directions). Vectors of a language model in a Zarr store are clustered by the same two lines.

Needs: ``pip install 'streamkm[plot]'``

Usage: ``python examples/word_vectors.py OUTPUT.png``
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pydoc_data.topics import topics

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse import coo_array
from sklearn.decomposition import TruncatedSVD

import streamkm

N_WORDS, N_FEATURES, WINDOW = 600, 40, 4
COMMON = 60  # words such as "the" and "a", which stand beside all words


def word_vectors() -> tuple[list[str], np.ndarray]:
    """Return the most frequent words, and their vectors (n, d), float32."""
    text = re.findall(r"[a-z]{3,}", " ".join(topics.values()).lower())
    known = [word for word, _ in Counter(text).most_common(COMMON + N_WORDS)][COMMON:]
    numbers = {word: number for number, word in enumerate(known)}
    at = np.array([numbers.get(word, -1) for word in text])
    pairs = [np.stack([at[:-away], at[away:]]) for away in range(1, WINDOW + 1)]
    first, second = np.concatenate(pairs, axis=1)
    both = (first >= 0) & (second >= 0)
    ends = (np.r_[first[both], second[both]], np.r_[second[both], first[both]])
    counts = coo_array((np.ones(len(ends[0])), ends), shape=(N_WORDS, N_WORDS)).tocsr()
    counts.sum_duplicates()
    total = counts.sum(axis=0)
    row, column = counts.nonzero()
    counts.data = np.log(np.maximum(counts.data * total.sum() / (total[row] * total[column]), 1))
    vectors = TruncatedSVD(N_FEATURES, random_state=0).fit_transform(counts)
    kept = np.linalg.norm(vectors, axis=1) > 0
    return [word for word, own in zip(known, kept, strict=True) if own], vectors[kept].astype("f4")


def main(output: str) -> None:
    words, vectors = word_vectors()
    km = streamkm.SphericalKMeans(20, random_state=0).fit(vectors)
    near = km.representatives(vectors, 6)
    order = np.argsort(near.distances.mean(axis=1))  # the densest clusters first
    shown = [[words[number] for number in near.numbers[c] if number >= 0] for c in order]
    for cluster, members in zip(order, shown, strict=True):
        print(f"{km.counts_[cluster]:3.0f} words: {', '.join(members)}")
    print(f"stopped by {km.stop_reason_}")

    figure, axes = plt.subplots(2, 4, figsize=(13, 5), layout="constrained")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    for ax, cluster, members in zip(axes.flat, order, shown, strict=False):
        cosines = (vectors / lengths) @ km.cluster_centers_[cluster]
        cosines = cosines[[words.index(word) for word in members]]
        ax.barh(members, cosines, color="#0072B2")
        ax.set(xlim=(0, 1), title=f"cluster {cluster}: {km.counts_[cluster]:.0f} words")
        ax.invert_yaxis()
    figure.supxlabel("cosine of the angle to the centroid")
    figure.savefig(output, dpi=80)


if __name__ == "__main__":
    main(sys.argv[1])
