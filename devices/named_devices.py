"""Devices by name: the catalogue that ships, and the user's own files beside or in place of it."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from devices.device import Device
from devices.device_file import read_device
from devices.errors import DeviceError

CATALOGUE = Path(__file__).parent / "catalogue"
#: The environment's name for a folder with the user's own devices; it comes before the one in their home.
OWN_FOLDER_VARIABLE = "BRUSHLET_DEVICES"


def own_folders() -> tuple[Path, ...]:
    """Where the user's own devices may lie, the first wins: ``$BRUSHLET_DEVICES``, ``~/.config/brushlet/devices``."""
    named = os.environ.get(OWN_FOLDER_VARIABLE)
    at_home = Path(os.path.expanduser("~")) / ".config" / "brushlet" / "devices"
    return (Path(named), at_home) if named else (at_home,)


def device_files() -> dict[str, Path]:
    """The file of every device by name, sorted; a file of the user's takes the place of the catalogue's."""
    files: dict[str, Path] = {}
    for folder in (CATALOGUE, *reversed(own_folders())):
        files.update((path.stem, path) for path in _toml_files(folder))
    return dict(sorted(files.items()))


def _toml_files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except OSError:  # the user has no such folder, which is the rule
        return []


def device_names() -> tuple[str, ...]:
    """Names that ``load_device`` knows, without aliases, sorted."""
    return tuple(device_files())


def replaces_catalogue(device: Device) -> bool:
    """Whether the user's own file stands in for one of the catalogue."""
    return device.own and (CATALOGUE / f"{device.name}.toml").is_file()


def load_device(name_or_path: str | os.PathLike[str]) -> Device:
    """The device of that name or alias, or the one that a TOML file describes.

    What has a directory or ends in ``.toml`` is a path.

    Raises:
        DeviceError: there is no such device (the nearest name is told), or its file has a mistake.
    """
    text = os.fspath(name_or_path)
    if os.path.basename(text) != text or text.endswith(".toml"):
        return read_device(Path(text), own=True)
    files = device_files()
    if text in files:
        return _read(files[text])
    aliases = {alias: device for device in read_devices()[0] for alias in device.aliases}
    if text in aliases:
        return aliases[text]
    raise DeviceError(_unknown(text, [*files, *aliases]))


def read_devices() -> tuple[tuple[Device, ...], tuple[DeviceError, ...]]:
    """Every device by name, and what is wrong with the files that have a mistake: one hides no other device."""
    devices, problems = [], []
    for path in device_files().values():
        try:
            devices.append(_read(path))
        except DeviceError as problem:
            problems.append(problem)
    return tuple(devices), tuple(problems)


def _read(path: Path) -> Device:
    return read_device(path, own=path.parent != CATALOGUE)


def _unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else "brushlet devices lists them"
    return f"there is no device {name[:80]!r}: {hint}"
