"""Counting: every function gives the shape and dtype that NumPy gives, and costs what is counted here by hand."""

import gc
import operator
from collections import Counter

import array_api_compat.numpy as xnp
import numpy as np
import pytest

from factorattn.interpret.counting import OPERATORS, Array, NeedsValues, counting
from factorattn.interpret.counting_complex import COMPLEX
from factorattn.interpret.counting_fft import FFT
from factorattn.interpret.counting_linalg import LINALG
from factorattn.interpret.counting_rules import FUNCTIONS

INPUTS = {
    "x": ((3, 4), "float32"),
    "y": ((5, 1, 4), "float32"),
    "z": ((2, 3, 4), "float64"),
    "h": ((3, 4), "float16"),
    "s": ((), "float32"),
    "t": ((4, 3), "float32"),
    "u": ((2, 4, 5), "float32"),
    "w": ((1, 3, 1), "float32"),
    "i": ((3, 4), "int32"),
    "l": ((4,), "int64"),
    "b": ((3, 4), "bool"),
    "c": ((5, 1, 4), "bool"),
    "none": ((0, 4), "float32"),
    "cs": ((3, 4), "complex64"),
    "cd": ((5, 1, 4), "complex128"),
}
FLOATS = ["exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin",
          "acos", "atan", "reciprocal"]  # fmt: skip
