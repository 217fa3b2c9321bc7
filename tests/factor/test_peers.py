"""What SciPy and scikit-learn have under other names: pivots of LAPACK's Cholesky, features of a polynomial kernel."""

import numpy as np
import pytest
from matrices import semidefinite
from scipy.linalg.lapack import dpstrf

from factorattn.factor import TensorSketch, rpcholesky
from factorattn.factor.sketch.sparse_sign import signed_sums
from factorattn.testing import ROUNDING


@pytest.mark.parametrize("rank", [1, 4, 9])
def test_greedy_pivots_are_those_of_lapack(rank):
    """DPSTRF takes the largest entry that is left of the diagonal, too; it goes on to the rank of the matrix."""
    a = semidefinite(9, 3.0 ** -np.arange(9.0), seed=1)
    upper, pivots, found, info = dpstrf(a)
    assert (found, info) == (9, 0)
    got = rpcholesky(a, rank, choose="greedy")
    assert got.landmarks.tolist() == (pivots[:rank] - 1).tolist()
    g = np.triu(upper).T[np.argsort(pivots)]
    # Pivots are divided by: what rounding they have is as many times larger as the last one is smaller than the first.
    steep = upper[0, 0] / upper[rank - 1, rank - 1]
    assert np.max(np.abs(got.g - g[:, :rank])) <= ROUNDING("float64", a.size) * steep * upper[0, 0]


@pytest.mark.peers
@pytest.mark.parametrize(("degree", "r"), [(1, 8), (2, 16), (3, 7)])
def test_features_of_a_polynomial_are_those_of_scikit_learn_with_the_same_hashes(degree, r):
    kernel_approximation = pytest.importorskip("sklearn.kernel_approximation", reason="scikit-learn is not installed")
    x = np.random.default_rng(0).standard_normal((5, 6))
    peer = kernel_approximation.PolynomialCountSketch(degree=degree, n_components=r, random_state=0).fit(x)
    kind = {"dtype": x.dtype, "device": "cpu"}
    sketches = [
        signed_sums(buckets[None, :], signs[None, :].astype(float), r, x, kind)
        for buckets, signs in zip(peer.indexHash_, peer.bitHash_, strict=True)
    ]
    got, want = TensorSketch(tuple(sketches)).features(x), peer.transform(x)
    longest = np.max(np.sum(np.abs(x), axis=1)) ** degree
    assert np.max(np.abs(got - want)) <= ROUNDING("float64", 6 * r * degree) * longest
