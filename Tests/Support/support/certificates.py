"""Certificates for tests: authorities, and what they sign."""
import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


def new_key(kind: str):
    """A private key: `ec` or `rsa`."""
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)


class Signed:
    """A certificate with its key, as PEM."""

    def __init__(self, certificate: x509.Certificate, key):
        self.certificate, self.private_key = certificate, key
        self.cert = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.key = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()

    @property
    def serial(self) -> int:
        return self.certificate.serial_number

    def entity(self, *names: str, **more) -> dict:
        """An entry of `certificates` for the names."""
        return {"cert": self.cert, "key": self.key, "snis": [{"name": name} for name in names], **more}

    def files(self, folder) -> tuple[str, str]:
        """Writes both to files and names them."""
        folder = pathlib.Path(folder)
        cert, key = folder / f"{self.serial}.crt", folder / f"{self.serial}.key"
        cert.write_text(self.cert)
        key.write_text(self.key)
        return str(cert), str(key)


class Authority(Signed):
    """Signs for names and addresses."""

    def __init__(self, name: str = "Test Authority", above: "Authority | None" = None):
        key = new_key("ec")
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer, signer = (above.subject, above.private_key) if above else (subject, key)
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False)
        builder = self.builder(subject, issuer, key, 0, 3650)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(usage, critical=True)
        super().__init__(builder.sign(signer, hashes.SHA256()), key)
        self.subject = subject
        # What leads from us to the authority that is known.
        self.path = self.cert + above.path if above else ""

    def intermediate(self, name: str) -> "Authority":
        """An authority that this one vouches for; what it signs comes with its own certificate."""
        return Authority(name, self)

    @staticmethod
    def builder(subject, issuer, key, begins: float, ends: float) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=begins - 1))
            .not_valid_after(now + datetime.timedelta(days=ends)))

    def sign(self, *names: str, kind: str = "ec", begins: float = 0, ends: float = 30) -> Signed:
        """A certificate for names or addresses, valid from and to so many days from now."""
        key = new_key(kind)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        builder = self.builder(subject, self.subject, key, begins, ends)
        alternatives = [self.alternative(name) for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        signed = Signed(builder.sign(self.private_key, hashes.SHA256()), key)
        signed.cert += self.path
        return signed

    @staticmethod
    def alternative(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)
