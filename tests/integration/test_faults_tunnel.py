"""Tunnels while system calls fail: support/fault_lab.py says what is examined."""

import pytest

from support.fault_lab import MODES, FaultLab
from support.fault_peers import tunnel


@pytest.mark.deadline(150)
@pytest.mark.parametrize("mode", MODES)
def test_tunnels(lab, ca, mode):
    FaultLab(lab, ca, mode).run(tunnel)
