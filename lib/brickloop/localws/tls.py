"""A certificate made on the spot, for clients that insist on https.

An authority is made, signs one certificate for this machine's loopback names and is forgotten: its
key is never written, so nothing else can be signed by what clients are told to trust.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from brickloop.localws.record import write_private

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

_DAYS = 365
_RENEW_DAYS = 30
_NAMES = ("localhost",)
_ADDRESSES = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class TlsFiles:
    """The files of one local workspace's https side, all below ``folder``."""

    folder: Path

    @property
    def authority(self) -> Path:
        """What clients that add to their own authorities are to trust (``NODE_EXTRA_CA_CERTS``)."""
        return self.folder / "ca.pem"

    @property
    def bundle(self) -> Path:
        """The public authorities and ours, for clients that take one file for all."""
        return self.folder / "bundle.pem"

    @property
    def certificate(self) -> Path:
        """The server's certificate."""
        return self.folder / "server.pem"

    @property
    def key(self) -> Path:
        """The server's key; only its owner may read it."""
        return self.folder / "server.key"


def ensure_certificate(files: TlsFiles, now: datetime.datetime | None = None) -> TlsFiles:
    """The files, made where one is missing, unreadable or close to its end."""
    now = now or datetime.datetime.now(datetime.timezone.utc)
    if not _is_good(files, now):
        _make(files, now)
    return files


def _is_good(files: TlsFiles, now: datetime.datetime) -> bool:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
        key = load_pem_private_key(files.key.read_bytes(), None)
        certificate.verify_directly_issued_by(authority)
        bundled = files.authority.read_bytes() in files.bundle.read_bytes()
    except Exception:  # noqa: BLE001 - whatever is wrong with them, they are made anew
        return False
    ends = min(certificate.not_valid_after_utc, authority.not_valid_after_utc)
    fresh = certificate.not_valid_before_utc <= now < ends - datetime.timedelta(days=_RENEW_DAYS)
    return fresh and bundled and key.public_key() == certificate.public_key()


def _make(files: TlsFiles, now: datetime.datetime) -> None:
    import certifi
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    files.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _sign_authority(authority_key, now)
    certificate = _sign_server(key.public_key(), authority_key, authority, now)
    pem = serialization.Encoding.PEM
    trusted = authority.public_bytes(pem).decode()
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(files.key, private.decode())
    _write(files.certificate, certificate.public_bytes(pem).decode())
    _write(files.authority, trusted)
    public = Path(certifi.where()).read_text(encoding="utf-8")
    _write(files.bundle, f"{public.rstrip()}\n\n# the local workspace\n{trusted}")


def _sign_authority(key: ec.EllipticCurvePrivateKey, now: datetime.datetime) -> x509.Certificate:
    from cryptography import x509

    name = _name(f"brickloop local workspace {os.urandom(4).hex()}")
    builder = _builder(name, name, now).public_key(key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    networks = [ipaddress.ip_network(each) for each in _ADDRESSES]
    permitted = [*map(x509.DNSName, _NAMES), *map(x509.IPAddress, networks)]
    builder = builder.add_extension(x509.NameConstraints(permitted, None), critical=True)
    return _signed(builder, key.public_key(), key)


def _sign_server(
    public: ec.EllipticCurvePublicKey,
    authority_key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    now: datetime.datetime,
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    addresses = [ipaddress.ip_address(each) for each in _ADDRESSES]
    names = [*map(x509.DNSName, _NAMES), *map(x509.IPAddress, addresses)]
    builder = _builder(_name("localhost"), authority.subject, now).public_key(public)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
    )
    return _signed(builder, public, authority_key)


def _builder(
    subject: x509.Name, issuer: x509.Name, now: datetime.datetime
) -> x509.CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        # a clock that is a little behind still takes it
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
    )


def _signed(
    builder: x509.CertificateBuilder,
    public: ec.EllipticCurvePublicKey,
    authority_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    return builder.add_extension(issuer, critical=False).sign(authority_key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, text: str) -> None:
    # whole or not at all, as write_private does; these are no secret, but the folder is its owner's
    write_private(path, text)
