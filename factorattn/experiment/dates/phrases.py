"""Dates as people write them, in English and in Spanish: a phrase is a template, its fields filled from a date.

    "the {ordinal} of {month} {year}"   ->  "the 3rd of May 1997"
    "{weekday}, {day} de {month} de {year}"  ->  "sábado, 3 de mayo de 1997"

Only what has one reading is written: no 3/5/1997, which is in March or in May, and no year of two digits.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple

import numpy as np

__all__ = ["CAPITALS", "CHARACTERS", "LANGUAGES", "TEMPLATES", "Phrase", "draw_phrase", "every_phrase"]

LANGUAGES = ("English", "Spanish")

MONTHS = {
    "English": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    "Spanish": (
        *("enero", "febrero", "marzo", "abril", "mayo", "junio"),
        *("julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"),
    ),
}
SHORT_MONTHS = {
    "English": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "Spanish": ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic"),
}
WEEKDAYS = {  # from Monday on
    "English": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "Spanish": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
}
SHORT_WEEKDAYS = {
    "English": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "Spanish": ("lun", "mar", "mié", "jue", "vie", "sáb", "dom"),
}
_FIRST = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_TEENS = (
    *("tenth", "eleventh", "twelfth", "thirteenth", "fourteenth"),
    *("fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth"),
)
_UNOS = ("uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve")
_DIEZ = (
    *("diez", "once", "doce", "trece", "catorce"),
    *("quince", "dieciséis", "diecisiete", "dieciocho", "diecinueve"),
)
_VEINTE = (
    *("veinte", "veintiuno", "veintidós", "veintitrés", "veinticuatro"),
    *("veinticinco", "veintiséis", "veintisiete", "veintiocho", "veintinueve"),
)
DAYS_IN_WORDS = {  # ordinals in English, cardinals in Spanish
    "English": (
        *(*_FIRST, *_TEENS, "twentieth", *(f"twenty-{word}" for word in _FIRST)),
        *("thirtieth", "thirty-first"),
    ),
    "Spanish": (*_UNOS, *_DIEZ, *_VEINTE, "treinta", "treinta y uno"),
}

TEMPLATES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "English": {
        "plain": ("{day} {month} {year}", "{month} {day}, {year}", "{month} {day} {year}"),
        "ordinal": (
            *("the {ordinal} of {month} {year}", "{ordinal} of {month}, {year}", "{ordinal} {month} {year}"),
            *("{month} {ordinal}, {year}", "{month} the {ordinal}, {year}"),
        ),
        "abbreviated": (
            *("{day} {short_month} {year}", "{short_month}. {day}, {year}", "{short_month} {ordinal}, {year}"),
            *("{short_weekday}, {day} {short_month} {year}", "{day}-{short_month}-{year}"),
        ),
        "weekday": (
            *("{weekday}, {month} {day}, {year}", "{weekday} {day} {month} {year}"),
            *("{weekday} the {ordinal} of {month} {year}", "on {weekday}, the {ordinal} of {month}, {year}"),
        ),
        "words": (
            *("the {words} of {month} {year}", "{month} {words}, {year}", "{words} of {month}, {year}"),
            "{weekday}, the {words} of {month} {year}",
        ),
        "year first": ("{year}/{month_number}/{day_number}", "{year} {month} {day}", "{year}, {month} {ordinal}"),
    },
    "Spanish": {
        "plain": ("{day} de {month} de {year}", "el {day} de {month} de {year}", "{day} {month} {year}"),
        "ordinal": ("{first} de {month} de {year}", "el {first} de {month} de {year}"),  # of the first day alone
        "abbreviated": (
            *("{day} {short_month} {year}", "{day} {short_month}. {year}", "{day}-{short_month}-{year}"),
            "{short_weekday}. {day} de {month} de {year}",
        ),
        "weekday": (
            *("{weekday}, {day} de {month} de {year}", "el {weekday} {day} de {month} de {year}"),
            "{weekday} {day} de {month}, {year}",
        ),
        "words": (
            *("{words} de {month} de {year}", "el {words} de {month} de {year}"),
            "el {weekday} {words} de {month} de {year}",
        ),
        "year first": ("{year}.{month_number}.{day_number}", "{year}, {day} de {month}", "{year}, {month} {day}"),
    },
}
FIRST_DAYS = {"Spanish": ("1.º", "1.o", "primero")}

CAPITALS = ("as written", "lower", "upper", "first letter")
CHARACTERS = " ,-./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzÁÉÍÓÚáéíóúº"


class Phrase(NamedTuple):
    """A date in words, how it was made, and the date itself as YYYY-MM-DD."""

    text: str
    language: str
    kind: str
    iso: str


def draw_phrase(day: date, rng: np.random.Generator) -> Phrase:
    """Write a date in one of the ways there are: languages are drawn alike, then kinds, templates and capitals."""
    language = LANGUAGES[rng.integers(len(LANGUAGES))]
    kinds = [kind for kind in TEMPLATES[language] if _has(language, kind, day)]
    kind = kinds[rng.integers(len(kinds))]
    templates = TEMPLATES[language][kind]
    template, capitals = templates[rng.integers(len(templates))], CAPITALS[rng.integers(len(CAPITALS))]
    firsts = FIRST_DAYS.get(language, ("",))
    text = template.format_map(_fields(language, day, firsts[rng.integers(len(firsts))]))
    return Phrase(_written(text, capitals), language, kind, day.isoformat())


def every_phrase(day: date) -> Iterator[Phrase]:
    """All ways to write a date; a text that two languages share comes twice."""
    for language, kinds in TEMPLATES.items():
        for kind, templates in kinds.items():
            if not _has(language, kind, day):
                continue
            texts = {
                _written(template.format_map(_fields(language, day, first)), capitals): None
                for template in templates
                for first in FIRST_DAYS.get(language, ("",))
                for capitals in CAPITALS
            }
            yield from (Phrase(text, language, kind, day.isoformat()) for text in texts)


def _has(language: str, kind: str, day: date) -> bool:
    """Whether a date can be written so: in Spanish, only the first of a month has an ordinal."""
    return day.day == 1 or not (language == "Spanish" and kind == "ordinal")


def _fields(language: str, day: date, first: str) -> dict[str, str]:
    return {
        "day": str(day.day),
        "day_number": f"{day.day:02}",
        "ordinal": f"{day.day}{_ending(day.day)}",
        "first": first,
        "words": DAYS_IN_WORDS[language][day.day - 1],
        "month": MONTHS[language][day.month - 1],
        "short_month": SHORT_MONTHS[language][day.month - 1],
        "month_number": f"{day.month:02}",
        "weekday": WEEKDAYS[language][day.weekday()],
        "short_weekday": SHORT_WEEKDAYS[language][day.weekday()],
        "year": f"{day.year:04}",
    }


def _ending(day: int) -> str:
    """That of an English ordinal: 1st, 2nd, 3rd, 4th; 11th, 12th and 13th."""
    return "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _written(text: str, capitals: str) -> str:
    if capitals == "first letter":
        return text[0].upper() + text[1:]
    if capitals == "lower":
        return text.lower()
    return text.upper() if capitals == "upper" else text
