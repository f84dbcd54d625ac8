"""The agent on this machine, without a line between: its calls, and what it leaves behind."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.device_file import parse_toml
from devices.errors import DeviceError
from devices.remote import ConnectionLost, RemoteError, agent
from devices.remote import connection as connection_module
from devices.remote.answers import read_facts
from devices.remote.first_line import PYTHONS, first_line
from tests.devices.remote.conftest import LocalShell

SLEEP = "import time; print('asleep', flush=True); time.sleep(60)"


def alive(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def process_of(agent_folder: Path) -> int:
    """The agent's process, as its lock says."""
    return json.loads((agent_folder / "lock").read_text())["process"]


def test_facts(here, agent_folder):
    facts = here.facts
    assert facts.folder == str(agent_folder)
    assert facts.python == ".".join(map(str, sys.version_info[:3]))
    assert facts.free_bytes > 0
    assert abs(facts.skew) < 5
    assert facts.allowed_cpus == tuple(sorted(os.sched_getaffinity(0)))


def test_a_command_has_no_shell_and_its_lines_come_as_they_are(here, tmp_path):
    words = ["a b", "$(touch pwned)", "`id`", "';ls", '"', "\n", "*", "-n", "ä\u202e"]
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    done = here.run([sys.executable, "-c", code, *words], 20)
    assert json.loads(done.out[0]) == words
    assert not list(tmp_path.rglob("pwned"))


def test_output_is_streamed_and_control_characters_are_not(here):
    told: list[tuple[float, str]] = []
    code = (
        "import sys, time; print('\\x1b[31mred\\x07', file=sys.stderr, flush=True); time.sleep(0.4); print('x' * 9000)"
    )
    done = here.run([sys.executable, "-c", code], 20, tell_errors=lambda text: told.append((time.monotonic(), text)))
    assert time.monotonic() - told[0][0] > 0.3
    assert done.errors == (" [31mred ",)
    assert max(map(len, done.out)) <= agent.MOST_LINE_BYTES
    assert sum(map(len, done.out)) == 9000


def test_status_and_time_out(here):
    assert here.run(["sh", "-c", "exit 7"], 20).status == 7
    began = time.monotonic()
    done = here.run(["sh", "-c", "sleep 61 & echo $!; sleep 61"], 0.5)
    assert done.timed_out
    assert done.reason == "it was stopped since it took too long"
    assert time.monotonic() - began < 5
    wait_until(lambda: not alive(int(done.out[0])))


def test_what_a_command_leaves_running_is_killed(here):
    done = here.run(["sh", "-c", "sleep 62 & echo $!"], 20)
    assert done.ok
    wait_until(lambda: not alive(int(done.out[0])))


def test_a_command_that_is_not_there(here):
    with pytest.raises(RemoteError, match="nosuchcommand cannot be run"):
        here.run(["nosuchcommand"], 5)
    assert here.output(["nosuchcommand"]) is None
    assert here.output(["false"]) is None
    assert here.output(["echo", "yes"]) == "yes"


def test_commands_get_a_temporary_folder_that_goes_with_the_connection(here, agent_folder):
    code = "import tempfile; print(tempfile.mkdtemp())"
    (folder,) = here.run([sys.executable, "-c", code], 20).out
    assert Path(folder).is_relative_to(agent_folder / "running")
    here.close()
    assert not Path(folder).exists()
    assert list((agent_folder / "running").iterdir()) == []


def test_files(here, agent_folder):
    data = os.urandom(700_000)
    here.put("a/b/data", data)
    assert (agent_folder / "a/b/data").read_bytes() == data
    assert here.get("a/b/data", 10**6) == data
    here.put("a/b/data", b"")
    assert here.get("a/b/data", 0) == b""
    here.move("a/b", "c")
    assert set(here.digests("c")) == {"data"}
    assert here.digests("a") == {} == here.digests("nothing")
    here.remove("c")
    here.remove("c")
    assert not (agent_folder / "c").exists()


