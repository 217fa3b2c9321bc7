"""Laws of derivatives: what a mechanism does not see it does not depend on, not even where that is NaN.

As in `factorattn.testing.laws`, each takes a `Case`, raises AssertionError where it does not hold, and tells whether it
applies at all. Choices (groups, the largest score, what was drawn) are held: derivatives are those of the rest.
"""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import numpy as np

from factorattn.contract import parse
from factorattn.interpret.gradient import jvp, vjp
from factorattn.testing.case import SIZES, Case, to_numpy
from factorattn.testing.differences import check_gradients
from factorattn.testing.tolerance import ROUNDING

__all__ = ["FEW", "GRADIENT_LAWS"]

# Quick to take differences at; a group that changed between them would show, as a jump over a step of 1/1024.
FEW = {**SIZES, "n": 10, "m": 10, "r": 5, "b": 4, "x": 3, "y": 4, "t": 3, "l": 3, "w": 3, "u": 4}
UNSEEN = (7.0, np.nan, np.inf)

Arrays = Mapping[str, np.ndarray]


def gradients_are_slopes(case: Case) -> bool:
    """Derivatives, swept back and pushed forward, are what central differences in float64 give."""
    check_gradients(case.call, _prepared(case, case.inputs()))
    return True


def sweeps_are_transposed(case: Case) -> bool:
    """<g, J t> = <J^T g, t>: swept back and pushed forward, along all inputs at once."""
    inputs, along = case.inputs(), case.inputs(seed=1)
    out, tangent = jvp(case.call, (_prepared(case, inputs),), (_prepared(case, along),))
    g = _cotangent(to_numpy(out))
    forward = g * to_numpy(tangent)
    back = [x * along[name] for name, x in _pulled(case, inputs, g).items()]
    left, right = np.sum(forward), sum(map(np.sum, back))
    terms = np.sum(np.abs(forward)) + sum(np.sum(np.abs(x)) for x in back)
    if not abs(left - right) <= ROUNDING(np.float64, max(case.sizes.values())) * terms:
        raise AssertionError(f"{case}: <g, J t> is {left!r}, but <J^T g, t> is {right!r}")
    return True


def forms_have_the_same_gradients(case: Case) -> bool:
    """Every form has the gradients of the first one, also in batches."""
    for batch in ((), (2, 1)):
        inputs = case.inputs(batch=batch)
        g = _cotangent(case.run(inputs))
        _close(case, _pulled(case, inputs, g), _pulled(case, inputs, g, form=case.record.forms[0]), "form")
    return True


