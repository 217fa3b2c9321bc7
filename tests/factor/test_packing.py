"""Factored matrices taken apart and put together again, through JSON."""

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn.factor import FACTORIZATIONS
from factorattn.factor.factored import SVD, Diagonal, Factored, Permutation, Product, Sum
from factorattn.factor.factored.packing import _id, _kinds, pack, unpack
from factorattn.testing.factor_case import factor_cases


@dataclass(frozen=True, eq=False, repr=False)
class Odd(Factored):
    """A kind with every sort of field."""

    x: Any
    count: int
    factor: float
    phase: complex
    name: str
    flags: tuple
    nothing: Any = None

    shape = (2, 2)
    flops = 0

    @property
    def mT(self):
        return self

    def matmat(self, x):
        return self.x @ x


def there_and_back(f, **options):
    spec, arrays = pack(f, **options)
    return unpack(json.loads(json.dumps(spec, allow_nan=False)), arrays)


def nested(xp=np):
    rng = np.random.default_rng(0)
    a, b, c, d = (xp.asarray(rng.standard_normal(shape)) for shape in ((4, 2), (2, 3), (3,), (4, 3)))
    svd = SVD(a, xp.asarray([2.0, 1.0]), b, error_bound=xp.asarray(0.5))
    return Sum((Product((svd, Diagonal(c))), d))


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def test_a_matrix_of_matrices_comes_back_as_it_was(xp):
    f = nested(xp)
    back = there_and_back(f)
    assert type(back) is Sum
    assert [type(term) for term in back.terms[:1]] == [Product]
    assert bool(xp.all(back.to_dense() == f.to_dense()))
    assert float(back.terms[0].factors[0].error_bound) == 0.5
    assert there_and_back(f, bound=False).terms[0].factors[0].error_bound is None


@pytest.mark.parametrize("f", FACTORIZATIONS.values(), ids=FACTORIZATIONS)
def test_what_any_factorization_gives_comes_back(f):
    for case in factor_cases(f):
        made = case.run(case.draw(2), 2)
        back = there_and_back(made)
        assert type(back) is type(made)
        np.testing.assert_array_equal(back.to_dense(), made.to_dense())
        assert (back.parameters, back.flops, back.nbytes) == (made.parameters, made.flops, made.nbytes)


def test_kinds_are_told_apart():
    names = [_id(kind) for kind in _kinds(Factored)]
    assert len(names) == len(set(names))


def test_arrays_are_named_by_their_paths():
    spec, arrays = pack(nested(), bound=False)
    assert set(arrays) == {
        *(f"terms.0.factors.0.{name}" for name in ("u", "s", "vt")),
        "terms.0.factors.1.d",
        "terms.1",
    }
    assert spec["kind"] == "factor.Sum"


def test_integers_stay_integers():
    back = there_and_back(Permutation(np.array([2, 0, 1])))
    assert back.order.dtype.kind == "i"


def test_numbers_strings_and_tuples_come_back_with_their_types():
    f = Odd(np.eye(2), np.int64(3), math.inf, 1 - 2j, "é", (True, (1, 2.5), np.float32(0.5), np.bool_(False)))
    back = there_and_back(f)
    assert (back.count, back.factor, back.phase, back.name) == (3, math.inf, 1 - 2j, "é")
    assert back.flags == (True, (1, 2.5), 0.5, False)
    assert [type(flag) for flag in back.flags] == [bool, tuple, float, bool]
    assert (type(back.count), back.nothing) == (int, None)
    assert math.isnan(there_and_back(Odd(np.eye(2), 1, math.nan, 1j, "", ())).factor)


def test_what_cannot_be_kept_is_refused():
    with pytest.raises(TypeError, match="name must be an array, number, string, tuple or factored matrix, got dict"):
        pack(Odd(np.eye(2), 1, 1.0, 1j, {}, ()))
    with pytest.raises(TypeError, match="f must be a factored matrix, got ndarray"):
        pack(np.eye(2))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda spec: spec.update(kind="Nope"), "kind must be one that is known here, such as .*, got 'Nope'"),
        (lambda spec: spec.update(kind="factor.Chain"), "got 'factor.Chain'"),  # abstract
        (lambda spec: spec["fields"].pop("u"), "a SVD has the fields .*, got s, vt"),
        (lambda spec: spec["fields"].update(w=1), "got s, u, vt, w"),
        (lambda spec: spec["fields"]["u"].update(array="x"), "array 'x' is missing"),
        (lambda spec: spec["fields"].update(u=1), "spec names no array 'u'"),
        (lambda spec: spec.pop("fields"), "spec must be a dictionary of 'kind' and 'fields'"),
    ],
)
def test_a_damaged_description_is_refused(change, told):
    spec, arrays = pack(SVD(np.eye(2), np.ones(2), np.eye(2)))
    change(spec)
    with pytest.raises(ValueError, match=told):
        unpack(spec, arrays)
