"""Everything that waits for a GPU, in one command: the tests marked `gpu`, then the rows of the benchmarks.

Needs torch, numpy, pyarrow, the repository, and pytest for the tests, but not ray, mlflow and pydantic. It takes about
8 minutes, and writes to standard output and to a file per part as it goes:

    PYTHONPATH=<repository> python experiments/benchmarks/gpu.py [--out FOLDER] [--seconds 460]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

NEEDED = ("torch", "numpy", "pyarrow", "pytest")
HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
# The tests of the packages that compute; those of the sweep need more packages.
TESTS = ("gpu", "data/test_augment.py", "data/test_batches.py", "search/test_waiting.py", "training/test_device.py")
PARTS = {
    "tests": [
        *("-m", "pytest", "-m", "gpu", "-v", "-o", "addopts=--import-mode=importlib"),
        *(str(REPOSITORY / "tests" / path) for path in TESTS),
    ],
    "retraining": [str(HERE / "retraining_step.py"), "--device", "cuda"],
    "search": [str(HERE / "search_step.py"), "--device", "cuda"],
    "compiled": [str(HERE / "retraining_step.py"), "--device", "cuda", "--compile"],
}


def run_part(name: str, out: Path, seconds: float) -> str:
    """Run a part, which is stopped when its time is up; return how it ended."""
    begin, path = time.monotonic(), out / f"gpu-{name}.txt"
    with open(path, "w") as file:
        process = subprocess.Popen([sys.executable, *PARTS[name]], cwd=REPOSITORY, stdout=file, stderr=file)
        try:
            ended = f"exit code {process.wait(max(1.0, seconds))}"
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            ended = "stopped: its time was up"
    print(path.read_text(), flush=True)
    return f"{name}: {ended} after {time.monotonic() - begin:.0f} s, in {path}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the outputs (default: this one)")
    parser.add_argument("--seconds", type=float, default=460, help="time for all parts (default: 460)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="parts to run (default: all)")
    options = parser.parse_args()
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        parser.error(f"needs {', '.join(missing)}; install them first: pip install {' '.join(missing)}")
    options.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + options.seconds
    summary = [run_part(name, options.out, end - time.monotonic()) for name in options.parts]
    print(*summary, sep="\n")


if __name__ == "__main__":
    main()
