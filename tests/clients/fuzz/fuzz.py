"""Asks an API for whatever its OpenAPI document allows and forbids, and checks every answer against the document.

    fuzz.py SCHEMA URL TOKEN EXAMPLES SEED

SCHEMA is a file, EXAMPLES the cases of an operation beside those at the edges of its schema. Ends with 0 when every check holds.
"""

import pathlib
import sys

import schemathesis
from hypothesis import strategies as st
from schemathesis.cli import schemathesis as cli

TIMES = ["now-15m", "now-2h", "now-1d", "0", "1700000000", "1700000000.5", "1700000000000", "2025-01-02T03:04:05Z",
         "2025-01-02T03:04+02:00"]
SELECTORS = ["", "{}", "cpu", "cpu{}", 'cpu{service="checkout"}', '{namespace=~"sh.*", pod!="x"}',
             'off_cpu{process!~"a|b"}', "process_cpu:cpu:nanoseconds:cpu:nanoseconds{}"]
STATEMENTS = ["SELECT 1", "SELECT count() FROM profiles", "SELECT function, sum(self) FROM functions GROUP BY function",
              "SELECT node, taken, stored, lost FROM deliveries", "SELECT node FROM nodes LIMIT 0"]

schemathesis.openapi.format("time-or-now", st.sampled_from(TIMES))
schemathesis.openapi.format("selector", st.sampled_from(SELECTORS))
schemathesis.openapi.format("sql", st.sampled_from(STATEMENTS))


@schemathesis.hook
def map_case(context, case):
    """What the document cannot say about fields together, in cases that are to be accepted."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return case
    query = case.query
    if query:
        # A range begins before it ends, and every time above is past.
        for name in ("until", "baseUntil"):
            if name in query:
                query[name] = "now"
        # So many steps that an answer can have.
        if "step" in query:
            query["from"] = "now-15m"
    if case.operation.path == "/api/v1/compare":
        sides = {"label": "version", "base": "v1", "with": "v2"}
        case.query = {name: value for name, value in (query or {}).items() if name not in sides} | sides
        # There are no pods in the data of the test.
        if case.query.get("per") == "pod":
            case.query["per"] = "time"
    if case.operation.path == "/api/v1/config" and isinstance(case.body, dict):
        for rule in rules_of(case.body["document"]):
            if rule["action"] == "exclude":
                rule.pop("oneIn", None)
    if case.operation.path == "/api/v1/sql" and isinstance(case.body, dict):
        case.body.pop("params", None)
    return case


def rules_of(document):
    """Rules of filters, wherever the document has them."""
    settings = [document.get("defaults"), *(override["settings"] for override in document.get("overrides") or [])]
    return [rule for of in settings if of for rule in (of.get("filters") or {}).get("rules") or []]


def main(schema, url, token, examples, seed):
    config = pathlib.Path(__file__).with_name("schemathesis.toml")
    cli.main(
        ["--config-file", str(config), "run", schema, "--url", url, "--header", f"Authorization: Bearer {token}",
         "--max-examples", examples, "--seed", seed],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
