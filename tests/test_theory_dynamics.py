"""Learning curves against direct integration, steps of descent and dense kernels."""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, linalg
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge

from sklearn_lossless import NTKCompressor
from sklearn_lossless.datasets import make_gaussian_mixture
from sklearn_lossless.theory import (
    class_targets,
    conjugate_kernel,
    equivalent_ck,
    equivalent_coefficients,
    equivalent_dynamics,
    equivalent_ntk,
    kernel_dynamics,
    match_network,
    neural_tangent_kernel,
    readout_dynamics,
)

RNG = np.random.default_rng(0)


def split_mixture(n, p, n_test=100, setting="mixed", seed=0):
    """Training and test samples, centred and scaled by the training samples."""
    drawn = make_gaussian_mixture(setting, n + n_test, p, random_state=seed)
    X, y = drawn.data, 2.0 * drawn.target - 1
    X = X - X[:n].mean(axis=0)
    X /= np.sqrt(np.mean(np.sum(X[:n] ** 2, axis=1)))
    return X[:n], y[:n], X[n:], y[n:]


@pytest.fixture(scope="module")
def problem():
    """A kernel of 30 samples, two targets, 12 test samples, with first outputs."""
    Z = RNG.normal(size=(42, 20))  # of lower rank than samples
    K = Z @ Z.T
    Y, start = RNG.normal(size=(2, 42, 2))
    return {
        "K": K[:30, :30],
        "y": Y[:30],
        "K_test": K[30:, :30],
        "y_test": Y[30:],
        "initial": start[:30],
        "initial_test": start[30:],
    }


def mse(residual):
    return np.mean(residual**2)


# --- exact kernels ---------------------------------------------------------------


def test_gradient_flow_is_the_solution_of_its_equation(problem):
    K, n = problem["K"], 30
    joint = np.vstack([K, problem["K_test"]])
    start = np.vstack([problem["initial"], problem["initial_test"]])
    Y = problem["y"]

    def slope(t, f):
        f = f.reshape(start.shape)
        return (-joint @ (f[:n] - Y) / n).ravel()

    times = np.array([0.0, 0.1, 1.0, 7.0, 20.0])
    solved = integrate.solve_ivp(
        slope, (0, 20), start.ravel(), t_eval=times, rtol=1e-10, atol=1e-12
    ).y.T.reshape(len(times), *start.shape)
    curve = kernel_dynamics(**problem).curve(times)
    train = [mse(f[:n] - Y) for f in solved]
    test = [mse(f[n:] - problem["y_test"]) for f in solved]
    np.testing.assert_allclose(curve.train, train, rtol=1e-7)
    np.testing.assert_allclose(curve.test, test, rtol=1e-7)
    np.testing.assert_allclose(curve.train_targets.mean(axis=1), curve.train)
    np.testing.assert_allclose(curve.test_targets.mean(axis=1), curve.test)


def test_gradient_flow_is_the_exponential_of_the_kernel(problem):
    found = kernel_dynamics(problem["K"], problem["y"][:, 0])
    for t in (0.0, 0.3, 5.0, 100.0):
        left = linalg.expm(-problem["K"] * t / 30) @ problem["y"][:, 0]
        assert found.curve([t]).train[0] == pytest.approx(mse(left), rel=1e-10)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.98])
def test_gradient_descent_step_by_step(problem, share):
    """Also with steps at which the fastest modes overshoot."""
    found = kernel_dynamics(**problem)
    step, n = share * found.max_step_size, 30
    alpha = np.zeros((n, 2))
    expected = []
    for _ in range(41):
        residual = problem["initial"] + problem["K"] @ alpha - problem["y"]
        test = problem["initial_test"] + problem["K_test"] @ alpha - problem["y_test"]
        expected.append((mse(residual), mse(test)))
        alpha = alpha - step * residual / n
    times = step * np.array([0, 1, 2, 7, 40])
    curve = found.curve(times + 0.3 * step, step_size=step)
    np.testing.assert_allclose(curve.times, times)
    expected = np.array(expected)[[0, 1, 2, 7, 40]]
    np.testing.assert_allclose(curve.train, expected[:, 0], rtol=1e-9)
    np.testing.assert_allclose(curve.test, expected[:, 1], rtol=1e-8)


