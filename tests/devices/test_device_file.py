"""`devices.device_file`: what a device's TOML may say, and that anything else is one clear line."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices import DeviceError
from devices.device import KINDS, PRECISIONS, UNITS, Device
from devices.device_file import LARGEST_FILE, read_device

MINIMAL = """
title = "My board"
kind = "board"
[sources.me]
title = "my own measurement of 3 May 2026"
"""
FULL = """
title = "My board"
kind = "jetson"
aliases = ["mine"]
[sources.sheet]
title = "Data sheet"
url = "https://example.org/sheet.pdf"
section = "table 2"
[cpu]
description = "8 cores"
source = "sheet"
[gpu]
description = "a GPU"
source = "sheet"
[npu]
description = "two accelerators"
count = 2
source = "sheet"
[[peak]]
unit = "gpu"
precision = "int8"
tera = 40
mode = "MAXN"
source = "sheet"
[[peak]]
unit = "gpu"
precision = "int8"
tera = 20.5
mode = "15W"
source = "sheet"
computed = "a x b"
note = "dense"
[[peak]]
unit = "cpu"
precision = "fp32"
per_core_cycle = 16
source = "sheet"
[memory]
gigabytes = [8, 16]
type = "LPDDR5"
shared = true
source = "sheet"
[[bandwidth]]
gb_s = 100
mode = "MAXN"
source = "sheet"
[[bandwidth]]
gb_s = 68.3
mode = "15W"
source = "sheet"
computed = "c x d"
note = "halved"
[[power_mode]]
name = "MAXN"
source = "sheet"
[[power_mode]]
name = "15W"
watts = 15
source = "sheet"
note = "four cores"
[[engine]]
name = "TensorRT"
version = "10.3"
comes_with = "JetPack 6.2"
source = "sheet"
[precisions]
native = ["fp16", "int8"]
compute_capability = "8.7"
source = "sheet"
note = "no fp8"
[[recommended]]
format = "tensorrt"
precision = "int8"
basis = "measured"
reason = "it was faster"
source = "sheet"
[thermal]
text = "it gets warm"
source = "sheet"
[recognise]
compatible = ["acme,board"]
device_tree_model = ["ACME Board"]
apple_model = ["Mac1,1"]
cpu_name = ["ACME CPU"]
android_soc = ["AC1"]
android_model = ["Phone"]
gpu_name = ["ACME GPU"]
cpu_flags = ["avx2 fma", "neon"]
cpu_flags_absent = ["avx512f"]
source = "sheet"
"""


def read(folder: Path, text: str, name: str = "my-board.toml") -> Device:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return read_device(file, own=True)


def refusal(folder: Path, text: str, name: str = "my-board.toml") -> str:
    with pytest.raises(DeviceError) as error:
        read(folder, text, name)
    message = str(error.value)
    assert "\n" not in message
    assert message.isprintable()
    return message


def test_everything_a_file_can_say(tmp_path):
    device = read(tmp_path, FULL)
    assert (device.name, device.title, device.kind, device.aliases) == ("my-board", "My board", "jetson", ("mine",))
    assert device.own
    assert device.file == tmp_path / "my-board.toml"
    assert device.source("sheet").section == "table 2"
    assert (device.dla_cores, device.sm) == (2, "sm87")
    assert [peak.tera for peak in device.peaks] == [40.0, 20.5, None]
    assert device.peaks[2].per_core_cycle == 16
    assert device.memory.gigabytes == (8.0, 16.0)
    assert device.memory.shared
    assert [mode.watts for mode in device.power_modes] == [None, 15.0]
    assert device.engines[0].comes_with == "JetPack 6.2"
    assert device.precisions.native == ("fp16", "int8")
    assert (device.recommended[0].format, device.recommended[0].precision) == ("tensorrt", "int8")
    assert device.thermal.text == "it gets warm"
    assert device.recognition.cpu_flags == (("avx2", "fma"), ("neon",))


def test_the_first_figure_that_fits(tmp_path):
    device = read(tmp_path, FULL)
    assert device.peak("int8").tera == 40, "a file puts the faster one first"
    assert device.peak("int8", mode="15W").tera == 20.5
    assert device.peak("fp32", unit="cpu").per_core_cycle == 16
    assert device.peak("fp32", unit="gpu") is device.peak("bf16") is device.peak("int8", mode="7W") is None
    assert device.bandwidth().gb_s == 100
    assert device.bandwidth("15W").gb_s == 68.3
    assert device.bandwidth("7W") is None


def test_what_is_not_known_is_empty(tmp_path):
    device = read(tmp_path, MINIMAL)
    assert device.cpu is device.gpu is device.npu is device.memory is device.precisions is device.sm is None
    assert device.peaks == device.bandwidths == device.recommended == ()
    assert (device.dla_cores, device.peak("fp16"), device.bandwidth()) == (0, None, None)


def test_json_holds_it_all(tmp_path):
    import json

    document = json.loads(json.dumps(read(tmp_path, FULL).to_json()))
    assert document["peaks"][1] == {
        "unit": "gpu",
        "precision": "int8",
        "tera": 20.5,
        "per_core_cycle": None,
        "source": "sheet",
        "computed": "a x b",
        "mode": "15W",
        "note": "dense",
    }
    assert document["file"].endswith("my-board.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "My board"\n', "", "my-board.toml: 'title' is missing"),
        ('kind = "jetson"', 'kind = "toaster"', "kind: 'toaster' is not one of jetson, board, phone"),
        ("tera = 40", "terra = 40", "peak 1: there is no field 'terra': did you mean 'tera'?"),
        ("tera = 40", 'tera = "40"', "my-board.toml: peak 1: tera: this has to be a number"),
        ("tera = 40", "tera = true", "peak 1: tera: this has to be a number"),
        ("tera = 40", "tera = -1", "peak 1: tera: this has to be more than 0 and at most 100000"),
        ("tera = 40", "tera = nan", "peak 1: tera: this has to be more than 0"),
        ("tera = 40", "tera = inf", "peak 1: tera: this has to be more than 0"),
        ("tera = 40\n", "", "peak 1: this needs either 'tera' or 'per_core_cycle'"),
        ("tera = 40", "tera = 40\nper_core_cycle = 3", "peak 1: this needs either"),
        ('tera = 40\nmode = "MAXN"\nsource = "sheet"', "tera = 40", "peak 1: 'source' is missing"),
        ('tera = 40\nmode = "MAXN"\nsource = "sheet"', 'tera = 40\nsource = "x"', "peak 1: source: 'x' is not in"),
        ("gigabytes = [8, 16]", "gigabytes = []", "memory: gigabytes: the list is empty"),
        ("gigabytes = [8, 16]", "gigabytes = 8", "memory: gigabytes: this has to be a list"),
        ("gigabytes = [8, 16]", 'gigabytes = [8, "x"]', "memory: gigabytes: this has to be a number"),
        ("shared = true", "shared = 1", "memory: shared: this has to be true or false"),
        ("count = 2", "count = 2.5", "npu: count: this has to be a whole number from 1 to 1000"),
        ("count = 2", "count = 0", "npu: count: this has to be a whole number"),
        ('"8.7"', '"sm87"', 'precisions: compute_capability: this has to be as in "8.7"'),
        ('native = ["fp16", "int8"]', 'native = ["fp17"]', "precisions: native: this has to list some of fp32"),
        ('precision = "int8"\nbasis', 'precision = "palettized"\nbasis', "1: precision: 'palettized' is not"),
        ('basis = "measured"', 'basis = "hope"', "basis: 'hope' is not one of measured, documented, rule of thumb"),
        ('"https://example.org/sheet.pdf"', '"sheet.pdf"', "sources: sheet: url: this has to begin with https://"),
        ("[sources.sheet]", '[sources."data sheet"]', "sources: 'data sheet' is no name of a source"),
        ('aliases = ["mine"]', 'aliases = ["Mine!"]', "aliases: 'Mine!': an alias is written as a device's name is"),
        ('"it gets warm"', '"it gets \\u001b[31mwarm"', "thermal: text: this has to be one line of 1 to 1000"),
        ('"it gets warm"', f'"{"w" * 1001}"', "thermal: text: this has to be one line"),
        ('"it gets warm"', '" "', "thermal: text: this has to be one line"),
        ('"it gets warm"', "1979-05-27", "thermal: text: this has to be text in quotes"),
        ('"8 cores"', '["8 cores"]', "cpu: description: this has to be text in quotes"),
        ('was faster"\nsource = "sheet"', 'was faster"', "recommended 1: 'source' is missing"),
        ("[cpu]", "[[cpu]]", "my-board.toml: cpu: this has to be a table"),
        ("[thermal]", "[thermals]", "there is no field 'thermals': did you mean 'thermal'?"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_place(tmp_path, old, new, message):
    assert FULL.count(old) >= 1
    assert message in refusal(tmp_path, FULL.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", "this is no TOML"),
        ("x = " + "[" * 5000, "my-board.toml: this is n"),
        ("x = " + "9" * 10_000, "my-board.toml: "),
        ("d = 2026-02-31", "this is no TOML"),
        ("", "'sources' is missing"),
        ("sources = 3", "sources: this has to be a table"),
        ("# " + "x" * LARGEST_FILE, "larger than a device's file may be"),
        ("peak = [1]\n" + MINIMAL, "peak 1: this has to be a table"),
        ('"\\u001b[31m" = 1\n' + MINIMAL, "there is no field"),
    ],
)
def test_what_is_no_device_file(tmp_path, text, message):
    assert message in refusal(tmp_path, text)


def test_what_is_no_file(tmp_path):
    with pytest.raises(DeviceError, match="No such file"):
        read_device(tmp_path / "absent.toml", own=True)
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(DeviceError, match="this is not a file"):
        read_device(tmp_path / "folder.toml", own=True)
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(DeviceError, match="this is not a file"):
        read_device(tmp_path / "pipe.toml", own=True)
    (tmp_path / "bytes.toml").write_bytes(b"title = '\xff'")
    with pytest.raises(DeviceError, match="this is no TOML"):
        read_device(tmp_path / "bytes.toml", own=True)


def test_the_example_of_the_documentation(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "devices.md").read_text(encoding="utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    device = read(tmp_path, example)
    assert device.peak("int8").tera == 0.56
    assert device.recommended


def test_the_name_is_the_files(tmp_path):
    assert "named in small letters" in refusal(tmp_path, MINIMAL, "My Board.toml")
    assert read(tmp_path, MINIMAL, "a.b-2.toml").name == "a.b-2"


# Fuzzing: mutations of a valid file are a device or a DeviceError, and never anything else.

#: A busy machine is no fault of the code's.
PATIENT: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
VALID: dict[str, Any] = {
    "title": "t",
    "kind": "jetson",
    "aliases": ["a"],
    "sources": {"s": {"title": "t", "url": "https://a", "section": "b"}},
    "cpu": {"description": "d", "source": "s"},
    "npu": {"description": "d", "source": "s", "count": 2},
    "peak": [{"unit": "gpu", "precision": "int8", "tera": 1, "source": "s", "mode": "m", "computed": "c", "note": "n"}],
    "memory": {"gigabytes": [8], "shared": True, "type": "t", "source": "s"},
    "bandwidth": [{"gb_s": 1.5, "source": "s", "mode": "m"}],
    "power_mode": [{"name": "m", "watts": 5, "source": "s"}],
    "engine": [{"name": "e", "version": "1", "comes_with": "x", "source": "s"}],
    "precisions": {"native": ["fp16"], "compute_capability": "8.7", "source": "s"},
    "recommended": [{"format": "onnx", "precision": "fp16", "reason": "r", "basis": "measured", "source": "s"}],
    "thermal": {"text": "t", "source": "s"},
    "recognise": {"cpu_flags": ["avx2 fma"], "gpu_name": ["g"], "source": "s"},
}
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from((*KINDS, *UNITS, *PRECISIONS, "s", "onnx", "measured")),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


def as_toml(value: object) -> str:
    """Inline TOML of any mixture of tables, lists and scalars."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_toml(str(key))} = {as_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    if isinstance(value, str):
        escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08X}" for c in value)
        return f'"{escaped}"'
    return repr(value).lower()


