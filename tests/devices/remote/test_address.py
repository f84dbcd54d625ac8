from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import DeviceError
from devices.remote.adb import Adb
from devices.remote.address import Address, parse_address
from devices.remote.ssh import Ssh
from devices.remote.transport import transport_to

HOSTILE = (
    "-oProxyCommand=touch pwned",
    "-oProxyCommand=touch${IFS}pwned@host",
    "user@-oProxyCommand=touch",
    "-l@host",
    "host;touch pwned",
    "host$(touch pwned)",
    "host`touch pwned`",
    "host|touch",
    "host\ntouch pwned",
    "host touch",
    "'host'",
    '"host"',
    "$(touch pwned)@host",
    "us er@host",
    "user@ho\0st",
    "user@host:22;ls",
    "user@host:-1",
    "user@host:65536",
    "user@host:0",
    "user@@host",
    "a@b@c",
    "[::1",
    "[$(id)]",
    "[::1%$(id)]",
    "ssh://user@host",
    "..",
    "host/../../x",
    "",
    "@host",
    "user@",
    "h" * 300,
    "adb:",
    "adb:-s",
    "adb:$(id)",
    "adb:a b",
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("jetson", Address("ssh", "jetson")),
        ("jetson.local", Address("ssh", "jetson.local")),
        ("user@jetson.local:2222", Address("ssh", "jetson.local", "user", 2222)),
        ("a.b-c+d_e@10.0.0.7", Address("ssh", "10.0.0.7", "a.b-c+d_e")),
        ("user@[fe80::1%eth0]:22", Address("ssh", "fe80::1%eth0", "user", 22)),
        ("adb:192.168.1.5:5555", Address("adb", "192.168.1.5:5555")),
        ("adb:emulator-5554", Address("adb", "emulator-5554")),
    ],
)
def test_addresses(text: str, address: Address):
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_addresses_are_refused(text: str):
    with pytest.raises(DeviceError, match="--host") as caught:
        parse_address(text)
    assert len(str(caught.value).splitlines()) == 1


@given(st.text(max_size=40))
def test_what_is_accepted_is_plain(text: str):
    """Nothing that a shell, ssh's options or its tokens would read otherwise gets through."""
    try:
        address = parse_address(text)
    except DeviceError:
        return
    words = transport_to(address).command("true")
    for word in filter(None, (address.host, address.user)):
        assert not word.startswith("-")
        assert not set(word) & set(" \t\r\n\0'\"\\$`;|&<>(){}*?!#~/")
        assert word in words


def test_the_ssh_command_ends_its_options_before_the_host(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("BRUSHLET_SSH", raising=False)
    words = Ssh(parse_address("user@[::1]:2222")).command("the script")
    assert words[0] == "ssh"
    assert words[-3:] == ["--", "::1", "the script"]
    assert words[words.index("-l") + 1] == "user"
    assert words[words.index("-p") + 1] == "2222"


def test_another_ssh_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BRUSHLET_SSH", "ssh -F '/a path/config' -i key")
    assert Ssh(parse_address("pi")).command("x")[:5] == ["ssh", "-F", "/a path/config", "-i", "key"]


def test_the_adb_command():
    words = Adb(parse_address("adb:R58M")).command("the script")
    assert words == ["adb", "-s", "R58M", "shell", "-T", "the script"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("ssh: connect to host h port 22: Connection refused\n", "it refuses the connection"),
        ("ssh: connect to host h port 22: No route to host\n", "it cannot be reached"),
        ("ssh: connect to host h port 22: Connection timed out\n", "it does not answer"),
        ("something new\nlast words\n", "last words"),
        ("", "ssh says nothing"),
    ],
)
def test_what_ssh_says_is_explained(said: str, reason: str):
    assert Ssh(parse_address("h")).explain(said).startswith(reason)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("error: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set\n", "it does not trust"),
        ("error: device 'R58M' not found\n", "it is not connected"),
        ("error: device offline\n", "adb finds it offline"),
        ("", "adb says nothing"),
    ],
)
def test_what_adb_says_is_explained(said: str, reason: str):
    assert Adb(parse_address("adb:R58M")).explain(said).startswith(reason)
