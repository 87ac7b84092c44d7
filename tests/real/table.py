"""The table of docs/protocols.md: which protocol was proved in which case, by which client.

It reads what the steps of `.ci/run` said (target/ci/NAME.out) and `protocol.md`, and knows no protocol itself.
A cell is filled by a line `ok - PROTOCOL · CASE · CLIENT: …` of a driver; by a test `tool::PROTOCOL::CASE_…`, which speaks the
documented messages; and by the samples of a protocol's section, which are a hit, a miss and a malformed request. It fails if
a cell is empty that the section does not call `n/a`, and if the page says something else; KEYFOB_BLESS=1 writes the page.
"""

import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "protocols.md"
CASES = ["hit", "miss", "store", "erase", "refreshed", "malformed", "two-accounts", "locked"]
MESSAGES = "messages"
# Clients that are driven where somebody has installed them, and can be had from no registry.
ELSEWHERE = {"terraform"}
# Tools that have no protocol of their own.
KIN = {"containers": "docker"}
# The tests that run the samples, and that want a hit, a miss and a failure of each section.
SAMPLES = ["transcript::every_sample_of_the_page_is_what_happens",
           "tidy::every_protocol_has_its_section_with_a_hit_a_miss_and_a_failure"]
HEAD = """# What was proved of each protocol

Every protocol of [protocol.md](../protocol.md), every case, and by which client it was proved in the project's checks; `tests/real/table.py` writes this page from what they said, and fails where a cell is empty.
A name is that of a real client, which `tests/real` runs against servers on the loopback that check what they are sent.
`messages` are tests that send and expect what the client's documentation or schema says (`tests/it/tool`, and the samples of `protocol.md`).
`n/a`: the protocol has no such case.
`refreshed` is a session whose token had ended, `two accounts` are two that fit, `locked` is a store behind a passphrase that nobody typed.

"""


def sections():
    """The protocols that the page tells of, each with its text."""
    parts = re.split(r"^## (.+)\n", (ROOT / "protocol.md").read_text(encoding="utf-8"), flags=re.M)[1:]
    found = dict(zip(parts[::2], parts[1::2]))
    # The native protocol is git's.
    return {name: text for name, text in found.items() if "### How it is called" in text and name != "The native protocol"}


def not_applicable(text):
    """The cases that a section says its protocol has not: `n/a`, or "no store and no erase"."""
    said = [line for line in text.splitlines() if "n/a" in line or "no store and no erase" in line]
    return {case for case in CASES for line in said if re.search(rf"\b{case}\b", line)}


def proved(said):
    """Triples of protocol, case and client."""
    for protocol, case, client in re.findall(r"^ok - (\S+) · (\S+) · ([^:\n]+):", said, flags=re.M):
        client = re.sub(r"\s+v?\d[\w.+-]*$", "", client)
        yield KIN.get(protocol, protocol), case, MESSAGES if client in ("command", "keyfob") else client
    for protocol, name in re.findall(r"^test tool::(\w+)::(\w+) \.\.\. ok$", said, flags=re.M):
        cases = "|".join(case.replace("-", "_") for case in CASES)
        for case in re.match(rf"((?:{cases})(?:_and_(?:{cases}))*)?", name)[0].split("_and_"):
            yield protocol, case.replace("_", "-"), MESSAGES


def main():
    said = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in sorted(pathlib.Path(sys.argv[1]).glob("*.out")))
    wrong, protocols = [], sections()
    cells = {(protocol, case): set() for protocol in protocols for case in CASES}
    for protocol, case, client in proved(said):
        if (protocol, case) in cells:
            cells[protocol, case].add(client)
        elif case:
            wrong.append(f"`{protocol} · {case}` is no protocol of the page, or no case")
    if all(re.search(rf"^test {test} \.\.\. ok$", said, flags=re.M) for test in SAMPLES):
        for protocol in protocols:
            for case in ("hit", "miss", "malformed"):
                cells[protocol, case].add(MESSAGES)
    lines = ["| protocol | " + " | ".join(case.replace("-", " ") for case in CASES) + " |", "|---" * (len(CASES) + 1) + "|"]
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    for protocol, text in protocols.items():
        row, before = [protocol], dict(zip(CASES, cells_of(old, protocol)))
        for case in CASES:
            clients = cells[protocol, case] | (ELSEWHERE & set(before.get(case, "").split(", ")))
            if case in not_applicable(text) and not clients:
                row.append("n/a")
            else:
                # Real clients first.
                row.append(", ".join(sorted(clients, key=lambda client: (client == MESSAGES, client))))
            if not row[-1]:
                wrong.append(f"`{protocol}`: nothing was proved of the case `{case}`")
        lines.append("| " + " | ".join(row) + " |")
    page = HEAD + "\n".join(lines) + "\n"
    print("\n".join(lines))
    if os.environ.get("KEYFOB_BLESS"):
        PAGE.write_text(page, encoding="utf-8")
    elif page != old:
        wrong.append("docs/protocols.md says something else: run all steps, then `KEYFOB_BLESS=1 .ci/run table`, and look at it")
    for line in wrong:
        print("not ok - " + line)
    return bool(wrong)


def cells_of(page, protocol):
    row = re.search(rf"^\| {re.escape(protocol)} \| (.*) \|$", page, flags=re.M)
    return row[1].split(" | ") if row else []


sys.exit(main())
