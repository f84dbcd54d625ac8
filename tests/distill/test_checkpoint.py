"""Students and training states on disk: what comes back, and what hostile files do not do."""

from __future__ import annotations

import json
import os
import pickle
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from distill import checkpoint
from distill.checkpoint import FORMAT, Trained, load_state, load_student, save_state, save_student, shipped_students
from distill.students import build_student
from runtime.errors import UserError

TRAINED = {"config": {"steps": 3}, "provenance": {"teacher": {"name": "negative"}}, "quality": {"pairs": 2}}


@pytest.fixture(scope="module")
def student() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_student("haar_painter", width=0.125, blocks=1)


@pytest.fixture(scope="module")
def good(student, tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("student") / "student.safetensors"
    save_student(path, Trained(student, **TRAINED), half=True)
    return path.read_bytes()


def test_a_student_comes_back_with_its_history(student, tmp_path):
    save_student(tmp_path / "student.safetensors", Trained(student, **TRAINED))
    for source in (tmp_path, tmp_path / "student.safetensors", str(tmp_path)):
        loaded = load_student(source)
        assert (loaded.config, loaded.provenance, loaded.quality) == tuple(TRAINED.values())
        state = loaded.student.state_dict()
        assert state.keys() == student.state_dict().keys()
        assert all(torch.equal(value, state[key]) for key, value in student.state_dict().items())
        assert not loaded.student.training
        assert (loaded.student.architecture, loaded.student.width, loaded.student.block_count) == (
            "haar_painter",
            0.125,
            1,
        )


def test_half_precision_halves_the_file_and_hardly_changes_the_picture(student, tmp_path, good):
    save_student(tmp_path / "student.safetensors", Trained(student, **TRAINED))
    assert len(good) < 0.53 * (tmp_path / "student.safetensors").stat().st_size
    (tmp_path / "half.safetensors").write_bytes(good)
    half = load_student(tmp_path / "half.safetensors").student
    assert all(p.dtype == torch.float32 for p in half.parameters())
    photo, painting = torch.rand(2, 1, 3, 32, 32)
    with torch.no_grad():
        assert (half(photo, painting) - student(photo, painting)).abs().max() < 2e-3


def test_a_channels_last_student_is_saved_too(student, tmp_path, good):
    save_student(
        tmp_path / "s.safetensors", Trained(student.to(memory_format=torch.channels_last), **TRAINED), half=True
    )
    mine, wanted = load((tmp_path / "s.safetensors").read_bytes()), load(good)
    assert mine.keys() == wanted.keys()
    assert all(torch.equal(mine[key], wanted[key]) for key in mine)


def test_shipped_students_are_found_by_name(good, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FOLDER", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert shipped_students() == []
    with pytest.raises(UserError, match=r"a student that ships \(none yet\)"):
        load_student("adain-w0125")
    (tmp_path / "adain-w0125.safetensors").write_bytes(good)
    (tmp_path / "compact_vgg.safetensors").write_bytes(good)
    assert shipped_students() == ["adain-w0125"]
    assert load_student("adain-w0125").provenance == TRAINED["provenance"]
    with pytest.raises(UserError, match=r"adain-w9 does not exist; give a run .* ships \(adain-w0125\)"):
        load_student("adain-w9")


def test_folders_without_a_student(tmp_path):
    with pytest.raises(UserError, match="holds no student.safetensors: is it a run of distill"):
        load_student(tmp_path)
    (tmp_path / "student.safetensors").mkdir()
    with pytest.raises(UserError, match="not a readable student"):
        load_student(tmp_path)


def refused(tmp_path: Path, data: bytes) -> str:
    """Load a mutated student: the message of the UserError, or '' where it still loads as a whole student."""
    path = tmp_path / "mutated.safetensors"
    path.write_bytes(data)
    try:
        loaded = load_student(path)
    except UserError as error:
        assert str(path) in str(error)
        return str(error)
    assert all(isinstance(part, dict) for part in (loaded.config, loaded.provenance, loaded.quality))
    assert loaded.student.width <= 4
    return ""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("mutants")


@settings(max_examples=60)
@given(share=st.floats(0, 1, exclude_max=True))
def test_truncated_students_are_refused(good, place, share):
    assert "truncated" in refused(place, good[: int(share * len(good))])


@settings(max_examples=150)
@given(data=st.data())
def test_flipped_bytes_are_refused_or_harmless(good, place, data):
    """Mostly in the header, where it hurts."""
    header = 8 + struct.unpack("<Q", good[:8])[0]
    mutated = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, header + 40) | st.integers(0, len(good) - 1))
        mutated[at] ^= data.draw(st.integers(1, 255))
    refused(place, bytes(mutated))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def with_record(good: bytes, record: str | None, form: str = FORMAT) -> bytes:
    return save(load(good), {"format": form} | ({} if record is None else {"record": record}))


def record_of(good: bytes) -> dict:
    header = json.loads(good[8 : 8 + struct.unpack("<Q", good[:8])[0]])
    return json.loads(header["__metadata__"]["record"])


