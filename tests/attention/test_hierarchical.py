"""Facts about hierarchical attention: words, sentences, and what stands between the levels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, hierarchical, lists, seeds, sizes

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = fa.hierarchical_attention.record.forms
SHAPES = {"x": (3, 6, 4), "w_w": (5, 4), "u_w": (5,), "w_s": (2, 4), "u_s": (2,), "b_w": (5,), "b_s": (2,)}


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(s=sizes, n=sizes, c=sizes, a=sizes, f=sizes, seed=seeds, ragged=st.booleans(), biased=st.booleans())
def test_hierarchical_attention_is_the_paper(form, s, n, c, a, f, seed, ragged, biased):
    x, w_w, u_w, w_s, u_s, *biases = draw(seed, (s, n, c), (a, c), (a,), (f, c), (f,), (a,), (f,))
    lengths = np.random.default_rng(seed).integers(0, n + 1, s)  # some sentences have no words
    mask = np.arange(n) < lengths[:, None] if ragged else None
    got = fa.hierarchical_attention(x, w_w, u_w, w_s, u_s, *(biases if biased else ()), mask=mask, form=form)
    biases = biases if biased else [np.zeros(a), np.zeros(f)]
    want = hierarchical.hierarchical_attention(*lists(x, w_w, u_w, w_s, u_s, *biases), there=mask)
    agree(got, want, s + n + c + a + f)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(s=sizes, n=sizes, c=sizes, e=sizes, seed=seeds)
def test_an_encoder_between_the_levels_is_the_paper_too(form, s, n, c, e, seed):
    x, w_w, u_w, w_s, u_s, layer = draw(seed, (s, n, c), (3, c), (3,), (2, e), (2,), (c, e))

    def running_mean(sentences):  # a recurrent encoder in small: every row knows those before it
        return [
            [sum(sum(row[g] * layer[g][f] for g in range(c)) for row in sentences[: i + 1]) / (i + 1) for f in range(e)]
            for i in range(len(sentences))
        ]

    encode = lambda sentences: np.cumsum(sentences @ layer, axis=-2) / np.arange(1, s + 1)[:, None]  # noqa: E731
    got = fa.hierarchical_attention(x, w_w, u_w, w_s, u_s, encode=encode, form=form)
    want = hierarchical.hierarchical_attention(
        *lists(x, w_w, u_w, w_s, u_s, np.zeros(3), np.zeros(2)), encode=running_mean
    )
    agree(got, want, s + n + c + e)


@pytest.mark.parametrize("form", FORMS)
def test_without_scores_it_is_the_mean_of_the_means_and_not_of_the_words(form, rng):
    x = rng.standard_normal((2, 4, 3))
    mask = np.array([[True] * 4, [True, False, False, False]])
    layers = [np.zeros(shape) for shape in ((5, 3), (5,), (2, 3), (2,))]
    got = fa.hierarchical_attention(x, *layers, mask=mask, form=form)
    want = (x[0].mean(axis=0) + x[1, 0]) / 2
    assert np.max(np.abs(got - want)) <= np.max(np.abs(x)) * ROUNDING(np.float64, 8)


@pytest.mark.parametrize("form", FORMS)
def test_documents_of_different_lengths_share_a_batch(form, rng):
    layers = {name: rng.standard_normal(shape) for name, shape in SHAPES.items() if name != "x"}
    x, mask = np.full((2, 3, 6, 4), np.nan), np.zeros((2, 3, 6), dtype=bool)
    lengths = ((6, 2, 4), (3, 5, 0))  # the second document has two sentences
    want = []
    for document, words in enumerate(lengths):
        for sentence, length in enumerate(words):
            x[document, sentence, :length] = rng.standard_normal((length, 4))
            mask[document, sentence, :length] = True
        alone = hierarchical.hierarchical_attention(
            *lists(x[document], *(layers[name] for name in ("w_w", "u_w", "w_s", "u_s", "b_w", "b_s"))),
            there=mask[document],
        )
        want.append(alone)
    agree(fa.hierarchical_attention(x, **layers, mask=mask, form=form), want, 20)
    nothing = fa.hierarchical_attention(x, **layers, mask=np.zeros((1, 1), dtype=bool), form=form)
    np.testing.assert_array_equal(nothing, 0.0)


@pytest.mark.parametrize("form", FORMS)
def test_tiles_of_words_are_joined(form, rng):
    arrays = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    arrays["x"] = rng.standard_normal((2, 1500, 4))
    names = ("x", "w_w", "u_w", "w_s", "u_s", "b_w", "b_s")
    want = hierarchical.hierarchical_attention(*lists(*(arrays[name] for name in names)))
    agree(fa.hierarchical_attention(**arrays, form=form), want, 1500)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"causal": True}, ValueError, "takes no causal"),
        ({"w_s": np.ones((2, 3))}, ValueError, "axis 'c' is 4"),
        ({"b_w": np.ones(4)}, ValueError, "axis 'a' is 5"),
        ({"mask": np.ones((6, 3), dtype=bool)}, ValueError, r"mask must broadcast to \(\.\.\., 3, 6\)"),
        ({"mask": np.ones((3, 6))}, TypeError, "mask must have dtype bool"),
        ({"encode": lambda s: s[..., :3]}, ValueError, "axis 'e' is 3 in h"),
        ({"encode": lambda s: s[..., :2, :]}, ValueError, "encode must return shape"),
        ({"encode": lambda s: s.tolist()}, TypeError, "h must be an array"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        fa.hierarchical_attention(**{**{name: np.ones(shape) for name, shape in SHAPES.items()}, **options})
