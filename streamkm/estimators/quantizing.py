"""Codes of a fitted product quantizer: computed, decoded and written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from streamkm.arrays import AnyArray
from streamkm.engine import map_rows, work_budget, write_rows
from streamkm.errors import DataError
from streamkm.estimators.data import InputData
from streamkm.estimators.opening import check_features, data_options, names_of
from streamkm.models.quantizer import Codebooks, save_codebooks
from streamkm.outputs import (
    LABELS,
    QUANTIZER,
    File,
    PlainLabels,
    Store,
    alone,
    check_outputs,
    check_store,
    label_format,
    local,
)
from streamkm.passes import Codes
from streamkm.rows import Rows, UnitLength, is_a
from streamkm.runs.labels import LabelRun
from streamkm.runs.options import memory_bytes
from streamkm.runs.predict import write_labels
from streamkm.runs.quantizing import refuse_lacking


class Quantizing(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The codebooks of a fitted product quantizer, and the methods that use them."""

    feature_dim: Any
    memory_limit: Any
    random_state: Any
    codebooks_: AnyArray
    inertia_: float
    nodata = None  # every row needs a code

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def transform(self, X: Any) -> Any:
        """Return the codes of rows.

        Parameters
        ----------
        X : as in `fit`
            Rows with the features of the fit.

        Returns
        -------
        array of shape (n_samples, n_subspaces), of the smallest unsigned dtype
            Lazy if the data are lazy, a store or a path.

        Raises
        ------
        DataError
            If the features are not those of the fit, or rows may have missing values.

        See Also
        --------
        write_codes : Write the codes of data larger than memory to a store or a file.
        """
        check_is_fitted(self)
        given, rows = self._rows(X)
        codes: Any
        if given.is_lazy:
            codes = map_rows(self._question, rows)
        else:
            codes = np.empty((*rows.layout.row_shape, len(self.codebooks_)), self._question.dtype)
            write_rows(self._question, rows, codes)
        found = given.like(codes, rows)
        of_xarray = is_a(found, "xarray.DataArray")
        return found.rename("codes").rename(cluster="part") if of_xarray else found

    def inverse_transform(self, X: Any, labels: Any = None) -> Any:
        """Return the rows that codes stand for.

        Parameters
        ----------
        X : array or Dask array of shape (n_samples, n_subspaces)
            Codes.
        labels : array of shape (n_samples,), of the same kind, or None
            Labels of the rows by the coarse model, which a quantizer of residuals requires.

        Returns
        -------
        array of shape (n_samples, n_features), float32
            Lazy for a Dask array.

        Raises
        ------
        DataError
            If the codes have another shape or values that are not codes, or labels are missing, or
            are not those of the coarse model.
        """
        check_is_fitted(self)
        X, labels = (v if v is None or hasattr(v, "ndim") else np.asarray(v) for v in (X, labels))
        if (labels is None) != (self._found.coarse is None):
            raise DataError(
                "labels belong to a quantizer with a coarse model only."
                if labels is not None
                else "the codes are those of residuals: give labels=coarse.predict(rows)."
            )
        if X.ndim != 2 or X.shape[1] != len(self.codebooks_) or X.dtype.kind not in "iu":
            raise DataError(
                f"codes have shape {X.shape} and dtype {X.dtype}; they must be integers of shape "
                f"(n, {len(self.codebooks_)})."
            )
        lazy = is_a(X, "dask.array.Array")
        if labels is not None and is_a(labels, "dask.array.Array") != lazy:
            raise DataError(
                "codes and labels must be of one kind: both NumPy, or both Dask, arrays."
            )
        if not lazy:
            return _decoded(np.asarray(X), labels, self._found)
        x = X.rechunk({1: -1})
        own = None if labels is None else labels.rechunk(x.chunks[0])[:, None]
        chunks = (x.chunks[0], (self.n_features_in_,))
        return x.map_blocks(_decoded, own, self._found, dtype=np.float32, chunks=chunks)

    def write_codes(self, X: Any, out: Any, *, overwrite: bool = False) -> Any:
        """Write the codes of every row to a Zarr store or a .npy file, in one read.

        A stopped call is resumed by the same call, as for `KMeans.write_labels`.

        Parameters
        ----------
        X : as in `fit`
            Rows with the features of the fit.
        out : str or path-like
            Path of a new store, or of a file with the suffix .npy.
        overwrite : bool, default=False
            Whether codes there may be replaced.

        Returns
        -------
        zarr.Array or numpy.memmap
            The codes, of shape (n_samples, n_subspaces).

        Raises
        ------
        DataError
            If the features are not those of the fit, or the suffix is that of another kind of file.
        OutputExistsError
            If the path exists and may not be replaced, or is an input.

        Examples
        --------
        >>> import numpy as np, streamkm, tempfile, zarr
        >>> x = zarr.array(np.random.default_rng(0).normal(size=(500, 4)).astype("f4"))
        >>> pq = streamkm.ProductQuantizer(2, n_codewords=16, random_state=0).fit(x)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     codes = pq.write_codes(x, f"{folder}/codes.npy")
        ...     bool((codes == pq.transform(x).compute()).all())
        True
        """
        check_is_fitted(self)
        given, rows = self._rows(X, count=True)
        file = label_format(out)
        if file is not None and file.suffix != ".npy":
            raise DataError(f"{out}: codes are written as a .npy file or a Zarr store.")
        output = Store(out, LABELS, overwrite) if file is None else File(out, (".npy",), overwrite)
        check_outputs([output], [given.array, rows.array])
        run = LabelRun(local(out), overwrite, PlainLabels(), self._question, rows, file=file)
        write_labels(run)
        return run.open()

    def save(self, path: Any, overwrite: bool = False) -> None:
        """Write the codebooks as a Zarr group for `streamkm.load`.

        Parameters
        ----------
        path : str or path-like
            Folder that does not exist.
        overwrite : bool
            Whether a product quantizer there may be replaced.

        Raises
        ------
        OutputExistsError
            If something exists at the path and may not be replaced.

        Examples
        --------
        >>> import numpy as np, streamkm, tempfile
        >>> x = np.random.default_rng(0).normal(size=(500, 4))
        >>> pq = streamkm.ProductQuantizer(2, n_codewords=16, random_state=0).fit(x)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pq.save(f"{folder}/pq.zarr")
        ...     again = streamkm.load(f"{folder}/pq.zarr")
        >>> np.array_equal(again.transform(x), pq.transform(x))
        True
        """
        check_is_fitted(self)
        target = check_store(path, QUANTIZER, overwrite)
        left_out = ("checkpoint", "coarse", "random_state")
        asked = {n: v for n, v in self.get_params(deep=False).items() if n not in left_out}
        if self.random_state is None or np.isscalar(self.random_state):
            asked["random_state"] = self.random_state
        found = replace(self._found, inertia=self.inertia_, parameters=asked)
        with alone(target):
            save_codebooks(target, found, overwrite)

    @property
    def _question(self) -> Codes:
        found = self._found
        return Codes(found.codewords, found.code_dtype, found.residuals)

    @property
    def _found(self) -> Codebooks:
        return replace(self._known, codewords=np.asarray(self.codebooks_, np.float32))

    def _take(self, found: Codebooks) -> None:
        self._known, self.codebooks_ = found, found.codewords
        self.n_features_in_ = found.codewords.shape[0] * found.codewords.shape[2]
        self._n_features_out = len(found.codewords)
        if found.features:
            self.feature_names_in_ = np.array(found.features, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _rows(self, X: Any, count: bool = False) -> tuple[InputData, Rows]:
        given, data = data_options(self, X, None, None, names_of(self))
        m, k, _ = self.codebooks_.shape
        nbytes = m * self._question.dtype.itemsize
        budget = work_budget(memory_bytes(self.memory_limit), k, answer_nbytes=nbytes)
        scaling = UnitLength() if self._known.cosine else None
        rows = data.open(budget, scaling, count or not given.is_lazy)
        check_features(self, rows)
        refuse_lacking(rows)
        return given, rows


def _decoded(codes: AnyArray, labels: Any, found: Codebooks) -> AnyArray:
    """Decode codes in memory."""
    return found.decode(codes, None if labels is None else np.asarray(labels).reshape(-1))
