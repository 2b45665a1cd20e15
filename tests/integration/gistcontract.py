"""GitHub's published description of its gists (OpenAPI), and whether a request or an answer keeps to it.

The description is read where it lies, beside this repository; without it there is nothing to check against.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft7Validator, FormatChecker, ValidationError

PLACE = Path(__file__).parents[2].parent / "shared" / "contracts" / "github-gist-openapi.json"

# what the service answers anywhere, and the description of each request leaves out
ANYWHERE = {"400", "401", "403", "409", "429", "500", "502"}

_FORMATS = FormatChecker(formats=())


@_FORMATS.checks("uri", raises=ValueError)
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme)


@_FORMATS.checks("date-time")
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value))


class GistContract:
    """The description as validators."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._ready: dict[str, Draft7Validator] = {}

    @classmethod
    def find(cls) -> GistContract | None:
        return cls(json.loads(PLACE.read_bytes())) if PLACE.exists() else None

    def request(self, method: str, path: str, query: Mapping[str, str], body: Any) -> list[str]:
        """Return what is wrong with a request: its path, its query, its body (None for none)."""
        template = self.template(path)
        operation = self.document["paths"].get(template, {}).get(method.lower())
        if operation is None:
            return [f"{method} {path} is not described"]
        wrong = []
        known = {parameter["name"]: parameter for parameter in map(self._at, operation.get("parameters", ()))}
        for name, value in query.items():
            if known.get(name, {}).get("in") != "query":
                wrong.append(f"{method} {template} has no parameter {name}")
            elif known[name]["schema"]["type"] == "integer" and not value.isdecimal():
                wrong.append(f"{method} {template}: {name} is not a number")
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if (schema is None) != (body is None):
            return [*wrong, f"{method} {template} has a body, and is described without one, or the reverse"]
        if schema is None:
            return wrong
        if method == "PATCH" and isinstance(body.get("files"), dict):
            # the words and the example say that null deletes a file, and the schema forgot it
            assert operation["requestBody"]["content"]["application/json"]["examples"]["deleteFile"]["value"] == {
                "files": {"hello.py": None}
            }
            body = {**body, "files": {name: file for name, file in body["files"].items() if file is not None}}
        return wrong + self._faults(f"{method} {template}", schema, body)

    def answer(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """Return what is wrong with an answer, *body* being None for none. It may have no field that is not described."""
        template = self.template(path)
        answers = self.document["paths"][template][method.lower()]["responses"]
        where = f"{method} {template} -> {status}"
        if str(status) not in answers:
            if str(status) not in ANYWHERE:
                return [f"{where} is not described"]
            return self._faults(where, {"$ref": "#/components/schemas/basic-error"}, body)
        content = self._at(answers[str(status)]).get("content", {}).get("application/json")
        if content is None:
            return [] if body is None else [f"{where} has a body, and is described without one"]
        return self._faults(where, content["schema"], body)

    def template(self, path: str) -> str:
        """Return the described path that *path* is one of."""
        for template in sorted(self.document["paths"], key=lambda each: each.count("{")):
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
                return str(template)
        return path

    def _at(self, value: Any) -> Any:
        while "$ref" in value:
            found = self.document
            for step in value["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            value = found
        return value

    def _faults(self, where: str, schema: Any, body: Any) -> list[str]:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._ready:
            self._ready[key] = Draft7Validator(self._as_json_schema(schema), format_checker=_FORMATS)
        return [f"{where}: {_spelt(error)}" for error in self._ready[key].iter_errors(body)]

    def _as_json_schema(self, schema: Any) -> Any:
        """Return an OpenAPI 3.0 schema as JSON Schema: `nullable`, references put in, and nothing beyond what is named."""
        schema = self._at(schema)
        made: dict[str, Any] = {}
        for name, value in schema.items():
            if name == "properties":
                made[name] = {each: self._as_json_schema(value[each]) for each in value}
            elif name in ("items", "additionalProperties") and isinstance(value, dict):
                made[name] = self._as_json_schema(value)
            elif name in ("oneOf", "anyOf", "allOf"):
                made[name] = [self._as_json_schema(each) for each in value]
            elif name in ("type", "enum", "required", "format", "additionalProperties"):
                made[name] = value
        if made.get("properties"):
            made.setdefault("additionalProperties", False)
        return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") else made


def _spelt(error: ValidationError) -> str:
    deepest = max([error, *(error.context or ())], key=lambda each: len(each.absolute_path))
    return f"{'/'.join(map(str, deepest.absolute_path)) or 'the whole'}: {deepest.message[:200]}"
