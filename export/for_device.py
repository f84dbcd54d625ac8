"""What to export for a device of the catalogue, from what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from devices import Device, load_device
from devices.device import Recommendation
from export.options import ExportOptions
from runtime.errors import UserError


def choose_for_device(
    name: str,
    formats: Sequence[str],
    precisions: Sequence[str],
    options: ExportOptions,
    log: Callable[[str], None],
) -> tuple[Sequence[str], Sequence[str], ExportOptions]:
    """Formats, precisions and options for the device; what the user asked for stays, with a remark where it is worse.

    Args:
        log: gets one line on what was chosen and why.

    Raises:
        UserError: nothing is known to recommend for this device.
        devices.DeviceError: there is no such device.
    """
    device = load_device(name)
    fitting = [advice for advice in device.recommended if not formats or advice.format in formats]
    if not fitting:
        raise UserError(f"nothing is recommended for {device.title}: name --format and --precision yourself")
    advice = fitting[0]
    if precisions and advice.precision not in precisions:
        log(f"note: for {device.title} {_said(advice)}")
    elif not precisions:
        log(f"for {device.title}: {_said(advice)}")
    if advice.format == "tensorrt-rtx" and options.gpu is None:
        options = replace(options, gpu=_architecture(device))
    return formats or [advice.format], precisions or [advice.precision], options


def _said(advice: Recommendation) -> str:
    return f"{advice.format} {advice.precision} is recommended ({advice.basis}): {advice.reason}"


def _architecture(device: Device) -> str:
    if device.sm is None:
        raise UserError(f"the GPU architecture of {device.title} is not known: name it with --gpu")
    return device.sm
