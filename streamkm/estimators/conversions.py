"""Conversions of a fitted estimator for other programs."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from streamkm.estimators.fitted import Fitted
from streamkm.estimators.models import stored_model, to_sklearn
from streamkm.models.formats.faiss_index import faiss_index
from streamkm.models.formats.registry import export_model, require


class Conversions(Fitted):
    """Methods that give the clusters to other programs."""

    def export(self, path: Any, overwrite: bool = False) -> None:
        """Write the centroids to a file for other programs, in the format of its suffix.

        docs/interoperability.md describes the formats.

        Parameters
        ----------
        path : str or path-like
            File with one of the suffixes .npy (the array `cluster_centers_`), .safetensors
            (centroids, counts and scaling), .onnx (a graph from float32 rows to int64 labels) and
            .faiss (the index of `to_faiss`).
        overwrite : bool
            Whether a file there may be replaced.

        Raises
        ------
        DataError
            If the suffix is another one, a package is missing, or the format cannot represent the
            model.
        OutputExistsError
            If the file exists and may not be replaced.

        See Also
        --------
        save : Write the whole model, with the history of its fit, for `streamkm.load`.

        Examples
        --------
        >>> import numpy as np, streamkm, tempfile
        >>> model = streamkm.KMeans.from_centroids([[0.0, 0.0], [3.0, 4.0]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.export(f"{folder}/centroids.npy")
        ...     np.load(f"{folder}/centroids.npy").tolist()
        [[0.0, 0.0], [3.0, 4.0]]
        """
        check_is_fitted(self)
        export_model(stored_model(self), path, overwrite)

    def to_faiss(self) -> Any:
        """Return the centroids as a flat index of faiss, such as the quantizer of an IVF index.

        docs/ivf-index.md builds `IndexIVFFlat` and `IndexIVFPQ` with it.

        Returns
        -------
        faiss.IndexFlatL2 or faiss.IndexFlatIP
            Centroids in float32, in the order of the clusters. A model of directions
            (`SphericalKMeans`) gives an `IndexFlatIP` of centroids of unit length, in which the
            nearest centroid has the largest inner product with a row of any length.

        Raises
        ------
        DataError
            If faiss is missing, or the rows are scaled, which faiss cannot represent.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> model = streamkm.KMeans.from_centroids([[0.0, 0.0], [3.0, 4.0]])
        >>> index = model.to_faiss()
        >>> index.search(np.array([[3.0, 3.0]], "f4"), 1)[1].tolist()
        [[1]]
        """
        check_is_fitted(self)
        require("faiss", "indices of faiss")
        return faiss_index(stored_model(self))

    def to_sklearn(self, dtype: npt.DTypeLike | None = None) -> Any:
        """Return a fitted scikit-learn estimator with the same clusters.

        Parameters
        ----------
        dtype : {None, float64, float32}
            None for a Pipeline that converts rows of any dtype to float64. Otherwise the dtype of
            the centroids; the `sklearn.cluster.KMeans` then labels rows of this dtype only.

        Returns
        -------
        sklearn.pipeline.Pipeline or sklearn.cluster.KMeans
            The last step of a Pipeline is a `sklearn.cluster.KMeans`. If the rows are scaled, there
            is a step with a StandardScaler, or a Normalizer.

        Raises
        ------
        DataError
            If scikit-learn cannot represent the model.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> model = streamkm.KMeans.from_centroids([[0.0, 0.0], [3.0, 4.0]])
        >>> model.to_sklearn().predict(np.array([[1.0, 0.0], [3.0, 3.0]], "f4")).tolist()
        [0, 1]
        """
        check_is_fitted(self)
        return to_sklearn(self, dtype)