NUMBERS = ["negative", "positive", "abs", "square", "sign", "floor", "ceil", "round", "trunc"]
PAIRS = ["add", "subtract", "multiply", "maximum", "minimum", "pow", "floor_divide", "remainder"]
FLOAT_PAIRS = ["divide", "atan2", "hypot", "logaddexp"]
COMPARE = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
CALLS = {
    **{name: [f"xp.{name}({x})" for x in ("x", "y", "z", "h", "s", "none")] for name in FLOATS},
    **{name: [f"xp.{name}({x})" for x in ("x", "z", "h", "s", "i", "l")] for name in NUMBERS},
    **{name: [f"xp.{name}({pair})" for pair in ("x, y", "x, z", "x, h", "i, l", "i, i", "s, y", "none, y", "z, w")]
       for name in PAIRS},
    **{name: [f"xp.{name}({pair})" for pair in ("x, y", "x, z", "x, h", "s, y")] for name in FLOAT_PAIRS},
    **{name: [f"xp.{name}({pair})" for pair in ("x, y", "x, z", "i, l")] for name in COMPARE},
    **{f"logical_{name}": [f"xp.logical_{name}(b, c)", f"xp.logical_{name}(b, b)"] for name in ("and", "or", "xor")},
    "logical_not": ["xp.logical_not(b)", "xp.logical_not(c)"],
    **{name: [f"xp.{name}(x)", f"xp.{name}(y)"] for name in ("isfinite", "isnan", "isinf")},
    "clip": ["xp.clip(x, 0.0, 1.0)", "xp.clip(i, 0, 7)", "xp.clip(x, min=0.0)", "xp.clip(x, max=x)"],
    **{name: [f"xp.{name}({x}{axis}{keep})" for x in ("x", "z", "h") for keep in ("", ", keepdims=True")
              for axis in ("", ", axis=0", ", axis=-1", ", axis=(0, 1)", ", axis=()")]
       for name in ("sum", "prod", "max", "min", "mean")},
    **{name: [f"xp.{name}(b)", f"xp.{name}(b, axis=0)", f"xp.{name}(c, axis=(0, -1), keepdims=True)", f"xp.{name}(x)"]
       for name in ("all", "any")},
    **{name: [f"xp.{name}(l)", f"xp.{name}(x, axis=0)", f"xp.{name}(z, axis=-1)", f"xp.{name}(i, axis=1)",
              f"xp.{name}(x, axis=0, dtype=xp.float64)"] for name in ("cumulative_sum", "cumulative_prod")},
    "where": ["xp.where(b, x, y)", "xp.where(c, x, 0.0)", "xp.where(b, -xp.inf, z)", "xp.where(b, i, 0)",
              "xp.where(b, h, x)"],
    "matmul": ["xp.matmul(x, t)", "xp.matmul(z, t)", "xp.matmul(x, u)", "xp.matmul(z, u)", "xp.matmul(h, t)",
               "xp.matmul(none, t)"],
    "reshape": ["xp.reshape(x, (2, 6))", "xp.reshape(x, (-1,))", "xp.reshape(z, (4, -1, 2))", "xp.reshape(s, (1, 1))",
                "xp.reshape(none, (4, 0))"],
    "permute_dims": ["xp.permute_dims(z, (2, 0, 1))", "xp.permute_dims(z, (0, -1, 1))", "xp.permute_dims(x, (1, 0))"],
    "matrix_transpose": ["xp.matrix_transpose(x)", "xp.matrix_transpose(z)"],
    "broadcast_to": ["xp.broadcast_to(x, (2, 3, 4))", "xp.broadcast_to(w, (5, 3, 2))", "xp.broadcast_to(s, (3,))"],
    "expand_dims": [f"xp.expand_dims(x, axis={axis})" for axis in (0, 1, 2, -1, -2, -3)],
    "squeeze": ["xp.squeeze(y, axis=1)", "xp.squeeze(w, axis=(0, 2))", "xp.squeeze(w, axis=-1)"],
    "concat": ["xp.concat([x, x], axis=0)", "xp.concat([x, h, z[0, :, :]], axis=-1)", "xp.concat((none, x), axis=0)"],
    "stack": [f"xp.stack([x, h], axis={axis})" for axis in (0, 1, 2, -1, -2, -3)],
    "unstack": ["xp.unstack(x, axis=0)[1]", "xp.unstack(z, axis=-1)[0]"],
    "take": ["xp.take(x, l % 3, axis=0)", "xp.take(z, l % 2, axis=-1)"],
    "moveaxis": ["xp.moveaxis(z, 0, -1)", "xp.moveaxis(z, (0, 1), (1, 2))"],
    **{name: [f"xp.{name}(x)", f"xp.{name}(z, axis=0)", f"xp.{name}(l)", f"xp.{name}(none, axis=0)"]
       for name in ("sort", "argsort")},
    **{name: [f"xp.{name}(x)", f"xp.{name}(z, axis=1)", f"xp.{name}(z, axis=-1, keepdims=True)", f"xp.{name}(l)"]
       for name in ("argmax", "argmin")},
    "count_nonzero": ["xp.count_nonzero(b)", "xp.count_nonzero(x, axis=-1)",
                      "xp.count_nonzero(z, axis=0, keepdims=True)"],
    "searchsorted": ["xp.searchsorted(l, l)", "xp.searchsorted(x[0, :], z)"],
    "take_along_axis": ["xp.take_along_axis(x, i % 3, axis=0)", "xp.take_along_axis(x, i[:, :2] % 3, axis=1)",
                        "xp.take_along_axis(z, i[None, ...] % 2, axis=0)", "xp.take_along_axis(x, i % 3)"],
    "repeat": ["xp.repeat(x, 2)", "xp.repeat(z, 3, axis=1)", "xp.repeat(none, 2, axis=-1)"],
    "flip": ["xp.flip(x, axis=0)", "xp.flip(z)"],
    "roll": ["xp.roll(x, 1, axis=0)", "xp.roll(z, 2)"],
    "tril": ["xp.tril(x)", "xp.tril(z, k=1)"],
    "triu": ["xp.triu(x)", "xp.triu(z, k=-1)"],
    "astype": ["xp.astype(x, xp.float64)", "xp.astype(i, xp.float32)", "xp.astype(x, xp.float32, copy=False)",
               "xp.astype(b, xp.float32)"],
    "asarray": ["xp.asarray(x)", "xp.asarray(x, dtype=xp.float64)", "xp.asarray(x, copy=True)",
                "xp.asarray([1.0, 2.0])", "xp.asarray(3, dtype=xp.int32)", "xp.asarray([[True], [False]])"],
    **{name: [f"xp.{name}((2, 3))", f"xp.{name}(4)", f"xp.{name}((), dtype=xp.int32)", f"xp.{name}((0, 2))"]
       for name in ("empty", "zeros", "ones")},
    "full": ["xp.full((2, 3), 1.0)", "xp.full(4, 0.5, dtype=xp.float32)", "xp.full((2,), True)", "xp.full((2,), 3)"],
    **{name: [f"xp.{name}(x)", f"xp.{name}(z, dtype=xp.int32)", f"xp.{name}(b)"]
       for name in ("empty_like", "zeros_like", "ones_like")},
    "full_like": ["xp.full_like(x, 2.0)", "xp.full_like(i, 2)", "xp.full_like(i, 2, dtype=xp.float32)"],
    "arange": ["xp.arange(5)", "xp.arange(2, 9)", "xp.arange(2, 9, 3)", "xp.arange(9, 2, -2)", "xp.arange(3, 2)",
               "xp.arange(5, dtype=xp.float32)", "xp.arange(0.0, 1.0, 0.25)"],
    "eye": ["xp.eye(3)", "xp.eye(3, 4)", "xp.eye(2, dtype=xp.float32)", "xp.eye(3, k=1)"],
    **{name: [f"xp.{name}(cs)", f"xp.{name}(cd)"] for name in COMPLEX},
    "result_type": ["xp.result_type(x, z)", "xp.result_type(x, h)", "xp.result_type(i, l)", "xp.result_type(x, 2.0)",
                    "xp.result_type(xp.float32, z)"],
    "isdtype": ["xp.isdtype(x.dtype, 'real floating')", "xp.isdtype(i.dtype, ('bool', 'integral'))",
                "xp.isdtype(b.dtype, 'numeric')", "xp.isdtype(x.dtype, xp.float32)"],
    "finfo": ["xp.finfo(xp.float32)", "xp.finfo(x)", "xp.finfo(z.dtype)"],
}  # fmt: skip
OPERATIONS = [
    *(f"x {sign} y" for sign in ("+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=")),
    *(f"z {sign} x" for sign in ("+", "-", "*", "/")),
    *(f"{a} {sign} {b}" for sign in ("+", "-", "*", "/", "**") for a, b in (("2.0", "x"), ("x", "2"), ("h", "0.5"))),
    *("l + 1", "2 * i", "1 - l", "i // 2", "l % 3", "2 ** l", "i * 0.5", "b & c", "b | c", "b ^ c", "~b", "b & True"),
    *(f"{pair[0]} {sign} {pair[1]}" for sign in "+-*/"
      for pair in (("cs", "cd"), ("cs", "x"), ("y", "cd"), ("z", "cs"), ("cs", "2.0"))),
    *("-cs", "+cd", "abs(cs)", "abs(cd)", "cs == cd", "cs != x", "cs @ t", "x @ cs.mT", "cd @ cs.mT", "2 / cs"),
    *(f"xp.{name}({c})" for c in ("cs", "cd")
      for name in ("square", "reciprocal", "sum", "mean", "prod", "isfinite", "all")),
    *("xp.cumulative_sum(cd, axis=0)", "xp.cumulative_prod(cs, axis=-1)", "xp.where(b, cs, x)", "xp.where(b, cs, 0.0)"),
    *("xp.astype(x, xp.complex64)", "xp.zeros((2,), dtype=xp.complex64)", "xp.stack([cs, x])", "xp.result_type(cs, z)"),
    *("xp.isdtype(cs.dtype, 'complex floating')", "xp.isdtype(x.dtype, 'complex floating')"),
    *("z @ t", "x @ u", "-x", "+x", "abs(x)", "abs(-i)", "x < 0.5", "3 > i", "x == 1", "b == c"),
]  # fmt: skip
INDICES = ["x[0, :]", "x[..., 0]", "x[1:, :2]", "x[:, None, :]", "z[..., ::-1]", "z[-1, 1:2, ...]", "x[0, 0]", "s[...]",
           "z[:, 5:, :]", "x[::2, 3:0:-2]", "z[0, ...][None, ...]", "x.mT", "z.mT", "x.T"]  # fmt: skip
