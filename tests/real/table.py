"""The table of docs/protocols.md: which protocol was proved in which case, by which client.

It reads what the steps of `.ci/run` said (target/ci/NAME.out) and the sections of `protocol.md`, and knows no protocol itself.
A cell is filled by what ran: a line `ok - PROTOCOL · CASE · CLIENT: …` of a driver, or a test `tool::PROTOCOL::CASE_…`, which
sends what the client's schema or documentation says and reads what comes back. keyfob, called by a driver itself, is no client.
It fails if a cell is empty that the section does not call `n/a`, and if the page says something else; KEYFOB_BLESS=1 writes it.
"""

import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "protocols.md"
CASES = ["hit", "miss", "store", "erase", "refreshed", "malformed", "two-accounts", "locked"]
SCHEMA = "schema"
# What a driver says of a client that it did not find (`skip`), and how the page says that a client was asked another time.
SKIPPED = r"^SKIPPED: (\S+): "
EARLIER = " (an earlier run)"
# Tools that have no protocol of their own.
KIN = {"containers": "docker"}
HEAD = """# What was proved of each protocol

Every protocol of [protocol.md](../protocol.md), every case, and by which client it was proved in the project's checks; `tests/real/table.py` writes this page from what they said, and fails where a cell is empty.
A name is that of a real client, which `tests/real` runs against servers on the loopback that check what they are sent.
`schema` are tests that send and expect what the client's schema or documentation says (`tests/it/tool`): beside a client's name they prove more of the same, and alone they say that no client proves this case.
A client that can be had from no registry stands with “an earlier run” where the run that wrote this page did not find it; what it proved fills no cell then.
`n/a`: the protocol has no such case.
`refreshed` is a session whose token had ended, `two accounts` are two that fit, `locked` is a store behind a passphrase that nobody typed.

"""


def sections():
    """The protocols that the page tells of, each with its text."""
    parts = re.split(r"^## (.+)\n", (ROOT / "protocol.md").read_text(encoding="utf-8"), flags=re.M)[1:]
    found = dict(zip(parts[::2], parts[1::2]))
    # The native protocol is git's.
    others = {"The native protocol", *KIN}
    return {name: text for name, text in found.items() if "### How it is called" in text and name not in others}


def not_applicable(text):
    """The cases that a section says its protocol has not: `n/a`, or "no store and no erase"."""
    said = [line for line in text.splitlines() if "n/a" in line or "no store and no erase" in line]
    return {case for case in CASES for line in said if re.search(rf"\b{case}\b", line)}


def by_clients(said):
    """What a driver announced: triples of protocol, case and client."""
    for protocol, case, client in re.findall(r"^ok - (\S+) · (\S+) · ([^:\n]+):", said, flags=re.M):
        client = re.sub(r"\s+v?\d[\w.+-]*$", "", client)
        if client != "keyfob":
            yield KIN.get(protocol, protocol), case, client


def by_schema(said):
    """What the test run did, in the same form; a test's name can begin with two cases."""
    cases = "|".join(case.replace("-", "_") for case in CASES)
    for protocol, name in re.findall(r"^test tool::(\w+)::(\w+) \.\.\. ok$", said, flags=re.M):
        for case in re.match(rf"((?:{cases})(?:_and_(?:{cases}))*)?", name)[0].split("_and_"):
            yield protocol, case.replace("_", "-"), SCHEMA


def cells_of(page, protocol):
    row = re.search(rf"^\| {re.escape(protocol)} \| (.*) \|$", page, flags=re.M)
    return dict(zip(CASES, row[1].replace(EARLIER, "").split(" | "))) if row else {}


def collected(place, protocols, wrong):
    """What each cell was proved by, and the clients that could not be had."""
    cells = {(protocol, case): set() for protocol in protocols for case in CASES}
    absent = set()
    for path in sorted(place.glob("*.out")):
        said = path.read_text(encoding="utf-8", errors="replace")
        if path.stem == "test":
            proved = by_schema(said)
        elif (ROOT / "tests" / "real" / (path.stem + ".sh")).exists():
            absent.update(re.findall(SKIPPED, said, flags=re.M))
            proved = by_clients(said)
        else:
            continue
        if re.search(r"^not ok - |^test \S+ \.\.\. FAILED$", said, flags=re.M):
            wrong.append(f"the last run of the step `{path.stem}` failed")
        for protocol, case, client in proved:
            if (protocol, case) in cells:
                cells[protocol, case].add(client)
            elif client != SCHEMA:
                wrong.append(f"`{protocol} · {case}` is no protocol of the page, or no case")
    return cells, absent


def main():
    wrong, protocols = [], sections()
    cells, absent = collected(pathlib.Path(sys.argv[1]), protocols, wrong)
    lines = ["| protocol | " + " | ".join(case.replace("-", " ") for case in CASES) + " |", "|---" * (len(CASES) + 1) + "|"]
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    for protocol, text in protocols.items():
        row, before = [protocol], cells_of(old, protocol)
        for case in CASES:
            clients = cells[protocol, case]
            if not clients and case in not_applicable(text):
                row.append("n/a")
                continue
            if not clients:
                wrong.append(f"`{protocol}`: nothing was proved of the case `{case}`")
            earlier = {client + EARLIER for client in absent & set(before.get(case, "").split(", "))}
            # Real clients first.
            row.append(", ".join(sorted(clients | earlier, key=lambda client: (client == SCHEMA, client))))
        lines.append("| " + " | ".join(row) + " |")
    page = HEAD + "\n".join(lines) + "\n"
    print("\n".join(lines))
    if os.environ.get("KEYFOB_BLESS"):
        PAGE.write_text(page, encoding="utf-8")
    elif page.replace(EARLIER, "") != old.replace(EARLIER, ""):
        wrong.append("docs/protocols.md says something else: run all steps, then `KEYFOB_BLESS=1 .ci/run table`, and look at it")
    for line in wrong:
        print("not ok - " + line)
    return bool(wrong)


sys.exit(main())
