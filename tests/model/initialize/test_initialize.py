"""Weights at the start: their spread, their bounds, what T-Fixup scales and what that does to a deep Transformer."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, seeds, sizes
from oracles.model import initialize as oracle

from factorattn.factor import truncated_svd
from factorattn.interpret.tree import tree_map
from factorattn.model.initialize import orthogonal, t_fixup, xavier_normal, xavier_uniform
from factorattn.model.naming import named_leaves
from factorattn.model.transformer.decoder_only import language_model, language_model_parameters
from factorattn.model.transformer.encoder_decoder import transformer, transformer_parameters
from factorattn.model.transformer.slot import Slot
from factorattn.testing import BOUND, CHANCE, ROUNDING

XAVIER = [xavier_uniform, xavier_normal]
ALL = [*XAVIER, orthogonal]


def spread(w, want):
    """Whether a mean is zero and a standard deviation as it should be, within chance."""
    w = np.asarray(w, np.float64).ravel()
    return abs(np.mean(w)) <= CHANCE(w) and abs(np.mean(w**2) - want**2) <= CHANCE(w**2)


@pytest.mark.parametrize("f", XAVIER)
@pytest.mark.parametrize("shape", [(200, 100), (3, 40, 90), (1, 5000)])
def test_xaviers_variance(f, shape):
    assert spread(f(shape, rng=0), oracle.xavier(*shape[-2:]))
    assert spread(f(shape, rng=0, gain=3.0), 3 * oracle.xavier(*shape[-2:]))


@given(out=sizes, into=sizes, seed=seeds)
def test_xaviers_uniform_bound(out, into, seed):
    w = xavier_uniform((50, out, into), rng=seed)
    bound = math.sqrt(6 / (out + into))
    assert np.max(np.abs(w)) <= BOUND(bound)
    assert np.max(np.abs(w)) > 0.8 * bound


def test_variance_is_kept_from_layer_to_layer():
    x = np.random.default_rng(100).standard_normal((500, 300))
    for seed in range(5):
        x = x @ xavier_normal((300, 300), rng=seed).T
    assert 0.8 < np.mean(x**2) < 1.25


@given(out=sizes, into=sizes, seed=seeds)
def test_orthonormal_rows_or_columns(out, into, seed):
    w = orthogonal((2, out, into), gain=2.0, rng=seed)
    inner = np.swapaxes(w, -1, -2) @ w if out >= into else w @ np.swapaxes(w, -1, -2)
    want = np.broadcast_to(4 * np.eye(min(out, into)), inner.shape)
    assert np.max(np.abs(inner - want)) <= 4 * ROUNDING("float64", 8 * max(out, into))


def test_orthogonal_matrices_are_turned_every_way():
    # Haar: each entry has mean 0 and mean square 1 / n; a QR without its signs has a diagonal of one sign.
    w = orthogonal((4000, 3, 3), rng=0)
    for i in range(3):
        for j in range(3):
            assert spread(w[:, i, j], 3**-0.5)


@pytest.mark.parametrize("f", ALL)
def test_the_same_draw_in_every_dtype(f):
    double = f((4, 6), rng=3)
    assert double.dtype == np.float64
    np.testing.assert_array_equal(f((4, 6), rng=3, dtype="float32"), double.astype(np.float32))
    np.testing.assert_array_equal(f((4, 6), rng=np.random.default_rng(3)), double)
    assert not np.array_equal(f((4, 6), rng=4), double)


@pytest.mark.parametrize("f", ALL)
def test_nothing_to_draw(f):
    for shape in ((0, 3), (3, 0), (0, 0), (0, 2, 2)):
        assert f(shape, rng=0).shape == shape


@pytest.mark.parametrize("f", ALL)
def test_bad_options_are_named(f):
    for shape in ((3,), (), (-1, 2)):
        with pytest.raises(ValueError, match=r"shape must be \(\.\.\., out, in\), got "):
            f(shape)
    with pytest.raises(ValueError, match="gain must be positive"):
        f((2, 2), gain=0.0)
    with pytest.raises(ValueError, match="dtype must be real floating, got int64"):
        f((2, 2), dtype="int64")
    with pytest.raises(ValueError, match="rng must be"):
        f((2, 2), rng=-1)
    with pytest.raises(TypeError, match="length must be an integer"):
        f((2, 2.5))


@pytest.mark.peers
@pytest.mark.parametrize("shape", [(30, 50), (50, 30)])
def test_torch_draws_from_the_same_distributions(shape):
    torch = pytest.importorskip("torch", reason="extra: peers")
    torch.manual_seed(0)
    w = torch.zeros(shape, dtype=torch.float64)
    for name, f in (
        ("xavier_uniform_", xavier_uniform),
        ("xavier_normal_", xavier_normal),
        ("orthogonal_", orthogonal),
    ):
        theirs = getattr(torch.nn.init, name)(w.clone(), gain=1.5).numpy()
        ours = f(shape, gain=1.5, rng=0)
        assert abs(np.mean(theirs**2) - np.mean(ours**2)) <= CHANCE(theirs**2) + CHANCE(ours**2)
        if name != "xavier_normal_":
            assert abs(np.max(theirs) - np.max(ours)) <= 0.1 * np.max(ours) + (name == "orthogonal_")


# T-Fixup


def drawn(layers=(3, 5), vocabulary=(200, 300), c=32, **told):
    options = {"norm": "none", "rng": 0} | told
    return transformer_parameters(vocabulary, layers, c, 4, 64, **options)


@pytest.mark.parametrize(("vocabulary", "tied"), [((200, 300), True), ((200, 300), False), (300, True)])
@pytest.mark.parametrize("layers", [(1, 1), (3, 5)])
def test_every_weight_has_the_spread_of_the_paper(vocabulary, tied, layers):
    parameters = drawn(layers, vocabulary, tied=tied)
    found = dict(named_leaves(t_fixup(parameters, rng=1)))
    assert {name: x.shape for name, x in found.items()} == {name: x.shape for name, x in named_leaves(parameters)}
    for name, x in found.items():
        want = oracle.t_fixup(name, x.shape, *layers, 32, "source" not in parameters)
        assert spread(x, want) if want else not np.any(x), name


def test_the_scales_of_the_paper():
    # One draw: with rng fixed, a scale is the only difference between queries' and values' distributions.
    deep, shallow = (dict(named_leaves(t_fixup(drawn((n, n)), rng=7))) for n in (16, 1))
    for name in ("encoder.layers.0.attention.value.weight", "encoder.layers.0.feed_forward.in.weight"):
        agree(deep[name], (shallow[name] / 2).tolist(), 8)  # 16^(-1/4)
    agree(deep["source.tokens.weight"], (shallow["source.tokens.weight"] / 2).tolist(), 8)
    name = "encoder.layers.0.attention.query.weight"
    np.testing.assert_array_equal(deep[name], shallow[name])


def test_the_values_that_were_there_do_not_matter():
    one, two = (t_fixup(drawn(rng=seed), rng=1) for seed in (0, 5))
    for (_, x), (_, y) in zip(named_leaves(one), named_leaves(two), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("library", LIBRARIES)
def test_library_and_dtype_stay(library):
    xp = pytest.importorskip(library)
    moved = tree_map(lambda x: xp.asarray(x, dtype=xp.float32), drawn((1, 1)))
    want = dict(named_leaves(t_fixup(drawn((1, 1)), rng=1)))
    for name, x in named_leaves(t_fixup(moved, rng=1)):
        assert x.dtype == xp.float32
        np.testing.assert_array_equal(np.asarray(x), want[name].astype(np.float32))


def test_tables_of_positions_and_what_else_is_learned_stay():
    parameters = drawn((1, 1), positions="learned", length=9)
    found = t_fixup(parameters, rng=1)
    np.testing.assert_array_equal(found["source"]["positions"]["weight"], parameters["source"]["positions"]["weight"])
    parameters["encoder"]["layers"][0]["attention"]["learned"] = {"w": np.ones(3)}
    assert t_fixup(parameters, rng=1)["encoder"]["layers"][0]["attention"]["learned"]["w"].tolist() == [1.0] * 3


def test_a_language_model_is_scaled_as_an_encoder():
    parameters = language_model_parameters(300, 16, 32, 4, 64, norm="none", tied=False, rng=0)
    found = dict(named_leaves(t_fixup(parameters, rng=1)))
    assert spread(found["embedding.tokens.weight"], (9 * 16) ** -0.25 * 32**-0.5)
    assert spread(found["stack.layers.3.attention.value.weight"], 0.67 / 2 * oracle.xavier(32, 32))
    assert spread(found["stack.layers.3.attention.key.weight"], oracle.xavier(32, 32))
    assert spread(found["stack.layers.3.feed_forward.out.weight"], 0.67 / 2 * oracle.xavier(32, 64))
    assert spread(found["output.weight"], oracle.xavier(300, 32))


def test_signals_do_not_grow_with_depth_without_norms():
    # With Xavier alone the sums of 2 N sublayers grow without end; T-Fixup bounds what all layers together change.
    ids = np.random.default_rng(0).integers(50, size=(2, 12))
    sizes_of = {}
    for layers in (2, 32):
        plain = language_model_parameters(50, layers, 32, 4, 64, norm="none", rng=0)
        for name, parameters in (("xavier", plain), ("t_fixup", t_fixup(plain, rng=0))):
            logits = language_model(parameters, ids, heads=4, norm="none", positions="none")
            sizes_of[name, layers] = float(np.sqrt(np.mean(logits**2)))
    assert sizes_of["xavier", 32] > 100 * sizes_of["xavier", 2]
    assert sizes_of["t_fixup", 32] < 2 * sizes_of["t_fixup", 2]


def test_a_transformer_runs_on_it():
    ids = np.random.default_rng(0).integers(50, size=(2, 2, 7))
    parameters = t_fixup(drawn((2, 2), 50), rng=0)
    assert np.all(np.isfinite(transformer(parameters, *ids, heads=4, norm="none")))


def test_what_it_cannot_scale_is_refused():
    with pytest.raises(ValueError, match=r"without layer norms .* got encoder\.layers\.0\.attention_norm\.weight"):
        t_fixup(drawn(norm="post"))
    with pytest.raises(ValueError, match="parameters must be those of a Transformer"):
        t_fixup({"layers": []})
    with pytest.raises(ValueError, match="decoder must have layers, got none"):
        t_fixup(drawn((1, 0)))
    parameters = drawn((1, 1))
    query = parameters["decoder"]["layers"][0]["attention"]["query"]
    query["weight"] = truncated_svd(query["weight"], 2)
    with pytest.raises(
        TypeError, match=r"decoder\.layers\.0\.attention\.query\.weight must be an array, got a factored"
    ):
        t_fixup(parameters)


@pytest.mark.parametrize("mechanism", ["multihead", "multidimensional"])
def test_what_projects_values_itself_is_refused(mechanism):
    slot = Slot(mechanism)
    parameters = language_model_parameters(9, 2, 8, 2, 8, norm="none", slot=[Slot(), slot], rng=0)
    with pytest.raises(ValueError, match=r"stack\.layers\.1\.attention must have a layer 'value' to be scaled"):
        t_fixup(parameters)


@given(seed=seeds, layers=st.integers(1, 3))
def test_no_number_is_infinite(seed, layers):
    for _, x in named_leaves(t_fixup(drawn((layers, layers), (3, 4), c=4), rng=seed)):
        assert np.all(np.isfinite(x))
