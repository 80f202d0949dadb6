"""make bench: run every bench_*.py beside this file, each in a process of its own."""

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Print every benchmark's figures; the first one that breaks gives the exit code."""
    codes = [
        subprocess.run([sys.executable, script], check=False).returncode
        for script in sorted(Path(__file__).parent.glob("bench_*.py"))
    ]
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
