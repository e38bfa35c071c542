"""Cut Stripe's published OpenAPI document (MIT) down to the operations that our adapter uses, and all they refer to.

    python tests/support/stripe_server/trim_openapi.py spec3.json

writes `openapi.json` beside this file. The document comes with stripe-mock, in `embedded/openapi/spec3.json`.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

USED: Final[dict[str, tuple[str, ...]]] = {
    "/v1/account_links": ("post",),
    "/v1/accounts": ("post",),
    "/v1/accounts/{account}": ("get",),
    "/v1/charges/{charge}": ("get",),
    "/v1/customers": ("post",),
    "/v1/disputes/{dispute}": ("get",),
    "/v1/events/{id}": ("get",),
    "/v1/payment_intents": ("post",),
    "/v1/payment_intents/{intent}": ("get",),
    "/v1/payment_intents/{intent}/cancel": ("post",),
    "/v1/payment_intents/{intent}/confirm": ("post",),
    "/v1/payment_methods/{payment_method}": ("get",),
    "/v1/payment_methods/{payment_method}/attach": ("post",),
    "/v1/payment_methods/{payment_method}/detach": ("post",),
    "/v1/refunds": ("get", "post"),
    "/v1/refunds/{refund}": ("get",),
    "/v1/setup_intents": ("post",),
    "/v1/transfers": ("get", "post"),
    "/v1/transfers/{transfer}": ("get",),
}


def trimmed(document: dict[str, Any]) -> dict[str, Any]:
    """The operations of USED with every schema they reach."""
    paths = {
        path: {verb: _bare(operation) for verb, operation in document["paths"][path].items() if verb in verbs}
        for path, verbs in ((path, USED[path]) for path in USED if path in document["paths"])
    }
    schemas: dict[str, Any] = {}
    wanted = list(_references(paths))
    while wanted:
        name = wanted.pop()
        if name not in schemas:
            schemas[name] = _bare(document["components"]["schemas"][name])
            wanted += _references(schemas[name])
    info = {key: document["info"][key] for key in ("title", "version", "license") if key in document["info"]}
    return {"openapi": document["openapi"], "info": info, "paths": paths, "components": {"schemas": schemas}}


def _bare(node: Any) -> Any:
    """Without prose and extensions, and with ids only where an object could be expanded: we never ask for that."""
    if isinstance(node, list):
        return [_bare(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "x-expansionResources" in node:
        ids = [option for option in node.get("anyOf", []) if "$ref" not in option]
        node = {**node, "anyOf": ids} if ids else node
    prose = {"description"} if isinstance(node.get("description"), str) else set()
    return {key: _bare(value) for key, value in node.items() if key not in prose and not key.startswith("x-")}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rsplit("/", 1)[1]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


if __name__ == "__main__":
    source = json.loads(Path(sys.argv[1]).read_text())
    target = Path(__file__).with_name("openapi.json")
    target.write_text(json.dumps(trimmed(source), sort_keys=True, separators=(",", ":")) + "\n")
