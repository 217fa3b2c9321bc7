"""Decoding step by step: the rows of the parallel pass, whatever is kept of earlier tokens."""

import numpy as np
import pytest
from libraries import LIBRARIES
from slots import HEADS, LONGEST, ONE_SEQUENCE, STANDING, C, slot_of

from factorattn import CATALOGUE
from factorattn.interpret.tree import tree_leaves, tree_map
from factorattn.model.seq2seq import beam_search, log_probabilities
from factorattn.model.transformer import (
    Slot,
    language_model,
    language_model_parameters,
    language_model_step,
    transformer,
    transformer_cache,
    transformer_parameters,
    transformer_step,
)
from factorattn.testing import ROUNDING

V = 7
CHUNKS = (3, 1, 1, 2, 5)  # tokens that come at once
REFUSED = {
    "axial_attention": "its tokens fill a grid, and a text that grows does not",
    "informer_attention": "later tokens take part in forming its groups",
    "local_2d_attention": "its tokens fill a grid, and a text that grows does not",
    "reformer_attention": "later tokens take part in forming its groups",
    "routing_attention": "later tokens take part in forming its groups",
    "sinkhorn_attention": "the answer to a query depends on the other queries",
}
CAUSAL = [name for name in STANDING if CATALOGUE[name].record.causal != "never"]
COUPLED = "the answer to a query depends on the other queries"
BESIDE = "it sets the last of all queries beside the last key"
REFUSED_ACROSS = {
    "clustered_attention": COUPLED,
    "cosformer_attention": BESIDE,
    "improved_clustered_attention": COUPLED,
    "informer_attention": COUPLED,
    "latent_attention": BESIDE,
    "lowrank_attention": COUPLED,
    "routing_attention": COUPLED,
}


def ids(*shape, seed=0):
    return np.random.default_rng(seed).integers(V, size=shape)


def jittered(parameters):
    """Parameters whose biases are not zero."""
    rng = np.random.default_rng(0)
    return tree_map(lambda x: x + rng.standard_normal(x.shape) / 10, parameters)


def close(got, want):
    assert got.shape == want.shape
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING("float64", 10_000)


def steps(f, parameters, tokens, cache, mask=None, **options):
    """Logits of all tokens, some at a time."""
    found, first = [], 0
    name = "mask" if f is language_model_step else "target_mask"
    for count in CHUNKS:
        part = slice(first, first + count)
        masks = {} if mask is None else {name: mask[..., part]}
        logits, cache = f(parameters, tokens[..., part], cache, **masks, **options)
        found.append(logits)
        first += count
    return np.concatenate(found, axis=-2), cache


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", sorted(set(CAUSAL) - set(REFUSED)))
def test_steps_are_rows_of_the_whole(name, masked):
    options = {"heads": HEADS, "slot": slot_of(name)}
    parameters = jittered(language_model_parameters(V, 2, C, HEADS, 8, slot=slot_of(name), rng=0))
    tokens, mask = ids(2, LONGEST), np.arange(LONGEST) < [[LONGEST], [5]] if masked else None
    want = language_model(parameters, tokens, mask=mask, **options)
    close(steps(language_model_step, parameters, tokens, None, mask, **options)[0], want)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_go_step_by_step_is_refused_with_the_reason(name):
    slot = slot_of(name, weakly_causal=True)
    parameters = jittered(language_model_parameters(V, 1, C, HEADS, 8, slot=slot, rng=0))
    with pytest.raises(ValueError, match=f"^{name} cannot be decoded step by step: {REFUSED[name]}"):
        language_model_step(parameters, ids(3), heads=HEADS, slot=slot)


ACROSS = sorted(set(STANDING) - set(ONE_SEQUENCE) - set(REFUSED_ACROSS))


@pytest.mark.parametrize(
    ("name", "masked"),
    [(name, masked) for name in ACROSS for masked in (False, True) if CATALOGUE[name].record.mask or not masked],
)
def test_keys_of_the_memory_are_found_once(name, masked):
    slot, source, target = slot_of(name), ids(2, 9), ids(2, LONGEST, seed=1)
    parameters = jittered(transformer_parameters(V, (1, 2), C, HEADS, 8, cross_slot=slot, rng=0))
    options = {"heads": HEADS, "cross_slot": slot}
    mask = {"source_mask": np.arange(9) < [[9], [6]]} if masked else {}
    cache = transformer_cache(parameters, source, **mask, **options)
    want = transformer(parameters, source, target, **mask, **options)
    close(steps(transformer_step, parameters, target, cache, **options)[0], want)


