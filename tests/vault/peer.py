"""vault.enc version 1, read and written from docs/vault-format.md alone: argon2-cffi (the reference C Argon2), PyNaCl
(libsodium) and hashlib. Shares no code with pirun."""

import base64
import hashlib
import hmac
import os

from argon2.low_level import Type, hash_secret_raw
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt as xchacha_open,
    crypto_aead_xchacha20poly1305_ietf_encrypt as xchacha_seal,
)

KINDS = {"s": "text", "b": "bytes", "j": "json"}


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert b64(data) == text, "base64 is not canonical"
    return data


def b2(key, *parts):
    return hashlib.blake2b(b"".join(parts), key=key, digest_size=32).digest()


def line_sum(line):
    return b2(bytes(32), b"sum", line.encode())[:4].hex()


def slot_aad(vault_id, head):
    return b"pirun-vault/1\0slot\0" + vault_id + head.encode()


def secret_aad(vault_id, name):
    return b"pirun-vault/1\0secret\0" + vault_id + name.encode()


def argon2id(password, salt, m, t, p):
    return hash_secret_raw(password, salt, t, m, p, 32, Type.ID, 0x13)


def open_slot(line, vault_id, password, key_file):
    """The vault key, or None if this slot is not for this password or key file."""
    body, written = line.rsplit(" sum=", 1)
    assert line_sum(body) == written, "sum"
    words = body.split(" ")
    fields = dict(word.split("=", 1) for word in words[3:])
    if words[2] == "argon2id" and password is not None:
        kek = argon2id(password, unb64(fields["salt"]), int(fields["m"]), int(fields["t"]), int(fields["p"]))
    elif words[2] == "keyfile" and key_file is not None:
        kek = b2(key_file, b"pirun-vault/1 keyfile")
    else:
        return None
    if not hmac.compare_digest(b2(kek, b"pirun-vault/1 check"), unb64(fields["check"])):
        return None
    wrap = unb64(fields["wrap"])
    aad = slot_aad(vault_id, body.split(" check=")[0])
    return xchacha_open(wrap[24:], aad, wrap[:24], b2(kek, b"pirun-vault/1 wrap"))


def unpad(plain):
    assert len(plain) % 64 == 0
    stripped = plain.rstrip(b"\0")
    assert stripped[-1] == 0x80, "padding"
    return KINDS[chr(stripped[0])], stripped[1:-1]


def pad(kind, value):
    plain = kind.encode() + value + b"\x80"
    return plain + bytes(-len(plain) % 64)


def read(text, password=None, key_file=None):
    """The slot that opened the vault, and its secrets: name to (kind, bytes)."""
    lines = text.split("\n")
    assert lines[0] == "pirun-vault 1" and lines[-1] == ""
    assert lines[1].startswith("id ") and len(lines[1]) == 35
    vault_id = bytes.fromhex(lines[1][3:])
    slots = [line for line in lines if line.startswith("slot ")]
    assert 1 <= len(slots) <= 16
    opened = ((line.split(" ")[1], open_slot(line, vault_id, password, key_file)) for line in slots)
    label, vault_key = next(((label, key) for label, key in opened if key), (None, None))
    if vault_key is None:
        raise SystemExit("no slot opens")
    key, secrets = b2(vault_key, b"pirun-vault/1 secret"), {}
    for line in lines[2 + len(slots) : -2]:
        word, name, sealed = line.split(" ")
        assert word == "secret" and name > max(secrets, default=""), "order"
        sealed = unb64(sealed)
        secrets[name] = unpad(xchacha_open(sealed[24:], secret_aad(vault_id, name), sealed[:24], key))
    body = text[: text.index("\nmac ") + 1]
    mac = b2(b2(vault_key, b"pirun-vault/1 mac"), body.encode())
    assert hmac.compare_digest(mac, unb64(lines[-2].removeprefix("mac "))), "mac"
    return label, secrets


def seal(key, plain, aad):
    nonce = os.urandom(24)
    return nonce + xchacha_seal(plain, aad, nonce, key)


def slot_line(vault_id, vault_key, head, kek):
    wrap = seal(b2(kek, b"pirun-vault/1 wrap"), vault_key, slot_aad(vault_id, head))
    line = f"{head} check={b64(b2(kek, b'pirun-vault/1 check'))} wrap={b64(wrap)}"
    return f"{line} sum={line_sum(line)}"


def write(secrets, password, key_file, m=19456, t=2, p=1):
    """A vault with a password slot and a key-file slot. `secrets`: name to (letter, bytes)."""
    vault_id, vault_key, salt = os.urandom(16), os.urandom(32), os.urandom(16)
    head = f"slot python argon2id m={m} t={t} p={p} salt={b64(salt)}"
    lines = ["pirun-vault 1", f"id {vault_id.hex()}"]
    lines.append(slot_line(vault_id, vault_key, head, argon2id(password, salt, m, t, p)))
    lines.append(slot_line(vault_id, vault_key, "slot ci keyfile", b2(key_file, b"pirun-vault/1 keyfile")))
    key = b2(vault_key, b"pirun-vault/1 secret")
    for name, (kind, value) in sorted(secrets.items()):
        lines.append(f"secret {name} {b64(seal(key, pad(kind, value), secret_aad(vault_id, name)))}")
    body = "".join(line + "\n" for line in lines)
    return body + f"mac {b64(b2(b2(vault_key, b'pirun-vault/1 mac'), body.encode()))}\n"
