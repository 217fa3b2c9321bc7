"""Global and local attention against the equations of section 3, and against the mechanisms of the library."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, seeds
from oracles.model import seq2seq as oracle

from factorattn.attention import local_monotonic_attention, local_predictive_attention
from factorattn.factor import truncated_svd
from factorattn.interpret.tree import tree_map
from factorattn.model.seq2seq import (
    Luong,
    log_probabilities,
    luong,
    luong_encode,
    luong_parameters,
    luong_step,
)
from factorattn.model.seq2seq.luong_attention import ATTENTION
from factorattn.score import SCORES, additive
from factorattn.testing import ROUNDING

sizes = st.integers(1, 4)
KINDS = ["global", "local-m", "local-p"]
SOURCE, INPUTS = np.array([[1, 2, 3, 4, 2, 1, 0], [0, 3, 1, 0, 0, 0, 0]]), np.array([[0, 1, 2], [0, 3, 3]])
MASK = np.arange(7) < np.array([[7], [3]])


def drawn(form, seed=0, **sizes_):
    """Parameters so large that weights are far from even."""
    sizes_ = {"embedded": 3, "hidden": 4, "layers": 2} | sizes_
    found = luong_parameters(5, 4, form=form, score_sizes={"m": 9, "s": 2, "f": 3, "r": 3}, rng=seed, **sizes_)
    return tree_map(lambda x: 2.5 * x, found)


def listed(tree):
    if isinstance(tree, dict):
        return {name: listed(part) for name, part in tree.items()}
    return [listed(part) for part in tree] if isinstance(tree, list) else tree.tolist()


def letters(p):
    """The parameters in the letters of the paper, which has no biases but in the LSTM."""
    found = {name: listed(p[name]) for name in ("encoder", "decoder")}
    found |= {"E_x": listed(p["source_embedding"]["weight"]), "E_y": listed(p["target_embedding"]["weight"])}
    found |= {"W_c": listed(p["attentional"]["weight"]), "W_s": listed(p["output"]["weight"])}
    if "w" in p["score"]:
        found["W_a"] = listed(p["score"]["w"])
    if "v" in p["score"]:
        found["v_a"] = listed(p["score"]["v"])
    if "position" in p:
        found |= {"W_p": listed(p["position"]["w_p"]), "v_p": listed(p["position"]["v_p"])}
    return found


@settings(deadline=None)
@given(
    seed=seeds,
    attention=st.sampled_from(KINDS),
    score=st.sampled_from(["dot", "general", "concat"]),
    feeding=st.booleans(),
    window=st.integers(1, 3),
    sigma=st.sampled_from([None, 0.7]),
    embedded=sizes,
    hidden=sizes,
    layers=st.integers(1, 2),
    m=st.integers(1, 12),
    n=st.integers(0, 3),
)
def test_every_place_is_that_of_the_oracle(
    seed, attention, score, feeding, window, sigma, embedded, hidden, layers, m, n
):
    sigma = sigma if attention == "local-p" else None
    form = Luong(attention=attention, score=score, feeding=feeding, window=window, sigma=sigma)
    p = drawn(form, seed, embedded=embedded, hidden=hidden, layers=layers)
    for layer in ("attentional", "output"):
        p[layer] = {"weight": p[layer]["weight"]}
    rng = np.random.default_rng(seed)
    source, inputs = rng.integers(5, size=(2, m)), rng.integers(4, size=(2, n))
    logits, weights = luong(p, source, inputs, form, return_weights=True)
    told = letters(p)
    options = {"attention": attention, "feeding": feeding, "window": window, "sigma": sigma or window / 2}
    want = [
        oracle.luong(told, x, y, score=partial(oracle.score_of_pair, score, told), **options)
        for x, y in zip(source.tolist(), inputs.tolist(), strict=True)
    ]
    length = 64 * layers * (m + n) * (embedded + hidden)
    agree(np.exp(log_probabilities(logits)), np.reshape([found for found, _ in want], (2, n, 4)), length)
    agree(weights, np.reshape([alignment for _, alignment in want], (2, n, m)), length)
    agree(luong(p, source, inputs, form), logits, length)


def looked(form, p, h, memory):
    return ATTENTION[form.attention](form, p, h, memory, True, xp=np)


def test_local_attention_is_that_of_the_library():
    h = np.random.default_rng(0).standard_normal((2, 3, 4))
    for window in (1, 5):
        form = Luong(attention="local-m", score="dot", window=window)
        memory = luong_encode(drawn(form), SOURCE, form, mask=MASK)
        k = memory["annotations"]
        want = local_monotonic_attention(h, k, k, window=window, mask=MASK[:, None, :])
        got, _ = looked(form, drawn(form), h, memory)
        agree(got, want, 64)
        for t in range(3):  # a query alone, at its place
            one, _ = looked(form, drawn(form), h[:, t : t + 1], {**memory, "place": t})
            agree(one, want[:, t : t + 1], 64)
        form = Luong(attention="local-p", score="dot", window=window)
        p = drawn(form)
        lengths = np.broadcast_to(np.array([[7.0], [3.0]]), (2, 3))
        want = local_predictive_attention(
            h, k, k, **p["position"], lengths=lengths, window=window, mask=MASK[:, None, :]
        )
        got, _ = looked(form, p, h, memory)
        agree(got, want, 64)


@pytest.mark.parametrize("attention", KINDS)
@pytest.mark.parametrize("score", sorted(SCORES))
def test_every_score_goes_step_by_step_as_at_once(score, attention):
    for feeding in (True, False):
        if score == "location_aware" and not feeding:
            continue
        form = Luong(attention=attention, score=score, feeding=feeding, window=2)
        p = drawn(form)
        logits, weights = luong(p, SOURCE, INPUTS, form, mask=MASK, return_weights=True)
        state, found, seen = luong_encode(p, SOURCE, form, mask=MASK), [], []
        for token in INPUTS.T:
            log_p, state = luong_step(p, state, token, form)
            found.append(log_p)
            seen.append(state["weights"])
        agree(np.stack(found, axis=1), log_probabilities(logits), 1000)
        agree(np.stack(seen, axis=1), weights, 1000)
        assert np.all(weights[1, :, 3:] == 0)
        agree(state["covered"], np.where(MASK, weights.sum(1), 1.0), 1000)


@pytest.mark.parametrize("distribution", ["sparsemax", "entmax", "softmax_one", "sigmoid"])
def test_every_distribution_goes_step_by_step_as_at_once(distribution):
    for feeding in (True, False):
        form = Luong(distribution=distribution, feeding=feeding)
        p = drawn(form)
        logits, weights = luong(p, SOURCE, INPUTS, form, mask=MASK, return_weights=True)
        _, softmax = luong(p, SOURCE, INPUTS, Luong(feeding=feeding), mask=MASK, return_weights=True)
        assert np.max(np.abs(weights - softmax)) > 1e-3
        state, found = luong_encode(p, SOURCE, form, mask=MASK), []
        for token in INPUTS.T:
            log_p, state = luong_step(p, state, token, form)
            found.append(log_p)
        agree(np.stack(found, axis=1), log_probabilities(logits), 1000)


def test_a_wide_window_is_global():
    at_once = Luong(attention="global", score="general")
    p = drawn(at_once)
    for window in (7, 50):
        form = Luong(attention="local-m", score="general", window=window)
        agree(luong(p, SOURCE, INPUTS, form, mask=MASK), luong(p, SOURCE, INPUTS, at_once, mask=MASK), 1000)


def test_beyond_the_end_of_the_source_there_is_nothing_to_see():
    form = Luong(attention="local-m", window=1)
    _, weights = luong(drawn(form), SOURCE[:, :1], np.zeros((2, 4), int), form, return_weights=True)
    np.testing.assert_array_equal(weights[:, :, 0], [[1.0, 1.0, 0.0, 0.0]] * 2)


def test_predicted_windows_lie_in_the_sentence_and_not_in_its_padding():
    form = Luong(attention="local-p", window=1)
    p = drawn(form)
    p["position"]["v_p"][:] = 0.0  # the middle: p_i = S / 2
    _, weights = luong(p, SOURCE, INPUTS, form, mask=MASK, return_weights=True)
    for row, length in enumerate((7, 3)):
        near = np.abs(np.arange(7) - length / 2) <= 1
        np.testing.assert_array_equal(weights[row] > 0, np.broadcast_to(near & MASK[row], (3, 7)))


def test_the_predictor_may_be_factored():
    form = Luong(attention="local-p", window=1)
    p = drawn(form)
    thin = truncated_svd(p["position"]["w_p"], 2).two_factors()
    dense, factored = ({**p, "position": {**p["position"], "w_p": x}} for x in (thin.to_dense(), thin))
    agree(luong(factored, SOURCE, INPUTS, form), luong(dense, SOURCE, INPUTS, form), 1000)


def test_input_feeding_tells_the_next_step_what_was_attended_to():
    fed, plain = Luong(feeding=True), Luong(feeding=False)
    p = drawn(fed)
    e = p["decoder"][0]["input"]["weight"].shape[1] - 4
    p["decoder"][0]["input"]["weight"][:, e:] = 0.0
    other = {**p, "decoder": [dict(layer) for layer in p["decoder"]]}
    first = other["decoder"][0]
    first["input"] = {**first["input"], "weight": first["input"]["weight"][:, :e]}
    agree(luong(p, SOURCE, INPUTS, fed), luong(other, SOURCE, INPUTS, plain), 1000)
    p["decoder"][0]["input"]["weight"][:, e:] = 0.5
    moved = np.abs(luong(p, SOURCE, INPUTS, fed) - luong(other, SOURCE, INPUTS, plain))
    assert np.max(moved[:, 0]) <= ROUNDING("float64", 1000)  # before the first word, nothing was
    assert np.max(moved[:, 1]) > 1e-3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"attention": "local"}, ValueError, "attention must be 'global' or 'local-m' or 'local-p', got 'local'"),
        ({"score": "dit"}, ValueError, "score must be in the catalogue, got 'dit'; did you mean dot"),
        ({"cell": "rnn"}, ValueError, "cell must be 'gru' or 'lstm', got 'rnn'"),
        ({"window": 0}, ValueError, "window must be a positive integer, got 0"),
        ({"feeding": 1}, TypeError, "feeding must be True or False, got 1"),
        ({"distribution": "sinkhorn"}, ValueError, "distribution must treat each query by itself"),
        ({"attention": "local-m", "distribution": "sparsemax"}, ValueError, "distribution must be 'softmax' in local"),
        ({"sigma": 1.0}, ValueError, "sigma must be None but in 'local-p'"),
        ({"attention": "local-p", "sigma": 0.0}, ValueError, r"sigma must be positive, got 0\.0"),
    ],
)
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        Luong(**options)


def test_a_form_that_the_parameters_are_not_for_is_refused():
    p = drawn(Luong(feeding=False))
    with pytest.raises(ValueError, match=r"axis 'c' is 7 in x .* but 3 in input_weight"):
        luong(p, SOURCE, INPUTS, Luong(feeding=True))
    with pytest.raises(KeyError, match="position"):
        luong(drawn(Luong()), SOURCE, INPUTS, Luong(attention="local-p"))
    form = Luong(score="location_aware", feeding=False)
    with pytest.raises(ValueError, match="a score that sees the weights of the step before goes step by step"):
        luong(drawn(form), SOURCE, INPUTS, form)


def test_a_function_of_yours_may_score():
    relu = Luong(score=partial(additive, activation="relu"))
    p = drawn(relu)
    assert p["score"].keys() == {"w_q", "w_k", "w"}
    assert np.max(np.abs(luong(p, SOURCE, INPUTS, relu) - luong(p, SOURCE, INPUTS, Luong(score="additive")))) > 1e-3
