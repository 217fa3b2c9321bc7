"""The layers of PyTorch with the same weights: results, and gradients of every parameter."""

import numpy as np
import pytest

from factorattn.interpret.gradient import vjp
from factorattn.model.transformer import (
    decoder,
    decoder_parameters,
    encoder,
    encoder_parameters,
    slot_parameters,
)
from factorattn.model.transformer.attend import attend
from factorattn.model.transformer.slot import Slot
from factorattn.testing import ROUNDING

pytestmark = pytest.mark.peers
C, HEADS, HIDDEN = 12, 3, 20


@pytest.fixture
def torch():
    found = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")
    found.set_num_threads(1)
    return found


def close(got, want):
    want = want.detach().numpy() if hasattr(want, "detach") else want
    assert got.shape == want.shape
    assert np.max(np.abs(got - want)) <= max(np.max(np.abs(want)), 1.0) * ROUNDING("float64", 10_000)


def drawn(parameters, seed):
    """Every array drawn anew, so that gains and biases count."""
    rng = np.random.default_rng(seed)

    def draw(x):
        if isinstance(x, dict):
            return {name: draw(part) for name, part in x.items()}
        return [draw(part) for part in x] if isinstance(x, list) else rng.standard_normal(x.shape) / 2

    return draw(parameters)


ATTENTION = ("query", "key", "value")


def as_torch(torch, layer, cross=False):
    """The state of a module of torch's, from a layer's parameters or gradients."""

    def attention(name, own):
        return {
            f"{name}.in_proj_weight": np.concatenate([own[part]["weight"] for part in ATTENTION]),
            f"{name}.in_proj_bias": np.concatenate([own[part]["bias"] for part in ATTENTION]),
            f"{name}.out_proj.weight": own["output"]["weight"],
            f"{name}.out_proj.bias": own["output"]["bias"],
        }

    state = attention("self_attn", layer["attention"])
    norms = ["attention_norm", "feed_forward_norm"]
    if cross:
        state |= attention("multihead_attn", layer["cross_attention"])
        norms.insert(1, "cross_attention_norm")
    for place, name in enumerate(norms, 1):
        state |= {f"norm{place}.{part}": layer[name][part] for part in ("weight", "bias")}
    for name, part in (("linear1", "in"), ("linear2", "out")):
        state |= {f"{name}.{kind}": layer["feed_forward"][part][kind] for kind in ("weight", "bias")}
    return {name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in state.items()}


