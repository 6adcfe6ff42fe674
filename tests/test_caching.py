"""Damaged caches of compiled kernels cost time, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_lossless

ROOT = Path(sklearn_lossless.__file__).parents[1]

PROGRAM = """
import builtins, warnings
import numba
from sklearn_lossless.network._engine.vector import kernel

def add(a, b):
    return a + b

{before}
with warnings.catch_warnings(record=True) as found:
    warnings.simplefilter("always")
    add = kernel(add)
    assert add(1, 2) == 3 and add(1.5, 2.0) == 3.5
print(len(found), sum(add.stats.cache_hits.values()), *(each.message for each in found))
"""

pytestmark = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="nothing is compiled"
)


def run(folder, before=""):
    """Number of warnings and of kernels that came from the cache, and the warnings."""
    script = folder / "program.py"
    if not script.exists() or before:
        script.write_text(PROGRAM.format(before=before))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment["NUMBA_CACHE_DIR"] = str(folder / "cache")
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    n_warnings, n_hits, *messages = done.stdout.split(maxsplit=2)
    return int(n_warnings), int(n_hits), "".join(messages)


def test_damaged_files_are_replaced(tmp_path):
    assert run(tmp_path)[:2] == (0, 0)
    for suffix in (".nbi", ".nbc"):
        for content in (b"", b"\x80\x05garbage", None):
            files = [*(tmp_path / "cache").rglob(f"*{suffix}")]
            assert files
            for file in files:
                cut = file.read_bytes()[:40]
                file.write_bytes(cut if content is None else content)
            n_warnings, _, message = run(tmp_path)
            assert n_warnings == 1
            assert "damaged" in message
            assert str(tmp_path / "cache") in message
    assert run(tmp_path)[:2] == (0, 2)


def test_a_full_disk_is_said_once(tmp_path):
    before = """
import numba.core.caching as caching
def no_space(*args):
    raise OSError(28, "No space left on device")
caching.IndexDataCacheFile.save = no_space
"""
    n_warnings, n_hits, message = run(tmp_path, before)
    assert (n_warnings, n_hits) == (1, 0)
    assert "impossible to write" in message
    assert "No space left" in message


def test_no_folder_at_all(tmp_path):
    (tmp_path / "cache").write_text("a file in place of the folder")
    assert run(tmp_path)[1] == 0


def test_two_processes_at_once(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM.format(before=""))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment["NUMBA_CACHE_DIR"] = str(tmp_path / "cache")
    both = [
        subprocess.Popen([sys.executable, tmp_path / "program.py"], env=environment)
        for _ in range(2)
    ]
    assert [process.wait() for process in both] == [0, 0]
    assert run(tmp_path)[:2] == (0, 2)