def test_small_steps_are_the_flow(problem):
    found = kernel_dynamics(**problem)
    times = [0.5, 3.0]
    flow = found.curve(times)
    steps = found.curve(times, step_size=1e-6)
    np.testing.assert_allclose(steps.train, flow.train, rtol=1e-5)
    np.testing.assert_allclose(steps.test, flow.test, rtol=1e-5)


@pytest.mark.parametrize("step_size", [None, 0.1])
def test_outputs_follow_from_the_weights(problem, step_size):
    found = kernel_dynamics(**problem)
    times = [0.0, 2.0, 50.0]
    curve = found.curve(times, step_size=step_size)
    weights = found.weights(times, step_size=step_size)
    assert weights.shape == (3, 30, 2)
    train = problem["initial"] + problem["K"] @ weights - problem["y"]
    test = problem["initial_test"] + problem["K_test"] @ weights - problem["y_test"]
    np.testing.assert_allclose(np.mean(train**2, axis=(1, 2)), curve.train)
    np.testing.assert_allclose(np.mean(test**2, axis=(1, 2)), curve.test)


def test_noise_is_that_of_repeated_labels(problem):
    K, K_test = problem["K"], problem["K_test"]
    y, y_test = problem["y"][:, 0], problem["y_test"][:, 0]
    times = [0.0, 1.0, 30.0]
    curve = kernel_dynamics(K, y, K_test, y_test).curve(times, noise=0.49)
    labels = y[:, None] + 0.7 * np.random.default_rng(1).normal(size=(30, 20_000))
    same = np.repeat(y_test[:, None], 20_000, axis=1)
    drawn = kernel_dynamics(K, labels, K_test, same).curve(times)
    np.testing.assert_allclose(curve.train, drawn.train, rtol=0.01)
    np.testing.assert_allclose(curve.test, drawn.test, rtol=0.01)
    clean = kernel_dynamics(K, y, K_test, y_test).curve(times)
    np.testing.assert_allclose(curve.train - curve.train_noise, clean.train)
    np.testing.assert_allclose(curve.test - curve.test_noise, clean.test)
    assert curve.train_noise[0] == pytest.approx(0.49)
    assert curve.test_noise[0] == 0


def test_generalised_cross_validation_by_its_definition(problem):
    K, y = problem["K"], problem["y"][:, 0]
    for t in (0.5, 10.0):
        S = np.eye(30) - linalg.expm(-K * t / 30)
        expected = mse(y - S @ y) / (1 - np.trace(S) / 30) ** 2
        found = kernel_dynamics(K, y).curve([t]).gcv
        assert found[0] == pytest.approx(expected, rel=1e-9)


def test_ridge_by_solving_it(problem):
    K, y, alphas = problem["K"], problem["y"], [0.1, 30.0]
    given = {k: v for k, v in problem.items() if not k.startswith("initial")}
    curve = kernel_dynamics(**given).ridge(alphas)
    for row, alpha in enumerate(alphas):
        dual = np.linalg.solve(K + alpha * np.eye(30), y)
        assert curve.train[row] == pytest.approx(mse(K @ dual - y))
        test = problem["K_test"] @ dual - problem["y_test"]
        assert curve.test[row] == pytest.approx(mse(test))
    np.testing.assert_allclose(curve.times, 30 / np.array(alphas))


def test_early_stopping_is_nearly_as_good_as_ridge(problem):
    """In-sample risk at t = n / alpha: at most 1.69 times, and close to it nowhere."""
    K, y = problem["K"], problem["y"]
    found = kernel_dynamics(K, y, K, y)
    alphas = np.logspace(-4, 5, 60)
    for noise in (0.01, 1.0, 100.0):
        stopped = found.curve(30 / alphas, noise=noise).test
        ridge = found.ridge(alphas, noise=noise).test
        assert np.all(stopped <= 1.69 * ridge)
        assert stopped.min() <= 1.22 * ridge.min()


def test_stopping_time_is_where_the_error_is_least(problem):
    given = {**problem, "y_test": problem["K_test"] @ problem["y"] / 40}
    found = kernel_dynamics(**given)
    best = found.stopping_time(noise=3.0)
    assert 0 < best < math.inf
    around = found.curve(best * np.linspace(0.5, 2, 301), noise=3.0).test
    assert found.curve([best], noise=3.0).test[0] <= around.min() + 1e-12
    by_gcv = found.stopping_time(noise=3.0, criterion="gcv")
    assert 0 < by_gcv < math.inf
    # Noiseless targets that the kernel holds are learned for ever.
    exact = kernel_dynamics(
        problem["K"], problem["K"] @ problem["y"], problem["K"],
        problem["K"] @ problem["y"],
    )  # fmt: skip
    assert exact.stopping_time() == math.inf


