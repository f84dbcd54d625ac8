"""The report of records: one page with distributions, losses against latency and pictures, or its rows as a table.

jinja2 is imported when a page is made, and an engine when pictures are painted, not before.
"""

from __future__ import annotations