EVERY_CALL = [*(call for calls in CALLS.values() for call in calls), *OPERATIONS, *INDICES]

# Functions of the standard that have no rule, and why. A function that is neither here nor in the rules fails a test.
WITHOUT_RULE = {
    "the shape of the result depends on values": "nonzero unique_all unique_counts unique_inverse unique_values",
    "dtypes that no mechanism computes in": "int8 int16 uint8 uint16 uint32 uint64",
    "bits of integers": "bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor",
    "search in sets: nothing needs it": "isin",
    "rare functions of entries": "acosh asinh atanh copysign nextafter signbit",
    "written with those that have rules": "broadcast_arrays diff linspace meshgrid std tensordot tile var vecdot",
    "about dtypes and libraries, not arrays": "broadcast_shapes can_cast iinfo from_dlpack __array_namespace_info__ "
    "__array_api_version__",
    "array_api_strict's own": "Device set_array_api_strict_flags get_array_api_strict_flags "
    "reset_array_api_strict_flags ArrayAPIStrictFlags __version__",
}
LINALG_WITHOUT_RULE = {
    "other factorizations": "eig eigvals eigvalsh svdvals",
    "determinants, powers and rank": "det matrix_power matrix_rank slogdet",
    "written with those that have rules": "cross diagonal matmul matrix_norm matrix_transpose outer tensordot trace "
    "vecdot",
}


def arrays(xp):
    """The inputs of calls: without values, or NumPy's, all ones."""
    return {name: xp.ones(shape, dtype=getattr(xp, dtype)) for name, (shape, dtype) in INPUTS.items()}


def evaluate(call, xp):
    return eval(call, {"xp": xp, **arrays(xp)})


def spent(f, *shapes, dtype="float32"):
    """The tally of ``f(xp, arrays)``."""
    xp = counting()
    given = [xp.empty(shape, dtype=getattr(xp, dtype)) for shape in shapes]
    xp.tally.start()
    f(xp, *given)
    return xp.tally


@pytest.mark.parametrize("call", EVERY_CALL)
def test_shape_and_dtype_are_those_of_numpy(call):
    with np.errstate(all="ignore"):
        want = evaluate(call, xnp)
    got = evaluate(call, counting())
    if isinstance(want, np.ndarray | np.generic):
        assert isinstance(got, Array)
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        assert (got.ndim, got.size, got.nbytes) == (want.ndim, want.size, want.nbytes)
    elif call.startswith("xp.finfo"):
        for name in ("bits", "eps", "max", "min", "smallest_normal"):
            assert getattr(got, name) == getattr(want, name)
    else:
        assert got == want


@pytest.mark.parametrize("call", ["i & 3", "l | i", "l ^ 1", "~i", "xp.logical_and(i, l)"])
def test_boolean_operators_on_integers_are_right_or_refused(call):
    try:
        got = evaluate(call, counting())
    except NotImplementedError:
        return
    assert got.dtype == evaluate(call, xnp).dtype


def test_every_rule_and_every_operator_is_held_against_numpy():
    assert set(CALLS) == set(FUNCTIONS)
    assert set(LINALG) == set(FACTORIZATIONS) | {"svd"}  # below
    assert {f"__{name}__" for name in OPERATORS} <= set(dir(Array))


