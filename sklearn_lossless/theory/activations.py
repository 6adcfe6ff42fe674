"""Activations and their Gaussian moments."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from ._closed_forms import CLOSED_FORMS, ClosedDual, piecewise_linear
from ._gaussian import FloatArray, GaussianMoments, check_tau
from ._quadrature import Parity, integrate_moments

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "FloatArray",
    "GaussianMoments",
    "check_tau",
    "gaussian_moments",
    "get_activation",
    "leaky_relu",
]


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
    dual : tuple of callables or None, default=None
        Closed forms for the kernels, elementwise: ``mean(v)``, ``product(k, v, w)`` and
        ``slope(k, v, w)`` are ``E sigma(u)``, ``E sigma(u) sigma(u')`` and ``E
        sigma'(u) sigma'(u')`` of Gaussians u and u' of variances v and w and covariance
        k. The last one is None for steps. Without, kernels are series.
    """

    name: str
    function: Callable[[FloatArray], Any]
    kinks: tuple[float, ...] = ()
    parity: Parity | None = None
    closed_form: Callable[[float], GaussianMoments] | None = None
    dual: ClosedDual | None = None

    def __call__(self, t: npt.ArrayLike) -> FloatArray:
        """Return the function of each element of `t`, as float64."""
        array = np.asarray(t, dtype=np.float64)
        # One axis only: a user's function need not know about more.
        values = np.asarray(self.function(array.ravel()), dtype=np.float64)
        return values.reshape(array.shape)


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
        if activation.closed_form is not None:
            moments = activation.closed_form(tau)
        else:
            kinks, parity = np.array(activation.kinks), activation.parity
            moments = integrate_moments(activation, kinks, parity, tau)
    required = (moments.mean, moments.m1, moments.m2, moments.f, moments.tau)
    if not all(map(math.isfinite, required)):
        raise ValueError(
            f"the Gaussian moments of activation {activation.name!r} are not finite "
            f"at tau={tau}."
        )
    return moments


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
    closed_forms = piecewise_linear((1 + slope) / 2, (1 - slope) / 2)
    function = partial(_scaled_relu, slope=slope)
    return Activation("leaky_relu", function, (0.0,), None, *closed_forms)


_ALL = (
    Activation("relu", _relu, (0.0,), None, *piecewise_linear(0.5, 0.5)),
    leaky_relu(),
    Activation("identity", np.positive, (), "odd", *piecewise_linear(1.0, 0.0)),
    Activation("abs", np.abs, (0.0,), "even", *piecewise_linear(0.0, 1.0)),
    Activation("tanh", np.tanh, (), "odd"),
    Activation("logistic", special.expit, (), "odd"),
    Activation("gelu", _gelu),
    Activation("silu", _silu),
    Activation("elu", _elu, (0.0,)),
    Activation("softplus", _softplus),
    Activation("erf", special.erf, (), "odd", *CLOSED_FORMS["erf"]),
    Activation("sin", np.sin, (), "odd", *CLOSED_FORMS["sin"]),
    Activation("cos", np.cos, (), "even", *CLOSED_FORMS["cos"]),
    Activation("exp", np.exp, (), None, *CLOSED_FORMS["exp"]),
    Activation("sign", np.sign, (0.0,), "odd", *CLOSED_FORMS["sign"]),
    Activation("quadratic", np.square, (), "even", *CLOSED_FORMS["quadratic"]),
)

#: Activations by name. The first names are those of scikit-learn's ``MLPClassifier``;
#: ``quadratic`` is the square, ``gelu`` the exact one with the normal distribution.
ACTIVATIONS: dict[str, Activation] = {each.name: each for each in _ALL}
