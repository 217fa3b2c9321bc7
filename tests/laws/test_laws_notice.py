"""Every law notices something: for each, a mechanism that breaks it, and the law says so."""

import numpy as np
import pytest

from factorattn import mechanism, softmax_attention
from factorattn.testing import LAWS, Case

FORMS = ("first", "second")


def _softmax(q, k, v, *, mask=None, causal=False, form="first"):
    return softmax_attention(q, k, v, mask=mask, causal=causal)


def _forms_differ(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(q, k, v, mask=mask, causal=causal) * (1 if form == "first" else 1.001)


def _sees_the_future(q, k, v, *, mask=None, causal=False, form="first"):
    return softmax_attention(q, k, v, mask=mask)


def _depends_on_the_length(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(q, k, v, mask=mask, causal=causal) * q.shape[-2]


def _mixes_the_batch(q, k, v, *, mask=None, causal=False, form="first"):
    o = _softmax(q, k, v, mask=mask, causal=causal)
    return o if o.ndim < 3 else o + o.mean(axis=0, keepdims=True)


def _affine(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(q, k, v, mask=mask, causal=causal) + 1


def _values_of_other_keys(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(q, k, v[..., ::-1, :], mask=mask, causal=causal)


def _queries_meet(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(q - q.mean(axis=-2, keepdims=True), k, v, mask=mask, causal=causal)


def _ignores_queries(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(np.ones_like(q), k, v, mask=mask, causal=causal)


def _doubled(q, k, v, *, mask=None, causal=False, form="first"):
    return 2 * _softmax(q, k, v, mask=mask, causal=causal)


def _mask_of_one_form(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(q, k, v, mask=mask if form == "first" else None, causal=causal)


def _ignores_masks(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(q, k, v, causal=causal)


def _writes(q, k, v, *, mask=None, causal=False, form="first"):
    v += 1
    return _softmax(q, k, v, mask=mask, causal=causal)


def _always_float64(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(q, k, v, mask=mask, causal=causal).astype("float64")


def _takes_any_form(q, k, v, *, mask=None, causal=False, form="first"):
    return _softmax(q, k, v, mask=mask, causal=causal)


def _refuses_without_a_reason(q, k, v, *, mask=None, causal=False, form="first"):
    if mask is not None:
        raise ValueError("no")
    return _softmax(q, k, v, causal=causal)


def _nothing_becomes_one(q, k, v, *, mask=None, causal=False, form="first"):
    o = _softmax(q, k, v, mask=mask, causal=causal)
    return o if k.shape[-2] else o + 1


ONE_SEQUENCE = "q: ... n d, k: ... n d, v: ... n e"
UNSOUND = {  # the function, and in what its record differs from that of softmax attention
    "form_equals_definition": (_forms_differ, {}),
    "future_is_unseen": (_sees_the_future, {}),
    "prefix_of_output_is_output_of_prefix": (_depends_on_the_length, {}),
    "batch_members_are_strangers": (_mixes_the_batch, {}),
    "linear_in_values": (_affine, {}),
    "order_of_keys_is_irrelevant": (_values_of_other_keys, {}),
    "order_of_the_sequence_goes_through": (_values_of_other_keys, {"inputs": ONE_SEQUENCE}),
    "queries_are_answered_alone": (_queries_meet, {}),
    "every_array_matters": (_ignores_queries, {}),
    "constants_stay": (_doubled, {}),
    "masks_are_of_the_declared_shape": (_mask_of_one_form, {}),
    "masked_keys_do_not_exist": (_ignores_masks, {}),
    "inputs_are_left_alone": (_writes, {}),
    "kind_of_array_is_kept": (_always_float64, {}),
    "nonsense_is_refused": (_takes_any_form, {}),
    "refusals_say_why": (_refuses_without_a_reason, {"refuses": {"mask": "its pairs are all pairs"}}),
    "nothing_in_gives_nothing_out": (_nothing_becomes_one, {}),
}


def case_of(f, changes, *, form="second", causal=False):
    record = {
        "inputs": "q: ... n d, k: ... m d, v: ... m e",
        "forms": FORMS,
        "time": "n*m*d + n*m*e",
        "memory": "n*e",
        "causal": "option",
        "normalised": True,
        "paper": "vaswani2017",
    }
    return Case(mechanism(**{**record, **changes})(f), form, causal)


def test_there_is_one_for_every_law():
    assert set(UNSOUND) == set(LAWS)


@pytest.mark.parametrize("name", UNSOUND)
def test_the_law_notices(name):
    f, changes = UNSOUND[name]
    causal = name in ("future_is_unseen", "prefix_of_output_is_output_of_prefix")
    with np.errstate(invalid="ignore"), pytest.raises(AssertionError):
        LAWS[name](case_of(f, changes, causal=causal))


@pytest.mark.parametrize("claim", ["positional", "coupled"])
def test_a_claim_that_something_matters_is_tested_too(claim):
    name = {"positional": "order_of_keys_is_irrelevant", "coupled": "queries_are_answered_alone"}[claim]
    with pytest.raises(AssertionError, match="nothing changed, although the record says that it matters"):
        LAWS[name](case_of(lambda *a, **k: _softmax(*a, **k), {claim: True}))