@pytest.mark.parametrize(
    "call",
    [
        "x + t", "xp.add(y, u)", "xp.matmul(x, x)", "x @ u.mT", "xp.reshape(x, (5, 2))", "xp.reshape(x, (5, -1))",
        "xp.broadcast_to(x, (3, 5))", "xp.broadcast_to(x, (4,))", "xp.squeeze(x, axis=0)", "xp.permute_dims(z, (0, 1))",
        "xp.permute_dims(z, (0, 1, 1))", "xp.concat([x, t], axis=0)", "xp.concat([x, z], axis=0)", "xp.stack([x, t])",
        "xp.sum(x, axis=2)", "xp.max(x, axis=-3)", "xp.expand_dims(x, axis=4)", "xp.squeeze(w, axis=3)", "xp.max(none)",
        "xp.where(b, x, t)", "x[3, 0]", "x[0, 0, 0]", "z.T", "xp.take(x, l, axis=2)",
    ],
)  # fmt: skip
def test_what_numpy_refuses_is_refused(call):
    errors = (ValueError, IndexError, AttributeError)
    if call != "z.T":  # NumPy reverses all axes; the standard has .T for matrices only
        with pytest.raises(errors):
            evaluate(call, xnp)
    with pytest.raises((*errors, NotImplementedError)):
        evaluate(call, counting())


def test_every_function_of_the_standard_has_a_rule_or_a_reason_for_having_none():
    strict = pytest.importorskip("array_api_strict")
    without = Counter(" ".join(WITHOUT_RULE.values()).split())
    assert max(without.values()) == 1
    have = {name for name in strict.__all__ if name in FUNCTIONS or name in dir(counting())}
    assert have | set(without) == set(strict.__all__)
    assert not have & set(without)


def test_every_function_of_fourier_transforms_has_a_rule():
    fft = pytest.importorskip("array_api_strict").fft
    assert set(fft.__all__) == set(FFT)


def test_every_function_of_linear_algebra_has_a_rule_or_a_reason_for_having_none():
    linalg = pytest.importorskip("array_api_strict").linalg
    without = set(" ".join(LINALG_WITHOUT_RULE.values()).split())
    assert set(linalg.__all__) <= set(LINALG) | without
    assert all(hasattr(linalg, name) for name in without)
    assert not without & set(LINALG)


@pytest.mark.parametrize("name", [name for name in " ".join(WITHOUT_RULE.values()).split() if name[0] != "_"])
def test_a_function_without_a_rule_raises_and_is_named(name):
    with pytest.raises(NotImplementedError, match=rf"^counting has no rule for xp\.{name}$"):
        getattr(counting(), name)


def test_a_function_of_linear_algebra_without_a_rule_raises_and_is_named():
    with pytest.raises(NotImplementedError, match=r"^counting has no rule for xp\.linalg\.det$"):
        _ = counting().linalg.det
    with pytest.raises(NotImplementedError, match=r"^counting has no rule for xp\.fft\.dct$"):
        _ = counting().fft.dct
    with pytest.raises(NotImplementedError, match="full_matrices=True"):
        evaluate("xp.linalg.svd(x)", counting())
    with pytest.raises(NotImplementedError, match=r"matmul of vectors: \(4,\) @ \(4, 3\)"):
        evaluate("l @ t", counting())


@pytest.mark.parametrize("ask", [bool, float, int, complex, operator.index])
def test_a_value_cannot_be_asked_for(ask):
    with pytest.raises(NeedsValues, match="depends on values"):
        ask(counting().empty((), dtype=xnp.float32))


@pytest.mark.parametrize("index", ["x[b]", "x[l]", "x[0, l]", "x[b[0, :], :]"])
def test_indexing_by_an_array_needs_its_values(index):
    with pytest.raises(NeedsValues, match="use take"):
        evaluate(index, counting())


@pytest.mark.parametrize("index", [[0, 1], np.asarray([0, 1]), np.asarray([True, False, True]), (0, [1, 2])])
def test_indexing_by_a_list_or_an_array_of_another_library_is_no_view_and_is_refused(index):
    with pytest.raises((TypeError, IndexError)):
        counting().empty((3, 4))[index]


@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "**", "@", "<"])
@pytest.mark.parametrize("other", ["np.ones(4, dtype='float32')", "np.float32(2)", "'text'", "None", "1j"])
def test_operators_do_not_mix_arrays_with_anything_but_python_numbers(other, sign):
    for call in (f"x {sign} {other}", f"{other} {sign} x"):
        with pytest.raises(TypeError):
            eval(call, {"np": np, "x": counting().empty((3, 4), dtype=np.dtype("float32"))})


def test_an_array_that_could_not_be_made_leaves_no_trace():
    xp = counting()
    with pytest.raises(TypeError, match="not understood"):
        xp.empty((2,), dtype="no such dtype")
    gc.collect()
    assert xp.tally.live == 0


def test_there_is_one_device():
    xp = counting()
    x = xp.empty((2,), device="counting")
    assert x.to_device(x.device) is x
    with pytest.raises(ValueError, match=r"^device must be 'counting', got 'gpu'$"):
        x.to_device("gpu")


