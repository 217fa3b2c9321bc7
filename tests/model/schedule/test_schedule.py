"""Learning rates by step, against the equations of their papers; facts about their peaks, limits and products."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles.model import schedule as oracle

from factorattn.model import schedule
from factorattn.testing import BOUND, ROUNDING

OPTIONS = {
    "exponential": {"warmup": 40.0},
    "inverse_sqrt": {"after": 40.0},
    "linear": {"warmup": 40.0},
    "noam": {"c": 64, "warmup": 40},
    "untuned_exponential": {"beta2": 0.95},
    "untuned_linear": {"beta2": 0.95},
}
SHARES = sorted(set(OPTIONS) - {"noam"})


def close(got, want):
    return abs(got - want) <= abs(want) * ROUNDING("float64", 1)


def test_every_schedule_is_tested():
    assert sorted(OPTIONS) == sorted(schedule.__all__)


@given(step=st.integers(1, 10**7), warmup=st.floats(0.5, 1e5), c=st.integers(1, 4096), beta2=st.floats(0, 0.9999))
def test_every_rate_is_that_of_the_oracle(step, warmup, c, beta2):
    told = {"warmup": warmup, "after": warmup, "c": c, "beta2": beta2}
    for name, own in OPTIONS.items():
        options = {key: told[key] for key in own}
        got = getattr(schedule, name)(step, **options)
        assert type(got) is float
        want = getattr(oracle, name)(step, **options)
        # 1 - exp(-x) loses what exp(-x) has rounded, in the oracle
        assert abs(got - want) <= abs(want) * ROUNDING("float64", 1) + ROUNDING("float64", 1) * ("exp" in name)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", OPTIONS)
def test_steps_may_be_an_array_of_any_library(name, library):
    xp = pytest.importorskip(library)
    f, options = getattr(schedule, name), OPTIONS[name]
    want = np.asarray([[f(step, **options) for step in row] for row in ((1, 2, 39), (40, 41, 4000))])
    for dtype in (xp.int32, xp.int64, xp.float64):
        got = f(xp.asarray([[1, 2, 39], [40, 41, 4000]], dtype=dtype), **options)
        assert got.dtype == xp.float64
        assert np.max(np.abs(np.asarray(got) - want) / want) <= ROUNDING("float64", 1)
    assert f(xp.asarray([1.0, 2.0], dtype=xp.float32), **options).dtype == xp.float32


@pytest.mark.parametrize("c", [1, 512])
@pytest.mark.parametrize("warmup", [1, 4000])
def test_noams_rate_is_highest_at_the_end_of_the_warm_up(c, warmup):
    steps = np.arange(1, 3 * warmup + 1)
    rates = schedule.noam(steps, c=c, warmup=warmup)
    assert int(steps[np.argmax(rates)]) == warmup
    assert close(float(np.max(rates)), 1 / math.sqrt(c * warmup))


def test_noam_with_the_settings_of_the_paper():
    peak = schedule.noam(4000, c=512, warmup=4000)
    assert round(peak, 6) == 0.000699
    assert close(schedule.noam(1, c=512, warmup=4000), peak / 4000)  # the rise is even
    assert close(schedule.noam(16000, c=512, warmup=4000), peak / 2)  # four times the steps, half the rate


@given(step=st.integers(1, 10**6), tau=st.integers(1, 10**4))
def test_noam_is_a_product_of_a_rise_and_a_fall(step, tau):
    product = schedule.linear(step, warmup=tau) * schedule.inverse_sqrt(step, after=tau)
    assert close(schedule.noam(step, c=9, warmup=tau), product / math.sqrt(9 * tau))


@pytest.mark.parametrize("name", SHARES)
def test_shares_are_above_zero_and_at_most_one(name):
    found = getattr(schedule, name)(np.arange(1, 10**5), **OPTIONS[name])
    assert np.all(found > 0)
    assert np.all(found <= 1)
    steps = np.diff(found)
    assert np.all(steps <= 0) if name == "inverse_sqrt" else np.all(steps >= 0)


def test_untuned_warm_ups_last_as_long_as_adam_remembers():
    assert schedule.untuned_linear(1999, beta2=0.999) < 1
    assert close(schedule.untuned_linear(2000, beta2=0.999), 1.0)  # 2 / (1 - beta2) steps
    assert close(schedule.untuned_exponential(1000, beta2=0.999), 1 - 1 / math.e)
    assert close(schedule.untuned_linear(2, beta2=0.5), schedule.linear(2, warmup=4))
    assert close(schedule.untuned_exponential(2, beta2=0.5), schedule.exponential(2, warmup=2))


def test_both_untuned_warm_ups_withhold_as_much():
    # sum_t (1 - w_t) is about tau for the exponential, and tau / 2 for the linear, whose tau is twice as long
    steps = np.arange(1, 10**5)
    linear, exponential = (
        float(np.sum(1 - getattr(schedule, f"untuned_{name}")(steps, beta2=0.999)))
        for name in ("linear", "exponential")
    )
    assert abs(linear - exponential) <= BOUND(1.0)  # half a step is lost at either end


def test_no_warm_up_at_all():
    assert [schedule.untuned_linear(step, beta2=0.0) for step in (1, 2, 3)] == [0.5, 1.0, 1.0]
    assert [schedule.linear(step, warmup=1) for step in (1, 2)] == [1.0, 1.0]


@pytest.mark.parametrize("name", OPTIONS)
def test_steps_begin_at_one(name):
    f, options = getattr(schedule, name), OPTIONS[name]
    for step in (0, -1, np.int64(0)):
        with pytest.raises(ValueError, match=f"step must be 1 or more, got {step}"):
            f(step, **options)
    with pytest.raises(TypeError, match=r"step must be an integer, got 1\.5"):
        f(1.5, **options)
    with pytest.raises(TypeError, match="step must be an integer, got True"):
        f(True, **options)
    with pytest.raises(TypeError, match="step must be integers or real floating numbers, got bool"):
        f(np.asarray([True]), **options)
    assert f(np.zeros((0,), int), **options).shape == (0,)


@pytest.mark.parametrize("name", OPTIONS)
def test_bad_options_are_named(name):
    f, options = getattr(schedule, name), OPTIONS[name]
    for option in options:
        bad = {"beta2": (1.0, -0.1, math.nan)}.get(option, (0, -1))
        for value in bad:
            with pytest.raises(ValueError, match=f"{option} must be "):
                f(1, **options | {option: value})
        with pytest.raises(TypeError, match=f"{option} must be "):
            f(1, **options | {option: "4"})


@pytest.mark.peers
def test_transformers_has_the_same_inverse_square_root():
    torch = pytest.importorskip("torch", reason="extra: peers")
    optimization = pytest.importorskip("transformers.optimization", reason="extra: peers")
    one = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = optimization.get_inverse_sqrt_schedule(one, num_warmup_steps=10)
    for step in range(1, 100):
        one.step()
        theirs.step()
        want = theirs.get_last_lr()[0]
        assert close(schedule.linear(step, warmup=10) * schedule.inverse_sqrt(step, after=10), want)
