"""Configuration of the documentation; ``sphinx-build -W -b html docs docs/_build/html`` builds it without a network."""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import factorattn

project = "factorattn"
author = "factorattn developers"
copyright = "factorattn developers"
version = release = factorattn.__version__

extensions = [
    "catalogue",
    "equivalences",
    "mathml",
    "norms",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "gallery/GALLERY_HEADER.rst", "gallery/auto/**/*.ipynb"]
nitpicky = False
default_role = "code"  # a single backtick in a docstring names code

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

autodoc_typehints = "none"  # the docstrings say more: shapes
autodoc_member_order = "bysource"
autosummary_generate = True
numpydoc_show_class_members = False

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "alpha"
bibtex_reference_style = "author_year"

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "gallery/auto",
    "ignore_pattern": r"__init__\.py|gallery/auto/",
    "within_subsection_order": "FileNameSortKey",
    "plot_gallery": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 10_000,
    "image_scrapers": ("matplotlib",),
    "matplotlib_animations": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
}
suppress_warnings = [
    "config.cache",
    "sphinx_gallery.duplicate_filename",  # a second build meets the copies that the first one made in gallery/auto
]

html_theme = "furo"
html_title = f"factorattn {release}"
html_static_path = ["_static"]
html_css_files = ["factorattn.css"]
html_show_copyright = False
html_copy_source = False
