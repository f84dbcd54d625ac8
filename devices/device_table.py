"""Devices as tables for people: the list, and the sheet of one with the source of every figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from devices.device import Device, Peak

Row = tuple[str, str, str]


#: Narrower than this, a title would take several lines, and says little more than the name.
WIDTH_FOR_TITLES = 105


def list_of_devices(devices: Iterable[Device], width: int) -> RenderableType:
    """One line a device: name, what it is, its dense peaks, memory bandwidth, and the export to begin with.

    ``width`` is the terminal's, in characters: a narrow one gets no titles.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", style="cyan", no_wrap=True)
    if width >= WIDTH_FOR_TITLES:
        table.add_column("device", overflow="fold")
    table.add_column("kind")
    for heading in ("int8 TOPS", "fp16 TFLOPS", "GB/s"):
        table.add_column(heading, justify="right")
    table.add_column("export", no_wrap=True)
    for device in devices:
        name, title, *figures = _line(device)
        table.add_row(*(Text(cell) for cell in (name, *([title] if width >= WIDTH_FOR_TITLES else []), *figures)))
    notes = "Peaks are dense. ? the vendor does not say of which precision; /c a core and clock cycle; * your own."
    return Group(table, Text(notes, style="dim"))


def _line(device: Device) -> tuple[str, ...]:
    bandwidth, first = device.bandwidth(), device.recommended[0] if device.recommended else None
    return (
        device.name + ("*" if device.own else ""),
        device.title,
        device.kind,
        _short(device.peak("int8")) or _short(device.peak("unstated")),
        _short(device.peak("fp16")),
        f"{bandwidth.gb_s:g}" if bandwidth else "",
        f"{first.format} {first.precision}" if first else "",
    )


def _short(peak: Peak | None) -> str:
    if peak is None:
        return ""
    if peak.tera is None:
        return f"{peak.per_core_cycle:g}/c"
    return f"{peak.tera:g}" + ("?" if peak.precision == "unstated" else "")


def sheet_of_device(device: Device, place: str | None = None) -> RenderableType:
    """Everything that is known of a device. ``place`` says where a device of the user's own comes from."""
    heading = Text(f"{device.title}  ", style="bold").append(device.name, style="cyan")
    if device.aliases:
        heading.append(f"  (also {', '.join(device.aliases)})", style="dim")
    parts: list[RenderableType] = [heading]
    if place:
        parts.append(Text(place, style="yellow"))
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="cyan")
    facts.add_column(overflow="fold", ratio=1)
    facts.add_column(style="dim", no_wrap=True)
    for label, value, source in _facts(device):
        facts.add_row(Text(label), Text(value), Text(f"[{source}]" if source else ""))
    return Group(*parts, "", facts, "", Text("Sources", style="bold"), *_sources(device))


def _facts(device: Device) -> Iterator[Row]:
    yield from _parts(device)
    for peak in device.peaks:
        yield f"{peak.unit} {peak.precision}", _peak(peak), peak.source
    if device.memory:
        sizes = " or ".join(f"{size:g}" for size in device.memory.gigabytes)
        kind = f" of {device.memory.type}" if device.memory.type else ""
        yield (
            "memory",
            f"{sizes} GB{kind}{', shared with the GPU' if device.memory.shared else ''}",
            device.memory.source,
        )
    for band in device.bandwidths:
        yield "bandwidth", _with_notes(f"{band.gb_s:g} GB/s", band.mode, band.computed, band.note), band.source
    yield from _software(device)
    if device.thermal:
        yield "thermal", device.thermal.text, device.thermal.source
    for advice in device.recommended:
        yield "export", f"{advice.format} {advice.precision} ({advice.basis}): {advice.reason}", advice.source or ""
    yield from _recognition(device)


def _parts(device: Device) -> Iterator[Row]:
    for label, part in (("cpu", device.cpu), ("gpu", device.gpu), ("npu", device.npu)):
        if part:
            yield label, part.description + (f" ({part.note})" if part.note else ""), part.source
    if device.precisions:
        capability = device.precisions.compute_capability
        native = ", ".join(device.precisions.native) + (f"; compute capability {capability}" if capability else "")
        yield "native", _with_notes(native, None, None, device.precisions.note), device.precisions.source


def _software(device: Device) -> Iterator[Row]:
    for mode in device.power_modes:
        watts = f", {mode.watts:g} W" if mode.watts else ""
        yield "power mode", _with_notes(f"{mode.name}{watts}", None, None, mode.note), mode.source
    for engine in device.engines:
        yield "engine", f"{engine.name} {engine.version}, with {engine.comes_with}", engine.source


def _recognition(device: Device) -> Iterator[Row]:
    known = device.recognition
    if known is None:
        return
    signs = [
        *known.compatible, *known.device_tree_model, *known.apple_model, *known.cpu_name, *known.android_soc,
        *known.android_model, *known.gpu_name, *(" and ".join(flags) for flags in known.cpu_flags),
    ]  # fmt: skip
    yield "recognised by", ", ".join(signs), known.source


def _peak(peak: Peak) -> str:
    if peak.tera is None:
        value = f"{peak.per_core_cycle:g} operations a core and clock cycle"
    else:
        value = f"{peak.tera:g} {'TFLOPS' if peak.precision in ('fp32', 'fp16', 'bf16') else 'TOPS'}"
    return _with_notes(value, peak.mode, peak.computed, peak.note)


def _with_notes(value: str, mode: str | None, computed: str | None, note: str | None) -> str:
    notes = [mode and f"in mode {mode}", computed and f"computed: {computed}", note]
    said = "; ".join(filter(None, notes))
    return f"{value} ({said})" if said else value


def _sources(device: Device) -> Iterator[Text]:
    for source in device.sources:
        line = Text(f"[{source.key}] ", style="dim").append(source.title, style="none")
        line.append("".join(f", {part}" for part in (source.section, source.url) if part))
        yield line
