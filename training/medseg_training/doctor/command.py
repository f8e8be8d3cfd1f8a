"""``medseg doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from medseg.cli.common import JsonOption, output, print_json

#: Ends of the process: all well or only warnings; something keeps training from working.
FAILED = 1

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    run: Annotated[
        Path | None, typer.Option("--run", help="Where runs will lie (default: the working folder).")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Look at GPU, driver, torch, memory, disks and packages, and say what to do about what is not well.

    Ends with 0 where training can work, with 1 where something must be mended first.
    """
    from rich.text import Text

    from .examine import examine

    findings = []
    for finding in examine(run):
        findings.append(finding)
        if as_json:
            continue
        state = (f"{finding.state:<5}", STYLES[finding.state])
        output.print(Text.assemble(state, (f"{finding.name}: ", "bold"), finding.what))
        if finding.mend:
            output.print(Text(f"      → {finding.mend}"))
    counts = {state: sum(f.state == state for f in findings) for state in STYLES}
    if as_json:
        print_json({"ok": not counts["fail"], "counts": counts, "findings": [f.as_dict() for f in findings]})
    else:
        output.print(f"{counts['ok']} well, {counts['warn']} to know about, {counts['fail']} to mend (docs/servers.md)")
    return FAILED if counts["fail"] else 0
