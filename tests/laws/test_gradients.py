"""Every law of derivatives x every mechanism x every form, causal and not; and a mechanism that breaks each law.

Slopes are tried for the definitions, to which the other forms are held; `pytest -m slow` tries them for all. Groups,
draws and largest scores are choices, which derivatives hold: that none changes between two differences is seen in that
these agree, for a change would be a jump, divided by a step of 1/1024.
"""

import array_api_compat
import pytest
from libraries import LIBRARIES

from factorattn import CATALOGUE, kernels, mechanism, softmax_attention
from factorattn.interpret.gradient import stop_gradient
from factorattn.interpret.gradient_implicit import with_derivative
from factorattn.testing import FEW, GRADIENT_LAWS, Case
from factorattn.testing.check import cases

CASES = [case for f in CATALOGUE.values() for case in cases(f, sizes=FEW)]
OF_EACH_FORM = ("gradients_are_slopes", "sweeps_are_transposed")  # which follow from those of the definition


def _name(case):
    return f"{case.f.__name__}-{case.form}{'-causal' if case.causal else ''}"


def _pairs():
    for law in GRADIENT_LAWS:
        for case in CASES:
            follows = law in OF_EACH_FORM and case.form != case.record.forms[0]
            marks = [pytest.mark.slow] if follows else []
            yield pytest.param(law, case, marks=marks, id=f"{law}-{_name(case)}")


@pytest.mark.parametrize(("law", "case"), list(_pairs()))
def test_law_holds(law, case):
    GRADIENT_LAWS[law](case)


@pytest.mark.parametrize("law", GRADIENT_LAWS.values(), ids=GRADIENT_LAWS)
def test_every_law_applies_to_some_mechanism(law):
    some = ("softmax_attention", "linear_attention")
    assert any(law(case) for case in CASES if case.f.__name__ in some)


@pytest.mark.parametrize("library", LIBRARIES[1:])
@pytest.mark.parametrize("law", GRADIENT_LAWS.values(), ids=GRADIENT_LAWS)
@pytest.mark.parametrize("name", ["softmax_attention", "linear_attention"])
def test_law_holds_on_other_libraries(name, law, library):
    xp = pytest.importorskip(library)
    for case in cases(CATALOGUE[name], xp=xp, sizes=FEW):
        law(case)


@pytest.mark.parametrize("case", [case for case in CASES if case.f.__name__ == "softmax_attention"], ids=_name)
def test_laws_hold_where_streaming_softmax_is_differentiated_step_by_step(case):
    with kernels("off"):
        for law in GRADIENT_LAWS.values():
            law(case)


# Mechanisms that break a law

FORMS = ("first", "second")


def _softmax(q, k, v, *, mask=None, causal=False, form="first"):
    return softmax_attention(q, k, v, mask=mask, causal=causal)


def _cut_off(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(stop_gradient(q), k, v, mask=mask, causal=causal)


@with_derivative(lambda out, x: (lambda g, xp: g * xp.abs(g),))
def _not_linear(x):
    return x * 1.0


def _pulled_wrongly(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(_not_linear(q), k, v, mask=mask, causal=causal)


def _form_cut_off(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(q, k if form == "first" else stop_gradient(k), v, mask=mask, causal=causal)


def _sees_the_future(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(q, k, v, mask=mask)


@with_derivative(lambda out, x: (lambda g, xp: g * x,))
def _one(x):
    """Ones, with slopes that are not finite where x is not."""
    return array_api_compat.array_namespace(x).ones_like(x)


def _pulls_zeros_back_to_nan(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(q * _one(q), k * _one(k), v, mask=mask, causal=causal)


def _ignores_masks(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(q, k, v, causal=causal)


def _mask_of_one_form(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(q, k, v, mask=mask if form == "first" else None, causal=causal)


def _mixes_the_batch(q, k, v, *, mask=None, causal=False, form="first"):
    o, xp = _softmax(q, k, v, mask=mask, causal=causal), array_api_compat.array_namespace(q)
    return o if o.ndim < 3 else o + xp.mean(o, axis=0, keepdims=True)


@with_derivative(lambda out, x: (lambda g, xp: xp.astype(g, xp.float64),))
def _wide(x):
    return x * 1.0


def _always_float64(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(_wide(q), k, v, mask=mask, causal=causal)


UNSOUND = {
    "gradients_are_slopes": _cut_off,
    "sweeps_are_transposed": _pulled_wrongly,
    "forms_have_the_same_gradients": _form_cut_off,
    "future_has_no_gradient": _sees_the_future,
    "hidden_keys_have_no_gradient": _ignores_masks,
    "masks_mean_the_same_to_gradients": _mask_of_one_form,
    "batch_members_have_their_own_gradients": _mixes_the_batch,
    "kind_of_gradients_is_kept": _always_float64,
}
RECORD = {
    "inputs": "q: ... n d, k: ... m d, v: ... m e",
    "forms": FORMS,
    "time": "n*m*d + n*m*e",
    "memory": "n*e",
    "causal": "option",
    "normalised": True,
    "paper": "vaswani2017",
}


def test_there_is_one_for_every_law():
    assert set(UNSOUND) == set(GRADIENT_LAWS)


@pytest.mark.parametrize("name", UNSOUND)
def test_the_law_notices(name):
    case = Case(mechanism(**RECORD)(UNSOUND[name]), "second", name == "future_has_no_gradient", sizes=FEW)
    with pytest.raises(AssertionError):
        GRADIENT_LAWS[name](case)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("future_has_no_gradient", "the future became nan"),
        ("hidden_keys_have_no_gradient", "k has a gradient hidden by mask"),
        ("batch_members_have_their_own_gradients", "beside a poisoned member"),
    ],
)
def test_the_law_notices_nan_that_comes_back_alone(name, told):
    case = Case(mechanism(**RECORD)(_pulls_zeros_back_to_nan), "second", name == "future_has_no_gradient", sizes=FEW)
    with pytest.raises(AssertionError, match=told):
        GRADIENT_LAWS[name](case)


@pytest.mark.parametrize("name", UNSOUND)
def test_a_sound_mechanism_passes(name):
    for causal in (False, True):
        GRADIENT_LAWS[name](Case(mechanism(**RECORD)(_softmax), "second", causal, sizes=FEW))
