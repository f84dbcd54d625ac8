"""Measure what a fit needs on this machine: the students that ship and the probes, at several sizes and threads."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bench_bundle import bench
from benchmarks.entrants import Request
from benchmarks.prediction.observations import SHIPPED
from benchmarks.prediction.probes import write_probes
from devices import Host, read_cores
from runtime.bundle import open_bundle
from runtime.shipped import find_model

PROBES, RECORDS = "probes", "records"


def measure_for_fit(
    folder: Path, sizes: Sequence[int], probe_sizes: Sequence[int], runs: int, seconds: float, engines: Sequence[str]
) -> None:
    """Write probes into ``folder``/probes and a record of each bundle into ``folder``/records; those there are kept.

    Each is measured with one thread and with one per usable core. Raises UserError as ``bench`` does.
    """
    records = folder / RECORDS
    records.mkdir(parents=True, exist_ok=True)
    threads = tuple(dict.fromkeys((1, read_cores(Host()).threads)))
    work = [(Path(find_model(name)), sizes) for name in SHIPPED]
    work += [(path, probe_sizes) for path in write_probes(folder / PROBES)]
    for number, (path, own_sizes) in enumerate(work, 1):
        target = records / f"{path.name}.json"
        if target.exists():
            continue
        print(f"{number} of {len(work)}: {path.name}", file=sys.stderr, flush=True)
        held = {graph.precision for graph in open_bundle(path).manifest.graphs if graph.role == "paint"}
        request = Request(
            bundle=str(path),
            sizes=tuple(own_sizes),
            threads=threads,
            runs=runs,
            seconds=seconds,
            engines=tuple(engines),
            precisions=tuple(name for name in ("fp32", "int8") if name in held),
        )
        command = ["python", "-m", "benchmarks.prediction", *sys.argv[1:]]
        bench(request, command, lambda line: print(f"  {line}", file=sys.stderr, flush=True)).write(target)
