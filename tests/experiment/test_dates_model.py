"""The Transformer that reads dates: its loss, its decoding with a cache, and the weights of its heads."""

import math

import numpy as np
import pytest
from oracles.model import transformer as oracle

from factorattn.experiment.dates.data import ANSWER, BEGIN, END, sources, targets
from factorattn.experiment.dates.model import Sizes, begun, cross_weights, loss, read_dates, read_ids
from factorattn.experiment.dates.picture import draw_heads, heads_figure, heads_of
from factorattn.interpret.gradient import value_and_grad
from factorattn.interpret.tree import tree_map
from factorattn.model.transformer import transformer
from factorattn.testing import ROUNDING

SMALL = Sizes(c=8, heads=2, hidden=12, encoder_layers=1, decoder_layers=2)
TEXTS = ("3 May 1997", "el 3 de mayo", "1.º")


@pytest.fixture(scope="module")
def parameters():
    # Weights far from those before training, so that heads differ and no two characters are equally likely.
    rng = np.random.default_rng(0)
    return tree_map(lambda p: np.asarray(p + rng.standard_normal(p.shape), np.float64), begun(SMALL))


def logits(parameters, ids, mask, target):
    return transformer(parameters, ids, target, heads=2, source_mask=mask, norm="pre")


def test_parameters_are_drawn_from_a_seed_in_single_precision():
    leaves = []
    tree_map(lambda p, q, r: leaves.append((p, q, r)), begun(SMALL, rng=1), begun(SMALL, rng=1), begun(SMALL, rng=2))
    assert all(p.dtype == np.float32 and np.array_equal(p, q) for p, q, _ in leaves)
    assert not all(np.array_equal(p, r) for p, _, r in leaves)


def test_the_loss_is_that_of_the_next_characters(parameters):
    ids, mask = sources(TEXTS)
    target = targets(["1997-05-03", "2000-02-29", "1900-12-31"])
    rows = logits(parameters, ids, mask, target[:, :-1])
    rows = rows - rows.max(-1, keepdims=True)
    log_p = rows - np.log(np.exp(rows).sum(-1, keepdims=True))
    want = -np.mean([log_p[b, t, target[b, t + 1]] for b in range(3) for t in range(ANSWER)])
    got = float(loss(parameters, ids, mask, target, sizes=SMALL))
    assert abs(got - want) <= want * ROUNDING("float64", 3 * ANSWER)


def test_what_stands_behind_a_phrase_changes_no_gradient(parameters):
    ids, mask = sources(TEXTS[:1])
    target = targets(["1997-05-03"])
    padded = (np.pad(ids, ((0, 0), (0, 4))), np.pad(mask, ((0, 0), (0, 4))))
    slope = value_and_grad(lambda *given: loss(*given, sizes=SMALL))
    (one, alone), (two, beside) = slope(parameters, ids, mask, target), slope(parameters, *padded, target)
    assert abs(float(one) - float(two)) <= abs(float(one)) * ROUNDING("float64", 64)

    def near(p, q):
        assert np.max(np.abs(p - q)) <= max(1.0, np.max(np.abs(p))) * ROUNDING("float64", 64**2)

    tree_map(near, alone, beside)


def test_decoding_with_a_cache_is_decoding_without(parameters):
    ids, mask = sources(TEXTS)
    known = np.full((3, 1), BEGIN)
    for _ in range(ANSWER):
        following = np.argmax(logits(parameters, ids, mask, known)[:, -1], axis=-1)
        following = np.where((known == END).any(axis=1), END, following)
        known = np.concatenate([known, following[:, None]], axis=1)
    np.testing.assert_array_equal(read_ids(parameters, ids, mask, sizes=SMALL), known[:, 1:])


def test_phrases_are_read_alike_alone_and_together(parameters):
    together = read_dates(parameters, TEXTS, sizes=SMALL)
    assert together == [read_dates(parameters, [text], sizes=SMALL)[0] for text in TEXTS]
    assert together == read_dates(parameters, TEXTS, sizes=SMALL, batch=2)
    assert read_dates(parameters, [], sizes=SMALL) == []


def test_the_weights_are_those_of_plain_loops(parameters, monkeypatch):
    ids, mask = sources(TEXTS)
    target = targets(["1997-05-03", "2000-02-29", "1900-12-31"])[:, :4]
    found = cross_weights(parameters, ids, mask, target, sizes=SMALL)
    assert [w.shape for w in found] == [(3, 2, 4, ids.shape[1])] * 2
    listed = tree_map(lambda p: p.tolist(), parameters)
    asked, own = [], oracle.multihead

    def watched(w, x, y, heads, seen):
        if y is not x:  # the memory
            asked.append((w, x, y))
        return own(w, x, y, heads, seen)

    monkeypatch.setattr(oracle, "multihead", watched)
    for b, text in enumerate(TEXTS):
        asked.clear()
        told = {"heads": 2, "norm": "pre", "source_length": len(text)}
        want = np.asarray(oracle.transformer(listed, ids[b].tolist(), target[b].tolist(), **told))
        got = logits(parameters, ids[b : b + 1], mask[b : b + 1], target[b : b + 1])[0]
        assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING("float64", 64**2)
        for layer, (w, x, y) in enumerate(asked):
            q = [oracle.linear(row, w["query"]) for row in x]
            k = [oracle.linear(row, w["key"]) for row in y[: len(text)]]
            for head in range(2):
                place = range(4 * head, 4 * head + 4)
                for i in range(4):
                    e = [math.exp(sum(q[i][a] * row[a] for a in place) / 2) for row in k]
                    want = [weight / sum(e) for weight in e] + [0.0] * (ids.shape[1] - len(text))
                    assert np.max(np.abs(found[layer][b, head, i] - want)) <= ROUNDING("float64", 64**2)


def test_the_heads_on_a_phrase_have_a_row_for_each_character_that_is_said(parameters):
    for text in TEXTS:
        answer, weights = heads_of(parameters, text, sizes=SMALL)
        ended = END in read_ids(parameters, *sources([text]), sizes=SMALL)
        assert weights.shape == (2, len(answer) + ended, len(text))
        assert np.max(np.abs(np.sum(weights, axis=-1) - 1)) <= ROUNDING("float64", len(text))
        assert [answer] == read_dates(parameters, [text], sizes=SMALL)


def test_a_panel_for_each_head_with_the_characters_at_its_sides():
    rng = np.random.default_rng(0)
    for h in (1, 3, 8):
        weights = rng.dirichlet(np.ones(5), size=(h, 11))
        figure = heads_figure(weights, "a b c", "1997-05-03")
        panels = [axes for axes in figure.axes if axes.get_title().startswith("head")]
        assert [axes.get_title() for axes in panels] == [f"head {number + 1}" for number in range(h)]
        for axes, own in zip(panels, weights, strict=True):
            (image,) = axes.get_images()
            np.testing.assert_array_equal(image.get_array(), own)
            assert image.get_clim() == (0, 1)
            assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "␣", "b", "␣", "c"]
            assert [label.get_text() for label in axes.get_yticklabels()] == [*"1997-05-03", "end"]


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture_is_the_same_bytes_each_time(suffix):
    weights = np.full((2, 11, 3), 1 / 3)
    first = draw_heads(weights, "a b", "1997-05-03", suffix)
    assert first.startswith({"png": b"\x89PNG", "svg": b"<?xml"}[suffix])
    assert draw_heads(weights, "a b", "1997-05-03", suffix) == first
