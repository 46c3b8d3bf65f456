"""Settings of the documentation site, which `make docs` builds with Sphinx.

The sources are the documents of the repository where they lie, so that their links work there and in the site alike:
``docs/``, the results, the benchmarks and CONTRIBUTING.md. Pages of the reference are generated (``docs/site``). Nothing is
fetched: there are no references to other projects' inventories, and fonts and scripts are those of the theme.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))
os.environ["PYTHONPATH"] = str(ROOT / "src")  # notebooks run this checkout

import site_pages

from swissbert.version import __version__

project = "swissBERT"
copyright = "the authors of swissBERT"
version = release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "results/**",
    "benchmarks/*",
    "campaign/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
]
exclude_patterns = ["results/*/runs", "**.ipynb_checkpoints"]

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
suppress_warnings = ["epub.unknown_project_files"]

# Notebooks are stored without outputs and executed when they are built for the first time, and when they change.
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "build" / "jupyter-cache")
nb_execution_in_temp = True
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "set_fit_request, set_score_request, set_predict_request"}
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80
default_role = "literal"  # `name` in docstrings is code, as in Markdown
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

# Types of other projects cannot be resolved without their inventories, and types of inner modules have no page.
nitpick_ignore_regex = [("py:.*", ".*")]

html_theme = "furo"
html_title = "swissBERT"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["redirect"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
copybutton_exclude = ".linenos, .gp, .go"


def setup(app: object) -> None:
    """Connect what generates pages."""
    site_pages.setup(app)