# Counts by hand: x is (3, 4), y is (5, 1, 4), t is (4, 6), all of float32 (4 bytes).
HAND = {
    "broadcast": (lambda xp, x, y, t: x + y, {"elementwise": 60}, 4 * (12 + 20 + 60)),
    "scalar": (lambda xp, x, y, t: 2.0 * x, {"elementwise": 12}, 4 * (12 + 12)),
    "exp": (lambda xp, x, y, t: xp.exp(x), {"transcendental": 12}, 4 * (12 + 12)),
    "matmul": (lambda xp, x, y, t: x @ t, {"contract": 2 * 3 * 6 * 4}, 4 * (12 + 24 + 18)),
    "batch": (lambda xp, x, y, t: y @ t, {"contract": 2 * 5 * 6 * 4}, 4 * (20 + 24 + 30)),
    "sum": (lambda xp, x, y, t: xp.sum(x), {"reduce": 12}, 4 * (12 + 1)),
    "rows": (lambda xp, x, y, t: xp.max(x, axis=-1), {"reduce": 12}, 4 * (12 + 3)),
    "mean": (lambda xp, x, y, t: xp.mean(y, axis=(0, 1)), {"reduce": 20}, 4 * (20 + 4)),
    "scan": (lambda xp, x, y, t: xp.cumulative_sum(x, axis=0), {"reduce": 12}, 4 * (12 + 12)),
    "compare": (lambda xp, x, y, t: x < y, {}, 4 * (12 + 20) + 60),
    "any": (lambda xp, x, y, t: xp.any(x < 0.0, axis=0), {}, (4 * 12 + 12) + (12 + 4)),
    "where": (lambda xp, x, y, t: xp.where(x < 0.0, x, -xp.inf), {}, (48 + 12) + (12 + 48 + 48)),
    "concat": (lambda xp, x, y, t: xp.concat([x, x], axis=0), {}, 2 * 4 * 24),
    "stack": (lambda xp, x, y, t: xp.stack([x, x, x]), {}, 2 * 4 * 36),
    "astype": (lambda xp, x, y, t: xp.astype(x, xp.float64), {}, 12 * (4 + 8)),
    "cast to itself": (lambda xp, x, y, t: xp.astype(x, xp.float32, copy=False), {}, 0),
    "tril": (lambda xp, x, y, t: xp.tril(x), {}, 2 * 4 * 12),
    "views": (lambda xp, x, y, t: xp.reshape(x[1:, None, :].mT, (8,))[..., None], {}, 0),
    "unstack": (lambda xp, x, y, t: xp.unstack(x, axis=1)[3], {}, 0),
    "broadcast_to": (lambda xp, x, y, t: xp.broadcast_to(xp.squeeze(y, axis=1), (7, 5, 4)), {}, 0),
    "permute": (lambda xp, x, y, t: xp.expand_dims(xp.permute_dims(y, (2, 0, 1)), axis=0), {}, 0),
    "svd": (lambda xp, x, y, t: xp.linalg.svd(x, full_matrices=False), {"decompose": 6 * 4 * 3**2 + 20 * 3**3},
            4 * (12 + 9 + 3 + 12)),
    "two steps": (lambda xp, x, y, t: xp.exp(x @ t - 1.0), {"contract": 144, "elementwise": 18, "transcendental": 18},
                  4 * (12 + 24 + 18) + 4 * 36 + 4 * 36),
    "nothing": (lambda xp, x, y, t: xp.exp(x[:0, :]), {}, 0),
    "fill": (lambda xp, x, y, t: xp.full((3, 4), 2.0, dtype=xp.float32), {}, 48),
    "zeros": (lambda xp, x, y, t: xp.zeros_like(x), {}, 48),
    "count up": (lambda xp, x, y, t: xp.arange(6, dtype=xp.int64), {}, 48),
    "no fill": (lambda xp, x, y, t: xp.empty((3, 4), dtype=xp.float32), {}, 0),
    "take": (lambda xp, x, y, t: xp.take(x, xp.empty((7,), dtype=xp.int64), axis=1), {}, 2 * 4 * 21 + 8 * 7),
}  # fmt: skip


@pytest.mark.parametrize(("program", "kinds", "moved"), HAND.values(), ids=HAND.keys())
def test_operations_and_bytes_moved_are_those_counted_by_hand(program, kinds, moved):
    tally = spent(program, (3, 4), (5, 1, 4), (4, 6))
    assert tally.by_kind == kinds
    assert tally.flops == sum(kinds.values())
    assert tally.moved == moved


@pytest.mark.parametrize(
    ("shape", "operations"),
    [((5, 3), 6 * 5 * 9 + 20 * 27), ((3, 5), 6 * 5 * 9 + 20 * 27), ((2, 5, 3), 2 * (6 * 5 * 9 + 20 * 27)), ((0, 3), 0)],
)
def test_a_thin_singular_value_decomposition_costs_by_its_longer_and_shorter_side(shape, operations):
    parts = []
    tally = spent(lambda xp, a: parts.extend(xp.linalg.svd(a, full_matrices=False)), shape)
    want = np.linalg.svd(np.ones(shape), full_matrices=False)
    assert [part.shape for part in parts] == [part.shape for part in want]
    assert tally.flops == operations


