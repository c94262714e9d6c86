"""A certificate authority for one test run."""

import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "support"))
from make_certs import CertificateFactory  # noqa: E402  (beside the other test programs, not in a package)


@dataclass
class Certificate:
    certificate: Path
    private_key: Path

    def as_config(self):
        return {"certificate": str(self.certificate), "private_key": str(self.private_key)}

    def server_context(self, **settings):
        """For a TLS backend."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.private_key)
        for name, value in settings.items():
            setattr(context, name, value)
        return context

    def shown_by(self, context):
        """Makes a client's context show it."""
        context.load_cert_chain(self.certificate, self.private_key)
        return context


class Authority:
    def __init__(self, folder):
        self._factory = CertificateFactory(folder)
        self._factory.authority("ca")
        self._issued = {}
        self.certificate = self._factory.folder / "ca.pem"

    def issue(self, *names, key="ec"):
        """A server certificate for these names (IP addresses too); made once per set of names."""
        if (names, key) not in self._issued:
            stem = f"{key}-" + "-".join(name.replace("*", "any").replace(":", ".") for name in names)
            alternatives = [("IP:" if name[0].isdigit() or ":" in name else "DNS:") + name for name in names]
            self._factory.leaf(stem, alternatives, "ca", rsa=key == "rsa")
            folder = self._factory.folder
            self._issued[names, key] = Certificate(folder / f"{stem}.pem", folder / f"{stem}.key")
        return self._issued[names, key]

    def with_chain(self, certificate):
        """The same certificate in a file that has its issuer as well."""
        file = certificate.certificate.with_suffix(".chain.pem")
        file.write_text(certificate.certificate.read_text() + self.certificate.read_text())
        return Certificate(file, certificate.private_key)

    def staple(self, certificate):
        """A file with the CA's OCSP response for it, good for a day."""
        return self._factory.ocsp_response(certificate.certificate, "ca")

    def issue_client(self, name, days=(-2, 30)):
        """A certificate for a client with that common name."""
        if name not in self._issued:
            self._factory.leaf(name, [f"DNS:{name}"], "ca", usage="clientAuth", days=days)
            folder = self._factory.folder
            self._issued[name] = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
        return self._issued[name]
