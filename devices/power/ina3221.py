"""The INA3221 and INA238 power monitors of Jetson boards, as the kernel shows them in /sys.

Kernel 5.10 and later have hwmon: voltage in mV and current in mA by channel, a label for each rail. Kernel 4.9
(JetPack 4) has industrial I/O: power in mW and the rail's name. Linux: Documentation/hwmon/ina3221.rst, ina238.rst.
"""

from __future__ import annotations

from collections.abc import Callable

from devices.host import Host
from devices.power.jetson_rails import NOT_CONNECTED, whole_of
from devices.power.reading import Polled, Reading

_HWMON, _OLD_DRIVER = "sys/class/hwmon", "sys/bus/i2c/drivers/ina3221x"
_CHANNELS = (1, 2, 3)
#: Thor's board has one of these at its input, without a label.
_BOARD_INPUT = "VIN"


def find_ina3221(host: Host) -> Polled | None:
    """The monitors that this process may read, as one sensor; None without any."""
    rails = {name: read for name, read in _rails(host).items() if read() is not None}
    if not rails:
        return None

    def take() -> Reading:
        values = {name: value for name, read in rails.items() if (value := read()) is not None}
        return Reading(values, whole_of(values))

    return Polled("INA3221", take)


def _rails(host: Host) -> dict[str, Callable[[], float | None]]:
    """Watts by the rail's name, as functions."""
    found: dict[str, Callable[[], float | None]] = {}
    for folder in host.folders(f"{_HWMON}/hwmon*"):
        chip = host.read(f"{folder}/name")
        if chip == "ina3221":
            found.update(_hwmon_rails(host, folder))
        elif chip == "ina238":
            found[_BOARD_INPUT] = _product(host, 1e-6, f"{folder}/power1_input")
    for folder in host.folders(f"{_OLD_DRIVER}/*/iio:device*"):
        for channel in range(len(_CHANNELS)):
            if label := host.read(f"{folder}/rail_name_{channel}"):
                found[label] = _product(host, 1e-3, f"{folder}/in_power{channel}_input")
    return {name: read for name, read in found.items() if name not in NOT_CONNECTED}


def _hwmon_rails(host: Host, folder: str) -> dict[str, Callable[[], float | None]]:
    """The three channels. Others hold sums and voltages over the shunts, which are no rails."""
    labels = {channel: host.read(f"{folder}/in{channel}_label") for channel in _CHANNELS}
    return {
        label: _product(host, 1e-6, f"{folder}/in{channel}_input", f"{folder}/curr{channel}_input")
        for channel, label in labels.items()
        if label
    }


def _product(host: Host, scale: float, *files: str) -> Callable[[], float | None]:
    def read() -> float | None:
        product = scale
        for file in files:
            number = host.read_integer(file)
            if number is None:
                return None
            product *= number
        return product

    return read
