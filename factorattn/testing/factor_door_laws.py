"""Laws of what goes into a factorization and comes out: kinds of arrays, hard matrices, batches, chance."""

from collections.abc import Callable

import numpy as np

from factorattn.testing.case import to_numpy
from factorattn.testing.factor_case import FactorCase

__all__ = ["FACTOR_DOOR_LAWS"]


def kind_of_array_is_kept(case: FactorCase) -> bool:
    """Factors have the library of the array and its dtype; those of half precision are single."""
    for dtype, want in (("float64", "float64"), ("float32", "float32"), ("float16", "float32")):
        if not hasattr(case.xp, dtype):
            continue
        factored = case.run(case.draw(1).astype(dtype), 1)
        if factored.dtype != getattr(case.xp, want):
            raise AssertionError(f"{case}: {dtype} gave {factored.dtype}, expected {want}")
        if type(factored.to_dense()) is not type(case.xp.asarray(case.draw())):
            raise AssertionError(f"{case}: gave {type(factored.to_dense())}")
    return True


def what_is_kept_is_counted(case: FactorCase) -> bool:
    """`parameters` and `nbytes` are those of the arrays, and fewer where the rank is low."""
    factored = case.run(case.draw(), 1)
    arrays = [to_numpy(x) for x in factored.arrays()]
    nbytes = sum(x.nbytes for x in arrays)
    numbers = sum(x.size for x in arrays if x.dtype.kind != "i")
    if factored.nbytes != nbytes or factored.parameters > numbers:
        raise AssertionError(
            f"{case}: {factored.parameters} numbers in {factored.nbytes} bytes, held {numbers} in {nbytes}"
        )
    return True


def hard_matrices_are_factored(case: FactorCase) -> bool:
    """Zeros give zeros; constant, rank-deficient and Hilbert matrices give finite factors within their bound."""
    zero = case.dense(np.zeros(case.shape), 2)
    if np.any(zero != 0):
        raise AssertionError(f"{case}: the zero matrix gave {np.max(np.abs(zero)):.2e}")
    places = np.indices(case.shape).sum(axis=0)
    hard = {"constant": np.ones(case.shape), "Hilbert": 1.0 / (1.0 + places), "of rank 1": case.draw(1)}
    for name, a in hard.items():
        for rank in (1, case.top):
            factored = case.run(a, rank)
            dense = to_numpy(factored.to_dense())
            if not np.all(np.isfinite(dense)):
                raise AssertionError(f"{case}: the {name} matrix gave {dense[~np.isfinite(dense)][0]} at rank {rank}")
            if case.record.exact == "rank" and case.error(a, case.top) > case.rounding():
                raise AssertionError(f"{case}: the {name} matrix errs by {case.error(a, case.top):.2e} at full rank")
    return True


def what_is_not_finite_is_refused(case: FactorCase) -> bool:
    """NaN and infinity are refused, by the name of the argument."""
    for poison in (np.nan, np.inf, -np.inf):
        a = case.draw()
        a[(1,) * a.ndim] = poison
        try:
            case.run(a, 1)
        except ValueError as error:
            if "must be finite" not in str(error):
                raise AssertionError(f"{case}: {poison} was refused with {error}") from error
        else:
            raise AssertionError(f"{case}: {poison} was taken")
    return True


def batch_members_are_strangers(case: FactorCase) -> bool:
    """A batch is factored member by member."""
    if not case.batched:
        return False
    a, half = case.draw(batch=(2, 3)), max(1, case.top // 2)
    whole = case.run(a, half)
    dense = to_numpy(whole.to_dense())
    if tuple(whole.shape) != a.shape:
        raise AssertionError(f"{case}: a batch of shape {a.shape} gave {whole.shape}")
    if not case.record.random:
        for at in np.ndindex(2, 3):
            case.close(dense[at], case.dense(a[at], half), "member of a batch")
    x = np.random.default_rng(1).standard_normal((2, 3, a.shape[-1], 2))
    case.close(to_numpy(whole @ case.xp.asarray(x)), dense @ x, "products of a batch")
    return True


def chance_is_what_the_record_says(case: FactorCase) -> bool:
    """What draws gives the same for the same seed and something else for another."""
    if not case.record.random:
        return False
    a = case.draw()
    one, again, other = (case.dense(a, 1, seed=seed) for seed in (0, 0, 1))
    case.close(again, one, "the same seed")
    if np.array_equal(one, other) and np.array_equal(one, case.dense(a, 1, seed=2)):
        raise AssertionError(f"{case}: draws nothing")
    return True


FACTOR_DOOR_LAWS: dict[str, Callable[[FactorCase], bool]] = {
    law.__name__: law
    for law in (
        kind_of_array_is_kept,
        what_is_kept_is_counted,
        hard_matrices_are_factored,
        what_is_not_finite_is_refused,
        batch_members_are_strangers,
        chance_is_what_the_record_says,
    )
}