@pytest.mark.parametrize("name", sorted(REFUSED_ACROSS))
def test_what_cannot_ask_a_memory_step_by_step_is_refused(name):
    slot = slot_of(name)
    parameters = jittered(transformer_parameters(V, 1, C, HEADS, 8, cross_slot=slot, rng=0))
    with pytest.raises(ValueError, match=f"^{name} cannot be decoded step by step: {REFUSED_ACROSS[name]}"):
        transformer_cache(parameters, ids(9), heads=HEADS, cross_slot=slot)


@pytest.mark.parametrize(
    "slot",
    [
        Slot("softmax", options={"grouped": True, "softcap": 5.0, "scale": 0.3}, sizes={"g": 1}),
        Slot("softmax", options={"window": 2}),
        Slot("softmax", options={"form": "dense"}),
        Slot("window", options={"window": 1, "scale": 0.5}),
        Slot("window", options={"window": 40}),
        Slot("grouped_query", options={"scale": 0.5, "form": "dense"}, sizes={"g": 3}),
        Slot("latent", sizes={"p": 5, "r": 4, "f": 2}, options={"form": "explicit", "base": 50.0, "scale": 0.2}),
        Slot("latent", sizes={"p": 5, "r": 4}, learned=()),
        Slot("performer", options={"features": "relu", "epsilon": 0.1, "rank": 5, "rng": 3}),
        Slot("performer", options={"features": "hyperbolic", "directions": "iid", "scale": 0.4, "length": "constant"}),
        Slot("random_feature", learned=("sigma", "gate")),
        Slot("coda", learned=("q_n", "k_n")),
        Slot("longformer", learned=("q_global", "k_global", "v_global"), options={"global_tokens": (0,), "window": 1}),
        Slot("bigbird", options={"block": 1, "random": 2}),
        Slot("softmax", sizes={"d": 2, "e": 5}),
    ],
    ids=repr,
)
def test_options_count_in_every_step(slot):
    options = {"heads": HEADS, "slot": slot}
    parameters = jittered(language_model_parameters(V, 2, C, HEADS, 8, slot=slot, rng=0))
    tokens = ids(LONGEST)
    want = language_model(parameters, tokens, **options)
    close(steps(language_model_step, parameters, tokens, None, **options)[0], want)


@pytest.mark.parametrize("norm", ["post", "pre", "none"])
@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "axial", "none"])
def test_positions_go_on_where_the_last_step_ended(norm, positions):
    length = {"learned": LONGEST, "axial": (3, 4)}.get(positions)
    told = {"norm": norm, "positions": positions}
    parameters = jittered(transformer_parameters((9, V), 1, C, HEADS, 8, length=length, tied=False, **told, rng=0))
    options = {"heads": HEADS, "activation": "gelu", "scale": False, "epsilon": 0.1, **told}
    source, target = ids(2, 4), ids(2, LONGEST, seed=1)
    cache = transformer_cache(parameters, source, **options)
    want = transformer(parameters, source, target, **options)
    close(steps(transformer_step, parameters, target, cache, **options)[0], want)
    if length is not None:
        _, cache = transformer_step(parameters, target, cache, **options)
        with pytest.raises(ValueError, match=f"target_ids must have at most {LONGEST} tokens, .* got {LONGEST + 1}"):
            transformer_step(parameters, target[:, :1], cache, **options)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", ["softmax", "window", "linear", "grouped_query", "latent", "transformer_xl"])
def test_every_array_library_gives_the_same(library, name):
    xp, slot = pytest.importorskip(library), slot_of(f"{name}_attention")
    parameters, tokens = jittered(language_model_parameters(V, 1, C, HEADS, 8, slot=slot, rng=0)), ids(2, 4)
    want = language_model(parameters, tokens, heads=HEADS, slot=slot)
    moved, cache = tree_map(xp.asarray, parameters), None
    for t in range(4):
        part = xp.asarray(tokens[:, t : t + 1])
        logits, cache = language_model_step(moved, part, cache, heads=HEADS, slot=slot)
        close(np.asarray(logits), want[:, t : t + 1])