def test_modes_and_times(problem):
    found = kernel_dynamics(problem["K"], problem["y"])
    modes = found.modes
    values, vectors = np.linalg.eigh(problem["K"])
    np.testing.assert_allclose(modes.eigenvalues, values[::-1], atol=1e-10)
    shares = (vectors.T @ problem["y"])[::-1] ** 2 / np.sum(problem["y"] ** 2, axis=0)
    np.testing.assert_allclose(modes.shares[:20], shares[:20], atol=1e-10)
    np.testing.assert_allclose(modes.shares.sum(axis=0), 1)
    np.testing.assert_allclose(modes.times[0], 30 / values[-1])
    # An eigenvector has the time of its mode.
    one = kernel_dynamics(problem["K"], vectors[:, -3])
    assert one.target_times()[0] == pytest.approx(30 / values[-3], rel=1e-6)
    # What is in no mode is never learned.
    lost = kernel_dynamics(problem["K"], vectors[:, 0])
    assert lost.target_times()[0] == math.inf


def test_search_times_cover_the_training(problem):
    found = kernel_dynamics(problem["K"], problem["K"] @ problem["y"])
    curve = found.curve(found.search_times())
    assert curve.train[0] > 0.95 * found.curve([0]).train[0]
    assert curve.train[-1] < 1e-10


REFERENCE = Path(__file__).parent / "data" / "neural_tangents.npz"


@pytest.mark.parametrize("kernel", ["ck", "ntk"])
@pytest.mark.parametrize("name", ["relu", "erf", "gelu", "sin"])
def test_curves_are_those_of_neural_tangents(name, kernel):
    """Arrays by benchmarks/reference_kernels.py: predict.gradient_descent_mse."""
    stored = np.load(REFERENCE)
    K, cross = stored[f"{name}_3_{kernel}"], stored[f"{name}_flow_{kernel}_cross"]
    if name in ("erf", "sin"):  # means are zero, so that ours are the same kernels
        function = conjugate_kernel if kernel == "ck" else neural_tangent_kernel
        K = function(stored["X"], [name] * 3)
        cross = function(stored["X_test"], [name] * 3, stored["X"])
    y, first, first_test = (stored[each] for each in ("Y", "first", "first_test"))
    y_test = np.ones((5, 2))
    found = kernel_dynamics(
        K, y, cross, y_test, initial=first, initial_test=first_test
    )  # fmt: skip
    # The library's loss is a mean over the two targets too.
    times = stored["times"] / 2
    curve, weights = found.curve(times), found.weights(times)
    for outputs, start, matrix, targets, errors in (
        (stored[f"{name}_flow_{kernel}_train"], first, K, y, curve.train),
        (stored[f"{name}_flow_{kernel}_test"], first_test, cross, y_test, curve.test),
    ):
        np.testing.assert_allclose(
            start + matrix @ weights, outputs, rtol=1e-6, atol=1e-6
        )
        expected = np.mean((outputs - targets) ** 2, axis=(1, 2))
        np.testing.assert_allclose(errors, expected, rtol=1e-6, atol=1e-12)


# --- readouts --------------------------------------------------------------------


@pytest.mark.parametrize("n_features", [10, 25, 60])
def test_readout_is_the_kernel_of_its_features(n_features):
    """Fewer features than samples and more, and some that are copies."""
    rng = np.random.default_rng(n_features)
    Z = rng.normal(size=(40, n_features))
    Z[:, 1] = Z[:, 0]
    Z_test, y = rng.normal(size=(15, n_features)), rng.normal(size=(40, 2))
    y_test = rng.normal(size=(15, 2))
    found = readout_dynamics(Z, y, Z_test, y_test)
    exact = kernel_dynamics(Z @ Z.T, y, Z_test @ Z.T, y_test)
    times = [0.0, 0.2, 3.0, 40.0]
    for first, second in (
        (found.curve(times, noise=0.3), exact.curve(times, noise=0.3)),
        (found.curve(times, step_size=0.1), exact.curve(times, step_size=0.1)),
        (found.ridge([0.5, 20.0]), exact.ridge([0.5, 20.0])),
    ):
        for name in vars(first):
            np.testing.assert_allclose(
                getattr(first, name), getattr(second, name), rtol=1e-6, err_msg=name
            )
    outputs = Z_test @ found.weights(times)
    error = np.mean((outputs - y_test) ** 2, axis=(1, 2))
    np.testing.assert_allclose(error, found.curve(times).test)


