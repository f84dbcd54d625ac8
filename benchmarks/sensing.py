"""The machine's sensors beside the measuring processes: what they said of a measurement, and what they cannot say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.energy import FEWEST_SAMPLES, Energy
from devices.power import Sampler, Sensors, Watch, find_sensors, summarize

#: A clock that moved by more than this share of its median makes latencies of one run unlike those of another.
STEADY_CLOCK = 0.1
#: How the engines begin that run on a graphics card, and its rails.
_ON_CARD, _OF_CARD = "tensorrt", "gpu"
NOT_ASKED = "power: not asked for (--no-power)"


class Sensing:
    """The sensors of a whole benchmark; ``wanted`` False looks at none of them."""

    def __init__(self, wanted: bool) -> None:
        self._sensors: Sensors | None = find_sensors() if wanted else None
        self._reasons = dict.fromkeys(self._sensors.reasons if self._sensors else (NOT_ASKED,))

    @contextmanager
    def beside(self, cpus: Collection[int]) -> Iterator[Sampler | None]:
        """Read them while what is in the ``with`` runs on these CPUs."""
        if self._sensors is None:
            yield None
            return
        with Sampler(self._sensors, avoid=cpus) as sampler:
            yield sampler
        self._reasons |= dict.fromkeys(sampler.reasons)

    def to_json(self) -> dict[str, Any]:
        """For a record's environment: the power mode, and why some figures are not available."""
        return {"mode": self._sensors.mode if self._sensors else None, "not_available": list(self._reasons)}


def watch(sampler: Sampler | None, interval: Iterable[float] | None) -> Watch | None:
    """What was seen between two times of ``time.monotonic``; None where nobody looked."""
    if sampler is None or interval is None:
        return None
    begin, end = interval
    return summarize(sampler.between(begin, end), end - begin)


def tells_power(sampler: Sampler, engine: str) -> bool:
    """Whether a sensor sees what ``engine`` draws: a graphics card's own sees nothing of the processor."""
    return any(engine.startswith(_ON_CARD) or not name.startswith(_OF_CARD) for name in sampler.rails)


def measure_energy(
    sampler: Sampler | None, subject: int, part: str, engine: str, run: Callable[[], dict[str, Any]]
) -> Energy | None:
    """Energy of one subject; ``run`` has it run alone and gives the answer of ``energy_job``.

    None, and nothing is run, where no sensor tells what its engine draws; None too where the sensors told it too
    seldom, or of other rails in one half than in the other.
    """
    if sampler is None or not tells_power(sampler, engine):
        return None
    answer = run()
    idle, running = watch(sampler, answer["idle"]), watch(sampler, answer["running"])
    energy = Energy(subject, part, answer["runs"], idle, running)
    enough = min(idle.samples, running.samples) >= FEWEST_SAMPLES
    alike = {rail.name for rail in idle.rails if rail.whole} == set(energy.rails)
    return energy if enough and alike and energy.rails else None


def sensor_doubts(seen: Watch | None) -> list[str]:
    """What the sensors say against the latencies that were measured meanwhile."""
    if seen is None:
        return []
    lines = [f"clocks were held down meanwhile ({', '.join(seen.throttled)})"] if seen.throttled else []
    for clock in seen.clocks:
        if clock.most - clock.least > STEADY_CLOCK * clock.median:
            lines.append(
                f"the {clock.name} clock moved between {clock.least:.0f} and {clock.most:.0f} MHz meanwhile: fix it, "
                "and measure again"
            )
    return lines
