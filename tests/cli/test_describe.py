"""list, show and cost."""

import json
import re

import pytest

from factorattn import CATALOGUE, __version__, cost, family, softmax_attention, time_polynomial
from factorattn.cli.sizes import read_count


def test_the_list_has_every_mechanism_with_what_it_declares(call):
    out = call("list").stdout
    for name, f in CATALOGUE.items():
        (line,) = [line for line in out.splitlines() if line.split()[:2] == [family(f), name]]
        assert all(form in line for form in f.record.forms)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_mechanism_can_be_shown(call, name):
    record = CATALOGUE[name].record
    out = " ".join(call("show", name.removesuffix("_attention")).stdout.split())
    for told in (f"{name}(q, k, v", record.inputs, record.time, record.memory, record.paper, *record.forms):
        assert told in out


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
