"""Damaged files are refused in one line, or hold the rows that are read."""

import importlib.util
import sys
from collections import Counter
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"


@pytest.fixture(scope="module")
def fuzz():
    specification = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    module = sys.modules["fuzz"] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    yield module
    del sys.modules["fuzz"]


def test_valid_files_are_read(fuzz, tmp_path):
    for name, files in fuzz.valid_files().items():
        for data in files:
            found = fuzz.judge(fuzz.Case(name, data), tmp_path / f"valid.{name}")
            assert found.kind == "read", found


def test_damaged_files(fuzz, tmp_path):
    cases = fuzz.damaged_files(seed=0, count=1200)
    found = [fuzz.judge(case, tmp_path / f"fuzz.{case.name}") for case in cases]
    bad = [outcome for outcome in found if outcome.kind not in (*fuzz.GOOD, "slow")]
    assert not bad
    # Both happen, for every format.
    assert len(Counter((outcome.name, outcome.kind) for outcome in found)) >= 12