# Operations by hand for batches of two matrices of order 3 (tall: 5 x 3), Golub and Van Loan.
FACTORIZATIONS = {
    "cholesky": (lambda xp, a, b, c: xp.linalg.cholesky(a), 2 * 27 / 3),
    "eigh": (lambda xp, a, b, c: xp.linalg.eigh(a), 2 * 9 * 27),
    "inv": (lambda xp, a, b, c: xp.linalg.inv(a), 2 * 2 * 27),
    "solve": (lambda xp, a, b, c: xp.linalg.solve(a, b), 2 * (2 * 27 / 3 + 2 * 9 * 4)),
    "qr": (lambda xp, a, b, c: xp.linalg.qr(c), 2 * (4 * 5 * 9 - 4 * 27 / 3)),
    "pinv": (lambda xp, a, b, c: xp.linalg.pinv(c), 2 * (6 * 5 * 9 + 20 * 27 + 5 * 3 + 2 * 5 * 3 * 3)),
    "vector_norm": (lambda xp, a, b, c: xp.linalg.vector_norm(c, axis=-1), 2 * (5 * 3 + 5 * 3 + 5)),
}


@pytest.mark.parametrize(("call", "operations"), FACTORIZATIONS.values(), ids=FACTORIZATIONS)
def test_linear_algebra_has_the_shapes_of_numpy_and_the_operations_of_the_book(call, operations):
    shapes, kept = ((2, 3, 3), (2, 3, 4), (2, 5, 3)), []
    tally = spent(lambda xp, *arrays: kept.append(call(xp, *arrays)), *shapes)
    a, b, c = (np.random.default_rng(0).standard_normal(shape).astype("float32") for shape in shapes)
    want = call(xnp, a @ a.mT, b, c)
    pairs = zip(kept[0], want, strict=True) if isinstance(want, tuple) else [(kept[0], want)]
    assert all((got.shape, got.dtype) == (one.shape, one.dtype) for got, one in pairs)
    assert tally.flops == operations


TRANSFORMS = [
    *(f"xp.fft.{name}({x})" for name in ("fft", "ifft", "irfft", "hfft") for x in ("cs", "cd, axis=0, n=3", "cd, n=8")),
    *(f"xp.fft.{name}({x})" for name in ("rfft", "ihfft") for x in ("x", "z, axis=1", "y, axis=0, n=8", "t, n=2")),
    *(f"xp.fft.{name}({x})" for name in ("fftn", "ifftn")
      for x in ("cs", "cd, axes=(0, -1)", "cd, s=(3, 2), axes=(2, 0)")),
    *("xp.fft.rfftn(x)", "xp.fft.rfftn(z, axes=(2, 0))", "xp.fft.rfftn(z, s=(5, 6), axes=(0, 1), norm='ortho')"),
    *("xp.fft.irfftn(cs)", "xp.fft.irfftn(cd, axes=(0, 2))"),
    "xp.fft.irfftn(cs, s=(5, 6), axes=(0, 1), norm='forward')",
    *("xp.fft.fftfreq(5)", "xp.fft.rfftfreq(5, d=0.5)", "xp.fft.rfftfreq(8, dtype=xp.float32)"),
    *("xp.fft.fftshift(x)", "xp.fft.ifftshift(cd, axes=(0, 1))", "xp.fft.fftshift(z, axes=0)"),
]  # fmt: skip


@pytest.mark.parametrize("call", TRANSFORMS)
def test_fourier_transforms_have_the_shapes_and_dtypes_of_numpy(call):
    want, got = evaluate(call, xnp), evaluate(call, counting())
    assert (got.shape, got.dtype) == (want.shape, want.dtype)


def test_every_fourier_transform_is_held_against_numpy():
    assert all(any(f".{name}(" in call for call in TRANSFORMS) for name in FFT)


