"""A backup container, opened with the password alone: docs/backup-format.md in Python, with argon2-cffi, PyNaCl, cryptography
and zstandard. Shares no code with pirun. `open.py FILE password|keyfile HEX` writes the content to stdout."""

import hmac
import pathlib
import sys

import zstandard
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

sys.path.append(str(pathlib.Path(__file__).parent.parent / "vault"))
import peer  # noqa: E402

CHUNK = 65536 + 16


def header(data):
    """The header's lines, its bytes before the mac line, and where the chunks begin."""
    end = data.index(b"\n", data.index(b"\nmac ") + 1) + 1
    text = data[:end].decode("ascii")
    lines = text.split("\n")[:-1]
    assert lines[0] == "pirun-backup 1"
    return lines, text[: text.index("\nmac ") + 1].encode(), end


def vault_key(lines, password, key_file):
    vault_id = bytes.fromhex(lines[1].removeprefix("id "))
    for line in lines[2:-4]:
        key = peer.open_slot(line, vault_id, password, key_file)
        if key:
            return key
    raise SystemExit("no slot opens")


def file_key(lines, body, key):
    fields = dict(line.split(" ", 1) for line in lines[-4:])
    assert list(fields) == ["key", "fk", "salt", "mac"]
    assert fields["key"] == peer.b2(key, b"pirun-vault/1 key id")[:8].hex()
    salt, wrapped = peer.unb64(fields["salt"]), peer.unb64(fields["fk"])
    wrapping = peer.b2(peer.b2(key, b"pirun-vault/1 backup"), b"pirun-backup/1 file key")
    aad = b"pirun-backup/1\0file key\0" + salt
    opened = peer.xchacha_open(wrapped[24:], aad, wrapped[:24], wrapping)
    mac = peer.b2(peer.b2(opened, b"pirun-backup/1 header"), body)
    assert hmac.compare_digest(mac, peer.unb64(fields["mac"])), "mac"
    return opened, salt


def nonce(number, final):
    return bytes(3) + number.to_bytes(8, "big") + bytes([final])


def content(data, password=None, key_file=None):
    lines, body, start = header(data)
    key, salt = file_key(lines, body, vault_key(lines, password, key_file))
    cipher = ChaCha20Poly1305(peer.b2(key, b"pirun-backup/1 chunks", salt))
    chunks = [data[at : at + CHUNK] for at in range(start, len(data), CHUNK)]
    pieces = [
        cipher.decrypt(nonce(number, number == len(chunks) - 1), chunk, None)
        for number, chunk in enumerate(chunks)
    ]
    reader = zstandard.ZstdDecompressor().stream_reader(b"".join(pieces))
    return reader.read()


if __name__ == "__main__":
    path, kind, secret = sys.argv[1:]
    secret = bytes.fromhex(secret)
    with open(path, "rb") as file:
        data = file.read()
    options = {"password": secret} if kind == "password" else {"key_file": secret}
    sys.stdout.buffer.write(content(data, **options))
