"""The same weights in PyTorch's modules: outputs, states, and gradients of all of it."""

from functools import partial

import numpy as np
import pytest

from factorattn.interpret.gradient import value_and_grad
from factorattn.interpret.tree import tree_leaves, tree_map
from factorattn.model.recurrent import bidirectional, gru, hidden_of, lstm, recurrent, stacked
from factorattn.testing import ROUNDING

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

C, HIDDEN, N = 3, 4, 6
SIZES = (2, 6)  # lengths of the sequences of a padded batch


def cells(torch):
    return {
        "RNN": (recurrent, partial(torch.nn.RNN, nonlinearity="tanh")),
        "RNN relu": (partial(recurrent, activation="relu"), partial(torch.nn.RNN, nonlinearity="relu")),
        "LSTM": (lstm, torch.nn.LSTM),
        "GRU": (partial(gru, reset="after"), torch.nn.GRU),
    }


def layer_of(module, name, get):
    """The parameters of one layer in one direction, or what `get` says of them."""
    parts = {
        layer: {"weight": get(f"weight_{kind}_{name}"), "bias": get(f"bias_{kind}_{name}")}
        for layer, kind in (("input", "ih"), ("recurrent", "hh"))
    }
    if module.mode != "GRU":
        return parts
    whole = parts["recurrent"]
    parts["recurrent"] = {part: array[: 2 * HIDDEN] for part, array in whole.items()}
    parts["candidate"] = {part: array[2 * HIDDEN :] for part, array in whole.items()}
    return parts


def tree_of(module, get):
    """Parameters of a module as this library holds them."""
    if not module.bidirectional:
        return [layer_of(module, f"l{k}", get) for k in range(module.num_layers)]
    ways = (("forward", ""), ("backward", "_reverse"))
    return [{way: layer_of(module, f"l{k}{end}", get) for way, end in ways} for k in range(module.num_layers)]


@pytest.mark.parametrize("name", ["RNN", "RNN relu", "LSTM", "GRU"])
@pytest.mark.parametrize(("layers", "both"), [(1, False), (2, False), (1, True), (2, True)])
@pytest.mark.parametrize("padded", [False, True])
def test_torch_gives_the_same_forward_and_backward(name, layers, both, padded):
    torch = pytest.importorskip("torch", reason="extra: peers")
    cell, kind = cells(torch)[name]
    torch.manual_seed(0)
    module = kind(C, HIDDEN, num_layers=layers, bidirectional=both, batch_first=True).double()
    network = partial(stacked, network=partial(bidirectional, network=cell) if both else cell)
    rng = np.random.default_rng(0)
    x, weights = rng.standard_normal((2, N, C)), rng.standard_normal((2, N, HIDDEN * (1 + both)))
    mask = np.arange(N) < np.array(SIZES)[:, None] if padded else np.ones((2, N), bool)

    def loss(parameters, x, weights, mask):
        xp = x.__array_namespace__()
        h, state = network(parameters, x, mask=mask if padded else None)
        seen = xp.where(mask[..., None], h * weights, 0.0)
        return xp.sum(seen) + xp.sum(hidden_of(state) ** 2), (h, hidden_of(state))

    parameters = tree_of(module, lambda part: getattr(module, part).detach().numpy())
    (value, (h, last)), (by_parameters, by_x) = value_and_grad(loss, (0, 1), has_aux=True)(parameters, x, weights, mask)

    there = torch.from_numpy(x).requires_grad_()
    read = torch.nn.utils.rnn.pack_padded_sequence(there, SIZES, batch_first=True, enforce_sorted=False)
    want, end = module(read if padded else there)
    if padded:
        want, _ = torch.nn.utils.rnn.pad_packed_sequence(want, batch_first=True, total_length=N)
    end = end[0] if name == "LSTM" else end  # (layers * directions, batch, hidden)
    top = torch.cat(list(end[-1 - both :]), dim=-1)
    total = (want * torch.from_numpy(weights) * torch.from_numpy(mask)[..., None]).sum() + (top**2).sum()
    total.backward()

    def close(got, want):
        want = want.detach().numpy()
        assert got.shape == want.shape
        assert np.max(np.abs(got - want)) <= max(1.0, np.max(np.abs(want))) * ROUNDING("float64", 64 * N * layers)

    close(h * mask[..., None], want)
    close(last, top)
    close(np.asarray(value), total)
    close(by_x, there.grad)
    wanted = tree_of(module, lambda part: getattr(module, part).grad)
    assert len(tree_leaves(by_parameters)) == len(tree_leaves(wanted))
    tree_map(close, by_parameters, wanted)
