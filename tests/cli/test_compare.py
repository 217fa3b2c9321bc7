"""The command compare: what it tells, where it writes, what it reads."""

import csv
import io
import json

import numpy as np
import pytest

from factorattn import CATALOGUE, cost, performer_attention, softmax_attention
from factorattn.cli.machine import _blas
from factorattn.cli.options import asks_for
from factorattn.testing.tolerance import ROUNDING

SMALL = ("--n", "64", "--kernels", "off")

COMPARED = {name: f for name, f in CATALOGUE.items() if not asks_for(f)}
WITHOUT_CAUSAL = {name: f for name, f in COMPARED.items() if f.record.causal != "always"}


def as_json(call, *words):
    result = call("compare", "--json", "-", "--kernels", "off", *words)
    found = json.loads(result.stdout)
    assert result.exit_code == (0 if found["rows"] else 1), result.stderr
    return found


def test_the_table_has_every_mechanism_and_both_forms_of_exact_attention(call):
    result = call("compare", *SMALL)
    assert result.exit_code == 0
    for name in WITHOUT_CAUSAL:
        assert name in result.stdout
    assert "softmax_attention (dense)" in result.stdout
    assert "softmax_attention (online)" in result.stdout
    for told in ("MiniLM on Pride and Prejudice", "n = 64", "float32", "numpy", "kernels are off"):
        assert told in result.stdout


def test_nothing_compared_is_said_without_an_empty_table(call):
    result = call("compare", *SMALL, "--only", "longformer", "--set", "g=100")
    assert result.exit_code == 1
    assert result.stderr == "factorattn: nothing was compared: every mechanism was left out\n"
    assert "global_tokens must be distinct integers in 0 .. 63, got 100 positions" in result.stdout
    assert "speed-up" not in result.stdout


def test_the_notes_say_what_the_figures_are_relative_to(call):
    out = " ".join(call("compare", *SMALL, "--only", "linear").stdout.split())
    assert "over softmax_attention in its default form" in out
    assert "linear_attention: other weights by design, its distance is not an error" in out
    assert "counted: the reference text, function by function; a kernel may hold less" in out
    assert "(0." not in out


def test_a_library_of_linear_algebra_is_told_once_and_two_are_told_apart(monkeypatch):
    def told(*libraries):
        found = [
            {"user_api": "blas", "internal_api": "openblas", "version": version, "num_threads": 2, "filepath": path}
            for version, path in libraries
        ]
        monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: found)
        return _blas()

    ours, theirs = "/lib/numpy.libs/libopenblas.so", "/lib/scipy.libs/libopenblas.so"
    assert told(("3", ours), ("3", theirs)) == "openblas 3 2 threads"
    assert told(("3", ours), ("4", theirs)) == "openblas 3 2 threads (of numpy), openblas 4 2 threads (of scipy)"


def test_json_on_stdout_is_all_there_is_and_has_a_number_for_everything(call):
    found = as_json(call, "--n", "64")
    assert {row["mechanism"] for row in found["rows"]} == set(WITHOUT_CAUSAL)
    assert {left["mechanism"] for left in found["left_out"]} == set(COMPARED) - set(WITHOUT_CAUSAL)
    for row in found["rows"]:
        assert 0 < row["seconds_lower_quartile"] <= row["seconds_median"] <= row["seconds_upper_quartile"]
        assert row["flops"] > 0
        assert row["counted_peak_bytes"] > 0
        assert row["measured_peak_bytes"] >= 0
        assert row["speedup"] > 0
        assert len(row["errors"]) == 2


def test_counted_operations_are_those_of_cost(call):
    found = {row["mechanism"]: row for row in as_json(call, "--n", "64", "--set", "r=16")["rows"]}
    counted = cost(performer_attention, {"n": 64, "m": 64, "d": 32, "e": 32, "r": 16}, batch=(2,))
    row = found["performer_attention"]
    assert (row["flops"], row["counted_peak_bytes"]) == (counted.flops, counted.peak)


def test_errors_are_relative_distances_from_exact_attention_in_float64(call, npz, qkv):
    path = npz(**qkv)
    (row,) = as_json(call, "--input", path, "--only", "performer", "--set", "r=16", "--seed", "7")["rows"]
    exact = softmax_attention(*(x.astype(np.float64) for x in qkv.values()))
    off = performer_attention(*qkv.values(), rank=16, rng=7) - exact
    expected = np.linalg.norm(off, axis=(1, 2)) / np.linalg.norm(exact, axis=(1, 2))
    np.testing.assert_allclose(row["errors"], expected, rtol=ROUNDING(np.float64, off.size))


def test_exact_attention_is_exact_to_rounding(call):
    for row in as_json(call, "--n", "64", "--only", "softmax")["rows"]:
        assert row["error"] <= ROUNDING(np.float32, 64)


def test_what_does_not_depend_on_the_machine_is_the_same_again(call):
    columns = ("mechanism", "form", "flops", "bytes_moved", "counted_peak_bytes", "errors", "ran")

    def fixed():
        return [{column: row[column] for column in columns} for row in as_json(call, "--n", "64")["rows"]]

    assert fixed() == fixed()


def test_csv_has_a_line_for_each_mechanism_and_numbers_that_parse(call, tmp_path):
    target = tmp_path / "out.csv"
    assert call("compare", *SMALL, "--csv", target).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    assert {row["mechanism"] for row in rows} == set(WITHOUT_CAUSAL)
    for row in rows:
        assert int(row["flops"]) > 0
        assert float(row["seconds_median"]) > 0
        assert float(row["error_0"]) >= 0 <= float(row["error_1"])


