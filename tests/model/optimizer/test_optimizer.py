"""Optimizers against plain loops and torch's, step for step; facts about their steps, and what they refuse."""

import math

import array_api_compat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, draw, seeds
from oracles.model import optimizer as oracle

from factorattn.factor import truncated_svd
from factorattn.factor.factored import Diagonal, Permutation, Product, times
from factorattn.interpret.gradient import value_and_grad
from factorattn.interpret.tree import tree_leaves, tree_map
from factorattn.model import optimizer
from factorattn.model.optimizer import (
    adam,
    adam_init,
    adamw,
    clip_by_global_norm,
    clip_by_value,
    global_norm,
    radam,
    rectification,
    sgd,
    sgd_init,
)
from factorattn.testing import BOUND, ROUNDING

OPTIONS = {
    "sgd": [
        {"rate": 0.1},
        {"rate": 0.1, "momentum": 0.9},
        {"rate": 0.03, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"rate": 0.1, "weight_decay": 0.5},
    ],
    "adam": [{"rate": 0.1}, {"rate": 0.01, "beta1": 0.5, "beta2": 0.9, "epsilon": 0.1}],
    "adamw": [
        {"rate": 0.1, "weight_decay": 0.01},
        {"rate": 0.1, "weight_decay": 0.1, "multiplier": 0.5, "beta1": 0.0, "epsilon": 1e-3},
    ],
    "radam": [
        {"rate": 0.1},
        {"rate": 0.1, "beta1": 0.5, "beta2": 0.9, "epsilon": 0.1},
        {"rate": 0.1, "threshold": 5.0},
        {"rate": 0.1, "beta2": 0.5},
    ],
}
CASES = [(name, options) for name, several in OPTIONS.items() for options in several]
STEPS = 12


def start(name, parameters):
    return (sgd_init if name == "sgd" else adam_init)(parameters)


def gradients_of(t, p, scale):
    """A gradient that depends on the step and on the parameter, of any size."""
    return scale * (p + math.cos(t)) / (1 + p * p)


def run(name, parameters, options, steps=STEPS, scale=1.0):
    """Parameters after each step, and the last state."""
    f, state, found = getattr(optimizer, name), start(name, parameters), []
    for t in range(1, steps + 1):
        gradients = tree_map(lambda p, t=t: gradients_of(t, p, scale), parameters)
        parameters, state = f(parameters, gradients, state, **options)
        found.append(parameters)
    return found, state


@settings(deadline=None, max_examples=20)
@given(seed=seeds, scale=st.sampled_from([1.0, -1e4, 1e-4]), case=st.sampled_from(CASES))
def test_every_number_goes_the_way_of_the_oracle(seed, scale, case):
    name, options = case
    if name in ("sgd", "radam"):
        scale = min(abs(scale), 1.0)  # long steps of theirs make more of rounding every time
    (w,) = draw(seed, (2, 3))
    found, state = run(name, {"layers": [{"weight": w}]}, options, scale=scale)
    for i in range(2):
        for j in range(3):
            want = getattr(oracle, name)(float(w[i, j]), lambda t, p: gradients_of(t, p, scale), STEPS, **options)
            got = np.asarray([p["layers"][0]["weight"][i, j] for p in found])
            agree(got, want, 64 * STEPS)
    assert state["step"] == STEPS
    assert type(state["step"]) is int


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_every_array_library_gives_the_same(name, options, library):
    xp = pytest.importorskip(library)
    start_at = dict(zip("ab", draw(0, (2, 3), (4,)), strict=True))
    want, _ = run(name, start_at, options)
    got, state = run(name, {key: xp.asarray(x) for key, x in start_at.items()}, options)
    for key in "ab":
        assert got[-1][key].dtype == xp.float64
        agree(np.asarray(got[-1][key]), want[-1][key].tolist(), 64 * STEPS)
    for leaf in tree_leaves({key: x for key, x in state.items() if key != "step"}):
        assert leaf.dtype == xp.float64


