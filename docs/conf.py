"""Sphinx settings. The reference pages are made from the docstrings of the installed package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

from sdgraph import __version__

project = "sdgraph"
author = "sdgraph developers"
project_copyright = "2026, sdgraph developers"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "docstrings",
    "generated_pages",
    "gradient_rules",
    "keras_lacking",
    "loss_gallery",
    "loss_tables",
    "measured_tables",
    "onnx_ops",
    "samediff_differences",
    "samediff_names",
    "samediff_lacking",
    "source_links",
    "source_tree",
]
exclude_patterns = ["_build", "_data"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"sdgraph {version}"

# Notebooks are executed where they are tested; the site shows what they hold.
nb_execution_mode = "off"
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3

# In a docstring, `single backticks` are code, as they are in Markdown.
default_role = "code"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Formula", "Shapes", "Dtypes", "Gradient", "Source"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
