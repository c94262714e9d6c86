"""The pages of docs/backends as they are written: their applications behind their configurations, checked as they say."""

import shutil

import pytest

from support.guide import PAGES, Guide, lines
from support.real_backends import NODE_MODULES, need

# A page and which of its ways to start the application, counted from 0.
WAYS = [("fastapi", 0), ("node-ws", 0), ("node-http2", 0), ("socketio", 0), ("django-channels", 0), ("django-channels", 1), ("rails", 0)]


def test_every_way_is_tested():
    written = [(page.stem, way) for page in PAGES.glob("*.md") for way in range(page.read_text().count("\n# start\n"))]
    assert sorted(written) == sorted(WAYS)


@pytest.mark.deadline(90)
@pytest.mark.parametrize("name,way", WAYS)
def test_a_guide(lab, name, way):
    guide = Guide(name)
    for program in (guide.starts[way].split()[0], "curl"):
        need(shutil.which(program), f"{program} is not installed")
    need((NODE_MODULES / "wscat").is_dir(), f"wscat is missing: run {NODE_MODULES.parent}/install")
    application = lab.keep(guide.start_application(lab.folder, way))
    gateway = lab.start(text=guide.config_for(application)).wait_started(2, admin=True)
    assert lines(guide.run_check(lab.folder, gateway.ports["secure"])) == lines(guide.expected), application.output()
