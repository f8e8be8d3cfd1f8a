"""Errors stay one readable line, whatever a file put into them."""

from __future__ import annotations

from medseg.errors import LONGEST, InputError


def test_file_cause_and_mend_on_one_line() -> None:
    error = InputError("no such\n  label", file="a.nii.gz", mend="name one of 1, 2")
    assert error.line() == str(error) == "a.nii.gz: no such label; name one of 1, 2"


def test_a_long_cause_loses_its_middle_and_keeps_its_mend() -> None:
    line = InputError("begins" + "x" * 100_000 + "ends", file="a.zip", mend="copy it again").line()
    assert line.startswith("a.zip: begins") and line.endswith("ends; copy it again")
    assert len(line) < LONGEST + 50


def test_codes_for_the_terminal_and_broken_characters_are_shown_as_such() -> None:
    line = InputError("at '\x1b[2J\x00\udcff'", file="a.zip").line()
    assert line == "a.zip: at '\ufffd[2J\ufffd\ufffd'"
    line.encode("utf-8")
