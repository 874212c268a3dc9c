"""Opens a vault and prints its secrets: verify.py VAULT (password | keyfile) HEX"""

import sys

import peer

path, what, given = sys.argv[1:]
given = bytes.fromhex(given)
with open(path, encoding="ascii", newline="") as file:
    text = file.read()
label, secrets = peer.read(text, **({"password": given} if what == "password" else {"key_file": given}))
print("opened by", label)
for name, (kind, value) in secrets.items():
    print(name, kind, value.hex())
