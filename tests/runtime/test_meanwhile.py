"""`runtime.meanwhile`: the same results and errors as without a second thread, whatever becomes of it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime.meanwhile import Meanwhile


@pytest.fixture
def meanwhile():
    made = Meanwhile(2)
    yield made
    made.close()


def hold(meanwhile: Meanwhile, released: threading.Event) -> None:
    """Keep its thread busy until then."""
    busy = threading.Event()
    meanwhile.begin(lambda: (busy.set(), released.wait(10)))
    assert busy.wait(10)


def test_work_goes_on_while_the_caller_does_something_else(meanwhile: Meanwhile):
    done = threading.Event()
    result = meanwhile.begin(lambda: (done.set(), threading.current_thread())[1])
    assert done.wait(10)
    assert result() is not threading.current_thread()


def test_one_thread_does_it_when_the_result_is_wanted():
    begun: list[int] = []
    result = Meanwhile(1).begin(lambda: begun.append(1) or threading.current_thread())
    assert not begun
    assert result() is threading.current_thread()


@pytest.mark.parametrize("cores, several", [(None, False), (1, False), (2, True)])
def test_no_number_of_threads_is_one_per_core(cores: int | None, several: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert (Meanwhile(None)._pool is not None) == several


def test_a_busy_thread_is_not_waited_for(meanwhile: Meanwhile):
    released = threading.Event()
    hold(meanwhile, released)
    assert meanwhile.begin(threading.current_thread)() is threading.current_thread()
    released.set()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("error", [ValueError("wrong"), MemoryError(), KeyboardInterrupt()])
def test_an_error_arrives_where_the_result_is_wanted(threads: int, error: BaseException):
    tried = threading.Event()

    def fail() -> None:
        tried.set()
        raise error

    meanwhile = Meanwhile(threads)
    result = meanwhile.begin(fail)
    assert threads == 1 or tried.wait(10)
    with pytest.raises(type(error)) as caught:
        result()
    assert caught.value is error
    meanwhile.close()


def test_closing_gives_up_what_has_not_begun_and_takes_no_work_from_anyone(meanwhile: Meanwhile):
    released = threading.Event()
    hold(meanwhile, released)
    waiting = meanwhile.begin(lambda: "waited")
    released.set()
    meanwhile.close()
    meanwhile.close()
    assert waiting() == "waited"
    assert meanwhile.begin(threading.current_thread)() is threading.current_thread()


def test_closing_ends_its_thread(meanwhile: Meanwhile):
    done = threading.Event()
    found = meanwhile.begin(lambda: (done.set(), threading.current_thread())[1])
    assert done.wait(10)
    thread = found()
    assert thread.is_alive()
    meanwhile.close()
    assert not thread.is_alive()


def test_several_threads_share_it(meanwhile: Meanwhile):
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda n: meanwhile.begin(lambda: n * n)(), range(200)))
    assert found == [n * n for n in range(200)]
