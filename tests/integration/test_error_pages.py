"""What a route answers in place of the gateway's own short texts, and while it is closed for maintenance."""

from support.config_text import config_for
from support.websocket import upgrade_bytes
from support.http_message import read_response

PAGE = b"<!doctype html><p>We will be back soon.</p>\n"


def start(lab, tmp_path, backend=None, **route):
    (tmp_path / "oops.html").write_bytes(PAGE)
    config = config_for(backend)
    config["routes"][0].update(route)
    return lab.gateway_from(config)


def test_an_error_of_ours_gets_the_page(lab, tmp_path):
    backend = lab.backend()
    gateway = start(lab, tmp_path, backend, error_pages={"502": f"file:{tmp_path}/oops.html"})
    assert lab.request(gateway).status == 200
    backend.close()
    response = lab.request(gateway)
    assert (response.status, response.body) == (502, PAGE)
    assert response.header("Content-Type") == "text/html; charset=utf-8"
    assert response.header("Sluice-Error"), "the reason stays"
    head = lab.client(gateway).request("HEAD", "/")
    assert (head.status, head.body, head.header("Content-Length")) == (502, b"", str(len(PAGE)))


def test_other_statuses_and_the_backends_own_errors_are_left_alone(lab, tmp_path):
    def script(connection):
        connection.read_request_head()
        connection.respond(502, b"the backend's")

    backend = lab.backend(script)
    gateway = start(lab, tmp_path, backend, error_pages={"502": f"file:{tmp_path}/oops.html"})
    assert lab.request(gateway).body == b"the backend's"
    backend.close()
    gateway = start(lab, tmp_path, backend, error_pages={"503": f"file:{tmp_path}/oops.html"})
    assert lab.request(gateway).body.startswith(b"502 ")


def test_maintenance_asks_no_backend(lab, tmp_path):
    backend = lab.backend()
    gateway = start(lab, tmp_path, backend, maintenance=True, error_pages={"503": f"file:{tmp_path}/oops.html"})
    response = lab.request(gateway)
    assert (response.status, response.body, response.header("Retry-After")) == (503, PAGE, "5")
    assert response.header("Sluice-Error") == "maintenance"
    client = lab.client(gateway)
    client.send(upgrade_bytes())
    assert read_response(client).status == 503
    assert lab.client(gateway).request("POST", "/", body=b"x" * 1000).status == 503
    assert not backend.connections
    assert gateway.metric("sluice_websocket_upgrades_total", result="rejected_route") == 1
