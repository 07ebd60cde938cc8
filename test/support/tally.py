# SPDX-License-Identifier: BSD-2-Clause
"""Counts single subtests: tally.py FILE..., each a testlog.json of meson or the TAP output of a script.

Prints "PASSED FAILED" on stdout and what failed, with its output, on stderr. What cannot be seen to have passed has
failed: a program that crashed or timed out, one that never ran because the run was cut short, a plan that was not kept,
a skip, a file without a single test.
"""
import json
import os
import re
import sys


def read_tap(text):
    """Returns (passed, failed) of one TAP stream."""
    passed = failed = 0
    plan = None
    for line in text.splitlines():
        if m := re.match(r"1\.\.(\d+)", line):
            plan = int(m[1])
        elif m := re.match(r"(not )?ok\b([^#]*)(#\s*(skip|todo))?", line, re.IGNORECASE):
            if m[1] or m[4]:
                failed += 1
            else:
                passed += 1
        elif line.startswith("Bail out!"):
            plan = None
    if plan != passed + failed or plan == 0:
        failed += 1
    return passed, failed


def find_missing(path, tests):
    """Returns the names of programs that the build has and the log has not; meson logs one when it has ended."""
    with open(os.path.join(os.path.dirname(path), "../meson-info/intro-tests.json"), encoding="utf-8") as plan:
        planned = [test["name"] for test in json.load(plan)]
    logged = {test["name"].split(" / ")[-1] for test in tests}
    return [name for name in planned if name not in logged]


def read_meson(path):
    passed = failed = 0
    with open(path, encoding="utf-8", errors="replace") as log:
        tests = [json.loads(line) for line in log]
    for test in tests:
        good = test["result"] == "OK"
        looks_like_tap = re.search(r"^1\.\.\d", test.get("stdout") or "", re.MULTILINE)
        p, f = read_tap(test["stdout"]) if looks_like_tap else (int(good), 0)
        if not good and f == 0:
            f = 1
        if f > 0:
            print(f"--- {test['name']}: {test['result']}", file=sys.stderr)
            print(interesting(test.get("stdout") or ""), test.get("stderr") or "", file=sys.stderr)
        passed += p
        failed += f
    for name in find_missing(path, tests):
        print(f"--- {name}: did not run to its end", file=sys.stderr)
        failed += 1
    return passed, failed


def read_script(path):
    with open(path, encoding="utf-8", errors="replace") as log:
        text = log.read()
    passed, failed = read_tap(text)
    if failed:
        print(f"--- {path}", file=sys.stderr)
        print(interesting(text), file=sys.stderr)
    return passed, failed


def interesting(text):
    """The text without the lines of tests that passed."""
    return "\n".join(line for line in text.splitlines() if not re.match(r"ok\b", line))


def main():
    passed = failed = 0
    for path in sys.argv[1:]:
        try:
            p, f = (read_meson if path.endswith(".json") else read_script)(path)
        except (OSError, ValueError, KeyError) as e:
            print(f"--- {path}: {e}", file=sys.stderr)
            p, f = 0, 1
        if p + f == 0:
            print(f"--- {path}: no test ran", file=sys.stderr)
            f = 1
        passed += p
        failed += f
    print(passed, failed)


main()
