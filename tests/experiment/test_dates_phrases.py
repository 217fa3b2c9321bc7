"""Dates in words: right by the calendar and by the languages, one reading each, read back by rules of their own."""

import re
from collections import Counter
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorattn.experiment.dates.data import FIRST_DAY, LAST_DAY
from factorattn.experiment.dates.phrases import CAPITALS, CHARACTERS, TEMPLATES, draw_phrase, every_phrase

MONTHS = {
    word: number
    for number, words in enumerate(
        (
            *("january jan enero ene", "february feb febrero", "march mar marzo", "april apr abril abr", "may mayo"),
            *("june jun junio", "july jul julio", "august aug agosto ago", "september sep septiembre sept"),
            *("october oct octubre", "november nov noviembre", "december dec diciembre dic"),
        ),
        1,
    )
    for word in words.split()
}
WEEKDAYS = {
    word: number
    for number, words in enumerate(
        (
            *(
                "sunday sun domingo dom",
                "monday mon lunes lun",
                "tuesday tue martes mar",
                "wednesday wed miércoles mié",
            ),
            *("thursday thu jueves jue", "friday fri viernes vie", "saturday sat sábado sáb"),
        )
    )
    for word in words.split()
}
DAYS = {
    word: number
    for words in (
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
        "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth twenty-first twenty-second twenty-third "
        "twenty-fourth twenty-fifth twenty-sixth twenty-seventh twenty-eighth twenty-ninth thirtieth thirty-first",
        "uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete "
        "dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete "
        "veintiocho veintinueve treinta treinta_y_uno",
    )
    for number, word in enumerate(words.split(), 1)
} | {"primero": 1}


def leap(year):
    """Every fourth year, but for centuries, but for every fourth century."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def lengths(year):
    return (31, 29 if leap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def weekday(year, month, day):
    """Days since 1 January 1900, a Monday, modulo seven; Sunday is 0."""
    passed = sum(366 if leap(y) else 365 for y in range(1900, year))
    passed += sum(lengths(year)[: month - 1]) + day - 1
    return (1 + passed) % 7


def readings(text):
    """Every date that a text can mean, read word by word, weekday included; a text of none is no date."""
    text = text.lower().replace("treinta y uno", "treinta_y_uno")
    if numbers := re.fullmatch(r"(\d{4})[./](\d\d)[./](\d\d)", text):
        return {tuple(map(int, numbers.groups()))}
    text = re.sub(r"(\d+)-(\w+)-(\d{4})", r"\1 \2 \3", text)
    words = [word for word in re.split(r"[ ,]+", text) if word not in ("the", "of", "on", "el", "de")]
    year, rest = [], []
    for word in words:
        (year if re.fullmatch(r"\d{4}", word) else rest).append(word)
    assert len(year) == 1, text
    found = set()
    for at, word in enumerate(rest):
        others = [other.strip(".") for i, other in enumerate(rest) if i != at]
        bare = re.sub(r"^(\d+)(?:st|nd|rd|th|\.º|\.o)$", r"\1", word)
        day = DAYS.get(bare, int(bare) if bare.isdigit() else None)
        if day is None:
            continue
        for month in (other for other in others if other in MONTHS):
            left = list(others)
            left.remove(month)
            if all(other in WEEKDAYS for other in left) and len(left) <= 1:
                y, m = int(year[0]), MONTHS[month]
                if 1 <= day <= lengths(y)[m - 1] and (not left or WEEKDAYS[left[0]] == weekday(y, m, day)):
                    found.add((y, m, day))
    return found


CALENDAR = [date(2000, 1, 1) + timedelta(days=n) for n in range(366)]
EDGES = [FIRST_DAY, date(1900, 2, 28), date(1900, 3, 1), date(1996, 2, 29), date(2099, 3, 31), LAST_DAY]


@pytest.mark.parametrize("month", range(1, 13))
def test_every_phrase_has_one_reading_and_it_is_the_date(month):
    for day in [day for day in (*CALENDAR, *EDGES) if day.month == month]:
        for phrase in every_phrase(day):
            assert readings(phrase.text) == {tuple(map(int, phrase.iso.split("-")))}, phrase
            assert phrase.iso == f"{day.year}-{day.month:02}-{day.day:02}"
            assert not set(phrase.text) - set(CHARACTERS), phrase


@given(st.dates(FIRST_DAY, LAST_DAY))
def test_weekdays_and_leap_years_are_those_of_the_calendar(day):
    texts = [phrase.text for phrase in every_phrase(day) if phrase.kind == "weekday"]
    assert all(readings(text) == {(day.year, day.month, day.day)} for text in texts)
    assert day.day <= lengths(day.year)[day.month - 1]


def test_a_text_never_means_two_dates():
    seen = {}
    for day in CALENDAR:
        for phrase in every_phrase(day):
            assert seen.setdefault(phrase.text, phrase.iso) == phrase.iso


def test_phrases_of_one_date_by_hand():
    texts = {phrase.text for phrase in every_phrase(date(1997, 5, 3))}
    assert texts >= {
        *("the 3rd of May 1997", "May 3, 1997", "3 May 1997", "MAY 3RD, 1997", "may the 3rd, 1997"),
        *("Saturday, May 3, 1997", "Sat, 3 May 1997", "3-May-1997", "The third of May 1997", "1997/05/03"),
        *("3 de mayo de 1997", "el 3 de mayo de 1997", "El sábado 3 de mayo de 1997", "tres de mayo de 1997"),
        *("SÁBADO, 3 DE MAYO DE 1997", "3 may. 1997", "sáb. 3 de mayo de 1997", "1997, 3 de mayo", "1997.05.03"),
    }
    assert not any(re.search(r"\d[/-]\d+[/-]\d{4}", text) for text in texts)  # the third of May, or the fifth of March
    first = {phrase.text for phrase in every_phrase(date(2000, 1, 1))}
    assert first >= {
        "1.º de enero de 2000",
        "primero de enero de 2000",
        "el primero de enero de 2000",
        "1st January 2000",
    }
    assert not any("primero" in text for text in texts)


@pytest.mark.parametrize(
    ("day", "ordinal"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (22, "22nd"),
    ],
)
def test_ordinals(day, ordinal):
    assert f"the {ordinal} of March 2001" in {phrase.text for phrase in every_phrase(date(2001, 3, day))}


def test_drawn_phrases_are_of_those_there_are_and_of_all_kinds():
    rng = np.random.default_rng(0)
    for day in (date(1997, 5, 3), date(2024, 2, 29), date(2000, 1, 1)):
        known = set(every_phrase(day))
        drawn = [draw_phrase(day, rng) for _ in range(300)]
        assert set(drawn) <= known
        kinds = Counter((phrase.language, phrase.kind) for phrase in drawn)
        possible = {
            (language, kind)
            for language, some in TEMPLATES.items()
            for kind in some
            if day.day == 1 or (language, kind) != ("Spanish", "ordinal")
        }
        assert set(kinds) == possible
        assert any(phrase.text.isupper() for phrase in drawn)
        assert any(phrase.text.islower() for phrase in drawn)


def test_there_are_four_ways_of_capitals():
    texts = {phrase.text for phrase in every_phrase(date(1997, 5, 3)) if phrase.text.lower() == "el 3 de mayo de 1997"}
    assert texts == {"el 3 de mayo de 1997", "EL 3 DE MAYO DE 1997", "El 3 de mayo de 1997"}
    assert len(CAPITALS) == 4
