"""What holds for all models of sequence to sequence."""

from functools import partial

import numpy as np
import pytest
from libraries import LIBRARIES
from oracles import agree

import factorattn as fa
from factorattn.factor import truncated_svd
from factorattn.interpret.gradient import value_and_grad
from factorattn.interpret.tree import tree_leaves, tree_map
from factorattn.model.seq2seq import (
    Luong,
    bahdanau,
    bahdanau_encode,
    bahdanau_parameters,
    bahdanau_step,
    beam_search,
    cho,
    cho_encode,
    cho_parameters,
    cho_step,
    cross_entropy,
    greedy,
    log_probabilities,
    luong,
    luong_encode,
    luong_parameters,
    luong_step,
    repeat_rows,
    sample,
    sequence_log_probability,
    shift,
    sutskever,
    sutskever_encode,
    sutskever_parameters,
    sutskever_step,
)
from factorattn.testing import ROUNDING
from factorattn.testing.differences import check_gradients

LOCAL_M, LOCAL_P = Luong(attention="local-m", window=1), Luong(attention="local-p", window=1, score="concat")
GRU = Luong(cell="gru", score="dot", feeding=False)
GATED = {"cell": "gru", "backwards": False}


def of(form):
    options = {"form": form}
    return (
        partial(luong_parameters, **options),
        partial(luong, **options),
        partial(luong_encode, **options),
        partial(luong_step, **options),
    )


MODELS = {
    "cho": (cho_parameters, cho, cho_encode, cho_step),
    "sutskever": (partial(sutskever_parameters, layers=2), sutskever, sutskever_encode, sutskever_step),
    "sutskever gru": (
        partial(sutskever_parameters, cell="gru", layers=1),
        partial(sutskever, **GATED),
        partial(sutskever_encode, **GATED),
        partial(sutskever_step, cell="gru"),
    ),
    "bahdanau": (bahdanau_parameters, bahdanau, bahdanau_encode, bahdanau_step),
    "bahdanau entmax": (
        partial(bahdanau_parameters, score="general"),
        partial(bahdanau, score="general", distribution="entmax"),
        partial(bahdanau_encode, score="general"),
        partial(bahdanau_step, score="general", distribution="entmax"),
    ),
    "luong": of(Luong()),
    "luong gru": of(GRU),
    "luong local-m": of(LOCAL_M),
    "luong local-p": of(LOCAL_P),
}
TARGETS = np.array([[1, 3, 2, 2], [3, 0, 1, 2], [2, 2, 0, 0]])
SOURCE = np.array([[1, 2, 3, 4, 0], [0, 3, 1, 0, 0], [4, 0, 0, 0, 0]])
MASK = np.arange(5) < np.array([[5], [3], [1]])
every_model = pytest.mark.parametrize("name", MODELS)


def drawn(name, **sizes):
    """Parameters with biases that are not zero."""
    found = MODELS[name][0](5, 4, **{"embedded": 3, "hidden": 4, "rng": 0} | sizes)
    rng = np.random.default_rng(1)
    return tree_map(lambda x: x + 0.2 * rng.standard_normal(x.shape).astype(x.dtype), found)


def stepped(name, parameters, source, inputs, mask, xp=np):
    """Log-probabilities of all places, one step after another."""
    _, _, encode, step = MODELS[name]
    state, found = encode(parameters, source, mask=mask), []
    for t in range(inputs.shape[1]):
        log_p, state = step(parameters, state, inputs[:, t])
        found.append(log_p)
    return xp.stack(found, axis=1)


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@every_model
def test_step_by_step_is_at_once(name, xp):
    model = MODELS[name][1]
    parameters = tree_map(xp.asarray, drawn(name))
    source, inputs, mask = (xp.asarray(x) for x in (SOURCE, shift(TARGETS, 0), MASK))
    at_once = np.asarray(log_probabilities(model(parameters, source, inputs, mask=mask)))
    agree(np.asarray(stepped(name, parameters, source, inputs, mask, xp)), at_once, 1000)
    want = model(drawn(name), SOURCE, shift(TARGETS, 0), mask=MASK)
    agree(at_once, log_probabilities(want), 1000)


