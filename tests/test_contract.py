"""One string says what a function takes: it is parsed, holds arguments, words the errors and samples valid inputs."""

import re
from types import MappingProxyType

import array_api_compat.numpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from libraries import LIBRARIES, TORCH

from factorattn.contract import Item, check, choose, parse, sample, working_precision
from factorattn.interpret.counting import counting

ATTENTION = "q: ... n d, k: ... m d, v: ... m e"
EVERYTHING = "q: ... n d, omega?: r d, rank? = r, window = w, picks: g of n"

letters = st.sampled_from("ndmerwgh")
names = st.from_regex(r"[a-z]\w{0,6}", fullmatch=True)
lengths = st.integers(0, 6)
batches = st.lists(st.integers(1, 4), max_size=3).map(tuple)


def zeros(*shape):
    return np.zeros(shape)


def exactly(text):
    """A regular expression for all of a message."""
    return f"^{re.escape(text)}$"


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@st.composite
def items(draw):
    kind = draw(st.sampled_from(["array", "size", "positions"]))
    if kind == "array":
        axes, batched = tuple(draw(st.lists(letters, min_size=1, max_size=3, unique=True))), draw(st.booleans())
    else:
        count = 1 if kind == "size" else 2
        axes, batched = tuple(draw(st.lists(letters, min_size=count, max_size=count))), False
    return Item(draw(names), kind, axes, batched, draw(st.booleans()))


def written(item):
    separator = " of " if item.kind == "positions" else " "
    return (
        f"{item.name}{'?' * item.optional}{' =' if item.kind == 'size' else ':'} "
        f"{'... ' * item.batched}{separator.join(item.axes)}"
    )


class TestParse:
    def test_a_contract_is_split_into_its_items(self):
        assert parse(EVERYTHING) == (
            Item("q", "array", ("n", "d"), batched=True, optional=False),
            Item("omega", "array", ("r", "d"), batched=False, optional=True),
            Item("rank", "size", ("r",), batched=False, optional=True),
            Item("window", "size", ("w",), batched=False, optional=False),
            Item("picks", "positions", ("g", "n"), batched=False, optional=False),
        )

    @settings(deadline=None)
    @given(st.lists(items(), min_size=1, max_size=5))
    def test_whatever_can_be_written_is_read_back(self, wanted):
        assert parse(", ".join(map(written, wanted))) == tuple(wanted)

    @pytest.mark.parametrize("item", ["", "q", "q n d", "q:", "q; n d", "q: n-d", "q?? : n", "two words: n", "q: n(d)"])
    def test_an_ill_formed_item_is_refused_and_quoted(self, item):
        told = f"contract item must look like 'q: ... n d', 'rank = r' or 'picks: g of n', got {item!r}"
        with pytest.raises(ValueError, match=exactly(told)):
            parse(f"x: n, {item}")