def test_only_what_is_kept_stays(here, agent_folder, tmp_path):
    for name in ("x/1", "x/2", "x/y/3"):
        here.put(name, b"1")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    (agent_folder / "x/link").symlink_to(outside)
    (agent_folder / "x/2").unlink()
    (agent_folder / "x/2").symlink_to(outside / "file")
    here.keep("x", ["1", "2"])
    assert sorted(path.name for path in (agent_folder / "x").rglob("*")) == ["1"]
    assert (outside / "file").read_text() == "precious"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "", "a\0b"])
def test_paths_stay_in_the_folder(here, path):
    for call in (lambda: here.put(path, b"x"), lambda: here.get(path, 10), lambda: here.remove(path)):
        with pytest.raises(RemoteError, match="no path in the folder"):
            call()
    assert here.output(["echo", "still here"]) == "still here"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=30))
def test_any_name_of_a_file(here, agent_folder, name):
    """Quotes, line breaks, dollars, dashes: names are data."""
    if name in (".", "..") or len(name.encode()) > 200:
        return
    here.put(f"names/{name}", name.encode())
    assert here.get(f"names/{name}", 1000) == name.encode()
    assert (agent_folder / "names" / name).read_bytes() == name.encode()
    here.keep("names", [])


def test_a_file_that_is_larger_than_expected(here):
    here.put("large", b"x" * 5000)
    with pytest.raises(RemoteError, match="5000 bytes, more than 100"):
        here.get("large", 100)


def test_a_second_connection_is_told(here, connect_here, agent_folder):
    with pytest.raises(RemoteError, match=r"another run of brushlet uses here \(process \d+, for \d+ s\)"):
        connect_here()
    connect_here(exclusive=False).close()  # looking is allowed
    here.put("still", b"works")
    here.close()
    connect_here()


def test_who_only_looks_writes_nothing(connect_here, agent_folder):
    connection = connect_here(exclusive=False)
    with pytest.raises(RemoteError, match="only looks"):
        connection.put("x", b"x")
    assert connection.facts.free_bytes is None
    connection.close()
    assert not agent_folder.exists()


def test_a_killed_agent_takes_its_command_along_and_the_next_one_cleans_up(connect_here, agent_folder):
    connection = connect_here()
    started: list[int] = []

    def kill(line: str) -> None:
        started.append(int(line))
        os.kill(process_of(agent_folder), signal.SIGKILL)

    with pytest.raises(ConnectionLost, match="was cut"):
        connection.run(["sh", "-c", "echo $$; exec sleep 63"], 60, tell_out=kill)
    wait_until(lambda: not alive(started[0]))
    connection.close()
    assert len(list((agent_folder / "running").iterdir())) == 1
    connect_here()
    assert [path.name for path in (agent_folder / "running").iterdir()] != []
    assert len(list((agent_folder / "running").iterdir())) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_tidily(connect_here, agent_folder, number):
    connection = connect_here()
    started: list[int] = []

    def end(line: str) -> None:
        started.append(int(line))
        os.kill(process_of(agent_folder), number)

    with pytest.raises(ConnectionLost):
        connection.run(["sh", "-c", "echo $$; exec sleep 64"], 60, tell_out=end)
    wait_until(lambda: not alive(started[0]) and not list((agent_folder / "running").iterdir()))


def test_a_caller_that_falls_silent_is_given_up(agent_folder):
    """Its pipes stay open, as those of a line that was cut without a word do."""
    text = Path(agent.__file__).read_bytes()
    code = f"import sys; i = sys.stdin.buffer; exec(i.read({len(text)}))"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    opening = (
        b'{"name": "open", "arguments": {"session": "s", "folder": "%s", "lock": true, "patience": 0.8}}'
        % str(agent_folder).encode()
    )
    run = b'{"name": "run", "arguments": {"command": ["sleep", "65"], "environment": {}, "timeout": 60}}'
    process.stdin.write(text + b"call %d\n%s" % (len(opening), opening) + b"call %d\n%s" % (len(run), run))
    process.stdin.flush()
    assert process.stdout.readline() == agent.GREETING
    assert process.wait(10) == 0
    assert list((agent_folder / "running").iterdir()) == []
    process.stdin.close()
    process.stdout.close()


def test_the_supported_pythons_are_those_of_the_package():
    project = parse_toml(Path(__file__).parents[3] / "pyproject.toml")["project"]
    (low, high) = ("{}.{}".format(*version) for version in PYTHONS)
    assert project["requires-python"] == f">={low},<{high}"


