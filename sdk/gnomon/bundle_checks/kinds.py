"""What a file is, by what it holds. Names lie."""

import io
import pickletools
import re

START_BYTES = 4_096
_ENOUGH = 12  # opcodes in a row that chance does not make
_CALLING = frozenset({"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD"})

_ARCHIVES = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "a zip archive",
    b"PK\x07\x08": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"Rar!\x1a\x07": "a rar archive",
    b"\x7fELF": "a program",
    b"MZ\x90": "a program",
    b"\x89HDF": "an HDF5 file",
    b"GGUF": "a GGUF file",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\u202a-\u202e\u2066-\u2069]")


def forbidden(start: bytes) -> str | None:
    """Return what a file is that is never allowed, by its first bytes; None if it is not such a one."""
    for magic, name in _ARCHIVES.items():
        if start.startswith(magic):
            return name
    if start[4:8] == b"ORTM":  # of bytes without a name, ONNX Runtime believes this mark
        return "a model in ONNX Runtime's own format"
    if start[257:262] == b"ustar":
        return "a tar archive"
    return "a pickle, which runs code when it is read" if is_pickle(start) else None


def is_pickle(start: bytes) -> bool:
    """Tell whether Python would read it as a pickle, of any protocol.

    Weights begin with any bytes, so a few opcodes are enough only behind the
    mark of a protocol, or where they import or call something.
    """
    marked = start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    names: list[str] = []
    try:
        for opcode, _, _ in pickletools.genops(io.BytesIO(start)):
            names.append(opcode.name)
            if len(names) >= _ENOUGH:
                break
    except Exception:  # the library raises whatever the bytes make it stumble over
        return marked and len(names) >= 3
    return marked or len(names) >= _ENOUGH or bool(_CALLING.intersection(names))


def text_problem(content: bytes) -> str | None:
    """Return why a file is no text for people; None if it is."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return f"is not UTF-8: {error.reason} at byte {error.start}"
    if found := _CONTROL.search(text):
        return f"holds the control character U+{ord(found[0]):04X}"
    return None
