"""Runs a command on a terminal of its own, answers its prompts, and prints what was to be seen there.

terminal.py PROMPT ANSWER [PROMPT ANSWER]... -- COMMAND..."""

import os
import pty
import select
import sys

split = sys.argv.index("--")
answers = list(zip(sys.argv[1:split:2], sys.argv[2:split:2]))
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[split + 1], sys.argv[split + 1 :])
seen, rest = b"", b""
while True:
    if not select.select([terminal], [], [], 60)[0]:
        sys.exit(f"nothing happens any more after: {seen.decode()!r}")
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    seen, rest = seen + piece, rest + piece
    if answers and answers[0][0].encode() in rest:
        prompt, answer = answers.pop(0)
        os.write(terminal, answer.encode().decode("unicode_escape").encode())
        rest = b""
sys.stdout.write(seen.decode().replace("\r\n", "\n"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
