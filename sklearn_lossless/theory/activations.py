"""Activations and their Gaussian moments."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import special

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "GaussianMoments",
    "check_tau",
    "gaussian_moments",
    "get_activation",
    "leaky_relu",
]

FloatArray = npt.NDArray[np.float64]
Parity = Literal["even", "odd"]


@dataclass(frozen=True)
class GaussianMoments:
    """Moments of an activation of a centred Gaussian of deviation tau.

    With ``u = tau * xi``, xi standard normal, and ``s = sigma - mean``. All of them
    have Stein forms that hold for steps and kinks, given on the right.

    Parameters
    ----------
    mean : float
        ``E sigma(u)``.
    m1 : float
        ``E sigma'(u) = E[xi s(u)] / tau``.
    m2 : float
        ``E sigma''(u) = E[(xi^2 - 1) s(u)] / tau^2``.
    f : float
        ``E (s^2)''(u) = E[(xi^2 - 1) s(u)^2] / tau^2``.
    tau : float
        ``sqrt(E s(u)^2)``, the deviation that the next layer sees.
    derivative_sq : float
        ``E sigma'(u)^2``, infinite for steps; only the NTK needs it.

    Notes
    -----
    By Gu et al., NeurIPS 2022 (arXiv 2403.00258), Theorem 1, the conjugate kernel
    of a wide network depends on its activations only through these numbers.
    """

    mean: float
    m1: float
    m2: float
    f: float
    tau: float
    derivative_sq: float


@dataclass(frozen=True)
class Activation:
    """An elementwise function and what is known about it.

    Parameters
    ----------
    name : str
        Name for messages.
    function : callable
        Maps a float64 array to one of the same shape.
    kinks : tuple of float, default=()
        Points where the function or a derivative jumps, as far as they are known.
    parity : {"even", "odd"} or None, default=None
        Symmetry of the centred function: the logistic function counts as odd.
    closed_form : callable or None, default=None
        Maps the input deviation to :class:`GaussianMoments`.
    """

    name: str
    function: Callable[[FloatArray], Any]
    kinks: tuple[float, ...] = ()
    parity: Parity | None = None
    closed_form: Callable[[float], GaussianMoments] | None = None

    def __call__(self, t: npt.ArrayLike) -> FloatArray:
        """Return the function of each element of `t`, as float64."""
        array = np.asarray(t, dtype=np.float64)
        # One axis only: a user's function need not know about more.
        values = np.asarray(self.function(array.ravel()), dtype=np.float64)
        return values.reshape(array.shape)


def check_tau(tau: float, name: str = "tau") -> float:
    """Return the deviation `tau` as float, or raise ValueError if it cannot be one."""
    if not (math.isfinite(tau) and tau > 0):
        raise ValueError(f"{name} must be positive and finite, got {tau!r}.")
    return float(tau)


def get_activation(activation: Any) -> Activation:
    """Look an activation up, or wrap a function.

    Parameters
    ----------
    activation : str, callable, Activation or StepActivation
        A name in :data:`ACTIVATIONS`, or a function that maps a float64 array of
        one dimension to an array of the same shape.

    Returns
    -------
    Activation
        Functions have their parity detected, kinks are found during integration.

    Raises
    ------
    ValueError
        If the name is unknown, or the function returns another shape, values that
        are not real, or values that are not finite.
    TypeError
        If `activation` is none of the above.

    Examples
    --------
    >>> import numpy as np
    >>> get_activation("tanh").parity
    'odd'
    >>> get_activation(lambda t: np.maximum(np.abs(t) - 1, 0)).parity
    'even'
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"activation must be a callable or one of {sorted(ACTIVATIONS)}, "
                f"got {activation!r}."
            )
        return ACTIVATIONS[activation]
    if not callable(activation):
        raise TypeError(f"activation must be a name or a callable, got {activation!r}.")
    if hasattr(activation, "thresholds") and hasattr(activation, "moments"):
        kinks = tuple(float(each) for each in activation.thresholds)
        return Activation("step", activation, kinks, None, activation.moments)
    name = getattr(activation, "__name__", type(activation).__name__)
    return Activation(name, activation, parity=_probe(activation, name))


