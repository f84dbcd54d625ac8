"""`python -m distill`, also under torchrun."""

from __future__ import annotations

from distill.cli import main

if __name__ == "__main__":
    main()