def places(value: object, path: tuple = ()) -> list[tuple]:
    """Paths to every table entry and list item below ``value``."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, child in children for place in ((*path, key), *places(child, (*path, key)))]


@settings(max_examples=150, **PATIENT)
@given(data=st.data())
def test_mutated_files_are_refused_or_valid(tmp_path, data):
    document = copy.deepcopy(VALID)
    for _ in range(data.draw(st.integers(0, 3))):
        *parents, last = data.draw(st.sampled_from(places(document) or [("title",)]))
        target = document
        for key in parents:
            target = target[key]
        action = data.draw(st.sampled_from(["replace", "delete", "add"]))
        if action == "delete":
            del target[last]
        elif action == "replace":
            target[last] = data.draw(VALUES)
        elif isinstance(target, dict):
            target[data.draw(st.text(max_size=8))] = data.draw(VALUES)
    text = "\n".join(f"{as_toml(key)} = {as_toml(value)}" for key, value in document.items())
    check_read(tmp_path, text.encode("utf-8", "surrogatepass"))


@settings(max_examples=100, **PATIENT)
@given(junk=st.binary(max_size=8), position=st.integers(0, len(FULL)), cut=st.integers(0, 20))
def test_damaged_bytes_are_refused_or_valid(tmp_path, junk, position, cut):
    whole = FULL.encode()
    check_read(tmp_path, whole[:position] + junk + whole[position + cut :])


def check_read(folder: Path, content: bytes) -> None:
    file = folder / "fuzzed.toml"
    file.write_bytes(content)
    try:
        device = read_device(file, own=True)
    except DeviceError as error:
        assert str(error).isprintable()
        return
    keys = {source.key for source in device.sources}
    assert all(peak.source in keys and peak.precision in PRECISIONS for peak in device.peaks)
    assert all(peak.tera or peak.per_core_cycle for peak in device.peaks)


def test_the_unmutated_document_is_valid(tmp_path):
    text = "\n".join(f"{as_toml(key)} = {as_toml(value)}" for key, value in VALID.items())
    assert read(tmp_path, text).dla_cores == 2
