"""Looks at the sensors at a steady pace while something else is measured."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from types import TracebackType

from devices.power.reading import Reading, Sensor, merge
from devices.power.sensors import Sensors

#: Bounds memory: eleven hours at five looks a second.
MOST_SAMPLES = 200_000


@dataclass(frozen=True)
class Sample:
    """A reading, and when it was finished: ``time.monotonic`` in seconds, the same clock in all processes."""

    at: float
    reading: Reading


class Sampler:
    """A thread that reads sensors; used in a ``with``.

    It keeps off the CPUs it is told to keep off, if there are others. A sensor that fails is let go of and told in
    ``reasons``: nothing that is measured depends on it. Leaving the ``with`` ends every command that was started.
    """

    def __init__(self, sensors: Sensors, avoid: Collection[int] = ()) -> None:
        self._sensors = sensors
        self._avoid = frozenset(avoid)
        self._samples: deque[Sample] = deque(maxlen=MOST_SAMPLES)
        self._failures: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sensors", daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def rails(self) -> frozenset[str]:
        """The rails that have been read up to now and together are the whole."""
        return frozenset(name for sample in tuple(self._samples) for name in sample.reading.whole)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why some figures are not there: what was known before, and what failed since."""
        silent = self._sensors.power and not self._failures and not self.rails
        mute = ("power: the sensors that are here say nothing of it; some tell it to root only",)
        return (*self._sensors.reasons, *self._failures, *(mute if silent else ()))

    def between(self, begin: float, end: float) -> tuple[Sample, ...]:
        """The samples of an interval of ``time.monotonic``, in the order of time."""
        return tuple(sample for sample in tuple(self._samples) if begin <= sample.at <= end)

    def _run(self) -> None:
        self._leave_alone_what_is_measured()
        open_now: dict[Sensor, float] = {}
        try:
            for opener in self._sensors.openers:
                with self._told("a sensor"):
                    open_now[opener()] = 0.0
            due = time.monotonic()
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                reading = merge(self._look(open_now))
                now = time.monotonic()
                self._samples.append(Sample(now, reading))
                due = max(due + self._sensors.interval_s, now)
        finally:
            for sensor in open_now:
                with self._told(sensor.name):
                    sensor.close()

    def _look(self, open_now: dict[Sensor, float]) -> list[Reading]:
        """Read those whose time has come; ``open_now`` is each sensor with when it was read last."""
        readings = []
        for sensor, last in list(open_now.items()):
            now = time.monotonic()
            if now - last < sensor.every_s:
                continue
            open_now[sensor] = now
            reading = None
            with self._told(sensor.name):
                reading = sensor.read()
            if reading is None:
                del open_now[sensor]
                sensor.close()
            else:
                readings.append(reading)
        return readings

    @contextlib.contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Whatever a sensor does wrong costs its figures, never the measurement."""
        try:
            yield
        except Exception as error:
            self._failures.append(f"{name}: {type(error).__name__}: {error}"[:300])

    def _leave_alone_what_is_measured(self) -> None:
        """Linux lets a thread choose its CPUs, and what it starts inherits the choice."""
        if hasattr(os, "sched_setaffinity"):
            others = os.sched_getaffinity(0) - self._avoid
            with contextlib.suppress(OSError):  # none is left, or the system does not allow it
                os.sched_setaffinity(0, others)
