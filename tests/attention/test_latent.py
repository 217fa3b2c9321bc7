"""Facts about multi-head latent attention."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, latent, lists, seeds

import factorattn as fa
from factorattn.complexity import evaluate
from factorattn.testing import ROUNDING

FORMS = fa.latent_attention.record.forms
small = st.integers(1, 4)


def weights(seed, *, c=8, p=4, h=3, d=4, r=3, e=5, f=2):
    return draw(seed, (p, c), (h, d, p), (r, c), (h, d, r), (h, e, r), (h, c, e), (h, f, p), (f, c))


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    n=small, m=small, h=small, d=small, e=small, c=small, p=small, r=small, f=small, seed=seeds, causal=st.booleans(),
    biased=st.booleans(), hidden=st.booleans(), other=st.booleans(), compressed=st.booleans(), turning=st.booleans(),
    scale=st.none() | st.floats(-2, 2), base=st.floats(2, 1e5), layout=st.sampled_from(["interleaved", "halves"]),
)  # fmt: skip
def test_latent_attention_is_the_paper(
    form, n, m, h, d, e, c, p, r, f, seed, causal, biased, hidden, other, compressed, turning, scale, base, layout
):  # fmt: skip
    m, p = m if other else n, p if compressed else c
    x, y, bias = draw(seed, (n, c), (m, c), (h, n, m))
    given = weights(seed + 1, c=c, p=p, h=h, d=d, r=r, e=e, f=f)
    given[0] = given[0] if compressed else None
    given[6:] = given[6:] if turning else [None, None]
    given.append(y if other else None)
    bias = bias if biased else None
    mask = np.random.default_rng(seed).random((h, n, m)) < 0.7 if hidden else None
    options = {"causal": causal, "scale": scale, "base": base, "layout": layout}
    got = fa.latent_attention(x, *given, mask=mask, bias=bias, form=form, **options)
    want = latent.latent_attention(*lists(x, *given), mask=mask, bias=bias, **options)
    # sums of sums: logits grow with every size, and a softmax passes their rounding on
    agree(got, want, h * d * e * c * p * r * (n + m))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("table", [None, (9,), (1, 9), (3, 1, 9), (2, 1, 1, 9)])
def test_steps_of_a_decoder_are_the_rows_of_the_whole(form, table, rng):
    y, given = rng.standard_normal((2, 9, 8)), weights(0)
    options = {} if table is None else {"bias": rng.standard_normal(table), "mask": rng.random(table) < 0.8}
    whole = fa.latent_attention(y, *given, causal=True, form=form, **options)
    for rows in (1, 3):
        step = fa.latent_attention(y[:, -rows:], *given, y=y, causal=True, form=form, **options)
        assert np.max(np.abs(step - whole[:, -rows:])) <= np.max(np.abs(whole)) * ROUNDING(np.float64, 8**3)


@pytest.mark.parametrize("form", FORMS)
def test_a_token_is_known_by_its_latent_vector_and_its_rotated_key_alone(form, rng):
    # Table 1 of the paper: the cache of a token and layer is d_c + d_h^R numbers. Whatever else the token holds, it
    # does not reach the output.
    given = weights(0, c=12, r=3, f=2)
    x, y = draw(1, (4, 12), (9, 12))
    kept = np.concatenate([given[2], given[7]])  # W^DKV and W^KR: (3 + 2, c)
    unseen = np.linalg.svd(kept)[2][5:]  # an orthonormal basis of what they send to zero
    moved = y + 10 * rng.standard_normal((9, 7)) @ unseen
    got, want = (fa.latent_attention(x, *given, y=tokens, form=form) for tokens in (moved, y))
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 12**3) * 10


def test_cache_of_the_published_models():
    # Tables 1 and 9 of the paper, numbers a token: what grows with m when nothing is expanded.
    small, large = ({"r": 512, "f": 64} for _ in range(2))
    assert evaluate("r + f", small) * 27 == 15_552  # printed as 15.6K
    assert evaluate("r + f", large) * 60 == 34_560  # printed as 34.6K
    assert 2 * 16 * 128 * 27 == 110_592  # multi-head attention of the same models, printed as 110.6K and 860.2K
    assert 2 * 56 * 128 * 60 == 860_160
    assert 512 + 64 == 2 * 128 * 2.25  # as many as 2.25 groups of grouped-query attention


def test_attending_to_latent_vectors_holds_neither_keys_nor_values():
    sizes = {"n": 1, "h": 128, "d": 128, "e": 128, "c": 5120, "p": 1536, "r": 512, "f": 64}  # DeepSeek-V2

    def growth(form):
        more, less = (fa.cost(fa.latent_attention, {**sizes, "m": m}, form=form) for m in (2**13, 2**12))
        return (more.peak - less.peak) / 2**12 / 4, (more.flops - less.flops) / 2**12  # a token: numbers, operations

    absorbed, explicit = growth("absorbed"), growth("explicit")
    assert absorbed[0] <= 2 * (512 + 64)  # both parts, and the two side by side
    assert explicit[0] >= 128 * (128 + 64 + 128)
    compression = 2 * 5120 * (512 + 64)  # once for each token, and then cached
    assert explicit[1] - compression > 100 * (absorbed[1] - compression)


@pytest.mark.parametrize("form", FORMS)
def test_queries_without_compression_take_tokens(form, rng):
    x, given = rng.standard_normal((5, 8)), weights(0)
    whole = [given[1] @ given[0], given[6] @ given[0]]  # W^UQ W^DQ and W^QR W^DQ
    got = fa.latent_attention(x, None, whole[0], *given[2:6], whole[1], given[7], form=form)
    want = fa.latent_attention(x, *given, form=form)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 8**3)


@pytest.mark.parametrize("form", FORMS)
def test_only_distances_matter(form, rng):
    # The same tokens after a prefix that the mask hides: positions move, distances do not.
    x, given = rng.standard_normal((5, 8)), weights(0)
    late = np.concatenate([rng.standard_normal((50, 8)), x])
    got = fa.latent_attention(x, *given, y=late, mask=np.arange(55)[None, :] >= 50, form=form)
    want = fa.latent_attention(x, *given, form=form)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 55**2)


def test_nonsense_is_refused_by_name():
    x, given = np.ones((3, 8)), weights(0)
    with pytest.raises(ValueError, match="w_qr and w_kr must be given together"):
        fa.latent_attention(x, *given[:7])
    with pytest.raises(ValueError, match="w_qr and w_kr must be given together"):
        fa.latent_attention(x, *given[:6], None, given[7])
    with pytest.raises(ValueError, match="axis 'c' is 8 in x"):
        fa.latent_attention(x, None, *given[1:])
    with pytest.raises(ValueError, match="axis 'r' is 3 in w_dkv"):
        fa.latent_attention(x, *given[:3], np.ones((3, 4, 4)), *given[4:])
    with pytest.raises(ValueError, match="layout must be"):
        fa.latent_attention(x, *given, layout="mixed")
