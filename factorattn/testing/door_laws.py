"""Laws at the door: what goes in and comes out, whatever is computed between.

As in `factorattn.testing.laws`, each takes a `Case`, raises AssertionError where it does not hold, and tells whether it
applies at all.
"""

from collections.abc import Callable
from functools import partial
from inspect import signature

import numpy as np

from factorattn.contract import parse
from factorattn.testing.case import Case, to_numpy

__all__ = ["DOOR_LAWS"]


def inputs_are_left_alone(case: Case) -> bool:
    """No argument is written to."""
    inputs = case.inputs()
    given = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in inputs.items()}
    prepared = {
        name: (case.prepare or case.xp.asarray)(v) if isinstance(v, np.ndarray) else v for name, v in given.items()
    }
    options = {"causal": case.causal} if case.record.causal in ("option", "values") else {}
    case.f(**prepared, **options, form=case.form)
    for name, value in inputs.items():
        if isinstance(value, np.ndarray) and not np.array_equal(to_numpy(prepared[name]), value):
            raise AssertionError(f"{case}: {name} was written to")
    return True


def kind_of_array_is_kept(case: Case) -> bool:
    """Namespace, device and dtype in are those out; float16 is computed in float32; float32 is near float64."""
    exact = case.run(case.inputs())
    for dtype in ("float64", "float32", "float16"):
        if not hasattr(case.xp, dtype):
            continue  # the standard has no float16; a strict namespace leaves it out
        inputs = case.inputs(dtype=dtype)
        out = case.call(inputs)
        given = (case.prepare or case.xp.asarray)(next(iter(inputs.values())))
        if type(out) is not type(given) or out.dtype != given.dtype or out.device != given.device:
            raise AssertionError(f"{case}: {given.dtype} {type(given)} in, {out.dtype} {type(out)} out")
        if dtype == "float16":
            wide = {name: v.astype("float64") if isinstance(v, np.ndarray) else v for name, v in inputs.items()}
            once = float(np.finfo(np.float16).eps)  # computed in float32, and rounded once
            case.close(to_numpy(out).astype("float64"), case.run(wide), "float16", dtype=np.float32, extra=once)
        else:
            case.close(to_numpy(out).astype("float64"), exact, dtype, dtype=dtype)
    return True


def nonsense_is_refused(case: Case) -> bool:
    """Wrong shapes, kinds and options raise, and the message names the argument."""
    inputs, items = case.inputs(), [item for item in parse(case.record.inputs) if item.kind == "array"]
    first = items[0].name
    integers = {**inputs, first: np.ones(inputs[first].shape, dtype=np.int64)}
    _raises(case, partial(case.call, integers), TypeError, f"{first} must")
    for item in items:
        flat = {**inputs, item.name: inputs[item.name][..., 0]}
        _raises(case, partial(case.call, flat), ValueError, f"{item.name} needs")
    for letter in sorted({letter for item in items for letter in item.axes}):
        owners = case.arrays_with(letter)
        if len(owners) > 1:
            name, axis = list(owners.items())[-1]
            length = inputs[name].shape[axis] + 1  # longer: a size of one might broadcast
            longer = {**inputs, name: np.take(inputs[name], np.arange(length), axis=axis, mode="wrap")}
            _raises(case, partial(case.call, longer), ValueError, f"axis {letter!r}")
    _raises(case, lambda: case.call(inputs, form="no such form"), ValueError, "form must be")
    return True


def refusals_say_why(case: Case) -> bool:
    """An option that cannot be honoured is refused, with the reason that the record gives."""
    inputs, given = case.inputs(), {"mask": np.ones((1, 1), dtype=bool), "causal": True}
    for name, why in case.record.refuses.items():
        if name in signature(case.f).parameters:
            _raises(case, partial(case.call, {**inputs, name: given[name]}), ValueError, why)
    return True


def nothing_in_gives_nothing_out(case: Case) -> bool:
    """No queries give no rows, no keys give rows of zeros, no batch gives no batch; none of them fails."""
    inputs = {name: value for name, value in case.inputs(batch=(2,)).items() if name in case.needed}
    owners = {letter: {x: axis for x, axis in case.arrays_with(letter).items() if x in inputs} for letter in "nm"}
    for letter, some in owners.items():
        if some:
            empty = {name: np.take(inputs[name], [], axis=axis) for name, axis in some.items()}
            none = {name: () for name, value in inputs.items() if isinstance(value, tuple)}
            out = case.run({**inputs, **empty, **none})
            expected = np.zeros((2, *case.output_shape({**case.sizes, letter: 0})))
            if all(owners.values()) and case.output_axis("n") is None:  # two sequences, of which one is left
                expected = np.where(np.isfinite(out), out, expected)
            case.close(out, expected, f"no {letter}")
    batched = {item.name for item in parse(case.record.inputs) if item.batched and item.kind == "array"}
    out = case.run({name: value[:0] if name in batched else value for name, value in inputs.items()})
    case.close(out, np.zeros((0, *case.output_shape(case.sizes))), "no batch")
    return True


def _raises(case: Case, call: Callable[[], object], error: type[Exception], word: str) -> None:
    try:
        call()
    except error as refusal:
        if word not in str(refusal):
            raise AssertionError(f"{case}: refused with {str(refusal)!r}, which lacks {word!r}") from refusal
    else:
        raise AssertionError(f"{case}: {error.__name__} about {word!r} was not raised")


DOOR_LAWS: dict[str, Callable[[Case], bool]] = {
    law.__name__: law
    for law in (
        inputs_are_left_alone,
        kind_of_array_is_kept,
        nonsense_is_refused,
        refusals_say_why,
        nothing_in_gives_nothing_out,
    )
}
