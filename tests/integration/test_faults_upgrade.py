"""Upgrades while system calls fail: support/fault_lab.py says what is examined."""

import pytest

from support.fault_lab import MODES, FaultLab
from support.fault_peers import refused_upgrade, upgrade


@pytest.mark.deadline(150)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", [upgrade, refused_upgrade])
def test_upgrades(lab, ca, scenario, mode):
    FaultLab(lab, ca, mode).run(scenario)
