"""Make ``factorattn/data/sentences.txt``: a passage of seven sentences from every chapter of a novel.

Needs the Debian package ``r-cran-janeaustenr`` (text), installed or by the path of its data file, and what
``make_minilm.py`` beside this file imports::

    python tools/make_sentences.py
"""

import argparse
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from make_minilm import AUSTEN, read_text

from factorattn.data import sentences

WORDS = range(4, 51)  # of a sentence that may stand in a passage
CHAPTER = re.compile(r"^Chapter (\d+)$", re.MULTILINE)
ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Dr|St|Esq|[A-Z])\.$")
END = re.compile(r"[.!?][\"')]*(?=\s+[\"'(]*[A-Z])")
WHOLE = re.compile(r"[.!?][\"')]*$")


def chapters(novel: str) -> Iterator[tuple[int, str]]:
    """The number and the text of every chapter."""
    headings = [*CHAPTER.finditer(novel), None]
    for here, following in pairwise(headings):
        yield int(here[1]), novel[here.end() : following.start() if following else len(novel)]


def split(paragraph: str) -> list[str]:
    """The sentences of a paragraph; a full stop after a title or an initial ends none."""
    found, start = [], 0
    for end in END.finditer(paragraph):
        if ABBREVIATION.search(paragraph[: end.end()]) is None:
            found.append(paragraph[start : end.end()].strip())
            start = end.end()
    return [*found, paragraph[start:].strip()]


def passage(chapter: str, length: int) -> list[str]:
    """The first `length` sentences in a row that are whole, neither short nor long; emphasis is left out."""
    paragraphs = (" ".join(lines.split()).replace("_", "") for lines in re.split(r"\n\s*\n", chapter))
    row: list[str] = []
    for sentence in (sentence for paragraph in paragraphs if paragraph for sentence in split(paragraph)):
        row = [*row, sentence] if len(sentence.split()) in WORDS and WHOLE.search(sentence) else []
        if len(row) == length:
            return row
    raise ValueError(f"expected {length} sentences in a row of {WORDS.start} to {WORDS.stop - 1} words, got none")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, default=AUSTEN, help="janeaustenr's Rdata.rdb, or a UTF-8 text file")
    parser.add_argument("--out", type=Path, default=Path(sentences.__file__).with_name("sentences.txt"))
    args = parser.parse_args()

    lines = [
        f"{number}\t{sentence}\n"
        for number, chapter in chapters(read_text(args.text))
        for sentence in passage(chapter, sentences.PASSAGE)
    ]
    args.out.write_text("".join(lines), encoding="utf-8", newline="\n")
    print(f"{args.out}: {len(lines)} sentences, {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
