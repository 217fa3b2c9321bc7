"""Another attention, or factors, in a trained encoder: what sits, what cannot, and how far vectors move."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import seeds

import factorattn as fa
from factorattn.compress import WEIGHTED, svd_llm
from factorattn.data import load_sentences
from factorattn.experiment.swap import Choice, Misfit, encode_whole, factored_encoder, moved, seat, study
from factorattn.experiment.swap.factors import factorization, inputs_of
from factorattn.factor import FACTORIZATIONS
from factorattn.factor.factored import Factored, dense
from factorattn.model import SentenceEncoder, bert, encode
from factorattn.model.reading import expected_shapes
from factorattn.testing import ROUNDING

SIZES = {
    "hidden_size": 12,
    "intermediate_size": 24,
    "vocab_size": 30,
    "max_position_embeddings": 60,
    "type_vocab_size": 2,
    "num_hidden_layers": 2,
}
TEXTS = ("a bb ccc", "", "dddd a", "a a a a a a a", "ccc bb a ccc", "bb bb", "bb a dddd eeeee a bb ccc a a bb ccc")
UNFIT = {
    "adaptive_span_attention": "needs z, which the model has not trained",
    "alternating_co_attention": "takes v, q, w_v",
    "axial_attention": "takes a grid x by y, and a text is a line",
    "compressive_attention": "needs w_sin and w_cos",
    "continuous_softmax_attention": "takes mu, sigma and v",
    "continuous_sparsemax_attention": "takes mu, sigma and v",
    "distinctive_attention": "takes x, y",
    "grouped_query_attention": "takes x, w_q, w_k, w_v and w_o",
    "hierarchical_attention": "takes x",
    "infinite_former_attention": "needs w_mu and w_sigma",
    "latent_attention": "takes x",
    "local_2d_attention": "takes a grid x by y",
    "local_predictive_attention": "needs w_p and v_p",
    "multidimensional_attention": "takes x",
    "multihead_attention": "takes x",
    "multiquery_attention": "takes x",
    "multirepresentational_attention": "takes x",
    "parallel_co_attention": "takes v, q",
    "reformer_attention": "takes one array for queries and keys, and the model makes two",
    "routing_attention": "needs mu",
    "self_attention": "takes x, w_q, w_k and w_v",
    "soft_attention": "needs w_q, w_k and w",
    "source2token_attention": "takes x",
    "structured_attention": "takes h",
    "transformer_xl_attention": "needs w_sin and w_cos",
}


class Words:
    """A tokenizer without rules: a token for each word, its length; one at each end."""

    def encode_batch(self, texts):
        return [type("Encoding", (), {"ids": [1, *(2 + min(len(w), 20) for w in t.split()), 0]}) for t in texts]


@pytest.fixture
def small():
    rng = np.random.default_rng(0)
    parameters = {name: rng.standard_normal(shape) / 2 for name, shape in expected_shapes(SIZES).items()}
    return SentenceEncoder(parameters, heads=3, epsilon=1e-12, tokenizer=Words())


def near(got, want, length=64 * 12):
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING("float64", length)


# Seats


@pytest.mark.parametrize("name", sorted(fa.CATALOGUE))
def test_a_mechanism_sits_or_is_told_why_it_cannot(name):
    f = fa.CATALOGUE[name]
    if name in UNFIT:
        with pytest.raises(Misfit, match=re.escape(f"{name} {UNFIT[name]}")):
            seat(f)
        return
    q, k, v = np.random.default_rng(0).standard_normal((3, 2, 3, 9, 4))
    attend = seat(f)
    got = attend(q, k, v)
    assert got.shape == q.shape
    assert np.all(np.isfinite(got))
    np.testing.assert_array_equal(attend(q, k, v), got)  # where it draws, it draws the same


def test_a_rank_that_the_number_of_keys_bounds_is_made_smaller_and_a_number_of_directions_is_not():
    q, k, v = np.random.default_rng(0).standard_normal((3, 2, 3, 5, 4))
    for f in (fa.linformer_attention, fa.nystrom_attention):
        np.testing.assert_array_equal(seat(f, {"r": 100})(q, k, v), f(q, k, v, rank=5))
        np.testing.assert_array_equal(seat(f, {"r": 3})(q, k, v), f(q, k, v, rank=3))
    got = seat(fa.performer_attention, {"r": 100}, seed=3)(q, k, v)
    np.testing.assert_array_equal(got, fa.performer_attention(q, k, v, rank=100, rng=3))


def test_sizes_are_those_of_the_mechanism():
    with pytest.raises(ValueError, match="window_attention has no size 'r': its sizes are w"):
        seat(fa.window_attention, {"r": 3})
    with pytest.raises(ValueError, match="softmax_attention has no size 'r': it has no size to choose"):
        seat(fa.softmax_attention, {"r": 3})
    with pytest.raises(ValueError, match="window of window_attention must be positive, got 0"):
        seat(fa.window_attention, {"w": 0})


# How far


def test_what_did_not_move():
    x = np.random.default_rng(0).standard_normal((6, 4))
    found = moved(x, 3 * x)  # lengths count for nothing
    assert np.max(np.abs(found.cosines - 1)) <= ROUNDING("float64", 4)
    assert abs(found.correlation - 1) <= ROUNDING("float64", 6 * 4)
    assert found.nearest == 1
    assert found.largest == np.max(np.abs(x - 3 * x))


def test_a_turn_of_all_vectors_moves_them_and_keeps_what_they_say():
    rng = np.random.default_rng(0)
    x, turn = rng.standard_normal((6, 4)), np.linalg.qr(rng.standard_normal((4, 4)))[0]
    found = moved(x, x @ turn)
    assert found.least < 0.5
    assert abs(found.correlation - 1) <= ROUNDING("float64", 6 * 4)
    assert found.nearest == 1


def test_three_texts_by_hand():
    # Similarities of pairs (1, 2), (1, 3), (2, 3): before 1/sqrt 2, 0, 1/sqrt 2; after 1/sqrt 2, 1/sqrt 2, 0.
    before, after = [[1, 0], [1, 1], [0, 1]], [[1, 1], [1, 0], [0, 1]]
    found = moved(np.asarray(before, float), np.asarray(after, float))
    root = math.sqrt(0.5)
    near(found.cosines, np.asarray([root, root, 1.0]), 4)
    near(np.asarray(found.correlation), np.asarray(-0.5), 64)
    assert found.nearest == 2 / 3  # text 1 and 3 are nearest to 2 before; after, 2 and 3 are nearest to 1
    assert found.farthest in (0, 1)


def test_nearest_by_hand():
    before, after = [[1, 0], [1, 1.2], [0, 2], [0, 1]], [[1, 0], [1, 0.1], [0, 1], [0, 1]]
    found = moved(np.asarray(before, float), np.asarray(after, float))
    assert found.nearest == 3 / 4  # only text 2 changed its nearest, from 3 to 1


@given(seed=seeds, texts=st.integers(3, 6), c=st.integers(1, 4))
def test_every_figure_is_that_of_plain_loops(seed, texts, c):
    x, y = np.random.default_rng(seed).standard_normal((2, texts, c))
    found = moved(x, y)

    def cosine(a, b):
        return math.fsum(p * q for p, q in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))

    a, b = x.tolist(), y.tolist()
    near(found.cosines, np.asarray([cosine(*pair) for pair in zip(a, b, strict=True)]) + 0.0, 64)
    pairs = [(i, j) for i in range(texts) for j in range(i)]
    one, two = ([cosine(z[i], z[j]) for i, j in pairs] for z in (a, b))
    one, two = ([s - math.fsum(z) / len(z) for s in z] for z in (one, two))
    want = math.fsum(p * q for p, q in zip(one, two, strict=True)) / (math.hypot(*one) * math.hypot(*two) or math.nan)
    spread = min(math.hypot(*one), math.hypot(*two))
    if spread > ROUNDING("float64", 64) ** 0.5:  # below, the correlation is that of rounding
        assert abs(found.correlation - want) <= ROUNDING("float64", 64) / spread**2


@pytest.mark.parametrize("texts", [0, 1, 2])
def test_few_texts_have_no_correlation_and_no_neighbours(texts):
    x = np.ones((texts, 3))
    found = moved(x, x)
    assert found.cosines.shape == (texts,)
    assert math.isnan(found.correlation)
    assert math.isnan(found.nearest)
    assert math.isnan(found.mean) == (texts == 0)


def test_vectors_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=re.escape("must both be (texts, c), got (2, 3) and (3, 3)")):
        moved(np.ones((2, 3)), np.ones((3, 3)))


# Factors


@pytest.mark.parametrize("name", sorted({*FACTORIZATIONS, *WEIGHTED}))
def test_every_factorization_of_matrices_makes_an_encoder_and_others_are_told_why(small, name):
    f = {**FACTORIZATIONS, **WEIGHTED}[name]
    if f.record.needs != "any" or name == "axial_table":
        with pytest.raises(ValueError, match=f"{name} cannot factor weights: it takes "):
            factorization(name)
        return
    assert factorization(name) is f
    asks = "rank" in f.record.inputs
    # a rank of 3 is a rank of every method: a number of terms, of columns, or the ranks of a train
    changed = factored_encoder(small, Choice(name, 3 if asks else None, include=("encoder.*attention*",)))
    replaced = {key: w for key, w in changed.parameters.items() if isinstance(w, Factored)}
    assert set(replaced) == {key for key, w in small.parameters.items() if "attention" in key and w.ndim == 2}
    if f.record.lowrank:
        ranks = [np.linalg.matrix_rank(w.to_dense()) for w in replaced.values()]
        assert max(ranks) <= 3
    plain = {key: dense(w) for key, w in changed.parameters.items()}
    ids = np.asarray([[1, 3, 4, 2, 0]])
    near(bert(changed.parameters, ids, heads=3), bert(plain, ids, heads=3), 64**2)


def test_full_rank_changes_nothing(small):
    changed = factored_encoder(small, Choice("svd", 100))
    assert sum(isinstance(w, Factored) for w in changed.parameters.values()) == 12
    near(encode(changed, TEXTS), encode(small, TEXTS), 64**2)


def test_ranks_follow_singular_values(small):
    from factorattn.compress import ranks_for_budget
    from factorattn.factor.lowrank import rank_for_energy, rank_for_error

    matrices = {name: w for name, w in small.parameters.items() if name.startswith("encoder.") and w.ndim == 2}
    spectra = {name: np.linalg.svd(w, compute_uv=False) for name, w in matrices.items()}
    for option, value, rule in (("energy", 0.7, rank_for_energy), ("error", 0.4, rank_for_error)):
        changed = factored_encoder(small, Choice("svd", **{option: value}))
        for name, s in spectra.items():
            assert changed.parameters[name].factors[0].shape[-1] == rule(s, value)
    shapes = {name: w.shape for name, w in matrices.items()}
    wanted = ranks_for_budget(spectra, shapes, 0.8)
    assert None in wanted.values()
    changed = factored_encoder(small, Choice("svd", budget=0.8))
    for name, rank in wanted.items():
        w = changed.parameters[name]
        assert (w is small.parameters[name]) if rank is None else (w.factors[0].shape[-1] == rank)


def test_weighted_factors_are_shown_what_layers_are_given_on_other_sentences(small):
    names = ("encoder.layer.0.attention.self.query.weight", "encoder.layer.1.output.dense.weight")
    text, chapter = load_sentences()
    shown = [one for one, of in zip(text, chapter, strict=True) if of % 2]
    tokens = small.tokenizer.encode_batch(shown)
    seen = inputs_of(small, names)
    # The first layer is given rows of the tables, normalised: the same for one text alone.
    ids = np.asarray(tokens[0].ids)
    tables = ("word", "position", "token_type")
    word, position, kind = (small.parameters[f"embeddings.{table}_embeddings.weight"] for table in tables)
    x = word[ids] + position[: len(ids)] + kind[0]
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + small.epsilon)
    norm = "embeddings.LayerNorm"
    x = x * small.parameters[f"{norm}.weight"] + small.parameters[f"{norm}.bias"]
    rows = seen[names[0]]
    assert len(rows) == len(seen[names[1]]) == sum(len(text.ids) for text in tokens)
    found = [np.min(np.max(np.abs(rows - row), axis=-1)) for row in x]
    assert max(found) <= np.max(np.abs(x)) * ROUNDING("float64", 12)
    assert seen[names[1]].shape[-1] == 24
    made = factored_encoder(small, Choice("svd_llm", 4, include=names)).parameters
    for name in names:
        near(made[name].to_dense(), svd_llm(small.parameters[name], seen[name], 4).to_dense())
    with pytest.raises(ValueError, match=r"word_embeddings\.weight is a table that no row is multiplied with"):
        factored_encoder(small, Choice("asvd", 4, include=("*word*",)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "svd"}, "give exactly one of rank, energy, error, budget for svd; got none"),
        ({"method": "svd", "rank": 2, "energy": 0.5}, "for svd; got rank and energy"),
        ({"method": "toeplitz", "rank": 2}, "rank means nothing for toeplitz"),
        ({"method": "cur", "energy": 0.5}, "rank must be given for cur"),
        ({"method": "svd", "rank": 0}, "rank must be positive, got 0"),
        ({"method": "svd", "energy": 1.5}, "energy must be above 0 and at most 1, got 1.5"),
        ({"method": "svd", "error": 1.0}, "error must be at least 0 and below 1, got 1.0"),
        ({"method": "truncated"}, "did you mean"),
        ({"method": "nmf", "rank": 2}, "nmf cannot factor weights: it takes matrices without negative entries"),
    ],
)
def test_choices_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Choice(**options)


def test_patterns_must_match(small):
    with pytest.raises(ValueError, match=re.escape("'nothing*' matches no matrix")):
        factored_encoder(small, Choice("svd", 2, include=("nothing*",)))
    with pytest.raises(ValueError, match="every matrix that matches is excluded"):
        factored_encoder(small, Choice("svd", 2, exclude=("*",)))


# The study


def test_texts_of_one_length_are_encoded_without_padding_and_in_their_order(small):
    near(encode_whole(small, TEXTS), encode(small, TEXTS), 64**2)
    assert encode_whole(small, []).shape == (0, 12)
    seen = []

    def attend(q, k, v):
        seen.append(q.shape[-2])
        return v

    encode_whole(small, TEXTS, attend=attend)
    lengths = {len(text.split()) + 2 for text in TEXTS}
    assert sorted(seen) == sorted([*lengths] * 2)  # two layers


def test_a_row_for_each_change_and_for_both(small):
    mechanisms, choices = (fa.softmax_attention, fa.window_attention), (Choice("svd", 12), Choice("svd", 2))
    steps = []
    found = study(small, TEXTS, mechanisms, choices, sizes={"w": 1}, step=steps.append)
    parts = [(row.mechanism, row.factorization) for row in found.rows]
    softmax, window = "softmax_attention", "window_attention w=1"
    assert parts == [
        *((softmax, None), (window, None)),
        *((None, "svd rank 12"), (softmax, "svd rank 12"), (window, "svd rank 12")),
        *((None, "svd rank 2"), (softmax, "svd rank 2"), (window, "svd rank 2")),
    ]
    assert found.left_out == ()
    rows = {row.label: row for row in found.rows}
    for same in (softmax, "svd rank 12", f"{softmax} + svd rank 12"):
        assert abs(rows[same].moved.least - 1) <= ROUNDING("float64", 64**2)
    for other in (window, "svd rank 2", f"{window} + svd rank 2"):
        assert rows[other].moved.least < 1 - ROUNDING("float64", 64**2)
    assert rows["svd rank 2"].parameters < found.parameters == rows[window].parameters
    assert rows["svd rank 2"].flops < found.flops == rows[window].flops == 2 * (8 * 144 + 4 * 288)
    assert len(steps) == 1 + 8 + 2 * 12
    near(rows[window].vectors, encode_whole(small, TEXTS, attend=seat(fa.window_attention, {"w": 1})))


def test_a_change_that_the_texts_do_not_allow_is_left_out_with_the_reason(small):
    def broken(q, k, v, *, mask=None):
        raise ValueError("not with these")

    broken.record = fa.softmax_attention.record
    found = study(small, TEXTS, (broken, fa.softmax_attention))
    assert [row.mechanism for row in found.rows] == ["softmax_attention"]
    assert found.left_out == (("broken", "not with these"),)
