"""A package on disk: written whole or not at all, and byte for byte the same for the same model.

coremltools writes random identifiers into Manifest.json and leaves the order of maps in the model to chance; both are
settled here, so that an export can be repeated and its hash means something.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import uuid
from pathlib import Path
from typing import Any

from export.coreml.coremltools_here import quietly
from export.coreml.mil_program import MODEL_FILE
from runtime.errors import UserError

_MANIFEST = "Manifest.json"


def save_package(model: Any, path: Path) -> None:
    """Write a ``coremltools.models.MLModel`` to ``path``, which ends in .mlpackage; an older package there goes.

    Raises:
        UserError: it cannot be written; nothing is left behind, and an older package is untouched.
    """
    # coremltools insists on the suffix.
    temporary = path.with_name(f".{path.stem[:100]}.{secrets.token_hex(6)}.tmp.mlpackage")
    try:
        if not path.parent.is_dir():  # which coremltools would make
            raise FileNotFoundError(errno.ENOENT, "the folder does not exist")
        with quietly():
            model.save(str(temporary))
        _settle(model, temporary)
        _replace(temporary, path)
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).split("\n")[0][:200]
        raise UserError(f"cannot write {path}: {reason}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def package_bytes(path: Path) -> int:
    """The size of all files of a package."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _settle(model: Any, package: Path) -> None:
    spec = model.get_spec()
    (package / MODEL_FILE).write_bytes(spec.SerializeToString(deterministic=True))
    (package / MODEL_FILE).chmod(0o644)  # coremltools leaves it to its owner alone
    manifest = json.loads((package / _MANIFEST).read_text())
    names = {key: _identifier(entry["path"]) for key, entry in manifest["itemInfoEntries"].items()}
    manifest["itemInfoEntries"] = {names[key]: entry for key, entry in manifest["itemInfoEntries"].items()}
    manifest["rootModelIdentifier"] = names[manifest["rootModelIdentifier"]]
    (package / _MANIFEST).write_text(json.dumps(manifest, indent=4, sort_keys=True) + "\n")


def _identifier(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"brushlet:{name}")).upper()


def _replace(temporary: Path, path: Path) -> None:
    """Rename the package into place; a directory cannot be renamed over one that is there."""
    old = None
    if path.exists():
        old = path.with_name(f".{path.stem[:100]}.{secrets.token_hex(6)}.old")
        os.rename(path, old)
    try:
        os.rename(temporary, path)
    except OSError:
        if old is not None:
            os.rename(old, path)
        raise
    if old is not None:
        with contextlib.suppress(OSError):
            shutil.rmtree(old)
