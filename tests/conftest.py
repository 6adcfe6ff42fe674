import os
import sys

import pytest
import sklearn

sys.path.insert(0, os.path.dirname(__file__))


@pytest.fixture(autouse=True)
def _sklearn_config():
    """Leave scikit-learn's configuration as it was."""
    with sklearn.config_context():
        yield
