"""Tunnels while system calls fail: support/fault_lab.py says what is examined."""

import pytest

from support.fault_lab import MODES, FaultLab
from support.fault_peers import tunnel


@pytest.mark.deadline(150)
@pytest.mark.parametrize("mode", MODES)
def test_tunnels(lab, ca, mode):
    counts = FaultLab(lab, ca, mode).run(tunnel)
    assert all(bool(counts[call]) == (mode in ("plain", "unix")) for call in ("recv_splice", "send_splice")), counts