@pytest.mark.parametrize(("name", "options"), CASES)
def test_single_precision_stays(name, options):
    (w,) = draw(0, (2, 3))
    single, state = run(name, {"w": w.astype(np.float32)}, options)
    double, _ = run(name, {"w": w.astype(np.float32).astype(np.float64)}, options)
    assert {leaf.dtype for leaf in tree_leaves(state) if hasattr(leaf, "dtype")} == {np.dtype("float32")}
    assert single[-1]["w"].dtype == np.float32
    agree(single[-1]["w"], double[-1]["w"].tolist(), 64 * STEPS)
    f = getattr(optimizer, name)
    mixed, state = f(single[-1], {"w": w}, start(name, single[-1]), **options)  # gradients may be longer
    assert mixed["w"].dtype == np.float32
    assert {leaf.dtype for leaf in tree_leaves(state) if hasattr(leaf, "dtype")} == {np.dtype("float32")}


@pytest.mark.parametrize(("name", "options"), CASES)
def test_nothing_that_was_given_is_changed(name, options):
    w, g = draw(0, (3,), (3,))
    parameters, gradients = {"w": w}, {"w": g}
    state = start(name, parameters)
    for leaf in tree_leaves((parameters, gradients, state)):
        if hasattr(leaf, "flags"):
            leaf.flags.writeable = False
    getattr(optimizer, name)(parameters, gradients, state, **options)
    assert state["step"] == 0
    assert parameters["w"] is w


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_run_goes_on_from_its_state_bit_for_bit(name, options):
    parameters = dict(zip("ab", draw(0, (2, 3), (4,)), strict=True))
    f = getattr(optimizer, name)
    whole, _ = run(name, parameters, options, steps=6)
    state = start(name, parameters)
    for t in range(1, 7):
        gradients = tree_map(lambda p, t=t: gradients_of(t, p, 1.0), parameters)
        parameters, state = f(parameters, gradients, state, **options)
        state = {key: np.asarray(x) if key == "step" else x for key, x in state.items()}  # as it may come from a file
    for key in "ab":
        np.testing.assert_array_equal(parameters[key], whole[-1][key])


@pytest.mark.parametrize("name", OPTIONS)
def test_the_minimum_of_a_parabola_is_found(name):
    target = np.asarray([3.0, -1.0])
    curvature = np.asarray([1.0, 10.0])
    options = {"sgd": {"momentum": 0.9}, "adamw": {"weight_decay": 0.0}, "radam": {"beta2": 0.99}}.get(name, {})
    f, parameters = getattr(optimizer, name), {"x": np.zeros(2)}
    state = start(name, parameters)
    for t in range(1, 2001):
        rate = 0.05 / (1 + t / 500)
        parameters, state = f(parameters, {"x": curvature * (parameters["x"] - target)}, state, rate=rate, **options)
    assert np.max(np.abs(parameters["x"] - target)) <= BOUND(1e-4)


def test_gradient_descent_draws_nearer_by_the_share_that_theory_says():
    # On a x^2 / 2 each step multiplies by 1 - rate a; the best rate for a in {1, 9} gives 8 / 10 for both.
    parameters, state = {"x": np.asarray([1.0, 1.0])}, sgd_init({"x": np.zeros(2)})
    for _ in range(10):
        parameters, state = sgd(parameters, {"x": np.asarray([1.0, 9.0]) * parameters["x"]}, state, rate=0.2)
    agree(np.abs(parameters["x"]), [0.8**10] * 2, 10)


def test_the_best_momentum_is_as_fast_as_theory_says():
    # Polyak, for curvatures from 1 to 9: mu = ((3 - 1) / (3 + 1))^2, rate = (2 / (3 + 1))^2, errors fall as sqrt(mu)^t.
    parameters, state = {"x": np.asarray([1.0, 1.0])}, sgd_init({"x": np.zeros(2)})
    for _ in range(60):
        gradients = {"x": np.asarray([1.0, 9.0]) * parameters["x"]}
        parameters, state = sgd(parameters, gradients, state, rate=0.25, momentum=0.25)
    assert np.max(np.abs(parameters["x"])) <= BOUND(4 * 60 * 0.5**60)  # t 0.5^t: the matrix is not diagonal
    assert np.max(np.abs(parameters["x"])) < 0.8**60


def test_momentum_adds_up_to_a_longer_step():
    parameters, state = {"x": np.asarray(0.0)}, sgd_init({"x": np.asarray(0.0)})
    before = parameters["x"]
    for _ in range(400):
        before = parameters["x"]
        parameters, state = sgd(parameters, {"x": np.asarray(1.0)}, state, rate=0.1, momentum=0.9)
    assert abs(float(before - parameters["x"]) - 1.0) <= ROUNDING("float64", 400) * 400  # rate / (1 - mu)