def test_readout_path_is_that_of_ridge():
    X, y = load_digits(return_X_y=True)
    Z = NTKCompressor((200,), random_state=0).fit_transform(X)
    Z, Y = Z - Z.mean(axis=0), class_targets(y)
    found = readout_dynamics(Z[:1000], Y[:1000], Z[1000:], Y[1000:])
    for alpha in (0.01, 1.0):
        model = Ridge(alpha=alpha, fit_intercept=False).fit(Z[:1000], Y[:1000])
        expected = mse(model.predict(Z[1000:]) - Y[1000:])
        assert found.ridge([alpha]).test[0] == pytest.approx(expected, rel=1e-7)
    # Generalised cross-validation knows when to stop.
    stop = found.stopping_time(criterion="gcv")
    best = found.stopping_time()
    error = found.curve([stop, best]).test
    assert error[0] < 1.05 * error[1]


# --- equivalents -----------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["ntk", "ck"])
@pytest.mark.parametrize(("n", "p"), [(150, 150), (60, 200), (400, 12)])
def test_few_modes_are_the_dense_equivalent(kernel, n, p):
    X, y, X_test, y_test = split_mixture(n, p)
    layers = ["relu", "gelu"]
    Y = np.stack([y, X[:, 0]], axis=1)
    Y_test = np.stack([y_test, X_test[:, 0]], axis=1)
    found = equivalent_dynamics(X, Y, layers, X_test, Y_test, kernel=kernel)
    dense = {"ntk": equivalent_ntk, "ck": equivalent_ck}[kernel](X, layers)
    coefficients = equivalent_coefficients(layers, 1.0)
    c1, c2, c3 = (coefficients.beta if kernel == "ntk" else coefficients.alpha)[-1][:3]
    G = X_test @ X.T
    g, g_test = np.sum(X**2, axis=1) - 1, np.sum(X_test**2, axis=1) - 1
    cross = c1 * G + c2 * np.outer(g_test, g) + c3 * G**2
    exact = kernel_dynamics(dense, Y, cross, Y_test)
    times = np.logspace(-1, 5, 40) * n / exact.eigenvalues[0]
    ours, theirs = found.curve(times), exact.curve(times)
    np.testing.assert_allclose(ours.train, theirs.train, atol=1e-6)
    np.testing.assert_allclose(ours.test, theirs.test, atol=1e-5)
    np.testing.assert_allclose(found.eigenvalues[0], exact.eigenvalues[0], rtol=1e-6)
    outputs = cross @ found.weights(times[::10])
    error = np.mean((outputs - Y_test) ** 2, axis=(1, 2))
    np.testing.assert_allclose(error, ours.test[::10], atol=1e-8)
    assert found.max_step_size == pytest.approx(exact.max_step_size, rel=1e-6)


def test_a_step_has_a_conjugate_kernel_only():
    X, y, _, _ = split_mixture(80, 40)
    steps = [layer.step for layer in match_network(["relu", "relu"]).layers]
    found = equivalent_dynamics(X, y, steps, kernel="ck")
    exact = kernel_dynamics(equivalent_ck(X, steps), y)
    times = [1.0, 100.0]
    np.testing.assert_allclose(
        found.curve(times).train, exact.curve(times).train, atol=1e-6
    )
    with pytest.raises(ValueError, match="does not exist for steps"):
        equivalent_dynamics(X, y, steps)


