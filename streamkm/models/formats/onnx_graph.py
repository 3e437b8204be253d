"""The labels of a model as an ONNX graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.models.model import Model
from streamkm.rows import Scaling, Shifted, Standardised, UnitLength

# Versions that runtimes of the last years support.
_OPSET, _IR = 17, 8
_MOST_NBYTES = 2**31 - 2**20  # protocol buffers hold 2 GiB
# Centroids of the lowest scores, whose distances are computed again by differences.
_CANDIDATES = 4


class _Graph:
    """Nodes and constants of a graph, each named by its first output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: AnyArray) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Add a node and return the name of its last output."""
        from onnx import helper

        names = [f"{operator.lower()}_{len(self.nodes)}_{n}" for n in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names[-1]


def write_onnx(model: Model, path: Path) -> None:
    """Write a graph from `rows` (n, d) to `labels` (n,), int64.

    Rows are float32, or float64 for a model of shifted rows, whose digits float32 cannot hold. They
    are scaled as in a fit. Scores are computed in float64 about the mean of the centroids; the
    centroids of the four lowest scores are compared by float64 differences, and ties go to the
    lowest index.

    Raises
    ------
    DataError
        If the labels come from a tree, or the centroids take more than 2 GiB.
    """
    import onnx
    from onnx import TensorProto, helper

    if model.tree is not None:
        raise DataError(
            "the model labels rows by a tree, which the ONNX graph does not represent. Export its "
            "centroids as .npy or .safetensors."
        )
    if model.centroids.nbytes > _MOST_NBYTES:
        raise DataError("an ONNX file holds 2 GiB; export these centroids as .safetensors.")
    graph, d = _Graph(), model.centroids.shape[1]
    kind = TensorProto.DOUBLE if isinstance(model.scaling, Shifted) else TensorProto.FLOAT
    labels = _nearest(graph, _scaled(graph, "rows", model.scaling, kind), model)
    graph.nodes.append(helper.make_node("Identity", [labels], ["labels"]))
    made = helper.make_graph(
        graph.nodes,
        "streamkm",
        [helper.make_tensor_value_info("rows", kind, ["n", d])],
        [helper.make_tensor_value_info("labels", TensorProto.INT64, ["n"])],
        graph.constants,
    )
    imports = [helper.make_opsetid("", _OPSET)]
    whole = helper.make_model(made, producer_name="streamkm", opset_imports=imports, ir_version=_IR)
    facts = {"features": model.features, "units": model.units, "names": model.names}
    helper.set_model_props(whole, {name: json.dumps(value) for name, value in facts.items()})
    onnx.save(whole, path)


def _scaled(graph: _Graph, rows: str, scaling: Scaling | None, kind: int) -> str:
    """Add the scaling of rows of a kind of number, and return the rows in float64."""
    from onnx import TensorProto

    if isinstance(scaling, Shifted):
        rows = graph.add("Sub", rows, graph.constant(np.array(scaling.origin)))
        scaling = scaling.then
    if isinstance(scaling, Standardised):
        precision = np.float64 if kind == TensorProto.DOUBLE else np.float32
        center, factor = (np.array(a, precision) for a in (scaling.center, scaling.factor))
        rows = graph.add("Sub", rows, graph.constant(center))
        rows = graph.add("Mul", rows, graph.constant(factor))
    if isinstance(scaling, UnitLength):
        largest = graph.add("ReduceMax", graph.add("Abs", rows), axes=[1], keepdims=1)
        rows = _divided(graph, rows, largest, kind)
        wide = graph.add("Cast", rows, to=TensorProto.DOUBLE)
        squares = graph.add("ReduceSumSquare", wide, axes=[1], keepdims=1)
        wide = _divided(graph, wide, graph.add("Sqrt", squares), TensorProto.DOUBLE)
        rows = graph.add("Cast", wide, to=kind)
    return graph.add("Cast", rows, to=TensorProto.DOUBLE)


def _divided(graph: _Graph, rows: str, by: str, kind: int) -> str:
    """Divide rows by numbers (n, 1) that are not negative; rows of 0 stay as they are."""
    from onnx import helper

    precision = helper.tensor_dtype_to_np_dtype(kind)
    zero, one = (graph.constant(np.array(value, precision)) for value in (0, 1))
    positive = graph.add("Greater", by, zero)
    return graph.add("Div", rows, graph.add("Where", positive, by, one))


def _nearest(graph: _Graph, rows: str, model: Model) -> str:
    """Add the arg-min of the distances of float64 rows; return the labels (n,)."""
    centroids = model.scaled_centroids
    k = len(centroids)
    origin = centroids.mean(axis=0)
    norms = ((centroids - origin) ** 2).sum(axis=1)
    stored = graph.constant(centroids)
    # |x - c|^2 = |c - o|^2 - 2 (x - o) c, and terms that are the same for all centroids.
    centred = graph.add("Sub", rows, graph.constant(origin))
    scores = graph.add("Gemm", centred, stored, graph.constant(norms), alpha=-2.0, transB=1)
    most = graph.constant(np.array([min(k, _CANDIDATES)]))
    near = graph.add("TopK", scores, most, outputs=2, largest=0, sorted=0)
    own = graph.add("Unsqueeze", rows, graph.constant(np.array([1])))
    apart = graph.add("Sub", own, graph.add("Gather", stored, near))
    distances = graph.add("ReduceSumSquare", apart, axes=[2], keepdims=0)
    least = graph.add("ReduceMin", distances, axes=[1], keepdims=1)
    chosen = graph.add("Equal", distances, least)
    found = graph.add("Where", chosen, near, graph.constant(np.array(k)))
    return graph.add("ReduceMin", found, axes=[1], keepdims=0)
