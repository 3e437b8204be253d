"""The formats to which a model can be exported, chosen by the suffix of the file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from streamkm.errors import DataError
from streamkm.models.formats import arrays, faiss_index, onnx_graph
from streamkm.models.model import Model
from streamkm.outputs import File, check_outputs, local, whole_file


@dataclass(frozen=True)
class ModelFormat:
    """A format of files of models.

    Parameters
    ----------
    suffix : suffix of the files
    module : module that it needs, or empty; it is also the name of the extra that installs it
    write : writes a model to a new file
    """

    suffix: str
    module: str
    write: Callable[[Model, Path], None]


FORMATS = (
    ModelFormat(".npy", "", arrays.write_npy),
    ModelFormat(".safetensors", "safetensors", arrays.write_safetensors),
    ModelFormat(".onnx", "onnx", onnx_graph.write_onnx),
    ModelFormat(".faiss", "faiss", faiss_index.write_faiss),
)
SUFFIXES = tuple(each.suffix for each in FORMATS)


def export_model(
    model: Model, path: str | os.PathLike[str], overwrite: bool, inputs: Sequence[Any] = ()
) -> Path:
    """Write a model to a file, in the format of its suffix.

    Parameters
    ----------
    model : Model
    path : local path with one of `SUFFIXES`
    overwrite : whether a file there may be replaced
    inputs : paths that the file may not overlap, such as that of the model

    Returns
    -------
    The path, with links resolved.

    Raises
    ------
    DataError
        If the suffix is another one, a package is missing, or the format cannot hold the model.
    OutputExistsError
        If the file exists and may not be replaced.
    """
    check_outputs([File(path, SUFFIXES, overwrite)], inputs)
    target = local(path)
    (kind,) = (each for each in FORMATS if each.suffix == target.suffix.lower())
    if kind.module:
        require(kind.module, f"{kind.suffix} files")
    with whole_file(target) as partial:
        kind.write(model, partial)
    return target


def require(module: str, what: str) -> None:
    """Raise an error if the module of an extra of the same name is missing.

    Raises
    ------
    DataError
        The message names the extra.
    """
    try:
        import_module(module)
    except ModuleNotFoundError as error:
        raise DataError(f"{what} need {module}: pip install 'streamkm[{module}]'.") from error