def test_probes_estimate_noise_and_freedom():
    X, y, X_test, y_test = split_mixture(600, 100, 300)
    found = equivalent_dynamics(X, y, ["relu"], X_test, y_test, n_probes=16)
    g, g_test = np.sum(X**2, axis=1) - 1, np.sum(X_test**2, axis=1) - 1
    c1, c2, c3 = equivalent_coefficients(["relu"]).beta[-1]
    G = X_test @ X.T
    cross = c1 * G + c2 * np.outer(g_test, g) + c3 * G**2
    exact = kernel_dynamics(equivalent_ntk(X, ["relu"]), y, cross, y_test)
    times = np.logspace(-1, 3, 9) * 600 / exact.eigenvalues[0]
    ours, theirs = found.curve(times, noise=0.5), exact.curve(times, noise=0.5)
    np.testing.assert_allclose(ours.train_noise, theirs.train_noise, rtol=0.1)
    np.testing.assert_allclose(ours.test_noise, theirs.test_noise, rtol=0.15)
    np.testing.assert_allclose(ours.gcv, theirs.gcv, rtol=0.1)
    without = equivalent_dynamics(X, y, ["relu"], X_test, y_test)
    assert without.curve(times).gcv is None
    with pytest.raises(ValueError, match="ask for n_probes"):
        without.curve(times, noise=0.5)
    with pytest.raises(ValueError, match="there is no gcv error"):
        without.stopping_time(criterion="gcv")


def test_modes_say_what_they_are_made_of():
    """Means are learned through products of samples, variances through norms."""
    parts = {}
    for setting in ("means", "vars"):
        X, y, _, _ = split_mixture(1000, 100, setting=setting)
        modes = equivalent_dynamics(X, y, ["relu"]).modes
        np.testing.assert_allclose(modes.parts.sum(axis=1), 1)
        parts[setting] = modes.shares[:, 0] @ modes.parts
        assert parts[setting].sum() == pytest.approx(1)
    assert parts["means"][0] > parts["vars"][0] + 0.1
    assert parts["vars"][1] > 10 * parts["means"][1]


def test_too_few_modes_are_told():
    X, y, _, _ = split_mixture(300, 20)
    with pytest.warns(RuntimeWarning, match="5 modes are not enough"):
        found = equivalent_dynamics(X, y, ["relu"], max_rank=5)
    assert len(found.eigenvalues) == 5


def test_targets_of_zero_and_linear_kernels():
    X, y, _, _ = split_mixture(50, 20)
    zero = equivalent_dynamics(X, np.zeros(50), ["relu"])
    assert zero.curve([0, 1]).train.tolist() == [0, 0]
    linear = equivalent_dynamics(X, y, ["identity"], kernel="ck")
    exact = kernel_dynamics(conjugate_kernel(X, ["identity"]), y)
    np.testing.assert_allclose(
        linear.curve([1e3]).train, exact.curve([1e3]).train, atol=1e-6
    )


@pytest.mark.parametrize("kernel", ["ntk", "ck"])
def test_curves_of_equivalents_approach_those_of_exact_kernels(kernel):
    """benchmarks/dynamics.py goes up to p = 1600."""
    sizes, worst = (200, 400, 800), []
    for p in sizes:
        differences = []
        for seed in range(2):
            X, y, X_test, y_test = split_mixture(p, p, p, seed=seed)
            layers = ["relu", "relu"]
            function = neural_tangent_kernel if kernel == "ntk" else conjugate_kernel
            exact = kernel_dynamics(
                function(X, layers), y, function(X_test, layers, X, tau0=1.0), y_test
            )
            times = np.logspace(-1, 4, 60) * p / exact.eigenvalues[0]
            found = equivalent_dynamics(X, y, layers, X_test, y_test, kernel=kernel)
            ours, theirs = found.curve(times), exact.curve(times)
            assert theirs.train[0] > 0.8
            differences.append(
                [
                    np.abs(ours.train - theirs.train).max(),
                    np.abs(ours.test - theirs.test).max(),
                ]
            )
        worst.append(np.mean(differences, axis=0))
    slopes = np.polyfit(np.log(sizes), np.log(worst), 1)[0]
    assert np.all(slopes < -1)
    for found, bound in zip(worst, (0.003, 0.0012, 0.0007), strict=True):
        assert np.max(found) < bound


# --- what is refused -------------------------------------------------------------


@pytest.mark.parametrize("times", [[-1.0], [0.0, math.nan], [math.inf], [[1.0]]])
def test_times_are_checked(problem, times):
    found = kernel_dynamics(problem["K"], problem["y"])
    for method in (found.curve, found.weights):
        with pytest.raises(ValueError, match="times"):
            method(times)


