"""Files are whole or not there, and an interrupt ends everything with one line."""

import os
import re
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser

import numpy as np
import pytest
from processes import heed_interrupts

from factorattn import CATALOGUE
from factorattn.cli.charts import growth
from factorattn.cli.growth import Growth
from factorattn.cli.job import Job
from factorattn.cli.options import asks_for
from factorattn.cli.output import whole_file

SMALL = ("--n", "64", "--kernels", "off")
VOID = {"meta", "br", "link", "input", "img"}


class Page(HTMLParser):
    """Tags that close in order; attributes and ids."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.attributes, self.text = [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def page(call, npz, qkv, tmp_path):
    source = npz(**qkv).rename(tmp_path / "<b>&amp;.npz")
    assert call("compare", "--input", source, "--kernels", "off", "--html", tmp_path / "a.html").exit_code == 0
    return (tmp_path / "a.html").read_text(encoding="utf-8")


def test_the_page_parses_and_has_every_mechanism(page):
    parsed = Page()
    parsed.feed(page)
    parsed.close()
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert all(name in parsed.text for name, f in CATALOGUE.items() if not asks_for(f))
    assert page.count("<svg") == 4


def test_the_page_asks_nothing_of_anyone(page):
    parsed = Page()
    parsed.feed(page)
    assert not re.search(r"https?:|@import|//cdn", page)
    assert all(value.startswith("#") for name, value in parsed.attributes if name in ("src", "href"))
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))


def test_the_page_writes_the_users_words_as_text(page):
    assert "<b>" not in page.replace("<li><b>", "")
    assert "&lt;b&gt;&amp;amp;.npz" in page


def test_pictures_take_their_colours_from_the_page(page):
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert "var(--series-0)" in drawn
    assert not re.search(r"#0[1-4]0[1-4]", drawn)


def test_the_page_has_name_time_and_error_first_and_the_name_stays_in_sight(page):
    assert re.findall(r"<button[^>]*>(.*?)</button>", page)[:3] == ["mechanism", "ms", "error"]
    assert re.search(r"td:first-child \{ position: sticky; left: 0", page)


def test_lines_that_lie_upon_each_other_and_members_of_a_family_are_told_apart():
    dense, online, low = (
        Job(name, form)
        for name, form in (
            ("softmax_attention", "dense"),
            ("softmax_attention", "online"),
            ("lowrank_attention", "dense"),
        )
    )
    lines = [Growth(dense, (1, 2, 4), peak=(1, 2, 4)), Growth(online, (1, 2, 4), peak=(10, 20, 40))]
    lines.append(Growth(low, (1, 2, 4), peak=(1, 2, 4)))
    drawn = growth(lines, "peak")
    assert len(set(re.findall(r"stroke-dasharray: ([\d.,]+)", drawn)) - {"0.8"}) == 2  # one a member, one seen through
    assert "stroke-width: 2.8" in drawn  # the line under the other


@pytest.mark.parametrize(("largest", "powers"), [(1e3, False), (1e9, True)])
def test_ticks_of_an_axis_are_all_written_in_one_way(largest, powers):
    lines = [Growth(Job("linear_attention", "dense"), (1, 2), flops=(1e9, largest * 1e9))]
    ticks = re.findall(r"<text[^>]*>([^<]*)</text>", growth(lines, "flops").partition("matplotlib.axis_2")[2])
    decades = [tick for tick in ticks if re.fullmatch(r"10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+|[\d.,]+", tick)]
    assert len(decades) > 2
    assert all(bool(re.search(r"10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]", tick)) == powers for tick in decades)


def test_a_file_takes_its_place_when_it_is_whole(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("old")
    with whole_file(str(target), "--json") as file:
        file.write("new")
        file.flush()
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(str(target), "--json") as file:
        file.write(f"half {1 / 0}")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(os.name != "posix", reason="devices are files on POSIX only")
def test_a_device_is_written_and_not_replaced(call):
    assert call("compare", *SMALL, "--only", "linear", "--json", os.devnull).exit_code == 0
    assert not os.path.isfile(os.devnull)


@pytest.mark.skipif(os.name != "posix", reason="closes stdout as a shell does")
def test_stdout_that_is_closed_takes_nothing_and_harms_nothing(tmp_path):
    def closed(*words):
        line = " ".join([sys.executable, "-m", "factorattn", *map(str, words), ">&-"])
        return subprocess.run(["sh", "-c", line], stderr=subprocess.PIPE, text=True, check=False)

    count = ("compare", "--only", "softmax", *SMALL)
    for words in (("list",), (*count, "--csv", tmp_path / "a.csv")):
        process = closed(*words)
        assert (process.returncode, process.stderr) == (0, "")
    assert (tmp_path / "a.csv").read_text().startswith("mechanism,")
    process = closed(*count, "--csv", "-")
    told = "factorattn: error: --csv '-' cannot be written: stdout is closed\n"
    assert (process.returncode, process.stderr) == (2, told)


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_an_interrupt_leaves_no_file_and_says_one_line(tmp_path):
    source, folder = tmp_path / "long.npz", tmp_path / "out"
    folder.mkdir()
    long = np.random.default_rng(0).standard_normal((1, 40_000, 64), dtype=np.float32)
    np.savez(source, q=long, k=long, v=long)
    words = ["compare", "--input", source, "--kernels", "off", "--only", "softmax"]
    words += ["--json", folder / "a.json", "--html", folder / "a.html"]
    command = [sys.executable, "-m", "factorattn", *map(str, words)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    )
    while len(list(folder.iterdir())) < 2:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "factorattn: interrupted; nothing was written\n")
    assert list(folder.iterdir()) == []


def test_the_installed_command_gives_the_exit_code_of_bad_input():
    process = subprocess.run(
        [sys.executable, "-m", "factorattn", "show", "nothing"], capture_output=True, text=True, check=False
    )
    assert process.returncode == 2
    assert process.stderr.startswith("factorattn: error: mechanism must be in the catalogue, got 'nothing'")
    assert process.stderr.count("\n") == 1
