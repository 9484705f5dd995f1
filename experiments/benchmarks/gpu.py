"""Everything that waits for a GPU, in one command: the tests marked `gpu`, then the rows of the benchmarks.

Needs torch, the repository, and pytest for the tests; ray and mlflow are not needed. It takes about 8 minutes, and
writes to standard output and to a file per part as it goes:

    PYTHONPATH=<repository> python experiments/benchmarks/gpu.py [--out FOLDER] [--seconds 460]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
PARTS = {
    "tests": ["-m", "pytest", "-m", "gpu", "-v", "-o", "addopts=--import-mode=importlib", str(REPOSITORY / "tests")],
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
    options.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + options.seconds
    summary = [run_part(name, options.out, end - time.monotonic()) for name in options.parts]
    print(*summary, sep="\n")


if __name__ == "__main__":
    main()
