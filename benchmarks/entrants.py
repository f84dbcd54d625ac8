"""Who takes part in a benchmark: a bundle in every engine and precision asked for, and its rivals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.budget import Budget
from benchmarks.job import Target
from benchmarks.measure import Effort
from benchmarks.measurements import GraphFile
from benchmarks.peers.request import PeerRequest
from runtime.bundle import ROLES, Bundle, BundleError, Graph, open_bundle
from runtime.engines import ENGINES, PLAIN_ENGINE
from runtime.shipped import find_model

#: A rival that is much slower than the student runs less often than it, so that it takes about this long.
RIVAL_SECONDS = 60.0


@dataclass(frozen=True)
class Request:
    """What to measure.

    Attributes:
        threads: numbers of threads; none is one per usable core.
        batches: numbers of pictures that are handed over at once.
        engines, precisions: the bundle is measured in all combinations that it holds; the first one is what the
            others are compared with.
        rivals: other bundles, and "teacher".
        budget: limits for the first combination.
        peers: published networks to measure beside it, or None.
        wait: most seconds to wait for a quiet machine, before each size, number of threads and batch.
        timeout: of each measuring process, in seconds.
        host: measure on that machine (see `devices.remote.parse_address`) instead of this one; no engine is then the
            one that is recommended for it.
        device: what that machine has to be.
        power: look at the machine's sensors, and measure energy where they tell power.
    """

    bundle: str
    sizes: tuple[int, ...] = (512,)
    threads: tuple[int, ...] = ()
    batches: tuple[int, ...] = (1,)
    runs: int = 50
    seconds: float = 5.0
    engines: tuple[str, ...] = ("onnxruntime",)
    precisions: tuple[str, ...] = ("fp32",)
    rivals: tuple[str, ...] = ()
    teacher_weights: str | None = None
    timeout: float = 1800.0
    budget: Budget = Budget()
    peers: PeerRequest | None = None
    wait: float = 0.0
    host: str | None = None
    device: str | None = None
    power: bool = True


@dataclass(frozen=True)
class Entrant:
    """A target, what of it is measured, and for how long.

    Attributes:
        files: the graphs that it runs; none for a teacher in torch.
        fixed_style: it takes no style picture.
        size: the one picture size it can be measured at, in pixels; None for any.
    """

    target: Target
    name: str
    parts: tuple[str, ...]
    effort: Effort
    bundle: Bundle | None = None
    files: tuple[GraphFile, ...] = ()
    fixed_style: bool = False
    size: int | None = None

    @property
    def kind(self) -> str:
        return self.target.kind

    @property
    def engine(self) -> str:
        return self.target.engine

    @property
    def precision(self) -> str:
        return self.target.precision


def find_entrants(request: Request) -> tuple[list[Entrant], list[str]]:
    """The bundle's combinations, then the rivals'; and a line for each combination that a bundle does not hold.

    Raises UserError for a bundle that cannot be opened, and where there is one precision to measure, or none at all,
    and a bundle does not hold it.
    """
    effort = Effort(runs=request.runs, seconds=request.seconds)
    slower = replace(effort, budget=RIVAL_SECONDS)
    bundle = open_bundle(find_model(request.bundle))
    own, left_out = _combinations(bundle, bundle.manifest.name, request, effort)
    own[0] = replace(own[0], parts=(*own[0].parts, "files"))  # files take the others as long
    rivals: list[Entrant] = []
    for source in request.rivals:
        if source == "teacher":
            parts = ("both_pictures",)
            own = [replace(each, parts=(*each.parts, *parts)) for each in own]
            rivals.append(_teacher(bundle, request.teacher_weights, parts, slower))
            continue
        other = open_bundle(find_model(source))
        name = other.manifest.name
        if name in {each.name for each in (*own, *rivals)}:
            name = f"{name} ({source})"
        found, also_left_out = _combinations(other, name, request, slower)
        rivals, left_out = [*rivals, *found], [*left_out, *also_left_out]
    return [*own, *rivals], left_out


def graphs_run(bundle: Bundle, engine: str, precision: str) -> list[Graph]:
    """The graphs that a `Stylizer` runs with that engine and precision: the painter, and what else there is."""
    kind = ENGINES[engine]
    own = () if kind.only_paints else ((precision, kind.format), ("fp32", kind.format))
    graphs = []
    for role in ROLES:
        choices = ((precision, kind.format),) if role == "paint" else (*own, ("fp32", ENGINES[PLAIN_ENGINE].format))
        held = [choice for choice in choices if bundle.holds(role, *choice)]
        if role == "paint" or held:
            graphs.append(bundle.graph(role, *(held or choices)[0]))
    return graphs


def _combinations(bundle: Bundle, name: str, request: Request, effort: Effort) -> tuple[list[Entrant], list[str]]:
    entrants, left_out = [], []
    for engine in request.engines:
        for precision in request.precisions:
            if not bundle.holds("paint", precision, ENGINES[engine].format):
                if len(request.precisions) == 1:
                    bundle.graph("paint", precision, ENGINES[engine].format)  # raises, and says what there is
                left_out.append(f"{name} holds no {precision} painter for {engine}: left out")
                continue
            target = Target("bundle", str(bundle.directory), engine, precision)
            graphs = graphs_run(bundle, engine, precision)
            files = tuple(GraphFile(g.role, g.precision, g.file, g.bytes, g.sha256) for g in graphs)
            fixed = bundle.manifest.student.fixed_style
            entrants.append(Entrant(target, name, ("end_to_end", "model"), effort, bundle, files, fixed))
    if not entrants:
        asked = " or ".join(request.precisions)
        raise BundleError(f"{bundle.directory} holds no painter in {asked} for {' or '.join(request.engines)}")
    return entrants, left_out


def _teacher(bundle: Bundle, weights: str | None, parts: tuple[str, ...], effort: Effort) -> Entrant:
    name = teacher_name(bundle)
    target = Target("teacher", name, "torch", weights=weights and str(Path(weights).absolute()))
    return Entrant(target, f"teacher {name}", parts, effort)


def teacher_name(bundle: Bundle) -> str:
    """The teacher the bundle was distilled from, as its provenance has it: a name, or an object with a name."""
    teacher = bundle.manifest.provenance.get("teacher")
    name = teacher.get("name") if isinstance(teacher, dict) else teacher
    return name if isinstance(name, str) and name else "adain"
