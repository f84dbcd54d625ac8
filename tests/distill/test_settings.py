"""Settings: what is refused, and that a run's record reads back."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.losses import LossWeights
from distill.settings import ADDED_LATER, PRESETS, Settings, from_preset
from runtime.errors import UserError

NAMES = sorted(f.name for f in fields(Settings))
POSITIVE = st.floats(1e-6, 10)
SETTINGS = st.builds(
    Settings,
    width=st.floats(0.01, 4),
    content=st.none() | st.text(max_size=20),
    steps=st.integers(1, 10**7),
    batch=st.integers(1, 512),
    size=st.integers(4, 64).map(lambda n: 16 * n),
    teacher_share=st.floats(0, 0.5),
    identity_share=st.floats(0, 0.5),
    muon_lr=POSITIVE,
    seed=st.integers(0, 2**40),
    teacher_options=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    loss=st.builds(LossWeights, content=POSITIVE, range=st.just(0.0)),
)
WRONG = {
    "width": st.floats(max_value=0) | st.floats(min_value=4, exclude_min=True) | st.just(float("nan")),
    "steps": st.integers(max_value=0),
    "batch": st.integers(max_value=0),
    "pairs": st.integers(max_value=0),
    "size": st.integers(max_value=63) | st.integers(min_value=1025) | st.just(100),
    "teacher_share": st.floats(max_value=-0.01) | st.floats(min_value=0.93) | st.just(float("nan")),
    "identity_share": st.floats(max_value=-0.01) | st.floats(min_value=0.61) | st.just(float("nan")),
    "vgg_share": st.floats(max_value=-0.01) | st.floats(min_value=1.01) | st.just(float("nan")),
    "muon_lr": st.floats(max_value=0) | st.sampled_from([float("inf"), float("nan")]),
    "adam_lr": st.floats(max_value=0) | st.sampled_from([float("inf"), float("nan")]),
    "clip": st.floats(max_value=0) | st.sampled_from([float("inf"), float("nan")]),
    "ema": st.floats(min_value=1) | st.floats(max_value=-0.01) | st.just(float("nan")),
    "checkpoint_every": st.integers(max_value=0),
    "sheet_every": st.integers(max_value=0),
    "seed": st.integers(max_value=-1),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(SETTINGS)
def test_json_round_trip(settings):
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    assert settings.differences(settings) == []


@given(st.sampled_from(sorted(WRONG)), st.data())
def test_impossible_values_are_refused_in_one_line(name, data):
    value = data.draw(WRONG[name])
    with pytest.raises(UserError) as caught:
        Settings(**{name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_impossible_loss_weights_are_refused(weight):
    with pytest.raises(UserError, match="weights of losses"):
        Settings(loss=LossWeights(style=weight))


@given(st.sampled_from(NAMES), JSON)
def test_a_damaged_record_is_read_or_refused(name, value):
    """Whatever stands in one field: a UserError of one line, or settings that hold it."""
    try:
        settings = Settings.from_json(Settings().to_json() | {name: value})
    except UserError as error:
        assert "\n" not in str(error)
    else:
        got = getattr(settings, name)
        assert (asdict(got) if name == "loss" else got) == value or name == "loss"


@given(JSON)
def test_a_record_of_another_kind_is_refused(value):
    with pytest.raises(UserError, match="written by another version"):
        Settings.from_json(value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"colour": 1}, "colour"),
        ({"steps": "many"}, "steps is 'many'"),
        ({"steps": 1.5}, "steps is 1.5"),
        ({"seed": None}, "seed is None"),
        ({"content": 5}, "content is 5"),
        ({"teacher_options": ["steps=2"]}, "teacher_options is"),
        ({"teacher_options": {"steps": 2}}, "must be texts by name"),
        ({"loss": {"style": "much"}}, "str"),
        ({"loss": {"beauty": 1}}, "beauty"),
        ({"width": 10**400}, "version"),
    ],
)
def test_fields_of_the_wrong_kind_are_named(changes, reason):
    with pytest.raises(UserError, match=reason):
        Settings.from_json(Settings().to_json() | changes)


def test_records_of_earlier_versions_are_read():
    record = Settings(steps=7).to_json()
    for name in ADDED_LATER:
        del record[name]
    assert Settings.from_json(record) == Settings(steps=7, **ADDED_LATER)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(ADDED_LATER)))
def test_missing_fields_are_named(name):
    record = Settings().to_json()
    del record[name]
    with pytest.raises(UserError, match=f"another version of brushlet: {name} is missing"):
        Settings.from_json(record)


def test_differences_are_named():
    changed = replace(Settings(), width=0.5, loss=LossWeights(style=9))
    assert sorted(Settings().differences(changed)) == ["loss", "width"]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_possible_and_options_win(name):
    settings = from_preset(name, steps=None, seed=None)
    assert settings.preset == name
    for key, value in PRESETS[name].items():
        assert getattr(settings, key) == value
    assert from_preset(name, steps=7, size=96).steps == 7


def test_quick_is_quicker_than_standard_and_standard_than_full():
    quick, standard, full = (from_preset(name) for name in ("quick", "standard", "full"))
    work = [s.steps * s.batch * s.size**2 for s in (quick, standard, full)]
    assert work[0] * 10 < work[1] and work[1] * 10 < work[2]


def test_unknown_presets_get_the_list():
    with pytest.raises(UserError, match="no preset called 'fast'; choose from quick, standard, full"):
        from_preset("fast")
