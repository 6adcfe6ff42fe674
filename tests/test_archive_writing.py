"""How a model file comes to its place: whole or not at all, with its mode."""

import errno
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from saved_models import MODELS
from sklearn.exceptions import ConvergenceWarning

from sklearn_lossless.export import _files
from sklearn_lossless.export.archive import from_bytes, to_bytes


@pytest.fixture(scope="module")
def models():
    with warnings.catch_warnings():
        # Two levels do not match all moments, and say so.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return {name: make() for name, make in MODELS.items()}


def test_what_would_not_load_is_not_written(models, tmp_path):
    broken = from_bytes(to_bytes(models["ints"])).set_params(n_jobs="many")
    with pytest.raises(ValueError, match="cannot be saved.*n_jobs"):
        broken.save(tmp_path / "model.lnn")
    assert not os.listdir(tmp_path)


def test_missing_directory(models, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.+model\.lnn'$"):
        models["ints"].save(tmp_path / "nowhere" / "model.lnn")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_full_disk_leaves_the_old_file(models, tmp_path, monkeypatch, step):
    path = tmp_path / "model.lnn"
    models["ints"].save(path)
    old = path.read_bytes()

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        with pytest.raises(OSError, match="No space left"):
            models["bools"].save(path)
    assert os.listdir(tmp_path) == ["model.lnn"]
    assert path.read_bytes() == old
    models["bools"].save(path)
    assert path.read_bytes() == to_bytes(models["bools"])


def test_a_limit_on_file_size_leaves_the_old_file(models, tmp_path):
    path = tmp_path / "model.lnn"
    models["ints"].save(path, readout_dtype="int4")
    old = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        with pytest.raises(OSError, match="File too large"):
            models["ints"].save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == ["model.lnn"]
    assert path.read_bytes() == old


def test_a_link_stays_a_link(models, tmp_path):
    models["ints"].save(tmp_path / "model.lnn")
    (tmp_path / "link.lnn").symlink_to("model.lnn")
    models["bools"].save(tmp_path / "link.lnn")
    assert (tmp_path / "link.lnn").is_symlink()
    assert (tmp_path / "model.lnn").read_bytes() == to_bytes(models["bools"])


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_saving_again_keeps_the_mode(models, tmp_path, mode):
    path = tmp_path / "model.lnn"
    models["ints"].save(path)
    path.chmod(mode)
    models["bools"].save(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == to_bytes(models["bools"])


def test_a_new_file_has_the_mode_that_is_asked_for(models, tmp_path):
    before = os.umask(0o027)
    try:
        models["ints"].save(tmp_path / "model.lnn")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model.lnn").stat().st_mode) == 0o640


def test_a_read_only_file_is_not_replaced(models, tmp_path):
    path = tmp_path / "model.lnn"
    models["ints"].save(path)
    path.chmod(0o444)
    old = path.read_bytes()
    with pytest.raises(PermissionError, match=r"model\.lnn'$"):
        models["bools"].save(path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["model.lnn"]


def test_a_pipe_stays_a_pipe(models, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as reader:
        models["ints"].save(path)
        received = reader.communicate(timeout=60)[0]
    assert received == to_bytes(models["ints"])
    assert path.is_fifo()


def test_the_null_device_stays_a_device(models, tmp_path):
    null = tmp_path / "null"
    null.symlink_to("/dev/null")
    models["ints"].save(null)
    assert Path("/dev/null").is_char_device()
    assert null.is_symlink()
    assert os.listdir(tmp_path) == ["null"]


def test_what_is_no_file_is_not_replaced(models, tmp_path):
    folder, path = tmp_path / "folder", tmp_path / "socket"
    folder.mkdir()
    with pytest.raises(IsADirectoryError, match="folder'$"):
        models["ints"].save(folder)
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(str(path))
        with pytest.raises(OSError, match=r"Neither a regular file.*socket'$"):
            models["ints"].save(path)
        assert path.is_socket()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="loop'$"):
        models["ints"].save(tmp_path / "loop")


def test_a_link_to_nothing_yet(models, tmp_path):
    (tmp_path / "link.lnn").symlink_to("later.lnn")
    models["ints"].save(tmp_path / "link.lnn")
    assert (tmp_path / "later.lnn").read_bytes() == to_bytes(models["ints"])
    assert (tmp_path / "link.lnn").is_symlink()


@pytest.mark.parametrize("step", ["fsync", "link", "replace"])
def test_errors_name_the_path_that_was_asked_for(models, tmp_path, monkeypatch, step):
    def denied(*args, **kwargs):
        raise PermissionError(errno.EPERM, "Operation not permitted", "x.part", "y")

    monkeypatch.setattr(os, step, denied)
    path = tmp_path / "model.lnn"
    if step == "link":  # files have a name from the start instead
        models["ints"].save(path)
        assert os.listdir(tmp_path) == ["model.lnn"]
        return
    with pytest.raises(PermissionError) as caught:
        models["ints"].save(path)
    assert caught.value.filename == str(path)
    assert caught.value.filename2 is None
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="files have names here")
def test_a_killed_save_leaves_nothing_behind(models, tmp_path):
    path = tmp_path / "model.lnn"
    models["ints"].save(path)
    old = path.read_bytes()
    killed_when_written = (
        "import os, runpy, signal, sys\n"
        "os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write = runpy.run_path(sys.argv[1])['write']\n"
        "write(sys.argv[2], b'new')\n"
    )
    command = [sys.executable, "-c", killed_when_written, _files.__file__, path]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    assert os.listdir(tmp_path) == ["model.lnn"]
    assert path.read_bytes() == old


def test_file_systems_without_unnamed_files(models, tmp_path, monkeypatch):
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    path = tmp_path / "model.lnn"
    for name in ("ints", "bools"):
        models[name].save(path)
        assert path.read_bytes() == to_bytes(models[name])
    path.chmod(0o600)
    models["ints"].save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["model.lnn"]