def test_nesterov_looks_a_step_ahead():
    plain, ahead = (
        sgd({"x": np.ones(1)}, {"x": np.ones(1)}, {"step": 0, "momentum": {"x": np.full(1, 2.0)}}, rate=0.1, **told)[0]
        for told in ({"momentum": 0.5}, {"momentum": 0.5, "nesterov": True})
    )
    agree(plain["x"], [1 - 0.1 * (0.5 * 2 + 1)], 4)
    agree(ahead["x"], [1 - 0.1 * (1 + 0.5 * (0.5 * 2 + 1))], 4)


@given(seed=seeds, scale=st.sampled_from([1e-6, 1.0, 1e6]))
def test_adams_first_step_is_the_rate_whatever_the_gradient(seed, scale):
    p, g = draw(seed, (5,), (5,))
    moved, _ = adam({"p": p}, {"p": scale * g}, adam_init({"p": p}), rate=0.25, epsilon=0.0)
    agree(moved["p"], (p - 0.25 * np.sign(g)).tolist(), 8)


def test_adams_worked_example():
    # g = 2, then 1; betas 1/2: m = 1, 1; v = 2, 3/2; corrected m = 2, 4/3; v = 4, 2.
    parameters = {"p": np.asarray([1.0])}
    state = adam_init(parameters)
    options = {"rate": 0.5, "beta1": 0.5, "beta2": 0.5, "epsilon": 1.0}
    parameters, state = adam(parameters, {"p": np.asarray([2.0])}, state, **options)
    agree(parameters["p"], [1 - 0.5 * 2 / (2 + 1)], 4)
    parameters, state = adam(parameters, {"p": np.asarray([1.0])}, state, **options)
    agree(parameters["p"], [1 - 1 / 3 - 0.5 * (4 / 3) / (math.sqrt(2) + 1)], 8)
    assert state["first"]["p"].tolist() == [1.0]
    assert state["second"]["p"].tolist() == [1.5]


def test_adam_does_not_move_without_a_gradient_and_adamw_decays():
    parameters, zero = {"p": np.asarray([2.0, -4.0])}, {"p": np.zeros(2)}
    still, _ = adam(parameters, zero, adam_init(parameters), rate=0.1)
    np.testing.assert_array_equal(still["p"], parameters["p"])
    decayed, _ = adamw(parameters, zero, adam_init(parameters), rate=123.0, weight_decay=0.25)
    np.testing.assert_array_equal(decayed["p"], [1.5, -3.0])  # the rate is no factor of it
    slower, _ = adamw(parameters, zero, adam_init(parameters), rate=123.0, weight_decay=0.25, multiplier=0.5)
    np.testing.assert_array_equal(slower["p"], [1.75, -3.5])  # the schedule is


def test_adamw_without_decay_is_adam():
    p, g = draw(3, (4,), (4,))
    one, two = (f({"p": p}, {"p": g}, adam_init({"p": p}), rate=0.1, **told)[0]["p"] for f, told in DECAYS)
    np.testing.assert_array_equal(one, two)


DECAYS = [(adam, {}), (adamw, {"weight_decay": 0.0})]


@given(
    t=st.integers(1, 10**5),
    beta2=st.sampled_from([0.0, 0.3, 0.55, 0.9, 0.98, 0.999, 0.9999]),
    threshold=st.sampled_from([4.0, 5.0]),
)
def test_the_rectification_is_that_of_the_oracle(t, beta2, threshold):
    want = oracle.rectification(t, beta2, threshold)
    got = rectification(t, beta2=beta2, threshold=threshold)
    # rho_t is what is left of two numbers near rho, 1 / (1 - beta2) times 2
    assert abs(got - (want or 0.0)) <= ROUNDING("float64", 1) / (1 - beta2)


def test_rectified_steps_begin_with_the_fifth_in_the_paper_and_the_sixth_in_torch():
    found = [[t for t in range(1, 9) if rectification(t, threshold=threshold) > 0] for threshold in (4, 5)]
    assert found == [[5, 6, 7, 8], [6, 7, 8]]


def test_the_rectification_grows_to_one():
    found = rectification(np.arange(1, 10**5), beta2=0.999)
    assert np.all(np.diff(found) >= 0)
    assert found[3] == 0 < found[4]
    assert 1 - BOUND(1e-12) <= found[-1] <= BOUND(1.0)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_rectification_of_many_steps(library):
    xp = pytest.importorskip(library)
    steps = [1, 4, 5, 6, 100, 18000]
    got = rectification(xp.asarray(steps), beta2=0.999)
    agree(np.asarray(got), [rectification(t, beta2=0.999) for t in steps], 1)


