"""The laws. Each takes a `Case` and raises AssertionError where it does not hold, or returns where it does not apply.

A law is not an oracle: a mechanism can obey all of them and still not be the paper's.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from factorattn.contract import parse
from factorattn.testing.case import Case, to_numpy

__all__ = ["LAWS"]


def form_equals_definition(case: Case) -> None:
    """Every form gives what the first one gives."""
    for batch in ((), (2, 1)):
        inputs = case.inputs(batch=batch)
        case.close(case.run(inputs), case.run(inputs, form=case.record.forms[0]), "form against definition")


def future_is_unseen(case: Case) -> None:
    """A causal output does not move when later inputs do, not even to NaN."""
    if not case.causal:
        return
    inputs, cut, cuts = case.inputs(), *_cuts(case)
    before = case.run(inputs)[..., :cut, :]
    for poison in (7.0, np.nan, np.inf):
        later = dict(inputs)
        for letter, first in cuts.items():
            for name, axis in case.arrays_with(letter).items():
                later[name] = _filled(inputs[name], axis, slice(first, None), poison)
        with np.errstate(invalid="ignore", over="ignore"):
            case.close(case.run(later)[..., :cut, :], before, f"past after the future became {poison}")


def prefix_of_output_is_output_of_prefix(case: Case) -> None:
    """A causal mechanism can be run on a stream."""
    if not case.causal:
        return
    inputs, cut, cuts = case.inputs(), *_cuts(case)
    short = {
        name: tuple(p for p in value if p < cut) if isinstance(value, tuple) else value
        for name, value in inputs.items()
    }
    for letter, first in cuts.items():
        for name, axis in case.arrays_with(letter).items():
            short[name] = np.take(inputs[name], np.arange(first), axis=axis)
    case.close(case.run(short), case.run(inputs)[..., :cut, :], "prefix")


def _cuts(case: Case) -> tuple[int, dict[str, int]]:
    """A query somewhere in the second half, and the first key that it and those before it do not see."""
    n, m = case.sizes["n"], case.sizes["m"]
    cut = n - max(1, min(n, m) * 3 // 8)
    return cut, {"n": cut, "m": cut + m - n}


def batch_members_are_strangers(case: Case) -> None:
    """A batch is the stack of its members, and NaN in one does not reach another."""
    inputs = case.inputs(batch=(2, 2))
    arrays = {name for name, value in inputs.items() if isinstance(value, np.ndarray) and value.ndim > 2}
    whole = case.run(inputs)
    single = {name: value[1, 0] if name in arrays else value for name, value in inputs.items()}
    case.close(whole[1, 0], case.run(single), "member of a batch")
    if "svd" in case.form or case.form == "projection":
        return  # LAPACK refuses a whole stack for one NaN
    poisoned = dict(inputs)
    for name in arrays:
        poisoned[name] = inputs[name].copy()
        poisoned[name][0, 1] = np.nan
    case.close(case.run(poisoned)[1, 0], whole[1, 0], "member beside a poisoned one")


def linear_in_values(case: Case) -> None:
    """o(2 v + u) = 2 o(v) + o(u): the factors do not sum to one, so that a constant added to o shows."""
    inputs, other = case.inputs(), case.inputs(seed=1)
    names = [name for name in inputs if name in ("v", "v_global")]
    mixed = {**inputs, **{name: 2 * inputs[name] + other[name] for name in names}}
    swapped = {**inputs, **{name: other[name] for name in names}}
    case.close(case.run(mixed), 2 * case.run(inputs) + case.run(swapped), "linearity in v")


def order_of_keys_is_irrelevant(case: Case) -> None:
    """Keys permuted together with all that belongs to them change nothing."""
    owners = case.arrays_with("m")
    if case.causal or not owners:
        return
    inputs = case.inputs()
    order = np.random.default_rng(2).permutation(case.sizes["m"])
    moved = {**inputs, **{name: np.take(inputs[name], order, axis=axis) for name, axis in owners.items()}}
    case.close(case.run(moved), case.run(inputs), "order of keys")


def queries_are_answered_alone(case: Case) -> None:
    """The answer to a query depends on no other query: permuted queries give permuted answers, fewer give the same."""
    if case.causal or not case.arrays_with("m") or case.form in ("svd", "projection"):
        return
    inputs = case.inputs()
    order = np.random.default_rng(3).permutation(case.sizes["n"])[:50]
    case.close(case.run({**inputs, "q": inputs["q"][order]}), case.run(inputs)[order], "some queries")


def constants_stay(case: Case) -> None:
    """Weights that sum to one leave a constant value as it is."""
    if not case.record.normalised:
        return
    inputs = case.inputs()
    level = np.array([1.0, -2.0, 0.5])
    constant = {name: np.tile(level, (*inputs[name].shape[:-1], 1)) for name in inputs if name in ("v", "v_global")}
    out = case.run({**inputs, **constant})
    case.close(out, np.broadcast_to(level, out.shape), "constant values")


def masked_keys_do_not_exist(case: Case) -> None:
    """A key that the mask hides from every query is as good as absent, whatever it holds."""
    if not case.record.mask:
        return
    if case.causal:
        return  # a mask by keys and causality together are for the oracles
    inputs, m = case.inputs(), case.sizes["m"]
    kept = np.sort(np.random.default_rng(4).permutation(m)[: m - 40])
    mask = np.isin(np.arange(m), kept)[None, :]
    hidden = {name: _filled(inputs[name], axis, ~mask[0], np.nan) for name, axis in case.arrays_with("m").items()}
    absent = {name: np.take(inputs[name], kept, axis=axis) for name, axis in case.arrays_with("m").items()}
    want = case.run({**inputs, **absent})
    case.close(case.run({**inputs, **hidden}, mask=mask), want, "hidden keys")
    bias = np.where(mask, 0.0, -np.inf)
    case.close(case.run({**inputs, **hidden}, bias=bias), want, "keys with bias -inf")


def inputs_are_left_alone(case: Case) -> None:
    """No argument is written to."""
    inputs = case.inputs()
    given = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in inputs.items()}
    prepared = {
        name: (case.prepare or case.xp.asarray)(v) if isinstance(v, np.ndarray) else v for name, v in given.items()
    }
    options = {"causal": case.causal} if case.record.causal == "option" else {}
    case.f(**prepared, **options, form=case.form)
    for name, value in inputs.items():
        if isinstance(value, np.ndarray) and not np.array_equal(to_numpy(prepared[name]), value):
            raise AssertionError(f"{case}: {name} was written to")


def kind_of_array_is_kept(case: Case) -> None:
    """Namespace, device and dtype in are those out; float16 is computed in float32; float32 is near float64."""
    exact = case.run(case.inputs())
    for dtype in ("float64", "float32", "float16"):
        if not hasattr(case.xp, dtype):
            continue  # the standard has no float16; a strict namespace leaves it out
        inputs = case.inputs(dtype=dtype)
        out = case.call(inputs)
        given = (case.prepare or case.xp.asarray)(inputs["q"])
        if type(out) is not type(given) or out.dtype != given.dtype or out.device != given.device:
            raise AssertionError(f"{case}: {given.dtype} {type(given)} in, {out.dtype} {type(out)} out")
        if dtype == "float16":
            wide = {name: v.astype("float64") if isinstance(v, np.ndarray) else v for name, v in inputs.items()}
            once = float(np.finfo(np.float16).eps)  # computed in float32, and rounded once
            case.close(to_numpy(out).astype("float64"), case.run(wide), "float16", dtype=np.float32, extra=once)
        else:
            case.close(to_numpy(out).astype("float64"), exact, dtype, dtype=dtype)


def nonsense_is_refused(case: Case) -> None:
    """Wrong shapes, kinds and options raise, and the message names the argument."""
    inputs = case.inputs()
    integers = {**inputs, "q": np.ones(inputs["q"].shape, dtype=np.int64)}
    short = {**inputs, "k": inputs["k"][..., :-1]}
    flat = {**inputs, "v": inputs["v"][:, 0]}
    for wrong, error, word in (
        (integers, TypeError, "q must"),
        (short, ValueError, "axis 'd'"),
        (flat, ValueError, "v needs"),
    ):
        _raises(case, partial(case.call, wrong), error, word)
    _raises(case, lambda: case.call(inputs, form="no such form"), ValueError, "form must be")


def nothing_in_gives_nothing_out(case: Case) -> None:
    """No queries give no rows, no keys give rows of zeros, no batch gives no batch; none of them fails."""
    needed = {item.name for item in parse(case.record.inputs) if not item.optional}
    inputs = {name: value for name, value in case.inputs(batch=(2,)).items() if name in needed}
    length = case.sizes["n"]
    owners = {letter: {x: axis for x, axis in case.arrays_with(letter).items() if x in needed} for letter in "nm"}
    alone = len(owners["n"]) == 1  # queries have an axis of their own
    for letter, rows in (("n", 0), ("m", length)) if alone else (("n", 0),):
        empty = {name: np.take(inputs[name], [], axis=axis) for name, axis in owners[letter].items()}
        none = {name: () for name, value in inputs.items() if isinstance(value, tuple)}
        out = case.run({**inputs, **empty, **none})
        case.close(out, np.zeros((2, rows, case.sizes["e"])), f"no {letter}")
    out = case.run({name: value[:0] if isinstance(value, np.ndarray) else value for name, value in inputs.items()})
    case.close(out, np.zeros((0, length, case.sizes["e"])), "no batch")


def _raises(case: Case, call: Callable[[], object], error: type[Exception], word: str) -> None:
    try:
        call()
    except error as refusal:
        if word not in str(refusal):
            raise AssertionError(f"{case}: refused with {str(refusal)!r}, which lacks {word!r}") from refusal
    else:
        raise AssertionError(f"{case}: {error.__name__} about {word!r} was not raised")


def _filled(x: np.ndarray, axis: int, where: slice | np.ndarray, value: float) -> np.ndarray:
    out = np.moveaxis(x.copy(), axis, 0)
    out[where] = value
    return np.moveaxis(out, 0, axis)


LAWS: dict[str, Callable[[Case], None]] = {
    law.__name__: law
    for law in (
        form_equals_definition,
        future_is_unseen,
        prefix_of_output_is_output_of_prefix,
        batch_members_are_strangers,
        linear_in_values,
        order_of_keys_is_irrelevant,
        queries_are_answered_alone,
        constants_stay,
        masked_keys_do_not_exist,
        inputs_are_left_alone,
        kind_of_array_is_kept,
        nonsense_is_refused,
        nothing_in_gives_nothing_out,
    )
}