class TestCheck:
    def test_it_returns_the_namespace_and_every_size(self, xp):
        q, k, v = (xp.zeros(shape, dtype=xp.float32) for shape in ((2, 4, 3), (5, 3), (1, 5, 6)))
        assert check(ATTENTION, q=q, k=k, v=v) == (xp, {"n": 4, "d": 3, "m": 5, "e": 6})

    def test_plain_sizes_need_no_array(self):
        assert check("rank = r", rank=3) == (None, {"r": 3})

    def test_empty_axes_are_allowed(self):
        assert check(ATTENTION, q=zeros(0, 3), k=zeros(5, 3), v=zeros(5, 0))[1] == {"n": 0, "d": 3, "m": 5, "e": 0}

    def test_a_size_may_be_any_integer_type(self):
        size = check("rank = r", rank=np.int8(3))[1]["r"]
        assert size == 3
        assert type(size) is int

    @pytest.mark.parametrize("picks", [(), (0,), (4, 2, 0), [1, 3], np.asarray([3, 0]), range(5)])
    def test_positions_may_be_any_sequence_of_distinct_integers(self, picks):
        assert check("x: n, picks: g of n", x=zeros(5), picks=picks)[1] == {"n": 5, "g": len(picks)}

    def test_optional_arguments_may_be_left_out(self):
        given = {"q": zeros(4, 3), "window": 2, "picks": (1,)}
        assert check(EVERYTHING, **given, omega=None, rank=None)[1] == {"n": 4, "d": 3, "w": 2, "g": 1}

    def test_optional_arguments_are_checked_where_given(self):
        told = f"axis 'd' is 3 in q (4, 3) but 2 in omega (7, 2); expected {EVERYTHING}"
        with pytest.raises(ValueError, match=exactly(told)):
            check(EVERYTHING, q=zeros(4, 3), omega=zeros(7, 2), rank=None, window=2, picks=(1,))

    def test_a_size_binds_the_letter_of_an_axis(self):
        told = f"axis 'r' is 7 in omega (7, 3) but 6 in rank=6; expected {EVERYTHING}"
        with pytest.raises(ValueError, match=exactly(told)):
            check(EVERYTHING, q=zeros(4, 3), omega=zeros(7, 3), rank=6, window=2, picks=(1,))

    def test_the_number_of_positions_binds_a_letter(self):
        contract = "x: n, a: g of n, b: g of n"
        told = f"axis 'g' is 2 in a=(0, 1) but 1 in b=(3,); expected {contract}"
        with pytest.raises(ValueError, match=exactly(told)):
            check(contract, x=zeros(4), a=(0, 1), b=[3])

    def test_axes_that_disagree_are_named_with_both_shapes(self):
        told = f"axis 'd' is 3 in q (4, 3) but 2 in k (2, 5, 2); expected {ATTENTION}"
        with pytest.raises(ValueError, match=exactly(told)):
            check(ATTENTION, q=zeros(4, 3), k=zeros(2, 5, 2), v=zeros(5, 6))

    def test_an_axis_that_disagrees_within_one_array_is_told(self):
        with pytest.raises(ValueError, match=exactly("axis 'n' is 3 in x (3, 4) but 4 in x (3, 4); expected x: n n")):
            check("x: n n", x=zeros(3, 4))

    @pytest.mark.parametrize(
        ("contract", "shape", "told"),
        [
            ("x: n d", (3,), "x needs shape (n, d), got (3,); expected x: n d"),
            ("x: n d", (2, 3, 4), "x needs shape (n, d), got (2, 3, 4); expected x: n d"),
            ("x: ... n d", (3,), "x needs shape (..., n, d), got (3,); expected x: ... n d"),
            ("x: n", (), "x needs shape (n), got (); expected x: n"),
        ],
    )
    def test_a_wrong_number_of_axes_is_told(self, contract, shape, told):
        with pytest.raises(ValueError, match=exactly(told)):
            check(contract, x=zeros(*shape))

    @pytest.mark.parametrize("value", [[[1.0, 2.0]], 3.0, "q", None])
    def test_what_is_no_array_is_refused(self, value):
        told = f"q must be an array (NumPy, CuPy, torch, ...), got {type(value).__name__}"
        with pytest.raises(TypeError, match=exactly(told)):
            check("q: n d", q=value)

    @pytest.mark.parametrize("second", LIBRARIES)
    @pytest.mark.parametrize("first", LIBRARIES)
    def test_libraries_do_not_mix(self, first, second):
        one, other = (pytest.importorskip(name) for name in (first, second))
        q, k = one.zeros((4, 3)), other.zeros((5, 3))
        if one is other:
            assert check("q: n d, k: m d", q=q, k=k)[0] is one
            return
        is_a, but_a = (name.removeprefix("array_api_compat.") for name in (first, second))
        told = (
            f"q is a {is_a} array but k is a {but_a} array; "
            "give all of one library: nothing is moved between libraries silently"
        )
        with pytest.raises(TypeError, match=exactly(told)):
            check("q: n d, k: m d", q=q, k=k)

    @pytest.mark.parametrize("kind", ["bool", "int32", "int64", "complex64"])
    def test_only_real_floating_dtypes_are_taken(self, xp, kind):
        x = xp.zeros((2,), dtype=getattr(xp, kind))
        told = f"x must have a real floating dtype, got {x.dtype}; convert it first, e.g. to float32"
        with pytest.raises(TypeError, match=exactly(told)):
            check("x: n", x=x)

    def test_devices_do_not_mix(self):
        strict = pytest.importorskip("array_api_strict")
        here, there = strict.Device("CPU_DEVICE"), strict.Device("device1")
        q, k = strict.zeros((4, 3), device=here), strict.zeros((5, 3), device=there)
        told = f"q is on device {here} but k on {there}; move one of them: nothing is moved between devices silently"
        with pytest.raises(ValueError, match=exactly(told)):
            check("q: n d, k: m d", q=q, k=k)
        assert check("q: n d, k: m d", q=strict.zeros((4, 3), device=there), k=k)[0] is strict

    def test_batch_axes_that_do_not_broadcast_are_listed(self):
        with pytest.raises(ValueError, match=exactly("batch axes must broadcast, got q (2,), k (3, 1), v (3,)")):
            check(ATTENTION, q=zeros(2, 4, 3), k=zeros(3, 1, 5, 3), v=zeros(3, 5, 6))

    def test_batch_axes_of_an_array_without_named_axes_must_broadcast_too(self):
        with pytest.raises(ValueError, match=exactly("batch axes must broadcast, got x (3,), y (2,)")):
            check("x: ..., y: ... n", x=zeros(3), y=zeros(2, 4))

    @pytest.mark.parametrize("value", [0, -1, 2.0, True, "3", None, (3,), np.zeros(2)])
    def test_a_size_that_is_no_positive_integer_is_refused(self, value):
        with pytest.raises(ValueError, match=exactly(f"rank must be a positive integer, got {value!r}")):
            check("rank = r", rank=value)

    @pytest.mark.parametrize("value", [(1, 1), (-1,), (4,), (0.0,), ("a",), 3, None, (1, None)])
    def test_positions_that_are_not_distinct_integers_within_the_axis_are_refused(self, value):
        with pytest.raises(ValueError, match=exactly(f"picks must be distinct integers in 0 .. 3, got {value!r}")):
            check("x: n, picks: g of n", x=zeros(4), picks=value)

    def test_a_boolean_is_no_position_just_as_it_is_no_size(self):
        with pytest.raises(ValueError, match=r"^picks must be distinct integers in 0 \.\. 3, got \(True, False\)$"):
            check("x: n, picks: g of n", x=zeros(4), picks=(True, False))

    def test_positions_that_can_be_read_only_once_are_refused(self):
        with pytest.raises(ValueError, match="picks must be"):
            check("x: n, picks: g of n", x=zeros(4), picks=iter((1, 2)))

    def test_values_are_never_looked_at(self):
        counts = counting()
        assert check("x: n", x=counts.empty((3,))) == (counts, {"n": 3})

    @pytest.mark.peers
    def test_arrays_without_values_of_other_libraries_are_checked_too(self):
        torch = pytest.importorskip("torch")
        assert check("x: n d", x=torch.empty((2, 3), device="meta"))[1] == {"n": 2, "d": 3}

    @settings(deadline=None)
    @given(st.data())
    def test_batches_are_accepted_just_where_they_broadcast(self, data):
        q, k, v = (data.draw(batches) for _ in range(3))
        arguments = {"q": zeros(*q, 2, 3), "k": zeros(*k, 4, 3), "v": zeros(*v, 4, 1)}
        try:
            np.broadcast_shapes(q, k, v)
        except ValueError:
            with pytest.raises(ValueError, match="batch axes must broadcast"):
                check(ATTENTION, **arguments)
        else:
            check(ATTENTION, **arguments)

    @settings(deadline=None)
    @given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3))
    def test_batches_that_broadcast_are_accepted(self, shapes):
        q, k, v = shapes.input_shapes
        _, size = check(ATTENTION, q=zeros(*q, 2, 3), k=zeros(*k, 4, 3), v=zeros(*v, 4, 1))
        assert size == {"n": 2, "d": 3, "m": 4, "e": 1}


