"""The tests of k-means in the wheel of scikit-learn, run with `streamkm.KMeans`.

`sklearn/cluster/tests/test_k_means.py` is loaded with our class under the name that it imports, and
its functions become tests of this module. `NOT_OURS` leaves out whole functions and `left_out`
parameters; all others run.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.cluster
from sklearn.utils.fixes import CSR_CONTAINERS

import streamkm
from streamkm.engine import map_reduce
from streamkm.fitting import restart_seeds
from streamkm.rows import open_rows
from streamkm.runs.fit_options import restarts_of
from streamkm.seeding import Seeding, Task, method_of
from tests.conftest import searched

pytestmark = [
    # scikit-learn does not warn at max_iter, where some of its tests end [docs/scikit-learn.md].
    pytest.mark.filterwarnings(
        "ignore:stopped after max_iter:sklearn.exceptions.ConvergenceWarning"
    ),
    # The seeding issues a warning with the text of that of scikit-learn, which the tests expect.
    pytest.mark.filterwarnings("ignore::streamkm.errors.FewDistinctRowsWarning"),
]

CSR = "of sparse input alone, which is refused"
ELKAN = "of algorithm='elkan' alone, which is refused"
KERNEL = "of a private kernel or helper of scikit-learn's"
NOT_OURS = {
    "test_minibatch_iter_steps": "of batches that span two epochs; here an epoch ends with a batch",
    "test_minibatch_reassign": KERNEL,
    "test_minibatch_update_consistency": KERNEL,
    "test_dense_sparse": CSR,
    "test_predict_dense_sparse": CSR,
    "test_kmeans_elkan_iter_attribute": ELKAN,
    "test_kmeans_elkan_results": ELKAN,
    "test_warning_elkan_1_cluster": ELKAN,
    "test_euclidean_distance": KERNEL,
    "test_inertia": KERNEL,
    "test_is_same_clustering": KERNEL,
    "test_relocate_empty_clusters": KERNEL,
    "test_kmeans_plusplus_wrong_params": "of x_squared_norms, which streamkm does not take",
    "test_float_precision": "asks for float32 centroids of float32 data; here they are float64",
}


def left_out(value):
    """Whether a parameter uses a feature that `streamkm` does not offer."""
    return (
        sp.issparse(value)
        or any(value is container for container in CSR_CONTAINERS)
        or (isinstance(value, str) and value == "elkan")
    )


def seeded(X, n_clusters, init="k-means++", *, sample_weight=None, random_state=None):
    """Centroids of our seeding, and their row numbers."""
    rows = open_rows(np.asarray(X), sample_weight=sample_weight)
    task = Task(n_clusters, restart_seeds(random_state or 0, 1)[0], len(X), 0)
    drawn, state = [], method_of(init).start(task)
    while isinstance(state, Seeding):
        answer = map_reduce(state.ask(), rows)
        drawn.extend(answer.numbers)
        state = searched(state.tell(answer))
    return state, np.array(drawn)


class KMeans(streamkm.KMeans):
    """`streamkm.KMeans` with the private method and attribute that the tests use."""

    @property
    def _n_init(self):
        return restarts_of(self.n_init, self.init)

    def _init_centroids(self, X, x_squared_norms, init, sample_weight, n_centroids, random_state):
        seed = int(random_state.randint(2**31))
        weights = {"sample_weight": sample_weight, "random_state": seed}
        return seeded(X, n_centroids, init, **weights)[0]


class MiniBatchKMeans(streamkm.MiniBatchKMeans):
    """`streamkm.MiniBatchKMeans` with the private attributes that the tests use."""

    @property
    def _n_init(self):
        return restarts_of(self.n_init, self.init, 3)

    @property
    def _init_size(self):
        return self.init_size_


def k_means(*args, **options):
    """The function `k_means` of scikit-learn, computed by our `KMeans`."""
    function = sklearn.cluster.k_means
    with mock.patch.dict(inspect.unwrap(function).__globals__, KMeans=KMeans):
        return function(*args, **options)


def kmeans_plusplus(X, n_clusters, *, x_squared_norms=None, random_state=None):
    """Our seeding under the name of that of scikit-learn; it ignores the norms."""
    return seeded(X, n_clusters, random_state=random_state)


def loaded():
    path = Path(sklearn.cluster.__file__).parent / "tests/test_k_means.py"
    spec = importlib.util.spec_from_file_location("scikit_learns_test_k_means", path)
    module = importlib.util.module_from_spec(spec)
    ours = {"KMeans": KMeans, "k_means": k_means, "kmeans_plusplus": kmeans_plusplus}
    ours["MiniBatchKMeans"] = MiniBatchKMeans
    with mock.patch.multiple(sklearn.cluster, **ours):
        spec.loader.exec_module(module)
    return {name: value for name, value in vars(module).items() if name.startswith("test_")}


def narrowed(mark):
    """A parametrize mark without the parameters that are left out."""
    names, rows = mark.args
    one = len(names.split(",")) == 1
    stay = [not any(map(left_out, [row] if one else row)) for row in rows]

    def staying(values):
        return [value for value, stays in zip(values, stay, strict=True) if stays]

    ids = {name: staying(values) for name, values in mark.kwargs.items()}
    return pytest.mark.parametrize(names, staying(rows), **ids).mark


OWN = loaded()
RUN = [name for name in OWN if name not in NOT_OURS]
for name in RUN:
    marks = getattr(OWN[name], "pytestmark", [])
    marks = [narrowed(mark) if mark.name == "parametrize" else mark for mark in marks]
    OWN[name].pytestmark = [*marks, pytest.mark.usefixtures("either_way").mark]
    globals()[name] = OWN[name]

# After the default seeding, one iteration is as good as ten, because its search has converged.
EARLY = pytest.mark.parametrize(
    "Estimator", [functools.partial(kind, init="k-means++") for kind in (KMeans, MiniBatchKMeans)]
)
OWN["test_score_max_iter"].pytestmark[0] = EARLY.mark


@pytest.fixture(params=["table", "reads"])
def either_way(request):
    """Fit by the table of distinct rows, as for small data, and by reads, as for large data."""
    if request.param == "reads":
        request.getfixturevalue("no_table")


@pytest.fixture
def global_random_seed():
    return 42  # the default of scikit-learn


@pytest.fixture(params=[np.float32, np.float64])
def global_dtype(request):
    return request.param


def parameter_sets(function):
    return [m.args[1] for m in getattr(function, "pytestmark", []) if m.name == "parametrize"]


def test_every_function_of_theirs_runs_or_has_a_reason_not_to():
    """All 58 functions of scikit-learn 1.9; for another release, this lists the new ones."""
    assert NOT_OURS.keys() <= OWN.keys()
    assert (len(RUN), len(NOT_OURS)) == (44, 14)
    for name in RUN:
        assert globals()[name] is OWN[name]
        assert all(parameter_sets(OWN[name]))  # pytest would skip an empty parameter set


def test_it_is_our_class_that_they_test():
    for name in RUN:
        scope = OWN[name].__globals__
        assert scope["KMeans"] is KMeans
        assert scope["MiniBatchKMeans"] is MiniBatchKMeans
        values = [value for values in parameter_sets(OWN[name]) for value in values]
        theirs = {sklearn.cluster.KMeans, sklearn.cluster.MiniBatchKMeans}
        assert theirs.isdisjoint(v for v in values if inspect.isclass(v))
    assert sklearn.cluster.KMeans is not KMeans  # other tests use the original