def future_has_no_gradient(case: Case) -> bool:
    """Causal outputs have exactly no gradient by later inputs, nor any that these reach, were they NaN."""
    axis = case.output_axis("n")
    if not case.causal or axis is None or min(case.sizes["n"], case.sizes["m"]) < 2:
        return False
    inputs, (n, m) = case.inputs(), (case.sizes[letter] for letter in "nm")
    out = case.run(inputs)

    def later(cut: int) -> dict[str, tuple[int, slice]]:
        return {
            name: (axis, slice(first, None))
            for letter, first in (("n", cut), ("m", cut + m - n))
            for name, axis in case.arrays_with(letter).items()
            if case.record.causal != "values" or name in case.record.values
        }

    for cut in range(max(1, n - m + 1), n, max(1, n // 4)):
        g = _cotangent(out, _keep(axis, slice(cut)))
        want = _pulled(case, inputs, g)
        _unasked(case, want, later(cut), "after what is asked for")
    for value in UNSEEN:  # the last cut
        poisoned = {**inputs, **{name: _filled(inputs[name], at, value) for name, at in later(cut).items()}}
        _close(case, _pulled(case, poisoned, g), want, f"the future became {value}")
    return True


def hidden_keys_have_no_gradient(case: Case) -> bool:
    """A key that the mask hides from every query has exactly no gradient, and what it holds reaches none."""
    if not case.record.mask or case.record.positional or case.causal:
        return False
    letter = "m" if case.arrays_with("m") else "n"
    inputs, length, axis = case.inputs(), case.sizes[letter], case.output_axis(letter)
    mask = np.arange(length) % 3 != 1
    hidden = {name: (own, ~mask) for name, own in case.arrays_with(letter).items()}
    absent = {name: np.compress(mask, inputs[name], axis=own) for name, own in case.arrays_with(letter).items()}
    masks = {"mask": mask[None, :], "bias": np.where(mask, 0.0, -np.inf)[None, :]}
    for name in masks.keys() & signature(case.f).parameters:
        g = _cotangent(case.run(inputs, **{name: masks[name]}), None if axis is None else _keep(axis, mask))
        want = _pulled(case, {**inputs, **absent}, g if axis is None else np.compress(mask, g, axis=axis))
        for value in UNSEEN:
            poisoned = {**inputs, **{array: _filled(inputs[array], at, value) for array, at in hidden.items()}}
            found = _pulled(case, poisoned, g, **{name: masks[name]})
            _unasked(case, found, hidden, f"hidden by {name}")
            kept = {array: np.compress(mask, found[array], axis=own) for array, (own, _) in hidden.items()}
            _close(case, {**found, **kept}, want, f"keys hidden by {name} became {value}")
    return True


def masks_mean_the_same_to_gradients(case: Case) -> bool:
    """With a mask of the declared shape every form has the same gradients, finite also where a row is empty."""
    axes = case.record.mask_shape.split()
    if not case.record.mask or not all(axis == "1" or axis in case.sizes for axis in axes):
        return False
    inputs, shape = case.inputs(), tuple(1 if axis == "1" else case.sizes[axis] for axis in axes)
    mask = np.random.default_rng(5).random(shape) > 0.3
    if axes[-2] == "n":
        mask[..., 1, :] = False
    g = _cotangent(case.run(inputs, mask=mask))
    found, want = (_pulled(case, inputs, g, mask=mask, form=form) for form in (case.form, case.record.forms[0]))
    _close(case, found, want, "form, with a mask")
    return True


def batch_members_have_their_own_gradients(case: Case) -> bool:
    """What one member of a batch is asked for has exactly no gradient by another, nor is reached by its NaN."""
    inputs = case.inputs(batch=(2, 2))
    batched = {item.name for item in parse(case.record.inputs) if item.batched and item.kind == "array"}
    g = np.zeros_like(case.run(inputs))
    g[1, 0] = _cotangent(g[1, 0])
    whole = _pulled(case, inputs, g)
    others = np.asarray([[True, True], [False, True]])
    for name in batched:
        if np.any(whole[name][others] != 0):
            raise AssertionError(f"{case}: a member of a batch has a gradient by {name} of another")
    single = {name: value[1, 0] if name in batched else value for name, value in inputs.items()}
    alone = _pulled(case, single, g[1, 0])
    _close(case, {name: x[1, 0] if name in batched else x for name, x in whole.items()}, alone, "member of a batch")
    poisoned = dict(inputs)
    for name in batched:
        poisoned[name] = inputs[name].copy()
        poisoned[name][0, 1] = np.nan
    try:
        found = _pulled(case, poisoned, g)
    except Exception as error:
        if not type(error).__name__.endswith("LinAlgError"):  # torch's begins with an underscore
            raise
        return False  # LAPACK refuses a whole stack for one NaN
    _close(case, found, whole, "beside a poisoned member")
    return True


def kind_of_gradients_is_kept(case: Case) -> bool:
    """Gradients are of the namespace, device and dtype of their inputs; float32 is near float64, float16 is finite."""
    inputs = case.inputs()
    g = _cotangent(case.run(inputs))
    exact = _pulled(case, inputs, g)
    for dtype in ("float32", "float16"):
        if not hasattr(case.xp, dtype):
            continue  # the standard has no float16; a strict namespace leaves it out
        given = _prepared(case, case.inputs(dtype=dtype))
        (found,) = vjp(case.call, given)[1]((case.prepare or case.xp.asarray)(g.astype(dtype)))
        for name in exact:
            x, like = found[name], given[name]
            if type(x) is not type(like) or x.dtype != like.dtype or x.device != like.device:
                raise AssertionError(f"{case}: {like.dtype} {type(like)} in, a gradient {x.dtype} {type(x)} out")
            if not np.all(np.isfinite(to_numpy(x))):
                raise AssertionError(f"{case}: the gradient by {name} is not finite in {dtype}")
        if dtype == "float32":
            _close(case, {name: to_numpy(found[name]) for name in exact}, exact, dtype, dtype=dtype)
    return True


def _prepared(case: Case, inputs: Mapping[str, Any]) -> dict[str, Any]:
    prepare = case.prepare or case.xp.asarray
    return {name: prepare(value) if isinstance(value, np.ndarray) else value for name, value in inputs.items()}


def _pulled(case: Case, inputs: Mapping[str, Any], g: np.ndarray, *, form: str | None = None, **options: Any) -> Arrays:
    """The gradients by all floating arrays, as NumPy arrays, for a cotangent of the output."""
    given = _prepared(case, {**inputs, **options})
    chosen = {} if form is None else {"form": form}
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        _, pullback = vjp(lambda given: case.call(given, **chosen), given)
        (found,) = pullback((case.prepare or case.xp.asarray)(g))
    return {name: to_numpy(x) for name, x in found.items() if hasattr(x, "dtype")}


def _cotangent(out: np.ndarray, keep: Callable[[np.ndarray], np.ndarray] | None = None) -> np.ndarray:
    """Standard normal numbers like an output, or zeros where they are not kept."""
    g = np.random.default_rng(7).standard_normal(out.shape)
    return g if keep is None else keep(g)


def _keep(axis: int, where: slice | np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    def keep(g):
        out = np.moveaxis(np.zeros_like(g), axis, 0)
        out[where] = np.moveaxis(g, axis, 0)[where]
        return np.moveaxis(out, 0, axis)

    return keep


def _filled(x: np.ndarray, at: tuple[int, Any], value: float) -> np.ndarray:
    axis, where = at
    out = np.moveaxis(x.copy(), axis, 0)
    out[where] = value
    return np.moveaxis(out, 0, axis)


def _unasked(case: Case, found: Arrays, places: Mapping[str, tuple[int, Any]], what: str) -> None:
    """Gradients are exactly zero at some places of some arrays."""
    for name, (axis, where) in places.items():
        if np.any(np.moveaxis(found[name], axis, 0)[where] != 0):
            raise AssertionError(f"{case}: {name} has a gradient {what}")


def _close(case: Case, got: Arrays, want: Arrays, what: str, *, dtype: str = "float64") -> None:
    """Gradients are equal up to rounding of sums over pairs, relative to the largest of all: some sums vanish."""
    allowed = ROUNDING(dtype, case.sizes["n"] * case.sizes["m"])
    largest = max(np.max(np.abs(x), initial=0.0) for x in want.values()) or 1.0
    for name, x in want.items():
        if got[name].shape != x.shape:
            raise AssertionError(f"{case}: {what}: the gradient by {name} has shape {got[name].shape}, not {x.shape}")
        error = np.max(np.abs(got[name].astype("float64") - x), initial=0.0) / largest
        if not error <= allowed:
            raise AssertionError(f"{case}: {what}: the gradient by {name} is off by {error:.2e}, not {allowed:.2e}")


GRADIENT_LAWS: dict[str, Callable[[Case], bool]] = {
    law.__name__: law
    for law in (
        gradients_are_slopes,
        sweeps_are_transposed,
        forms_have_the_same_gradients,
        future_has_no_gradient,
        hidden_keys_have_no_gradient,
        masks_mean_the_same_to_gradients,
        batch_members_have_their_own_gradients,
        kind_of_gradients_is_kept,
    )
}
