"""The whole experiment at a tiny size: the same numbers again, also after an interrupt."""

import importlib
import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from factorattn.experiment import ResumeError
from factorattn.experiment.transactions import Plan, study
from factorattn.experiment.transactions.data import make_streams
from factorattn.experiment.transactions.evaluate import quality
from factorattn.experiment.transactions.long_term import LongTerm
from factorattn.experiment.transactions.model import MECHANISMS, Sizes
from factorattn.interpret.tree import tree_leaves
from factorattn.testing import ROUNDING

SIZES = Sizes(0, c=4, heads=2, hidden=4, features=3, memory=LongTerm(segment=32, rank=4, samples=4))
PLAN = Plan(
    lengths=(64, 128),
    mechanisms=("infinite-former", "gru"),
    steps=2,
    start_steps=3,
    start_length=16,
    start_tokens=64,
    seconds=0.0,
    sizes=SIZES,
)


@pytest.fixture(scope="module", autouse=True)
def few_purchases():
    """The first of the tokens only."""

    def cut(lengths, *, seed):
        streams = make_streams(lengths, seed=seed)
        return replace(streams, learn=streams.learn[:1030], test=streams.test[:520])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("factorattn.experiment.transactions.study"), "make_streams", cut)
        yield


def figures(report):
    """Everything but time and memory."""
    return [(row.mechanism, row.n, row.parameters, row.quality, row.training_loss) for row in report.rows]


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert (a[name].step, a[name].losses, a[name].rng) == (b[name].step, b[name].losses, b[name].rng)
        for one, other in ((a[name].parameters, b[name].parameters), (a[name].optimizer, b[name].optimizer)):
            pairs = list(zip(tree_leaves(one), tree_leaves(other), strict=True))
            assert pairs
            assert all(x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in pairs)


@pytest.fixture(scope="module")
def whole():
    return study(PLAN)


@pytest.fixture
def calls(monkeypatch):
    """How many steps were begun; set `stop` to the number of the one that Ctrl-C hits."""
    _Job = importlib.import_module("factorattn.experiment.transactions.study")._Job
    real, counted = _Job.advance, type("Counted", (), {"count": 0, "stop": None})()

    def advance(self, *args):
        counted.count += 1
        if counted.count == counted.stop:
            raise KeyboardInterrupt
        return real(self, *args)

    monkeypatch.setattr(_Job, "advance", advance)
    return counted


def test_the_report_has_every_model_at_every_length(whole):
    report, states = whole
    assert [(row.mechanism, row.n) for row in report.rows] == [(m, n) for m in PLAN.mechanisms for n in PLAN.lengths]
    assert list(states) == [f"{m}-{n}" for m in PLAN.mechanisms for n in PLAN.lengths]
    assert all(state.step == len(state.losses) == 5 for state in states.values())
    for row in report.rows:
        assert row.timing.median > 0
        assert row.timing.low <= row.timing.median <= row.timing.high
        assert row.peak > 0
        assert np.isfinite(row.quality).all()
        assert row.quality.seen_ahead == 0
    assert set(report.growth()) == set(PLAN.mechanisms)


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(whole):
    report, states = whole
    again, others = study(PLAN), study(replace(PLAN, seed=1))
    assert figures(again[0]) == figures(report)
    same(again[1], states)
    assert figures(others[0]) != figures(report)


def test_models_do_not_depend_on_which_others_run(whole):
    alone, states = study(replace(PLAN, mechanisms=("gru",)))
    assert figures(alone) == figures(whole[0])[2:]
    same(states, {name: state for name, state in whole[1].items() if name.startswith("gru")})


@pytest.mark.parametrize("stop", [1, 4, 7, 14])
def test_interrupted_in_any_step_a_run_ends_bit_for_bit_the_same(whole, calls, tmp_path, stop):
    calls.stop = stop
    with pytest.raises(KeyboardInterrupt):
        study(PLAN, folder=tmp_path)
    assert not list(tmp_path.glob("*.tmp"))
    calls.stop = None
    report, states = study(PLAN, folder=tmp_path)
    assert figures(report) == figures(whole[0])
    same(states, whole[1])


