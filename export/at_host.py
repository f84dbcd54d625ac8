"""``--host``: the engines of an export are built on the device they are for, and come back into the bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from devices import load_device
from export.bundle_folder import CARD_NAME, PICTURE_NAME
from export.card import write_text
from export.formats import Target
from export.tensorrt.build_there import FORMAT, add_engines_there
from export.to_bundle import Exported
from runtime.bundle import open_bundle
from runtime.errors import UserError


def require_engines(targets: Sequence[Target]) -> None:
    """Raises UserError where no target is an engine that is built on its device."""
    if not any(target.format == FORMAT for target in targets):
        raise UserError("--host builds TensorRT's engines there: name --format tensorrt")


def build_at_host(
    exported: Exported, targets: Sequence[Target], host: str, device: str | None, log: Callable[[str], None]
) -> Exported:
    """Build the engines of an export on ``host``, and add them to the bundle that was written.

    Args:
        targets: what was asked for; those that failed are left out.
        device: what the host has to be; None for whatever it is.

    Raises:
        UserError: the host cannot build one. The bundle is whole then, with graph, recipe and what was built before.
        devices.DeviceError: there is no connection, or the host is another device.
    """
    failed = {target for target, _ in exported.failures}
    precisions = [target.precision for target in targets if target.format == FORMAT and target not in failed]
    if not precisions:
        return exported
    asked = load_device(device) if device is not None else None
    directory = exported.directory
    before = sum(graph.bytes for graph in exported.manifest.graphs)
    for graph in add_engines_there(directory, host, precisions, asked, log):
        log(f"built there: {graph.file}, {graph.bytes / 1e6:.2f} MB for {graph.target}")
    manifest = open_bundle(directory).manifest
    write_text(directory / CARD_NAME, manifest, PICTURE_NAME if (directory / PICTURE_NAME).is_file() else None)
    added = sum(graph.bytes for graph in manifest.graphs) - before
    return replace(exported, manifest=manifest, bytes=exported.bytes + added)
