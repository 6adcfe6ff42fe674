"""Install the wheel of a folder into an environment of its own, and use it there.

python tools/try_wheel.py dist
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

PROGRAM = """
import tempfile, warnings
from pathlib import Path
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
import sklearn_lossless
from sklearn_lossless.export import save, to_c
assert "site-packages" in sklearn_lossless.__file__, sklearn_lossless.__file__
sklearn_lossless.show_versions()
X, y = load_digits(return_X_y=True)
clf = sklearn_lossless.CompressedMLPClassifier((300,), random_state=0)
pipeline = make_pipeline(MinMaxScaler(), clf).fit(X[:1000], y[:1000])
assert pipeline.score(X[1000:], y[1000:]) > 0.9
with tempfile.TemporaryDirectory() as folder:
    save(pipeline, Path(folder, "digits.lnn"))
    loaded = sklearn_lossless.load(Path(folder, "digits.lnn"))
    assert (loaded.predict(X) == pipeline.predict(X)).all()
    source, _ = to_c(pipeline, Path(folder, "digits.c"))
    assert "digits_quantize_f32" in source.read_text()
"""


def main(folder: str) -> None:
    """Install, use, and say how large wheel and source are."""
    (wheel,) = Path(folder).glob("*.whl")
    with tempfile.TemporaryDirectory() as place:
        venv.create(place, with_pip=True)
        scripts = "Scripts" if sys.platform == "win32" else "bin"
        python = Path(place, scripts, "python")
        options = ["--quiet", "--disable-pip-version-check"]
        install = [python, "-m", "pip", "install", *options, wheel.resolve()]
        subprocess.run(install, check=True)
        subprocess.run([python, "-W", "error", "-c", PROGRAM], check=True, cwd=place)
    for path in sorted(Path(folder).iterdir()):
        print(f"{path.name}: {path.stat().st_size / 1000:,.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1])