def test_a_finished_run_is_read_and_not_run_again(whole, calls, tmp_path):
    first, _ = study(PLAN, folder=tmp_path)
    calls.count = 0
    again, states = study(PLAN, folder=tmp_path)
    assert calls.count == 0
    assert again == first
    same(states, whole[1])


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"seed": 1}, "seed 0, and this run has seed 1"),
        ({"steps": 3}, "steps 2, and this run has steps 3"),
        ({"lengths": (64,)}, r"lengths \[64, 128\], and this run has lengths \[64\]"),
        ({"rate": 0.5}, "rate 0.01, and this run has rate 0.5"),
        ({"sizes": replace(SIZES, c=8)}, r"sizes .*\"c\": 4.* and this run has sizes .*\"c\": 8"),
    ],
)
def test_a_run_with_other_settings_is_refused(calls, tmp_path, changed, told):
    calls.stop = 4
    with pytest.raises(KeyboardInterrupt):
        study(PLAN, folder=tmp_path)
    calls.stop = None
    with pytest.raises(ResumeError, match=told):
        study(replace(PLAN, **changed), folder=tmp_path)


def test_a_damaged_state_is_refused_and_the_one_before_goes_on(whole, calls, tmp_path):
    calls.stop = 6
    with pytest.raises(KeyboardInterrupt):
        study(PLAN, folder=tmp_path)
    calls.stop = None
    study(PLAN, folder=tmp_path)
    file = tmp_path / "infinite-former-128.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ResumeError, match=r"infinite-former-128.safetensors' is damaged.*delete infinite-former-128"):
        study(PLAN, folder=tmp_path)
    file.unlink()
    report, states = study(PLAN, folder=tmp_path)
    assert figures(report) == figures(whole[0])
    same(states, whole[1])


def test_what_a_report_says_is_json(whole):
    assert json.loads(json.dumps([asdict(row) for row in whole[0].rows]))


def test_quality_by_hand():
    """A model that knows the tokens before, and one that looks one ahead."""
    streams = make_streams((64,), seed=0)
    v = streams.bins.vocabulary

    def even(x):
        return np.full((*x.shape, v), -np.log(v))

    def peeks(x):
        later = np.concatenate([x[:, 1:], x[:, -1:]], axis=1)  # right but for the last token of a window
        return np.log(np.where(np.arange(v) == later[..., None], 0.9, 0.1 / (v - 1)))

    blind, sees = (quality(f, streams, 64, lasts=16) for f in (even, peeks))
    _, y = streams.windows(64, held_out=True)
    per = y.size / np.count_nonzero(y)
    np.testing.assert_allclose(blind, [np.log(v) * per, np.log(v), np.log(v), 0.0], rtol=ROUNDING("f8", y.size))
    assert sees.held_out < blind.held_out
    assert sees.last > sees.inside  # what it knows of the future is not there behind a window
    assert sees.seen_ahead > 0


def test_quality_of_a_table_of_pairs():
    """What depends on one token before alone is the same behind a window and inside of one."""
    streams = make_streams((64,), seed=0)
    v = streams.bins.vocabulary
    table = np.log(np.random.default_rng(0).dirichlet(np.ones(v), v))
    found = quality(lambda x: table[x], streams, 64, lasts=16)
    x, y = (part.ravel() for part in streams.windows(64, held_out=True))
    _, places = streams.lasts(64, 16)
    want = np.mean([-table[streams.test[place - 1], streams.test[place]] for place in places])
    per_purchase = np.sum(-table[x, y]) / np.count_nonzero(y)
    np.testing.assert_allclose(found, [per_purchase, want, want, 0.0], rtol=ROUNDING("f8", y.size))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"mechanisms": ()}, "mechanisms must be one or more, each once, got none"),
        ({"mechanisms": ("gru", "gru")}, "mechanisms must be one or more, each once, got gru, gru"),
        ({"mechanisms": ("gur",)}, "mechanisms must be full, performer, .* got 'gur'"),
        ({"lengths": ()}, "lengths must be one or more"),
        ({"steps": 0}, "steps must be positive, got 0"),
    ],
)
def test_plans_that_cannot_be_run_are_refused(wrong, told):
    with pytest.raises(ValueError, match=told):
        Plan(**wrong)


def test_a_plan_has_every_mechanism():
    assert Plan().mechanisms == MECHANISMS
    assert max(Plan().lengths) >= 8192
