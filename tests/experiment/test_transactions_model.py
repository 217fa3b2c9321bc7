"""The model with its attention swapped: what sees what, what grows how, and the memory of the infinite-former."""

import math
from functools import partial

import array_api_compat
import numpy as np
import pytest

from factorattn.attention import infinite_former_attention, softmax_attention
from factorattn.attention.memory import extend_memory
from factorattn.experiment.transactions.long_term import LongTerm, long_term_attention
from factorattn.experiment.transactions.measure import traced_peak
from factorattn.experiment.transactions.model import MECHANISMS, Sizes, log_probabilities, loss, model_parameters
from factorattn.interpret.gradient import value_and_grad
from factorattn.interpret.tree import tree_leaves
from factorattn.testing import ROUNDING
from factorattn.testing.differences import check_gradients

MEMORY = LongTerm(segment=4, rank=6, samples=5)
SIZES = Sizes(11, c=8, heads=2, layers=2, hidden=6, features=5, memory=MEMORY)
CONSTANT = 0.15  # share of a peak that need not grow
CAUSAL = [name for name in MECHANISMS if name != "informer"]


def drawn(name, *shape, seed=0, sizes=SIZES, dtype="float64"):
    rng = np.random.default_rng(seed)
    return model_parameters(name, sizes, rng=rng, dtype=dtype), rng.integers(0, sizes.vocabulary, shape)


@pytest.mark.parametrize("name", MECHANISMS)
def test_probabilities_of_every_next_token(name):
    parameters, tokens = drawn(name, 3, 10)
    log_p, penalty = log_probabilities(parameters, tokens, name, SIZES)
    assert log_p.shape == (3, 10, 11)
    np.testing.assert_allclose(np.sum(np.exp(log_p), axis=-1), 1.0, rtol=ROUNDING("f8", 11))
    assert (float(penalty) > 0) == (name == "infinite-former")


@pytest.mark.parametrize("name", MECHANISMS)
def test_sequences_of_a_batch_do_not_meet(name):
    parameters, tokens = drawn(name, 3, 10)
    together, _ = log_probabilities(parameters, tokens, name, SIZES)
    for i in range(3):
        alone, _ = log_probabilities(parameters, tokens[i : i + 1], name, SIZES)
        np.testing.assert_allclose(together[i], alone[0], atol=ROUNDING("f8", 100))


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("n", [3, 4, 5, 8, 11])
def test_no_token_sees_a_later_one(name, n):
    parameters, tokens = drawn(name, 1, n)
    whole, _ = log_probabilities(parameters, tokens, name, SIZES)
    for i in range(1, n):
        other = tokens.copy()
        other[:, i:] = (other[:, i:] + 1) % 11
        changed, _ = log_probabilities(parameters, other, name, SIZES)
        np.testing.assert_allclose(changed[:, :i], whole[:, :i], atol=ROUNDING("f8", 100))
        assert np.all(np.abs(changed[:, i] - whole[:, i]).max() > ROUNDING("f8", 100))


def test_the_informer_sees_ahead():
    sizes = Sizes(11, c=8, heads=2, hidden=6)
    parameters, tokens = drawn("informer", 8, 64, sizes=sizes)
    other = tokens.copy()
    other[:, 32:] = other[:, 32:][:, ::-1]
    a, b = (log_probabilities(parameters, x, "informer", sizes)[0][:, :32] for x in (tokens, other))
    assert np.abs(a - b).max() > ROUNDING("f8", 100)


@pytest.mark.parametrize("name", MECHANISMS)
def test_the_loss_is_the_mean_of_the_targets(name):
    parameters, tokens = drawn(name, 2, 6)
    log_p, penalty = log_probabilities(parameters, tokens[:, :-1], name, SIZES)
    picked = [-log_p[i, j, tokens[i, j + 1]] for i in range(2) for j in range(5)]
    got = loss(parameters, tokens[:, :-1], tokens[:, 1:], name, SIZES)
    np.testing.assert_allclose(float(got), np.mean(picked) + penalty, rtol=ROUNDING("f8", 10))


@pytest.mark.parametrize("name", CAUSAL)
def test_gradients_of_the_loss(name):
    # Two segments at the most: further back, the infinite-former lets no gradient through.
    sizes = Sizes(11, c=4, heads=2, hidden=3, features=3, memory=MEMORY)
    parameters, tokens = drawn(name, 2, 9, sizes=sizes)
    check_gradients(partial(loss, name=name, sizes=sizes), parameters, tokens[:, :-1], tokens[:, 1:])


@pytest.mark.parametrize("name", MECHANISMS)
def test_every_parameter_is_learned(name):
    parameters, tokens = drawn(name, 4, 13)
    step = value_and_grad(partial(loss, name=name, sizes=SIZES))
    _, gradients = step(parameters, tokens[:, :-1], tokens[:, 1:])
    # A bias of keys adds the same to all logits of a query, which softmax does not see.
    gradients["layers"] = [
        layer | {"attention": {key: x for key, x in layer["attention"].items() if key != "key"}}
        if "attention" in layer
        else layer
        for layer in gradients["layers"]
    ]
    assert all(np.any(x != 0) for x in tree_leaves(gradients))


