"""Runs last: what the whole suite wrote holds no secret (E6, D20)."""
import pytest

from support import ledger

pytestmark = pytest.mark.alone


def test_no_log_of_the_suite_holds_a_secret():
    """E6: no token, code, state, nonce, verifier, cookie value, password or key, at debug level."""
    assert ledger.places, "the suite wrote no logs"
    assert ledger.secrets, "the suite knows no secrets"
    assert ledger.found() == []
