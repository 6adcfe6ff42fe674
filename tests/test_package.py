"""What is released: wheel, source, metadata, versions, and what a user's mypy sees."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import sklearn_lossless

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from check_release import problems  # noqa: E402
from lower_bounds import lower_bounds  # noqa: E402

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION = sklearn_lossless.__version__


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Wheel and source archive; nothing is downloaded."""
    pytest.importorskip("hatchling")
    pytest.importorskip("hatch_fancy_pypi_readme")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


def test_the_wheel_is_the_package_and_nothing_else(built):
    wheel, _ = built
    assert wheel.name == f"sklearn_lossless-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    info = f"sklearn_lossless-{VERSION}.dist-info/"
    package = {name for name in names if not name.startswith(info)}
    here = {
        str(path.relative_to(ROOT).as_posix())
        for path in (ROOT / "sklearn_lossless").rglob("*")
        if path.suffix in (".py", ".in", ".typed")
    }
    assert package == here
    assert "sklearn_lossless/py.typed" in package
    assert wheel.stat().st_size < 600_000


def test_the_source_has_tests_documents_and_what_builds_it(built):
    _, source = built
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff"),
        *("tests/test_package.py", "tests/naive.py", "tests/c_harness.c"),
        *("docs/conf.py", "examples/quickstart.py", "Makefile", "CONTRIBUTING.md"),
        "tests/data/v1/expected.json",
    ):
        assert name in names, name
    assert not any(name.startswith((".ci", ".github", ".venv")) for name in names)
    assert not any("__pycache__" in name for name in names)
    assert source.stat().st_size < 2_000_000


def test_the_metadata_are_those_that_an_index_shows(built):
    wheel, _ = built
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"sklearn_lossless-{VERSION}.dist-info/METADATA").decode()
    metadata = message_from_string(text)
    assert metadata["Version"] == VERSION
    assert metadata["License-Expression"] == "BSD-3-Clause"
    classifiers = metadata.get_all("Classifier")
    assert "Typing :: Typed" in classifiers
    for minor in range(11, 15):
        assert f"Programming Language :: Python :: 3.{minor}" in classifiers
    labels = {url.partition(",")[0] for url in metadata.get_all("Project-URL")}
    assert {"Documentation", "Source", "Issues", "Changelog"} <= labels
    readme = (ROOT / "README.md").read_text().splitlines()[0]
    text = metadata.get_payload()
    assert readme in text
    assert not re.findall(r"\]\((?!https?://|#)[^)]*\)", text)
    assert re.search(r"\]\(https://raw\.githubusercontent\.com/.*\.png\)", text)


def test_dependencies_have_lower_bounds_and_no_upper_ones():
    pinned = lower_bounds("dask", "onnx", "pandas", "pytest")
    assert [each.partition("==")[0] for each in pinned[:5]] == [
        *("joblib", "numba", "numpy", "scikit-learn", "scipy")
    ]
    for requirement in PYPROJECT["project"]["dependencies"]:
        assert re.fullmatch(r"[\w-]+>=[\d.]+", requirement)


def test_a_release_needs_one_version_everywhere(tmp_path):
    (tmp_path / "sklearn_lossless").mkdir()
    (tmp_path / "sklearn_lossless/_version.py").write_text('__version__ = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text("## [1.2.0] - 2030-02-29\n")
    (tmp_path / "CITATION.cff").write_text("title: x\nversion: 1.1.0\n")
    assert len(problems("v1.2", tmp_path)) == 3
    (tmp_path / "CHANGELOG.md").write_text("## [1.2.0] - 2030-03-01\n")
    (tmp_path / "CITATION.cff").write_text("title: x\nversion: 1.2.0\n")
    assert not problems("v1.2.0", tmp_path)
    here = " ".join(problems(f"v{VERSION}"))
    assert "tag" not in here
    assert "CITATION" not in here


def test_versions_for_bug_reports(capsys):
    sklearn_lossless.show_versions()
    text = capsys.readouterr().out
    for name in (
        "sklearn-lossless",
        "python",
        "processor",
        "vectors",
        "numba",
        "scipy",
    ):
        assert re.search(rf"^{name} +\S", text, flags=re.MULTILINE), name
    import numpy

    assert re.search(rf"^numpy +{re.escape(numpy.__version__)}$", text, re.MULTILINE)
    module = [sys.executable, "-m", "sklearn_lossless"]
    for arguments, start in (([], "sklearn-lossless"), (["--version"], VERSION)):
        done = subprocess.run([*module, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(start)


USER = """
from pathlib import Path
from sklearn_lossless import CompressedMLPClassifier, CompressedMLPRegressor, load
from sklearn_lossless import NTKCompressor
from sklearn_lossless.export import save, to_c

clf = CompressedMLPClassifier((50,), eps=0.5).fit([[0.0], [1.0]], ["a", "b"])
reveal_type(clf)
reveal_type(clf.predict([[0.5]]))
reveal_type(CompressedMLPRegressor().fit([[0.0]], [1.0]).predict([[0.0]]))
reveal_type(NTKCompressor().fit([[0.0]]).transform([[0.0]]))
reveal_type(clf.report_.sizes)
save(clf, Path("model.lnn"))
with open("model.lnn", "wb") as file:
    clf.save(file)
source, header = to_c(clf, "model.c", readout_bits=8)
reveal_type(header)
load("model.lnn", max_memory=1e6)
clf.save(3)
to_c(clf, "model.c", readout_bits="many")
NTKCompressor(hidden_layer_size=3)
"""


def test_types_are_seen_by_the_mypy_of_a_user(tmp_path):
    pytest.importorskip("mypy")
    script = tmp_path / "user.py"
    script.write_text(USER)
    command = [sys.executable, "-m", "mypy", "--config-file", "", "--cache-dir"]
    command += [ROOT / ".mypy_cache/user", "--no-error-summary", script]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    lines = [line for line in done.stdout.splitlines() if "user.py:" in line]
    revealed = re.findall(r'Revealed type is "(.*)"', done.stdout)
    errors = [line for line in lines if " error: " in line]
    assert [each.rpartition(".")[2] for each in revealed[:1]] == [
        "CompressedMLPClassifier"
    ]
    assert all("ndarray" in each for each in revealed[1:4]), revealed
    assert [each.rpartition(".")[2] for each in revealed[4:]] == [
        "dict[str, int]",
        "Path",
    ]
    wrong = ("save", "to_c", "hidden_layer_size")
    assert len(errors) == len(wrong), done.stdout + done.stderr
    assert all(name in error for name, error in zip(wrong, errors, strict=True)), errors


def test_workflows_call_targets_of_the_makefile():
    yaml = pytest.importorskip("yaml")
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    files = sorted((ROOT / ".github/workflows").glob("*.yml"))
    if not files:
        pytest.skip("the source archive has no workflows")
    for path in files:
        jobs = yaml.safe_load(path.read_text())["jobs"].values()
        commands = [
            step["run"] for job in jobs for step in job["steps"] if "run" in step
        ]
        for command in commands:
            assert re.match(r"make ([a-z-]+)", command)[1] in targets, command


def test_without_torch_the_extra_is_named():
    code = (
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, *more):\n"
        "        if name == 'torch':\n            raise ImportError(name)\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "import sklearn_lossless\n"
        "try:\n    import sklearn_lossless.torch\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "pip install 'sklearn-lossless[torch]'" in done.stdout