def _probe(function: Callable[[FloatArray], Any], name: str) -> Parity | None:
    """Check a user's function on a symmetric grid and return its parity."""
    grid = np.linspace(-8, 8, 257)
    with np.errstate(all="ignore"):
        values = np.asarray(function(grid.copy()))
    if values.shape != grid.shape:
        raise ValueError(
            f"activation {name!r} must return an array of the shape of its input: "
            f"got shape {values.shape} for input of shape {grid.shape}."
        )
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"activation {name!r} must return real numbers, got dtype {values.dtype}."
        )
    if not np.isfinite(values).all():
        at = grid[~np.isfinite(values)][0]
        raise ValueError(f"activation {name!r} is not finite at {at}.")
    # Zero is left out, where an odd function may take any value.
    values = values.astype(np.float64)
    right, left = values[129:], values[127::-1]
    atol = 1e-13 * float(np.abs(values).max())
    if np.allclose(right, left, rtol=0, atol=atol):
        return "even"
    if np.allclose(right + left, right[0] + left[0], rtol=0, atol=2 * atol):
        return "odd"
    return None


def gaussian_moments(activation: Any, tau: float = 1.0) -> GaussianMoments:
    """Compute the Gaussian moments of an activation.

    Parameters
    ----------
    activation : str, callable, Activation or StepActivation
        As in :func:`get_activation`.
    tau : float, default=1.0
        Deviation of the Gaussian input.

    Returns
    -------
    GaussianMoments
        In closed form where there is one, else by adaptive quadrature.

    Raises
    ------
    ValueError
        If `tau` is not positive and finite, or a moment is not finite.

    Notes
    -----
    The definitions are those of Gu et al., NeurIPS 2022 (arXiv 2403.00258),
    Theorem 1, with f the moment of the centred square, as the recursion needs.

    Examples
    --------
    >>> moments = gaussian_moments("relu")
    >>> moments.m1, round(moments.m2, 6), round(moments.f, 6), round(moments.tau, 6)
    (0.5, 0.398942, 0.68169, 0.583819)
    """
    tau = check_tau(tau)
    activation = get_activation(activation)
    with np.errstate(all="ignore"):
        closed = activation.closed_form or partial(_quadrature, activation)
        moments: GaussianMoments = closed(tau)
    required = (moments.mean, moments.m1, moments.m2, moments.f, moments.tau)
    if not all(map(math.isfinite, required)):
        raise ValueError(
            f"the Gaussian moments of activation {activation.name!r} are not finite "
            f"at tau={tau}."
        )
    return moments


# Gauss-Legendre rule of a panel, and differentiation of the polynomial through its
# nodes (barycentric formula).
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_BARY = (-1.0) ** np.arange(16) * np.sqrt((1 - _NODES**2) * _WEIGHTS)
_DIFF = _BARY / _BARY[:, None] / (_NODES[:, None] - _NODES + np.eye(16))
np.fill_diagonal(_DIFF, 0)
np.fill_diagonal(_DIFF, -_DIFF.sum(axis=1))

#: Halvings of a panel that holds a jump; narrower ones no longer matter.
_MAX_HALVINGS = 44
#: Panels at once: more only for noise, which no rule integrates.
_MAX_PANELS = 20_000
_OUTER = np.array([12.0, 16.0, 21.0, 28.0, 37.0])
_EDGES = np.concatenate([-_OUTER[::-1], np.linspace(-9, 9, 37), _OUTER])