# Operations by hand for c (3, 16) complex and x (3, 16) real: 5 n log2(n) each, or half of it.
@pytest.mark.parametrize(
    ("call", "operations"),
    [
        (lambda xp, c, x: xp.fft.fft(c), 3 * 5 * 16 * 4),
        (lambda xp, c, x: xp.fft.ifft(c, n=8), 3 * 5 * 8 * 3),
        (lambda xp, c, x: xp.fft.fft(c, axis=0, n=4), 16 * 5 * 4 * 2),
        (lambda xp, c, x: xp.fft.fft(c, axis=0), 16 * 24),  # 5 * 3 * log2(3) is 23.77...
        (lambda xp, c, x: xp.fft.fft(c, n=1), 0),
        (lambda xp, c, x: xp.fft.rfft(x), 3 * 5 * 16 * 4 // 2),
        (lambda xp, c, x: xp.fft.irfft(c, n=16), 3 * 5 * 16 * 4 // 2),
        (lambda xp, c, x: xp.fft.irfft(c[:, :9]), 3 * 5 * 16 * 4 // 2),
        (lambda xp, c, x: xp.fft.hfft(c[:, :9]), 3 * 5 * 16 * 4 // 2),
        (lambda xp, c, x: xp.fft.ihfft(x), 3 * 5 * 16 * 4 // 2),
        (lambda xp, c, x: xp.fft.fftn(c, s=(4, 16), axes=(0, 1)), 5 * 64 * 6),
        (lambda xp, c, x: xp.fft.ifftn(c, axes=(1,)), 3 * 5 * 16 * 4),
        (lambda xp, c, x: xp.fft.rfftn(x, s=(4, 16), axes=(0, 1)), 5 * 64 * 6 // 2),
        (lambda xp, c, x: xp.fft.irfftn(c, s=(4, 16), axes=(0, 1)), 5 * 64 * 6 // 2),
        (lambda xp, c, x: xp.fft.fftshift(xp.fft.fftfreq(16)), 0),
    ],
)
def test_a_fourier_transform_costs_what_the_benchmark_of_fftw_says(call, operations):
    xp = counting()
    c, x = xp.empty((3, 16), dtype=xp.complex64), xp.empty((3, 16), dtype=xp.float32)
    xp.tally.start()
    call(xp, c, x)
    assert xp.tally.flops == operations == xp.tally.by_kind.get("transform", 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("xp.fft.rfft(cs)", TypeError, r"^fft.rfft takes real arrays, got complex64$"),
        (
            "xp.fft.fft(cs, n=0)",
            ValueError,
            r"^fft.fft needs a length of at least 1 for each of the axes \(1,\), got \(0,\)$",
        ),
        ("xp.fft.fft(cs, norm='none')", ValueError, "^norm must be 'backward' or 'ortho' or 'forward', got 'none'$"),
        ("xp.fft.fftn(cs, s=(2, 2))", ValueError, r"^fft.fftn needs axes= where s= is given, got s=\(2, 2\)$"),
        ("xp.fft.fftfreq(0)", ValueError, "^fft.fftfreq needs n of at least 1, got 0$"),
        ("xp.exp(cs)", NotImplementedError, "^counting has no rule for exp of complex numbers$"),
        ("cs < cs", NotImplementedError, "^counting has no rule for less of complex numbers$"),
        ("xp.max(cs)", NotImplementedError, "^counting has no rule for max of complex numbers$"),
    ],
)
def test_what_is_wrong_or_unknown_of_complex_numbers_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        evaluate(call, counting())


# Operations on real numbers by hand, per entry: z = a + bi, w = c + di.
PER_ENTRY = {
    "z + w": 2, "z - w": 2, "z + x": 1, "x - z": 1, "z * w": 6, "z * x": 2, "2.0 * z": 2, "z / x": 2, "z / w": 11,
    "x / z": 11, "-z": 2, "abs(z)": 4, "xp.square(z)": 6, "xp.reciprocal(z)": 6, "xp.conj(z)": 1, "xp.real(z)": 0,
    "xp.imag(z)": 0, "xp.sum(z)": 2, "xp.mean(z)": 2, "xp.prod(z)": 6, "z == w": 0, "xp.isfinite(z)": 0,
    "z @ w.mT": 8 * 3, "z @ x.mT": 4 * 3, "x @ z.mT": 4 * 3, "xp.cumulative_sum(z, axis=0)": 2, "x * x": 1,
    "x @ x.mT": 2 * 3, "xp.conj(x)": 0,
}  # fmt: skip


@pytest.mark.parametrize(("call", "each"), PER_ENTRY.items())
def test_complex_numbers_cost_the_operations_on_real_ones(call, each):
    xp = counting()
    z, w, x = (xp.empty((3, 3), dtype=dtype) for dtype in (xp.complex64, xp.complex64, xp.float32))
    xp.tally.start()
    eval(call, {"xp": xp, "z": z, "w": w, "x": x})
    assert xp.tally.flops == 9 * each


@pytest.mark.parametrize("name", ["svd", "eigh", "qr", "cholesky", "inv", "solve", "pinv", "vector_norm"])
def test_linear_algebra_of_complex_matrices_has_the_dtypes_of_numpy_and_four_times_the_operations(name):
    options = {"svd": {"full_matrices": False}}.get(name, {})
    flops = []
    for dtype in ("float32", "complex64"):
        xp = counting()
        args = [xp.empty((3, 3), dtype=dtype)] * (1 + (name == "solve"))
        xp.tally.start()
        got = getattr(xp.linalg, name)(*args, **options)
        flops.append(xp.tally.by_kind.get("decompose", 0))
        want = getattr(xnp.linalg, name)(*[np.eye(3, dtype=dtype)] * len(args), **options)
        pairs = zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]
        assert all((one.shape, one.dtype) == (other.shape, other.dtype) for one, other in pairs)
    assert flops[1] == 4 * flops[0]


def test_the_log_tells_function_kind_count_and_calls():
    def program(xp, x):
        for _ in range(3):
            xp.exp(x)
        xp.exp(x[0, :])

    log = spent(program, (3, 4)).log
    assert log == {("exp", "transcendental", 12): 3, ("exp", "transcendental", 4): 1}


class TestMemory:
    def test_inputs_are_not_held(self):
        assert spent(lambda xp, x: None, (4, 4)).peak == 0

    def test_temporaries_die_as_soon_as_python_lets_go_of_them(self):
        tally = spent(lambda xp, x: xp.exp((x + 1.0) * 2.0) - 1.0, (4, 4))
        assert tally.peak == 2 * 64  # an operand and a result at a time
        assert tally.live == 0

    def test_names_hold_arrays(self):
        def program(xp, x):
            a = x + 1.0
            b = a + 1.0
            c = b + 1.0
            return a, c

        assert spent(program, (4, 4)).peak == 3 * 64

    def test_deleted_arrays_are_not_held(self):
        def program(xp, x):
            a = x + 1.0
            b = a + 1.0
            del a
            c = b + 1.0
            del b
            return c + 1.0

        assert spent(program, (4, 4)).peak == 2 * 64

    def test_the_order_of_deletion_matters(self):
        def late(xp, x):
            big = xp.concat([x] * 4, axis=0)  # 256 bytes
            small = x[:1, :] + 1.0  # 16 bytes
            del big
            return small + x  # 64 bytes

        def early(xp, x):
            big = xp.concat([x] * 4, axis=0)
            del big
            small = x[:1, :] + 1.0
            return small + x

        assert spent(late, (4, 4)).peak == 256 + 16
        assert spent(early, (4, 4)).peak == 256

    def test_a_view_holds_the_whole_array_that_it_views(self):
        def program(xp, x):
            row = xp.reshape((x + 1.0)[:1, :].mT, (4,))
            return row + 1.0

        assert spent(program, (4, 4)).peak == 64 + 16

    def test_a_view_of_an_input_holds_nothing(self):
        assert spent(lambda xp, x: x[:1, :].mT, (4, 4)).peak == 0

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bool", "int32", "int64"])
    def test_bytes_are_those_of_the_dtype(self, dtype):
        size = np.dtype(dtype).itemsize
        assert spent(lambda xp, x: xp.flip(x), (3, 5), dtype=dtype).peak == 15 * size

    def test_what_was_held_at_the_peak_is_told_by_size(self):
        def program(xp, x):
            kept = x[:1, :] + 1.0, x[:1, :] + 2.0
            return (x + 1.0)[:2, :], kept

        assert spent(program, (4, 4)).held_at_peak == {16: 2, 64: 1}

    def test_what_lived_before_the_start_neither_counts_nor_is_subtracted_when_it_dies(self):
        xp = counting()
        x = xp.empty((4, 4), dtype=xp.float32)
        xp.tally.start()
        y = x + 1.0
        del x
        assert (xp.tally.live, xp.tally.peak) == (64, 64)
        del y
        assert (xp.tally.live, xp.tally.peak) == (0, 64)

    def test_start_forgets_what_was_counted(self):
        xp = counting()
        x = xp.exp(xp.empty((4, 4), dtype=xp.float32))
        xp.tally.start()
        assert (xp.tally.flops, xp.tally.moved, xp.tally.peak, xp.tally.live) == (0, 0, 0, 0)
        assert x.shape == (4, 4)


class TestRepetition:
    def test_a_block_is_counted_as_often_as_it_says_but_held_once(self):
        def program(xp, x):
            with xp.repeated(5):
                xp.exp(x)

        tally = spent(program, (3, 4))
        assert (tally.by_kind, tally.moved, tally.peak) == ({"transcendental": 5 * 12}, 5 * 96, 48)
        assert tally.log == {("exp", "transcendental", 60): 1}

    def test_blocks_within_blocks_multiply(self):
        def program(xp, x):
            with xp.repeated(5):
                xp.exp(x)
                with xp.repeated(3):
                    xp.exp(x)
                xp.exp(x)
            xp.exp(x)

        assert spent(program, (3, 4)).flops == 12 * (5 + 15 + 5 + 1)

    def test_nothing_is_counted_zero_times_but_it_is_held(self):
        def program(xp, x):
            with xp.repeated(0):
                return xp.exp(x)

        tally = spent(program, (3, 4))
        assert (tally.by_kind, tally.moved, tally.peak) == ({}, 0, 48)

    def test_a_block_that_ends_by_an_exception_gives_back_the_count(self):
        xp = counting()
        with pytest.raises(KeyError), xp.repeated(5):
            raise KeyError
        assert xp.tally.times == 1

    @pytest.mark.parametrize(("axis", "shape"), [(0, (15, 4)), (-1, (3, 20)), (-2, (15, 4))])
    def test_a_stretched_array_is_as_long_as_the_join_and_holds_its_memory(self, axis, shape):
        made = []
        tally = spent(lambda xp, x: made.append(xp.stretched(x, axis, 5)), (3, 4))
        assert (made[0].shape, made[0].dtype) == (shape, np.float32)
        assert (tally.peak, tally.live, tally.moved) == (240, 240, 0)


def test_two_namespaces_count_apart():
    one, other = counting(), counting()
    one.exp(one.empty((3,)))
    assert (one.tally.flops, other.tally.flops) == (3, 0)
    assert one.empty((3,)).__array_namespace__() is one


def test_an_array_says_what_it_is():
    assert repr(counting().empty((2, 3), dtype=np.dtype("float32"))) == "counting.Array(shape=(2, 3), dtype=float32)"
