"""A product quantizer as a scikit-learn transformer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

from sklearn.utils.validation import check_is_fitted

from streamkm.errors import DataError
from streamkm.estimators.kmeans import KMeans
from streamkm.estimators.opening import all_or_nothing, data_options
from streamkm.estimators.parameters import checked_random_state
from streamkm.estimators.quantizing import Quantizing
from streamkm.estimators.spherical import SphericalKMeans
from streamkm.fitting import FitState
from streamkm.models.formats.faiss_index import product_index
from streamkm.models.formats.registry import require
from streamkm.models.quantizer import Codebooks
from streamkm.numbers import real_number
from streamkm.runs.options import CheckpointOptions
from streamkm.runs.quantizing import (
    QuantizerOptions,
    describe_parts,
    fit_quantizer,
    inertia_of,
    prepare_quantizer,
)
from streamkm.showing.verbose import verbose_progress


class ProductQuantizer(Quantizing):
    """Product quantizer: k-means of every part of the features, for codes of few bytes.

    The features are divided into `n_subspaces` parts of the same size. A row is replaced by the
    numbers of the nearest codewords of its parts: with 256 codewords, a byte for each part. The
    fits of all parts share each read of the data, from disk, with bounded memory.

    Parameters
    ----------
    n_subspaces : int, default=8
        Number of parts, m; a divisor of the number of features.
    n_codewords : int, default=256
        Number of codewords of each part, k, at most 65,536.
    coarse : fitted KMeans, SphericalKMeans or MiniBatchKMeans, or None, default=None
        Model whose nearest centroid is subtracted from each row; the residuals are quantized. The
        rows of a SphericalKMeans are divided by their length first. Each read then also takes a
        search among its centroids.
    init : {'auto', 'coreset', 'k-means||', 'k-means++', 'random', 'farthest'}, default='auto'
        Seeding method, as for `KMeans`.
    max_iter : int, default=25
        Maximum number of iterations. An iteration takes a read.
    tol : float, default=1e-4
        A part ends when the sum of squared centroid moves is at most `tol` times the mean variance
        of its features.
    loss_tol : float, None or 'auto', default='auto'
        A part ends when the relative decrease of its loss in an iteration is less than this. 'auto'
        is 1e-3 after a coreset.
    verbose : int, default=0
        If not 0, print a line for each read.
    random_state : int, RandomState instance or None, default=None
        Seed of all draws. Use an int for reproducible results.
    feature_dim : str, int, sequence of them or None, default=None
        Feature dimension or dimensions of N-d data.
    memory_limit : str, int or None, default=None
        Peak memory of the process, in bytes or as a string such as '2GiB'.
    checkpoint : path, URL, Zarr store or None, default=None
        Where the state of the fit is saved; the same `fit` resumes from it.
    checkpoint_every : float, default=60.0
        Minimum number of seconds between two saved states.

    Attributes
    ----------
    codebooks_ : ndarray of shape (m, k, n_features / m), float32
        Codewords of each part.
    inertia_ : float
        Squared error of the decoded rows of the fit, the sum of the losses of all parts.
    n_iter_ : int
        Number of iterations of the part that took the most.
    n_passes_ : int
        Number of reads of the data.
    bytes_read_ : int
        Decoded bytes of these reads.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,), object
        Names of the features, if the data have names.

    Notes
    -----
    H. Jégou, M. Douze and C. Schmid, "Product quantization for nearest neighbor search", IEEE
    Transactions on Pattern Analysis and Machine Intelligence 33 (1), 2011.

    Every row needs a code, so data with missing values are refused. Codes are those of the float32
    codewords, and ties go to the lowest number.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> x = np.random.default_rng(0).normal(size=(500, 4)).astype("f4")
    >>> pq = streamkm.ProductQuantizer(2, n_codewords=16, random_state=0).fit(x)
    >>> codes = pq.transform(x)
    >>> codes.shape, codes.dtype, pq.codebooks_.shape
    ((500, 2), dtype('uint8'), (2, 16, 2))
    >>> decoded = pq.inverse_transform(codes)
    >>> bool(np.isclose(((x - decoded) ** 2).sum(), pq.inertia_, rtol=1e-5))
    True
    """

    def __init__(
        self,
        n_subspaces: int = 8,
        *,
        n_codewords: int = 256,
        coarse: Any = None,
        init: str = "auto",
        max_iter: int = 25,
        tol: float = 1e-4,
        loss_tol: float | str | None = "auto",
        verbose: int = 0,
        random_state: Any = None,
        feature_dim: Any = None,
        memory_limit: str | int | None = None,
        checkpoint: Any = None,
        checkpoint_every: float = 60.0,
    ) -> None:
        self.n_subspaces = n_subspaces
        self.n_codewords = n_codewords
        self.coarse = coarse
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.loss_tol = loss_tol
        self.verbose = verbose
        self.random_state = random_state
        self.feature_dim = feature_dim
        self.memory_limit = memory_limit
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the codebooks.

        Parameters
        ----------
        X : as for `KMeans.fit`
            Rows without missing values.
        y : ignored
            Not used, present for API consistency.
        sample_weight : array of the row shape or None, default=None
            Weight of each row.

        Returns
        -------
        ProductQuantizer
            This estimator, fitted.

        Raises
        ------
        streamkm.errors.DataError
            If the features cannot be divided into `n_subspaces` parts, rows have missing values, or
            the coarse model has other features.
        streamkm.errors.MemoryLimitError
            If the work does not fit in `memory_limit`.
        streamkm.errors.CheckpointError
            If `checkpoint` belongs to another fit or other data, or is in use.
        """
        parameters = self.get_params(deep=False)
        parameters["random_state"] = checked_random_state(self.random_state)
        options = QuantizerOptions.from_parameters(parameters)
        checkpoint = None
        if self.checkpoint is not None:
            seconds = real_number("checkpoint_every", self.checkpoint_every)
            checkpoint = CheckpointOptions(self.checkpoint, seconds)
        with all_or_nothing(self):
            _, data = data_options(self, X, sample_weight, None, None)
            prepared = prepare_quantizer(data, options, _coarse(self.coarse))
            with verbose_progress(self.verbose, prepared.rows, _print) as progress:
                state, found = fit_quantizer(prepared, checkpoint, progress)
            self._take(replace(found, features=list(prepared.rows.layout.names or ())))
            self.inertia_ = inertia_of(state)
            self.n_iter_ = max(len(t.history) for t in state.trajectories)
            self.n_passes_, self.bytes_read_ = state.n_passes, state.reads.bytes_read
        return self

    def to_faiss(self) -> Any:
        """Return an empty index of faiss with these codebooks.

        Returns
        -------
        faiss.IndexPQ or faiss.IndexIVFPQ
            An IndexIVFPQ whose quantizer has the coarse centroids, if there is a coarse model. It
            is trained, and gives rows the codes of `transform`, up to ties that float32 cannot
            decide. For a SphericalKMeans it compares by the inner product; rows must have unit
            length.

        Raises
        ------
        DataError
            If faiss is missing, or the number of codewords is not a power of two.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> x = np.random.default_rng(0).normal(size=(500, 4)).astype("f4")
        >>> pq = streamkm.ProductQuantizer(2, n_codewords=256, random_state=0).fit(x)
        >>> index = pq.to_faiss()
        >>> index.add(x)
        >>> index.ntotal
        500
        """
        check_is_fitted(self)
        require("faiss", "indices of faiss")
        return product_index(self._found)

    def __sklearn_clone__(self) -> Self:
        """Clone the estimator with the fitted model in `coarse`, which `clone` would reset."""
        copy: Self = super().__sklearn_clone__()
        copy.coarse = self.coarse
        return copy


def from_codebooks(found: Codebooks) -> ProductQuantizer:
    """Return the estimator of stored codebooks."""
    m, k, _ = found.codewords.shape
    known = ProductQuantizer().get_params()
    asked = {name: value for name, value in found.parameters.items() if name in known}
    estimator = ProductQuantizer(**{**asked, "n_subspaces": m, "n_codewords": k})
    if found.coarse is not None:
        model = SphericalKMeans if found.cosine else KMeans
        estimator.coarse = model.from_centroids(found.coarse)
    estimator._take(found)
    estimator.inertia_ = found.inertia
    return estimator


def _coarse(model: Any) -> Codebooks | None:
    """Return the centroids of a fitted model as codebooks without codewords.

    Raises
    ------
    DataError
        If it is not a model of centroids, or scales its rows.
    """
    if model is None:
        return None
    if not hasattr(model, "cluster_centers_") or hasattr(model, "tree_"):
        raise DataError("coarse must be a fitted KMeans, SphericalKMeans or MiniBatchKMeans.")
    return Codebooks.of_coarse(model._centroids, getattr(model, "_scaling", None))


def _print(state: FitState) -> None:
    """Print a line for each read."""
    if not state.read_blocks:
        print(describe_parts(state))
