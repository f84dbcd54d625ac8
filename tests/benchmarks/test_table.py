"""`benchmarks.table`: what people read."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from benchmarks import Record
from benchmarks.measurements import Ratio, SizeResult, Subject, Timing
from benchmarks.table import render, sentences


def shown(record: Record, width: int = 80) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(render(record))
    return console.export_text()


def with_ratio(record: Record, value: float, low: float, high: float) -> Record:
    result = replace(record.results[0], ratios=(Ratio("end_to_end", 1, 0, value, low, high),))
    return replace(record, results=(result,))


def alone(record: Record, samples: list[float]) -> Record:
    timing = Timing(0, "end_to_end", True, False, 11.0, 13.0, (99.0,), tuple(samples))
    start = replace(record.results[0].starts[0], first_ms=34.5, peak_bytes=120_400_000)
    result = replace(record.results[0], timings=(timing,), starts=(start,), ratios=())
    return replace(record, subjects=record.subjects[:1], results=(result,), warnings=("it was hot",))


def test_row_of_one_subject(record):
    text = shown(alone(record, [12.0] * 90 + [20.0] * 10))
    row = next(line for line in text.splitlines() if "end to end" in line)
    kilobytes = f"{record.subjects[0].graph_bytes / 1000:.0f}"
    assert row.split() == ["end", "to", "end", "12", "8.3", "12.8", "20", "83.3", "34.5", "120", kilobytes]
    assert "ratio" not in text
    assert "32x32" in text
    assert "warning: it was hot" in text


def test_pictures_at_once_and_stages_and_what_is_unfinished(record):
    whole = alone(record, [12.0] * 10)
    timing = replace(whole.results[0].timings[0], batch=4, part="files", stages_ms={"read": 7.5, "write": 4.5})
    start = replace(whole.results[0].starts[0], peak_bytes=120_400_000, gpu_bytes=3 * 10**8)
    end = replace(whole.results[0].timings[0], batch=4)
    result = replace(whole.results[0], timings=(end, timing), starts=(start,))
    text = shown(replace(whole, results=(result,), unfinished=("64x64, 1 thread",)))
    assert "32x32, 1 thread, 4 pictures at once" in text
    row = next(line for line in text.splitlines() if "with files" in line)
    assert row.split()[2:3] + row.split()[6:] == ["12", "333"]
    assert "120+300" in text
    assert "read 7.5 ms, write 4.5 ms" in text
    assert "unfinished: 64x64, 1 thread" in text


def test_title_says_where_and_how(record):
    title = shown(record).splitlines()[0]
    machine = record.environment["machine"]["name"]
    assert title.startswith(f"tiny on {machine}: 1 thread, onnxruntime ")


def matrix(record: Record) -> Record:
    """Two engines in two precisions with one and two threads, the other figures as they are."""
    engines = [("onnxruntime", "1.32.0"), ("openvino", "2026.4.1-22982-e213a1")]
    subjects = [
        replace(record.subjects[0], engine=engine, engine_version=version, precision=precision)
        for engine, version in engines
        for precision in ("fp32", "int8")
    ]
    own = record.results[0].timing(0, "end_to_end")
    timings = tuple(replace(own, subject=number, part=part) for number in range(4) for part in ("end_to_end", "model"))
    ratios = tuple(Ratio(part, number, 0, 0.5, 0.4, 0.6) for number in (1, 2, 3) for part in ("end_to_end", "model"))

    def result(threads: int) -> SizeResult:
        return replace(record.results[0], threads=threads, timings=timings, ratios=ratios)

    settings = replace(record.settings, threads=(1, 2))
    return replace(record, subjects=tuple(subjects), settings=settings, results=(result(1), result(2)))


def test_engine_and_precision_name_the_rows_where_they_differ(record):
    text = shown(matrix(record), 100)
    assert "tiny on" in text.splitlines()[0]
    assert "1 thread, 2 threads, onnxruntime 1.32.0, openvino 2026.4.1" in " ".join(text.split())
    assert text.count("openvino int8, end to end") == 2
    row = next(line for line in text.splitlines() if "onnxruntime int8, model only" in line)
    assert row.split()[-1] == "0.50x"
    assert [line.strip() for line in text.splitlines() if "32x32, 1 thread" in line][0] == "32x32, 1 thread"
    assert "32x32, 2 threads" in text
    assert "ratio: p50 over that of onnxruntime fp32" in " ".join(text.split())


def test_of_several_rivals_only_the_whole_way_is_told_in_words(record):
    said = sentences(matrix(record))
    assert len(said) == 6
    assert said[0] == (
        "onnxruntime int8 is 2.00 times as fast as onnxruntime fp32 at 32x32, 1 thread, end to end "
        "(95 % interval 1.67 to 2.50)"
    )


def test_fits_a_terminal_of_80_columns(record):
    text = shown(record, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text, "nothing is cut off"


def test_rows_of_the_rival_have_the_ratio(record):
    text = shown(record)
    ratio = next(ratio for ratio in record.results[0].ratios if ratio.part == "model")
    row = next(line for line in text.splitlines() if "other, model only" in line)
    assert row.split()[-1] == f"{ratio.value:.2f}x"


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        (
            (22.13, 20.41, 23.92),
            "tiny is 22.1 times as fast as other at 32x32, end to end (95 % interval 20.4 to 23.9)",
        ),
        ((0.5, 0.4, 0.8), "other is 2.00 times as fast as tiny at 32x32, end to end (95 % interval 1.25 to 2.50)"),
        ((1.1, 0.9, 1.3), "tiny and other cannot be told apart at 32x32, end to end (95 % interval 0.90 to 1.30)"),
        ((1.01, 1.001, 1.02), "tiny and other cannot be told apart at 32x32, end to end (95 % interval 1.00 to 1.02)"),
        ((250.4, 240.0, 260.0), "tiny is 250 times as fast as other at 32x32, end to end (95 % interval 240 to 260)"),
    ],
)
def test_sentences(record, numbers, sentence):
    assert sentences(with_ratio(record, *numbers)) == [sentence]


def test_a_teacher_has_its_memory_but_no_files(record):
    teacher = Subject("teacher", "teacher adain", "AdaIN", "torch", "2.13.0", ("CPU",), None, ())
    timing = Timing(1, "both_pictures", True, True, 900.0, 1100.0, (1.0,), (1000.0,) * 6)
    start = replace(record.results[0].starts[1], first_ms=1500.0, peak_bytes=900_000_000)
    result = replace(record.results[0], timings=(timing,), starts=(start,), ratios=())
    text = shown(replace(record, subjects=(record.subjects[0], teacher), results=(result,)), 100)
    row = next(line for line in text.splitlines() if "both pictures" in line)
    assert row.split() == ["teacher", "adain,", "both", "pictures", "1000", "10.0", "1000", "1000", "1", "1500", "900"]


def test_fidelity_of_the_manifest_stands_beside_the_times(record):
    scores = {"teacher": {"content": 1.5, "style": 0.4, "ssim": 0.3}, "student": {"content": 1.9, "style": 0.62}}
    quality = {"judge": "vgg19", "pairs": 32, "size": 256, "scores": scores}
    subject = replace(record.subjects[0], quality=quality)
    text = shown(replace(record, subjects=(subject, *record.subjects[1:])), 100)
    assert "32 held-back pairs at 256 px" in text
    row = next(line for line in text.splitlines() if line.split()[:1] == ["student"])
    assert row.split() == ["student", "1.9", "0.62"]