@pytest.mark.parametrize("only", ["--only linear,window", "--only window_attention --only linear_attention"])
def test_only_leaves_the_named_ones(call, only):
    found = as_json(call, "--n", "64", *only.split())
    assert [row["mechanism"] for row in found["rows"]] == ["linear_attention", "window_attention"]


def test_causal_leaves_out_with_a_reason_what_never_is(call):
    found = as_json(call, "--n", "64", "--causal")
    never = {name: f.record.refuses["causal"] for name, f in COMPARED.items() if f.record.causal == "never"}
    told = {left["mechanism"]: left["why"] for left in found["left_out"]}
    assert told == {name: f"is never causal: {why}" for name, why in never.items()}
    assert {row["mechanism"] for row in found["rows"]} == set(COMPARED) - set(never)
    assert "lowrank_attention: is never causal" in call("compare", *SMALL, "--causal").stdout


def test_what_would_take_too_long_is_left_out_with_a_reason(call):
    found = as_json(call, "--n", "512", "--only", "lowrank", "--budget", "1e-6")
    assert found["rows"] == []
    assert "--budget is 1e-06 s" in found["left_out"][0]["why"]


def test_what_would_not_fit_in_memory_is_left_out_with_a_reason(call, monkeypatch):
    monkeypatch.setattr("factorattn.cli.job.available_memory", lambda namespace: 2**10)
    assert "are free" in as_json(call, "--n", "64", "--only", "lowrank")["left_out"][0]["why"]


def test_what_needs_equal_lengths_is_left_out_where_they_differ(call, npz, qkv):
    qkv["q"] = qkv["q"][:, :5]
    found = as_json(call, "--input", npz(**qkv))
    alike = {name for name, f in WITHOUT_CAUSAL.items() if "k: ... n d" in f.record.inputs}
    assert alike >= {"longformer_attention", "window_attention"}
    told = {left["mechanism"]: left["why"] for left in found["left_out"]}
    assert set(told) == alike | (set(COMPARED) - set(WITHOUT_CAUSAL))
    assert all("axis 'n'" in told[name] for name in alike)


def test_a_knob_that_is_too_large_is_left_out_in_the_mechanisms_own_words(call):
    found = as_json(call, "--n", "64", "--only", "linformer", "--set", "r=100")
    assert found["left_out"][0]["why"] == "rank must be at most the number of keys 64, got 100"


def test_window_and_global_tokens_are_those_that_were_set(call):
    wide = as_json(call, "--n", "64", "--only", "window,longformer", "--set", "w=64", "--set", "g=3")
    assert wide["input"]["sizes"] | {"w": 64, "g": 3} == wide["input"]["sizes"]
    assert all(row["error"] <= ROUNDING(np.float32, 64) for row in wide["rows"])  # a window over all is exact


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_dtype_is_the_one_asked_for(call, dtype):
    found = as_json(call, "--n", "32", "--only", "softmax", "--dtype", dtype)
    assert found["input"]["dtype"] == dtype
    assert all(row["error"] <= ROUNDING(dtype, 32) for row in found["rows"])


def test_own_arrays_are_read_from_npz_and_safetensors_alike(call, npz, safetensors, qkv):
    def errors(path):
        return [row["errors"] for row in as_json(call, "--input", path)["rows"]]

    assert errors(npz(**qkv)) == errors(safetensors(**qkv))


def test_arrays_without_batch_and_of_opposite_byte_order_are_read(call, npz, qkv):
    whole = as_json(call, "--input", npz(**{name: x[0] for name, x in qkv.items()}), "--n", "20")
    turned = as_json(call, "--input", npz(**{name: x[0].astype(">f4") for name, x in qkv.items()}), "--n", "20")
    assert whole["input"] == turned["input"]
    assert [row["errors"] for row in whole["rows"]] == [row["errors"] for row in turned["rows"]]


def test_bfloat16_is_read_as_the_float32_of_the_same_value(call, npz, tmp_path, qkv):
    halves = {name: x.view(np.uint32) >> 16 << 16 for name, x in qkv.items()}  # the upper half is bfloat16
    header, data = {}, b""
    for name, bits in halves.items():
        stored = (bits >> 16).astype("<u2").tobytes()
        header[name] = {"dtype": "BF16", "shape": bits.shape, "data_offsets": [len(data), len(data) + len(stored)]}
        data += stored
    text = json.dumps(header).encode()
    path = tmp_path / "half.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)

    def found(source):
        told = as_json(call, "--input", source, "--only", "performer")
        return told["input"]["dtype"], told["rows"][0]["errors"]

    assert found(path) == found(npz(**{name: bits.view(np.float32) for name, bits in halves.items()}))


def test_values_of_zero_have_no_relative_error_and_json_says_null(call, npz, qkv):
    qkv["v"][:] = 0
    assert {row["error"] for row in as_json(call, "--input", npz(**qkv))["rows"]} == {None}


def test_a_wrong_kernel_is_seen_since_the_truth_comes_from_no_kernel(call, monkeypatch):
    from factorattn.primitives import softmax_attend_numba as module

    right = module.softmax_attend

    def wrong(*arrays, **options):
        o, lse = right(*arrays, **options)
        return 2 * o, lse

    wrong.__module__ = right.__module__
    monkeypatch.setattr(module, "softmax_attend", wrong)
    result = call("compare", "--json", "-", "--n", "64", "--only", "softmax")
    errors = {row["form"]: max(np.ravel(row["errors"])) for row in json.loads(result.stdout)["rows"]}
    assert errors["dense"] <= ROUNDING(np.float32, 64)
    assert abs(errors["online"] - 1) <= ROUNDING(np.float32, 64)  # twice the truth is off by the whole of it
