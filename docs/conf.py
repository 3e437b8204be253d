"""Sphinx configuration of the site that scripts/docs builds."""

from __future__ import annotations

import inspect
from pathlib import Path

import matplotlib as mpl

import streamkm
from scripts.website.llms import is_own

mpl.use("agg")

project = "streamkm"
author = "the streamkm authors"
project_copyright = "the streamkm authors, BSD-3-Clause"
version = release = streamkm.__version__
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["**/sg_execution_times.rst", "sg_execution_times.rst"]
# Absolute, because autosummary takes a relative path from the source folder.
templates_path = [str(Path(__file__).parent / "_templates")]
smartquotes = False
default_role = "py:obj"

# Anchors of headings have the names that GitHub gives them.
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]

autodoc_typehints = "none"
autodoc_default_options = {"members": True, "inherited-members": True}
autosummary_ignore_module_all = False
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "streamkm"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/icon.svg"
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {name: [] for name in ("index", "start", "command-line")}
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "navigation_with_keys": False,
    "show_prev_next": False,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

sphinx_gallery_conf = {
    "examples_dirs": str(Path(__file__).parents[1] / "examples"),
    "gallery_dirs": "examples",
    "filename_pattern": r"\.py$",
    "image_scrapers": ("scripts.website.gallery.saved_picture",),
    "reset_argv": "scripts.website.gallery.arguments",
    "reset_modules": ("matplotlib",),
    "backreferences_dir": "api/examples",
    "doc_module": ("streamkm",),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "first_notebook_cell": 'import sys\n\nsys.argv = ["", "picture.png"]  # of the picture',
    "last_notebook_cell": 'from IPython.display import Image\n\nImage("picture.png")',
    "min_reported_time": 1e9,
    "within_subsection_order": "ExampleTitleSortKey",
}


def _of_other_libraries(app, what, name, member, skip, options):
    """Leave out members that classes inherit from other libraries, such as scikit-learn."""
    routine = inspect.isroutine(member) or isinstance(member, property)
    return skip or (what == "class" and routine and not is_own(name, member))


def setup(app):
    """Register the filter of members."""
    app.connect("autodoc-skip-member", _of_other_libraries)
