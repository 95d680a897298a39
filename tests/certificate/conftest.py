"""What the tests of the certificate share."""

import pytest
from certificate_helpers import linear_model

from analognn import ParameterLayout


@pytest.fixture(scope="package")
def packed():
    model = linear_model(100, 160, 40)
    return ParameterLayout.from_model(model).pack(model)
