"""Sphinx configuration of the book; `build.py` puts the sources together and runs Sphinx on them."""

import re

project = "QMIS"
author = "The QMIS contributors"
project_copyright = "the QMIS contributors; code MIT, text and figures CC BY 4.0"
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinxcontrib.bibtex",
]

# The committed notebooks are executed already: the book shows what they hold.
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # myst-nb's default is a script on another host, and recorded runs hold no live widget
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

default_role = "code"  # a name in single backticks
napoleon_use_param = False  # arguments described together stay together
napoleon_use_rtype = False  # what is returned is said in words, not by types to link
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_typehints = "none"  # the signatures of arrays say little; shapes are in the docstrings

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"

# MathJax from the site itself: build.py copies it out of a hash-checked wheel. No menu, since its parts load late.
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}

html_theme = "furo"
html_title = "QMIS"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["book.css", "explore.css"]
html_js_files = ["fit.js"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5394", "color-brand-content": "#0b5394"},
    "dark_css_variables": {"color-brand-primary": "#8ab8e6", "color-brand-content": "#8ab8e6"},
}


def keep_marks(app, what, name, obj, options, lines):
    """Escape, outside backticks, the bars of absolute values and quoted stars, which would be taken for markup."""
    for index, line in enumerate(lines):
        lines[index] = re.sub(r"(`[^`]*`)|[|]|(?<=\")[*]", lambda match: match[1] or rf"\{match[0]}", line)


def skip_field(app, what, name, obj, skip, options):
    """Leave out the fields of named tuples, whose only text is their number: the class names them."""
    return True if (obj.__doc__ or "").startswith("Alias for field number") else None


def setup(app):
    """Connect the hooks."""
    app.connect("autodoc-process-docstring", keep_marks)
    app.connect("autodoc-skip-member", skip_field)