@every_model
def test_padding_changes_nothing(name):
    model, parameters, inputs = MODELS[name][1], drawn(name), shift(TARGETS, 0)
    padded = model(parameters, SOURCE, inputs, mask=MASK)
    np.testing.assert_array_equal(padded, model(parameters, np.where(MASK, SOURCE, 4), inputs, mask=MASK))
    for row, length in enumerate((5, 3, 1)):
        alone = model(parameters, SOURCE[row : row + 1, :length], inputs[row : row + 1])
        agree(padded[row : row + 1], alone, 1000)
    agree(model(parameters, SOURCE, inputs, mask=MASK | True), model(parameters, SOURCE, inputs), 1000)


@every_model
def test_a_place_does_not_know_what_comes_after_it(name):
    model, parameters, inputs = MODELS[name][1], drawn(name), shift(TARGETS, 0)
    other = inputs.copy()
    other[:, 2:] = (other[:, 2:] + 1) % 4
    one, two = (model(parameters, SOURCE, x, mask=MASK) for x in (inputs, other))
    np.testing.assert_array_equal(one[:, :2], two[:, :2])
    assert np.all(np.max(np.abs(one[:, 2:] - two[:, 2:]), axis=-1) > 1e-6)


@every_model
def test_gradients_are_those_of_differences(name):
    model = MODELS[name][1]

    def loss(parameters, source, inputs, targets, mask, seen):
        return cross_entropy(model(parameters, source, inputs, mask=mask), targets, mask=seen, smoothing=0.1)

    seen = np.arange(4) < np.array([[4], [2], [3]])
    check_gradients(loss, drawn(name), SOURCE, shift(TARGETS, 0), TARGETS, MASK, seen, forward=False)


@every_model
def test_gradients_reach_every_parameter(name):
    model = MODELS[name][1]

    def loss(parameters, source, inputs, targets, mask):
        return cross_entropy(model(parameters, source, inputs, mask=mask), targets)

    _, found = value_and_grad(loss)(drawn(name), SOURCE, shift(TARGETS, 0), TARGETS, MASK)
    assert all(np.any(g != 0) for g in tree_leaves(found))


@every_model
def test_it_learns_to_copy(name):
    """Plain gradient steps bring the loss of a few short sequences down."""
    model, parameters = MODELS[name][1], drawn(name, hidden=8)
    source = np.array([[1, 2], [2, 3], [3, 1], [2, 2]])

    def loss(parameters, source, inputs, targets):
        return cross_entropy(model(parameters, source, inputs), targets)

    start, value = None, None
    for _ in range(40):
        value, g = value_and_grad(loss)(parameters, source, shift(source, 0), source)
        start = value if start is None else start
        parameters = tree_map(lambda x, d: x - d, parameters, g)
    assert value < start / 2


@every_model
def test_decoding_finds_sequences_that_the_model_finds_as_likely(name):
    _, model, encode, step = MODELS[name]
    parameters = drawn(name)
    state, start = encode(parameters, SOURCE, mask=MASK), np.zeros(3, int)
    beam = beam_search(partial(step, parameters), state, start, width=3, end=3, maximum=4, alpha=0.6)
    one = greedy(partial(step, parameters), state, start, end=3, maximum=4)
    for tokens, length, log_p in (
        (one.tokens, one.length, one.log_probability),
        *((beam.tokens[:, k], beam.length[:, k], beam.log_probability[:, k]) for k in range(3)),
    ):
        logits = model(parameters, SOURCE, shift(tokens, 0), mask=MASK)
        seen = np.arange(4) < length[:, None]
        agree(log_p, sequence_log_probability(logits, tokens, mask=seen), 1000)


def test_what_is_repeated_outside_is_as_good_as_in_the_state():
    parameters = drawn("bahdanau")
    state, start = bahdanau_encode(parameters, SOURCE, mask=MASK), np.zeros(3, int)
    fixed = {name: state[name] for name in ("annotations", "keys", "mask")}
    outside = repeat_rows(fixed, 3)

    def step(moving, token):
        log_p, after = bahdanau_step(parameters, {**moving, **outside}, token)
        return log_p, {name: x for name, x in after.items() if name not in fixed}

    moving = {name: x for name, x in state.items() if name not in fixed}
    one = beam_search(step, moving, start, width=3, end=3, maximum=4)
    two = beam_search(partial(bahdanau_step, parameters), state, start, width=3, end=3, maximum=4)
    np.testing.assert_array_equal(one.tokens, two.tokens)
    np.testing.assert_array_equal(one.score, two.score)


