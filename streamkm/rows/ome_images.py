"""Images in the full resolution in a group of OME-Zarr: an image, a plate, or several series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_COLLECTIONS = ("bioformats2raw.layout", "plate", "well", "multiscales")


def images_in(group: Any) -> dict[str, Any]:
    """Return the arrays of the full resolution by path; none for a group of another kind.

    Label images do not count. The metadata are those of OME-Zarr 0.4 or 0.5.

    Parameters
    ----------
    group : zarr.Group, which is searched only if its attributes say that it holds images
    """
    if not any(name in _described(group) for name in _COLLECTIONS):
        return {}
    return {path: group[path] for path in _paths(group) if _is_array(group, path)}


def axes_of(array: Any) -> tuple[str, ...] | None:
    """Return the names of the axes of an array of an OME-Zarr image, or None for another array.

    bioformats2raw writes them for the image only, and not for its arrays.
    """
    import zarr  # already imported by the caller

    parent, _, name = array.path.rpartition("/")
    if not name:
        return None
    try:
        group = zarr.open_group(
            array.store, path=parent, mode="r", zarr_format=array.metadata.zarr_format
        )
    except Exception:  # the parent is not a group; object stores have errors of their own
        return None
    try:
        images = _described(group).get("multiscales", ())
        axes = next(image["axes"] for image in images if name in _resolutions(image))
        names = tuple(str(axis["name"] if isinstance(axis, dict) else axis) for axis in axes)
    except (KeyError, StopIteration, TypeError):  # other arrays, or attributes that are not OME's
        return None
    return names if len(names) == array.ndim else None


def _resolutions(image: Any) -> list[str]:
    """Return the paths of the arrays of an image, relative to its group."""
    return [str(each["path"]) for each in image["datasets"]]


def _paths(group: Any) -> Iterator[str]:
    own = _first(group)
    if own is not None:
        yield own
        return
    import zarr  # already imported by the caller

    for path, node in sorted(group.members(max_depth=None)):
        if isinstance(node, zarr.Group) and "labels" not in path.split("/"):
            own = _first(node)
            if own is not None:
                yield f"{path}/{own}"


def _described(group: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = group.attrs.asdict()
    inner = attributes.get("ome")
    return inner if isinstance(inner, dict) else attributes


def _first(group: Any) -> str | None:
    """Return the path of the first array of an image, relative to its group."""
    try:
        return str(_described(group)["multiscales"][0]["datasets"][0]["path"])
    except (KeyError, IndexError, TypeError):
        return None


def _is_array(group: Any, path: str) -> bool:
    import zarr  # already imported by the caller

    try:
        return isinstance(group[path], zarr.Array)
    except (KeyError, ValueError):
        return False
