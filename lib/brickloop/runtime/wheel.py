"""The runtime wheel: the part of brickloop that notebooks import, as deterministic bytes."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from pathlib import Path

_SHIPPED = (
    "__init__.py",
    "figures.py",
    "frames.py",
    "hooks.py",
    "notebook_output.py",
    "plain_text.py",
    "recorder.py",
    "redaction.py",
    "sinks.py",
    "stream.py",
)
_PACKAGE_INIT = '''"""The part of brickloop that runs in notebooks."""

from brickloop.runtime.notebook_output import NotebookOutput

__version__ = "{version}"
__all__ = ["NotebookOutput", "__version__"]
'''
_EPOCH = (1980, 1, 1, 0, 0, 0)


def runtime_wheel(version: str) -> tuple[str, bytes]:
    """File name and bytes of the runtime wheel; the same sources give the same bytes everywhere.

    The name carries a hash of the content, so two contents never share a name.
    """
    here = Path(__file__).parent
    files = {"brickloop/__init__.py": _PACKAGE_INIT.format(version=version).encode()}
    for name in _SHIPPED:
        text = (here / name).read_text(encoding="utf-8")
        files[f"brickloop/runtime/{name}"] = text.encode("utf-8")
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(name.encode() + b"\0" + data + b"\0")
    full_version = f"{version}+{digest.hexdigest()[:12]}"
    info = f"brickloop_runtime-{full_version}.dist-info"
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: brickloop-runtime\nVersion: {full_version}\n"
        "Summary: The part of brickloop that runs in notebooks\nRequires-Python: >=3.10\n"
    ).encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: brickloop\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in sorted(files.items())]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    return f"brickloop_runtime-{full_version}-py3-none-any.whl", _archive(files)


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, data)
    return buffer.getvalue()
