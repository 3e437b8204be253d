"""The limit of BLAS to one thread."""

from __future__ import annotations

import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from streamkm.kernels import blas, one_blas_thread


@pytest.fixture(autouse=True)
def three_threads():
    with threadpool_limits(3, user_api="blas"):
        yield


def numbers():
    """The limits of the BLAS of NumPy and SciPy.

    That of faiss, which other tests import, uses OpenMP. Its limit is one of each thread, but the
    number that it reports is the last one that any thread set.
    """
    found = [each for each in threadpool_info() if each["user_api"] == "blas"]
    return {each["num_threads"] for each in found if each["threading_layer"] != "openmp"}


def test_the_numbers_before_are_restored():
    with one_blas_thread(), one_blas_thread():
        assert numbers() == {1}
    assert numbers() == {3}


def test_the_limit_ends_with_the_last_of_the_callers_that_overlap():
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert numbers() == {1}
    second.__exit__(None, None, None)
    assert numbers() == {3}


def test_callers_in_many_threads_leave_the_numbers_as_they_were():
    seen = set()

    def work():
        for _ in range(50):
            with one_blas_thread():
                seen.update(numbers())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {1}
    assert numbers() == {3}


def test_a_forked_process_has_none_of_the_callers_of_its_parent(monkeypatch):
    held = blas._LOCK
    for name, value in (("_LOCK", held), ("_callers", 2), ("_limits", [(None, None)])):
        monkeypatch.setattr(blas, name, value)
    blas._forget()
    assert (blas._callers, blas._limits) == (0, [])
    assert blas._LOCK is not held
