"""The encoder-decoder against the equations of its appendix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, seeds
from oracles.model import seq2seq as oracle

from factorattn.factor import truncated_svd
from factorattn.interpret.tree import tree_map
from factorattn.model.recurrent.gru import gru_step
from factorattn.model.seq2seq import cho, cho_encode, cho_parameters, cho_step, log_probabilities, shift

sizes = st.integers(1, 4)


def letters(p):
    """The parameters in the letters of the paper, which has no biases; rows of gates are r, z, n."""
    h, e = p["start"]["weight"].shape[0], p["source_embedding"]["weight"].shape[1]

    def gates(cell, prime):
        r, z, n = np.split(cell["input"]["weight"], 3)
        u_r, u_z = np.split(cell["recurrent"]["weight"], 2)
        found = {"W_r": r, "W_z": z, "W": n, "U_r": u_r, "U_z": u_z, "U": cell["candidate"]["weight"]}
        return (
            {name.replace("_", "'_") if "_" in name else f"{name}'": x for name, x in found.items()} if prime else found
        )

    c_r, c_z, c = np.split(p["decoder"]["context"]["weight"], 3)
    o = p["maxout"]["weight"]
    found = gates(p["encoder"], False) | gates(p["decoder"], True)
    found |= {"E_x": p["source_embedding"]["weight"], "E_y": p["target_embedding"]["weight"]}
    found |= {"V": p["summary"]["weight"], "V'": p["start"]["weight"], "C_r": c_r, "C_z": c_z, "C": c}
    found |= {"O_h": o[:, :h], "O_y": o[:, h : h + e], "O_c": o[:, h + e :], "G": p["output"]["weight"]}
    return {name: x.tolist() for name, x in found.items()}


def bare(p):
    """Without biases."""
    return {k: bare(x) if isinstance(x, dict) else x for k, x in p.items() if k != "bias"}


@settings(deadline=None)
@given(seed=seeds, embedded=sizes, hidden=sizes, context=sizes, units=sizes, m=sizes, n=st.integers(0, 3))
def test_every_place_is_that_of_the_oracle(seed, embedded, hidden, context, units, m, n):
    p = bare(cho_parameters(5, 4, embedded=embedded, hidden=hidden, context=context, units=units, rng=seed))
    rng = np.random.default_rng(seed)
    source, inputs = rng.integers(5, size=(2, m)), rng.integers(4, size=(2, n))
    got = np.exp(log_probabilities(cho(p, source, inputs)))
    want = [oracle.cho(letters(p), x, y) for x, y in zip(source.tolist(), inputs.tolist(), strict=True)]
    agree(got, np.reshape(want, (2, n, 4)), 64 * (m + n) * (hidden + embedded + context))


def test_biases_take_part():
    p = cho_parameters(5, 4, embedded=3, hidden=4, rng=0)
    source, inputs = np.array([[1, 2, 3]]), np.array([[0, 1]])
    plain = cho(p, source, inputs)
    for path in (
        ("encoder", "input"),
        ("encoder", "recurrent"),
        ("encoder", "candidate"),
        ("summary",),
        ("start",),
        ("decoder", "input"),
        ("decoder", "recurrent"),
        ("decoder", "candidate"),
        ("maxout",),
        ("output",),
    ):
        other = cho_parameters(5, 4, embedded=3, hidden=4, rng=0)
        layer = other
        for name in path:
            layer = layer[name]
        layer["bias"] += np.linspace(0.5, 1.0, layer["bias"].size)
        assert np.max(np.abs(cho(other, source, inputs) - plain)) > 1e-3, path


def test_the_context_is_seen_at_every_step():
    """The state is forgotten (z = 0, r = 0); what is left of the source comes from the context alone."""
    p = cho_parameters(5, 4, embedded=3, hidden=4, rng=0)
    p["decoder"]["recurrent"]["bias"][:] = -1000.0
    inputs = np.zeros((1, 3), int)
    one, two = (cho(p, np.array([source]), inputs) for source in ([1, 2, 3], [4, 0, 3]))
    for t in range(3):
        assert np.max(np.abs(one[:, t] - two[:, t])) > 1e-3
    np.testing.assert_array_equal(one[:, 1], one[:, 2])  # the same word, and no state


def test_without_a_context_the_decoder_is_a_gru_with_its_reset_after_the_product():
    p = cho_parameters(5, 4, embedded=3, hidden=4, rng=0)
    rng = np.random.default_rng(1)
    p["decoder"] = tree_map(lambda x: x + rng.standard_normal(x.shape), p["decoder"])
    p["decoder"]["context"]["weight"][:] = 0.0
    state = cho_encode(p, np.array([[1, 2, 3]]))
    _, after = cho_step(p, state, np.array([3]))
    e = p["target_embedding"]["weight"][[3]]
    agree(after["state"], gru_step(p["decoder"], e, state["state"], reset="after"), 64)


def test_the_output_may_be_of_low_rank():
    """The paper's G is a product of two thin matrices."""
    p = cho_parameters(9, 20, embedded=3, hidden=4, units=8, rng=0)
    thin = truncated_svd(p["output"]["weight"], 3).two_factors()
    dense = {**p, "output": {**p["output"], "weight": thin.to_dense()}}
    factored = {**p, "output": {**p["output"], "weight": thin}}
    source, inputs = np.array([[1, 2, 3]]), np.array([[0, 1]])
    agree(cho(factored, source, inputs), cho(dense, source, inputs), 200)


def test_an_odd_layer_under_the_maxout_is_refused():
    p = cho_parameters(5, 4, embedded=3, hidden=4, rng=0)
    p["maxout"] = {name: x[:3] for name, x in p["maxout"].items()}
    with pytest.raises(ValueError, match="the layer under a maxout must have an even number of rows, got 3"):
        cho(p, np.array([[1]]), np.array([[0]]))


def test_a_step_goes_on_from_the_state_before():
    p = cho_parameters(5, 4, embedded=3, hidden=4, rng=0)
    targets = np.array([[1, 3, 2]])
    state, found = cho_encode(p, np.array([[1, 2]])), []
    for token in shift(targets, 0).T:
        log_p, state = cho_step(p, state, token)
        found.append(log_p)
    agree(np.stack(found, axis=1), log_probabilities(cho(p, np.array([[1, 2]]), shift(targets, 0))), 64)
