"""The loops of the cells swept back in closed form, against the record of their steps; and further derivatives."""

import numpy as np
import pytest
from libraries import LIBRARIES
from oracles.model.recurrent_cells import CELLS, begin, moved

from factorattn.factor import truncated_svd
from factorattn.interpret.gradient import grad, jvp, vjp
from factorattn.interpret.tree import tree_map
from factorattn.primitives.dispatch import explain, kernels
from factorattn.testing import ROUNDING
from factorattn.testing.differences import check_gradients

every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


def close(got, want):
    if want is None:
        assert got is None
        return
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    assert np.max(np.abs(got - want)) <= max(1.0, np.max(np.abs(want))) * ROUNDING("float64", 1024)


def case(cell, masked, n=5):
    rng = np.random.default_rng(0)
    parameters, x, state = cell.draw(3, 4, rng=rng), rng.standard_normal((2, n, 3)), begin(cell, rng, (2,), 4)
    mask = np.array([[True, False, True, True, False], [False, True, True, False, True]])[:, :n] if masked else None
    return lambda p, x, s, mask: cell.network(p, x, s, mask=mask), (parameters, x, state, mask)


def cotangents(out, seed=1):
    rng = np.random.default_rng(seed)
    return tree_map(lambda y: rng.standard_normal(y.shape), out)


@every_cell
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_sweep_is_that_of_the_record(cell, masked, library):
    xp = pytest.importorskip(library)
    f, args = case(cell, masked)
    out = f(*args)
    g = cotangents(out)
    with kernels("off"):
        recorded, pull = vjp(f, *args)
    tree_map(close, recorded, out)
    want = pull(g)
    found, pull = vjp(f, *moved(args, xp))
    tree_map(close, found, out)
    for one, other in zip(pull(moved(g, xp)), want, strict=True):
        tree_map(close, one, other)


@every_cell
def test_it_ran_in_closed_form_unless_factored(cell):
    f, (parameters, x, state, mask) = case(cell, True)
    (choice,) = {choice.ran for choice in explain(vjp, f, parameters, x, state, mask)}
    assert choice.endswith("_scan_gradient")
    factored = {name: layer | {"weight": truncated_svd(layer["weight"], 2)} for name, layer in parameters.items()}
    choices = explain(vjp, f, factored, x, state, mask)
    assert {(choice.ran, "factored" in choice.why) for choice in choices} == {("reference", True)}
    check_gradients(lambda p, x, s, mask: f(p, x, s, mask)[0], factored, x, state, mask)


@every_cell
def test_derivatives_are_pushed_forward(cell):
    f, args = case(cell, True)
    tangents = tuple(None if part is None else cotangents(part, seed) for seed, part in enumerate(args[:3]))
    with kernels("off"):
        _, want = jvp(f, args, (*tangents, None))
    _, found = jvp(f, args, (*tangents, None))
    tree_map(close, found, want)


@every_cell
@pytest.mark.parametrize("masked", [False, True])
def test_derivatives_of_derivatives(cell, masked):
    f, (parameters, x, state, mask) = case(cell, masked)
    if cell is CELLS["relu"]:
        f_, f = f, lambda *args: tree_map(lambda y: y * y, f_(*args))  # or there is nothing to bend

    def squared(parameters, x, state, mask):
        """The squares of all entries of a gradient, summed."""

        def total(parameters, x, state, mask):
            h, _ = f(parameters, x, state, mask)
            return h.__array_namespace__().sum(h * h * h)

        found = grad(total, (0, 1))(parameters, x, state, mask)
        xp = found[1].__array_namespace__()
        parts = [found[1], *(layer["weight"] for layer in found[0].values())]
        return sum(xp.sum(part * part) for part in parts)

    check_gradients(squared, parameters, x, state, mask, forward=False)


@every_cell
def test_what_is_masked_may_be_anything(cell):
    f, (parameters, x, state, mask) = case(cell, True)
    g = cotangents(f(parameters, x, state, mask))
    clean = vjp(f, parameters, x, state, mask)[1](g)
    poisoned = np.where(mask[..., None], x, np.nan)
    found = vjp(f, parameters, poisoned, state, mask)[1](g)
    np.testing.assert_array_equal(found[1][~mask], 0)
    for one, other in zip(found, clean, strict=True):
        tree_map(close, one, other)


@every_cell
def test_no_time_has_gradients_of_its_state_alone(cell):
    f, (parameters, x, state, _) = case(cell, False, n=0)
    out, pull = vjp(f, parameters, x, state, None)
    g = cotangents(out)
    by_parameters, by_x, by_state, _ = pull(g)
    tree_map(np.testing.assert_array_equal, by_state, g[1])
    assert by_x.shape == (2, 0, 3)
    tree_map(lambda d: np.testing.assert_array_equal(d, 0), by_parameters)
