"""What a call costs at given sizes."""

import pytest

from factorattn import mechanism
from factorattn.attention import CATALOGUE
from factorattn.complexity import cost
from factorattn.complexity.cost import tally_of
from factorattn.contract import parse

SIZES = {"n": 12, "m": 10, "d": 4, "e": 3, "r": 5, "w": 2, "g": 1}


@mechanism(
    inputs="q: ... n d, k: ... m d, bias?: n m, rank = r, picks: g of n",
    forms=("plain", "twice"),
    time="n*m*d",
    memory="n*m",
    causal="never",
    refuses={"mask": "it has none of these", "causal": "it has none of these"},
    normalised=False,
    paper="none2000",
)
def example(q, k, bias=None, *, rank, picks, form="plain"):
    """A product, an optional sum, an exponential of every entry, and `rank` doublings of the picked rows."""
    xp = q.__array_namespace__()
    a = q @ k.mT + bias  # (..., n, m)
    a = xp.exp(a)
    rows = a[..., : len(picks), :]
    for _ in range(rank):
        rows = rows + rows
    return a if form == "plain" else xp.concat([a, a], axis=-2)


def test_operations_by_kind_bytes_and_peak_are_those_counted_by_hand():
    counted = cost(example, SIZES)
    assert counted.by_kind == {"contract": 2 * 12 * 10 * 4, "elementwise": 12 * 10 + 5 * 10, "transcendental": 120}
    assert counted.flops == sum(counted.by_kind.values())
    product, add, exponential, doubling = 4 * (48 + 40 + 120), 4 * 3 * 120, 4 * 2 * 120, 5 * 4 * 3 * 10
    assert counted.moved == product + add + exponential + doubling
    assert counted.peak == 4 * 2 * 120


@pytest.mark.parametrize("batch", [(2,), (3, 2), (1,)])
def test_leading_axes_multiply_operations(batch):
    members = 1
    for size in batch:
        members *= size
    assert cost(example, SIZES, batch=batch).flops == members * cost(example, SIZES).flops
    assert cost(example, SIZES, batch=batch).peak == members * cost(example, SIZES).peak


@pytest.mark.parametrize(("dtype", "size"), [("float16", 2), ("float32", 4), ("float64", 8)])
def test_the_dtype_sets_bytes_and_leaves_operations(dtype, size):
    counted, usual = cost(example, SIZES, dtype=dtype), cost(example, SIZES)
    assert counted.flops == usual.flops
    assert (4 * counted.moved, 4 * counted.peak) == (size * usual.moved, size * usual.peak)


def test_options_reach_the_function():
    assert cost(example, SIZES, form="twice").moved == cost(example, SIZES).moved + 2 * 4 * 2 * 120
    with pytest.raises(TypeError, match="no_such_option"):
        cost(example, SIZES, no_such_option=1)


def test_sizes_of_other_letters_are_ignored():
    assert cost(example, {**SIZES, "z": 10**9}) == cost(example, SIZES)


@pytest.mark.parametrize(("without", "missing"), [("d", "d"), ("m", "m"), ("r", "r"), ("g", "g"), ("nd", "n, d")])
def test_letters_without_a_size_are_named(without, missing):
    sizes = {letter: size for letter, size in SIZES.items() if letter not in without}
    with pytest.raises(ValueError, match=f"^example needs a size for {missing}; its inputs are "):
        cost(example, sizes)


def test_inputs_are_not_held_and_results_are():
    tally = tally_of(example, SIZES, dtype="float32", batch=(), options={})
    assert tally.held_at_peak == {4 * 120: 2}


@pytest.mark.parametrize("f", CATALOGUE.values(), ids=CATALOGUE.keys())
def test_every_form_of_every_mechanism_has_a_cost_and_kinds_add_up(f):
    letters = {letter for item in parse(f.record.inputs) for letter in item.axes}
    sizes = {letter: SIZES.get(letter, 2) for letter in letters}
    for form in f.record.forms:
        counted = cost(f, sizes, **({"form": form} if len(f.record.forms) > 1 else {}))
        assert counted.flops == sum(counted.by_kind.values()) > 0
        assert counted.moved > 0
        assert counted.peak > 0


def test_a_million_positions_are_counted_without_memory():
    n = 2**20
    counted = cost(CATALOGUE["softmax_attention"], {"n": n, "m": n, "d": 64, "e": 64})
    assert counted.by_kind["contract"] == 2 * n * n * 128
