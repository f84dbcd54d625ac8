"""A report from the command line: read the records, paint the samples, write the page or the rows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report.gather import gather
from benchmarks.report.page import make_page
from benchmarks.report.rows import rows
from benchmarks.report.samples import Request, paint_samples
from benchmarks.report.text_formats import to_csv, to_json, to_markdown
from runtime.atomic_write import write_atomically
from runtime.errors import UserError

FORMATS = ("html", "md", "csv", "json")
#: Said of files that were skipped.
MOST_LINES = 20
DEFAULT_PAGE = Path("report.html")


def write_report(paths: Sequence[Path], format: str | None, output: Path | None, request: Request) -> None:
    """Report the records in ``paths``.

    Args:
        format: of `FORMATS`; None goes by the suffix of ``output``, and is a page without one.
        output: a page goes to report.html by default, everything else to standard output.

    Raises:
        UserError: an option that makes no sense, no record that can be read, a picture or bundle that cannot, or a
            file that cannot be written.
    """
    format = _format(format, output)
    if format != "html" and request != Request():
        raise UserError(f"pictures are for a page, not for --format {format}")
    gathered = gather(paths)
    for line in gathered.skipped[:MOST_LINES]:
        print(f"skipped: {line}", file=sys.stderr)
    if len(gathered.skipped) > MOST_LINES:
        print(f"skipped: {len(gathered.skipped) - MOST_LINES} more", file=sys.stderr)
    if format == "html":
        samples = paint_samples([source.record for source in gathered.sources], request)
        write_atomically(output or DEFAULT_PAGE, make_page(gathered, samples))
        print(f"report: {output or DEFAULT_PAGE}", file=sys.stderr)
        return
    found = list(rows(gathered))
    writers = {
        "md": lambda: to_markdown(gathered, found),
        "csv": lambda: to_csv(found),
        "json": lambda: to_json(gathered, found),
    }
    text = writers[format]()
    if output is None:
        print(text, end="")
    else:
        write_atomically(output, text.encode())


def _format(asked: str | None, output: Path | None) -> str:
    suffix = output.suffix.lower()[1:] if output is not None else ""
    if asked is None:
        asked = {"htm": "html", "markdown": "md"}.get(suffix, suffix) or "html"
        if asked not in FORMATS:
            raise UserError(f"-o {output}: name the format, or end the name in .{', .'.join(FORMATS)}")
    if asked not in FORMATS:
        raise UserError(f"--format must be one of {', '.join(FORMATS)}, not {asked!r}")
    return asked
