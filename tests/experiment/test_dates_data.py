"""Days that are learned and days held out; characters as ids; batches."""

import itertools
import re
from datetime import date

import numpy as np
import pytest

from factorattn.experiment.dates.data import (
    ANSWER,
    BEGIN,
    END,
    PAD,
    POOL,
    VOCABULARY,
    Batches,
    answers,
    draw_phrases,
    sources,
    split_days,
    targets,
)
from factorattn.experiment.dates.phrases import CHARACTERS


def test_the_split_is_by_date_and_leaves_none_out():
    days = split_days()
    assert not set(days.learned) & set(days.held_out)
    every = sorted([*days.learned, *days.held_out])
    assert [date.fromordinal(int(every[at])) for at in (0, -1)] == [date(1900, 1, 1), date(2099, 12, 31)]
    assert every == list(range(every[0], every[-1] + 1))
    assert len(every) == 200 * 365 + 49  # 1900 is no leap year, 2000 is one
    assert len(days.held_out) == round(0.1 * len(every))
    np.testing.assert_array_equal(split_days(rng=0).held_out, days.held_out)
    assert set(split_days(rng=1).held_out) != set(days.held_out)
    with pytest.raises(ValueError, match="share must be above 0 and below 1, got 1"):
        split_days(share=1)


def test_training_phrases_are_never_of_a_day_held_out():
    days = split_days()
    data = Batches(days.learned, 50)
    out = {date.fromordinal(int(day)).isoformat() for day in days.held_out}
    rng = np.random.default_rng(0)
    place = data.start(rng)
    for _ in range(2 * POOL):
        (_, _, target), place = data.take(rng, place)
        assert not out & set(answers(target[:, 1:]))
    assert {phrase.iso for phrase in draw_phrases(days.held_out, 100, rng)} <= out


def test_characters_there_and_back():
    ids, mask = sources(["3 May", "Sáb."])
    assert ids.shape == mask.shape == (2, 5)
    assert ids[1, 4] == PAD
    np.testing.assert_array_equal(mask, [[True] * 5, [True] * 4 + [False]])
    assert answers(ids) == ["3 May", "Sáb._"]
    target = targets(["1997-05-03"])
    assert target.shape == (1, ANSWER + 1)
    assert (target[0, 0], target[0, -1]) == (BEGIN, END)
    assert answers(target[:, 1:]) == ["1997-05-03"]
    assert len(set(CHARACTERS)) + 3 == VOCABULARY


@pytest.mark.parametrize(("text", "told"), [("3 ñ ñ!", "holds 'ñ!', which no phrase has"), ("", "is empty")])
def test_texts_that_no_model_reads_are_refused(text, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        sources(["ok", text])


def test_a_pool_is_dealt_out_by_length_and_every_phrase_of_it_comes_once():
    data, rng = Batches(split_days().learned, 8), np.random.default_rng(3)
    place = data.start(rng)
    pool = None
    batches = []
    for at in range(POOL):
        assert place["at"] == at
        pool = place["pool"] if pool is None else pool
        assert place["pool"] == pool
        (ids, mask, target), place = data.take(rng, place)
        batches.append([*zip(answers(np.where(mask, ids, END)), answers(target[:, 1:]), strict=True)])
    assert place["at"] == 0
    assert place["pool"] != pool
    own = np.random.default_rng(pool)
    own.permutation(POOL)
    draw_pool = draw_phrases(data.days, POOL * 8, own)
    assert sorted(itertools.chain(*batches)) == sorted((phrase.text, phrase.iso) for phrase in draw_pool)
    spans = sorted((min(len(text) for text, _ in one), max(len(text) for text, _ in one)) for one in batches)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_batches_go_on_from_a_place_as_if_they_had_not_stopped():
    data, rng = Batches(split_days().learned, 5), np.random.default_rng(0)
    place, kept = data.start(rng), None
    for at in range(2 * POOL + 1):
        if at == POOL - 1:
            kept = (dict(place), rng.bit_generator.state)
        batch, place = data.take(rng, place)
    again = np.random.default_rng(9)
    again.bit_generator.state = kept[1]
    place = kept[0]
    for _ in range(POOL + 2):
        other, place = data.take(again, place)
    for x, y in zip(batch, other, strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_batch_is_positive():
    with pytest.raises(ValueError, match="size must be positive, got 0"):
        Batches(split_days().learned, 0)
