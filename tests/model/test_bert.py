"""BERT's encoder against plain loops and against transformers; and with factored matrices in every place."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, seeds
from oracles import bert as oracle

import factorattn as fa
from factorattn.factor import truncated_svd
from factorattn.factor.factored import Factored
from factorattn.model import bert
from factorattn.model.reading import expected_shapes
from factorattn.testing import ROUNDING

SIZES = {
    "hidden_size": 12,
    "intermediate_size": 20,
    "vocab_size": 17,
    "max_position_embeddings": 9,
    "type_vocab_size": 2,
    "num_hidden_layers": 2,
}


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def draw(seed, **sizes):
    """Parameters of every shape that a checkpoint of these sizes has."""
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape) / 2 for name, shape in expected_shapes(SIZES | sizes).items()}


def texts(seed, b=3, n=5):
    """Tokens, a mask of texts of different lengths (one token at the least), and types."""
    rng = np.random.default_rng(seed)
    ids, types = rng.integers(SIZES["vocab_size"], size=(b, n)), rng.integers(2, size=(b, n))
    return ids, np.arange(n) < rng.integers(1, n + 1, size=(b, 1)), types


def moved(xp, parameters, *arrays):
    """Everything in an array library; factored matrices too."""

    def move(x):
        return x.map(xp.asarray) if isinstance(x, Factored) else xp.asarray(x)

    return {name: move(x) for name, x in parameters.items()}, *(xp.asarray(x) for x in arrays)


@settings(deadline=None)
@given(
    seed=seeds,
    heads=st.integers(1, 3),
    d=st.integers(1, 3),
    layers=st.integers(0, 2),
    hidden=st.integers(1, 6),
    b=st.integers(1, 2),
    n=st.integers(1, 4),
    masked=st.booleans(),
    typed=st.booleans(),
)
def test_every_token_is_that_of_the_oracle(seed, heads, d, layers, hidden, b, n, masked, typed):
    parameters = draw(seed, hidden_size=heads * d, intermediate_size=hidden, num_hidden_layers=layers)
    ids, mask, types = texts(seed, b, n)
    given_ = {"mask": mask if masked else None, "types": types if typed else None}
    got = bert(parameters, ids, heads=heads, epsilon=0.1, **given_)
    listed = {name: x.tolist() for name, x in parameters.items()}
    told = {name: x if x is None else x.tolist() for name, x in given_.items()}
    # Normalising again after each layer carries rounding along; epsilon bounds what it divides by.
    agree(got, oracle.bert(listed, ids.tolist(), heads=heads, epsilon=0.1, **told), 64 * heads * d * n * hidden)


def test_every_array_library_gives_the_same(xp):
    parameters, ids, mask, types = moved(xp, draw(0), *texts(0))
    got = np.asarray(bert(parameters, ids, heads=3, mask=mask, types=types))
    want = bert(draw(0), texts(0)[0], heads=3, mask=texts(0)[1], types=texts(0)[2])
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING("float64", want.size)


def test_a_token_beyond_the_mask_changes_none_within():
    parameters, (ids, mask, _) = draw(0), texts(1)
    other = np.where(mask, ids, (ids + 1) % SIZES["vocab_size"])
    assert not np.array_equal(ids, other)
    one, two = (bert(parameters, x, heads=3, mask=mask) for x in (ids, other))
    np.testing.assert_array_equal(one[mask], two[mask])


def test_padding_changes_nothing():
    parameters, (ids, _, _) = draw(0), texts(0, b=1)
    padded, mask = np.pad(ids, ((0, 0), (0, 3))), np.arange(8)[None, :] < 5
    alone, beside = bert(parameters, ids, heads=3), bert(parameters, padded, heads=3, mask=mask)[:, :5]
    assert np.max(np.abs(alone - beside)) <= np.max(np.abs(alone)) * ROUNDING("float64", alone.size)


@pytest.mark.parametrize("kind", ["two factors", "svd", "rank of the whole"])
def test_every_matrix_may_be_factored(xp, kind):
    parameters, factored = draw(0), {}
    for name, x in parameters.items():
        if x.ndim == 1 or "LayerNorm" in name:
            factored[name] = x
        else:
            svd = truncated_svd(x, min(x.shape) if kind == "rank of the whole" else 2)
            factored[name] = svd if kind == "svd" else svd.two_factors()
    dense = {name: x.to_dense() if isinstance(x, Factored) else x for name, x in factored.items()}
    ids, mask, types = texts(0)
    want = bert(parameters if kind == "rank of the whole" else dense, ids, heads=3, mask=mask, types=types)
    inside, *rest = moved(xp, factored, ids, mask, types)
    got = np.asarray(bert(inside, rest[0], heads=3, mask=rest[1], types=rest[2]))
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING("float64", 64 * want.size)


def test_another_mechanism_may_attend():
    parameters, (ids, mask, _) = draw(0), texts(0)
    want = bert(parameters, ids, heads=3, mask=mask)
    wide = functools.partial(fa.window_attention, window=5)  # every key is within reach
    got = bert(parameters, ids, heads=3, mask=mask, attend=wide)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING("float64", want.size)
    narrow = functools.partial(fa.window_attention, window=1)
    assert np.max(np.abs(bert(parameters, ids, heads=3, attend=narrow) - bert(parameters, ids, heads=3))) > 0.01


def test_half_precision_is_computed_in_single():
    half = {name: x.astype(np.float16) for name, x in draw(0).items()}
    single = {name: x.astype(np.float32) for name, x in half.items()}
    got = bert(half, texts(0)[0], heads=3)
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got, bert(single, texts(0)[0], heads=3).astype(np.float16))


def test_nothing_that_was_given_is_changed():
    parameters, (ids, mask, types) = draw(0), texts(0)
    for x in (*parameters.values(), ids, mask, types):
        x.flags.writeable = False
    bert(parameters, ids, heads=3, mask=mask, types=types)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": np.zeros(4, int)}, r"ids must have shape \(b, n\), got \(4,\)"),
        ({"ids": np.zeros((1, 10), int)}, r"ids must have at most 9 tokens a text, .* got 10"),
        ({"ids": np.zeros((2, 3), int), "mask": np.ones((2, 4), bool)}, r"mask must have the shape of ids, \(2, 3\)"),
        ({"ids": np.zeros((2, 3), int), "types": np.zeros((3,), int)}, r"types must have the shape of ids, \(2, 3\)"),
        ({"ids": np.zeros((2, 3), int), "heads": 5}, "heads must divide 12, the size of a token, got 5"),
        ({"ids": np.zeros((2, 3), int), "heads": 0}, "heads must divide 12, the size of a token, got 0"),
        ({"ids": np.zeros((2, 3), int), "heads": -3}, "heads must divide 12, the size of a token, got -3"),
        ({"ids": np.zeros((2, 3), int), "epsilon": -1.0}, r"epsilon must not be negative, got -1\.0"),
        ({"ids": np.zeros((2, 3), int), "epsilon": float("nan")}, "epsilon must be finite"),
        ({"ids": np.array([[0, -1]])}, "ids must be from 0 to 16, got -1"),
        ({"ids": np.array([[0, 17]])}, "ids must be from 0 to 16, got 17"),
        ({"ids": np.zeros((1, 2), int), "types": np.array([[0, -1]])}, "types must be from 0 to 1, got -1"),
        ({"ids": np.zeros((1, 2), int), "types": np.array([[2, 0]])}, "types must be from 0 to 1, got 2"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        bert(draw(0), **{"heads": 3} | change)


@pytest.mark.parametrize("change", [{"ids": np.zeros((2, 3))}, {"types": np.zeros((2, 3), bool)}])
def test_numbers_of_rows_are_integers(change):
    (name,) = change
    with pytest.raises(TypeError, match=f"{name} must have an integer dtype, got "):
        bert(draw(0), **{"ids": np.zeros((2, 3), int), "heads": 3} | change)
    with pytest.raises(TypeError, match=r"heads must be an integer, got 1\.5"):
        bert(draw(0), np.zeros((2, 3), int), heads=1.5)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0)])
def test_no_token_gives_no_vector(xp, shape):
    parameters, ids = moved(xp, draw(0), np.zeros(shape, int))
    assert bert(parameters, ids, heads=3, mask=ids == 0).shape == (*shape, 12)


def test_it_can_be_counted():
    counts = fa.counting()
    parameters = {name: counts.empty(x.shape) for name, x in draw(0).items()}
    assert bert(parameters, counts.empty((2, 4), dtype=counts.int64), heads=3).shape == (2, 4, 12)


def test_a_parameter_that_is_not_there_is_named():
    parameters = draw(0)
    del parameters["encoder.layer.1.output.dense.bias"]
    with pytest.raises(KeyError, match=r"output\.dense\.bias"):
        bert(parameters, texts(0)[0], heads=3)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_transformers_gives_the_same():
    torch = pytest.importorskip("torch", reason="extra: peers")
    transformers = pytest.importorskip("transformers", reason="extra: peers")
    config = transformers.BertConfig(**SIZES, num_attention_heads=3, layer_norm_eps=1e-12)
    model = transformers.BertModel(config, add_pooling_layer=False).double().eval()
    drawn = {name: torch.from_numpy(x) for name, x in draw(0).items()}
    model.load_state_dict(drawn, strict=False)
    assert drawn.keys() <= model.state_dict().keys()
    ids, mask, types = texts(0)
    with torch.no_grad():
        told = {"attention_mask": torch.from_numpy(mask).long(), "token_type_ids": torch.from_numpy(types)}
        want = model(torch.from_numpy(ids), **told).last_hidden_state.numpy()
    got = bert(draw(0), ids, heads=3, mask=mask, types=types)
    assert np.max(np.abs(got - want)[mask]) <= np.max(np.abs(want)) * ROUNDING("float64", want.size)
