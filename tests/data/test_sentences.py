"""The sentences that come with the package, and their pairs."""

import importlib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from factorattn.data import load_sentences
from factorattn.data.sentences import N_SENTENCES, PASSAGE, Sentences

TOOLS = Path(__file__).parents[2] / "tools"


def test_there_are_seven_sentences_of_each_of_the_61_chapters():
    text, chapter = load_sentences()
    assert len(text) == len(chapter) == N_SENTENCES == 427
    np.testing.assert_array_equal(chapter, np.repeat(np.arange(1, 62), PASSAGE))
    assert text[0].startswith("It is a truth universally acknowledged, that a single man")


def test_sentences_are_whole_different_and_of_4_to_50_words():
    text, _ = load_sentences()
    assert len(set(text)) == len(text)
    for sentence in text:
        assert sentence == " ".join(sentence.split())
        assert 4 <= len(sentence.split()) <= 50
        assert sentence.rstrip("\"')")[-1] in ".!?", sentence


def test_pairs_are_neighbours_those_of_a_passage_and_those_of_distant_chapters():
    _, chapter = sentences = load_sentences()
    pairs = sentences.pairs()
    assert {kind: len(first) for kind, (first, _) in pairs.items()} == {"next": 61 * 6, "near": 61 * 4, "far": 427}
    for kind, step in (("next", 1), ("near", 3)):
        first, second = pairs[kind]
        np.testing.assert_array_equal(second - first, step)
        np.testing.assert_array_equal(chapter[first], chapter[second])
    first, second = pairs["far"]
    assert np.min(np.abs(chapter[first] - chapter[second])) == 30


def part_of(chosen):
    """The sentences of some chapters."""
    text, chapter = load_sentences()
    some = np.flatnonzero(np.isin(chapter, chosen))
    return Sentences(tuple(text[at] for at in some), chapter[some])


@pytest.mark.parametrize("chapters", [range(1, 62), range(1, 62, 2), range(2, 62, 2), range(1, 5), range(1, 4)])
def test_no_pair_comes_twice_in_either_order_nor_is_a_sentence_its_own(chapters):
    part = part_of(chapters)
    for kind, (first, second) in part.pairs().items():
        assert 0 <= min(first.min(), second.min()) <= max(first.max(), second.max()) < len(part.text)
        assert len({frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)}) == len(first), kind
        assert np.all(first != second)
    first, second = part.pairs()["far"]
    np.testing.assert_array_equal(first, np.arange(len(part.text)))
    assert np.all(part.chapter[first] != part.chapter[second])


def test_far_pairs_of_the_even_chapters_are_28_chapters_apart():
    part = part_of(range(2, 62, 2))
    first, second = part.pairs()["far"]
    assert np.min(np.abs(part.chapter[first] - part.chapter[second])) == 28


@pytest.mark.parametrize("chapters", [[], [5], [5, 9]])
def test_too_few_chapters_are_not_far_from_each_other(chapters):
    pairs = part_of(chapters).pairs()
    assert {kind: len(first) for kind, (first, _) in pairs.items()} == {
        "next": 6 * len(chapters),
        "near": 4 * len(chapters),
        "far": 0,
    }


def test_the_file_is_small():
    assert len((files("factorattn.data") / "sentences.txt").read_bytes()) < 100_000


# The tool that makes the file


@pytest.fixture
def tool(monkeypatch):
    for package in ("tokenizers", "scipy"):
        pytest.importorskip(package, reason="extra: peers")
    if not TOOLS.is_dir():
        pytest.skip("no tools beside these tests")
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("make_sentences")


@pytest.mark.parametrize(
    ("paragraph", "sentences"),
    [
        ("One two. Three four.", ["One two.", "Three four."]),
        ("Mr. Bennet and Mrs. Long spoke. He left.", ["Mr. Bennet and Mrs. Long spoke.", "He left."]),
        ('"Is it so?" She laughed! "Yes."', ['"Is it so?"', "She laughed!", '"Yes."']),
        ('"My dear!" cried she; "no."', ['"My dear!" cried she; "no."']),
        ("No end", ["No end"]),
    ],
)
def test_paragraphs_are_split_at_the_ends_of_sentences(tool, paragraph, sentences):
    assert tool.split(paragraph) == sentences


def test_a_passage_is_the_first_row_without_a_short_sentence(tool):
    chapter = "A b c d. No.\n\nE f g h.\nI j _k_ l. M n o p."
    assert tool.passage(chapter, 3) == ["E f g h.", "I j k l.", "M n o p."]
    with pytest.raises(ValueError, match="expected 4 sentences in a row of 4 to 50 words, got none"):
        tool.passage(chapter, 4)


def test_chapters_are_what_stands_between_headings(tool):
    assert list(tool.chapters("Title\nChapter 1\nA.\nChapter 2\nB.\n")) == [(1, "\nA.\n"), (2, "\nB.\n")]


def test_the_tool_makes_the_stored_file_byte_for_byte(tool, tmp_path, monkeypatch):
    if not tool.AUSTEN.exists():
        pytest.skip(f"the Debian package r-cran-janeaustenr is not installed: no {tool.AUSTEN}")
    made = tmp_path / "sentences.txt"
    monkeypatch.setattr("sys.argv", ["make_sentences.py", "--out", str(made)])
    tool.main()
    assert made.read_bytes() == (files("factorattn.data") / "sentences.txt").read_bytes()
