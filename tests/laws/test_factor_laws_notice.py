"""Every law of factorizations notices something: for each, a factorization that breaks it, and the law says so."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from factorattn import Factorization
from factorattn.factor.door import admit
from factorattn.factor.factored import SVD, Product
from factorattn.testing import FACTOR_LAWS, check_factorization
from factorattn.testing.factor_case import factor_cases

INPUTS = "a: ... p q, rank = r"
RECORD = Factorization(
    inputs=INPUTS, time="p*q", memory="p*q", exact="rank", lowrank=True, optimal=True, paper="eckart1936"
)


def sound(a, rank):
    xp, size, (a,) = admit(INPUTS, a=a, rank=rank)
    scale = 2.0 ** np.floor(np.log2(np.max(np.abs(a), initial=0.0) or 1.0))
    u, s, vt = xp.linalg.svd(a / scale, full_matrices=False)
    r = size["r"]
    return SVD(u[..., :r], s[..., :r] * scale, vt[..., :r, :], error_bound=np.linalg.norm(s[..., r:], axis=-1) * scale)


@dataclass(frozen=True, eq=False, repr=False)
class _Negated(Product):
    """Multiplies by something else than its matrix."""

    def matmat(self, x):
        return -super().matmat(x)

    def to_dense(self):
        return -self.matmat(np.eye(self.shape[-1]))


@dataclass(frozen=True, eq=False, repr=False)
class _Boastful(Product):
    """Says that it keeps less than it does."""

    @property
    def nbytes(self):
        return super().nbytes // 2


def multiplies_wrongly(a, rank):
    f = sound(a, rank)
    return _Negated((f.u * f.s[..., None, :], f.vt))


def always_double(a, rank):
    return sound(np.asarray(a, dtype="float64"), rank)


def keeps_more_than_it_says(a, rank):
    return _Boastful(sound(a, rank).two_factors().factors)


def claims_a_smaller_error(a, rank):
    f = sound(a, rank)
    return replace(f, error_bound=f.error_bound / 2)


def never_exact(a, rank):
    f = sound(a, rank)
    return replace(f, s=f.s * 1.001, error_bound=None)


def keeps_one_more(a, rank):
    return sound(a, rank + 1)


def too_large(a, rank):
    f = sound(a, rank)
    return replace(f, s=1.1 * f.s, error_bound=None)


def worse_with_more(a, rank):
    return sound(a, max(1, min(a.shape[-2:]) - rank))


def squares_overflow(a, rank):
    _, size, (a,) = admit(INPUTS, a=a, rank=rank)
    basis = np.linalg.eigh(a.mT @ a).eigenvectors[..., ::-1][..., : size["r"]]
    return Product((a @ basis, basis.mT))


def sides_differ(a, rank):
    f = sound(a, rank)
    return f if a.shape[-2] > a.shape[-1] else replace(f, s=f.s * 1.01, error_bound=None)


def zero_is_nan(a, rank):
    with np.errstate(invalid="ignore", divide="ignore"):
        f = sound(a, rank)
        return replace(f, u=f.u / (f.s[..., None, :] / f.s[..., None, :]))


def takes_anything(a, rank):
    return sound(np.nan_to_num(a), rank)


def mixes_the_batch(a, rank):
    return sound(a if a.ndim < 3 else a + a.mean(axis=0, keepdims=True), rank)


def draws_nothing(a, rank, *, rng=None):
    return sound(a, rank)


UNSOUND = {
    "factors_multiply_as_their_matrix_does": (multiplies_wrongly, {}),
    "kind_of_array_is_kept": (always_double, {}),
    "what_is_kept_is_counted": (keeps_more_than_it_says, {}),
    "error_bound_bounds_the_error": (claims_a_smaller_error, {}),
    "exact_when_the_record_says": (never_exact, {}),
    "no_result_beats_the_truncated_svd": (keeps_one_more, {}),
    "nothing_of_its_form_is_nearer": (too_large, {}),
    "error_falls_with_the_rank": (worse_with_more, {}),
    "a_multiple_is_approximated_by_the_multiple": (squares_overflow, {}),
    "the_transpose_is_approximated_by_the_transpose": (sides_differ, {}),
    "hard_matrices_are_factored": (zero_is_nan, {}),
    "what_is_not_finite_is_refused": (takes_anything, {}),
    "batch_members_are_strangers": (mixes_the_batch, {}),
    "chance_is_what_the_record_says": (draws_nothing, {"random": True}),
}


def broken(law, f):
    try:
        with np.errstate(all="ignore"):
            for case in factor_cases(f):
                law(case)
    except (AssertionError, np.linalg.LinAlgError):
        return True
    return False


def test_there_is_one_for_every_law():
    assert set(UNSOUND) == set(FACTOR_LAWS)


@pytest.mark.parametrize("name", UNSOUND)
def test_a_law_notices(name):
    f, fields = UNSOUND[name]
    replace(RECORD, **fields)(f)
    assert broken(FACTOR_LAWS[name], f)


@pytest.mark.parametrize("name", [name for name in UNSOUND if name != "chance_is_what_the_record_says"])
def test_what_is_sound_breaks_none(name):
    assert not broken(FACTOR_LAWS[name], RECORD(sound))


def half(a, rank):
    return sound(a, 1)


@pytest.mark.parametrize("exact", ["always", "rank", "form"])
def test_a_record_that_says_exact_too_often_is_noticed(exact):
    f = half if exact != "form" else never_exact
    replace(RECORD, exact=exact)(f)
    assert broken(FACTOR_LAWS["exact_when_the_record_says"], f)


def test_what_has_no_record_is_refused():
    with pytest.raises(TypeError, match="check_factorization needs a function with a record"):
        check_factorization(lambda a, rank: a)
