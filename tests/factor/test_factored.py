"""The type of every factorization's result: products, sums, what they keep and what they cost."""

import array_api_compat
import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn.factor import Factored
from factorattn.factor.factored import SVD, Diagonal, Gram, Permutation, Product, Sum, dense, times
from factorattn.interpret.counting import counting
from factorattn.testing import ROUNDING
from factorattn.testing.case import to_numpy

ORDER = [2, 0, 3, 1]


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return array_api_compat.array_namespace(pytest.importorskip(request.param).asarray([1.0]))


def made(xp, *, dtype="float64"):
    """One of each kind, with the matrix it is, in NumPy."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        x = rng.standard_normal(shape)
        return (x + 1j * rng.standard_normal(shape) if dtype.startswith("complex") else x).astype(dtype)

    l, m, r, d, s = draw(4, 2), draw(2, 3), draw(3, 5), draw(4), np.abs(draw(2)).astype(dtype)
    to = xp.asarray
    eye = np.eye(4)[ORDER]
    return {
        "product": (Product((to(l), to(m), to(r))), l @ m @ r),
        "one": (Product((to(l),)), l),
        "svd": (SVD(to(l), to(s), to(m)), l @ np.diag(s) @ m),
        "gram": (Gram(to(l)), l @ l.conj().T),
        "sum": (Sum((to(l @ m), Product((to(l), to(m))))), 2 * l @ m),
        "diagonal": (Diagonal(to(d)), np.diag(d)),
        "permutation": (Permutation(to(np.asarray(ORDER))), eye),
        "scaled": (
            Product((Diagonal(to(d)), Permutation(to(np.asarray(ORDER))), Diagonal(to(d)), to(l), to(m))),
            np.diag(d) @ eye @ np.diag(d) @ l @ m,
        ),
        "permuted": (Product((Permutation(to(np.asarray(ORDER))), to(l), to(m))), eye @ l @ m),
        "nested": (Product((Diagonal(to(d)), Sum((to(l @ m), Product((to(l), to(m))))))), 2 * np.diag(d) @ l @ m),
        "batch": (Product((to(np.stack([l, 2 * l])), to(m))), np.stack([l @ m, 2 * l @ m])),
    }


KINDS = tuple(made(np))


def close(got, want):
    got = to_numpy(got)
    assert got.shape == want.shape
    assert np.max(np.abs(got - want), initial=0.0) <= ROUNDING("float64", 64) * max(
        1.0, np.max(np.abs(want), initial=0.0)
    )


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_multiplies_as_its_matrix_does(xp, kind, dtype):
    f, matrix = made(xp, dtype=dtype)[kind]
    assert f.shape == matrix.shape
    assert f.ndim == matrix.ndim
    close(f.to_dense(), matrix)
    close(f.mT.to_dense(), matrix.mT)
    rng, (p, q) = np.random.default_rng(1), matrix.shape[-2:]
    x, y = rng.standard_normal((q, 2)).astype(dtype), rng.standard_normal((p, 2)).astype(dtype)
    close(f @ xp.asarray(x), matrix @ x)
    close(f @ xp.asarray(x[:, 0]), matrix @ x[:, 0])
    close(f.matvec(xp.asarray(x[:, 0])), matrix @ x[:, 0])
    close(f.rmatmat(xp.asarray(y)), matrix.conj().mT @ y)
    close(f.rmatvec(xp.asarray(y[:, 0])), matrix.conj().mT @ y[:, 0])
    close(times(xp.asarray(x.T), f.mT), x.T @ matrix.mT)
    close(times(xp.asarray(y[:, 0]), f), y[:, 0] @ matrix)
    close(f.rows(xp.asarray(np.asarray([1, 1, 0]))), matrix[..., [1, 1, 0], :])
    close(f.conj().to_dense(), matrix.conj())


@pytest.mark.parametrize("library", ["numpy", pytest.param("torch", marks=pytest.mark.peers)])
def test_arrays_leave_the_product_to_it(library):
    xp = pytest.importorskip(library)
    f, matrix = made(xp)["product"]
    x = xp.ones((2, 4), dtype=xp.float64)
    close(x @ f, np.ones((2, 4)) @ matrix)
    close(x[0] @ f, np.ones(4) @ matrix)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("permutation", "permuted", "scaled")])
def test_a_product_with_a_vector_costs_what_it_says(kind):
    f, _ = made(np)[kind]
    xp = counting()
    shadow = f.map(lambda x: xp.empty(x.shape))
    v = xp.empty((f.shape[-1],))
    xp.tally.start()
    shadow.matvec(v)
    assert xp.tally.flops == f.flops


def test_a_factor_without_a_batch_costs_a_product_for_each_member_of_those_after_it():
    xp = counting()
    one, many = xp.empty((4, 2)), xp.empty((3, 2, 5))
    for f, flops in (
        (Product((one, many)), 3 * (2 * 4 * 2 + 2 * 2 * 5)),
        (Product((xp.empty((3, 4, 2)), xp.empty((2, 5)))), 3 * 2 * 4 * 2 + 2 * 2 * 5),
        (Product((Diagonal(xp.empty((4,))), one, many)), 3 * (4 + 2 * 4 * 2 + 2 * 2 * 5)),
        (Sum((Product((one, many)), xp.empty((4, 5)))), 3 * (2 * 4 * 2 + 2 * 2 * 5) + 2 * 4 * 5 + 3 * 4),
    ):
        xp.tally.start()
        f.matvec(xp.empty((5,)))
        assert xp.tally.flops == f.flops == flops


@pytest.mark.parametrize(("p", "q"), [(40, 30), (30, 40)])
def test_writing_out_costs_one_product_of_the_thin_factors(p, q):
    xp, r = counting(), 4
    left, right, s = xp.empty((p, r)), xp.empty((r, q)), xp.empty((r,))
    for f, flops in (
        (Product((left, right)), 2 * p * q * r),
        (SVD(left, s, right), 2 * p * q * r + r * min(p, q)),
        (Product((Diagonal(xp.empty((p,))), left, right)), 2 * p * q * r + p * q),
        (Sum((Product((left, right)), Product((left, right)))), 4 * p * q * r + p * q),
    ):
        xp.tally.start()
        f.to_dense()
        assert xp.tally.flops == flops


def test_a_row_costs_a_row():
    xp, p, q, r = counting(), 1000, 30, 4
    f = Product((Diagonal(xp.empty((p,))), xp.empty((p, r)), xp.empty((r, q))))
    xp.tally.start()
    f.rows(xp.empty((5,), dtype=xp.int64))
    assert xp.tally.flops == 5 * (2 * q * r + q)


def test_what_is_kept_is_counted_once():
    kinds = made(np)
    assert {name: f.parameters for name, (f, _) in kinds.items()} == {
        "product": 8 + 6 + 15,
        "one": 8,
        "svd": 8 + 2 + 6,
        "gram": 8,
        "sum": 12 + 8 + 6,
        "diagonal": 4,
        "permutation": 0,
        "scaled": 4 + 4 + 14,
        "permuted": 14,
        "nested": 4 + 12 + 8 + 6,
        "batch": 16 + 6,
    }
    f = kinds["svd"][0]
    assert f.nbytes == 8 * 16
    assert f.astype(np.float32).nbytes == 4 * 16
    assert made(np, dtype="complex128")["svd"][0].nbytes == 16 * 16
    assert kinds["permutation"][0].nbytes == 4 * 8
    assert repr(f) == "SVD(shape=(4, 3), parameters=16)"


def test_dtype_and_device_are_those_of_the_arrays(xp):
    f, _ = made(xp)["nested"]
    assert f.dtype == xp.float64
    assert f.astype(xp.float32).dtype == xp.float32
    assert f.device == array_api_compat.device(xp.asarray([1.0]))
    order = Permutation(xp.asarray(np.asarray(ORDER)))
    assert order.dtype == xp.empty(0).dtype
    assert Product((order, xp.ones((4, 4), dtype=xp.float32))).dtype == xp.float32


def test_two_factors_share_the_singular_values_evenly(xp):
    f, matrix = made(xp)["svd"]
    two = f.two_factors()
    close(two.to_dense(), matrix)
    assert two.parameters == 2 * (4 + 3)
    assert two.flops == 2 * two.parameters
    left, right = (to_numpy(x) for x in two.factors)
    s = to_numpy(f.s)
    close(np.linalg.norm(left, axis=0) / np.linalg.norm(to_numpy(f.u), axis=0), np.sqrt(s))
    close(np.linalg.norm(right, axis=1) / np.linalg.norm(to_numpy(f.vt), axis=1), np.sqrt(s))


def test_what_is_known_of_the_error_goes_with_transposes_and_casts():
    f = SVD(np.ones((4, 2)), np.ones(2), np.ones((2, 3)), error_bound=0.5)
    assert f.mT.error_bound == f.astype(np.float32).error_bound == f.two_factors().error_bound == 0.5


def test_nothing_is_known_of_the_error_of_what_was_changed():
    f = SVD(np.ones((4, 2)), np.ones(2), np.ones((2, 3)), error_bound=0.5)
    assert f.map(lambda x: 2 * x).error_bound is None


def test_the_transpose_of_a_singular_value_decomposition_is_one(xp):
    f, matrix = made(xp)["svd"]
    assert isinstance(f.mT, SVD)
    close(f.mT.to_dense(), matrix.T)


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_that_is_no_row_is_refused(xp, kind):
    f, matrix = made(xp)[kind]
    p = matrix.shape[-2]
    for bad in (-1, p, -p):
        with pytest.raises(IndexError, match=rf"row numbers must be 0 \.\. {p - 1}, got {bad}"):
            f.rows(xp.asarray(np.asarray([0, bad, 1])))
    assert f.rows(xp.asarray(np.zeros(0, dtype=np.int64))).shape == (*matrix.shape[:-2], 0, matrix.shape[-1])


def test_an_array_is_its_own_matrix():
    a = np.ones((2, 3))
    assert dense(a) is a
    assert np.array_equal(times(a, np.ones((3, 2))), np.full((2, 2), 3.0))


def test_a_kind_must_say_what_it_is():
    class Nothing(Factored):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Nothing()