@settings(max_examples=60)
@given(value=JSON, data=st.data())
def test_any_record_is_refused_or_describes_the_student(good, place, value, data):
    record = record_of(good)
    whole = record
    for _ in range(data.draw(st.integers(0, 1))):
        record = record["architecture"]
    record[data.draw(st.sampled_from(sorted(record)))] = value
    refused(place, with_record(good, json.dumps(whole)))


@pytest.mark.parametrize(
    ("record", "form", "reason"),
    [
        (None, FORMAT, "another architecture, or damaged"),
        ("", FORMAT, "another architecture, or damaged"),
        ("[1, 2]", FORMAT, "another architecture, or damaged"),
        ("[" * 100_000, FORMAT, "another architecture, or damaged"),
        ('{"architecture": {"name": "johnson"}}', FORMAT, "unknown architecture 'johnson'"),
        ('{"architecture": {"name": "haar_painter", "width": 1e9}}', FORMAT, "width must be above 0"),
        ('{"architecture": {"name": "haar_painter", "blocks": 1e9}}', FORMAT, "0 to 16 blocks"),
        ('{"architecture": {"name": "haar_painter", "width": 0.5, "blocks": 1}}', FORMAT, "another architecture"),
        ('{"architecture": {"name": "haar_painter", "width": 0.125, "blocks": 1}}', FORMAT, "config"),
        ('{"architecture": {"name": "haar_painter", "channels": {"half": 1000000000}}}', FORMAT, "missing"),
        ('{"architecture": {"name": "haar_painter", "blocks": 1, "channels": "8"}}', FORMAT, "another architecture"),
        ('{"architecture": {"name": "frozen_painter", "width": 0.125, "blocks": 1}}', FORMAT, "another architecture"),
        ("{}", "someone-elses-1", "not of a brushlet student"),
    ],
)
def test_what_is_wrong_is_said(good, tmp_path, record, form, reason):
    message = refused(tmp_path, with_record(good, record, form))
    assert reason in message and "\n" not in message


def test_other_weights_are_refused(good, tmp_path):
    assert "not of a brushlet student" in refused(tmp_path, save({"a": torch.zeros(2)}))
    state = load(good)
    state["head.bias"] = state["head.bias"][:3]
    architecture = json.dumps(record_of(good))
    assert "another architecture" in refused(tmp_path, save(state, {"format": FORMAT, "record": architecture}))
    del state["head.bias"]
    assert "another architecture" in refused(tmp_path, save(state, {"format": FORMAT, "record": architecture}))
    assert "not a readable student" in refused(tmp_path, b"")
    assert "not a readable student" in refused(tmp_path, b"<html>" * 100)


class Code:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_state_with_code_is_refused_and_not_run(tmp_path, monkeypatch, wrapped):
    monkeypatch.chdir(tmp_path)
    if wrapped:
        torch.save({"step": 1, "student": Code()}, "checkpoint.pt")
    else:
        Path("checkpoint.pt").write_bytes(pickle.dumps(Code()))
    with pytest.raises(UserError, match="checkpoint.pt cannot be read .* delete it to start again") as caught:
        load_state(Path("checkpoint.pt"))
    assert "\n" not in str(caught.value)
    assert not Path("made-by-a-pickle").exists()


def test_a_student_that_is_a_pickle_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"student": Code()}, "student.safetensors")
    with pytest.raises(UserError, match="not a readable student"):
        load_student(tmp_path)
    assert not Path("made-by-a-pickle").exists()


def test_states_come_back(tmp_path):
    state = {
        "step": 7,
        "student": {"w": torch.rand(3)},
        "optimisers": [{"lr": 0.1, "state": {0: {"m": torch.ones(2)}}}],
    }
    save_state(tmp_path / "state.pt", state)
    loaded = load_state(tmp_path / "state.pt")
    assert loaded["step"] == 7 and torch.equal(loaded["student"]["w"], state["student"]["w"])
    assert torch.equal(loaded["optimisers"][0]["state"][0]["m"], torch.ones(2))
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]


@settings(max_examples=25)
@given(share=st.floats(0, 1, exclude_max=True))
def test_cut_states_are_refused(place, share):
    save_state(place / "whole.pt", {"step": 7, "student": {"w": torch.rand(300)}})
    data = (place / "whole.pt").read_bytes()
    (place / "cut.pt").write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match="cannot be read"):
        load_state(place / "cut.pt")


@pytest.mark.parametrize("write", ["state", "student"])
def test_a_failed_write_keeps_the_old_file(student, tmp_path, monkeypatch, write):
    def save_it(trained: Trained) -> None:
        if write == "state":
            save_state(tmp_path / "file", {"student": trained.student.state_dict()})
        else:
            save_student(tmp_path / "file", trained)

    save_it(Trained(student, **TRAINED))
    before = (tmp_path / "file").read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(UserError, match="no space left on the disk"):
        save_it(Trained(student, {}, {}, {}))
    assert (tmp_path / "file").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
