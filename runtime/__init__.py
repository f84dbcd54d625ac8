"""A bundle becomes pictures.

Importing this package costs nothing; each name is loaded when it is first used. numpy and Pillow are enough to import
any of it, and an engine is imported when one is opened.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.bundle import Bundle, BundleError, Manifest, open_bundle
    from runtime.errors import UserError
    from runtime.image_files import Picture, list_pictures, read_picture, write_picture
    from runtime.regions import Regions
    from runtime.shipped import shipped_models
    from runtime.style_code import StyleCode
    from runtime.stylizer import Stylizer

# ONNX Runtime 1.29 and later tell Microsoft about models and machine, and keep an identifier in the user's home, unless
# this is set before they are imported. Who wants that sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Bundle": "runtime.bundle",
    "BundleError": "runtime.bundle",
    "Manifest": "runtime.bundle",
    "Picture": "runtime.image_files",
    "StyleCode": "runtime.style_code",
    "Regions": "runtime.regions",
    "Stylizer": "runtime.stylizer",
    "UserError": "runtime.errors",
    "list_pictures": "runtime.image_files",
    "open_bundle": "runtime.bundle",
    "read_picture": "runtime.image_files",
    "shipped_models": "runtime.shipped",
    "write_picture": "runtime.image_files",
}

__all__ = [
    "Bundle",
    "BundleError",
    "Manifest",
    "Picture",
    "Regions",
    "StyleCode",
    "Stylizer",
    "UserError",
    "list_pictures",
    "open_bundle",
    "read_picture",
    "shipped_models",
    "write_picture",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
