"""Sizes on the command line: n=1e6, d=64, w=2^7."""

import math
import re
from collections.abc import Container, Iterable
from decimal import Decimal

from factorattn.catalogue import Mechanism
from factorattn.cli.errors import BadInput
from factorattn.contract import parse

__all__ = ["DEFAULTS", "KNOBS", "LARGEST", "letters_of", "read_budget", "read_count", "read_seed", "read_sizes"]

INPUT = ("n", "m", "d", "e")
KNOBS = {"r": 256, "w": 128, "g": 1, "b": 64, "s": 4, "t": 32, "u": 64}  # sizes to choose where mechanisms are compared
DEFAULTS = {"n": 2048, "d": 64, **KNOBS, "a": 64, "c": 512, "f": 64, "h": 8, "l": 512, "p": 8, "x": 32, "y": 64}
LARGEST = 2**30  # so that n * m, an array's size, stays in 64 bits
_POWER = re.compile(r"(\d+)(?:\^|\*\*)(\d+)")
_DECIMAL = re.compile(r"\d[\d_]*(\.\d+)?([eE]\+?\d{1,3})?")


def letters_of(record: Mechanism) -> list[str]:
    """The sizes that a contract names: those of the input, then the others in the order of their first use."""
    found = dict.fromkeys(letter for item in parse(record.inputs) for letter in item.axes)
    return [letter for letter in INPUT if letter in found] + [letter for letter in found if letter not in INPUT]


def read_sizes(words: Iterable[str], letters: Container[str], told: str) -> dict[str, int]:
    """Read words such as "n=1e6".

    Parameters
    ----------
    words : iterable of str
    letters : container of str
        Those that may occur.
    told : str
        What to say of a letter that may not, e.g. "sizes here are n, d".
    """
    sizes: dict[str, int] = {}
    for word in words:
        letter, equals, text = word.partition("=")
        if not equals:
            raise BadInput(f"a size must look like n=1024, got {word!r}")
        if letter not in letters:
            raise BadInput(f"unknown size {letter!r} in {word!r}; {told}")
        if letter in sizes:
            raise BadInput(f"size {letter} is given twice")
        sizes[letter] = read_count(text, letter)
    return sizes


def read_seed(text: object) -> int:
    """A seed: an integer from 0 on, of at most 18 digits."""
    if not re.fullmatch(r"[0-9]+", str(text)):
        raise BadInput(f"--seed must be an integer from 0 on, got {str(text)!r}")
    if len(str(text)) > 18:
        raise BadInput(f"--seed must have at most 18 digits, got {str(text)!r}")
    return int(str(text))


def read_budget(text: object) -> float:
    """Seconds: a positive number."""
    try:
        seconds = float(str(text))
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise BadInput(f"--budget must be a number of seconds from 0 on, got {str(text)!r}")
    return seconds


def read_count(text: str, name: str) -> int:
    """A positive integer such as 4096, 1e6, 2^20 or 2**20."""
    power, decimal = _POWER.fullmatch(text), _DECIMAL.fullmatch(text)
    if power and int(power[2][:4]) <= LARGEST.bit_length() and len(power[1]) < 10:
        value = Decimal(int(power[1]) ** int(power[2]))
    elif power:
        value = Decimal(LARGEST + 1)
    elif decimal:
        value = Decimal(text)
    else:
        value = Decimal(0)
    if value < 1 or (value <= LARGEST and value != int(value)):
        raise BadInput(f"{name} must be a positive integer such as 4096, 1e6 or 2^20, got {text!r}")
    if value > LARGEST:
        raise BadInput(f"{name} must be at most 2^30, got {text!r}")
    return int(value)
