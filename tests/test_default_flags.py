"""The laws of two small methods in single precision, compiled as users compile them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_laws_hold_with_default_flags():
    options = ["-n", "0", "-q", "-p", "no:cacheprovider", "--timeout", "250"]
    chosen = "(tv or bilateral) and (float32 or degenerate or photograph)"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "tests/test_laws.py", "-k", chosen],
        cwd=ROOT,
        env=os.environ | {"TEST_AS_USERS_COMPILE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