@pytest.mark.parametrize("beta2", [0.0, 0.5, 0.6])
def test_a_short_memory_is_never_rectified(beta2):
    assert not np.any(rectification(np.arange(1, 1000), beta2=beta2))


def test_radam_tends_to_adam():
    p, g = draw(1, (4,), (4,))
    state = adam_init({"p": p}) | {"step": 10**6}
    one, two = (f({"p": p}, {"p": g}, state, rate=0.1)[0]["p"] for f in (adam, radam))
    agree(one, two.tolist(), 16)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_what_is_no_floating_array_stays_as_it_is(name, options):
    w, g = draw(0, (2,), (2,))
    index = np.arange(3)
    parameters = {"w": w, "index": index, "mask": np.asarray([True]), "heads": 4, "name": "x", "bias": None, "of": ()}
    for others in ({}, {"index": None, "heads": None, "mask": None, "name": None}):
        gradients = parameters | {"w": g} | others
        moved, state = getattr(optimizer, name)(parameters, gradients, start(name, parameters), **options)
        assert moved["index"] is index
        assert (moved["heads"], moved["name"], moved["bias"], moved["of"]) == (4, "x", None, ())
        assert not np.array_equal(moved["w"], w)
        again, _ = getattr(optimizer, name)(moved, gradients, state, **options)
        assert again["index"] is index


@pytest.mark.parametrize(("name", "options"), CASES)
def test_factors_are_trained_and_what_was_known_of_their_error_is_not_kept(name, options):
    (a,) = draw(0, (5, 4))
    f = truncated_svd(a, 2)
    assert f.error_bound is not None
    gradients = tree_map(np.ones_like, f)
    moved, state = getattr(optimizer, name)({"w": f}, {"w": gradients}, start(name, {"w": f}), **options)
    assert type(moved["w"]) is type(f)
    assert moved["w"].error_bound is None
    for before, after in zip(f.arrays(), moved["w"].arrays(), strict=True):
        assert not np.any(before == after)
    again, _ = getattr(optimizer, name)(moved, {"w": gradients.map(lambda x: x)}, state, **options)
    assert again["w"].shape == (5, 4)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_model_of_factors_learns_what_it_is_shown(name):
    # Gradients of factors have None in the place of indices, and parameters may stand beside numbers and None.
    x, w, _ = draw(2, (40, 4), (4, 5), (1,))
    y = x[:, [1, 0, 3, 2]] @ w + 1
    parameters = {
        "turn": Product((Diagonal(np.ones(4)), Permutation(np.asarray([1, 0, 3, 2])))),
        "low": truncated_svd(w + 0.1, 3),
        "bias": np.zeros(5),
        "heads": 2,
        "none": None,
    }

    def loss(parameters, x, y):
        error = times(times(x, parameters["turn"]), parameters["low"]) + parameters["bias"] - y
        return total(error * error) / 40

    f, state, losses = getattr(optimizer, name), start(name, parameters), []
    options = {"sgd": {"momentum": 0.9, "rate": 0.01}, "adamw": {"rate": 0.03, "weight_decay": 0.0}}.get(
        name, {"rate": 0.03}
    )
    for _ in range(60):
        value, gradients = value_and_grad(loss)(parameters, x, y)
        losses.append(float(value))
        gradients, _ = clip_by_global_norm(clip_by_value(gradients, 2.0), 3.0)
        assert global_norm(gradients) <= BOUND(3.0)
        parameters, state = f(parameters, gradients, state, **options)
    assert losses[-1] < losses[0] / 2
    np.testing.assert_array_equal(parameters["turn"].factors[1].order, [1, 0, 3, 2])


def total(x):
    return array_api_compat.array_namespace(x).sum(x)