@pytest.mark.parametrize("name", ["bahdanau", "luong", "luong local-m", "luong local-p"])
def test_coverage_is_what_the_alignment_left_out(name):
    _, model, encode, step = MODELS[name]
    parameters = drawn(name)
    state, start = encode(parameters, SOURCE[:1]), np.zeros(1, int)
    found = beam_search(
        partial(step, parameters), state, start, width=4, end=3, maximum=4, covered=lambda s: s["covered"], beta=0.3
    )
    for k in range(4):
        length = int(found.length[0, k])
        tokens = found.tokens[:, k, :length]
        _, weights = model(parameters, SOURCE[:1], shift(tokens, 0), return_weights=True)
        with np.errstate(divide="ignore"):  # a local window may have left a word out altogether
            missing = 0.3 * np.sum(np.log(np.minimum(weights[0].sum(0), 1.0)))
        want = found.log_probability[0, k] + missing
        assert found.score[0, k] == want or abs(found.score[0, k] - want) <= abs(want) * ROUNDING("float64", 1000)


@every_model
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_half_precision_is_computed_in_single(name, dtype):
    model, parameters, inputs = MODELS[name][1], drawn(name), shift(TARGETS, 0)
    low = tree_map(lambda x: x.astype(dtype), parameters)
    single = tree_map(lambda x: x.astype("float32"), low)
    got = model(low, SOURCE, inputs, mask=MASK)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, model(single, SOURCE, inputs, mask=MASK).astype(dtype))
    found = stepped(name, low, SOURCE, inputs, MASK)
    assert found.dtype == np.float32


@every_model
def test_every_matrix_may_be_factored(name):
    """Embeddings and layers of rank two; learned arrays of scores are in the tests of scores."""
    model, parameters, inputs = MODELS[name][1], drawn(name), shift(TARGETS, 0)

    def layers(tree, change):
        if isinstance(tree, list):
            return [layers(part, change) for part in tree]
        if not isinstance(tree, dict):
            return tree
        return {
            k: change(x) if k == "weight" else x if k in ("score", "position") else layers(x, change)
            for k, x in tree.items()
        }

    thin = layers(parameters, lambda x: truncated_svd(x, 2).two_factors())
    dense = layers(parameters, lambda x: truncated_svd(x, 2).to_dense())
    want = model(dense, SOURCE, inputs, mask=MASK)
    agree(model(thin, SOURCE, inputs, mask=MASK), want, 4000)
    agree(stepped(name, thin, SOURCE, inputs, MASK), log_probabilities(want), 4000)


@every_model
def test_batch_axes_are_free(name):
    model, parameters, inputs = MODELS[name][1], drawn(name), shift(TARGETS, 0)
    flat = model(parameters, SOURCE, inputs, mask=MASK)
    wide = model(parameters, SOURCE[:, None, :], inputs[:, None, :], mask=MASK[:, None, :])
    agree(wide[:, 0], flat, 1000)
    agree(model(parameters, SOURCE[0], inputs[0], mask=MASK[0]), flat[0], 1000)


@every_model
def test_batch_axes_of_source_and_target_broadcast(name):
    model, parameters, inputs = MODELS[name][1], drawn(name), shift(TARGETS, 0)
    one = model(parameters, SOURCE[0], inputs, mask=MASK[0])  # a source, and some of its targets
    want = model(parameters, np.stack([SOURCE[0]] * 3), inputs, mask=np.stack([MASK[0]] * 3))
    agree(one, want, 1000)
    agree(
        model(parameters, SOURCE[:, None], inputs[0], mask=MASK[:, None])[1, 0],
        model(parameters, SOURCE[1], inputs[0], mask=MASK[1]),
        1000,
    )
    agree(stepped(name, parameters, SOURCE[0], inputs, MASK[0]), log_probabilities(want), 1000)
    with pytest.raises(ValueError, match=r"batch axes must broadcast, got source \(3,\), inputs \(2,\)"):
        model(parameters, SOURCE, inputs[:2], mask=MASK)


@every_model
def test_no_word_gives_no_row(name):
    model, parameters = MODELS[name][1], drawn(name)
    assert model(parameters, SOURCE, np.zeros((3, 0), int), mask=MASK).shape == (3, 0, 4)
    assert model(parameters, np.zeros((0, 5), int), np.zeros((0, 2), int)).shape == (0, 2, 4)
    nothing = np.zeros((3, 0), int)
    assert np.all(np.isfinite(model(parameters, nothing, shift(TARGETS, 0), mask=nothing == 0)))