class TestSample:
    @settings(deadline=None)
    @given(st.data(), batches, st.booleans())
    def test_a_sample_satisfies_its_contract_and_has_the_sizes_asked_for(self, data, batch, optional):
        sizes = {letter: data.draw(st.integers(1, 6)) for letter in "ndrw"}
        sizes["g"] = data.draw(st.integers(0, sizes["n"]))
        drawn = sample(EVERYTHING, np.random.default_rng(0), sizes, batch=batch, optional=optional)
        assert ("omega" in drawn) == ("rank" in drawn) == optional
        assert drawn["q"].shape[:-2] == batch
        xp, size = check(EVERYTHING, **{"omega": None, "rank": None, **drawn})
        assert xp is array_api_compat.numpy
        assert size == (sizes if optional else {letter: sizes[letter] for letter in "ndwg"})

    @settings(deadline=None)
    @given(st.data(), st.sampled_from(["q", "k", "v"]), st.integers(0, 1))
    def test_one_axis_too_long_is_refused_unless_no_other_argument_has_it(self, data, name, axis):
        sizes = {letter: data.draw(st.integers(1, 6)) for letter in "nmde"}
        drawn = sample(ATTENTION, np.random.default_rng(0), sizes)
        drawn[name] = np.concatenate([drawn[name], drawn[name].take([0], axis=axis)], axis=axis)
        letter = {"q": "nd", "k": "md", "v": "me"}[name][axis]
        if letter in "ne":
            assert check(ATTENTION, **drawn)[1] == {**sizes, letter: sizes[letter] + 1}
        else:
            with pytest.raises(ValueError, match=f"^axis '{letter}' is "):
                check(ATTENTION, **drawn)

    def test_arrays_without_dots_have_no_batch(self):
        drawn = sample("a: ... n, b: n", np.random.default_rng(0), {"n": 4}, batch=(2, 3))
        assert (drawn["a"].shape, drawn["b"].shape) == ((2, 3, 4), (4,))

    def test_the_same_seed_draws_the_same(self):
        one, other = (
            sample(EVERYTHING, np.random.default_rng(7), {"n": 5, "d": 2, "r": 3, "w": 1, "g": 2}) for _ in range(2)
        )
        assert one["picks"] == other["picks"]
        np.testing.assert_array_equal(one["q"], other["q"])

    def test_positions_are_sorted_plain_integers(self):
        picks = sample("x: n, picks: g of n", np.random.default_rng(0), {"n": 50, "g": 20})["picks"]
        assert list(picks) == sorted(set(picks))
        assert all(type(pick) is int for pick in picks)


