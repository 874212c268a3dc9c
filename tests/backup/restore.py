"""A server's backup, restored with the password alone: `restore.py FILE PASSWORD` opens the container, compares each file with
the manifest, opens the datastore, and prints `whole` and its last revision. Shares no code with pirun."""

import hashlib
import io
import pathlib
import sqlite3
import sys
import tarfile
import tempfile

from open import content

path, password = sys.argv[1:]
unit = tarfile.open(fileobj=io.BytesIO(content(pathlib.Path(path).read_bytes(), password=password.encode())))
files = {entry.name: unit.extractfile(entry).read() for entry in unit if entry.isreg()}

manifest = dict(line.split("  ")[::-1] for line in files["MANIFEST"].decode().splitlines())
assert set(manifest) == set(files) - {"MANIFEST"}, set(manifest) ^ set(files)
for name, digest in manifest.items():
    assert hashlib.sha256(files[name]).hexdigest() == digest, name

with tempfile.TemporaryDirectory() as directory:
    for name in ("state.db", "state.db-wal"):
        if f"server/db/{name}" in files:
            (pathlib.Path(directory) / name).write_bytes(files[f"server/db/{name}"])
    datastore = sqlite3.connect(pathlib.Path(directory) / "state.db")
    assert datastore.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    print("whole", datastore.execute("SELECT max(id) FROM kine").fetchone()[0])
