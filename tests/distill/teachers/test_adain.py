"""AdaIN: equation 8, the decoder's mirror, and which weights make the teacher."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from distill import weights
from distill.losses import style_loss
from distill.perceptual import CONVS_PER_STAGE, Vgg, Vgg19Perception, moments
from distill.pretrained import save_weights
from distill.samples import to_tensor
from distill.teachers import adain, load_teacher
from distill.teachers.adain import AdainTeacher, Decoder, adaptive_instance_normalisation, decoder_from_community
from runtime.errors import UserError
from runtime.image_files import read_picture
from tests.distill import tiny
from tests.distill.test_perceptual import in_community_layout

WIDTHS = (8, 8, 12, 16)
#: Where the community's `decoder.pth` has its convolutions.
NUMBERS = (1, 5, 8, 11, 14, 18, 21, 25, 28)


def decoder_state(decoder: Decoder) -> dict[str, Tensor]:
    return {
        f"{number}.{name}": getattr(layer, name).data
        for number, layer in zip(NUMBERS, decoder.convs, strict=True)
        for name in ("weight", "bias")
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Community weights of a small AdaIN, under their usual names."""
    torch.manual_seed(0)
    torch.save(in_community_layout(Vgg(WIDTHS), extra=2), tmp_path / "vgg_normalised.pth")
    torch.save(decoder_state(Decoder(WIDTHS)), tmp_path / "decoder.pth")
    return tmp_path


@pytest.fixture
def compact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No weights anywhere but a compact decoder that ships, here with random weights; the cache that is looked into."""
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    net = tiny.perception()
    save_weights(shipped / "compact_adain_decoder.safetensors", Decoder(net.vgg.channels), {})
    monkeypatch.setattr(adain, "FOLDER", shipped)
    monkeypatch.setattr(adain, "compact_perception", lambda: net)
    monkeypatch.delenv(weights.ENVIRONMENT, raising=False)
    monkeypatch.setattr(weights, "cache_directory", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@settings(max_examples=20)
@given(st.integers(2, 9), st.integers(2, 9), st.floats(0.1, 100), st.integers(0, 99))
def test_equation_8(height, width, scale, seed):
    torch.manual_seed(seed)
    content, style = torch.randn(2, 4, height, width), torch.randn(2, 4, 8, 7) * scale + 3
    result = adaptive_instance_normalisation(content, style)
    (mean, deviation), (style_mean, style_deviation) = moments(result), moments(style)
    assert result.shape == content.shape
    assert torch.allclose(mean, style_mean, rtol=1e-3, atol=1e-3)
    assert torch.allclose(deviation, style_deviation, rtol=1e-2)
    # What stays is the content's arrangement.
    assert torch.equal(result.argsort(-1), content.argsort(-1))


def test_its_own_style_changes_nothing():
    features = torch.randn(1, 6, 9, 9)
    assert torch.allclose(adaptive_instance_normalisation(features, features), features, atol=1e-5)


def test_a_flat_channel_becomes_the_styles_mean():
    result = adaptive_instance_normalisation(torch.ones(1, 2, 4, 4), torch.randn(1, 2, 8, 8))
    assert result.isfinite().all()
    assert result.std((2, 3)).max() < 1e-3


@settings(max_examples=10)
@given(widths=st.tuples(*[st.integers(1, 9)] * 4), side=st.integers(2, 4))
def test_the_decoder_mirrors_the_encoder_at_any_width(widths, side):
    encoder, decoder = Vgg(widths), Decoder(widths)
    mirrored = [(conv.out_channels, conv.in_channels) for conv in reversed(encoder.convs)]
    assert [(conv.in_channels, conv.out_channels) for conv in decoder.convs] == mirrored
    assert decoder(torch.rand(1, widths[-1], side, side + 1)).shape == (1, 3, 8 * side, 8 * side + 8)
    loaded = decoder_from_community(decoder_state(decoder))
    features = torch.rand(1, widths[-1], side, side)
    assert torch.equal(loaded(features), decoder(features))


def test_the_decoder_is_the_communitys_sequence():
    """Reflection padding, convolution, ReLU, and nearest upsampling where the encoder pools; no ReLU at the end."""
    torch.manual_seed(0)
    decoder, x = Decoder(WIDTHS), torch.rand(1, WIDTHS[-1], 4, 4)
    wanted = x
    convs = iter(decoder.convs)
    for stage, count in enumerate(reversed(CONVS_PER_STAGE)):
        for position in range(count):
            conv = next(convs)
            wanted = F.conv2d(F.pad(wanted, (1, 1, 1, 1), mode="reflect"), conv.weight, conv.bias)
            last = stage == 3 and position == 1
            wanted = wanted if last else F.relu(wanted)
        if stage < 3:
            wanted = F.interpolate(wanted, scale_factor=2)
    assert torch.allclose(decoder(x), wanted, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 47), (16, 100)])
def test_pictures_of_any_size_keep_it(folder, height, width):
    teacher = load_teacher("adain", folder)
    painted = teacher.stylize(torch.rand(2, 3, height, width), torch.rand(2, 3, 40, 40))
    assert painted.shape == (2, 3, height, width)
    assert painted.min() >= 0 and painted.max() <= 1


def test_the_teachers_path(folder):
    """Encode, equation 8, decode; `stylize` clips, the network itself doesn't."""
    teacher = load_teacher("adain", folder)
    content, style = torch.rand(2, 1, 3, 32, 32)
    features = adaptive_instance_normalisation(teacher.encoder(content)[-1], teacher.encoder(style)[-1])
    assert torch.equal(teacher(content, style), teacher.decoder(features))
    teacher.decoder.convs[-1].bias.data.fill_(5)
    assert teacher(content, style).min() > 1
    assert teacher.stylize(content, style).max() == 1
    assert not teacher.training and not any(p.requires_grad for p in teacher.parameters())


