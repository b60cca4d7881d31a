"""plain-openapi.yaml is valid, and agrees with plain-protocol.md. Prints `ok NAME` or `FAIL NAME: why`."""

import json
import pathlib
import re
import sys

import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

DOCS = pathlib.Path(sys.argv[1])
TEXT = (DOCS / "plain-protocol.md").read_text()
OPENAPI = yaml.safe_load((DOCS / "plain-openapi.yaml").read_text())
OPERATIONS = [item for path in OPENAPI["paths"].values() for method, item in path.items() if method in ("get", "post", "delete")]
failed = False


def check(name):
    def run(body):
        global failed
        try:
            body()
            print(f"ok {name}")
        except Exception as error:
            failed = True
            print(f"FAIL {name}: {' '.join(str(error).split())[:500]}")

    return run


def section(number):
    return re.search(rf"^##+ {re.escape(number)}\.? .*?(?=^## |\Z)", TEXT, re.M | re.S).group()


def same(document, openapi):
    assert document == openapi, f"only in the text: {sorted(document - openapi)}; only in OpenAPI: {sorted(openapi - document)}"


def fits(value, schema):
    root = {"$ref": f"#/components/schemas/{schema}", "components": OPENAPI["components"]}
    Draft202012Validator(root).validate(value)


@check("plain-openapi.yaml is OpenAPI")
def _():
    validate(OPENAPI)


@check("both name the same statuses")
def _():
    said = set(re.findall(r"^\| (\d{3}) \|", section("10"), re.M))
    said.discard("405")  # of methods that OpenAPI does not list
    same(said, {status for operation in OPERATIONS for status in operation["responses"]})


@check("both name the same query")
def _():
    said = set(re.findall(r"^\| `(\w+)` \|", section("1"), re.M))
    parameters = [p for item in OPENAPI["paths"].values() for p in item["parameters"]]
    parameters += [p for operation in OPERATIONS for p in operation.get("parameters", []) if "name" in p]
    parameters += OPENAPI["components"]["parameters"].values()
    schemes = OPENAPI["components"]["securitySchemes"].values()
    same(said, {p["name"] for p in parameters if p["in"] == "query"} | {s["name"] for s in schemes if s.get("in") == "query"})


@check("both name the same transports")
def _():
    said = re.search(r"^\| `transport` \| (.*) \|$", TEXT, re.M).group(1)
    connect = OPENAPI["components"]["schemas"]["Connect"]["properties"]["data"]["properties"]
    same(set(re.findall(r"`([\w-]+)`", said)), set(connect["transport"]["enum"]))


@check("every JSON of the text fits its schema")
def _():
    lines = [line for block in re.findall(r"^```json\n(.*?)^```", TEXT, re.M | re.S) for line in block.splitlines()]
    assert len(lines) > 5
    for line in lines:
        value = json.loads(line)
        event = value.get("event")
        special = {"connect": "Connect", "disconnect": "Disconnect"}
        fits(value, "Problem" if "status" in value else special.get(event, "Envelope"))


@check("the examples of the schemas fit them")
def _():
    for name, schema in OPENAPI["components"]["schemas"].items():
        for example in schema.get("examples", []):
            fits(example, name)


sys.exit(failed)
