"""Values that a client chooses freely, in places where a line end would become a field or a message of its own."""

import pytest

from support.http_message import request_bytes
from support.raw_client import blind

LISTENER = {"name": "secure", "address": "127.0.0.1:0", "tls": {"self_signed": True}}
BREAKS = ["a\r\nX-Admin: 1", "a\nX-Admin: 1", "a\rX-Admin: 1", "a\r\n\r\nX-Admin: 1", "a\x01b", "a b", "a\"b", "a/b?c"]
IDS = ["crlf", "lf", "cr", "two-lines", "control", "space", "quote", "path"]
SNI = {"X-Sni": "[${tls_sni}]"}


def ask(lab, gateway, name):
    client = lab.client(gateway, tls=blind(), server_name=name)
    client.send(request_bytes())
    return client.response()


def forwarded(lab, name):
    """The fields that the backend gets, and those that the client gets."""
    backend = lab.backend()
    gateway = lab.gateway(backend, listeners=[LISTENER],
                          route={"request_headers": {"set": SNI}, "response_headers": {"set": SNI}})
    response = ask(lab, gateway, name)
    assert response.status == 200
    return backend.wait_for_request().headers, response.headers, gateway


def answered(lab, name, **answer):
    gateway = lab.gateway(listeners=[LISTENER], routes=[{"name": "all", **answer}])
    return ask(lab, gateway, name)


@pytest.mark.parametrize("name", BREAKS, ids=IDS)
def test_a_server_name_cannot_add_fields_to_what_is_forwarded(lab, name):
    request, response, gateway = forwarded(lab, name)
    for fields in (request, response):
        assert "x-admin" not in {key.lower() for key, _ in fields}
        assert dict(fields)["X-Sni"] in ("", "[]"), "nothing of a name that is no host name"
    assert not gateway.wait_log(status=200).get("sni")


@pytest.mark.parametrize("name", BREAKS, ids=IDS)
def test_a_server_name_cannot_add_fields_to_a_redirect(lab, name):
    response = answered(lab, name, redirect={"to": "https://${tls_sni}/", "status": 308})
    assert response.header("X-Admin") is None
    assert response.header("Location") == "https:///"


@pytest.mark.parametrize("name", BREAKS, ids=IDS)
def test_a_server_name_cannot_add_fields_to_a_fixed_answer(lab, name):
    response = answered(lab, name, respond={"status": 200, "body": "ok", "headers": SNI})
    assert (response.header("X-Admin"), response.body) == (None, b"ok")
    assert response.header("X-Sni") in ("", "[]")


def test_a_server_name_that_is_one_arrives(lab):
    request, response, gateway = forwarded(lab, "app.example.test")
    assert dict(request)["X-Sni"] == dict(response)["X-Sni"] == "[app.example.test]"
    assert gateway.wait_log(status=200)["sni"] == "app.example.test"
    moved = answered(lab, "app.example.test", redirect={"to": "https://${tls_sni}/", "status": 308})
    assert moved.header("Location") == "https://app.example.test/"
    fixed = answered(lab, "app.example.test", respond={"status": 200, "body": "ok", "headers": SNI})
    assert fixed.header("X-Sni") == "[app.example.test]"
