"""The report of a bundle: one HTML page that shows which of its formats and precisions can be trusted.

`write_report` paints sample pictures with every graph that runs here and puts them side by side with what the exports
recorded. jinja2 and matplotlib are imported when a page is made, not before.
"""

from __future__ import annotations

from export.report.build import write_report

__all__ = ["write_report"]