def test_the_agent_fits_the_oldest_python():
    """Its text is read by the device's Python, so it must not be newer than that."""
    ast.parse(Path(agent.__file__).read_text(), feature_version=PYTHONS[0])


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh", "fish", "tcsh", "csh", "ksh"])
def test_the_first_line_works_in_any_login_shell(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    text = b"print('it runs', flush=True)"
    done = subprocess.run(
        [shell, "-c", first_line()], input=b"%d\n" % len(text) + text, capture_output=True, timeout=60, check=False
    )
    assert done.stdout == b"it runs\n", done.stderr


def test_the_start_may_be_preceded_by_chatter_but_not_without_end(agent_folder, monkeypatch, connect_here):
    def command(self, script):
        return ["sh", "-c", f"echo Welcome; echo 'You have mail'; {script}"]

    monkeypatch.setattr(LocalShell, "command", command)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    connect_here().close()
    monkeypatch.setattr(LocalShell, "command", lambda self, script: ["sh", "-c", "yes"])
    with pytest.raises(Exception, match="prints without end"):
        connect_here()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"done 99999999999\n", "never would"),
        (b"x" * 100, "never would"),
        (b"done 3\n{]}", "never would"),
        (b"done 2\n[]", "never would"),
        (b"done 2\n{}", "never would"),
        (b"data 2\nab", "never would"),
        (b"nonsense 2\nab", "never would"),
        (b"", "was cut"),
    ],
)
def test_a_device_that_answers_nonsense(agent_folder, monkeypatch, connect_here, tmp_path, answer, said):
    (tmp_path / "answer").write_bytes(agent.GREETING + answer)
    # It goes on reading for a while: one that is gone before all is sent is a line that was cut, whatever it said.
    script = f"cat {tmp_path}/answer; timeout 2 cat > /dev/null"
    monkeypatch.setattr(LocalShell, "command", lambda self, _: ["sh", "-c", script])
    with pytest.raises(Exception, match=said) as caught:
        connect_here()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("answer", ["null", "7", "[]", '"x"', "{}", '{"status": "0", "timed_out": false}', "1e999"])
def test_an_answer_of_another_kind(here, monkeypatch, answer):
    monkeypatch.setattr(here._channel, "receive", lambda deadline: ("done", answer.encode()))
    with pytest.raises(DeviceError, match="never would"):
        here.run(["true"], 5)
    monkeypatch.setattr(here._channel, "receive", lambda deadline: ("failed", answer.encode()))
    with pytest.raises(DeviceError):
        here.run(["true"], 5)
    monkeypatch.undo()


@pytest.mark.parametrize(
    "wrong", [{"free_bytes": float("inf")}, {"python": "x"}, {"python": None}, {"allowed_cpus": 7}, {"time": "noon"}]
)
def test_facts_that_are_none(wrong):
    good = {
        **dict.fromkeys(("folder", "scratch", "root", "module_path", "executable", "system", "platform"), "x"),
        **{"architecture": "x", "kernel": "x", "python": "3.11.7", "time": 5.0, "logical_cpus": 2},
        **{"allowed_cpus": [0, 1], "free_bytes": None},
    }
    assert read_facts(good, 2.0).skew == 3.0
    assert read_facts({**good, **wrong}, 2.0) is None
    assert read_facts(None, 2.0) is None


def test_a_device_that_cannot_stop_a_command(connect_here, monkeypatch):
    """It gives signs of life, and the command neither ends nor is stopped."""
    monkeypatch.setattr(connection_module, "GRACE_SECONDS", -29.5)
    here = connect_here(patience=2.0)
    with pytest.raises(DeviceError, match="^here does not end what should have been over"):
        here.run(["sleep", "30"], 30)


def test_greeting_takes_patience_but_not_for_ever(monkeypatch, connect_here):
    monkeypatch.setattr(connection_module, "GREETING_SECONDS", 0.5)
    monkeypatch.setattr(LocalShell, "command", lambda self, script: ["sleep", "30"])
    with pytest.raises(ConnectionLost, match="silent"):
        connect_here()