def test_what_is_kept_is_small():
    def kept(slot, n):
        parameters = jittered(language_model_parameters(V, 1, C, HEADS, 8, slot=slot, rng=0))
        _, cache = language_model_step(parameters, ids(1, n), heads=HEADS, slot=slot)
        return sum(x.size for x in tree_leaves(cache["layers"]))

    d = C // HEADS
    assert kept(Slot(), 11) == 2 * 11 * C
    assert kept(Slot("softmax", options={"grouped": True}, sizes={"g": 1}), 11) == 2 * 11 * d
    assert kept(Slot("grouped_query", sizes={"g": 1}), 11) == kept(Slot("multiquery"), 11) == 2 * 11 * d
    assert kept(Slot("latent", sizes={"p": 5, "r": 4, "f": 2}), 11) == 11 * (4 + 2)
    assert kept(Slot("linear"), 5) == kept(Slot("linear"), 11) == HEADS * (d * d + d + 1)
    slot = Slot("window", options={"window": 2})
    assert [kept(slot, n) for n in (1, 2, 3, 9)] == [2 * C * rows for rows in (1, 2, 2, 2)]


def test_a_cache_may_be_gone_on_with_twice_and_picked_from():
    parameters, options = jittered(transformer_parameters(V, 1, C, HEADS, 8, rng=0)), {"heads": HEADS}
    source, begun = ids(2, 5), ids(2, 3, seed=1)
    _, cache = transformer_step(parameters, begun, transformer_cache(parameters, source, **options), **options)
    picked = tree_map(lambda x: np.take(x, [1, 1, 0], axis=0), cache)
    last = np.array([[0], [1], [2]])
    got, _ = transformer_step(parameters, last, picked, **options)
    for row, of in enumerate((1, 1, 0)):
        whole = np.concatenate([begun[of], last[row]])
        close(got[row], transformer(parameters, source[of], whole, **options)[-1:])
    again, _ = transformer_step(parameters, last, picked, **options)
    np.testing.assert_array_equal(again, got)


def test_a_mask_of_one_sequence_is_one_of_all_that_may_be_picked():
    parameters, options = jittered(transformer_parameters(V, 1, C, HEADS, 8, rng=0)), {"heads": HEADS}
    source, mask, start = ids(2, 5), np.arange(5) < 3, np.zeros(2, int)

    def step(cache, token):
        logits, cache = transformer_step(parameters, token[:, None], cache, **options)
        return log_probabilities(logits[:, 0]), cache

    one, two = (
        beam_search(
            step, transformer_cache(parameters, source, source_mask=m, **options), start, width=3, end=0, maximum=4
        )
        for m in (mask, np.stack([mask, mask]))
    )
    np.testing.assert_array_equal(one.tokens, two.tokens)
    np.testing.assert_array_equal(one.score, two.score)


def test_a_window_reaches_by_default_as_far_as_that_of_the_mechanism():
    slot, n = Slot("window"), 140  # more tokens than it reaches
    parameters = jittered(language_model_parameters(V, 1, 2, 1, 2, slot=slot, rng=0))
    tokens, options = ids(n + 1), {"heads": 1, "slot": slot}
    _, cache = language_model_step(parameters, tokens[:n], **options)
    logits, _ = language_model_step(parameters, tokens[n:], cache, **options)
    close(logits, language_model(parameters, tokens, **options)[n:])


def test_cosformer_counts_places_up_to_its_length():
    slot, tokens = Slot("cosformer", weakly_causal=True), ids(5)
    parameters = jittered(language_model_parameters(V, 1, C, HEADS, 8, slot=slot, rng=0))
    with pytest.raises(ValueError, match="cannot be decoded step by step: it counts places by how many tokens"):
        language_model_step(parameters, tokens, heads=HEADS, slot=slot)
    options = {"heads": HEADS, "slot": Slot("cosformer", options={"length": 4})}
    _, cache = language_model_step(parameters, tokens[:4], **options)
    for f in (
        lambda: language_model(parameters, tokens, **options),
        lambda: language_model_step(parameters, tokens[4:], cache, **options),
    ):
        with pytest.raises(ValueError, match="length must be at least that of queries and keys, 5, got 4"):
            f()


def test_bias_and_pattern_belong_to_one_length():
    slot = Slot("softmax", options={"bias": np.zeros((4, 4))})
    parameters = jittered(language_model_parameters(V, 1, C, HEADS, 8, rng=0))
    assert language_model(parameters, ids(4), heads=HEADS, slot=slot).shape == (4, V)
    with pytest.raises(ValueError, match="its bias has a row for each query of one length"):
        language_model_step(parameters, ids(2), heads=HEADS, slot=slot)
