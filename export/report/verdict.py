"""One word for each graph: whether its pictures can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from export.options import INT8_PSNR
from export.report.comparison import FAILED, Painted, is_reference
from export.report.recorded import Judged

#: From here on differences stay around one level of 256, in dB.
SAME_PSNR = 45.0
#: From here on a picture counts as kept, in dB: the gate that int8 has to pass.
SAFE_PSNR = INT8_PSNR


@dataclass(frozen=True)
class Verdict:
    """``word`` for people, ``level`` for the page's colours ("good", "fair", "bad", "open"), and the reason."""

    word: str
    level: str
    reason: str


def verdict_on(painted: Painted, judged: Judged | None) -> Verdict:
    """From the samples painted here and the record of the export; the worse of both counts."""
    if painted.status == FAILED:
        return Verdict("broken", "bad", "it does not load or does not run, see below")
    if judged is not None and judged.passed is False:
        return Verdict("missed its gate", "bad", f"asked: {judged.gate}")
    if is_reference(painted.graph):
        return Verdict("the reference", "good", _distance_of_reference(judged))
    psnr = judged_psnr(painted, judged)
    if psnr is None:
        return Verdict("not judged", "open", "nothing here runs it and its export recorded no PSNR, see below")
    if painted.psnr is None and judged is not None and judged.format != painted.graph.format:
        reason = f"the graph it was built from is {psnr:.1f} dB from fp32; the engine itself never ran here"
        return Verdict("not judged", "open", reason)
    if psnr >= SAME_PSNR:
        return Verdict("same picture", "good", "differs by a level or so of 256, which nobody sees")
    if psnr >= SAFE_PSNR:
        return Verdict("safe", "good", "small differences that are hard to see side by side")
    if judged is not None and judged.passed:
        return Verdict("look first", "fair", "it passed at export, but these samples suffer: compare them below")
    return Verdict("look first", "fair", "differences that can be seen: compare the pictures below")


def judged_psnr(painted: Painted, judged: Judged | None) -> float | None:
    """In dB: of the samples painted here and of the export's own record, whichever is worse."""
    values = (judged.psnr if judged is not None else None, painted.psnr)
    return min((value for value in values if value is not None), default=None)


def _distance_of_reference(judged: Judged | None) -> str:
    if judged is None or judged.psnr is None:
        return "all others are compared with it"
    return f"all others are compared with it; it is {judged.psnr:.0f} dB from the student in torch"
