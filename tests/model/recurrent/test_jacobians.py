"""Products of Jacobians: exact, in any range, within the bounds of Pascanu et al.; and worked facts."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import draw, seeds, sizes
from oracles.model.recurrent_cells import CELLS, begin, joined, moved

from factorattn.factor import truncated_svd
from factorattn.interpret.gradient import jacobian
from factorattn.model.recurrent import (
    jacobian_bound,
    jacobian_products,
    lstm_parameters,
    lstm_step,
    recurrent_parameters,
    recurrent_step,
    spectral_radius,
    stacked_parameters,
    stacked_step,
    step_jacobians,
)
from factorattn.testing import BOUND, ROUNDING

every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


def close(got, want, length=256):
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    assert np.max(np.abs(got - want)) <= max(1.0, np.max(np.abs(want))) * ROUNDING(got.dtype, length)


def products_of(jacobians):
    scaled, logs = jacobian_products(jacobians)
    return scaled * np.exp(logs)[..., None, None]


@every_cell
def test_products_are_the_jacobian_of_the_whole_sequence(cell):
    rng = np.random.default_rng(0)
    parameters, x, state = cell.draw(3, 4, rng=rng), rng.standard_normal((2, 5, 3)), begin(cell, rng, (2,), 4)
    found = products_of(step_jacobians(parameters, x, state, step=cell.step))
    size = 4 * cell.parts
    assert found.shape == (2, 5, size, size)
    for at in range(2):
        for t in range(5):

            def last(s, x, parameters, t=t):
                parts = (s[:4], s[4:]) if cell.parts > 1 else s
                after = cell.network(parameters, x[: t + 1], parts)[1]
                xp = s.__array_namespace__()
                return xp.concat(list(after)) if cell.parts > 1 else after

            close(found[at, t], jacobian(last)(joined(state)[at], x[at], parameters))


def test_a_jacobian_is_the_slope_times_the_matrix():
    rng = np.random.default_rng(0)
    parameters, x = recurrent_parameters(3, 4, rng=rng), rng.standard_normal((5, 3))
    found, h = step_jacobians(parameters, x), np.zeros(4)
    for t in range(5):
        h = recurrent_step(parameters, x[t], h)
        close(found[t], (1 - h**2)[:, None] * parameters["recurrent"]["weight"])


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_array_library_gives_the_same(library):
    xp = pytest.importorskip(library)
    rng = np.random.default_rng(0)
    parameters, x = stacked_parameters(lstm_parameters, 3, 2, 2, rng=rng), rng.standard_normal((2, 4, 3))
    step = partial(stacked_step, step=lstm_step)
    want = step_jacobians(parameters, x, step=step)
    got = step_jacobians(moved(parameters, xp), xp.asarray(x), step=step)
    assert want.shape == (2, 4, 8, 8)
    close(got, want)
    for one, other in zip(jacobian_products(got), jacobian_products(want), strict=True):
        close(one, other)
    close(spectral_radius(got), spectral_radius(want), 2**20)


def test_orthogonal_recurrence_keeps_every_norm():
    # U^T U = I and no activation: nothing vanishes and nothing explodes, however long.
    parameters = recurrent_parameters(3, 8, rng=0, draw="orthogonal")
    (x,) = draw(0, (500, 3))
    jacobians = step_jacobians(parameters, x, step=partial(recurrent_step, activation="identity"))
    values = np.linalg.svd(products_of(jacobians), compute_uv=False)
    assert np.max(np.abs(values - 1)) <= ROUNDING("float64", 500 * 8)


def test_identity_recurrence_is_the_identity():
    parameters = recurrent_parameters(3, 4, rng=0)
    parameters["recurrent"]["weight"] = np.eye(4)
    (x,) = draw(0, (50, 3))
    jacobians = step_jacobians(parameters, x, step=partial(recurrent_step, activation="identity"))
    np.testing.assert_array_equal(products_of(jacobians), np.broadcast_to(np.eye(4), (50, 4, 4)))


def test_powers_of_one_matrix_grow_like_its_largest_eigenvalue():
    # The power method: |U^t|^(1/t) goes to the spectral radius, and U^t to a matrix of rank one.
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((4, 4))
    u = basis @ np.diag([1.5, -0.9, 0.5, 0.1]) @ np.linalg.inv(basis)
    products, logs = jacobian_products(np.broadcast_to(u, (400, 4, 4)))
    norms = logs + np.log(np.linalg.norm(products, 2, axis=(-2, -1)))
    slack = np.log(np.linalg.cond(basis))  # of a matrix with eigenvectors of that condition
    assert np.all(np.abs(norms - np.arange(1, 401) * math.log(1.5)) <= slack)
    values = np.linalg.svd(products[-1], compute_uv=False)
    assert values[1] <= values[0] * ROUNDING("float64", 400)
    left, right = basis[:, 0], np.linalg.inv(basis)[0]
    close(
        products[-1] / np.max(np.abs(products[-1])), np.outer(left, right) / np.max(np.abs(np.outer(left, right))), 400
    )


@settings(deadline=None, max_examples=40)
@given(
    seed=seeds,
    n=st.integers(1, 12),
    hidden=sizes,
    size=st.floats(0.1, 3.0),
    activation=st.sampled_from(["tanh", "relu", "sigmoid", "identity"]),
)
def test_norms_are_within_the_bound(seed, n, hidden, size, activation):
    rng = np.random.default_rng(seed)
    parameters, x = recurrent_parameters(3, hidden, rng=rng), rng.standard_normal((n, 3))
    parameters["recurrent"]["weight"] *= size
    bound = float(jacobian_bound(parameters, activation=activation))
    gain = {"sigmoid": 0.25}.get(activation, 1.0)
    close(np.array(bound), gain * np.linalg.norm(parameters["recurrent"]["weight"], 2))
    jacobians = step_jacobians(parameters, x, step=partial(recurrent_step, activation=activation))
    norms = np.linalg.norm(products_of(jacobians), 2, axis=(-2, -1))
    assert np.all(norms <= [BOUND(bound ** (t + 1), length=n * hidden) for t in range(n)])
    if activation == "identity":  # met with equality at the first step
        close(norms[0], bound)


def test_below_the_inverse_gain_gradients_vanish():
    parameters = recurrent_parameters(3, 8, rng=0, draw="orthogonal")
    parameters["recurrent"]["weight"] *= 3.9  # below 1 / gamma = 4 of the sigmoid, where a tanh may explode
    assert float(jacobian_bound(parameters, activation="sigmoid")) < 1 < float(jacobian_bound(parameters))
    (x,) = draw(0, (2000, 3))
    _, logs = jacobian_products(step_jacobians(parameters, x, step=partial(recurrent_step, activation="sigmoid")))
    assert logs[-1] <= 2000 * math.log(3.9 / 4)
    assert np.all(np.isfinite(logs))  # though no float is that small


def test_eigenvalues_below_one_are_not_enough():
    # The slip of the first versions of the paper: both eigenvalues are 1/2, and vectors are stretched tenfold.
    parameters = recurrent_parameters(1, 2, rng=0)
    parameters["recurrent"]["weight"] = np.array([[0.5, 10.0], [0.0, 0.5]])
    close(spectral_radius(parameters["recurrent"]["weight"]), 0.5, 2**20)
    jacobians = step_jacobians(parameters, np.zeros((2, 1)), step=partial(recurrent_step, activation="identity"))
    assert np.all(np.linalg.norm(products_of(jacobians), 2, axis=(-2, -1)) > 9)


def test_an_open_forget_gate_keeps_the_cell():
    # dc_t/dc_0 is the product of the forget gates alone where no matrix takes part: one, to the last digit.
    parameters = lstm_parameters(3, 4, rng=0, forget=1e3)
    parameters["recurrent"]["weight"] = np.zeros((16, 4))
    (x,) = draw(0, (300, 3))
    found = products_of(step_jacobians(parameters, x, step=lstm_step))
    np.testing.assert_array_equal(found[:, 4:, 4:], np.broadcast_to(np.eye(4), (300, 4, 4)))
    np.testing.assert_array_equal(found[:, 4:, :4], np.zeros((300, 4, 4)))


def test_what_vanishes_and_what_explodes_has_a_logarithm():
    for factor in (1e-3, 1e3):
        products, logs = jacobian_products(np.broadcast_to(factor * np.eye(2), (400, 2, 2)))
        close(logs, np.arange(1, 401) * math.log(factor))
        np.testing.assert_array_equal(products, np.broadcast_to(np.eye(2), (400, 2, 2)))
    products, logs = jacobian_products(np.zeros((3, 2, 2)))
    np.testing.assert_array_equal(logs, np.full(3, -np.inf))
    np.testing.assert_array_equal(products, np.zeros((3, 2, 2)))


@settings(deadline=None, max_examples=50)
@given(seed=seeds, size=sizes)
def test_the_spectral_radius_is_that_of_the_eigenvalues(seed, size):
    (a,) = draw(seed, (3, size, size))
    want = np.max(np.abs(np.linalg.eigvals(a)), axis=-1)
    condition = np.max([np.linalg.cond(np.linalg.eig(x)[1]) for x in a])  # how far rounding moves eigenvalues
    assert np.max(np.abs(spectral_radius(a) - want) / want) <= condition * ROUNDING("float64", size**2)


@pytest.mark.parametrize(
    ("matrix", "want"),
    [
        ([[0.0, 1.0], [-1.0, 0.0]], 1.0),  # eigenvalues i and -i
        ([[0.0, 1.0], [0.0, 0.0]], 0.0),  # nilpotent
        ([[2.0, 5.0], [0.0, 2.0]], 2.0),  # one eigenvector
        ([[0.0, 0.0], [0.0, 0.0]], 0.0),
        ([[1e-200, 0.0], [0.0, -3e-200]], 3e-200),
        ([[1e200, 0.0], [0.0, -3e200]], 3e200),
    ],
)
def test_spectral_radii_by_hand(matrix, want):
    got = float(spectral_radius(np.array(matrix)))
    assert abs(got - want) <= want * ROUNDING("float64", 2**12)


def test_a_factored_matrix_has_the_bound_of_what_it_stands_for():
    parameters = recurrent_parameters(3, 6, rng=0)
    f = truncated_svd(parameters["recurrent"]["weight"], 2)
    parameters["recurrent"]["weight"] = f
    close(jacobian_bound(parameters), np.linalg.norm(f.to_dense(), 2))


def test_bad_input_is_named():
    parameters = recurrent_parameters(3, 4, rng=0)
    with pytest.raises(ValueError, match=r"x must have shape \(\.\.\., n, c\) with n at least 1, got \(0, 3\)"):
        step_jacobians(parameters, np.zeros((0, 3)))
    with pytest.raises(ValueError, match="activation must be 'tanh' or 'relu' or 'sigmoid' or 'identity', got 'gelu'"):
        jacobian_bound(parameters, activation="gelu")


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 3, 2), (3, 3), (2, 0, 0)])
def test_products_are_of_square_matrices(shape):
    with pytest.raises(ValueError, match=r"jacobians must have shape \(\.\.\., n, s, s\), square and not empty, got"):
        jacobian_products(np.zeros(shape))


@pytest.mark.parametrize("shape", [(0, 0), (2, 3), (3,)])
def test_only_square_matrices_have_a_radius(shape):
    with pytest.raises(ValueError, match=r"a must have shape \(\.\.\., s, s\), square and not empty, got"):
        spectral_radius(np.zeros(shape))
