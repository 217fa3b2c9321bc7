"""Orthonormality, ordering, and errors that fall with the rank: of every factorization that has them, on one table."""

import itertools

import numpy as np
import pytest
from matrices import hilbert, semidefinite, spectrum

from factorattn import factor
from factorattn.factor import FACTORIZATIONS
from factorattn.testing import ROUNDING

P, Q, R = 12, 8, 3
MATRICES = {
    "general": np.random.default_rng(0).standard_normal((P, Q)),
    "complex": spectrum(P, Q, 2.0 ** -np.arange(Q), dtype="complex128"),
    "of rank two": spectrum(P, Q, [1.0, 0.5]),
    "Hilbert": hilbert(P, Q),
    "zero": np.zeros((P, Q)),
}
TENSOR = np.random.default_rng(1).standard_normal((4, 6, 5))

# Factors whose columns are orthonormal, of what is factored; rows are turned.
ORTHONORMAL = {
    "adaptive_svd": lambda a: _both(factor.adaptive_svd(a, R, rng=0)),
    "qr": lambda a: [factor.qr(a).q],
    "randomized_svd": lambda a: _both(factor.randomized_svd(a, R, rng=0)),
    "robust_pca": lambda a: _both(factor.robust_pca(a, 20).terms[0]),
    "rrqr": lambda a: [factor.rrqr(a, R).q],
    "rrqr, strong": lambda a: [factor.rrqr(a, R, strong=2.0).q],
    "truncated_svd": lambda a: _both(factor.truncated_svd(a, R)),
    "tucker": lambda a: list(factor.tucker(a, R).factors),
    "tucker, hooi": lambda a: list(factor.tucker(a, R, method="hooi").factors),
    "tucker, sthosvd": lambda a: list(factor.tucker(a, R, method="sthosvd").factors),
}
# Numbers that fall, of what is factored.
FALLING = {
    "adaptive_svd": lambda a: factor.adaptive_svd(a, R, rng=0).s,
    "cp": lambda a: factor.cp(a, R, iterations=5).weights,
    "kronecker": lambda a: [np.linalg.norm(term.to_dense()) for term in factor.kronecker(a, R).terms],
    "randomized_svd": lambda a: factor.randomized_svd(a, R, rng=0).s,
    "robust_pca": lambda a: factor.robust_pca(a, 20).terms[0].s,
    "rrqr": lambda a: np.abs(np.diagonal(factor.rrqr(a, Q).triangle)),
    "truncated_svd": lambda a: factor.truncated_svd(a, Q).s,
}
# What a higher rank adds is added to what a lower one has found, from the same seed; or nothing is nearer.
NESTED = {
    "adaptive_svd": lambda a, r: factor.adaptive_svd(a, r, rng=0),
    "interpolative": factor.interpolative,
    "kronecker": factor.kronecker,
    "monarch": factor.monarch,
    "randomized_svd": lambda a, r: factor.randomized_svd(a, r, rng=0),
    "randomized_svd, no power": lambda a, r: factor.randomized_svd(a, r, oversampling=1, power=0, rng=0),
    "rrqr": factor.rrqr,
    "truncated_svd": factor.truncated_svd,
    "tucker": factor.tucker,
}


def _both(svd):
    return [svd.u, np.conj(svd.vt.mT)]


def allowed(a):
    return ROUNDING("float64", a.size * max(a.shape))


def falls(errors, slack):
    return all(after <= before + slack for before, after in itertools.pairwise(errors))


def test_the_tables_name_factorizations():
    assert {name.partition(",")[0] for table in (ORTHONORMAL, FALLING, NESTED) for name in table} <= set(FACTORIZATIONS)


@pytest.mark.parametrize("a", MATRICES.values(), ids=MATRICES)
@pytest.mark.parametrize("factors", ORTHONORMAL.values(), ids=ORTHONORMAL)
def test_factors_are_orthonormal(factors, a):
    for q in factors(a):
        assert np.max(np.abs(np.conj(q.mT) @ q - np.eye(q.shape[-1])), initial=0.0) <= allowed(a)


@pytest.mark.parametrize("a", MATRICES.values(), ids=MATRICES)
@pytest.mark.parametrize("numbers", FALLING.values(), ids=FALLING)
def test_numbers_fall_and_are_not_negative(numbers, a):
    s = np.asarray(numbers(a))
    slack = allowed(a) * np.linalg.norm(a)
    assert s.dtype.kind == "f"
    assert np.all(s >= 0)
    assert falls(s, slack)


@pytest.mark.parametrize("a", MATRICES.values(), ids=MATRICES)
@pytest.mark.parametrize("factored", NESTED.values(), ids=NESTED)
def test_the_error_falls_with_the_rank_and_vanishes_at_the_full_one(factored, a):
    errors = [np.linalg.norm(a - factored(a, rank).to_dense()) for rank in range(1, P + 1)]
    assert falls(errors, allowed(a) * np.linalg.norm(a))
    assert errors[-1] <= allowed(a) * np.linalg.norm(a)


@pytest.mark.parametrize("choose", ["random", "greedy"])
def test_the_trace_that_cholesky_leaves_falls_with_the_rank(choose):
    a = semidefinite(P, 2.0 ** -np.arange(P))
    left = [np.trace(a - factor.rpcholesky(a, r, choose=choose, rng=0).to_dense()) for r in range(1, P + 1)]
    assert falls(left, allowed(a) * np.trace(a))
    assert left[0] > left[-1]


def test_columns_of_a_nystrom_factor_are_orthogonal_and_their_norms_fall():
    g = factor.nystrom(semidefinite(P, 2.0 ** -np.arange(P)), 6, rng=0).g
    gram = g.T @ g
    assert np.max(np.abs(gram - np.diag(np.diagonal(gram)))) <= ROUNDING("float64", P**3) * gram[0, 0]
    assert falls(np.diagonal(gram), 0.0)


def test_slices_of_a_core_fall_in_norm():
    core = factor.tucker(TENSOR, None).core
    for mode in range(3):
        norms = np.linalg.norm(np.moveaxis(core, mode, 0).reshape(core.shape[mode], -1), axis=1)
        assert falls(norms, allowed(TENSOR) * norms[0])


def test_cores_of_a_train_but_the_last_are_orthonormal():
    *cores, _ = factor.tensor_train(TENSOR, R).cores
    for core in cores:
        q = core.reshape(-1, core.shape[-1])
        assert np.max(np.abs(q.T @ q - np.eye(q.shape[1]))) <= allowed(TENSOR)
