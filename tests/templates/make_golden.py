#!/usr/bin/env python3
"""Renders every *.j2 here with Ansible's template module; the results are the golden *.out files.

    python3 -m venv /tmp/ansible && /tmp/ansible/bin/pip install ansible-core==2.19.*
    /tmp/ansible/bin/python tests/templates/make_golden.py
"""

import json
import pathlib
import subprocess
import sys
import tempfile

here = pathlib.Path(__file__).resolve().parent
tasks = [
    {"template": {"src": str(template), "dest": str(template.with_suffix(".out")), "mode": "0644"}}
    for template in sorted(here.glob("*.j2"))
]
play = [{
    "hosts": "localhost",
    "connection": "local",
    "gather_facts": False,
    "vars": {"ansible_python_interpreter": sys.executable},
    "vars_files": [str(here / "vars.json")],
    "tasks": [dict(task, ignore_errors=True) for task in tasks],
}]
with tempfile.TemporaryDirectory() as directory:
    playbook = pathlib.Path(directory, "golden.json")
    playbook.write_text(json.dumps(play))
    ansible = pathlib.Path(sys.executable).with_name("ansible-playbook")
    sys.exit(subprocess.run([ansible, "-i", "localhost,", playbook], check=False).returncode)
