"""Laws of all adapters: they start as W, train what they declare, merge, and can be taken out again."""

import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn import compress
from factorattn.complexity import evaluate
from factorattn.compress import ADAPTERS
from factorattn.factor.factored import Factored, times
from factorattn.interpret.counting import counting
from factorattn.testing import ROUNDING

FROM_W = ("milora", "olora", "pissa")  # what is trained is taken from W, and put back with a rounding
RANKS = {"dora": None, "loha": lambda r, x, y: r * r, "lokr": lambda r, x, y: min(x, y) * r}  # others: r
SHAPES = [(6, 8), (8, 6), (5, 5), (1, 4), (4, 1), (1, 1)]


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@pytest.fixture(params=sorted(ADAPTERS))
def name(request):
    return request.param


def make(name, w, rank=2, **options):
    return ADAPTERS[name](w, rank, **options) if name in FROM_W else ADAPTERS[name](w, rank, rng=3, **options)


def draw(*shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def after_training(adapter, xp, seed=1):
    """The same adapter with all trained arrays drawn anew."""
    rng = np.random.default_rng(seed)
    return adapter.trained(
        **{n: xp.asarray(rng.standard_normal(tuple(x.shape)), dtype=x.dtype) for n, x in adapter.trainable.items()}
    )


def near(got, want, dtype, length, scale=None):
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    size = np.max(np.abs(want), initial=0.0) if scale is None else scale
    assert np.max(np.abs(got.astype("float64") - want), initial=0.0) <= size * ROUNDING(dtype, length)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_starts_as_the_weights(xp, name, shape, dtype):
    if not hasattr(xp, dtype):
        pytest.skip(f"{xp.__name__} has no {dtype}")
    w = draw(*shape, dtype=dtype)
    adapter = make(name, xp.asarray(w))
    assert isinstance(adapter, Factored)
    assert adapter.shape == shape
    assert str(adapter.dtype).endswith("float64" if dtype == "float64" else "float32")
    if name in FROM_W:
        near(adapter.merge(), w, "float64" if dtype == "float64" else "float32", max(shape))
    else:
        np.testing.assert_array_equal(np.asarray(adapter.merge()), w)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_it_trains_as_many_numbers_as_it_declares(name, shape, rank):
    if name in FROM_W and rank > min(shape):
        pytest.skip("there are no more triplets than the shorter side is long")
    adapter = make(name, draw(*shape), rank)
    sizes = {"p": shape[0], "q": shape[1], "r": rank}
    if name == "lokr":
        sizes |= {"x": adapter.c.shape[0], "y": adapter.c.shape[1]}
    declared = evaluate(ADAPTERS[name].record.trainable, sizes)
    assert adapter.trainable_parameters == sum(x.size for x in adapter.trainable.values()) == declared
    kept = adapter.trainable_parameters + sum(x.size for x in adapter.frozen.values())
    assert adapter.parameters == kept


def test_a_product_is_that_of_the_merged_weights(xp, name):
    w, x = draw(6, 8), draw(8, 5, seed=2)
    adapter = after_training(make(name, xp.asarray(w)), xp)
    merged = np.asarray(adapter.merge())
    assert np.max(np.abs(merged - w)) > ROUNDING("float64", 8) * np.max(np.abs(w))  # something was trained
    size = np.max(np.abs(merged)) * np.max(np.abs(x))
    near(adapter @ xp.asarray(x), merged @ x, "float64", 8, size)
    near(adapter.matvec(xp.asarray(x[:, 0].copy())), merged @ x[:, 0], "float64", 8, size)
    near(adapter.rmatvec(xp.asarray(x[:6, 0].copy())), merged.T @ x[:6, 0], "float64", 8, size)
    near(times(xp.asarray(x.T.copy()), adapter.mT), x.T @ merged.T, "float64", 8, size)
    near(adapter.rows(xp.asarray(np.array([4, 0, 4]))), merged[[4, 0, 4]], "float64", 8)
    near(adapter.mT.to_dense(), merged.T, "float64", 8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_merged_can_be_taken_apart_and_the_adapter_is_as_it_was(xp, name, dtype):
    w = draw(6, 8, dtype=dtype)
    adapter = after_training(make(name, xp.asarray(w)), xp)
    frozen = np.array(np.asarray(adapter.w))
    merged = adapter.merge()
    again = adapter.unmerge(merged)
    size = max(np.max(np.abs(frozen)), np.max(np.abs(np.asarray(merged)))) + abs(getattr(adapter, "scale", 1.0)) * 30
    near(again, frozen, dtype, 8, size)
    np.testing.assert_array_equal(np.asarray(adapter.w), frozen)
    np.testing.assert_array_equal(np.asarray(adapter.merge()), np.asarray(merged))
    for _ in range(3):  # as if each epoch merged, and unmerged what was merged
        np.testing.assert_array_equal(np.asarray(adapter.unmerge(adapter.merge())), np.asarray(again))


def test_merging_into_float16_loses_what_float16_cannot_hold(name):
    w = draw(6, 8, dtype="float16")
    adapter = after_training(make(name, w), np)
    merged = adapter.merge(np.float16)
    assert merged.dtype == np.float16
    lost = np.abs(adapter.unmerge(merged) - adapter.w)
    assert np.max(lost) > ROUNDING("float32", 8) * np.max(np.abs(merged))  # no rounding of float32 is as large
    if name != "dora":  # whose columns are stretched again
        assert np.all(lost <= np.finfo("float16").eps * np.abs(merged.astype("float64")))


def test_the_update_has_no_more_than_its_rank(name):
    w = draw(24, 20)
    bound = RANKS.get(name, lambda r, x, y: r)
    adapter = after_training(make(name, w, 2), np)
    difference = adapter.merge() - adapter.w
    rank = np.linalg.matrix_rank(difference)
    if bound is None:
        assert rank == 20  # lengths of columns change all of W
    else:
        x, y = adapter.c.shape if name == "lokr" else (0, 0)
        assert rank == bound(2, x, y)


def test_two_draws_of_one_seed_are_one_on_every_library(xp, name):
    w = draw(6, 8)
    one, other = make(name, w), make(name, xp.asarray(w))
    if name not in FROM_W:
        for key, x in (one.trainable | one.frozen).items():
            np.testing.assert_array_equal(np.asarray((other.trainable | other.frozen)[key]), x)


@pytest.mark.parametrize("shape", [(6, 8), (2, 6, 8)])
def test_declared_operations_are_counted(name, shape):
    if len(shape) > 2 and "..." not in ADAPTERS[name].record.inputs:
        pytest.skip("no batch")
    xp = counting()
    adapter, x = make(name, xp.empty(shape)), xp.empty((*shape[:-2], shape[-1]))
    xp.tally.start()
    assert adapter.matvec(x).shape == shape[:-1]
    assert adapter.flops == xp.tally.flops


def test_a_batch_is_adapted_member_by_member(xp, name):
    if "..." not in ADAPTERS[name].record.inputs:
        pytest.skip("no batch")
    w, x = draw(2, 3, 6, 8), draw(2, 3, 8, seed=2)
    adapter = after_training(make(name, xp.asarray(w)), xp)
    merged, y = np.asarray(adapter.merge()), np.asarray(adapter.matvec(xp.asarray(x)))
    for at in np.ndindex(2, 3):
        parts = {n: xp.asarray(np.asarray(v)[at]) for n, v in adapter.trainable.items()}
        base = make(name, xp.asarray(w[at]))
        alone = base.trained(**parts)
        near(merged[at] - np.asarray(adapter.w)[at], np.asarray(alone.merge()) - np.asarray(base.w), "float64", 8, 30)
        near(y[at], merged[at] @ x[at], "float64", 8, np.max(np.abs(merged)) * np.max(np.abs(x)))


@pytest.mark.parametrize(
    ("size", "dtype"), [(1e30, "float32"), (1e-30, "float32"), (1e150, "float64"), (1e-150, "float64")]
)
def test_weights_of_any_size(name, size, dtype):
    w = (draw(6, 8) * size).astype(dtype)
    near(make(name, w).merge(), w, dtype, 8)


@pytest.mark.parametrize("w", [np.zeros((4, 3)), np.ones((4, 3)), 1 / (1.0 + np.add.outer(np.arange(4), np.arange(3)))])
def test_zero_constant_and_hilbert_matrices(name, w):
    near(make(name, w).merge(), w, "float64", 4)
    assert all(np.all(np.isfinite(x)) for x in make(name, w).arrays())


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_empty_weights(xp, name, shape):
    adapter = make(name, xp.asarray(np.zeros(shape)))
    assert adapter.merge().shape == shape
    assert adapter.matvec(xp.asarray(np.zeros(shape[1]))).shape == shape[:1]


def test_complex_weights(name):
    w = draw(6, 8) + 1j * draw(6, 8, seed=1)
    adapter = make(name, w)
    near(adapter.merge().real, w.real, "float64", 8, 3)
    near(adapter.merge().imag, w.imag, "float64", 8, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(name, bad):
    w = draw(6, 8)
    w[2, 5] = bad
    with pytest.raises(ValueError, match=r"w must be finite, but holds .* at \(2, 5\)"):
        make(name, w)


def test_bad_input_is_refused_by_name(name):
    w = draw(6, 8)
    for rank in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="rank must be a positive integer"):
            make(name, w, rank)
    with pytest.raises(ValueError, match=r"w needs shape"):
        make(name, draw(6))
    with pytest.raises(TypeError, match="w must have a real floating dtype"):
        make(name, np.ones((6, 8), dtype=int))
    adapter = make(name, w)
    with pytest.raises(ValueError, match=r"trains .*; got 'w'"):
        adapter.trained(w=w)
    first = next(iter(adapter.trainable))
    with pytest.raises(ValueError, match=f"{first} must have shape"):
        adapter.trained(**{first: draw(9, 9, 9)})
    with pytest.raises(ValueError, match=r"merged must have shape \(6, 8\), got \(8, 6\)"):
        adapter.unmerge(w.T)


def test_the_registry_holds_all_and_finds_them():
    assert set(ADAPTERS) == {"adalora", "dora", "loha", "lokr", "lora", "milora", "olora", "pissa", "rslora", "vera"}
    assert set(compress.WEIGHTED) == {"albert", "asvd", "svd_llm"}
    assert compress.find("lora") is compress.lora
    assert compress.find("svd_llm") is compress.svd_llm
    with pytest.raises(ValueError, match="did you mean lora"):
        compress.find("lorra")
