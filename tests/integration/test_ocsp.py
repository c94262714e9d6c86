"""OCSP staples from files, and when certificates expire."""

import datetime
import shutil
import subprocess

import pytest

from support.config_text import config_for, to_yaml
from support.gateway import run_sluice
from support.waiting import wait_until


def stapled(ca, *names, key="ec"):
    certificate = ca.issue(*names, key=key)
    return {**ca.with_chain(certificate).as_config(), "ocsp": str(ca.staple(certificate))}


def listeners(*certificates):
    return [{"name": "secure", "address": "127.0.0.1:0", "tls": {"certificates": list(certificates)}}]


def status_told(gateway, ca, name, *options):
    """What `openssl s_client -status` says of the staple."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", "-servername", name, "-status",
                           "-CAfile", str(ca.certificate), *options], input=b"", capture_output=True, timeout=20, check=False)
    text = done.stdout.decode(errors="replace")
    assert "Verify return code: 0 (ok)" in text, text + done.stderr.decode(errors="replace")
    return text


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_staple_is_given_to_clients_that_ask(lab, ca, version):
    gateway = lab.gateway(lab.backend(), listeners=listeners(stapled(ca, "localhost"), ca.issue("plain.test").as_config()))
    told = status_told(gateway, ca, "localhost", version)
    assert "OCSP Response Status: successful" in told and "Cert Status: good" in told
    assert "OCSP response: no response sent" in status_told(gateway, ca, "plain.test", version)


def test_each_certificate_has_its_own(lab, ca):
    """Also RSA and ECDSA for one name."""
    gateway = lab.gateway(lab.backend(), listeners=listeners(
        stapled(ca, "two.test"), stapled(ca, "two.test", key="rsa"), stapled(ca, "other.test")))

    def serial(name, *options):
        told = status_told(gateway, ca, name, *options)
        assert "Cert Status: good" in told
        return told.split("Serial Number: ")[1].split()[0]

    ecdsa = serial("two.test", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
    rsa = serial("two.test", "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")
    other = serial("other.test")
    assert len({ecdsa, rsa, other}) == 3


def test_staples_are_read_again_with_a_reload(lab, ca):
    live = lab.folder / "staple.der"
    first = ca.issue("localhost")
    shutil.copy(ca.staple(first), live)
    config = config_for(lab.backend(), listeners=listeners({**ca.with_chain(first).as_config(), "ocsp": str(live)}))
    gateway = lab.gateway_from(config)
    before = status_told(gateway, ca, "localhost")
    live.write_bytes(ca.staple(first).read_bytes()[:-5])
    gateway.reload()
    wait_until(lambda: "is not an OCSP response" in gateway.stderr(), "the warning")
    assert "OCSP response: no response sent" in status_told(gateway, ca, "localhost")
    # Another one of the same certificate.
    ca._factory._openssl("ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key", "-issuer", "ca.pem",
                         "-cert", str(first.certificate), "-ndays", "9", "-respout", str(live), "-noverify")
    gateway.reload()
    after = status_told(gateway, ca, "localhost")
    assert "Cert Status: good" in after
    update = [line for line in before.splitlines() if "Next Update" in line]
    assert update and [line for line in after.splitlines() if "Next Update" in line] != update


def test_a_renewed_certificate_is_served_although_the_staple_is_still_of_the_old_one(lab, ca):
    live = {name: lab.folder / name for name in ("fullchain.pem", "privkey.pem", "staple.der")}

    def renew(key):
        certificate = ca.issue("localhost", key=key)
        files = ca.with_chain(certificate).as_config()
        shutil.copy(files["certificate"], live["fullchain.pem"])
        shutil.copy(files["private_key"], live["privkey.pem"])
        return certificate

    shutil.copy(ca.staple(renew("ec")), live["staple.der"])
    gateway = lab.gateway_from(config_for(lab.backend(), listeners=listeners(
        {"certificate": str(live["fullchain.pem"]), "private_key": str(live["privkey.pem"]), "ocsp": str(live["staple.der"])})))
    assert "Cert Status: good" in status_told(gateway, ca, "localhost")
    renewed = renew("rsa")
    gateway.reload()
    wait_until(lambda: "staple.der does not speak of the certificate beside it" in gateway.stderr(), "the warning")
    told = status_told(gateway, ca, "localhost")
    assert "OCSP response: no response sent" in told
    served = told[told.index("-----BEGIN"):told.index("-----END")]
    assert served in renewed.certificate.read_text(), "the new certificate"
    live["staple.der"].unlink()
    gateway.reload()
    wait_until(lambda: "staple.der cannot be read (No such file or directory)" in gateway.stderr(), "the warning")
    shutil.copy(ca.staple(renewed), live["staple.der"])
    gateway.reload()
    assert "Cert Status: good" in status_told(gateway, ca, "localhost")


def test_check_warns_of_what_is_not_stapled(ca, tmp_path):
    file = tmp_path / "sluice.yaml"
    first, second = ca.issue("localhost"), ca.issue("other.test")
    wrong = {**ca.with_chain(first).as_config(), "ocsp": str(ca.staple(second))}
    file.write_text(to_yaml(config_for("http://127.0.0.1:1", listeners=listeners(wrong))))
    told = run_sluice("check", "--config", file)
    assert told.returncode == 0
    assert "warning: " in told.stderr and "does not speak of the certificate" in told.stderr


def test_when_certificates_expire_is_told(lab, ca):
    first, second = stapled(ca, "localhost"), ca.issue("other.test").as_config()
    config = config_for(lab.backend(), listeners=listeners(first, second))
    gateway = lab.gateway_from(config)
    now = datetime.datetime.now().timestamp()
    name = "sluice_tls_certificate_expiry_timestamp_seconds"
    for certificate in (first, second):
        days = (gateway.metric(name, listener="secure", certificate=certificate["certificate"]) - now) / 86400
        assert 28 < days < 31
    days = (gateway.metric("sluice_tls_ocsp_expiry_timestamp_seconds", certificate=first["certificate"]) - now) / 86400
    assert 0.5 < days < 1.5
    gateway.reload({**config, "listeners": listeners(first)})
    assert gateway.metric(name, listener="secure", certificate=second["certificate"]) == 0
    assert gateway.metric(name, listener="secure", certificate=first["certificate"]) > now
