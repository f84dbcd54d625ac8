"""Where a run computes."""

from __future__ import annotations

import pytest
import torch

from distill.accelerator import accelerator_for, best_device
from runtime.errors import UserError


def test_devices_that_are_not_there(small, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for device in ("cuda", "mps"):
        with pytest.raises(UserError, match=f"--device {device}: this torch sees no"):
            accelerator_for(device)
    with pytest.raises(UserError, match="--device is auto, cpu, cuda or mps, not 'tpu'"):
        accelerator_for("tpu")
    assert accelerator_for("auto").device.type == "cpu"


@pytest.mark.parametrize(("cuda", "mps", "wanted"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_auto_takes_the_fastest(monkeypatch, cuda, mps, wanted):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device() == wanted
