"""A program as teacher: what it is given, what it may leave, and every way in which it can fail."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from distill.checkpoint import load_student
from distill.distil import distil
from distill.run import Request, settings_of
from distill.teachers import load_teacher
from distill.teachers.outside_tool import filled, split_command
from runtime.errors import UserError

#: Swaps red and blue; as a second argument before the last one it takes a style and paints in its mean colour.
TOOL = """
import sys
from PIL import Image, ImageStat
content, *style, out = sys.argv[1:]
picture = Image.open(content).convert("RGB")
if style:
    picture = Image.new("RGB", picture.size, tuple(round(m) for m in ImageStat.Stat(Image.open(style[0])).mean))
else:
    picture = Image.merge("RGB", picture.split()[::-1])
picture.save(out)
"""


def tool(folder: Path, code: str = TOOL, name: str = "tool.py", arguments: str = "{content} {out}") -> str:
    """The command that runs ``code`` as a script of that name."""
    (folder / name).write_text(code)
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(folder / name))} {arguments}"


def command(text: str, **options: object):
    return load_teacher("command", None, {"command": text, **{name: str(value) for name, value in options.items()}})


def test_it_paints_and_keeps_order(tmp_path):
    teacher = command(tool(tmp_path), processes=3)
    content = torch.rand(4, 3, 20, 26)
    painted = teacher.stylize(content)
    assert (painted - content.flip(1)).abs().max() <= 0.51 / 255
    assert not teacher.takes_style and teacher.style_name == Path(sys.executable).name


def test_a_style_is_given_where_the_command_names_one(tmp_path):
    teacher = command(tool(tmp_path, arguments="{content} {style} {out}"))
    style = torch.tensor([[0.2, 0.4, 0.8], [1.0, 0.0, 0.6]])[..., None, None].expand(2, 3, 16, 16)
    painted = teacher.stylize(torch.rand(2, 3, 20, 26), style)
    assert teacher.takes_style and painted.shape == (2, 3, 20, 26)
    assert (painted.mean((2, 3)) - style[..., 0, 0]).abs().max() <= 1.01 / 255
    with pytest.raises(UserError, match="this command paints in the style of a picture, and there is none"):
        teacher.stylize(torch.rand(1, 3, 20, 26))


@pytest.mark.parametrize("name", ["a tool.py", "it's.py", 'say "hi".py', "$HOME;true.py", "-n.py", "{x}.py", "ü.py"])
def test_names_are_safe(tmp_path, name):
    painted = command(tool(tmp_path, name=name)).stylize(torch.rand(1, 3, 16, 16))
    assert painted.shape == (1, 3, 16, 16)


@given(st.lists(st.text(min_size=1).filter(lambda word: "{" not in word and "\0" not in word), max_size=4))
def test_each_word_stays_one_argument(words):
    """Whatever a quoted word holds, and whatever the paths hold that are put in."""
    text = shlex.join([sys.executable, *words]) + " {content} --to={out}"
    places = {"content": Path("/a b/{out}"), "out": Path("/c 'd'")}
    assert filled(split_command(text), places) == [sys.executable, *words, "/a b/{out}", "--to=/c 'd'"]


def test_no_shell_reads_it(tmp_path, monkeypatch):
    code = TOOL.replace("sys.argv[1:]", "sys.argv[-2:]") + "import json; json.dump(sys.argv, open('arguments', 'w'))"
    monkeypatch.chdir(tmp_path)
    command(tool(tmp_path, code, arguments="'$(touch x)' '; touch y' {content} {out}")).stylize(torch.rand(1, 3, 9, 9))
    assert json.loads((tmp_path / "arguments").read_text())[1:3] == ["$(touch x)", "; touch y"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arguments", "tool.py"]


def test_a_picture_of_another_size_is_resized_or_refused(tmp_path):
    code = "import sys; from PIL import Image; Image.open(sys.argv[1]).resize({}).save(sys.argv[2])"
    content = torch.full((1, 3, 32, 48), 0.5)
    painted = command(tool(tmp_path, code.format("(96, 64)"))).stylize(content)
    assert painted.shape == content.shape and (painted - content).abs().max() <= 0.51 / 255
    with pytest.raises(UserError, match="made 64x64 pixels of 48x32: the proportions must stay"):
        command(tool(tmp_path, code.format("(64, 64)"))).stylize(content)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; sys.exit(3)", "ended with exit status 3 and said nothing"),
        ("raise RuntimeError('no weights')", "ended with exit status 1: RuntimeError: no weights"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by signal 9"),
        ("print('done')", "ended well, but wrote no picture to {out}"),
        ("import sys; open(sys.argv[2], 'w').write('x')", "wrote is of no use: .*out.png is not a picture"),
        ("import sys; open(sys.argv[2], 'w')", "wrote is of no use: .*out.png is empty"),
        ("print('a' * 9000 + chr(27) + '[2J'); raise SystemExit(1)", r"exit status 1: a{190,200}$"),
    ],
)
def test_failures_are_one_line(tmp_path, code, reason):
    with pytest.raises(UserError, match=reason) as caught:
        command(tool(tmp_path, code)).stylize(torch.rand(1, 3, 16, 16))
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_one_that_hangs_ends_with_its_children(tmp_path):
    (tmp_path / "tool.sh").write_text(f"sleep 60 &\necho $! > {shlex.quote(str(tmp_path / 'pid'))}\nwait\n")
    teacher = command(f"sh {shlex.quote(str(tmp_path / 'tool.sh'))} {{content}} {{out}}", timeout=1.5)
    begun = time.monotonic()
    with pytest.raises(UserError, match="took longer than 1.5 seconds for a picture: allow more with --teacher-option"):
        teacher.stylize(torch.rand(1, 3, 16, 16))
    assert time.monotonic() - begun < 30
    child = int((tmp_path / "pid").read_text())
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(child)], capture_output=True, text=True, check=False).stdout
    assert state.strip() in ("", "Z"), "killed, at most not yet buried"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the teacher 'command' needs one: give --teacher-command"),
        ("python3 {content}", r"--teacher-command names {content} and {out}"),
        ("python3 {style} {out}", r"--teacher-command names {content} and {out}"),
        ("python3 'x {content} {out}", "--teacher-command python3 'x {content} {out}: no closing quotation"),
        ("no-such-tool {content} {out}", "there is no program 'no-such-tool' that can be run"),
        ("{content} {out}", "there is no program '{content}' that can be run"),
    ],
)
def test_commands_that_are_none(text, reason):
    with pytest.raises(UserError, match=reason):
        command(text)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": "inf"}, {"processes": 0}, {"processes": 65}])
def test_numbers_out_of_range(tmp_path, options):
    with pytest.raises(UserError, match=f"the {next(iter(options))} of a command"):
        command(tool(tmp_path), **options)


def test_pictures_are_filed_under_the_command_and_its_script(tmp_path):
    text = tool(tmp_path)
    before = command(text).fingerprint()
    assert command(text, timeout=7, processes=2).fingerprint() == before
    assert command(text + " --bold").fingerprint() != before
    tool(tmp_path, TOOL + "# another version")
    assert command(text).fingerprint() != before


def of(text: str, pictures: Path, **options: object):
    request = Request(teacher_command=text)
    return settings_of(request, preset="tiny", content=str(pictures / "photos"), seed=5, **options)


def test_a_student_learns_from_a_program(tmp_path, pictures, small):
    """One that takes no style: from the cache, the second run starts it for no training picture."""
    code = TOOL + f"\nopen({str(tmp_path / 'runs')!r}, 'a').write('x')"
    settings = of(tool(tmp_path, code), pictures, steps=6)
    assert (settings.teacher, settings.student) == ("command", "frozen_painter")
    counts = []
    for name in ("one", "two"):
        distil(settings, tmp_path / name, "cpu", console=Console(file=io.StringIO()))
        counts.append((tmp_path / "runs").stat().st_size)
    assert counts[1] - counts[0] < counts[0], "what the first run painted was kept"
    trained = load_student(tmp_path / "one")
    assert trained.provenance["teacher"]["description"].startswith("the command ")
    assert trained.config["teacher_options"]["command"] == settings.teacher_options["command"]


def test_one_that_takes_styles_teaches_a_student_of_all_or_one(tmp_path, pictures, small):
    text = tool(tmp_path, arguments="{content} {style} {out}")
    assert of(text, pictures).student == "haar_painter"
    assert of(text, pictures, style=str(pictures / "paintings" / "painting0.png")).student == "frozen_painter"
    with pytest.raises(UserError, match="--teacher-command and --teacher-pairs exclude each other"):
        settings_of(Request(teacher_command=text, teacher_pairs=tmp_path), preset="tiny")
