"""Every mechanism of the catalogue in every place of a Transformer where something attends."""

import itertools
import math

import array_api_compat.numpy as xp
import numpy as np
import pytest
from slots import HEADS, LONGEST, ONE_SEQUENCE, POOLING, STANDING, C, slot_of

import factorattn as fa
from factorattn import CATALOGUE
from factorattn.attention.memory import extend_memory
from factorattn.factor import truncated_svd
from factorattn.interpret.tree import tree_leaves, tree_map
from factorattn.model.transformer import (
    Slot,
    decoder,
    decoder_parameters,
    encoder,
    encoder_parameters,
    slot_parameters,
)
from factorattn.model.transformer.attend import attend
from factorattn.model.transformer.slot import FREE_OF_THE_FUTURE, LEARNED
from factorattn.testing import ROUNDING
from factorattn.testing.differences import check_gradients

NEVER = [name for name in STANDING if CATALOGUE[name].record.causal == "never"]
WEAK = ["informer_attention", "reformer_attention", "routing_attention"]
CAUSAL = [name for name in STANDING if name not in (*NEVER, *WEAK)]
UNMASKED = [
    "continuous_softmax_attention",
    "continuous_sparsemax_attention",
    "infinite_former_attention",
    "sinkhorn_attention",
]


def tokens(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def close(got, want, length=10_000):
    assert got.shape == want.shape
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING("float64", length)


@pytest.mark.parametrize("name", STANDING)
def test_any_mechanism_stands_in_an_encoder(name):
    slot, x = slot_of(name), tokens(2, LONGEST, C)
    parameters = encoder_parameters(2, C, HEADS, 8, slot=slot, rng=0)
    o = encoder(parameters, x, heads=HEADS, slot=slot)
    assert o.shape == x.shape
    assert np.all(np.isfinite(o))
    alone = encoder(parameters, x[1], heads=HEADS, slot=slot)  # without a batch, and whatever else is in it
    close(o[1], alone)
    # What attends matters: other parameters of the slot give something else.
    changed = parameters | {"layers": [parameters["layers"][1], parameters["layers"][0]]}
    assert np.max(np.abs(encoder(changed, x, heads=HEADS, slot=slot) - o)) > 0.01


@pytest.mark.parametrize("name", STANDING)
def test_padding_is_seen_by_none_or_the_mask_is_refused(name):
    slot, x = slot_of(name), tokens(2, LONGEST, C)
    mask = np.arange(LONGEST) < np.array([[LONGEST], [7]])
    parameters = encoder_parameters(1, C, HEADS, 8, slot=slot, rng=0)
    if name in UNMASKED:
        with pytest.raises(ValueError, match=f"{name} takes no mask: "):
            encoder(parameters, x, heads=HEADS, slot=slot, mask=mask)
        return
    o = encoder(parameters, x, heads=HEADS, slot=slot, mask=mask)
    other = np.where(mask[..., None], x, tokens(2, LONGEST, C, seed=1))
    close(encoder(parameters, other, heads=HEADS, slot=slot, mask=mask)[mask], o[mask])


@pytest.mark.parametrize(("name", "norm"), list(zip(CAUSAL, itertools.cycle(["post", "pre", "none"]), strict=False)))
def test_the_future_reaches_no_earlier_token(name, norm):
    slot, x, memory = slot_of(name), tokens(LONGEST, C), tokens(5, C, seed=2)
    parameters = decoder_parameters(2, C, HEADS, 8, slot=slot, norm=norm, rng=0)
    o = decoder(parameters, x, memory, heads=HEADS, slot=slot, norm=norm)
    for first in (1, 6, LONGEST - 1):
        changed = np.concatenate([x[:first], 3 * tokens(LONGEST - first, C, seed=first)])
        got = decoder(parameters, changed, memory, heads=HEADS, slot=slot, norm=norm)
        close(got[:first], o[:first])
        assert np.max(np.abs(got[first:] - o[first:])) > 0.01


# Lengths count for the grid, which is full; and for shared weights of blocks that are drawn for a length.
@pytest.mark.parametrize("name", sorted(set(CAUSAL) - {"axial_attention", "local_2d_attention"}))
def test_a_prefix_gives_a_prefix(name):
    slot, x = slot_of(name), tokens(LONGEST, C)
    parameters = encoder_parameters(2, C, HEADS, 8, slot=slot, rng=0)
    whole = encoder(parameters, x, heads=HEADS, slot=slot, causal=True)
    for n in (1, 5, 8):
        close(encoder(parameters, x[:n], heads=HEADS, slot=slot, causal=True), whole[:n])


@pytest.mark.parametrize("name", NEVER)
def test_what_cannot_be_causal_is_refused_with_the_reason(name):
    slot = slot_of(name)
    parameters = encoder_parameters(1, C, HEADS, 8, slot=slot, rng=0)
    why = CATALOGUE[name].record.refuses["causal"]
    with pytest.raises(ValueError, match=f"^{name} cannot stand in a causal slot: {why}"):
        encoder(parameters, tokens(LONGEST, C), heads=HEADS, slot=slot, causal=True)


def test_what_never_is_causal_and_what_is_weakly():
    assert sorted(name for name in STANDING if CATALOGUE[name].record.causal == "values") == sorted(
        [*WEAK, *FREE_OF_THE_FUTURE]
    )
    for name in WEAK:
        parameters = encoder_parameters(1, C, HEADS, 8, slot=slot_of(name), rng=0)
        with pytest.raises(ValueError, match=f"{name} can stand in a causal slot only with weakly_causal=True"):
            encoder(parameters, tokens(LONGEST, C), heads=HEADS, slot=slot_of(name), causal=True)


@pytest.mark.parametrize("name", WEAK)
def test_weak_causality_is_to_be_had_where_it_is_asked_for(name):
    slot = slot_of(name, weakly_causal=True)
    x, changed = tokens(LONGEST, C), tokens(LONGEST, C)
    parameters = slot_parameters(C, HEADS, slot=slot, rng=0)
    # Later values reach no earlier output: queries and keys are made constant, so that groups stay as they are.
    for projection in ("query", "key"):
        if projection in parameters:
            parameters[projection]["weight"] = np.zeros_like(parameters[projection]["weight"])
    stack = encoder_parameters(1, C, HEADS, 8, slot=slot, rng=0)
    stack["layers"][0]["attention"] = parameters
    changed[8:] += 1
    one, two = (encoder(stack, rows, heads=HEADS, slot=slot, causal=True) for rows in (x, changed))
    close(two[:8], one[:8])


def test_cosformer_needs_a_length_to_be_causal():
    for options in ({}, {"length": None}):
        slot = slot_of("cosformer", options=options)
        parameters = encoder_parameters(1, C, HEADS, 8, slot=slot, rng=0)
        with pytest.raises(
            ValueError, match="cosformer_attention can stand in a causal slot only with weakly_causal=T"
        ):
            encoder(parameters, tokens(4, C), heads=HEADS, slot=slot, causal=True)


@pytest.mark.parametrize("name", sorted(set(STANDING) - set(ONE_SEQUENCE)))
def test_the_memory_is_asked_through_any_mechanism_that_can(name):
    slot, x, memory = slot_of(name), tokens(2, 7, C), tokens(2, 9, C, seed=1)
    parameters = decoder_parameters(1, C, HEADS, 8, cross_slot=slot, rng=0)
    o = decoder(parameters, x, memory, heads=HEADS, cross_slot=slot)
    assert o.shape == x.shape
    assert np.all(np.isfinite(o))
    assert np.max(np.abs(decoder(parameters, x, memory + 1, heads=HEADS, cross_slot=slot) - o)) > 1e-3
    if name in UNMASKED:
        return
    mask = np.arange(9) < np.array([[9], [5]])
    padded = np.where(mask[..., None], memory, tokens(2, 9, C, seed=2))
    one, two = (
        decoder(parameters, x, rows, heads=HEADS, cross_slot=slot, memory_mask=mask) for rows in (memory, padded)
    )
    close(two, one)
    # Nor does padding of the target, where it asks.
    own = np.arange(7) < np.array([[7], [4]])
    other = np.where(own[..., None], x, tokens(2, 7, C, seed=3))
    one, two = (decoder(parameters, rows, memory, heads=HEADS, cross_slot=slot, mask=own) for rows in (x, other))
    close(two[own], one[own])


@pytest.mark.parametrize("name", ONE_SEQUENCE)
def test_what_asks_one_sequence_is_refused_between_two(name):
    slot = slot_of(name)
    parameters = decoder_parameters(1, C, HEADS, 8, cross_slot=slot, rng=0)
    with pytest.raises(ValueError, match=f"^{name} cannot attend from one sequence to another: its queries stand"):
        decoder(parameters, tokens(LONGEST, C), tokens(LONGEST, C), heads=HEADS, cross_slot=slot)


def test_what_pools_stands_nowhere():
    for name in POOLING:
        with pytest.raises(ValueError, match=f"^{name} cannot stand in a slot: it has no answer of its own for each"):
            Slot(name)
    for name in STANDING:
        assert Slot(name).mechanism == name


SMOOTH = (
    *("softmax", "linformer", "transformer_xl", "performer", "aft", "grouped_query", "continuous_softmax", "soft"),
    "adaptive_span",
)


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_go_through(name):
    slot = slot_of(f"{name}_attention")
    parameters = slot_parameters(C, HEADS, slot=slot, rng=0)
    stack = encoder_parameters(1, C, HEADS, 4, slot=slot, rng=0)
    stack["layers"][0]["attention"] = parameters

    def run(attention, x):
        layer = {**stack["layers"][0], "attention": attention}
        return encoder({"layers": [layer]}, x, heads=HEADS, slot=slot, activation="gelu")

    check_gradients(run, parameters, tokens(5, C), forward=False)


def test_the_slot_of_multihead_attention_is_that_of_softmax_attention():
    x, own = tokens(2, 5, C), Slot("multihead")
    parameters = encoder_parameters(1, C, HEADS, 8, rng=0)
    heads = parameters["layers"][0]["attention"]
    learned = {
        f"w_{letter}": heads[name]["weight"].reshape(HEADS, C // HEADS, C)
        for letter, name in (("q", "query"), ("k", "key"), ("v", "value"))
    }
    learned |= {"w_o": np.moveaxis(heads["output"]["weight"].reshape(C, HEADS, C // HEADS), 1, 0)}
    learned |= {f"b_{letter}": tokens(HEADS, C // HEADS, seed=ord(letter)) for letter in "qkv"} | {"b_o": tokens(C)}
    for letter, name in (("q", "query"), ("k", "key"), ("v", "value")):
        heads[name]["bias"] = learned[f"b_{letter}"].reshape(C)
    heads["output"]["bias"] = learned["b_o"]
    other = {"layers": [{**parameters["layers"][0], "attention": {"learned": learned}}]}
    for causal in (False, True):
        want = encoder(parameters, x, heads=HEADS, causal=causal)
        close(encoder(other, x, heads=HEADS, slot=own, causal=causal), want)


def test_grouped_keys_have_fewer_heads():
    slot = Slot("softmax", options={"grouped": True}, sizes={"g": 1})
    parameters = slot_parameters(C, HEADS, slot=slot, rng=0)
    assert parameters["key"]["weight"].shape == parameters["value"]["weight"].shape == (C // HEADS, C)
    stack, full = encoder_parameters(1, C, HEADS, 8, slot=slot, rng=0), encoder_parameters(1, C, HEADS, 8, rng=0)
    own = stack["layers"][0]["attention"]
    wide = {
        **own,
        **{name: {part: np.concatenate([own[name][part]] * HEADS) for part in own[name]} for name in ("key", "value")},
    }
    full["layers"][0] = {**stack["layers"][0], "attention": wide}
    x = tokens(6, C)
    close(encoder(stack, x, heads=HEADS, slot=slot), encoder(full, x, heads=HEADS))


def test_a_window_of_all_keys_and_landmarks_of_all_places_are_exact():
    x, parameters = tokens(8, C), encoder_parameters(1, C, HEADS, 8, rng=0)
    want = encoder(parameters, x, heads=HEADS)
    close(encoder(parameters, x, heads=HEADS, slot=Slot("window", options={"window": 8})), want)
    close(encoder(parameters, x, heads=HEADS, slot=Slot("general")), want)
    # A grid of one row is the sequence; one of a column and axis="column", too.
    close(encoder(parameters, x, heads=HEADS, slot=Slot("axial", sizes={"x": 1, "y": 8})), want)
    down = Slot("axial", sizes={"x": 8, "y": 1}, options={"axis": "column"})
    close(encoder(parameters, x, heads=HEADS, slot=down), want)


@pytest.mark.parametrize("axis", ["row", "column"])
def test_a_grid_masks_the_tokens_that_are_hidden(axis):
    slot = Slot("axial", sizes={"x": 3, "y": 4}, options={"axis": axis})
    parameters, x = slot_parameters(C, 1, slot=slot, rng=0), tokens(12, C)
    mask = np.ones(12, bool)
    mask[[1, 6]] = False
    stack = {"layers": [{**encoder_parameters(1, C, 1, 4, rng=0)["layers"][0], "attention": parameters}]}
    got = encoder(stack, x, heads=1, slot=slot, mask=mask)
    # The same by softmax attention with a mask of pairs, which the slot of the library does not take.
    place = np.arange(12)
    line = place // 4 if axis == "row" else place % 4
    q, k, v = (x @ parameters[name]["weight"].T for name in ("query", "key", "value"))
    o = fa.softmax_attention(q, k, v, mask=(line[:, None] == line[None, :]) & mask) @ parameters["output"]["weight"].T
    plain = {"layers": [{**stack["layers"][0]}]}
    want = _rest(plain["layers"][0], x, o)
    close(got, want)


def _rest(layer, x, o):
    """What a post-LN layer makes of what its attention gave."""
    y = _normal(x + o)
    hidden = np.maximum(y @ layer["feed_forward"]["in"]["weight"].T, 0)
    return _normal(y + hidden @ layer["feed_forward"]["out"]["weight"].T)


def _normal(x):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)


def _attended(parameters, o):
    """Heads (h, n, e) joined and projected, as a slot does."""
    return np.concatenate(list(o), axis=-1) @ parameters["output"]["weight"].T + parameters["output"]["bias"]


def _projected(parameters, x, name):
    rows = x @ parameters[name]["weight"].T + parameters[name].get("bias", 0.0)
    return np.stack(np.split(rows, HEADS, axis=-1))  # (h, n, d)


def _slot(name, **changes):
    """A slot, its parameters with biases that are not zero, tokens that ask and tokens that are asked."""
    slot, rng = slot_of(name, **changes), np.random.default_rng(1)
    parameters = slot_parameters(C, HEADS, slot=slot, rng=0)
    parameters = tree_map(lambda leaf: leaf + rng.standard_normal(leaf.shape) / 10, parameters)
    return slot, parameters, tokens(7, C), tokens(9, C, seed=2)


def test_densities_are_those_of_a_softmax_over_times():
    slot, parameters, x, y = _slot("continuous_softmax_attention")
    q, (k, v) = _projected(parameters, x, "query"), (_projected(parameters, y, name) for name in ("key", "value"))
    weights = np.exp(q @ k.mT / math.sqrt(C // HEADS))
    weights = weights / weights.sum(-1, keepdims=True)
    times = np.arange(1, 10) / 9
    mu = weights @ times
    sigma = np.sqrt(((times - mu[..., None]) ** 2 * weights).sum(-1))
    want = _attended(parameters, fa.continuous_softmax_attention(mu, sigma, v))
    close(attend(parameters, x, y, heads=HEADS, slot=slot, xp=xp), want)
    alone = attend(parameters, x[:1], y[:1], heads=HEADS, slot=slot, xp=xp)  # no deviation: a point, and no NaN
    assert np.all(np.isfinite(alone))


def test_a_memory_of_coefficients_is_the_sequence_as_a_function_of_time():
    slot, parameters, x, y = _slot("infinite_former_attention", options={"widths": (0.1, 0.3)}, sizes={"r": 6})
    b = extend_memory(None, y, rank=6, widths=(0.1, 0.3))
    assert set(parameters["key"]) == set(parameters["value"]) == {"weight"}
    q, (k, v) = _projected(parameters, x, "query"), (_projected(parameters, b, name) for name in ("key", "value"))
    w = parameters["learned"]
    o = fa.infinite_former_attention(q, k, v, w["w_mu"], w["w_sigma"], widths=(0.1, 0.3))
    close(attend(parameters, x, y, heads=HEADS, slot=slot, xp=xp), _attended(parameters, o))


def test_slots_call_mechanisms_as_one_would_by_hand():
    calls = {
        "linformer_attention": lambda q, k, v, w: fa.linformer_attention(q, k, v, w["e"][..., :7], w["f"][..., :7]),
        "persistent_attention": lambda q, k, v, w: fa.persistent_attention(
            q, k, v, w["k_persistent"], w["v_persistent"]
        ),
        "aft_attention": lambda q, k, v, w: fa.aft_attention(q, k, v, w["w"][..., :7, :7]),
        "soft_attention": lambda q, k, v, w: fa.soft_attention(q, k, v, w["w_q"], w["w_k"], w["w"], w["b"]),
        "transformer_xl_attention": lambda q, k, v, w: fa.transformer_xl_attention(
            q, k, v, w["w_sin"], w["w_cos"], u=w["u"], v_bias=w["v_bias"]
        ),
        "adaptive_span_attention": lambda q, k, v, w: fa.adaptive_span_attention(
            q, k, v, np.broadcast_to(w["z"], (HEADS, 7)), window=4, ramp=3.0
        ),
        "performer_attention": lambda q, k, v, w: fa.performer_attention(q, k, v, rng=0),
    }
    for name, call in calls.items():
        slot, parameters, x, _ = _slot(name)
        heads = (_projected(parameters, x, part) for part in ("query", "key", "value"))
        want = _attended(parameters, call(*heads, parameters.get("learned")))
        close(attend(parameters, x, heads=HEADS, slot=slot, xp=xp), want)
    slot, parameters, x, _ = _slot("reformer_attention")
    qk, v = (_projected(parameters, x, part) for part in ("query", "value"))
    want = _attended(parameters, fa.reformer_attention(qk, v, block=4, rng=0))
    close(attend(parameters, x, heads=HEADS, slot=slot, xp=xp), want)


def test_each_layer_may_have_its_own_slot():
    slots = [Slot("axial", sizes={"x": 3, "y": 4}, options={"axis": axis}) for axis in ("row", "column")]
    parameters, x = encoder_parameters(2, C, HEADS, 8, slot=slots, rng=0), tokens(12, C)
    one = encoder({"layers": parameters["layers"][:1]}, x, heads=HEADS, slot=slots[0])
    two = encoder({"layers": parameters["layers"][1:]}, one, heads=HEADS, slot=slots[1])
    close(encoder(parameters, x, heads=HEADS, slot=slots), two)
    with pytest.raises(ValueError, match="slot must be one slot, or one for each of 2 layers, got 3"):
        encoder(parameters, x, heads=HEADS, slot=[*slots, slots[0]])


def test_what_is_drawn_is_the_same_in_every_call():
    x = tokens(9, C)
    for name in ("performer", "bigbird", "clustered", "random_feature"):
        slot = slot_of(f"{name}_attention")
        slot = slot_of(name, options={"block": 1, "window": 0}) if name == "bigbird" else slot
        parameters = encoder_parameters(1, C, HEADS, 8, slot=slot, rng=0)
        one, two = (encoder(parameters, x, heads=HEADS, slot=slot) for _ in range(2))
        np.testing.assert_array_equal(one, two)
        other = slot_of(f"{name}_attention", options=dict(slot.options) | {"rng": 1})
        assert np.max(np.abs(encoder(parameters, x, heads=HEADS, slot=other) - one)) > 1e-6


def test_tables_of_positions_are_cut_and_do_not_grow():
    for name, letter in (("aft_attention", "n"), ("linformer_attention", "m")):
        slot = slot_of(name)
        parameters, x = encoder_parameters(1, C, HEADS, 8, slot=slot, rng=0), tokens(LONGEST + 1, C)
        with pytest.raises(ValueError, match=rf"was made for {letter} = {LONGEST} tokens at most, got {LONGEST + 1}"):
            encoder(parameters, x, heads=HEADS, slot=slot)
        # A short sequence is one whose other tokens are padding.
        mask = np.arange(LONGEST) < 7
        want = encoder(parameters, x[:LONGEST], heads=HEADS, slot=slot, mask=mask)[:7]
        close(encoder(parameters, x[:7], heads=HEADS, slot=slot), want)


@pytest.mark.parametrize("name", ["softmax_attention", "local_predictive_attention", "local_monotonic_attention"])
def test_a_padded_sequence_is_as_long_as_its_tokens(name):
    slot, x, mask = slot_of(name), tokens(2, LONGEST, C), np.arange(LONGEST) < np.array([[5], [LONGEST]])
    parameters = encoder_parameters(2, C, HEADS, 8, slot=slot, rng=0)
    o = encoder(parameters, x, heads=HEADS, slot=slot, mask=mask)
    close(o[0, :5], encoder(parameters, x[0, :5], heads=HEADS, slot=slot))
    close(o[1], encoder(parameters, x[1], heads=HEADS, slot=slot))


def test_a_grid_is_full():
    slot = slot_of("axial_attention")
    parameters = encoder_parameters(1, C, HEADS, 8, slot=slot, rng=0)
    with pytest.raises(ValueError, match="axial_attention needs 12 tokens, 3 rows of 4, got 11"):
        encoder(parameters, tokens(11, C), heads=HEADS, slot=slot)
    narrow = slot_of("local_2d_attention", options={"block": (2, 3)})
    with pytest.raises(ValueError, match=r"must be as wide as the grid, .* expected block=\(rows, 4\), got 3 columns"):
        encoder(parameters, tokens(12, C), heads=HEADS, slot=narrow, causal=True)


@pytest.mark.parametrize("name", STANDING)
def test_arrays_that_are_learned_have_the_sizes_of_the_contract(name):
    """Every required array is there, and all that the papers learn."""
    slot = slot_of(name)
    parameters = slot_parameters(C, HEADS, slot=slot, rng=0)
    assert set(LEARNED.get(name, ())) <= set(parameters.get("learned", {}))
    for leaf in tree_leaves(parameters):
        assert leaf.dtype == np.float64
        assert np.all(np.isfinite(leaf))
    single = slot_parameters(C, HEADS, slot=slot, rng=0, dtype="float32")
    tree_map(lambda a, b: np.testing.assert_array_equal(a.astype("float32"), b), parameters, single)


def test_spans_begin_inside_the_window_and_biases_at_zero():
    slot = slot_of("adaptive_span_attention")
    for seed in range(9):
        z = slot_parameters(C, HEADS, slot=slot, rng=seed)["learned"]["z"]
        assert z.shape == (HEADS, 1)
        assert np.all((z > 0) & (z < slot.option("window")))
    learned = slot_parameters(C, HEADS, slot=slot_of("soft_attention"), rng=0)["learned"]
    np.testing.assert_array_equal(learned["b"], np.zeros((HEADS, 5)))


def test_widths_of_heads_are_free():
    slot = Slot("softmax", sizes={"d": 2, "e": 5})
    parameters = slot_parameters(C, HEADS, slot=slot, rng=0)
    shapes = {name: layer["weight"].shape for name, layer in parameters.items()}
    assert shapes == {"query": (6, C), "key": (6, C), "value": (15, C), "output": (C, 15)}
    stack = encoder_parameters(1, C, HEADS, 8, slot=slot, rng=0)
    assert encoder(stack, tokens(4, C), heads=HEADS, slot=slot).shape == (4, C)


def test_optional_arrays_are_learned_where_asked_for():
    x = tokens(2, 6, C)
    gated = Slot("random_feature", learned=("sigma", "gate"))
    for slot in (
        gated,
        Slot("nystrom", learned=("conv",), sizes={"w": 3}, options={"rank": 3}),
        Slot("longformer", learned=("q_global", "k_global", "v_global"), options={"global_tokens": (0,), "window": 1}),
        Slot("coda", learned=("q_n", "k_n")),
        Slot("area", learned=("sizes", "w_1", "b_1", "w_d"), sizes={"p": 1, "s": 3, "f": 5}),
        Slot("linformer", learned=(), options={"rank": 3}),
    ):
        parameters = encoder_parameters(1, C, HEADS, 8, slot=slot, rng=0)
        names = set(parameters["layers"][0]["attention"].get("learned", {}))
        assert names == set(slot.learned)
        o = encoder(parameters, x, heads=HEADS, slot=slot)
        for name in names:  # and matters
            other = tree_map(lambda leaf: leaf, parameters)
            own = other["layers"][0]["attention"]["learned"]
            own[name] = tree_map(lambda leaf: leaf + 0.5, own[name])
            assert np.max(np.abs(encoder(other, x, heads=HEADS, slot=slot) - o)) > 1e-6, (slot, name)


def test_factored_projections_are_as_dense_ones():
    parameters, x = encoder_parameters(1, C, HEADS, 8, rng=0), tokens(5, C)

    def factored(leaf):
        return truncated_svd(leaf, min(leaf.shape)) if leaf.ndim == 2 else leaf

    close(encoder(tree_map(factored, parameters), x, heads=HEADS), encoder(parameters, x, heads=HEADS))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            {"mechanism": "softmaxx"},
            r"mechanism must be in the catalogue, got 'softmaxx'; did you mean softmax_attention",
        ),
        ({"mechanism": "linear", "learned": ("w",)}, "learned must name arrays of linear_attention, none; got 'w'"),
        ({"mechanism": "performer", "learned": ("omega",)}, "learned must name arrays of performer_attention, none"),
        (
            {"options": {"causal": True}},
            "options of a slot must leave out causal: the model and its parameters tell it",
        ),
        ({"options": {"return_lse": True}}, "options of a slot must leave out return_lse"),
        ({"mechanism": "linformer", "options": {"e": None}}, "options of a slot must leave out e"),
        ({"mechanism": "linear", "options": {"windw": 3}}, "options of linear_attention must be among .*; got 'windw'"),
    ],
)
def test_a_slot_that_says_too_much_is_refused(told, message):
    with pytest.raises(ValueError, match=message):
        Slot(**told)


@pytest.mark.parametrize(
    ("slot", "message"),
    [
        (Slot("linformer"), r"linformer_attention learns arrays .* sizes=\{'m': \.\.\., 'r': \.\.\.\}, letters of q: "),
        (Slot("multihead", sizes={"h": 2}), "sizes of multihead_attention must leave out 'h': the model tells it"),
        (Slot("grouped_query", sizes={"g": 2}), "heads must divide 3, .*, got 2"),
    ],
)
def test_sizes_that_are_missing_are_named(slot, message):
    with pytest.raises(ValueError, match=message):
        slot_parameters(C, HEADS, slot=slot, rng=0)
