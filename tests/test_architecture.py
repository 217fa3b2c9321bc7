"""What docs/architecture.md says of the package, held against the package; and the house rules that no linter knows."""

import ast
import doctest
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import factorattn
from factorattn import CATALOGUE, family
from factorattn.factor import FACTORIZATIONS

PACKAGE = Path(factorattn.__file__).parent
ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE, LONGEST_PATH = 300, 600

if not DOCS.is_dir():
    pytest.skip("no documentation beside these tests", allow_module_level=True)


def named(path):
    return path.relative_to(PACKAGE).as_posix()


def parsed(path):
    return ast.parse(path.read_text())


def in_folders(*folders):
    """Test parameters: the modules of these folders."""
    paths = [path for path in MODULES if named(path).split("/")[0] in folders]
    return pytest.mark.parametrize("path", paths, ids=named)


# What the documentation says


def drawn_tree():
    """The files and folders in the tree of docs/architecture.md."""
    block = re.search(r"```text\n(factorattn/\n.*?)```", text_of("docs/architecture.md"), re.DOTALL)[1]
    drawn, folders = set(), []
    for line in block.splitlines()[1:]:
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 4
        folders = [*folders[: depth - 1], name]
        drawn.add("".join(folders))
    return drawn


def test_the_drawn_tree_is_the_tree():
    files = {named(path) for path in PACKAGE.rglob("*") if path.suffix in (".py", ".cuh")}
    real = files | {f"{parent.as_posix()}/" for file in files for parent in Path(file).parents if parent.name}
    assert sorted(drawn_tree()) == sorted(real)


def test_the_reading_path_takes_ten_minutes():
    section = (DOCS / "architecture.md").read_text().partition("## Ten minutes of reading")[2]
    files = re.findall(r"^\| `(factorattn/[\w/.]+)`", section, re.MULTILINE)
    assert files
    assert sum(len((ROOT / file).read_text().splitlines()) for file in files) < LONGEST_PATH


def lacks(name, *, family, paper):
    """Everything that should be there for a mechanism, and is not, in words."""
    short = name.removesuffix("_attention")
    page, oracle, facts = f"docs/attention/{name}.md", f"tests/oracles/{short}.py", f"tests/attention/test_{short}.py"
    names = re.search(r"^NAMES = \(\n(.*?)^\)", text_of("asv_benches/benchmarks/common.py"), re.DOTALL | re.MULTILINE)
    there = {
        page: is_file(page),
        f"{{catalogue-facts}} {name} in its page": not is_file(page) or says(page, rf"{{catalogue-facts}} {name}$"),
        f"autofunction:: factorattn.{name} in its page": not is_file(page) or says(page, rf"::\s+factorattn\.{name}$"),
        f"a @...{{{paper}}} in docs/references.bib": says("docs/references.bib", rf"^@\w+{{{paper},"),
        f"{family}/{short}.py in the tree of docs/architecture.md": f"attention/{family}/{short}.py" in drawn_tree(),
        "a sentence in CHANGELOG.md": says("CHANGELOG.md", rf"`{name}`"),
        oracle: is_file(oracle),
        facts: is_file(facts),
        "a test of its oracle there": not is_file(facts) or says(facts, rf"\b{short}\.{name}\("),
        "its name in NAMES of asv_benches/benchmarks/common.py": names is None or f'"{name}"' in names[1],
        "its place in factorattn.__all__": name in factorattn.__all__,
    }
    return [what for what, found in there.items() if not found]


def factorization_lacks(name, *, family, paper):
    """The same for a factorization."""
    page, oracle, facts = f"docs/factor/{family}.md", f"tests/oracles/factor/{name}.py", f"tests/factor/test_{name}.py"
    names = re.search(r"^FACTORS = \(\n(.*?)^\)", text_of("asv_benches/benchmarks/common.py"), re.DOTALL | re.MULTILINE)
    there = {
        page: is_file(page),
        f"a section ## {name} in its page": says(page, rf"^## {name}$"),
        f"{{factor-facts}} {name} in its page": says(page, rf"{{factor-facts}} {name}$"),
        f"autofunction:: factorattn.factor.{name} in its page": says(page, rf"::\s+factorattn\.factor\.{name}$"),
        f"a @...{{{paper}}} in docs/references.bib": says("docs/references.bib", rf"^@\w+{{{paper},"),
        f"{family}/{name}.py in the tree of docs/architecture.md": f"factor/{family}/{name}.py" in drawn_tree(),
        "a sentence in CHANGELOG.md": says("CHANGELOG.md", rf"`{name}`"),
        oracle: is_file(oracle),
        facts: is_file(facts),
        "a test of its oracle there": says(facts, r"\boracle\.\w+\("),
        "its name in FACTORS of asv_benches/benchmarks/common.py": names is None or f'"{name}"' in names[1],
    }
    return [what for what, found in there.items() if not found]


def is_file(path):
    return (ROOT / path).is_file()


def text_of(path):
    """The text of a file of the repository, or nothing."""
    return (ROOT / path).read_text() if is_file(path) else ""


def says(path, pattern):
    return re.search(pattern, text_of(path), re.MULTILINE) is not None


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_a_mechanism_lacks_nothing(name):
    f = CATALOGUE[name]
    missing = lacks(name, family=family(f), paper=f.record.paper)
    assert not missing, f"{name} lacks: {'; '.join(missing)}"


@pytest.mark.parametrize("name", sorted(FACTORIZATIONS))
def test_a_factorization_lacks_nothing(name):
    f = FACTORIZATIONS[name]
    missing = factorization_lacks(name, family=family(f), paper=f.record.paper)
    assert not missing, f"{name} lacks: {'; '.join(missing)}"
    assert f.__module__.rpartition(".")[2] == name


