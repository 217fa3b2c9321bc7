"""The laws. Each takes a `Case`, raises AssertionError where it does not hold, and tells whether it applies at all.

A law is not an oracle: a mechanism can obey all of them and still not be the paper's.
"""

from collections.abc import Callable
from inspect import signature

import numpy as np

from factorattn.contract import parse
from factorattn.testing.case import Case
from factorattn.testing.door_laws import DOOR_LAWS

__all__ = ["LAWS"]


def form_equals_definition(case: Case) -> bool:
    """Every form gives what the first one gives."""
    for batch in ((), (2, 1)):
        inputs = case.inputs(batch=batch)
        case.close(case.run(inputs), case.run(inputs, form=case.record.forms[0]), "form against definition")
    return True


def future_is_unseen(case: Case) -> bool:
    """A causal output does not move when later inputs do, not even to NaN."""
    if not case.causal or case.output_axis("n") is None:
        return False
    inputs, cut, cuts = case.inputs(), *_cuts(case)
    before = _until(case, case.run(inputs), cut)
    for poison in (7.0, np.nan, np.inf):
        later = dict(inputs)
        for letter, first in cuts.items():
            for name, axis in case.arrays_with(letter).items():
                if case.record.causal != "values" or name in case.record.values:
                    later[name] = _filled(inputs[name], axis, slice(first, None), poison)
        with np.errstate(invalid="ignore", over="ignore"):
            case.close(_until(case, case.run(later), cut), before, f"past after the future became {poison}")
    return True


def prefix_of_output_is_output_of_prefix(case: Case) -> bool:
    """A causal mechanism can be run on a stream, unless the future takes part in forming groups."""
    if not case.causal or case.record.causal == "values" or case.output_axis("n") is None:
        return False
    inputs, cut, cuts = case.inputs(), *_cuts(case)
    short = {
        name: tuple(p for p in value if p < cut) if isinstance(value, tuple) else value
        for name, value in inputs.items()
    }
    for letter, first in cuts.items():
        for name, axis in case.arrays_with(letter).items():
            short[name] = np.take(short[name], np.arange(first), axis=axis)
    case.close(case.run(short), _until(case, case.run(inputs), cut), "prefix")
    return True


