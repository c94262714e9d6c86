"""Uploads while system calls fail: support/fault_lab.py says what is examined."""

import pytest

from support.fault_lab import MODES, FaultLab
from support.fault_peers import upload_by_length, upload_in_chunks


@pytest.mark.deadline(150)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", [upload_by_length, upload_in_chunks])
def test_uploads(lab, ca, scenario, mode):
    FaultLab(lab, ca, mode).run(scenario)
