"""The function `streamkm.images.similar`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.images.archive.archive import Archive
from streamkm.images.compression.memory import ImageMemory
from streamkm.images.compression.reads import Reader
from streamkm.images.likeness.neighbours import Neighbours
from streamkm.images.likeness.signature import Int64Array
from streamkm.images.likeness.signing import Sign, Signed, shards_of
from streamkm.numbers import real_number
from streamkm.progress import PhaseCallback, Progress

THRESHOLD = 0.2
_REPORTED = 1000  # images between two reports of progress


@dataclass(frozen=True)
class Similar:
    """An image of a group of similar images.

    Parameters
    ----------
    name : str
        Name of the image.
    width, height : int
        Its size in pixels.
    distance : float
        Distance of its signature from that of the first image of the group.
    same : bool
        Whether it has exactly the pixels of the image before it in the group.

    Examples
    --------
    >>> Similar("x.png", 640, 480, 0.02, False).distance
    0.02
    """

    name: str
    width: int
    height: int
    distance: float
    same: bool


def similar(
    archive: Archive | str | os.PathLike[str],
    names: Sequence[str] | None = None,
    *,
    threshold: float = THRESHOLD,
    memory_limit: str | int | None = None,
    watch: Sequence[PhaseCallback] = (),
) -> list[tuple[Similar, ...]]:
    """Find groups of duplicate and similar images of an archive, in one read of its codes.

    Images are compared by signatures of 217 bytes: the lightness in 12 x 12 equal parts of the
    image, as deviations from its mean in units of its standard deviation, the colours in 6 x 6
    parts, and the mean lightness. Copies of another size, quality or format, and slightly brighter
    ones, have distances of about 0.02 to 0.2; other photographs usually more than 0.35. Images with
    little detail, such as clear skies and blank pages, are compared by their colour alone.

    The image with the most pixels, the first by name among several, begins a group with all images
    within the threshold of it. The largest of the other images begins the next group, and so on.
    An image is in one group at most, and each image of a group is similar to its first one.

    Parameters
    ----------
    archive : Archive, str or path-like
        An archive, or its path.
    names : sequence of str, or None
        Names of images, or patterns such as ``'beach/*'``: for each of these images a group of all
        images that are similar to it, the nearest first. By default the groups of the archive.
    threshold : float
        Largest distance of similar images; 0 for images with the same signature.
    memory_limit : int, str or None
        Bytes, or text such as '512MiB'; it limits the images that are processed at once. The
        signatures take about 0.5 GB for a million images in addition.
    watch : sequence of callable
        Each is called with a `Progress` after every task; on a cluster after every wave of them.

    Returns
    -------
    list of tuple of Similar
        Groups of at least two images, or one for each of the `names`; in a group, the first image
        and the others by their distance from it.

    Raises
    ------
    DataError
        If there is no archive, or no image of a name.
    MemoryLimitError
        If the limit is too low for an image.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> from streamkm.images import compress, similar
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     photos = pathlib.Path(folder, "photos")
    ...     photos.mkdir()
    ...     for name, size in (("a", 40), ("b", 80)):
    ...         image = Image.linear_gradient("L").resize((size, size))
    ...         image.save(photos / f"{name}.png")
    ...     Image.radial_gradient("L").save(photos / "c.png")
    ...     groups = similar(compress(photos, f"{folder}/x.zarr"))
    >>> [[image.name for image in group] for group in groups]
    [['b.png', 'a.png']]
    """
    threshold = real_number("threshold", threshold)
    opened = archive if isinstance(archive, Archive) else Archive(archive)
    chosen = None if names is None else opened.chosen(names)
    memory = ImageMemory.from_limit(memory_limit)
    shards = shards_of(opened)
    memory.check(opened.path, max((shard.nbytes for shard in shards), default=0))
    if not shards:
        return []
    signed: Signed = Reader(memory, tuple(watch))("signatures", Sign(opened), shards)
    grouping = _Grouping(opened, signed, threshold)
    return (
        grouping.all_groups(watch) if chosen is None else [grouping.around(name) for name in chosen]
    )


class _Grouping:
    """Groups of the images of an archive by their signatures."""

    def __init__(self, archive: Archive, signed: Signed, threshold: float) -> None:
        self._archive, self._signed = archive, signed
        self._names = list(archive)
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._neighbours = Neighbours(signed.signatures, threshold)

    def around(self, name: str) -> tuple[Similar, ...]:
        """Return an image and all that are similar to it."""
        number = self._numbers[name]
        return self._group(number, *self._neighbours.of(number))

    def all_groups(self, watch: Sequence[PhaseCallback]) -> list[tuple[Similar, ...]]:
        """Return all groups, in the order of the names of their first images."""
        sizes = {name: self._size(name) for name in self._archive.stacks}
        pixels = [np.prod(sizes[place.stack]) for place in self._archive.places.values()]
        order = sorted(range(len(self._names)), key=lambda n: (-int(pixels[n]), self._names[n]))
        free = np.ones(len(self._names), bool)
        groups = []
        for place, number in enumerate(order):
            if place % _REPORTED == 0:
                for report in watch:
                    report(Progress("comparing", place, len(order), "images"))
            if not free[number]:
                continue
            numbers, distances = self._neighbours.of(number)
            kept = free[numbers]
            free[numbers] = False
            if kept.sum() > 1:
                groups.append(self._group(number, numbers[kept], distances[kept]))
        return sorted(groups, key=lambda group: group[0].name)

    def _group(
        self, first: int, numbers: Int64Array, distances: Float64Array
    ) -> tuple[Similar, ...]:
        digests = [self._signed.digests[number].tobytes() for number in numbers]
        own = self._signed.digests[first].tobytes()
        ordered = sorted(
            (number != first, digest != own, distance, digest, self._names[number])
            for number, distance, digest in zip(
                numbers.tolist(), distances.tolist(), digests, strict=True
            )
        )
        found: list[Similar] = []
        before = None
        for _, _, distance, digest, name in ordered:
            height, width = self._size(self._archive.place(name).stack)
            found.append(Similar(name, width, height, distance, digest == before))
            before = digest
        return tuple(found)

    def _size(self, stack: str) -> tuple[int, int]:
        _, height, width, _ = self._archive.stacks[stack]["pixels"].shape
        return int(height), int(width)
