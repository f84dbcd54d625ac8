"""Paint here and with the aarch64 ONNX Runtime under qemu-user, and compare. README.md says what this needs."""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np

from benchmarks.subjects import example_picture
from runtime.image_files import read_picture, write_picture

ROOT = Path(__file__).resolve().parents[2]
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
#: The Python that this suite brings.
PYTHON = "3.11"
#: Wheels that run there: pip takes each by its name, and none for being older.
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
#: What the base install requires, in the versions that are installed here.
PACKAGES = ("numpy", "onnxruntime", "Pillow", "rich", "typer")
TOOLS = ("debootstrap", "qemu-aarch64-static", "dpkg-deb", "tar")
#: How far pictures may be apart in levels of 255: every value of fp32, and int8 in the root of the mean square.
#: README.md says why not every value of int8.
MOST_LEVELS, MOST_RMS = 1, 0.5
SECONDS = 1800

#: As the kernel of a Raspberry Pi 5 writes it, for one core.
CPUINFO = """processor\t: {number}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: 0xd0b
CPU revision\t: 1

"""


def main() -> int:
    """Returns the exit status: 0 where all pictures agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the folder of the arm64 system, made if missing")
    parser.add_argument("--model", nargs="+", default=["adain-w025", "adain-w0125"], help="students that ship")
    parser.add_argument("--precision", nargs="+", default=["fp32", "int8"])
    parser.add_argument("--photo", nargs="*", default=[], help="photos beside the one that is drawn")
    parser.add_argument("--size", type=int, default=256, help="longer side, in pixels")
    asked = parser.parse_args()
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        sys.exit(f"error: {', '.join(missing)} is missing: apt-get install debootstrap qemu-user-static dpkg tar")
    root = asked.root.absolute()
    make_root(root)
    write_cpuinfo(root)
    install_packages(root)
    with tempfile.TemporaryDirectory() as folder:
        photos = [*map(Path, asked.photo), drawn(Path(folder) / "drawn.png", asked.size, seed=0)]
        style = drawn(Path(folder) / "style.png", 256, seed=1)
        cases = itertools.product(asked.model, asked.precision, photos)
        agreed = [compare(root, Path(folder), *case, style, asked.size) for case in cases]
    print(f"{sum(agreed)} of {len(agreed)} pictures agree")
    return 0 if all(agreed) else 1


def make_root(root: Path) -> None:
    """A Debian for arm64 with Python, unpacked but not set up: nothing of it runs until qemu runs Python."""
    if (root / "usr" / "bin" / f"python{PYTHON}").exists():
        return
    if os.geteuid() != 0:
        sys.exit("error: debootstrap needs root: run this once as root; later runs do not need it")
    packages = "--include=python3,libstdc++6,libgomp1"
    call("debootstrap", "--foreign", "--arch=arm64", "--variant=minbase", packages, SUITE, root, MIRROR)
    for archive in sorted((root / "var" / "cache" / "apt" / "archives").glob("*.deb")):
        content = subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE, check=True).stdout
        # /lib is a link to /usr/lib, which some archives would replace.
        tar = ["tar", "-x", "--keep-directory-symlink", "-C", root]
        subprocess.run(tar, input=content, check=True)


def write_cpuinfo(root: Path) -> None:
    """What the root's programs find in /proc/cpuinfo."""
    proc = root / "proc"
    if proc.is_symlink():  # in some containers debootstrap points it at the real one
        proc.unlink()
    proc.mkdir(exist_ok=True)
    (proc / "cpuinfo").write_text("".join(CPUINFO.format(number=number) for number in range(2)))


def install_packages(root: Path) -> None:
    """The aarch64 wheels of the base install, unpacked into ``root/wheels`` in the versions that are installed here."""
    wanted = [f"{name}=={metadata.version(name)}" for name in PACKAGES]
    told = root / "wheels" / "wanted.txt"
    if told.exists() and told.read_text().split() == wanted:
        return
    shutil.rmtree(told.parent, ignore_errors=True)
    platforms = (word for name in PLATFORMS for word in ("--platform", name))
    only = ("--only-binary", ":all:", *platforms, "--python-version", PYTHON)
    call(sys.executable, "-m", "pip", "install", "--quiet", "--target", told.parent, *only, *wanted)
    told.write_text("\n".join(wanted))


def compare(root: Path, folder: Path, model: str, precision: str, photo: Path, style: Path, size: int) -> bool:
    """Paint on both and print how far apart the pictures are; whether they agree."""
    arguments = ["-m", "runtime", photo, "--style", style, "--model", model, "--precision", precision]
    painted = []
    for name, python, path in (
        ("here", [sys.executable], os.environ.get("PYTHONPATH", "")),
        ("arm64", emulated(root), str(root / "wheels")),
    ):
        output = folder / f"{name}.png"
        words = [*python, *arguments, "--size", size, "-o", output]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), path]))}
        call(*words, environment=environment)
        painted.append(read_picture(output).rgb.astype(np.int16))
    levels = np.abs(painted[0] - painted[1])
    rms = float(np.sqrt(np.mean(np.square(levels, dtype=np.float64))))
    near = rms <= MOST_RMS if precision == "int8" else levels.max() <= MOST_LEVELS
    agreed = bool(near and painted[0].std() > 1)
    print(
        f"{'ok' if agreed else 'NOT OK'}: {model} {precision}, {photo.name}: {np.mean(levels > 0):.3%} of all values "
        f"differ, {np.mean(levels > 1):.3%} by more than 1 of 255, at most by {levels.max()}, {rms:.3f} rms",
        flush=True,
    )
    return agreed


def emulated(root: Path) -> list[str | Path]:
    """The command that runs the root's Python."""
    return ["qemu-aarch64-static", "-L", root, root / "usr" / "bin" / f"python{PYTHON}"]


def drawn(path: Path, size: int, seed: int) -> Path:
    """A picture that looks like a photo to a network, always the same."""
    write_picture(path, example_picture(size, seed))
    return path


def call(*words: object, environment: dict[str, str] | None = None) -> None:
    """Run a command; what it says is shown only where it fails, which ends this."""
    told = subprocess.run(
        list(map(str, words)), env=environment, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if told.returncode:
        last = (told.stderr or told.stdout).strip()[-2000:]
        sys.exit(f"error: {' '.join(map(str, words))} ended with {told.returncode}:\n{last}")


if __name__ == "__main__":
    sys.exit(main())
