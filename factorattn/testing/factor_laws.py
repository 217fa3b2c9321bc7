"""Laws of factorizations. Each takes a `FactorCase`, raises AssertionError where it fails, and tells if it applies.

The lower bound of Eckart and Young is the one that catches what looks too good.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from factorattn.testing.case import to_numpy
from factorattn.testing.factor_case import FactorCase
from factorattn.testing.factor_door_laws import FACTOR_DOOR_LAWS
from factorattn.testing.tolerance import BOUND

__all__ = ["FACTOR_LAWS"]


def factors_multiply_as_their_matrix_does(case: FactorCase) -> bool:
    """Products with vectors and columns from both sides, rows by number and the transpose are those of `to_dense`."""
    a = case.draw()
    factored = case.run(a, max(1, case.top // 2))
    dense, rng = to_numpy(factored.to_dense()), np.random.default_rng(1)
    p, q = factored.shape
    x, y = rng.standard_normal((q, 3)), rng.standard_normal((p, 3))
    at = np.asarray([0, p - 1, p // 2])
    for what, got, want in (
        ("F x", factored.matvec(case.xp.asarray(x[:, 0])), dense @ x[:, 0]),
        ("F @ X", factored @ case.xp.asarray(x), dense @ x),
        ("adjoint F y", factored.rmatvec(case.xp.asarray(y[:, 0])), dense.conj().T @ y[:, 0]),
        ("X F^T", factored.mT.__rmatmul__(case.xp.asarray(x.T)), x.T @ dense.T),
        ("transpose", factored.mT.to_dense(), dense.T),
        ("rows", factored.rows(case.xp.asarray(at)), dense[at]),
    ):
        case.close(to_numpy(got), want, what)
    return True


def error_bound_bounds_the_error(case: FactorCase) -> bool:
    """What a result says of its error is no less than its error."""
    applies = False
    for seed in range(3):
        for rank in (1, 2, case.top):
            for a in (case.draw(seed=seed), case.draw(2, seed=seed)):
                factored = case.run(a, rank, seed=seed)
                if factored.error_bound is None:
                    continue
                applies, norm = True, np.linalg.norm(a)
                error = np.linalg.norm(case.matrix(a, factored) - to_numpy(factored.to_dense()))
                allowed = BOUND(float(factored.error_bound), length=a.size) + case.rounding() * norm
                if not error <= allowed:
                    raise AssertionError(f"{case}: error {error:.3e} at rank {rank}, bounded by {allowed:.3e}")
    return applies


def exact_when_the_record_says(case: FactorCase) -> bool:
    """Exact always, from the rank of the matrix on, or for matrices of the result's form; and only then."""
    exact, general = case.record.exact, case.draw(seed=3)
    yes: list[tuple[np.ndarray, int | None]]
    no: list[tuple[np.ndarray, int | None]]
    if exact == "never":
        return False
    if exact == "always":
        yes, no = [(general, None)], []
    elif exact == "rank":
        yes = [(case.draw(rank, seed=4), rank) for rank in (1, 2)] + [
            (case.draw(2, seed=4), case.top),
            (general, case.top),
        ]
        no = [(general, 1), (case.draw(2, seed=4), 1)]
    else:
        form = np.reshape(case.dense(general, 1), general.shape)
        yes, no = [(form, 1)], [(general, 1)]
    for a, rank in yes:
        if not case.error(a, rank) <= case.rounding():
            raise AssertionError(f"{case}: says exact={exact!r}, but errs by {case.error(a, rank):.2e} at rank {rank}")
    for a, rank in no:
        if case.error(a, rank) <= case.rounding():
            raise AssertionError(f"{case}: exact at rank {rank}, where it cannot be")
    return True