@pytest.mark.parametrize("name", OPTIONS)
def test_bad_gradients_are_named(name):
    f, options = getattr(optimizer, name), OPTIONS[name][0]
    parameters = {"layers": [{"weight": np.zeros((2, 3))}]}
    state = start(name, parameters)

    def take(gradient):
        return f(parameters, {"layers": [{"weight": gradient}]}, state, **options)

    with pytest.raises(ValueError, match=r"gradient of layers\.0\.weight must have its shape, \(2, 3\), got \(3, 2\)"):
        take(np.zeros((3, 2)))
    for bad in (None, 1.0):
        with pytest.raises(TypeError, match=r"gradient of layers\.0\.weight must be an array, got "):
            take(bad)
    with pytest.raises(ValueError, match="must be "):
        f(parameters, {"layers": []}, state, **options)
    with pytest.raises(ValueError, match="must be "):
        f(parameters, parameters, start(name, {"layers": {"weight": np.zeros((2, 3))}}), **options)


@pytest.mark.parametrize("name", OPTIONS)
def test_short_and_complex_numbers_are_refused(name):
    for dtype, told in (("float16", "must be float32 or float64, got float16"), ("complex128", "must be real")):
        with pytest.raises(TypeError, match=rf"layers\.1\.weight {told}"):
            start(name, {"layers": [{}, {"weight": np.zeros(2, dtype)}]})
        parameters = {"weight": np.zeros(2, dtype)}
        state = start(name, {"weight": np.zeros(2)})
        with pytest.raises(TypeError, match=f"weight {told}"):
            getattr(optimizer, name)(parameters, parameters, state, **OPTIONS[name][0])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        *((name, {"rate": -1.0}, r"rate must not be negative, got -1\.0") for name in OPTIONS),
        *((name, {"rate": math.nan}, "rate must be finite") for name in OPTIONS),
        *((name, {"beta1": 1.0}, r"beta1 must be in \[0, 1\), got 1\.0") for name in ("adam", "adamw", "radam")),
        *((name, {"beta2": -0.1}, r"beta2 must be in \[0, 1\), got -0\.1") for name in ("adam", "adamw", "radam")),
        *((name, {"epsilon": -1.0}, "epsilon must not be negative") for name in ("adam", "adamw", "radam")),
        ("adamw", {"multiplier": -1.0}, "multiplier must not be negative"),
        ("adamw", {"weight_decay": -1.0}, "weight_decay must not be negative"),
        ("sgd", {"weight_decay": -1.0}, "weight_decay must not be negative"),
        ("sgd", {"momentum": 1.0}, r"momentum must be in \[0, 1\)"),
        ("sgd", {"nesterov": True}, "nesterov needs a momentum above 0"),
        ("radam", {"threshold": 3.9}, r"threshold must be 4 or more, got 3\.9"),
    ],
)
def test_bad_options_are_named(name, change, message):
    parameters = {"w": np.zeros(2)}
    with pytest.raises(ValueError, match=message):
        getattr(optimizer, name)(parameters, parameters, start(name, parameters), **OPTIONS[name][0] | change)


def test_nothing_to_train_is_fine():
    for empty in ({}, [], {"a": {}}, {"a": np.zeros((0, 3))}):
        moved, state = adam(empty, empty, adam_init(empty), rate=0.1)
        assert state["step"] == 1
        assert type(moved) is type(empty)


@pytest.mark.peers
@pytest.mark.parametrize(("name", "options"), CASES)
def test_torch_takes_the_same_steps(name, options):
    torch = pytest.importorskip("torch", reason="extra: peers")
    renamed = {"rate": "lr", "epsilon": "eps"}
    told = {renamed.get(key, key): value for key, value in options.items()}
    eta = told.pop("multiplier", 1.0)
    told["lr"] *= eta
    if name == "adamw":  # where the decay is a multiple of the rate
        told["weight_decay"] = options["weight_decay"] * eta / told["lr"]
    if name == "radam":
        options = options | {"threshold": 5.0}
        told.pop("threshold", None)
    if name != "sgd":
        told["betas"] = (told.pop("beta1", 0.9), told.pop("beta2", 0.999))
    (w,) = draw(5, (3, 4))
    theirs = torch.nn.Parameter(torch.from_numpy(w.copy()))
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "radam": torch.optim.RAdam}
    peer = kinds[name]([theirs], **told)
    f, parameters = getattr(optimizer, name), {"w": w}
    state = start(name, parameters)
    for t in range(1, 51):
        theirs.grad = gradients_of(t, theirs.detach(), 1.0)
        peer.step()
        parameters, state = f(parameters, {"w": gradients_of(t, parameters["w"], 1.0)}, state, **options)
        agree(parameters["w"], theirs.detach().numpy().tolist(), 64 * t)