def _quadrature(activation: Activation, tau: float) -> GaussianMoments:
    """Integrate by bisection of panels until the halves agree with the whole."""

    def panels(low: FloatArray, high: FloatArray, shift: float) -> FloatArray:
        half = (high - low)[:, None] / 2
        xi = (high + low)[:, None] / 2 + half * _NODES
        s = activation(tau * xi) - shift
        hermite2 = xi**2 - 1
        slope = s @ _DIFF.T / (half * tau)
        terms = (s, xi * s, hermite2 * s, s**2, hermite2 * s**2, slope**2)
        weight = half * _WEIGHTS * np.exp(-(xi**2) / 2) / math.sqrt(2 * math.pi)
        return np.stack([np.sum(weight * each, axis=1) for each in terms], axis=1)

    kinks = np.array(activation.kinks) / tau
    kinks = kinks[np.abs(kinks) < _EDGES[-1] - 1e-6]
    # An edge beside a kink would leave a panel as narrow as rounding.
    apart = np.abs(_EDGES[:, np.newaxis] - kinks).min(axis=1, initial=1.0) > 1e-6
    edges = np.unique(np.concatenate([_EDGES[apart], kinks]))
    low, high = edges[:-1], edges[1:]
    # A first guess of the mean saves the moments of the square from cancellation.
    shift = float(panels(low, high, 0.0)[:, 0].sum())
    whole = panels(low, high, shift)
    scale = np.abs(whole).sum(axis=0)
    if np.any(np.abs(whole[[0, -1], :5]) > 1e-9 * scale[:5]):
        scale[:] = np.inf  # the square grows as fast as the density falls
    if not np.all(np.isfinite(scale[:5])):
        return GaussianMoments(*[math.nan] * 6)
    tolerance = np.array([1e-15] * 5 + [1e-12]) * scale
    # Below this the values of the function itself are rounded.
    tolerance += 1e-16 * abs(shift) * np.array([1, 1, 1, 0, 0, 0])
    tolerance[5] += (1e-12 * shift / tau) ** 2
    total = np.zeros(6)
    for _ in range(_MAX_HALVINGS):
        middle = (low + high) / 2
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        fine = panels(low, high, shift)
        both = fine[: len(whole)] + fine[len(whole) :]
        split = ~np.all(np.abs(both - whole) <= tolerance, axis=1)
        total += both[~split].sum(axis=0)
        low, high, whole = (each[np.tile(split, 2)] for each in (low, high, fine))
        if not 0 < len(low) < _MAX_PANELS:
            break
    rest = whole.sum(axis=0)
    total += rest
    # What remains at a jump or a pole of the derivative does not shrink.
    if rest[5] > 1e-6 * (total[5] - rest[5]):
        total[5] = np.inf
    # A jump at the edge of two panels is in neither of them. Unlike a slope it does
    # not grow with the distance.
    gap = 1e-9 * (1 + np.abs(edges[1:-1]))
    near, far = (
        np.abs(
            activation(tau * (edges[1:-1] + d)) - activation(tau * (edges[1:-1] - d))
        )
        for d in (gap, 10 * gap)
    )
    if np.any((near > 1e-6 * math.sqrt(total[3])) & (2 * near > far)):
        total[5] = np.inf
    excess, m1, m2, square, f, derivative_sq = map(float, total)
    m1, m2 = m1 / tau, m2 / tau**2
    return GaussianMoments(
        mean=shift + excess,
        m1=0.0 if activation.parity == "even" else m1,
        m2=0.0 if activation.parity == "odd" else m2,
        f=f / tau**2 - 2 * excess * m2,
        tau=math.sqrt(max(square - excess**2, 0.0)),
        derivative_sq=derivative_sq,
    )


def _piecewise_linear(t: float, *, p: float, q: float) -> GaussianMoments:
    """Moments of p u + q |u|."""
    mean = q * t * math.sqrt(2 / math.pi)
    return GaussianMoments(
        mean=mean,
        m1=p,
        m2=q * math.sqrt(2 / math.pi) / t,
        f=2 * (p**2 + q**2) - 4 * q**2 / math.pi,
        tau=t * math.sqrt(p**2 + q**2 * (1 - 2 / math.pi)),
        derivative_sq=p**2 + q**2,
    )


# Below, f = 2 d E[s^2] / d(t^2) at fixed mean (heat equation), and v = t^2.


def _erf(t: float) -> GaussianMoments:
    v = t * t
    ratio = 2 * v / (1 + 2 * v)
    return GaussianMoments(
        mean=0.0,
        m1=2 / math.sqrt(math.pi * (1 + 2 * v)),
        m2=0.0,
        f=8 / (math.pi * (1 + 2 * v) * math.sqrt(1 + 4 * v)),
        tau=math.sqrt(2 / math.pi * math.asin(ratio)),
        derivative_sq=4 / (math.pi * math.sqrt(1 + 4 * v)),
    )


