"""list, show and cost."""

import json
import re

import pytest

from factorattn import CATALOGUE, __version__, cost, family, softmax_attention, time_polynomial
from factorattn.cli.entries import KINDS
from factorattn.cli.listing import equation
from factorattn.cli.sizes import read_count
from factorattn.testing import COST_LAWS, LAWS
from factorattn.testing.check import cases


def test_the_list_has_every_mechanism_with_what_it_declares(call):
    out = call("list").stdout
    for name, f in CATALOGUE.items():
        (line,) = [line for line in out.splitlines() if line.split()[:2] == [family(f), name]]
        assert all(form in line for form in f.record.forms)


def test_the_list_has_every_score_distribution_and_position_with_its_equation(call):
    out = call("list").stdout
    for kind in ("score", "distribution", "position"):
        for name, f in KINDS[kind].items():
            (line,) = [line for line in out.splitlines() if line.split()[:2] == [kind, name]]
            assert equation(f) in line
            assert equation(f)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_mechanism_can_be_shown(call, name, monkeypatch):
    monkeypatch.setattr("factorattn.testing.laws.LAWS", {"inputs_are_left_alone": LAWS["inputs_are_left_alone"]})
    monkeypatch.setattr("factorattn.testing.cost_laws.COST_LAWS", {})
    record = CATALOGUE[name].record
    out = " ".join(call("show", name).stdout.split())
    for told in (f"{name}(", record.inputs, record.time, record.memory, record.paper, *record.forms):
        assert told in out
    assert all(" ".join(why.split()) in out for why in record.refuses.values())
    assert "laws passed 1 of 1: inputs are left alone" in out
    assert "BROKEN" not in out


@pytest.mark.parametrize(
    "name", [f"{kind}.{name}" for kind in ("score", "distribution", "position") for name in KINDS[kind]]
)
def test_every_other_entry_can_be_shown(call, name):
    kind, _, bare = name.partition(".")
    record = KINDS[kind][bare].record
    out = " ".join(call("show", name).stdout.split())
    for told in (f"{bare}(", record.inputs, record.time, record.memory, record.paper, f"kind {kind}"):
        assert told in out


def test_show_tries_the_laws_here_and_now(call):
    out = " ".join(call("show", "window").stdout.split())
    applied = [name for name, law in LAWS.items() if any(law(case) for case in cases(CATALOGUE["window_attention"]))]
    told = re.search(r"laws passed (\d+) of (\d+): (.*?) do not apply (.*)$", out)
    assert int(told[1]) == int(told[2]) == len(applied) + len(COST_LAWS)
    assert all(name.replace("_", " ") in told[3] for name in applied)
    assert all(name.replace("_", " ") in told[4] for name in set(LAWS) - set(applied))


def test_show_says_which_law_is_broken(call, monkeypatch):
    def no_law(case):
        raise AssertionError("as planned")

    monkeypatch.setattr("factorattn.testing.laws.LAWS", {"no_law": no_law})
    out = " ".join(call("show", "window").stdout.split())
    assert "laws passed 2 of 3" in out
    assert "BROKEN no_law (as planned)" in out


def test_a_name_of_several_kinds_is_the_mechanism_and_tells_of_the_others(call, monkeypatch):
    monkeypatch.setattr("factorattn.testing.laws.LAWS", {})
    out = call("show", "softmax").stdout
    assert out.startswith("softmax_attention(")
    assert "also distribution.softmax" in out
    assert call("show", "distribution.softmax").stdout.startswith("softmax(")


@pytest.mark.parametrize("name", ["shaw", "t5", "music"])
def test_a_position_needs_no_suffix(call, name):
    for given in (name, f"{name}_relative", f"position.{name}"):
        assert call("show", given).stdout.startswith(f"{name}_relative(")


def test_a_mechanism_comes_before_a_position_of_the_same_short_name(call, monkeypatch):
    monkeypatch.setattr("factorattn.testing.laws.LAWS", {})
    out = call("show", "transformer_xl").stdout
    assert out.startswith("transformer_xl_attention(")
    assert "also position.transformer_xl_relative" in out
    assert call("show", "position.transformer_xl").stdout.startswith("transformer_xl_relative(")


def test_show_has_the_equation_and_the_counted_polynomial(call):
    out = call("show", "softmax").stdout
    assert "p_ij = exp(a_ij)" in out
    assert str(time_polynomial(softmax_attention, form="dense")) in out
    assert "Attention Is All You Need" in out


def test_show_says_where_a_count_is_no_polynomial(call):
    assert "not a polynomial: window_attention: " in call("show", "window").stdout


def test_cost_counts_at_the_sizes_given_and_fills_in_the_others(call):
    result = call("cost", "softmax", "n=2^20", "d=64", "causal=true", "form=dense", "--json")
    found = json.loads(result.stdout)
    sizes = {"n": 2**20, "m": 2**20, "d": 64, "e": 64}
    counted = cost(softmax_attention, sizes, causal=True, form="dense")
    assert found["sizes"] == sizes
    assert (found["flops"], found["by_kind"], found["moved"], found["peak"]) == counted
    assert "declared_time" not in found  # it is that of the online form


def test_the_declared_formula_is_that_of_the_default_form(call):
    found = json.loads(call("cost", "softmax", "n=2^20", "d=64", "--json").stdout)
    assert found["declared_time"] == 2 * 2**40 * 64
    assert "n*m*d + n*m*e (online form, the default)" in call("cost", "softmax").stdout
    assert "declared" not in call("cost", "softmax", "form=dense").stdout


def test_sizes_of_the_input_come_first(call):
    assert list(json.loads(call("cost", "longformer", "--json").stdout)["sizes"])[:2] == ["n", "d"]
    assert list(json.loads(call("cost", "linformer", "--json").stdout)["sizes"]) == ["n", "m", "d", "e", "r"]


def test_large_counts_are_told_in_units_too(call):
    out = call("cost", "softmax", "n=2^20", "form=dense").stdout
    assert re.search(r"operations +[\d,]+  [\d,]+ GFLOP", out)
    assert re.search(r"operations +[\d,]+  \d\.\de11 GFLOP", call("cost", "softmax", "n=2^30").stdout)
    assert re.search(r"bytes at the peak +[\d,]+  \S+ MiB", out)


def test_cost_prints_operations_by_kind_and_bytes(call):
    out = call("cost", "performer", "n=1e6").stdout
    counted = cost(CATALOGUE["performer_attention"], {"n": 10**6, "m": 10**6, "d": 64, "e": 64, "r": 256})
    for number in (counted.flops, counted.moved, counted.peak, *counted.by_kind.values()):
        assert f"{number:,}" in out
    assert "n = 1,000,000" in out


@pytest.mark.parametrize(
    ("text", "value"), [("7", 7), ("1e6", 10**6), ("2^20", 2**20), ("2**20", 2**20), ("1_000", 1000), ("1.5e3", 1500)]
)
def test_sizes_are_read_as_people_write_them(text, value):
    assert read_count(text, "n") == value


def test_without_a_command_there_is_help(call):
    result = call()
    assert result.exit_code == 0
    assert all(command in result.stdout for command in ("compare", "list", "show", "cost"))


def test_the_version_is_that_of_the_package(call):
    assert call("--version").stdout == f"factorattn {__version__}\n"
