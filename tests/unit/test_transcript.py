"""How the documentation's transcripts are read, run and written."""

from __future__ import annotations

from tests.support.transcript import BLOCK, MORE, Step, block_of, run, steps_in

TEXT = """\
before

```console
$ true
$ printf 'one\\ntwo\\nthree\\n'
one
...
$ false
$ echo $?
1
```
"""


def test_a_block_is_run_and_written_as_it_is_shown() -> None:
    (block,) = BLOCK.findall(TEXT)
    documented = steps_in(block)
    assert documented[1] == Step("printf 'one\\ntwo\\nthree\\n'", ("one", MORE))
    assert block_of(documented) == block
    found = run([step.command for step in documented], {})
    assert [one.like(step) for one, step in zip(found, documented, strict=True)] == documented


def test_what_is_other_in_each_run_is_not_compared_and_the_rest_is() -> None:
    (now,) = run(["echo at 2027-01-31T09:08:07.123456Z, http://127.0.0.1:41234/x; echo no >&2"], {})
    assert now.printed == ("at 2026-11-24T16:27:16.337578Z, http://127.0.0.1:8000/x", "no")
    assert now.like(Step(now.command, ("at another time", MORE))) != Step(now.command, ("at another time", MORE))
