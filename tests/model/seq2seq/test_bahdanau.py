"""The attention decoder against the equations of its appendix, with every score and every distribution."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, seeds
from oracles import distribution as weights_oracle
from oracles import score as score_oracle
from oracles.model import seq2seq as oracle

from factorattn.attention import general_attention, soft_attention
from factorattn.distribution import DISTRIBUTIONS, entmax, multinoulli, top_k
from factorattn.factor import truncated_svd
from factorattn.model.seq2seq import (
    bahdanau,
    bahdanau_encode,
    bahdanau_parameters,
    bahdanau_step,
    log_probabilities,
    score_parameters,
)
from factorattn.model.seq2seq.alignment import align, bound, keys_of, scores_of
from factorattn.score import SCORES, additive
from factorattn.testing import ROUNDING

sizes = st.integers(1, 4)
SAME = {"dot", "scaled_dot", "cosine", "euclidean", "gaussian", "kernel"}  # queries and keys of one size
SIZES = {"m": 9, "s": 2, "f": 3, "r": 3}
OPTIONAL = {"additive": ("b",), "activated_general": ("b",), "deep": ("b", "layers", "biases"), "feature": ("b",)}
SOURCE, INPUTS = np.array([[1, 2, 3, 4], [0, 3, 1, 0]]), np.array([[0, 1, 2], [0, 3, 3]])
MASK = np.array([[True] * 4, [True, True, False, False]])


def letters(p):
    """The parameters in the letters of the paper, which has no biases, and whose z is one minus ours."""
    h, e = p["start"]["weight"].shape[0], p["source_embedding"]["weight"].shape[1]

    def gates(cell):
        r, z, n = np.split(cell["input"]["weight"], 3)
        u_r, u_z = np.split(cell["recurrent"]["weight"], 2)
        return {"W_r": r, "W_z": -z, "W": n, "U_r": u_r, "U_z": -u_z, "U": cell["candidate"]["weight"]}

    decoder, o = gates(p["decoder"]), p["maxout"]["weight"]
    found = {name.replace("W", "C"): x[:, e:] for name, x in decoder.items() if name.startswith("W")}
    found |= {name: x[:, :e] if name.startswith("W") else x for name, x in decoder.items()}
    found |= {"E_x": p["source_embedding"]["weight"], "E_y": p["target_embedding"]["weight"]}
    found |= {"W_s": p["start"]["weight"], "W_o": p["output"]["weight"]}
    found |= {"U_o": o[:, :h], "V_o": o[:, h : h + e], "C_o": o[:, h + e :]}
    if {"w_q", "w_k", "w"} <= p["score"].keys():
        found |= {"W_a": p["score"]["w_q"], "U_a": p["score"]["w_k"], "v_a": p["score"]["w"]}
    ways = {way: {name: x.tolist() for name, x in gates(p["encoder"][way]).items()} for way in ("forward", "backward")}
    return {name: x.tolist() for name, x in found.items()} | ways


def bare(p):
    """Without biases, but those of the score."""
    return {k: bare(x) if isinstance(x, dict) and k != "score" else x for k, x in p.items() if k != "bias"}


def drawn(name, seed=0, **sizes_):
    """Parameters for a score, with all that it may learn away from zero."""
    found = bahdanau_parameters(
        5,
        4,
        **{"embedded": 3, "hidden": 4, "encoded": 2 if name in SAME else 3} | sizes_,
        score=name,
        score_sizes=SIZES,
        optional=OPTIONAL.get(name, ()),
        rng=seed,
    )
    rng = np.random.default_rng(seed)
    found["score"] = {k: x + 0.3 * rng.standard_normal(x.shape) for k, x in found["score"].items()}
    return found


def by_hand(name, p):
    """The score as the oracle of the model asks for it."""
    told = {k: x.tolist() for k, x in p["score"].items()}
    if name == "kernel":
        told["features"] = lambda x: [a + 1 if a > 0 else math.exp(a) for a in x]
    if name == "feature":
        told |= {"phi_1": lambda x: x, "phi_2": lambda x: [max(a, 0.0) for a in x]}
    if name == "deep":
        told["activation"] = "relu"

    def score(s, annotations, before):
        cut = {"w": told["w"][: len(annotations)]} if name == "location" else {}
        seen = {"previous": [before]} if name == "location_aware" else {}
        return getattr(score_oracle, name)([s], annotations, **told | cut | seen)[0]

    return score


@settings(deadline=None)
@given(seed=seeds, embedded=sizes, hidden=sizes, encoded=sizes, units=sizes, m=sizes, n=st.integers(0, 3))
def test_every_place_is_that_of_the_oracle(seed, embedded, hidden, encoded, units, m, n):
    p = bare(bahdanau_parameters(5, 4, embedded=embedded, hidden=hidden, encoded=encoded, units=units, rng=seed))
    rng = np.random.default_rng(seed)
    source, inputs = rng.integers(5, size=(2, m)), rng.integers(4, size=(2, n))
    logits, weights = bahdanau(p, source, inputs, return_weights=True)
    told = [oracle.bahdanau(letters(p), x, y) for x, y in zip(source.tolist(), inputs.tolist(), strict=True)]
    length = 64 * (m + n) * (hidden + embedded + 2 * encoded)
    agree(np.exp(log_probabilities(logits)), np.reshape([found for found, _ in told], (2, n, 4)), length)
    agree(weights, np.reshape([alignment for _, alignment in told], (2, n, m)), length)


@pytest.mark.parametrize("name", sorted(SCORES))
def test_every_score_of_the_library_aligns(name):
    p = bare(drawn(name))
    logits, weights = bahdanau(p, SOURCE, INPUTS, score=name, return_weights=True)
    told = [
        oracle.bahdanau(letters(p), x, y, by_hand(name, p))
        for x, y in zip(SOURCE.tolist(), INPUTS.tolist(), strict=True)
    ]
    agree(np.exp(log_probabilities(logits)), [found for found, _ in told], 10_000)
    agree(weights, [alignment for _, alignment in told], 10_000)


CALLED = {"entmax": entmax, "top_k": partial(top_k, k=2), "softmax_one": "softmax_one", "multinoulli": None}
BY_HAND = {"top_k": partial(weights_oracle.top_k, k=2)}
EACH_QUERY = sorted(name for name, f in DISTRIBUTIONS.items() if f.record.output == "m")


@pytest.mark.parametrize("name", [name for name in EACH_QUERY if name != "multinoulli"])
def test_every_distribution_of_the_library_aligns(name):
    p = bare(drawn("kernel"))  # scores above zero, which `proportional` needs
    logits, weights = bahdanau(
        p, SOURCE, INPUTS, score="kernel", distribution=CALLED.get(name, name), return_weights=True
    )
    distribution = BY_HAND.get(name, getattr(weights_oracle, name))
    told = [
        oracle.bahdanau(letters(p), x, y, by_hand("kernel", p), distribution)
        for x, y in zip(SOURCE.tolist(), INPUTS.tolist(), strict=True)
    ]
    agree(np.exp(log_probabilities(logits)), [found for found, _ in told], 10_000)
    agree(weights, [alignment for _, alignment in told], 10_000)


def test_a_drawn_key_aligns_alone():
    """Hard attention: all weight on one word, which is drawn."""
    p = drawn("additive")
    _, weights = bahdanau(
        p,
        SOURCE,
        INPUTS,
        mask=MASK,
        distribution=partial(multinoulli, rng=np.random.default_rng(0)),
        return_weights=True,
    )
    assert set(np.unique(weights)) == {0.0, 1.0}
    np.testing.assert_array_equal(weights.sum(-1), 1.0)
    assert np.all(weights[1, :, 2:] == 0)


@pytest.mark.parametrize("name", ["sinkhorn"])
def test_a_distribution_that_looks_across_words_is_refused(name):
    with pytest.raises(ValueError, match=f"distribution must treat each query by itself, .*; {name} looks across"):
        bahdanau(drawn("additive"), SOURCE, INPUTS, distribution=name)


def test_the_alignment_is_that_of_soft_attention():
    p = drawn("additive")
    memory = bahdanau_encode(p, SOURCE, mask=MASK)
    h = memory["annotations"]
    q = memory["state"][:, None, :]
    a = scores_of("additive", p["score"], q, memory["keys"], None, xp=np)
    got, weights = align(a, h, distribution=DISTRIBUTIONS["softmax"], mask=MASK, xp=np)
    agree(got, soft_attention(q, h, h, **p["score"], mask=MASK[:, None, :]), 64)
    assert np.all(weights[1, :, 2:] == 0)


@pytest.mark.parametrize("name", sorted(SCORES.keys() - {"location_aware"}))
def test_the_alignment_is_that_of_general_attention(name):
    p, rng = drawn(name), np.random.default_rng(1)
    q, h = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 5, 4 if name in SAME else 6))
    mask = np.arange(5) < np.array([[5], [2]])
    a = scores_of(name, p["score"], q, keys_of(name, p["score"], h), None, xp=np)
    got, _ = align(a, h, distribution=DISTRIBUTIONS["sparsemax"], mask=mask, xp=np)
    score = bound(name, p["score"], 5)
    want = general_attention(q, h, h, score=score, distribution="sparsemax", mask=mask[:, None, :], form="dense")
    agree(got, want, 1000)


def test_a_function_of_yours_may_score():
    p = drawn("additive")
    relu = partial(additive, activation="relu")
    logits = bahdanau(p, SOURCE, INPUTS, score=relu)
    assert np.max(np.abs(logits - bahdanau(p, SOURCE, INPUTS))) > 1e-3

    def mine(q, k, w_q, w_k, w, b):
        return np.maximum((q @ w_q.T + b)[..., :, None, :] + (k @ w_k.T)[..., None, :, :], 0.0) @ w

    agree(bahdanau(p, SOURCE, INPUTS, score=mine), logits, 1000)


@pytest.mark.parametrize("name", ["additive", "concat", "general", "activated_general", "deep"])
def test_matrices_of_scores_may_be_factored(name):
    p = drawn(name)
    thin = {k: truncated_svd(x, 2).two_factors() if x.ndim == 2 else x for k, x in p["score"].items()}
    dense = {k: thin[k].to_dense() if x.ndim == 2 else x for k, x in p["score"].items()}
    want = bahdanau({**p, "score": dense}, SOURCE, INPUTS, mask=MASK, score=name)
    agree(bahdanau({**p, "score": thin}, SOURCE, INPUTS, mask=MASK, score=name), want, 1000)


def test_weights_of_all_steps_cover_the_source():
    p, state = drawn("additive"), None
    state = bahdanau_encode(p, SOURCE, mask=MASK)
    for token in INPUTS.T:
        _, state = bahdanau_step(p, state, token)
    _, weights = bahdanau(p, SOURCE, INPUTS, mask=MASK, return_weights=True)
    agree(state["weights"], weights[:, -1], 100)
    agree(state["covered"], np.where(MASK, weights.sum(1), 1.0), 100)


def test_weights_sum_to_one_and_leave_padding_out():
    _, weights = bahdanau(drawn("additive"), SOURCE, INPUTS, mask=MASK, return_weights=True)
    assert np.all(weights[1, :, 2:] == 0)
    assert np.max(np.abs(weights.sum(-1) - 1)) <= ROUNDING("float64", 4)


def test_a_source_of_padding_alone_is_nothing():
    none = np.zeros((2, 4), bool)
    logits, weights = bahdanau(drawn("additive"), SOURCE, INPUTS, mask=none, return_weights=True)
    assert np.all(np.isfinite(logits))
    assert np.all(weights == 0)


def test_learned_arrays_are_those_of_the_contract():
    found = score_parameters("deep", {"d": 2, "c": 3, "a": 4, "s": 2}, optional=("b", "layers", "biases"), rng=0)
    shapes = {name: x.shape for name, x in found.items()}
    assert shapes == {"w_q": (4, 2), "w_k": (4, 3), "w": (4,), "b": (4,), "layers": (2, 4, 4), "biases": (2, 4)}
    assert score_parameters("concat", {"d": 2, "c": 3, "a": 4}, rng=0)["w"].shape == (4, 5)
    assert score_parameters("dot", {}, rng=0) == {}
    assert score_parameters("additive", {"d": 2, "c": 3, "a": 4}, rng=0, dtype="float32")["w"].dtype == np.float32
    mine = score_parameters(partial(additive, activation="relu"), {"d": 2, "c": 3, "a": 4}, rng=0)
    assert mine.keys() == {"w_q", "w_k", "w"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("location", {"d": 2}), r"sizes must tell 'm' of w \(m, d\), got \{'d': 2\}"),
        (("additive", {"d": 0}), "d must be a positive integer, got 0"),
        (("atditive", {}), "score must be in the catalogue, got 'atditive'; did you mean additive"),
    ],
)
def test_a_score_that_is_not_told_of_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        score_parameters(*arguments, rng=0)
    with pytest.raises(ValueError, match="optional must name arguments that 'dot' may be given, got 'b'"):
        score_parameters("dot", {}, optional=("b",))
    with pytest.raises(ValueError, match="beta of the score has an entry for each query"):
        score_parameters("cosine", {"d": 2}, optional=("beta",))


def test_a_source_beyond_the_positions_of_a_score_is_refused():
    p = drawn("location")
    with pytest.raises(ValueError, match="w of the score is for 9 positions, but the source has 10"):
        bahdanau(p, np.zeros((1, 10), int), INPUTS[:1], score="location")


def test_a_score_that_is_not_there_is_named():
    p = drawn("additive")
    with pytest.raises(ValueError, match="score must be in the catalogue, got 'addition'"):
        bahdanau(p, SOURCE, INPUTS, score="addition")
    with pytest.raises(ValueError, match=r"distribution must be .* got 'softmix'"):
        bahdanau(p, SOURCE, INPUTS, distribution="softmix")
    with pytest.raises(KeyError, match="score"):
        bahdanau({name: x for name, x in p.items() if name != "score"}, SOURCE, INPUTS)
