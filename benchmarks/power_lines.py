"""What the sensors said, as lines for people."""

from __future__ import annotations

from benchmarks.energy import Energy
from benchmarks.labels import labels
from benchmarks.measurements import SizeResult
from benchmarks.record import Record
from benchmarks.wording import heading, short


def energy_sentences(record: Record) -> list[str]:
    """One sentence for each subject whose energy was measured, at each size and number of threads."""
    names = labels(record.subjects)
    return [
        _energy(names[energy.subject], heading(record, result), energy)
        for result in record.results
        for energy in result.energies
    ]


def sensor_lines(record: Record) -> list[str]:
    """The power mode, clocks, heat and power while latencies were measured, and what is not available."""
    power = record.environment.get("power", {})
    power = power if isinstance(power, dict) else {}
    mode = [f"power mode: {power['mode']}"] if isinstance(power.get("mode"), str) else []
    seen = [f"at {heading(record, result)}: {line}" for result in record.results if (line := _watch(result))]
    missing = power.get("not_available", [])
    return [*mode, *seen, *(f"not available: {line}" for line in missing if isinstance(line, str))]


def _energy(name: str, at: str, energy: Energy) -> str:
    rails = " + ".join(energy.rails)
    return (
        f"{name} takes {short(energy.total_j)} J a picture at {at}, {energy.part.replace('_', ' ')}, "
        f"{short(energy.above_idle_j)} J of it above idle (mean of {rails}: {short(energy.running.total_w)} W running "
        f"alone, {short(energy.idle.total_w)} W idle)"
    )


def _watch(result: SizeResult) -> str:
    seen = result.watch
    if seen is None:
        return ""
    parts = [f"{c.name} {c.median:.0f} MHz" + _range(c.least, c.most) for c in seen.clocks]
    if seen.temperatures:
        hottest = max(seen.temperatures, key=lambda each: each.most)
        parts.append(f"at most {hottest.most:.0f} °C ({hottest.name})")
    if seen.throttled is not None:
        parts.append(f"throttled: {', '.join(seen.throttled)}" if seen.throttled else "not throttled")
    if seen.total_w is not None:
        parts.append(f"{short(seen.total_w)} W while all took turns")
    return ", ".join(parts)


def _range(least: float, most: float) -> str:
    return f" ({least:.0f} to {most:.0f})" if round(least) != round(most) else ""
