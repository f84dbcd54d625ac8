"""The training of what ships, for a few steps: the files that come out load where they are needed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from distill import compact
from distill.compact import decoder_losses, encoder_losses, fit
from distill.data import PictureSet, open_pictures
from distill.perceptual import CompactPerception, Vgg
from distill.pretrained import load_weights
from distill.samples import Samples
from distill.settings import Settings
from distill.teacher_cache import TeacherCache
from distill.teachers.adain import Decoder
from tests.distill import tiny
from tests.distill.test_perceptual import in_community_layout


@pytest.fixture
def sets(pictures: Path) -> list[PictureSet]:
    folders = (("photos", "content"), ("paintings", "style"))
    return [open_pictures(str(pictures / folder), kind, 72, "train") for folder, kind in folders]


def test_fitting_minimises_and_saves_at_the_end(capsys):
    torch.manual_seed(0)
    net, saved = nn.Conv2d(3, 4, 3), []
    picture = torch.rand(1, 3, 8, 8)
    history: list[float] = []

    def losses():
        while True:
            loss = (net(picture) - 1).square().mean()
            history.append(loss.item())
            yield {"near": loss}

    fit([*net.parameters()], losses(), 60, 0.1, lambda: saved.append(len(history)))
    assert history[-1] < 0.3 * history[0]
    assert saved == [60]


def test_a_perfect_encoder_leaves_nothing_unexplained_and_a_blind_one_everything(sets):
    class Seer(nn.Module):
        """Embeds exactly what the network to imitate sees, scaled."""

        def __init__(self, scale: float) -> None:
            super().__init__()
            self.scale = scale

        def embedded(self, picture: torch.Tensor) -> list[torch.Tensor]:
            return [tap * self.scale + (1 - self.scale) * tap.mean() for tap in vgg(picture)]

    vgg = tiny.randomised(lambda: Vgg((4, 4, 4, 4)), 0)
    for scale, unexplained in ((1.0, 0.0), (0.0, 1.0)):
        parts = next(encoder_losses(Seer(scale), vgg, sets, 32, 4))
        assert set(parts) == {"tap1", "tap2", "tap3", "tap4"}
        # bfloat16, where a machine is fast at it, is good for about one percent.
        assert [p.item() for p in parts.values()] == pytest.approx([unexplained] * 4, abs=0.02)


def test_the_decoders_losses(sets, tmp_path):
    settings = Settings(size=64, batch=2, pairs=20, teacher_share=1.0, identity_share=0.0)
    samples = Samples(settings, *sets, TeacherCache(tiny.Negative(), "k", 64, 20, root=tmp_path))
    net = tiny.perception()
    decoder = Decoder(net.vgg.channels)
    first, second = (parts for parts, _ in zip(decoder_losses(decoder, net, samples), range(2), strict=False))
    assert set(first) == {"content", "style", "teacher"}
    assert all(value.isfinite() and value > 0 for value in first.values())
    assert first["content"] != second["content"]  # another batch
    sum(first.values()).backward()
    assert all(p.grad is not None for p in decoder.parameters())


def test_a_few_steps_of_both_make_files_that_load(pictures, tmp_path, monkeypatch):
    """With weights of VGG-19's shapes, the encoder's targets being fixed."""
    monkeypatch.setenv("BRUSHLET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(compact, "compact_perception", tiny.perception)
    weights, out = tmp_path / "weights", tmp_path / "out"
    weights.mkdir()
    out.mkdir()
    torch.save(in_community_layout(Vgg()), weights / "vgg_normalised.pth")
    numbers = (1, 5, 8, 11, 14, 18, 21, 25, 28)
    layers = zip(numbers, Decoder().convs, strict=True)
    state = {f"{n}.{name}": getattr(conv, name).data for n, conv in layers for name in ("weight", "bias")}
    torch.save(state, weights / "decoder.pth")
    sources = (weights, str(pictures / "photos"), str(pictures / "paintings"))
    compact.encoder(*sources, steps=2, size=32, batch=2, out=out)
    compact.decoder(*sources, steps=1, size=64, batch=1, out=out)
    CompactPerception().load_state_dict(load_weights(out / "compact_vgg.safetensors"))
    Decoder((16, 32, 64, 128)).load_state_dict(load_weights(out / "compact_adain_decoder.safetensors"))