def test_what_the_teacher_says_about_itself(folder, compact):
    real, small = load_teacher("adain", folder), load_teacher("adain", "compact")
    assert real.description == "AdaIN with the weights vgg_normalised.pth and decoder.pth (0.0 M parameters)"
    assert "compact AdaIN that ships" in small.description
    millions = sum(p.numel() for p in small.parameters()) / 1e6
    assert f"({millions:.2f} M parameters)" in small.description
    assert real.name == small.name == "adain"
    assert real.licence and small.licence


def test_the_fingerprint_is_the_weights(folder):
    one, same = load_teacher("adain", folder), load_teacher("adain", folder)
    assert one.fingerprint() == same.fingerprint()
    assert len(one.fingerprint()) == 16 and int(one.fingerprint(), 16)
    same.decoder.convs[4].bias.data[0] += 1e-6
    assert one.fingerprint() != same.fingerprint()
    assert tiny.Negative().fingerprint() != one.fingerprint()


def test_weights_that_do_not_belong_together(folder):
    torch.save(decoder_state(Decoder((8, 8, 12, 24))), folder / "decoder.pth")
    with pytest.raises(UserError, match="encoder ends in 16 channels and the decoder starts with 24"):
        load_teacher("adain", folder)
    with pytest.raises(UserError, match="8 channels .* 16"):
        AdainTeacher(Vgg((8, 8, 8, 8)), Decoder(WIDTHS), "", "")


@pytest.mark.parametrize(
    "state",
    [
        {key: value for key, value in decoder_state(Decoder(WIDTHS)).items() if not key.startswith("28")},
        decoder_state(Decoder(WIDTHS)) | {"28.weight": torch.zeros(4, 8, 3, 3), "28.bias": torch.zeros(4)},
        decoder_state(Decoder(WIDTHS)) | {"8.weight": torch.zeros(12, 5, 3, 3)},
        decoder_state(Decoder(WIDTHS)) | {"8.bias": torch.zeros(5)},
        {"a": torch.zeros(1)},
    ],
    ids=["short", "four colours", "broken chain", "bias", "names"],
)
def test_other_decoders_are_refused_in_one_line(folder, state):
    torch.save(state, folder / "decoder.pth")
    with pytest.raises(UserError, match="vgg_normalised.pth, decoder.pth.* are of another architecture") as caught:
        load_teacher("adain", folder)
    assert "\n" not in str(caught.value)


def test_compact_never_looks_further(compact, folder, monkeypatch):
    monkeypatch.setenv(weights.ENVIRONMENT, str(folder))
    assert load_teacher("adain", "compact").encoder.channels == (16, 32, 64, 128)
    assert load_teacher("adain", None).encoder.channels == WIDTHS


def test_without_weights_the_compact_teacher_steps_in(compact):
    assert "compact" in load_teacher("adain", None).description
    assert not compact.exists()


def test_download_fetches_what_is_missing(compact, folder, monkeypatch):
    asked = []

    def fetch(url: str, sha256: str, directory: Path) -> Path:
        asked.append(url.split("/")[-1])
        return folder / asked[-1]

    monkeypatch.setattr(weights, "fetch", fetch)
    assert load_teacher("adain", "download").encoder.channels == WIDTHS
    assert asked == ["vgg_normalised.pth", "decoder.pth"]


def test_a_folder_that_holds_half_is_refused(folder, compact):
    (folder / "decoder.pth").unlink()
    with pytest.raises(UserError, match="holds neither decoder.pth nor adain_decoder.pth"):
        load_teacher("adain", folder)
    with pytest.raises(UserError, match="no weights file or directory"):
        load_teacher("adain", folder / "nowhere")


@pytest.fixture(scope="module")
def real(shared_data: Path) -> tuple[AdainTeacher, Vgg19Perception, Tensor, Tensor]:
    """The real teacher, VGG-19, and a photo and a painting of 128 px."""
    teacher = load_teacher("adain", shared_data / "weights")

    def first(kind: str, position: int) -> Tensor:
        files = sorted(path for path in (shared_data / kind).rglob("*") if path.suffix in (".jpg", ".png"))
        return to_tensor([read_picture(files[position]).resized(128, 128).rgb])

    return teacher, Vgg19Perception(teacher.encoder), first("content/kodak", 1), first("style/paintings", 3)


def test_the_real_teacher_reconstructs_what_is_its_own_style(real):
    teacher, _, photo, painting = real
    error = (teacher.stylize(photo, photo) - photo).square().mean()
    assert 10 * torch.log10(1 / error) > 21  # dB
    assert error < 0.5 * (teacher.stylize(photo, painting) - photo).square().mean()


def test_the_real_teacher_moves_statistics_to_the_styles(real):
    teacher, vgg, photo, painting = real
    with torch.inference_mode():
        seen, wanted, before = vgg(teacher.stylize(photo, painting)), vgg(painting), vgg(photo)
    assert style_loss(seen, wanted) < 0.1 * style_loss(before, wanted)
    (mean, deviation), (wanted_mean, wanted_deviation), (old, _) = seen.style[-1], wanted.style[-1], before.style[-1]
    assert (mean - wanted_mean).norm() < 0.5 * (old - wanted_mean).norm()
    assert (deviation / wanted_deviation).median() == pytest.approx(1, abs=0.2)
    assert "(7.0 M parameters)" in teacher.description
