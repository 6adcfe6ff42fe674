"""From the codes of a network to the features of its kernel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .network import CompressedNetwork
from .theory import NetworkMatch

__all__ = ["feature_line"]


def feature_line(
    network: CompressedNetwork, matching: NetworkMatch
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return each feature at code 0, and its step from code to code.

    Parameters
    ----------
    network : CompressedNetwork
    matching : NetworkMatch
        The steps of its layers.

    Returns
    -------
    first, unit : ndarray of shape (n_features_out,), dtype float64
    """
    specs = network.output_layers
    widths = [spec.n_outputs for spec in specs]
    matches = matching.layers[-len(specs) :]
    first = [match.step.offset - match.achieved.mean for match in matches]
    unit = [match.step.scale for match in matches]
    root = np.sqrt(widths)
    return np.repeat(first / root, widths), np.repeat(unit / root, widths)
