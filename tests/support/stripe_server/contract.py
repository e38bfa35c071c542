"""Checks what crosses the wire against Stripe's published OpenAPI document, cut down by `trim_openapi`."""

import functools
import json
import re
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft4Validator

DOCUMENT: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("openapi.json").read_text())

FORM: Final = "application/x-www-form-urlencoded"


class OffContract(AssertionError):
    """Something that Stripe would not send, or not take."""


def operation_of(verb: str, path: str) -> tuple[str, dict[str, Any]] | None:
    """The operation that answers a request: its path template, and its description."""
    for template, operations in DOCUMENT["paths"].items():
        if verb in operations and _pattern(template).fullmatch(path):
            return template, operations[verb]
    return None


def check_request(verb: str, template: str, form: dict[str, Any]) -> dict[str, Any]:
    """The form's values in the types that the document says. Raises OffContract."""
    body = DOCUMENT["paths"][template][verb].get("requestBody")
    schema = body["content"][FORM]["schema"] if body else {"type": "object", "additionalProperties": False}
    typed: dict[str, Any] = _typed(form, schema)
    _check(f"request {template}", typed, verb, template, "request")
    return typed


def check_answer(verb: str, template: str, status: int, answer: dict[str, Any]) -> None:
    """Raises OffContract unless the answer is what the document says."""
    _check(f"answer of {template}", answer, verb, template, "200" if status == 200 else "default")


def check_object(name: str, value: dict[str, Any]) -> None:
    """Raises OffContract unless the value is what the named schema says."""
    _raise_first(f"object {name}", _validator_of_ref(f"#/components/schemas/{name}"), value)


def _check(what: str, value: dict[str, Any], verb: str, template: str, side: str) -> None:
    _raise_first(what, _validator(verb, template, side), value)


def _raise_first(what: str, validator: Draft4Validator, value: dict[str, Any]) -> None:
    for error in validator.iter_errors(value):
        raise OffContract(f"{what}: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}")


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", template))


@functools.cache
def _schemas() -> dict[str, Any]:
    return {name: _plain(schema) for name, schema in DOCUMENT["components"]["schemas"].items()}


@functools.cache
def _validator(verb: str, template: str, side: str) -> Draft4Validator:
    operation = DOCUMENT["paths"][template][verb]
    if side == "request":
        body = operation.get("requestBody")
        schema = body["content"][FORM]["schema"] if body else {"type": "object", "additionalProperties": False}
    else:
        schema = operation["responses"][side]["content"]["application/json"]["schema"]
    return Draft4Validator({"components": {"schemas": _schemas()}, "allOf": [_plain(schema)]})


@functools.cache
def _validator_of_ref(reference: str) -> Draft4Validator:
    return Draft4Validator({"components": {"schemas": _schemas()}, "allOf": [{"$ref": reference}]})


def _plain(node: Any) -> Any:
    """OpenAPI 3.0's `nullable` said in JSON Schema."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _plain(value) for key, value in node.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


def _typed(value: Any, schema: dict[str, Any]) -> Any:
    """A form's text as the type of its schema: integers and booleans are text on the wire, lists are counted keys."""
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    for option in schema.get("anyOf", ()):
        typed = _typed(value, option)
        if type(typed) is not type(value) or option.get("type") == "string":
            return typed
    match schema.get("type"), value:
        case "integer", str() if re.fullmatch(r"-?\d+", value):
            return int(value)
        case "boolean", ("true" | "false"):
            return value == "true"
        case "array", dict():
            return [_typed(item, schema["items"]) for _, item in sorted(value.items())]
        case "object", dict():
            known, others = schema.get("properties", {}), schema.get("additionalProperties")
            of_others = others if isinstance(others, dict) else {}
            return {key: _typed(item, known.get(key, of_others)) for key, item in value.items()}
    return value
