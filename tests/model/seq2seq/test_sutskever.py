"""Deep LSTMs that hand over their states, against plain loops and torch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, seeds
from oracles.model import seq2seq as oracle

from factorattn.model.seq2seq import log_probabilities, sutskever, sutskever_encode, sutskever_parameters

sizes = st.integers(1, 4)


def listed(tree):
    if isinstance(tree, dict):
        return {name: listed(part) for name, part in tree.items()}
    return [listed(part) for part in tree] if isinstance(tree, list) else tree.tolist()


@settings(deadline=None)
@given(seed=seeds, embedded=sizes, hidden=sizes, layers=st.integers(1, 3), m=sizes, n=st.integers(0, 3))
def test_every_place_is_that_of_the_oracle(seed, embedded, hidden, layers, m, n):
    p = sutskever_parameters(5, 4, embedded=embedded, hidden=hidden, layers=layers, rng=seed)
    rng = np.random.default_rng(seed)
    source, inputs = rng.integers(5, size=(2, m)), rng.integers(4, size=(2, n))
    told = {name: listed(p[name]) for name in ("encoder", "decoder", "output")}
    told |= {"E_x": p["source_embedding"]["weight"].tolist(), "E_y": p["target_embedding"]["weight"].tolist()}
    got = np.exp(log_probabilities(sutskever(p, source, inputs)))
    want = [oracle.sutskever(told, x, y) for x, y in zip(source.tolist(), inputs.tolist(), strict=True)]
    agree(got, np.reshape(want, (2, n, 4)), 64 * layers * (m + n) * (hidden + embedded))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_reading_forward_is_reading_the_reverse_backwards(cell):
    p = sutskever_parameters(5, 4, embedded=3, hidden=4, layers=2, cell=cell, rng=0)
    source, inputs = np.array([[1, 2, 3, 4]]), np.array([[0, 1]])
    ahead = sutskever(p, source, inputs, cell=cell, backwards=False)
    np.testing.assert_array_equal(ahead, sutskever(p, source[:, ::-1], inputs, cell=cell))
    assert np.max(np.abs(ahead - sutskever(p, source, inputs, cell=cell))) > 1e-3


def test_the_decoder_knows_the_source_by_its_first_state_alone():
    p = sutskever_parameters(5, 4, embedded=3, hidden=4, layers=2, rng=0)
    states = sutskever_encode(p, np.array([[1, 2, 3]]))
    assert len(states) == 2
    assert all(part.shape == (1, 4) for state in states for part in state)


def test_bad_options_are_named():
    p = sutskever_parameters(5, 4, embedded=3, hidden=4, layers=1, rng=0)
    with pytest.raises(ValueError, match="cell must be 'gru' or 'lstm', got 'rnn'"):
        sutskever(p, np.array([[1]]), np.array([[0]]), cell="rnn")
    with pytest.raises(TypeError, match="backwards must be True or False, got 1"):
        sutskever(p, np.array([[1]]), np.array([[0]]), backwards=1)
    with pytest.raises(ValueError, match="cell must be 'gru' or 'lstm', got 'rnn'"):
        sutskever_parameters(5, 4, embedded=3, hidden=4, cell="rnn")


@pytest.mark.peers
def test_torch_gives_the_same():
    torch = pytest.importorskip("torch", reason="extra: peers")
    p = sutskever_parameters(5, 4, embedded=3, hidden=4, layers=2, rng=3)
    source, inputs = np.array([[1, 2, 3], [4, 0, 1]]), np.array([[0, 1], [0, 3]])
    networks = {}
    for side in ("encoder", "decoder"):
        networks[side] = torch.nn.LSTM(3, 4, 2, batch_first=True).double()
        told = {}
        for i, layer in enumerate(p[side]):
            told |= {f"weight_ih_l{i}": layer["input"]["weight"], f"bias_ih_l{i}": layer["input"]["bias"]}
            told |= {f"weight_hh_l{i}": layer["recurrent"]["weight"], f"bias_hh_l{i}": layer["recurrent"]["bias"]}
        networks[side].load_state_dict({name: torch.from_numpy(x) for name, x in told.items()})
    with torch.no_grad():
        _, state = networks["encoder"](torch.from_numpy(p["source_embedding"]["weight"][source[:, ::-1]]))
        h, _ = networks["decoder"](torch.from_numpy(p["target_embedding"]["weight"][inputs]), state)
    want = h.numpy() @ p["output"]["weight"].T + p["output"]["bias"]
    agree(sutskever(p, source, inputs), want, 200)
