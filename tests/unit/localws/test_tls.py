from __future__ import annotations

import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509

from brickloop.localws.tls import TlsFiles, ensure_certificate

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


def names_of(path: Path) -> list[str]:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [
        *names.get_values_for_type(x509.DNSName),
        *(str(each) for each in names.get_values_for_type(x509.IPAddress)),
    ]


def serial_of(files: TlsFiles) -> int:
    return x509.load_pem_x509_certificate(files.certificate.read_bytes()).serial_number


def test_the_certificate_is_for_loopback_and_its_key_for_the_owner(tmp_path: Path) -> None:
    files = ensure_certificate(TlsFiles(tmp_path / "tls"), NOW)
    assert names_of(files.certificate) == ["localhost", "127.0.0.1", "::1"]
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700


def test_no_key_of_the_authority_is_kept(tmp_path: Path) -> None:
    files = ensure_certificate(TlsFiles(tmp_path / "tls"), NOW)
    keys = [path for path in files.folder.iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    assert keys == [files.key]
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    served = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    assert authority.public_key() != served.public_key()


def test_the_bundle_keeps_the_public_authorities(tmp_path: Path) -> None:
    files = ensure_certificate(TlsFiles(tmp_path / "tls"), NOW)
    bundle = files.bundle.read_text()
    assert bundle.count("BEGIN CERTIFICATE") > 50
    assert files.authority.read_text() in bundle


def test_a_good_certificate_stays(tmp_path: Path) -> None:
    files = ensure_certificate(TlsFiles(tmp_path / "tls"), NOW)
    before = serial_of(files)
    ensure_certificate(files, NOW + datetime.timedelta(days=300))
    assert serial_of(files) == before


@pytest.mark.parametrize("days", [-2, 340, 366, 4000])
def test_one_that_ends_soon_or_is_not_yet_valid_is_renewed(tmp_path: Path, days: int) -> None:
    files = ensure_certificate(TlsFiles(tmp_path / "tls"), NOW)
    before = serial_of(files)
    ensure_certificate(files, NOW + datetime.timedelta(days=days))
    assert serial_of(files) != before


@pytest.mark.parametrize("name", ["ca.pem", "bundle.pem", "server.pem", "server.key"])
@pytest.mark.parametrize("content", [None, "", "not a certificate"])
def test_what_is_missing_or_damaged_is_made_anew(
    tmp_path: Path, name: str, content: str | None
) -> None:
    files = ensure_certificate(TlsFiles(tmp_path / "tls"), NOW)
    before = serial_of(files)
    path = files.folder / name
    path.unlink() if content is None else path.write_text(content)
    ensure_certificate(files, NOW)
    assert serial_of(files) != before
    assert names_of(files.certificate)


def test_a_key_of_another_certificate_is_noticed(tmp_path: Path) -> None:
    files = ensure_certificate(TlsFiles(tmp_path / "tls"), NOW)
    other = ensure_certificate(TlsFiles(tmp_path / "other"), NOW)
    files.key.write_bytes(other.key.read_bytes())
    before = serial_of(files)
    ensure_certificate(files, NOW)
    assert serial_of(files) != before
