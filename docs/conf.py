"""Configuration of the documentation site: Sphinx reads Markdown through MyST. `make docs` builds it."""

project = "Utskick"
copyright = "The Utskick developers"  # noqa: A001 - Sphinx's name
language = "en"

extensions = ["myst_parser"]
root_doc = "index"
myst_heading_anchors = 4  # the anchors that GitHub gives headings
nitpicky = True

html_theme = "pydata_sphinx_theme"
html_title = "Utskick"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navbar_align": "left", "show_toc_level": 2, "show_prev_next": False}
