"""A fitted model, as it is stored and loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array
from streamkm.models.facts import model_html
from streamkm.models.hierarchy import Hierarchy
from streamkm.rows import Scaling, SeenStore

KNOWN_CENTROIDS = "known centroids"  # stop reason of centroids without the history of a fit


@dataclass(frozen=True, repr=False)
class Model:
    """A fitted model in its stored form.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
        In the units of the data.
    inertia : float
        Loss of these centroids, in squared units.
    history : structured ndarray of shape (iterations,)
        A field for each column of `Step`.
    stop_reason : str
        Rule that ended the fit.
    n_passes : float
        Number of reads of the data; a read of some blocks counts as their share of a read.
    bytes_read : int
        Decoded bytes of these reads.
    parameters : dict of str to object
        Parameters of the fit.
    versions : dict of str to str
        Versions of streamkm and of the libraries on which the bits depend.
    fit : str
        Identity of a fit with a checkpoint.
    scaling : Scaling or None
        Scaling of the rows.
    scaled : ndarray of shape (k, d), float64, or None
        Centroids of the scaled rows, if there is a scaling.
    features : list of str
        Names of the features; empty if they have none.
    names : list
        Names of the clusters; empty if they have none.
    tree : tuple of (ndarray, ndarray), or None
        Pairs and children of the `Tree` of the clusters; None if a row belongs to the nearest
        centroid.
    reads : dict of str to dict
        Reads and bytes of each phase, as in `KMeans.reads_`.
    init : ndarray of shape (k, d), float64, or None
        Initial centroids that were given.
    counts : ndarray of shape (k,), float64, or None
        Weight of the rows of each cluster, of all mini-batches together if there are some; None if
        unknown.
    batches : dict of str to int
        Numbers that describe the mini-batches, such as `n_steps`; empty for other fits.
    units : list of str
        Units of the features, such as 'K'; empty if they have none.
    summary : dict of str to object
        Arrays and numbers of the summary of a `StreamingKMeans`; empty for other models.
    hierarchy : Hierarchy or None
        Levels of clusters above these.
    drift : dict of str to ndarray
        Arrays of the `drift_` of a `StreamingKMeans`; empty if there is none.
    seen : tuple of Seen and SeenFiles
        What a `StreamingKMeans` has read of its stores and files.
    unrecorded : tuple of str
        Addresses of data of which a `StreamingKMeans` has read an unknown part.
    cost : dict of str to float
        `seconds` and `peak_memory_bytes` of the command that wrote the model; empty if unknown. A
        run that resumed another has only its own.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> model = streamkm.Model(np.eye(2), parameters={"feature_dim": "band"})
    >>> model.scaled_centroids.tolist(), model.feature_dim
    ([[1.0, 0.0], [0.0, 1.0]], 'band')
    """

    centroids: Float64Array
    inertia: float = np.nan
    history: AnyArray = field(default_factory=lambda: np.empty(0))
    stop_reason: str = ""
    n_passes: float = 0
    bytes_read: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    fit: str = ""
    scaling: Scaling | None = None
    scaled: Float64Array | None = None
    features: list[str] = field(default_factory=list)
    names: list[Any] = field(default_factory=list)
    tree: tuple[Float64Array, npt.NDArray[np.int64]] | None = None
    reads: dict[str, dict[str, float]] = field(default_factory=dict)
    init: Float64Array | None = None
    counts: Float64Array | None = None
    batches: dict[str, int] = field(default_factory=dict)
    units: list[str] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    hierarchy: Hierarchy | None = None
    drift: dict[str, AnyArray] = field(default_factory=dict)
    seen: tuple[SeenStore, ...] = ()
    unrecorded: tuple[str, ...] = ()
    cost: dict[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        k, d = self.centroids.shape
        facts = f"{k} clusters, {d} features, inertia {self.inertia:.6g}"
        return f"<Model: {facts}, stopped by {self.stop_reason or 'nothing'}>"

    def _repr_html_(self) -> str:
        return model_html(self)

    @property
    def scaled_centroids(self) -> Float64Array:
        """Centroids of the scaled rows; those in data units if there is no scaling."""
        return self.centroids if self.scaled is None else self.scaled

    @property
    def feature_dim(self) -> Any:
        """Feature dimension or dimensions of the fit; None for two-dimensional data."""
        asked = self.parameters.get("feature_dim")
        return None if asked == [] else asked
