"""Encoder, decoder and both against plain loops; and what holds for all of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, seeds
from oracles.model import transformer as oracle

import factorattn as fa
from factorattn.factor import truncated_svd
from factorattn.interpret.gradient import value_and_grad
from factorattn.interpret.tree import tree_leaves, tree_map
from factorattn.model.transformer import (
    Slot,
    decoder,
    decoder_parameters,
    encoder,
    encoder_parameters,
    language_model,
    language_model_parameters,
    transformer,
    transformer_parameters,
)
from factorattn.testing import ROUNDING
from factorattn.testing.differences import check_gradients


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def jittered(parameters, seed):
    """Parameters whose biases and gains are not those that they begin with."""
    rng = np.random.default_rng(seed)
    return tree_map(lambda x: x + rng.standard_normal(x.shape) / 5, parameters)


def nested(parameters):
    return tree_map(lambda x: x.tolist(), parameters)


def tokens(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def close(got, want, length=10_000):
    assert got.shape == want.shape
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING("float64", length)


@settings(deadline=None, max_examples=30)
@given(
    seed=seeds,
    heads=st.integers(1, 3),
    d=st.integers(1, 3),
    layers=st.integers(0, 2),
    hidden=st.integers(1, 5),
    n=st.integers(1, 4),
    norm=st.sampled_from(["post", "pre"]),
    activation=st.sampled_from(["relu", "gelu"]),
    causal=st.booleans(),
    length=st.integers(1, 4),
)
def test_every_token_of_an_encoder_is_that_of_the_oracle(
    seed, heads, d, layers, hidden, n, norm, activation, causal, length
):
    parameters = jittered(encoder_parameters(layers, heads * d, heads, hidden, norm=norm, rng=seed), seed)
    x, shown = tokens(seed, n, heads * d), np.arange(n) < length
    options = {"heads": heads, "norm": norm, "activation": activation, "epsilon": 0.1}
    got = encoder(parameters, x, mask=shown, causal=causal, **options)

    def seen(i, j):
        return bool(shown[j]) and (not causal or j <= i)

    agree(got, oracle.encoder(nested(parameters), x.tolist(), seen=seen, **options), 64 * heads * d * n * hidden)


@settings(deadline=None, max_examples=30)
@given(
    seed=seeds,
    heads=st.integers(1, 3),
    d=st.integers(1, 3),
    layers=st.integers(0, 2),
    n=st.integers(1, 4),
    m=st.integers(1, 4),
    norm=st.sampled_from(["post", "pre"]),
    activation=st.sampled_from(["relu", "gelu"]),
    length=st.integers(1, 4),
)
def test_every_token_of_a_decoder_is_that_of_the_oracle(seed, heads, d, layers, n, m, norm, activation, length):
    parameters = jittered(decoder_parameters(layers, heads * d, heads, 4, norm=norm, rng=seed), seed)
    x, memory, shown = tokens(seed, n, heads * d), tokens(seed + 1, m, heads * d), np.arange(m) < length
    own = np.random.default_rng(seed).random(n) < 0.7  # padding may be anywhere; a token that sees none gets zeros
    options = {"heads": heads, "norm": norm, "activation": activation, "epsilon": 0.1}
    got = decoder(parameters, x, memory, mask=own, memory_mask=shown, **options)
    seen = {"seen": lambda i, j: j <= i and bool(own[j]), "seen_memory": lambda i, j: bool(shown[j])}
    agree(got, oracle.decoder(nested(parameters), x.tolist(), memory.tolist(), **seen, **options), 256 * heads * d * m)


@settings(deadline=None, max_examples=15)
@given(seed=seeds, n=st.integers(1, 4), m=st.integers(1, 4), norm=st.sampled_from(["post", "pre"]))
def test_every_logit_is_that_of_the_oracle(seed, n, m, norm):
    parameters = jittered(transformer_parameters(5, 1, 6, 2, 4, norm=norm, rng=seed), seed)
    rng = np.random.default_rng(seed)
    source, target = rng.integers(5, size=m), rng.integers(5, size=n)
    got = transformer(parameters, source, target, heads=2, norm=norm)
    want = oracle.transformer(nested(parameters), source.tolist(), target.tolist(), heads=2, norm=norm)
    agree(got, want, 10_000)


def test_without_norms_sublayers_are_added():
    parameters = jittered(encoder_parameters(1, 6, 2, 4, norm="none", rng=0), 0)
    assert set(parameters) == {"layers"}
    (layer,) = parameters["layers"]
    assert set(layer) == {"attention", "feed_forward"}
    x, lists = tokens(0, 3, 6), nested(layer)
    y = np.array(oracle.multihead(lists["attention"], x.tolist(), x.tolist(), 2, lambda i, j: True)) + x
    want = np.array(oracle.feed(lists["feed_forward"], y.tolist(), "relu")) + y
    close(encoder(parameters, x, heads=2, norm="none"), want)


def test_a_pre_norm_stack_ends_with_a_norm():
    parameters = encoder_parameters(2, 6, 2, 4, norm="pre", rng=0)
    x = encoder(parameters, tokens(0, 3, 6), heads=2, norm="pre", epsilon=0.0)
    zero, one = np.zeros(3), np.ones(3)
    np.testing.assert_allclose(x.mean(-1), zero, atol=ROUNDING("float64", 100))
    np.testing.assert_allclose((x * x).mean(-1), one, atol=ROUNDING("float64", 100))


@pytest.mark.parametrize("norm", ["post", "pre", "none"])
def test_every_array_library_gives_the_same(xp, norm):
    parameters = transformer_parameters((7, 5), 2, 12, 3, 8, norm=norm, tied=False, rng=0)
    rng = np.random.default_rng(0)
    source, target = rng.integers(7, size=(2, 6)), rng.integers(5, size=(2, 4))
    masks = {"source_mask": np.arange(6) < [[6], [4]], "target_mask": np.arange(4) < [[3], [4]]}
    want = transformer(parameters, source, target, heads=3, norm=norm, **masks)
    moved = tree_map(xp.asarray, parameters)
    told = {name: xp.asarray(mask) for name, mask in masks.items()}
    got = transformer(moved, xp.asarray(source), xp.asarray(target), heads=3, norm=norm, **told)
    close(np.asarray(got), want)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "axial", "none"])
def test_positions_tell_tokens_apart(positions):
    length = {"learned": 6, "axial": (2, 3)}.get(positions)
    options = {"heads": 2, "positions": positions}
    parameters = language_model_parameters(5, 1, 8, 2, 8, positions=positions, length=length, rng=0)
    ids = np.array([3, 1, 3, 3, 3, 3])
    assert language_model(parameters, ids, **options).shape == (6, 5)
    # Two tokens that see the same tokens, and differ in nothing but where they stand.
    first, second = language_model(parameters, np.array([3, 3]), **options)
    assert (np.max(np.abs(first - second)) <= ROUNDING("float64", 1000)) == (positions == "none")
    if length is not None:
        with pytest.raises(ValueError, match="ids must have at most 6 tokens, as many as positions, got 7"):
            language_model(parameters, np.zeros(7, int), **options)


@pytest.mark.parametrize("drawn_for", ["sinusoidal", "learned", "axial", "none"])
def test_positions_are_those_that_parameters_were_drawn_for(drawn_for):
    length = {"learned": 6, "axial": (2, 3)}.get(drawn_for)
    parameters = language_model_parameters(5, 1, 8, 2, 8, positions=drawn_for, length=length, rng=0)
    fits = {"learned": ("learned",), "axial": ("axial",)}.get(drawn_for, ("sinusoidal", "none"))
    for positions in ("sinusoidal", "learned", "axial", "none"):
        if positions in fits:
            assert language_model(parameters, np.arange(3), heads=2, positions=positions).shape == (3, 5)
            continue
        told = " or ".join(map(repr, fits))
        with pytest.raises(ValueError, match=f"positions must be {told}, for which the .* drawn, got {positions!r}"):
            language_model(parameters, np.arange(3), heads=2, positions=positions)


def test_axial_positions_are_two_small_tables():
    parameters = language_model_parameters(5, 0, 7, 1, 4, positions="axial", length=(2, 3), rng=0)
    rows, columns = parameters["embedding"]["positions"].values()
    assert (rows.shape, columns.shape) == ((2, 3), (3, 4))
    table = parameters["embedding"]["tokens"]["weight"]
    ids = np.array([0, 1, 2, 3, 4])
    place = np.concatenate([rows[[0, 0, 0, 1, 1]], columns[[0, 1, 2, 0, 1]]], axis=-1)
    want = (math.sqrt(7) * table[ids] + place) @ table.T
    close(language_model(parameters, ids, heads=1, positions="axial"), want)


def test_embeddings_are_scaled_where_asked():
    parameters = language_model_parameters(5, 0, 8, 1, 4, positions="none", rng=0)
    table = parameters["embedding"]["tokens"]["weight"]
    plain = language_model(parameters, np.array([2]), heads=1, positions="none", scale=False)
    close(plain[0], table @ table[2])
    scaled = language_model(parameters, np.array([2]), heads=1, positions="none")
    close(scaled, math.sqrt(8) * plain)


def test_tables_are_shared_or_not():
    shared = transformer_parameters(5, 1, 6, 2, 4, rng=0)
    assert set(shared) == {"target", "encoder", "decoder"}
    apart = transformer_parameters((5, 4), (2, 1), 6, 2, 4, tied=False, rng=0)
    assert set(apart) == {"source", "target", "encoder", "decoder", "output"}
    assert [len(apart[part]["layers"]) for part in ("encoder", "decoder")] == [2, 1]
    assert apart["source"]["tokens"]["weight"].shape == (5, 6)
    assert transformer(apart, np.array([4]), np.array([3, 0]), heads=2).shape == (2, 4)
    # An output of its own that is the table is as a tied one.
    untied = {**shared, "output": {"weight": shared["target"]["tokens"]["weight"]}}
    np.testing.assert_array_equal(*(transformer(p, np.array([4]), np.array([3]), heads=2) for p in (shared, untied)))


def test_parameters_are_those_of_xavier():
    parameters = encoder_parameters(1, 64, 4, 256, rng=0)
    (layer,) = parameters["layers"]
    for weight in (layer["attention"]["query"]["weight"], layer["feed_forward"]["in"]["weight"]):
        bound = math.sqrt(6 / sum(weight.shape))
        assert 0.99 * bound < np.max(np.abs(weight)) <= bound
    assert not np.any(layer["attention"]["query"]["bias"])
    np.testing.assert_array_equal(layer["attention_norm"]["weight"], np.ones(64))
    table = transformer_parameters(500, 1, 64, 4, 8, rng=0)["target"]["tokens"]["weight"]
    assert abs(np.std(table) * 8 - 1) < 0.02  # variance 1 / c
    again = encoder_parameters(1, 64, 4, 256, rng=0)
    tree_map(np.testing.assert_array_equal, parameters, again)
    single = encoder_parameters(1, 64, 4, 256, rng=0, dtype="float32")
    assert {leaf.dtype for leaf in tree_leaves(single)} == {np.dtype("float32")}


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_low_precision_is_computed_in_single(dtype):
    half = tree_map(lambda x: x.astype(dtype), transformer_parameters(5, 1, 6, 2, 4, rng=0))
    ids = np.array([[1, 2, 0], [4, 4, 1]])
    got = transformer(half, ids, ids, heads=2)
    assert got.dtype == dtype
    single = tree_map(lambda x: x.astype("float32"), half)
    np.testing.assert_array_equal(got, transformer(single, ids, ids, heads=2).astype(dtype))


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0), (1,), (2, 3, 4)])
def test_any_number_of_sequences_and_tokens(xp, shape):
    parameters = tree_map(xp.asarray, transformer_parameters(5, 1, 6, 2, 4, rng=0))
    source, target = xp.zeros(shape, dtype=xp.int64), xp.zeros((*shape[:-1], 2), dtype=xp.int64)
    mask = xp.ones(shape, dtype=xp.bool)
    got = transformer(parameters, source, target, heads=2, source_mask=mask)
    assert got.shape == (*shape[:-1], 2, 5)
    assert language_model(
        {**parameters, "embedding": parameters["target"], "stack": parameters["encoder"]}, source, heads=2
    ).shape == (*shape, 5)


def test_batch_axes_lead():
    parameters, x = encoder_parameters(2, 6, 2, 4, rng=0), tokens(0, 2, 3, 4, 6)
    mask = np.random.default_rng(0).random((2, 3, 4)) < 0.7
    got = encoder(parameters, x, heads=2, mask=mask)
    for i in range(2):
        for j in range(3):
            close(got[i, j], encoder(parameters, x[i, j], heads=2, mask=mask[i, j]))
    # A mask of one sequence is that of all.
    close(
        encoder(parameters, x, heads=2, mask=mask[0, 0])[1, 2], encoder(parameters, x[1, 2], heads=2, mask=mask[0, 0])
    )


def test_nothing_that_was_given_is_changed():
    parameters = transformer_parameters(5, 1, 6, 2, 4, rng=0)
    ids, mask = np.array([[1, 2, 0]]), np.array([[True, True, False]])
    for x in (*tree_leaves(parameters), ids, mask):
        x.flags.writeable = False
    transformer(parameters, ids, ids, heads=2, source_mask=mask, target_mask=mask)


def test_every_matrix_may_be_factored(xp):
    parameters = transformer_parameters((7, 5), 1, 6, 2, 8, positions="learned", length=4, tied=False, rng=0)
    source, target = np.array([[6, 0, 1]]), np.array([[4, 0]])
    options = {"heads": 2, "positions": "learned"}

    def small(x):
        return truncated_svd(x, 2) if x.ndim == 2 else x

    def moved(x):
        return x.map(xp.asarray) if hasattr(x, "map") else xp.asarray(x)

    factored = tree_map(small, parameters)
    dense = _each(factored, lambda x: x.to_dense() if x.ndim == 2 else x)
    want = transformer(dense, source, target, **options)
    got = transformer(_each(factored, moved), xp.asarray(source), xp.asarray(target), **options)
    close(np.asarray(got), want)


def _each(tree, f):
    """A function of every array or factored matrix (`tree_map` would go inside of these)."""
    if isinstance(tree, dict):
        return {name: _each(part, f) for name, part in tree.items()}
    return [_each(part, f) for part in tree] if isinstance(tree, list) else f(tree)


def test_it_can_be_counted():
    counts = fa.counting()
    parameters = tree_map(lambda x: counts.empty(x.shape), transformer_parameters(5, 1, 6, 2, 4, rng=0))
    ids = counts.empty((2, 3), dtype=counts.int64)
    assert transformer(parameters, ids, ids, heads=2).shape == (2, 3, 5)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_gradients_are_those_of_differences(norm):
    parameters = jittered(transformer_parameters(4, 1, 4, 2, 3, norm=norm, tied=False, rng=0), 0)
    source, target, mask = np.array([[1, 2, 3]]), np.array([[0, 3]]), np.array([[True, True, False]])

    def logits(parameters, source, target, mask):
        return transformer(parameters, source, target, heads=2, norm=norm, activation="gelu", source_mask=mask)

    check_gradients(logits, parameters, source, target, mask, forward=False)


def test_causal_gradients_never_leak():
    parameters, x = encoder_parameters(2, 6, 2, 4, rng=0), tokens(0, 5, 6)
    for i in range(5):

        def row(x, parameters, i=i):
            return weighted(encoder(parameters, x, heads=2, causal=True)[i, :])

        _, gradient = value_and_grad(row)(x, parameters)
        assert not np.any(gradient[i + 1 :])
        assert np.all(np.any(gradient[: i + 1], axis=-1))


def weighted(x):
    xp = x.__array_namespace__()
    return xp.sum(x * xp.arange(1, x.shape[0] + 1, dtype=x.dtype))


X = np.zeros((2, 3, 6))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros(6)}, r"x must have shape \(\.\.\., n, 6\), as wide as the parameters, got \(6,\)"),
        ({"x": np.zeros((2, 5))}, r"x must have shape \(\.\.\., n, 6\), as wide as the parameters, got \(2, 5\)"),
        ({"heads": 4}, "heads must divide 6, the size of a token, got 4"),
        ({"heads": 0}, "heads must divide 6, the size of a token, got 0"),
        ({"mask": np.ones((2, 4), bool)}, r"mask must have shape \(\.\.\., 3\), one entry a token of x, got \(2, 4\)"),
        (
            {"mask": np.ones((5, 2, 3), bool)},
            r"mask must have shape \(\.\.\., 3\), one entry a token of x, got \(5, 2, 3\)",
        ),
        ({"epsilon": -1.0}, r"epsilon must not be negative, got -1\.0"),
        ({"norm": "pre"}, "norm must be 'post', for which the parameters were drawn, got 'pre'"),
        ({"norm": "none"}, "norm must be 'post', for which the parameters were drawn, got 'none'"),
        ({"norm": "before"}, "norm must be 'post' or 'pre' or 'none', got 'before'"),
        ({"activation": "swish"}, "activation must be 'relu' or 'gelu', got 'swish'"),
    ],
)
def test_bad_input_is_named(change, message):
    given_ = {"x": X, "heads": 2} | change
    with pytest.raises(ValueError, match=message):
        encoder(encoder_parameters(1, 6, 2, 4, rng=0), **given_)


def test_bad_kinds_are_named():
    parameters = encoder_parameters(1, 6, 2, 4, rng=0)
    with pytest.raises(TypeError, match="mask must have dtype bool, True at tokens, got float64"):
        encoder(parameters, X, heads=2, mask=np.ones((2, 3)))
    with pytest.raises(TypeError, match=r"heads must be an integer, got 1\.5"):
        encoder(parameters, X, heads=1.5)
    with pytest.raises(TypeError, match="causal must be True or False, got 1"):
        encoder(parameters, X, heads=2, causal=1)
    model = transformer_parameters(5, 1, 6, 2, 4, rng=0)
    with pytest.raises(TypeError, match="source_ids must have an integer dtype, got float64"):
        transformer(model, np.zeros(3), np.zeros(3, int), heads=2)
    with pytest.raises(ValueError, match="target_ids must be from 0 to 4, got 5"):
        transformer(model, np.zeros(3, int), np.array([5]), heads=2)
    with pytest.raises(ValueError, match=r"memory must have shape \(\.\.\., n, 6\)"):
        decoder(decoder_parameters(1, 6, 2, 4, rng=0), X, np.zeros((2, 3, 5)), heads=2)
    with pytest.raises(
        ValueError, match="positions must be 'sinusoidal' or 'learned' or 'axial' or 'none', got 'rope'"
    ):
        transformer(model, np.zeros(3, int), np.zeros(3, int), heads=2, positions="rope")
    with pytest.raises(ValueError, match="length must be the greatest number of tokens"):
        transformer_parameters(5, 1, 6, 2, 4, positions="learned", rng=0)
    with pytest.raises(ValueError, match=r"length must be \(rows, columns\) of the grid"):
        transformer_parameters(5, 1, 6, 2, 4, positions="axial", length=4, rng=0)
    with pytest.raises(ValueError, match="length belongs to positions='learned' or 'axial'"):
        transformer_parameters(5, 1, 6, 2, 4, length=4, rng=0)
    with pytest.raises(ValueError, match="heads must divide 6, the size of a token, got 4"):
        encoder_parameters(1, 6, 4, 4, slot=Slot(), rng=0)


def test_sizes_that_are_none_are_named():
    with pytest.raises(ValueError, match="vocabulary must be a positive integer, got 0"):
        transformer_parameters(0, 1, 6, 2, 4, rng=0)
    with pytest.raises(ValueError, match="length must be a positive integer, got -1"):
        transformer_parameters(5, 1, 6, 2, 4, positions="learned", length=-1, rng=0)
    with pytest.raises(ValueError, match="layers must not be negative, got -1"):
        encoder_parameters(-1, 6, 2, 4, rng=0)
    with pytest.raises(TypeError, match=r"layers must be an integer, got \[1, 2\]"):
        transformer_parameters(5, [1, 2], 6, 2, 4, rng=0)
    with pytest.raises(ValueError, match="dtype must be real floating, got int32"):
        language_model_parameters(5, 0, 6, 2, 4, rng=0, dtype="int32")