def test_all_that_is_lacking_is_said_at_once():
    missing = lacks("unheard_of_attention", family="kernel", paper="unread1900")
    assert "docs/attention/unheard_of_attention.md" in missing
    assert "a @...{unread1900} in docs/references.bib" in missing
    assert "tests/oracles/unheard_of.py" in missing
    assert "tests/attention/test_unheard_of.py" in missing
    assert "its place in factorattn.__all__" in missing
    assert len(missing) == 8


def test_a_mechanism_is_in_the_file_of_its_name():
    for name, f in CATALOGUE.items():
        assert f.__module__.rpartition(".")[2] == name.removesuffix("_attention")


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda path: path.relative_to(DOCS).as_posix())
def test_examples_in_the_documentation_run(page):
    blocks = re.findall(r"```pycon\n(.*?)```", page.read_text(), re.DOTALL)
    if importlib.util.find_spec("torch") is None:
        blocks = [block for block in blocks if "import torch" not in block]
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page.name, str(page), 0)
    report = []
    failed, _ = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=report.append)
    assert not failed, "".join(report)


# The import rule

MAY_IMPORT = {
    "attention": {
        *("attention", "catalogue", "contract", "scalars", "factor", "primitives"),
        *("score", "distribution", "position", "pattern"),
    },
    "catalogue": set(),
    "complexity": {"complexity", "contract", "scalars", "interpret", "primitives"},
    "contract": set(),
    "data": {"data"},
    "model": {
        *("model", "attention", "catalogue", "contract", "scalars", "factor", "files", "primitives"),
        *("score", "distribution", "position", "interpret"),
    },
    "compress": {"compress", "factor", "catalogue", "contract", "scalars", "primitives"},
    "files": set(),
    "factor": {"factor", "catalogue", "contract", "scalars", "primitives", "interpret"},
    "interpret": {"interpret"},
    "pattern": {"pattern", "contract", "scalars"},
    "position": {"position", "catalogue", "contract", "scalars", "factor", "primitives"},
    "primitives": {"primitives", "contract", "scalars", "interpret"},
    "distribution": {"distribution", "catalogue", "contract", "scalars", "primitives", "interpret"},
    "score": {"score", "catalogue", "contract", "scalars", "factor", "primitives"},
}


def imports(path):
    """The absolute names that a module imports."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_imports_follow_the_rule(path):
    part = named(path).split("/")[0].removesuffix(".py")
    own = {name.split(".")[1] for name in imports(path) if name.startswith("factorattn.")}
    assert own <= MAY_IMPORT.get(part, own)


@in_folders("attention", "score", "distribution", "position")
def test_mechanisms_name_no_array_library(path):
    # NumPy may help with shapes; arrays of users never meet it.
    text = path.read_text()
    used = set(re.findall(r"\bnp\.(\w+)", text))
    assert used <= {"broadcast_shapes"}
    assert not {"torch", "cupy", "numba", "scipy"} & {name.split(".")[0] for name in imports(path)}


@in_folders("cli")
def test_the_command_line_has_no_mathematics_of_its_own(path):
    assert not any(name.startswith(("numpy.linalg", "scipy")) for name in imports(path))
    calls = set(re.findall(r"\bnp\.linalg\.(\w+)", path.read_text()))
    assert calls <= {"norm"}


def test_importing_the_package_is_light():
    heavy = ("numba", "cupy", "torch", "matplotlib", "scipy", "typer", "rich", "safetensors")
    code = f"import sys, factorattn; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# House rules


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_file_is_long(path):
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


def test_no_mechanism_swallows_arguments():
    for f in CATALOGUE.values():
        kinds = {parameter.kind for parameter in inspect.signature(f).parameters.values()}
        assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}


REFERENCE = ("attention", "factor", "primitives", "score", "distribution", "position")


def reference(path):
    """Whether a module is reference code: no kernel."""
    return not re.search(r"_(numba|cupy)\.py$", path.name)


@in_folders("attention", "compress", "factor", "model", "score", "distribution", "position", "pattern")
def test_reference_code_takes_no_open_arguments(path):
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.Lambda) and node.args.kwarg is not None:
            one = node.args.kwarg.arg == "argument"  # one argument and its name, to be checked
            assert one or (named(path), getattr(node, "name", "")) in OPEN, f"line {node.lineno}"


OPEN = {  # whose names are held against what there is
    ("factor/door.py", "admit"),
    ("compress/adapters/adapted.py", "trained"),
}


@pytest.mark.parametrize(
    "path",
    [p for p in MODULES if named(p).split("/")[0] in REFERENCE and reference(p)],
    ids=named,
)
def test_reference_code_writes_into_no_array(path):
    for node in ast.walk(parsed(path)):
        targets = {ast.Assign: lambda n: n.targets, ast.AugAssign: lambda n: [n.target]}.get(type(node), lambda n: [])(
            node
        )
        for target in targets:
            if not any(isinstance(part, ast.Subscript) for part in ast.walk(target)):
                continue
            function = next(
                (
                    f.name
                    for f in ast.walk(parsed(path))
                    if isinstance(f, ast.FunctionDef) and f.lineno <= node.lineno <= f.end_lineno
                ),
                "",
            )
            assert (named(path), function) in WRITES, f"line {node.lineno} writes into {ast.unparse(target)}"


WRITES = {
    ("primitives/softmax_attend_gradient.py", "_swept"),  # a list of tiles
    ("factor/features.py", "orthogonal_gaussian"),  # a NumPy array of its own, drawn block by block
    ("factor/tensor/tensor_train_matrix.py", "_modes"),  # a dictionary of names
    ("primitives/softmax_attend_counting.py", "_kinds"),  # a Counter of tiles, no array
}
