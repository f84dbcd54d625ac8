"""Which of a Jetson's power rails add up to all that the module or the board draws."""

from __future__ import annotations

from collections.abc import Iterable

#: The input, where one is measured: of the board (Thor: VIN) or the module (Xavier NX, Orin NX and Nano, TX1, TX2:
#: VDD_IN; Nano: POM_5V_IN). NVIDIA, Jetson Linux Developer Guide, "Power Monitor" of each series.
INPUTS = ("VIN", "VDD_IN", "POM_5V_IN")
#: Measured on its own and behind another rail too: the memory of AGX Orin is fed by VIN_SYS_5V0.
BEHIND_OTHERS = ("VDDQ_VDD2_1V8AO",)
#: A channel of the sensor that nothing is connected to.
NOT_CONNECTED = ("NC",)


def whole_of(rails: Iterable[str]) -> tuple[str, ...]:
    """The input rail, or where none is measured (AGX Xavier, AGX Orin) all rails that are not behind another."""
    names = [name for name in rails if name not in NOT_CONNECTED]
    inputs = [name for name in INPUTS if name in names]
    return tuple(inputs[:1] or (name for name in names if name not in BEHIND_OTHERS))