def test_step_sizes_beyond_stability_name_the_bound(problem):
    found = kernel_dynamics(problem["K"], problem["y"])
    bound = 2 * 30 / np.linalg.eigvalsh(problem["K"])[-1]
    assert found.max_step_size == pytest.approx(bound)
    for step in (bound * 1.0001, 0.0, -1.0):
        with pytest.raises(ValueError, match=f"= {bound:.6g}, got"):
            found.curve([1.0], step_size=step)
    with pytest.raises(ValueError, match="step_size must be a finite number"):
        found.curve([1.0], step_size=math.nan)


def test_kernels_are_checked(problem):
    K, y = problem["K"], problem["y"]
    skew = K.copy()
    skew[0, 1] += 1.0
    negative = K - 0.5 * np.eye(30)
    for wrong, message in (
        (skew, "K must be symmetric"),
        (negative, "least eigenvalue is -0.5"),
        (-K, "least eigenvalue is -|zero or negative"),
        (0 * K, "zero or negative"),
        (K[:20], "K must be square"),
        (np.where(K > 10, np.nan, K), "K has values that are not finite"),
    ):
        with pytest.raises(ValueError, match=message):
            kernel_dynamics(wrong, y)
    # Rounding to single precision passes.
    found = kernel_dynamics(K.astype(np.float32), y)
    assert found.eigenvalues.min() == 0


def test_targets_and_shapes_are_checked(problem):
    K, y, K_test = problem["K"], problem["y"], problem["K_test"]
    nan = y.copy()
    nan[3, 0] = np.nan
    for arguments, message in (
        ((K, nan), "y has values that are not finite"),
        ((K, y[:-1]), "y must have one number"),
        ((K, y, K_test), "given together"),
        ((K, y, K_test, y), "y_test must have one number"),
        ((K, y, K_test, problem["y_test"][:, 0]), "as many targets as y, 2, got 1"),
        ((K, y, K_test[:, :9], problem["y_test"]), "30 columns, got 9"),
    ):
        with pytest.raises(ValueError, match=message):
            kernel_dynamics(*arguments)
    with pytest.raises(ValueError, match="initial must have the shape of y"):
        kernel_dynamics(K, y, initial=y[:, 0])
    with pytest.raises(ValueError, match="nothing is learned"):
        readout_dynamics(np.zeros((3, 2)), np.zeros(3))


def test_numbers_are_checked(problem):
    found = kernel_dynamics(problem["K"], problem["y"])
    with pytest.raises(ValueError, match="noise must be a variance"):
        found.curve([1.0], noise=-1)
    with pytest.raises(ValueError, match="alphas must be positive"):
        found.ridge([0.0])
    with pytest.raises(ValueError, match="criterion must be"):
        found.stopping_time(criterion="train")
    with pytest.raises(ValueError, match="there is no test error"):
        found.stopping_time()
    with pytest.raises(ValueError, match="between 0 and 1"):
        found.target_times(1.0)
    X, y, _, _ = split_mixture(20, 10)
    for name, value in (("kernel", "nngp"), ("max_rank", 0), ("n_probes", -1)):
        with pytest.raises(ValueError, match=name):
            equivalent_dynamics(X, y, ["relu"], **{name: value})
    with pytest.raises(ValueError, match="tol must be"):
        equivalent_dynamics(X, y, ["relu"], tol="small")
    with pytest.raises(ValueError, match="X_test must have 10 columns"):
        equivalent_dynamics(X, y, ["relu"], X[:, :3], y)


def test_classes_are_checked():
    with pytest.raises(ValueError, match="class b has one sample"):
        class_targets(["a", "a", "b"])
    with pytest.raises(ValueError, match="y has NaN"):
        class_targets([0.0, 1.0, np.nan])
    with pytest.raises(ValueError, match="at least two classes"):
        class_targets([1, 1, 1])
    with pytest.raises(ValueError, match="must be a vector"):
        class_targets([[1, 1]])
    with pytest.raises(ValueError, match="class c of y is not among"):
        class_targets(["c"], like=["a", "a", "b", "b"])


def test_test_samples_have_the_means_of_the_training_samples():
    found = class_targets(["b", "a", "b"], like=["a", "a", "a", "b", "b"])
    np.testing.assert_allclose(found, [[-0.6, 0.6], [0.4, -0.4], [-0.6, 0.6]])


def test_values_are_frozen(problem):
    found = kernel_dynamics(problem["K"], problem["y"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (found, found.modes, found.curve([1.0])):
            with pytest.raises(AttributeError, match="cannot assign"):
                value.times = None
