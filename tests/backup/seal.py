"""Writes a backup container from docs/backup-format.md alone: `seal.py FILE PASSWORD-HEX KEY-FILE-HEX <CONTENT`."""

import os
import sys

import zstandard
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from open import nonce, peer

PIECE = 65536


def sealed(content, password, key_file, m=19456, t=2, p=1):
    vault_id, vault_key, key, salt = os.urandom(16), os.urandom(32), os.urandom(32), os.urandom(32)
    head = f"slot python argon2id m={m} t={t} p={p} salt={peer.b64(salt[:16])}"
    kek = peer.argon2id(password, salt[:16], m, t, p)
    ci = peer.b2(key_file, b"pirun-vault/1 keyfile")
    wrapping = peer.b2(peer.b2(vault_key, b"pirun-vault/1 backup"), b"pirun-backup/1 file key")
    lines = [
        "pirun-backup 1",
        f"id {vault_id.hex()}",
        peer.slot_line(vault_id, vault_key, head, kek),
        peer.slot_line(vault_id, vault_key, "slot ci keyfile", ci),
        f"key {peer.b2(vault_key, b'pirun-vault/1 key id')[:8].hex()}",
        f"fk {peer.b64(peer.seal(wrapping, key, b'pirun-backup/1' + bytes(1) + b'file key' + bytes(1) + salt))}",
        f"salt {peer.b64(salt)}",
    ]
    body = "".join(line + "\n" for line in lines).encode()
    mac = peer.b2(peer.b2(key, b"pirun-backup/1 header"), body)
    data = zstandard.ZstdCompressor(write_checksum=True).compress(content)
    pieces = [data[at : at + PIECE] for at in range(0, len(data), PIECE)]
    cipher = ChaCha20Poly1305(peer.b2(key, b"pirun-backup/1 chunks", salt))
    chunks = [
        cipher.encrypt(nonce(number, number == len(pieces) - 1), piece, None)
        for number, piece in enumerate(pieces)
    ]
    return body + f"mac {peer.b64(mac)}\n".encode() + b"".join(chunks)


if __name__ == "__main__":
    path, password, key_file = sys.argv[1], bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3])
    with open(path, "wb") as file:
        file.write(sealed(sys.stdin.buffer.read(), password, key_file))