class TestChoose:
    OPTIONS = MappingProxyType({"dense": 1, "online": 2})

    @pytest.mark.parametrize("value", OPTIONS)
    def test_it_returns_the_entry_that_is_named(self, value):
        assert choose(self.OPTIONS, form=value) == self.OPTIONS[value]

    @pytest.mark.parametrize("value", ["Dense", "", None, 1, ["dense"]])
    def test_anything_else_is_refused_with_the_list_of_entries(self, value):
        with pytest.raises(ValueError, match=exactly(f"form must be 'dense' or 'online', got {value!r}")):
            choose(self.OPTIONS, form=value)


class TestWorkingPrecision:
    @pytest.mark.parametrize(
        ("dtypes", "result", "compute"),
        [
            (("float16",), "float16", "float32"),
            (("float16", "float16"), "float16", "float32"),
            (("float32", "float16"), "float32", "float32"),
            (("float32",), "float32", "float32"),
            (("float32", "float64"), "float64", "float64"),
            (("float16", "float64", "float32"), "float64", "float64"),
        ],
    )
    @pytest.mark.parametrize("library", ["array_api_compat.numpy", TORCH])
    def test_results_keep_the_dtype_and_are_computed_in_float32_at_least(self, library, dtypes, result, compute):
        xp = pytest.importorskip(library)
        arrays = [xp.ones((2,), dtype=getattr(xp, dtype)) for dtype in dtypes]
        dtype, cast = working_precision(*arrays, xp=xp)
        assert dtype == getattr(xp, result)
        assert [x.dtype for x in cast] == [getattr(xp, compute)] * len(arrays)

    @pytest.mark.peers
    @pytest.mark.parametrize(
        ("other", "result"), [("bfloat16", "bfloat16"), ("float16", "float32"), ("float32", "float32")]
    )
    def test_bfloat16_is_computed_in_float32(self, other, result):
        xp = pytest.importorskip("array_api_compat.torch")
        arrays = xp.ones((2,), dtype=xp.bfloat16), xp.ones((2,), dtype=getattr(xp, other))
        dtype, cast = working_precision(*arrays, xp=xp)
        assert dtype == getattr(xp, result)
        assert {x.dtype for x in cast} == {xp.float32}

    def test_arrays_that_need_no_conversion_are_not_copied(self, xp):
        x = xp.ones((2,), dtype=xp.float32)
        assert working_precision(x, x, xp=xp)[1][1] is x
