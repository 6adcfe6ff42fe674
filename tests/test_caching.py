"""Damaged caches of compiled kernels cost time, and nothing else."""

import gc
import importlib
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numba
import pytest
from numba.core.caching import IndexDataCacheFile
from numba.core.event import Listener, install_listener

import sklearn_lossless
from sklearn_lossless.network._engine import caching
from sklearn_lossless.network._engine.vector import kernel

ROOT = Path(sklearn_lossless.__file__).parents[1]

SOURCE = """
NUMBER = 1

def add(a, b):
    return a + b + NUMBER
"""

#: Compiles for two signatures.
PROGRAM = """
from sklearn_lossless.network._engine.vector import kernel
import source_of_add
compiled = kernel(source_of_add.add)
assert compiled(1, 2) == 4 and compiled(1.25, 2.5) == 4.75
"""

pytestmark = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="nothing is compiled"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a source file, whose cache is in the folder `cache`."""
    (tmp_path / "source_of_add.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
        numba.core.config.reload_config()
        yield tmp_path
    numba.core.config.reload_config()
    sys.modules.pop("source_of_add", None)


def source():
    sys.modules.pop("source_of_add", None)
    importlib.invalidate_caches()
    return importlib.import_module("source_of_add").add


def run(folder, number=1):
    """What a new process does: warnings, kernels from the cache, and the message."""
    caching._warned = False
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        add = kernel(source())
        assert add(1, 2) == 3 + number
        assert add(1.25, 2.5) == 3.75 + number
    hits = sum(add.stats.cache_hits.values())
    return len(found), hits, "".join(str(each.message) for each in found)


def files(folder, suffix):
    found = sorted((folder / "cache").rglob(f"*{suffix}"))
    assert found
    return found


def no_space(*args):
    raise OSError(28, "No space left on device")


DAMAGE = {
    "empty": lambda content: b"",
    "garbage": lambda content: b"\x80\x05garbage",
    "head": lambda content: content[:40],
    "truncated": lambda content: content[:-40],
    "zeros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_files_are_replaced(folder, suffix, damage):
    assert run(folder)[:2] == (0, 0)
    for file in files(folder, suffix):
        file.write_bytes(damage(file.read_bytes()))
    n_warnings, _, message = run(folder)
    assert n_warnings == 1
    assert "is damaged" in message
    assert str(folder / "cache") in message
    assert run(folder)[:2] == (0, 2)


def test_a_hole_in_a_kernel_is_found(folder):
    run(folder)
    for file in files(folder, ".nbc"):
        content = bytearray(file.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 512] = bytes(512)
        file.write_bytes(content)
    n_warnings, n_hits, message = run(folder)
    assert (n_warnings, n_hits) == (1, 0)
    assert "another content" in message
    assert run(folder)[:2] == (0, 2)


def test_the_kernel_of_another_signature_is_not_used(folder):
    run(folder)
    one, other = files(folder, ".nbc")
    contents = one.read_bytes(), other.read_bytes()
    other.write_bytes(contents[0])
    one.write_bytes(contents[1])
    assert run(folder)[:2] == (0, 0)
    assert run(folder)[:2] == (0, 2)


def test_files_that_numba_wrote_itself_are_not_used(folder):
    add = numba.njit(cache=True)(source())
    assert add(1, 2) == 4
    assert add(1.25, 2.5) == 4.75
    assert run(folder)[:2] == (0, 0)
    assert run(folder)[:2] == (0, 2)


@pytest.mark.parametrize("step", ["_save_index", "_save_data"])
def test_a_full_disk_is_said_once(folder, monkeypatch, step):
    monkeypatch.setattr(IndexDataCacheFile, step, no_space)
    n_warnings, n_hits, message = run(folder)
    assert (n_warnings, n_hits) == (1, 0)
    assert "impossible to write" in message
    assert "No space left" in message
    assert "NUMBA_CACHE_DIR" in message


def test_a_disk_that_is_full_after_the_index_leaves_no_old_kernel(folder, monkeypatch):
    run(folder)
    (folder / "source_of_add.py").write_text(
        SOURCE.replace("NUMBER = 1", "NUMBER = 10")
    )
    with monkeypatch.context() as patch:
        patch.setattr(IndexDataCacheFile, "_save_data", no_space)
        assert run(folder, 10)[:2] == (1, 0)
    assert run(folder, 10)[:2] == (0, 0)
    assert run(folder, 10)[:2] == (0, 2)


def test_no_folder_at_all(folder, monkeypatch):
    for name in ("cache", "__pycache__", "home"):
        (folder / name).write_text("a file in place of the folder")
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(folder / "home"))
    n_warnings, n_hits, message = run(folder)
    assert (n_warnings, n_hits) == (1, 0)
    assert "can be written nowhere" in message
    assert "NUMBA_CACHE_DIR" in message


def test_another_folder_where_the_first_is_none(folder):
    (folder / "cache").write_text("a file in place of the folder")
    assert run(folder)[:2] == (0, 0)
    assert run(folder)[:2] == (0, 2)


@pytest.fixture
def read_only(folder, monkeypatch):
    """Say that folders whose path begins like one of some others cannot be written."""
    from numba.core import caching as of_numba

    ensure = of_numba._CacheLocator.ensure_cache_path

    def let(*places):
        def checked(locator):
            if any(locator.get_cache_path().startswith(str(each)) for each in places):
                raise OSError(30, "Read-only file system")
            ensure(locator)

        monkeypatch.setattr(of_numba._CacheLocator, "ensure_cache_path", checked)

    return let


def test_a_read_only_folder_gives_its_kernels(folder, read_only):
    run(folder)
    read_only(folder / "cache")
    assert run(folder)[:2] == (0, 2)
    assert not list((folder / "__pycache__").glob("*.nb?"))


def test_where_no_folder_can_be_written_kernels_are_read(folder, read_only):
    run(folder)
    read_only("")
    assert run(folder)[:2] == (0, 2)
    *_, last = files(folder, ".nbc")
    last.unlink()
    n_warnings, n_hits, message = run(folder)
    assert (n_warnings, n_hits) == (1, 1)
    assert "impossible to write" in message


def test_kernels_of_an_older_source_are_not_read(folder, read_only):
    run(folder)
    read_only(folder / "cache")
    (folder / "source_of_add.py").write_text(
        SOURCE.replace("NUMBER = 1", "NUMBER = 10")
    )
    assert run(folder, 10)[:2] == (0, 0)
    assert run(folder, 10)[:2] == (0, 2)


def test_two_processes_at_once(folder):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]),
    }
    both = [
        subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment)
        for _ in range(2)
    ]
    assert [process.wait() for process in both] == [0, 0]
    run(folder)
    assert run(folder)[:2] == (0, 2)


@pytest.mark.parametrize("is_enabled", [True, False])
def test_no_garbage_is_collected_while_a_kernel_compiles(folder, is_enabled):
    seen = []

    class Watch(Listener):
        def on_start(self, event):
            seen.append(gc.isenabled())

        on_end = on_start

    was_enabled = gc.isenabled()
    (gc.enable if is_enabled else gc.disable)()
    try:
        with install_listener("numba:run_pass", Watch()):
            kernel(source())(1, 2)
            assert seen
            assert not any(seen)
            assert gc.isenabled() == is_enabled
            with pytest.raises(numba.TypingError):
                kernel(source())("text", 2)
            assert gc.isenabled() == is_enabled
            seen.clear()
            numba.njit(source())(1, 2)  # of others
            assert set(seen) == {is_enabled}
    finally:
        (gc.enable if was_enabled else gc.disable)()
