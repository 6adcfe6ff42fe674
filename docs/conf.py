"""Sphinx configuration; `make docs` builds the site without the network."""

import importlib.util
import os
import sys
import warnings
from pathlib import Path

# Times in examples are those of one thread; set before NumPy is imported.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import sklearn_lossless  # noqa: E402

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "sklearn-lossless"
author = "The sklearn-lossless developers"
copyright = "The sklearn-lossless developers"
version = release = sklearn_lossless.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "svgmath",
    "results",
    "summaries",
]
exclude_patterns = ["_build", "examples/**/*.ipynb", "**/sg_execution_times.rst"]
templates_path = ["_templates"]
default_role = "literal"

# Pages in Markdown.
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "attrs_block"]
myst_heading_anchors = 3

# API.
autosummary_generate = True
autodoc_typehints = "none"
if importlib.util.find_spec("torch") is None:
    autodoc_mock_imports = ["torch"]  # gigabytes, for seven pages
autodoc_member_order = "groupwise"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
toc_object_entries_show_parents = "hide"

# What the copy button leaves out: prompts and output.
copybutton_exclude = ".linenos, .gp, .go"

# Gallery.
sphinx_gallery_conf = {
    "examples_dirs": str(HERE.parent / "examples"),
    "gallery_dirs": "examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"quickstart\.py|/c/",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_lossless",),
    "reference_url": {"sklearn_lossless": None},
    "within_subsection_order": "gallery.Order",
    "remove_config_comments": True,
    "show_memory": False,
    "download_all_examples": False,
    "min_reported_time": 1,
    "abort_on_example_error": False,
    "write_computation_times": False,  # a page that loads scripts from elsewhere
}
# An example that warns without saying why is a mistake.
warnings.filterwarnings("default", module="sklearn_lossless")

# Pages.
html_math_renderer = "svg"
html_theme = "pydata_sphinx_theme"
html_title = "sklearn-lossless"
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["site.css"]
html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_copy_source = False
html_theme_options = {
    "logo": {"text": "sklearn-lossless"},
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "navbar_end": ["version", "theme-switcher", "navbar-icon-links"],
    "icon_links": [
        {
            "name": "GitHub",
            "url": "https://github.com/sklearn-lossless/sklearn-lossless",
            "icon": "fa-brands fa-github",
        }
    ],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
    "navigation_with_keys": False,
}
html_sidebars = {"index": [], "changelog": [], "benchmarks": []}


#: Attributes of `torch.nn.Module` that have docstrings of their own.
MODULE_ATTRIBUTES = ("T_destination", "call_super_init", "dump_patches")


def skip_routing(app, what, name, obj, skip, options):
    """Leave out what every estimator of scikit-learn, or module of torch, inherits."""
    module = getattr(obj, "__module__", None) or ""
    inherited = module.startswith(("sklearn.", "torch."))
    return skip or inherited or name in MODULE_ATTRIBUTES


def setup(app):
    app.connect("autodoc-skip-member", skip_routing)