def test_forms_of_full_attention_agree():
    parameters, tokens = drawn("full", 2, 9)
    dense, online = (log_probabilities(parameters, tokens, "full", SIZES, form=form)[0] for form in (None, "online"))
    np.testing.assert_allclose(dense, online, atol=ROUNDING("f8", 100))


@pytest.mark.parametrize(("name", "power"), [("full", 2), *((name, 1) for name in CAUSAL if name != "full")])
def test_memory_of_a_training_step_grows_with_this_power_of_the_length(name, power):
    peaks = []
    for n in (1024, 2048) if name not in ("lstm", "gru") else (128, 256):
        sizes = Sizes(11, c=8, heads=2, hidden=8, features=8, memory=LongTerm(segment=128, rank=16, samples=32))
        parameters, tokens = drawn(name, 1, n + 1, sizes=sizes, dtype="float32")
        step = value_and_grad(partial(loss, name=name, sizes=sizes))
        step(parameters, tokens[:, :-1], tokens[:, 1:])
        peaks.append(traced_peak(partial(step, parameters, tokens[:, :-1], tokens[:, 1:])))
    twice = peaks[1] / peaks[0]
    assert round(math.log2(twice)) == power
    assert abs(twice - 2**power) < CONSTANT * 2**power


# The memory of the infinite-former


def attention(seed=0, n=10, batch=()):
    rng = np.random.default_rng(seed)
    names = {"query": 8, "key": 8, "value": 8, "output": 8}
    found = {name: {"weight": rng.standard_normal((8, c)), "bias": rng.standard_normal(8)} for name, c in names.items()}
    found |= {f"memory_{name}": {"weight": rng.standard_normal((8, 8))} for name in ("key", "value")}
    found |= {name: rng.standard_normal((2, MEMORY.rank)) for name in ("mu", "sigma")}
    return found, rng.standard_normal((*batch, n, 8))


def one_by_one(parameters, x):
    """The same, a segment and a head at a time."""

    def project(y, name):
        return y @ parameters[name]["weight"].T + parameters[name].get("bias", 0.0)

    rows, b = [], None
    for start in range(0, len(x), MEMORY.segment):
        now = x[start : start + MEMORY.segment]
        heads = []
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            q, k, v = (project(now, name)[:, part] for name in ("query", "key", "value"))
            o = softmax_attention(q, k, v, causal=True)
            if b is not None:
                given = (project(b, "memory_key")[:, part], project(b, "memory_value")[:, part])
                o = o + infinite_former_attention(q, *given, parameters["mu"][head], parameters["sigma"][head])
            heads.append(o)
        rows.append(project(np.concatenate(heads, axis=-1), "output"))
        options = {"contraction": MEMORY.contraction} | ({} if b is None else {"samples": MEMORY.samples})
        b = extend_memory(b, now, rank=MEMORY.rank, **options)
    return np.concatenate(rows)


@pytest.mark.parametrize("n", [1, 3, 4, 5, 8, 9, 14])
def test_segments_read_what_was_before_them(n):
    parameters, x = attention(n=n)
    got, _ = long_term_attention(parameters, x, heads=2, memory=MEMORY, xp=np)
    want = one_by_one(parameters, x)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING("f8", 100)


def test_batches_of_sequences():
    parameters, x = attention(n=10, batch=(2, 3))
    got, _ = long_term_attention(parameters, x, heads=2, memory=MEMORY, xp=np)
    want = np.stack([np.stack([one_by_one(parameters, y) for y in row]) for row in x])
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING("f8", 100)


def test_the_last_token_knows_of_the_first():
    parameters, x = attention(n=14)
    other = x.copy()
    other[0] += 1.0
    a, b = (long_term_attention(parameters, y, heads=2, memory=MEMORY, xp=np)[0] for y in (x, other))
    assert np.all(np.any(a != b, axis=-1))


def test_no_gradient_goes_through_an_old_memory():
    parameters, x = attention(n=12)

    def last(parameters, x):
        xp = array_api_compat.array_namespace(x)
        return xp.sum(long_term_attention(parameters, x, heads=2, memory=MEMORY, xp=xp)[0][-1, :])

    _, gradient = value_and_grad(last, argnums=1)(parameters, x)
    assert np.all(gradient[:4] == 0)  # two segments back
    assert np.all(np.any(gradient[4:] != 0, axis=-1))


def test_densities_are_held_near_a_narrow_one():
    parameters, x = attention(n=10)
    _, far = long_term_attention(parameters, x, heads=2, memory=MEMORY, xp=np)
    _, none = long_term_attention(parameters, x[:4], heads=2, memory=MEMORY, xp=np)
    assert far > 0
    assert none == 0