@every_model
def test_it_can_be_counted(name):
    counts = fa.counting()
    parameters = tree_map(lambda x: counts.empty(x.shape), drawn(name))
    source, inputs = (counts.empty(shape, dtype=counts.int64) for shape in ((3, 5), (3, 4)))
    assert MODELS[name][1](parameters, source, inputs).shape == (3, 4, 4)


@every_model
def test_all_stays_on_the_device_of_what_was_given(name):
    strict = pytest.importorskip("array_api_strict")
    device = strict.Device("device1")  # meets no array of another device
    _, model, encode, step = MODELS[name]
    parameters = tree_map(lambda x: strict.asarray(x, device=device), drawn(name))
    source, inputs, targets, mask, start = (
        strict.asarray(x, device=device) for x in (SOURCE, shift(TARGETS, 0), TARGETS, MASK, np.zeros(3, int))
    )
    loss = cross_entropy(model(parameters, source, inputs, mask=mask), targets, mask=targets > 0, smoothing=0.1)
    state = encode(parameters, source, mask=mask)
    given = {"end": 3, "maximum": 3}
    found = [
        loss,
        *greedy(partial(step, parameters), state, start, **given),
        *sample(partial(step, parameters), state, start, **given, rng=0),
        *beam_search(partial(step, parameters), state, start, **given, width=2, alpha=0.6),
    ]
    assert all(x.device == device for x in found)


@every_model
def test_nothing_that_was_given_is_changed(name):
    parameters = drawn(name)
    for x in (*tree_leaves(parameters), SOURCE, TARGETS, MASK):
        x.flags.writeable = False
    MODELS[name][1](parameters, SOURCE, shift(TARGETS, 0), mask=MASK)
    stepped(name, parameters, SOURCE, shift(TARGETS, 0), MASK)


@every_model
def test_the_same_seed_draws_the_same(name):
    draw = partial(MODELS[name][0], 5, 4, embedded=3, hidden=4)
    assert all(map(np.array_equal, tree_leaves(draw(rng=3)), tree_leaves(draw(rng=3))))
    assert not all(map(np.array_equal, tree_leaves(draw(rng=3)), tree_leaves(draw(rng=4))))
    assert {x.dtype.name for x in tree_leaves(draw(rng=3, dtype="float32"))} == {"float32"}


@every_model
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"source": SOURCE * 1.0}, TypeError, "source must have an integer dtype, got float64"),
        ({"inputs": TARGETS * 1.0}, TypeError, "inputs must have an integer dtype, got float64"),
        ({"source": SOURCE + 5}, ValueError, "source must be from 0 to 4, got 9"),
        ({"source": SOURCE - 1}, ValueError, "source must be from 0 to 4, got -1"),
        ({"inputs": TARGETS + 4}, ValueError, "inputs must be from 0 to 3, got 7"),
        ({"mask": MASK * 1}, TypeError, "mask must have a boolean dtype, True at tokens, got int64"),
        ({"mask": MASK[:, :3]}, ValueError, r"mask must have the shape of source, \(3, 5\), got \(3, 3\)"),
        ({"source": np.asarray(3), "mask": None}, ValueError, r"source must have shape \(..., n\), got \(\)"),
    ],
)
def test_bad_input_is_named(name, change, error, message):
    given = {"source": SOURCE, "inputs": TARGETS, "mask": MASK} | change
    with pytest.raises(error, match=message):
        MODELS[name][1](drawn(name), given["source"], given["inputs"], mask=given["mask"])


@every_model
@pytest.mark.parametrize("size", ["embedded", "hidden"])
def test_sizes_are_positive(name, size):
    with pytest.raises(ValueError, match=f"{size} must be a positive integer, got 0"):
        MODELS[name][0](5, 4, **{"embedded": 3, "hidden": 4} | {size: 0})


@every_model
def test_a_parameter_that_is_not_there_is_named(name):
    parameters = drawn(name)
    for missing in parameters:
        if missing == "score" and name in ("luong gru",):
            continue
        with pytest.raises(KeyError, match=missing):
            MODELS[name][1]({k: x for k, x in parameters.items() if k != missing}, SOURCE, shift(TARGETS, 0))