def _sin(t: float) -> GaussianMoments:
    v = t * t
    return GaussianMoments(
        mean=0.0,
        m1=math.exp(-v / 2),
        m2=0.0,
        f=2 * math.exp(-2 * v),
        tau=math.sqrt(-math.expm1(-2 * v) / 2),
        derivative_sq=(1 + math.exp(-2 * v)) / 2,
    )


def _cos(t: float) -> GaussianMoments:
    v = t * t
    return GaussianMoments(
        mean=math.exp(-v / 2),
        m1=0.0,
        m2=-math.exp(-v / 2),
        f=-2 * math.exp(-v) * math.expm1(-v),
        tau=-math.expm1(-v) / math.sqrt(2),
        derivative_sq=-math.expm1(-2 * v) / 2,
    )


def _exp(t: float) -> GaussianMoments:
    v = np.float64(t) ** 2  # overflows to infinity instead of raising
    mean = float(np.exp(v / 2))
    square = float(np.exp(2 * v))
    return GaussianMoments(
        mean=mean,
        m1=mean,
        m2=mean,
        f=4 * square - 2 * mean**2 if math.isfinite(square) else math.inf,
        tau=float(np.sqrt(np.exp(v) * np.expm1(v))),
        derivative_sq=square,
    )


def _sign(t: float) -> GaussianMoments:
    m1 = math.sqrt(2 / math.pi) / t
    return GaussianMoments(0.0, m1, 0.0, 0.0, 1.0, math.inf)


def _quadratic(t: float) -> GaussianMoments:
    v = t * t
    return GaussianMoments(v, 0.0, 2.0, 8 * v, math.sqrt(2) * v, 4 * v)


def _relu(t: FloatArray) -> FloatArray:
    return np.maximum(t, 0.0)


def _scaled_relu(t: FloatArray, *, slope: float) -> FloatArray:
    return np.where(t > 0, t, slope * t)


def _gelu(t: FloatArray) -> Any:
    return t * special.ndtr(t)


def _silu(t: FloatArray) -> Any:
    return t * special.expit(t)


def _elu(t: FloatArray) -> FloatArray:
    return np.where(t > 0, t, np.expm1(np.minimum(t, 0.0)))


def _softplus(t: FloatArray) -> FloatArray:
    return np.logaddexp(0.0, t)


def leaky_relu(slope: float = 0.01) -> Activation:
    """Make a leaky ReLU.

    Parameters
    ----------
    slope : float, default=0.01
        Slope on the left of zero.

    Returns
    -------
    Activation
        ``max(t, 0) + slope * min(t, 0)``.

    Raises
    ------
    ValueError
        If `slope` is not finite.

    Examples
    --------
    >>> gaussian_moments(leaky_relu(0.1)).m1
    0.55
    """
    if not math.isfinite(slope):
        raise ValueError(f"slope must be finite, got {slope!r}.")
    closed = partial(_piecewise_linear, p=(1 + slope) / 2, q=(1 - slope) / 2)
    function = partial(_scaled_relu, slope=slope)
    return Activation("leaky_relu", function, (0.0,), None, closed)


_ALL = (
    Activation("relu", _relu, (0.0,), None, partial(_piecewise_linear, p=0.5, q=0.5)),
    leaky_relu(),
    Activation(
        "identity", np.positive, (), "odd", partial(_piecewise_linear, p=1.0, q=0.0)
    ),
    Activation("abs", np.abs, (0.0,), "even", partial(_piecewise_linear, p=0.0, q=1.0)),
    Activation("tanh", np.tanh, (), "odd"),
    Activation("logistic", special.expit, (), "odd"),
    Activation("gelu", _gelu),
    Activation("silu", _silu),
    Activation("elu", _elu, (0.0,)),
    Activation("softplus", _softplus),
    Activation("erf", special.erf, (), "odd", _erf),
    Activation("sin", np.sin, (), "odd", _sin),
    Activation("cos", np.cos, (), "even", _cos),
    Activation("exp", np.exp, (), None, _exp),
    Activation("sign", np.sign, (0.0,), "odd", _sign),
    Activation("quadratic", np.square, (), "even", _quadratic),
)

#: Activations by name. The first names are those of scikit-learn's ``MLPClassifier``;
#: ``quadratic`` is the square, ``gelu`` the exact one with the normal distribution.
ACTIVATIONS: dict[str, Activation] = {each.name: each for each in _ALL}
