"""The students that ship with the package, by name."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from runtime.bundle import MANIFEST_NAME
from runtime.errors import UserError

SHIPPED = Path(__file__).parent / "models"
DEFAULT_MODEL = "adain-w025"


def shipped_models() -> list[str]:
    """Names of the students that ship, sorted."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{MANIFEST_NAME}"))


def find_model(model: str | Path) -> Path:
    """The bundle's directory: a directory of that path, else the shipped student of that name.

    Raises:
        UserError: it is neither; the nearest shipped name is suggested.
    """
    try:
        if Path(model).exists():
            return Path(model)
    except (OSError, ValueError) as error:  # a name too long or with a NUL in it
        raise UserError(f"there is no bundle at {str(model)[:100]!r}: {error}") from error
    names = shipped_models()
    if str(model) in names:
        return SHIPPED / str(model)
    near = get_close_matches(str(model), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    listing = "'brushlet stylize --list-models' shows what ships"
    raise UserError(f"there is no bundle or shipped student {str(model)!r}: {hint}{listing}")
