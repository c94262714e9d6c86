#!/usr/bin/python3
"""Makes the certificates that the integration tests use, with the openssl command line.

    make_certs.py FOLDER

FOLDER then holds, each as NAME.pem (leaf first, then its chain) and NAME.key:

    ca            the CA that clients of the tests trust
    server        localhost, 127.0.0.1, ::1, example.test, *.example.test (ECDSA P-256)
    server-rsa    the same names with an RSA key
    other         other.test alone
    chained       chained.test, signed by an intermediate that is in the file
    expired       localhost, ended yesterday
    future        localhost, begins tomorrow
    intermediate  the CA between `ca` and `chained`
    rogue-ca      a CA that nobody trusts
    rogue         localhost and 127.0.0.1, signed by rogue-ca

and encrypted.key, the key of `server` under a passphrase.
"""

import datetime
import pathlib
import subprocess
import sys

LOCAL_NAMES = ["DNS:localhost", "IP:127.0.0.1", "IP:::1"]
SERVER_NAMES = LOCAL_NAMES + ["DNS:example.test", "DNS:*.example.test"]

# `openssl ca` rather than `openssl x509 -req`: OpenSSL 3.0 sets exact dates only there.
CA_CONFIG = """
[ca]
default_ca = tests
[tests]
database = index.txt
new_certs_dir = issued
rand_serial = yes
default_md = sha256
policy = policy
unique_subject = no
email_in_dn = no
[policy]
commonName = supplied
[extensions]
subjectKeyIdentifier = hash
{extensions}
"""
CA_EXTENSIONS = "basicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign,cRLSign"
LEAF_EXTENSIONS = """basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = {usage}
authorityKeyIdentifier = keyid
subjectAltName = {names}"""


class CertificateFactory:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        (self.folder / "issued").mkdir(parents=True, exist_ok=True)
        (self.folder / "index.txt").write_text("")

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr}")

    def _make_key(self, name, rsa):
        kind = ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if rsa else ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        self._openssl("genpkey", "-algorithm", *kind, "-out", f"{name}.key")

    def _sign(self, name, issuer, extensions, days):
        config = self.folder / f"{name}.cnf"
        config.write_text(CA_CONFIG.format(extensions=extensions))
        self._openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr")
        signer = ["-selfsign", "-keyfile", f"{name}.key"]
        if issuer:
            signer = ["-cert", f"{issuer}.pem", "-keyfile", f"{issuer}.key"]
        start, end = (
            (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=day)).strftime("%Y%m%d%H%M%SZ")
            for day in days
        )
        self._openssl("ca", "-batch", "-notext", "-config", config.name, "-extensions", "extensions", *signer,
                      "-startdate", start, "-enddate", end, "-in", f"{name}.csr", "-out", f"{name}.pem")
        config.unlink()
        (self.folder / f"{name}.csr").unlink()

    def authority(self, name, issuer=None):
        self._make_key(name, rsa=False)
        self._sign(name, issuer, CA_EXTENSIONS, (-2, 30))

    def leaf(self, name, names, issuer, rsa=False, days=(-2, 30), with_issuer=False, usage="serverAuth"):
        self._make_key(name, rsa)
        self._sign(name, issuer, LEAF_EXTENSIONS.format(names=",".join(names), usage=usage), days)
        if with_issuer:
            with (self.folder / f"{name}.pem").open("a") as file:
                file.write((self.folder / f"{issuer}.pem").read_text())

    def ocsp_response(self, certificate, issuer):
        response = certificate.with_suffix(".der")
        self._openssl("ocsp", "-index", "index.txt", "-CA", f"{issuer}.pem", "-rsigner", f"{issuer}.pem", "-rkey", f"{issuer}.key",
                      "-issuer", f"{issuer}.pem", "-cert", str(certificate), "-ndays", "1", "-respout", str(response), "-noverify")
        return response

    def encrypt_key(self, name, to):
        self._openssl("pkey", "-in", f"{name}.key", "-aes256", "-passout", "pass:secret", "-out", to)

    def tidy(self):
        for path in [*self.folder.glob("index.txt*"), *(self.folder / "issued").iterdir()]:
            path.unlink()
        (self.folder / "issued").rmdir()


def make_certificates(folder):
    """Fills `folder` and returns it as a pathlib.Path."""
    factory = CertificateFactory(folder)
    factory.authority("ca")
    factory.leaf("server", SERVER_NAMES, "ca")
    factory.leaf("server-rsa", SERVER_NAMES, "ca", rsa=True)
    factory.leaf("other", ["DNS:other.test"], "ca")
    factory.authority("intermediate", "ca")
    factory.leaf("chained", ["DNS:chained.test"], "intermediate", with_issuer=True)
    factory.leaf("expired", LOCAL_NAMES, "ca", days=(-2, -1))
    factory.leaf("future", LOCAL_NAMES, "ca", days=(1, 30))
    factory.authority("rogue-ca")
    factory.leaf("rogue", LOCAL_NAMES, "rogue-ca")
    factory.encrypt_key("server", "encrypted.key")
    factory.tidy()
    return factory.folder


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make_certs.py FOLDER")
    make_certificates(sys.argv[1])
