"""Published weights: found where the user has them or fetched once from a pinned address; read without running code."""

from __future__ import annotations

import os
import pickle
import warnings
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch
import torch
from rich.console import Console
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from distill.download import fetch
from runtime.bundle import sha256_of
from runtime.errors import UserError

ENVIRONMENT = "BRUSHLET_WEIGHTS"


@dataclass(frozen=True)
class Weights:
    """Published weights: the names people keep them under, and where they come from."""

    files: tuple[str, ...]
    url: str
    sha256: str
    licence: str


_ADAIN_RELEASE = "https://github.com/naoto0804/pytorch-AdaIN/releases/download/v0.0.0"
KNOWN: dict[str, Weights] = {
    "vgg19": Weights(
        files=("vgg_normalised.pth", "vgg_normalised_relu4_1.pth"),
        url=f"{_ADAIN_RELEASE}/vgg_normalised.pth",
        sha256="804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a",
        licence="VGG-19 by Simonyan and Zisserman, CC BY 4.0; converted by naoto0804/pytorch-AdaIN (MIT)",
    ),
    "adain-decoder": Weights(
        files=("decoder.pth", "adain_decoder.pth"),
        url=f"{_ADAIN_RELEASE}/decoder.pth",
        sha256="379ca41d59f3a37eed3599bbbc2560c19da5c458870a5ffd3a9dd41aa88f9472",
        licence="naoto0804/pytorch-AdaIN, MIT",
    ),
}

#: Keys under which training programs put the weights inside a larger dictionary.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "g_ema", "params_ema", "params")


def choose_weights(name: str, choice: str | Path | None, beside: bool = False) -> Path | None:
    """The file that `--weights` stands for: 'compact' is None (use what ships), 'download' fetches what is missing,
    a path is looked into, and without a choice the environment and the cache are.

    With `beside` the path is of other weights: where the file does not lie beside them, it is as without a choice.

    Raises UserError as :func:`find_weights` does.
    """
    if choice is not None and str(choice) == "compact":
        return None
    if choice is not None and str(choice) == "download":
        return find_weights(name, None, download=True)
    if choice is not None and beside:
        folder = Path(choice) if Path(choice).is_dir() else Path(choice).parent
        return _in_directory(folder, KNOWN[name]) or find_weights(name, None, download=False)
    return find_weights(name, None if choice is None else Path(choice), download=False)


def find_weights(name: str, given: Path | None, download: bool = True) -> Path | None:
    """The file of the known weights `name` ("vgg19", "adain-decoder"), or None when it is nowhere.

    Looked for in this order: `given` (a file, or a directory that holds it under a usual name), the directory
    BRUSHLET_WEIGHTS, the cache, and if `download` its pinned address. A `given` file with the usual name of other
    known weights stands for its directory, so `--weights vgg_normalised.pth` finds the decoder beside it.

    Raises:
        UserError: `given` or BRUSHLET_WEIGHTS does not exist, `given` does not hold the file, or the download fails.
    """
    known = KNOWN[name]
    if given is not None:
        return _given(Path(given), known)
    if (kept := _in_environment(known)) is not None:
        return kept
    cache = cache_directory()
    cached = cache / known.files[0]
    if cached.is_file() and sha256_of(cached) == known.sha256:
        return cached
    if not download:
        return None
    Console(stderr=True).print(f"Downloading {known.files[0]} to {cache} ({known.licence})", highlight=False)
    try:
        return fetch(known.url, known.sha256, cache)
    except UserError as error:
        raise UserError(f"{error} (or give {known.files[0]} with --weights DIR or {ENVIRONMENT}=DIR)") from error


def cache_directory() -> Path:
    """Where downloaded weights are kept between runs."""
    return Path(pooch.os_cache("brushlet")) / "weights"


def load_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file on the CPU, whatever its name: PyTorch (never running its code) or safetensors.

    Raises:
        UserError: missing, damaged, not weights, or a pickle that holds more than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no weights file {path}")
    try:
        loaded = load_file(path) if _is_safetensors(path) else _load_torch(path)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is refused: it is not a plain weights file, or holds Python objects besides tensors "
            "(save the model's state_dict() instead)"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, SafetensorError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path} is damaged, incomplete or not a weights file ({first[:120]})") from error
    return _tensors(path, loaded)


def _given(given: Path, known: Weights) -> Path:
    if not given.exists():
        raise UserError(f"there is no weights file or directory {given}")
    others = {file for weights in KNOWN.values() for file in weights.files} - set(known.files)
    if given.is_file() and given.name not in others:
        return given
    directory = given if given.is_dir() else given.parent
    found = _in_directory(directory, known)
    if found is None:
        raise UserError(
            f"{directory} holds neither {' nor '.join(known.files)}: give the directory or file of the weights"
        )
    return found


def _in_environment(known: Weights) -> Path | None:
    named = os.environ.get(ENVIRONMENT)
    if not named:
        return None
    if not Path(named).is_dir():
        raise UserError(f"{ENVIRONMENT} is {named}, which is not a directory")
    return _in_directory(Path(named), known)


def _in_directory(directory: Path, known: Weights) -> Path | None:
    return next((directory / file for file in known.files if (directory / file).is_file()), None)


def _is_safetensors(path: Path) -> bool:
    """By content: eight bytes of header length, then the header's JSON."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _load_torch(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old pickle protocols: read or refused, nothing to warn of
        # Options of a training program, which many checkpoints hold: names and plain values, no code.
        torch.serialization.add_safe_globals([Namespace])
        return torch.load(path, map_location="cpu", weights_only=True)


def _tensors(path: Path, loaded: Any) -> dict[str, Tensor]:
    for key in _WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not loaded:
        raise UserError(f"{path} holds no weights (a {type(loaded).__name__} instead of a dictionary of tensors)")
    state = {str(key): value for key, value in loaded.items() if isinstance(value, Tensor)}
    if not state:
        raise UserError(f"{path} holds no tensors")
    return state