def _cuts(case: Case) -> tuple[int, dict[str, int]]:
    """A query somewhere in the second half, and the first key that it and those before it do not see."""
    n, m = case.sizes["n"], case.sizes["m"]
    cut = n - max(1, min(n, m) * 3 // 8)
    return cut, {"n": cut, "m": cut + m - n}


def _until(case: Case, out: np.ndarray, cut: int) -> np.ndarray:
    """The output of the first queries."""
    axis = case.output_axis("n")
    assert axis is not None, "a causal mechanism has an answer for each query"
    return np.take(out, np.arange(cut), axis=axis)


def batch_members_are_strangers(case: Case) -> bool:
    """A batch is the stack of its members, and NaN in one does not reach another."""
    inputs = case.inputs(batch=(2, 2))
    batched = {item.name for item in parse(case.record.inputs) if item.batched and item.kind == "array"}
    whole = case.run(inputs)
    single = {name: value[1, 0] if name in batched else value for name, value in inputs.items()}
    case.close(whole[1, 0], case.run(single), "member of a batch")
    poisoned = dict(inputs)
    for name in batched:
        poisoned[name] = inputs[name].copy()
        poisoned[name][0, 1] = np.nan
    try:
        out = case.run(poisoned)
    except Exception as error:
        if not type(error).__name__.endswith("LinAlgError"):  # torch's begins with an underscore
            raise
        return False  # LAPACK refuses a whole stack for one NaN
    case.close(out[1, 0], whole[1, 0], "member beside a poisoned one")
    return True


def linear_in_values(case: Case) -> bool:
    """o(2 v + u) = 2 o(v) + o(u): the factors do not sum to one, so that a constant added to o shows."""
    names = case.record.values
    if not names:
        return False
    inputs, other = case.inputs(), case.inputs(seed=1)
    mixed = {**inputs, **{name: 2 * inputs[name] + other[name] for name in names}}
    swapped = {**inputs, **{name: other[name] for name in names}}
    case.close(case.run(mixed), 2 * case.run(inputs) + case.run(swapped), "linearity in v")
    return True


def order_of_keys_is_irrelevant(case: Case) -> bool:
    """Keys permuted together with all that belongs to them change nothing, unless positions matter."""
    owners = case.arrays_with("m")
    if case.causal or not owners or case.output_axis("m") is not None:
        return False
    inputs = case.inputs()
    order = np.random.default_rng(2).permutation(case.sizes["m"])
    moved = {**inputs, **{name: np.take(inputs[name], order, axis=axis) for name, axis in owners.items()}}
    _same_if(case, not case.record.positional, case.run(moved), case.run(inputs), "order of keys")
    return True


def order_of_the_sequence_goes_through(case: Case) -> bool:
    """A sequence permuted gives its output permuted, unless positions matter."""
    owners, axis = case.arrays_with("n"), case.output_axis("n")
    if case.causal or case.arrays_with("m") or axis is None:
        return False
    inputs = {name: () if isinstance(value, tuple) else value for name, value in case.inputs().items()}
    inputs = {name: value for name, value in inputs.items() if name in case.needed}
    order = np.random.default_rng(2).permutation(case.sizes["n"])
    moved = {name: np.take(inputs[name], order, axis=own) for name, own in owners.items() if name in inputs}
    out = np.take(case.run(inputs), order, axis=axis)
    _same_if(case, not case.record.positional, case.run({**inputs, **moved}), out, "order of the sequence")
    return True


def queries_are_answered_alone(case: Case) -> bool:
    """Permuted queries give permuted answers and fewer give the same, unless queries are coupled."""
    owners, axis = case.arrays_with("n"), case.output_axis("n")
    if case.causal or not case.arrays_with("m") or axis is None or case.record.positional:
        return False
    inputs = case.inputs()
    order = np.random.default_rng(3).permutation(case.sizes["n"])[:50]
    some = {name: np.take(inputs[name], order, axis=own) for name, own in owners.items()}
    out = np.take(case.run(inputs), order, axis=axis)
    _same_if(case, not case.record.coupled, case.run({**inputs, **some}), out, "some queries")
    return True


def _same_if(case: Case, expected: bool, got: np.ndarray, want: np.ndarray, what: str) -> None:
    """Two results are equal, or, where the record says so, are not."""
    if expected:
        case.close(got, want, what)
    elif np.allclose(got, want):
        raise AssertionError(f"{case}: {what}: nothing changed, although the record says that it matters")


def every_array_matters(case: Case) -> bool:
    """No array argument is ignored: another draw of it gives another output."""
    inputs, other = case.inputs(), case.inputs(seed=1)
    out = case.run(inputs)
    for name, value in inputs.items():
        if isinstance(value, np.ndarray) and np.array_equal(case.run({**inputs, name: other[name]}), out):
            raise AssertionError(f"{case}: {name} was ignored")
    return True


def constants_stay(case: Case) -> bool:
    """Weights that sum to one leave a constant value as it is, where values are mixed and not projected."""
    last = case.record.output.split()[-1]
    values = [item for item in parse(case.record.inputs) if item.name in case.record.values]
    if not case.record.normalised or not values or any(item.axes[-1] != last for item in values):
        return False
    inputs, level = case.inputs(), np.resize([1.0, -2.0, 0.5], case.sizes[last])
    constant = {item.name: np.broadcast_to(level, inputs[item.name].shape).copy() for item in values}
    out = case.run({**inputs, **constant})
    case.close(out, np.broadcast_to(level, out.shape), "constant values")
    return True


def masks_are_of_the_declared_shape(case: Case) -> bool:
    """A mask of the declared shape means the same in every form, and a row that may see nothing is zero."""
    axes = case.record.mask_shape.split()
    if not case.record.mask or not all(axis == "1" or axis in case.sizes for axis in axes):
        return False
    inputs, shape = case.inputs(), tuple(1 if axis == "1" else case.sizes[axis] for axis in axes)
    mask = np.random.default_rng(5).random(shape) > 0.3
    if axes[-2] == "n":
        mask[..., 1, :] = False
    out = case.run(inputs, mask=mask)
    case.close(out, case.run(inputs, mask=mask, form=case.record.forms[0]), "form against definition, with a mask")
    if axes[-2] == "n" and case.output_axis("n") is not None and case.record.values == ("v",):
        row = np.take(out, 1, axis=case.output_axis("n"))
        case.close(row, np.zeros_like(row), "a row that may see nothing")
    return True


def masked_keys_do_not_exist(case: Case) -> bool:
    """A key that the mask hides from every query is as good as absent, whatever it holds."""
    if not case.record.mask or case.record.positional or case.causal:
        return False  # a mask by keys and causality together are for the oracles
    letter = "m" if case.arrays_with("m") else "n"
    inputs, length, axis = case.inputs(), case.sizes[letter], case.output_axis(letter)
    kept = np.sort(np.random.default_rng(4).permutation(length)[: length - 40])
    mask = np.isin(np.arange(length), kept)[None, :]
    hidden = {name: _filled(inputs[name], own, ~mask[0], np.nan) for name, own in case.arrays_with(letter).items()}
    absent = {name: np.take(inputs[name], kept, axis=own) for name, own in case.arrays_with(letter).items()}
    want = case.run({**inputs, **absent})
    masks = {"mask": mask, "bias": np.where(mask, 0.0, -np.inf)}
    for name in masks.keys() & signature(case.f).parameters:
        out = case.run({**inputs, **hidden}, **{name: masks[name]})
        case.close(out if axis is None else np.take(out, kept, axis=axis), want, f"keys hidden by {name}")
    return True


def _filled(x: np.ndarray, axis: int, where: slice | np.ndarray, value: float) -> np.ndarray:
    out = np.moveaxis(x.copy(), axis, 0)
    out[where] = value
    return np.moveaxis(out, 0, axis)


LAWS: dict[str, Callable[[Case], bool]] = {
    law.__name__: law
    for law in (
        form_equals_definition,
        future_is_unseen,
        prefix_of_output_is_output_of_prefix,
        batch_members_are_strangers,
        linear_in_values,
        order_of_keys_is_irrelevant,
        order_of_the_sequence_goes_through,
        queries_are_answered_alone,
        every_array_matters,
        constants_stay,
        masks_are_of_the_declared_shape,
        masked_keys_do_not_exist,
    )
} | DOOR_LAWS
