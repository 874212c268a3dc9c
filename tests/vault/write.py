"""Writes a vault for pirun to open: write.py VAULT PASSWORD_HEX KEYFILE_HEX [NAME KIND HEX]..."""

import sys

import peer

path, password, key_file, *rest = sys.argv[1:]
secrets = {name: (kind, bytes.fromhex(value)) for name, kind, value in zip(rest[::3], rest[1::3], rest[2::3])}
with open(path, "w", encoding="ascii", newline="") as file:
    file.write(peer.write(secrets, bytes.fromhex(password), bytes.fromhex(key_file)))
