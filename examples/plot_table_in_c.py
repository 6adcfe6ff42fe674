"""How does a raw table get from pandas to C?
=============================================

With ``input_encoding="thresholds"`` columns become bits inside the model: there is no
scaler, no encoder and no imputer that would have to come along. The data frame goes
into ``fit`` as it is, and the C program takes the raw row.
"""

import pathlib
import shutil
import subprocess
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.inspection import permutation_importance
from sklearn.model_selection import train_test_split

from sklearn_lossless import CompressedMLPClassifier
from sklearn_lossless.export import to_c

# %%
# Rents, of flats: text, numbers of different units, a few far out, missing values. High
# is what costs more than most flats of its size.

rng = np.random.default_rng(0)
n = 6000
flats = pd.DataFrame(
    {
        "town": rng.choice(["Ulm", "Bonn", "Köln", "Trier"], n),
        "heating": pd.Categorical(rng.choice(["gas", "oil", "heat pump"], n)),
        "area": np.round(rng.lognormal(4.2, 0.4, n), 1),
        "built": rng.integers(1880, 2025, n).astype(float),
        "floor": rng.integers(0, 12, n),
        "lift": rng.random(n) < 0.4,
    }
)
rent = np.where(flats["town"].isin(["Bonn", "Köln"]), 12.0, 9.0)
rent += 3 * (flats["built"] > 2005) - 2 * (flats["built"].between(1950, 1975))
rent += np.where(flats["lift"], 0.15, -0.15) * flats["floor"]
rent += 2 * (flats["area"] < 40) + rng.normal(0, 0.7, n)
flats.loc[rng.random(n) < 0.1, "built"] = np.nan
flats.loc[rng.random(n) < 0.002, "area"] *= 1000
high = np.where(rent > np.median(rent), "high", "low")
print(flats.head())

train, test, y_train, y_test = train_test_split(flats, high, random_state=0)
clf = CompressedMLPClassifier(
    (64, 32),
    input_encoding="thresholds",
    hidden_weights="trained",
    max_iter=30,
    random_state=0,
).fit(train, y_train)
print(f"accuracy {clf.score(test, y_test):.3f}")
print(clf.report_.frame("columns"))

# %%
# The header says what each column is, and which number each category has.

folder = pathlib.Path(tempfile.mkdtemp())
source, header = to_c(clf, folder / "flats.c", readout_bits=8)
text = header.read_text()
print(text[text.index("/* Values of a sample") : text.index("#define FLATS_N_LAYERS")])

# %%
# A program that reads raw rows. Of the text it gets numbers, of what is missing NaN.

MAIN = r"""
#include <stdio.h>
#include "flats.h"

int main(void)
{
    static flats_workspace workspace;
    uint8_t codes[FLATS_N_INPUTS];
    double row[FLATS_N_FEATURES];
    while (fread(row, sizeof row, 1, stdin)) {
        flats_quantize_f64(row, codes);
        puts(flats_classes[flats_predict(codes, &workspace)]);
    }
    return 0;
}
"""

compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
if compiler is None:
    raise SystemExit("The rest of this example needs a C compiler.")
(folder / "main.c").write_text(MAIN)
command = [compiler, "-std=c99", "-O2", folder / "main.c", source]
subprocess.run([*command, "-o", folder / "flats"], check=True)

rows = test.copy()
for name, categories in zip(test.columns, clf.categories_, strict=True):
    if categories is not None:
        rows[name] = [categories.index(each) for each in test[name]]
done = subprocess.run(
    [folder / "flats"],
    input=rows.to_numpy(dtype=float).tobytes(),
    capture_output=True,
    check=True,
)
labels = np.array(done.stdout.decode().split())
n_equal = np.count_nonzero(labels == clf.predict(test))
print(f"C and Python agree on {n_equal} of {len(test)} flats.")

# %%
# What the model goes by: scikit-learn's tools take the raw frame, too.

found = permutation_importance(clf, test, y_test, n_repeats=5, random_state=0)
order = found.importances_mean.argsort()
figure, axes = plt.subplots(layout="constrained")
axes.barh(test.columns[order], found.importances_mean[order])
axes.set(xlabel="loss of accuracy when the column is permuted")
axes.set_title("What the rents depend on")
plt.show()
