"""Facts about Performer: stability where features under- and overflow, randomness, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, performer, seeds, sizes

import factorattn as fa
from factorattn.factor.directions import DIRECTIONS
from factorattn.testing import ROUNDING

FORMS = pytest.mark.parametrize("form", fa.performer_attention.record.forms)


def weights(q, k, omega, **options):
    """The normalised weights: the output where the values are unit vectors."""
    return fa.performer_attention(q, k, np.eye(k.shape[-2]), omega, **options)


@FORMS
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_long_queries_and_keys_neither_overflow_nor_vanish(form, causal, dtype, rng):
    q, k, v, omega = (x.astype(dtype) for x in rng.standard_normal((4, 20, 16)))
    o = fa.performer_attention(50 * q, 50 * k, v, omega, causal=causal, form=form)
    assert np.all(np.isfinite(o))
    assert np.all(np.abs(o) <= np.max(np.abs(v)) * (1 + ROUNDING(dtype, 20)))  # means of values


@FORMS
def test_a_faint_first_key_does_not_drown_the_later_ones(form):
    """Log scales that grow along the sequence by thousands: each row is ruled by its newest key."""
    lengths = np.sqrt(np.arange(8.0)[::-1] * 2000)
    k = np.stack([lengths, np.zeros(8)], axis=1)
    p = weights(np.zeros((8, 2)), k, np.zeros((3, 2)), causal=True, scale=1.0, form=form)
    np.testing.assert_array_equal(p, np.eye(8))


@FORMS
def test_positive_features_give_positive_weights(form, rng):
    assert np.all(weights(*rng.standard_normal((2, 30, 4)), rng.standard_normal((8, 4)), form=form) > 0)


def test_same_seed_same_output_and_no_global_state(rng):
    q, k, v = rng.standard_normal((3, 10, 4))
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - to see that it is left alone
    first, again, other = (fa.performer_attention(q, k, v, rng=seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_same_draw_on_every_namespace(rng):
    strict = pytest.importorskip("array_api_strict")
    q, k, v = rng.standard_normal((3, 10, 4))
    there = fa.performer_attention(*(strict.asarray(x) for x in (q, k, v)), rng=3)
    here = fa.performer_attention(q, k, v, rng=3)
    assert np.max(np.abs(np.asarray(there) - here)) <= np.max(np.abs(here)) * ROUNDING(np.float64, 10)


def test_default_rank_is_d_log_d(rng):
    q, k, v = rng.standard_normal((3, 10, 16))
    np.testing.assert_array_equal(
        fa.performer_attention(q, k, v, rng=1), fa.performer_attention(q, k, v, rng=1, rank=45)
    )


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"omega": np.ones((5, 3))}, ValueError, r"axis 'd' is 4 .* but 3 in omega \(5, 3\)"),
        ({"omega": np.ones((5, 4)), "rank": 6}, ValueError, r"axis 'r' is 5 in omega \(5, 4\) but 6 in rank=6"),
        ({"omega": np.ones((5, 4)), "rng": 0}, ValueError, "rng must be None where omega is given"),
        ({"rank": 0}, ValueError, "rank must be a positive integer, got 0"),
        ({"rank": 2.5}, ValueError, "rank must be a positive integer, got 2.5"),
        ({"scale": -1.0}, ValueError, "scale must be positive, got -1.0"),
        (
            {"features": "cosine"},
            ValueError,
            "features must be 'positive' or .* or 'hyperbolic' or 'relu' or .* or 'identity', got 'cosine'",
        ),
        ({"features": ["relu"]}, ValueError, r"features must be .*, got \['relu'\]"),
        ({"epsilon": 0.1}, ValueError, "epsilon belongs to generalized features, and 'positive' are none"),
        ({"features": "relu", "epsilon": np.nan}, ValueError, "epsilon must be finite, got nan"),
        ({"directions": "random"}, ValueError, "directions must be 'orthogonal' or 'iid' or 'hadamard', got 'random'"),
        ({"length": 2}, ValueError, "length must be 'normal' or 'constant', got 2"),
        ({"omega": np.ones((5, 4)), "directions": "iid"}, ValueError, "directions must be None where omega is given"),
        ({"omega": np.ones((5, 4)), "length": "normal"}, ValueError, "length must be None where omega is given"),
        ({"mask": np.ones((6, 6), dtype=bool)}, ValueError, "mask must hide a key from all queries or from none"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        fa.performer_attention(*np.ones((3, 6, 4)), **options)


@FORMS
@pytest.mark.parametrize("causal", [False, True])
def test_a_hidden_key_of_any_length_neither_counts_nor_drowns_the_others(form, causal, rng):
    """Its log scale is thousands above theirs; if it counted for the maximum, they would all vanish."""
    q, k, v, omega = rng.standard_normal((4, 6, 4))
    shown = np.array([True, False, True, True, False, True])
    want = fa.performer_attention(q, k[shown], v[shown], omega, form=form)
    k[~shown] = 1e3 * omega[0]
    for hidden in (k[1], np.full(4, np.nan)):
        k[~shown] = hidden
        got = fa.performer_attention(q, k, v, omega, mask=shown, causal=causal, form=form)
        rows = [5] if causal else slice(None)  # the last one sees them all
        assert np.max(np.abs(got - want)[rows]) <= np.max(np.abs(want)) * ROUNDING(np.float64, 6)


@FORMS
def test_where_every_key_is_hidden_rows_are_zero(form, rng):
    o = fa.performer_attention(*rng.standard_normal((3, 5, 4)), rng=0, mask=np.zeros(5, dtype=bool), form=form)
    np.testing.assert_array_equal(o, np.zeros((5, 4)))


@pytest.mark.parametrize("directions", ["orthogonal", "iid", "hadamard"])
@pytest.mark.parametrize("length", ["normal", "constant"])
def test_directions_are_drawn_as_asked(directions, length, rng):
    q, k, v = rng.standard_normal((3, 10, 4))
    omega = DIRECTIONS[directions](6, 4, rng=3, length=length)
    np.testing.assert_array_equal(
        fa.performer_attention(q, k, v, rank=6, rng=3, directions=directions, length=length),
        fa.performer_attention(q, k, v, omega),
    )


def test_what_is_left_out_is_orthogonal_and_of_normal_length(rng):
    q, k, v = rng.standard_normal((3, 10, 4))
    np.testing.assert_array_equal(
        fa.performer_attention(q, k, v, rng=3),
        fa.performer_attention(q, k, v, rng=3, directions="orthogonal", length="normal"),
    )


@FORMS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_generalized_exponentials_of_long_vectors_neither_overflow_nor_vanish(form, dtype, rng):
    q, k, v, omega = (x.astype(dtype) for x in rng.standard_normal((4, 20, 16)))
    o = fa.performer_attention(50 * q, 50 * k, v, omega, features="exp", form=form)
    assert np.all(np.isfinite(o))
    assert np.all(np.abs(o) <= np.max(np.abs(v)) * (1 + ROUNDING(dtype, 20)))


def test_identity_features_without_projection_are_plain_products(rng):
    """Generalized attention with omega = I and epsilon = 0: two keys by hand."""
    q, k, v = np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[3.0], [6.0]])
    o = fa.performer_attention(q, k, v, np.eye(2), features="identity", epsilon=0.0, scale=1.0)
    np.testing.assert_allclose(o, [[(1 * 3 + 2 * 6) / 3]], rtol=ROUNDING(np.float64, 2))


@pytest.mark.parametrize("form", fa.performer_attention.record.forms)
@settings(deadline=None)
@given(
    n=sizes,
    m=sizes,
    d=sizes,
    e=sizes,
    r=sizes,
    seed=seeds,
    features=st.sampled_from(["positive", "hyperbolic", "relu", "exp", "sigmoid", "abs"]),
    causal=st.booleans(),
    masked=st.booleans(),
    scale=st.none() | st.floats(0.1, 2),
)
def test_performer_attention_with_positive_features_is_the_paper(
    form, n, m, d, e, r, seed, features, causal, masked, scale
):
    q, k, v, omega, chance = draw(seed, (n, d), (m, d), (m, e), (r, d), (m,))
    options = {"features": features, "causal": causal, "scale": scale}
    shown = chance > -0.5 if masked else None
    got = fa.performer_attention(q, k, v, omega, mask=shown, form=form, **options)
    want = performer.performer_attention(*lists(q, k, v, omega), shown=shown, **options)
    agree(got, want, d + m + r)


@FORMS
@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_epsilon_is_added_to_generalized_features(form, epsilon):
    q, k, v, omega = draw(7, (6, 3), (8, 3), (8, 2), (5, 3))
    got = fa.performer_attention(q, k, v, omega, features="relu", epsilon=epsilon, form=form)
    agree(got, performer.performer_attention(*lists(q, k, v, omega), features="relu", epsilon=epsilon), 3 + 8 + 5)


@FORMS
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("features", ["trigonometric", "cos", "tanh", "identity"])
def test_performer_attention_with_features_of_either_sign_is_the_paper(form, features, causal):
    q, k, v, omega = draw(5, (6, 3), (8, 3), (8, 2), (64, 3))  # enough features for denominators well away from zero
    got = fa.performer_attention(q, k, v, omega, features=features, causal=causal, form=form)
    want = performer.performer_attention(*lists(q, k, v, omega), features=features, causal=causal)
    agree(got, want, 3 + 8 + 64)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("features", ["positive", "hyperbolic"])
@pytest.mark.parametrize(("dtype", "size"), [(np.float64, 80), (np.float32, 20)])
def test_rows_at_the_edge_of_the_range_are_the_same_in_every_form(causal, features, dtype, size):
    """Products of features there underflow: what is left of their digits depends on the order of computation."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        q, k, v, omega = (
            rng.standard_normal(shape).astype(dtype) for shape in ((70, 64), (150, 64), (150, 5), (266, 64))
        )
        parallel, *others = (
            fa.performer_attention(size * q, size * k, v, omega, features=features, causal=causal, form=form)
            for form in fa.performer_attention.record.forms
        )
        for other in others:
            assert np.max(np.abs(other - parallel)) <= np.max(np.abs(parallel)) * ROUNDING(dtype, size * 150)
