"""The contract's asserts explain themselves although its module is no test module."""

import pytest

pytest.register_assert_rewrite("tests.conformance.objectstore")