def told(first, activation):
    return {"dim_feedforward": HIDDEN, "dropout": 0.0, "batch_first": True, "norm_first": first} | {
        "activation": activation,
        "layer_norm_eps": 1e-5,
    }


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_an_encoder_layer_is_torchs(torch, norm, activation):
    parameters = drawn(encoder_parameters(1, C, HEADS, HIDDEN, norm="post", rng=0), 0)
    if norm == "pre":  # torch's layer has no norm behind it: a gain of one and an epsilon of zero cannot undo ours
        parameters["norm"] = {"weight": np.ones(C), "bias": np.zeros(C)}
    module = torch.nn.TransformerEncoderLayer(C, HEADS, **told(norm == "pre", activation)).double().train()
    module.load_state_dict(as_torch(torch, parameters["layers"][0]))
    last = torch.nn.LayerNorm(C, dtype=torch.float64) if norm == "pre" else torch.nn.Identity()
    rng = np.random.default_rng(1)
    x, g = rng.standard_normal((2, 5, C)), rng.standard_normal((2, 5, C))
    mask = np.arange(5) < [[5], [3]]
    options = {"heads": HEADS, "norm": norm, "activation": activation}
    out, pullback = vjp(lambda p, x, mask: encoder(p, x, mask=mask, **options), parameters, x, mask)
    xt = torch.from_numpy(x).requires_grad_()
    want = last(module(xt, src_key_padding_mask=~torch.from_numpy(mask)))
    close(out, want)
    grads, of_x, _ = pullback(g)
    want.backward(torch.from_numpy(g))
    close(of_x, xt.grad)
    for name, gradient in as_torch(torch, grads["layers"][0]).items():
        close(gradient.numpy(), module.get_parameter(name).grad)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_a_decoder_layer_is_torchs(torch, norm, activation):
    parameters = drawn(decoder_parameters(1, C, HEADS, HIDDEN, norm="post", rng=0), 0)
    if norm == "pre":
        parameters["norm"] = {"weight": np.ones(C), "bias": np.zeros(C)}
    module = torch.nn.TransformerDecoderLayer(C, HEADS, **told(norm == "pre", activation)).double().train()
    module.load_state_dict(as_torch(torch, parameters["layers"][0], cross=True))
    last = torch.nn.LayerNorm(C, dtype=torch.float64) if norm == "pre" else torch.nn.Identity()
    rng = np.random.default_rng(1)
    x, memory, g = (rng.standard_normal(shape) for shape in ((2, 5, C), (2, 4, C), (2, 5, C)))
    shown = np.arange(4) < [[4], [2]]
    options = {"heads": HEADS, "norm": norm, "activation": activation}

    def run(p, x, memory, shown):
        return decoder(p, x, memory, memory_mask=shown, **options)

    out, pullback = vjp(run, parameters, x, memory, shown)
    xt, mt = (torch.from_numpy(rows).requires_grad_() for rows in (x, memory))
    future = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    want = last(module(xt, mt, tgt_mask=future, memory_key_padding_mask=~torch.from_numpy(shown)))
    close(out, want)
    grads, of_x, of_memory, _ = pullback(g)
    want.backward(torch.from_numpy(g))
    close(of_x, xt.grad)
    close(of_memory, mt.grad)
    for name, gradient in as_torch(torch, grads["layers"][0], cross=True).items():
        close(gradient.numpy(), module.get_parameter(name).grad)


@pytest.mark.parametrize("causal", [False, True])
def test_a_slot_is_torchs_multihead_attention(torch, causal):
    import array_api_compat.numpy as xp

    parameters = drawn(slot_parameters(C, HEADS, rng=0), 0)
    module = torch.nn.MultiheadAttention(C, HEADS, batch_first=True, dtype=torch.float64)
    state = as_torch(torch, {"attention": parameters} | _rest())
    module.load_state_dict({name.removeprefix("self_attn."): x for name, x in state.items() if "self_attn" in name})
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 5, C)), rng.standard_normal((2, 7, C))
    got = attend(parameters, x, None if causal else y, heads=HEADS, slot=Slot(), causal=causal, xp=xp)
    xt, yt = torch.from_numpy(x), torch.from_numpy(x if causal else y)
    future = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1) if causal else None
    close(got, module(xt, yt, yt, attn_mask=future)[0])


def _rest():
    layer = encoder_parameters(1, C, HEADS, HIDDEN, rng=0)["layers"][0]
    return {name: layer[name] for name in ("attention_norm", "feed_forward", "feed_forward_norm")}


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_stacks_are_torchs(torch, norm):
    """Two layers; torch's stack of pre-norm layers has the last norm, too, if it is given one."""
    parameters = drawn(encoder_parameters(2, C, HEADS, HIDDEN, norm=norm, rng=0), 0)
    layer = torch.nn.TransformerEncoderLayer(C, HEADS, **told(norm == "pre", "relu")).double()
    last = torch.nn.LayerNorm(C, dtype=torch.float64) if norm == "pre" else None
    module = torch.nn.TransformerEncoder(layer, 2, norm=last, enable_nested_tensor=False).train()
    for own, of in zip(module.layers, parameters["layers"], strict=True):
        own.load_state_dict(as_torch(torch, of))
    if last is not None:
        last.load_state_dict({name: torch.from_numpy(x) for name, x in parameters["norm"].items()})
    x = np.random.default_rng(1).standard_normal((2, 5, C))
    close(encoder(parameters, x, heads=HEADS, norm=norm), module(torch.from_numpy(x)))