def no_result_beats_the_truncated_svd(case: FactorCase) -> bool:
    """Eckart and Young: nothing of rank r is nearer; and the rank is no more than was asked for."""
    if not case.record.lowrank:
        return False
    for seed in range(3):
        a = case.draw(seed=seed)
        for rank in range(1, case.top + 1):
            factored = case.run(a, rank, seed=seed)
            dense, matrix = to_numpy(factored.to_dense()), case.matrix(a, factored)
            s = np.linalg.svd(matrix, compute_uv=False)
            best = np.linalg.norm(s[rank:])
            left = np.linalg.norm(np.linalg.svd(dense, compute_uv=False)[rank:])
            if left > case.rounding() * s[0]:
                raise AssertionError(f"{case}: asked for rank {rank}, got more")
            error = float(np.linalg.norm(matrix - dense))
            if best > BOUND(error, length=a.size) + case.rounding() * s[0]:
                raise AssertionError(f"{case}: error {error:.3e} at rank {rank} beats the truncated SVD, {best:.3e}")
    return True


def nothing_of_its_form_is_nearer(case: FactorCase) -> bool:
    """The nearest of its form: factors moved a little, or much, make nothing nearer."""
    if not case.record.optimal:
        return False
    a, rng = case.draw(), np.random.default_rng(5)
    for rank in (1, 2):
        factored = case.run(a, rank)
        matrix = case.matrix(a, factored)
        error = np.linalg.norm(matrix - to_numpy(factored.to_dense()))
        for step in (1e-6, 1e-3, 1.0):
            for _ in range(10):
                moved = factored.map(
                    lambda x, h=step: x + case.xp.asarray(h * rng.standard_normal(tuple(x.shape)), dtype=x.dtype)
                )
                other = float(np.linalg.norm(matrix - to_numpy(moved.to_dense())))
                if error > BOUND(other, length=a.size) + case.rounding() * np.linalg.norm(a):
                    raise AssertionError(f"{case}: error {error:.6e} at rank {rank}, but {other:.6e} is near")
    return True


def error_falls_with_the_rank(case: FactorCase) -> bool:
    """A best approximation has fewer errors the more it may keep."""
    if not (case.ranked and case.record.optimal):
        return False
    a = case.draw()
    errors = [case.error(a, rank) for rank in range(1, case.top + 1)]
    for rank, (before, after) in enumerate(itertools.pairwise(errors), start=1):
        if after > before + case.rounding():
            raise AssertionError(f"{case}: error {before:.3e} at rank {rank}, {after:.3e} at {rank + 1}")
    return True


def a_multiple_is_approximated_by_the_multiple(case: FactorCase) -> bool:
    """Scaling commutes with factoring, from very small to very large entries."""
    a, half = case.draw(), max(1, case.top // 2)
    want = case.dense(a, half)
    for factor in (3.0, 1e-150, 1e150, *(() if case.record.needs in ("semidefinite", "nonnegative") else (-1.0,))):
        case.close(case.dense(a * factor, half) / factor, want, f"factored after multiplying by {factor:g}")
    for factor in (1e-30, 1e30):
        case.close(
            case.dense((a * factor).astype("float32"), half) / factor,
            want,
            f"float32 times {factor:g}",
            dtype="float32",
        )
    return True


def the_transpose_is_approximated_by_the_transpose(case: FactorCase) -> bool:
    """A best approximation does not care which side is which, where transposes of results have their form, too."""
    if not (case.record.optimal and len(case.shape) == 2) or {"x", "y"} & set(case.options):
        return False
    a, turned = case.draw(), replace(case, shape=case.shape[::-1])
    for rank in (1, max(1, case.top // 2)):
        dense = case.dense(a, rank)
        if turned.error(np.ascontiguousarray(dense.T), rank) > case.rounding():
            return False
        case.close(turned.dense(np.ascontiguousarray(a.T), rank).T, dense, "transpose")
    return True


FACTOR_LAWS: dict[str, Callable[[FactorCase], bool]] = {
    law.__name__: law
    for law in (
        factors_multiply_as_their_matrix_does,
        error_bound_bounds_the_error,
        exact_when_the_record_says,
        no_result_beats_the_truncated_svd,
        nothing_of_its_form_is_nearer,
        error_falls_with_the_rank,
        a_multiple_is_approximated_by_the_multiple,
        the_transpose_is_approximated_by_the_transpose,
    )
} | FACTOR_DOOR_LAWS
