#!/usr/bin/env python3
"""Lists the changes of the API's description that break clients: against the last release tag, and
fails where there are any; before the first release against the last other version, for information.

What is sent may be refused where it was accepted before, or what is answered may lack what was there
before. New operations, optional members of requests, members, values and statuses of answers are no
breaking changes: clients expect them.
"""

import json
import subprocess
import sys
from pathlib import Path

import lint

METHODS = ("get", "put", "post", "patch", "delete")
# Limits of what may be sent: whether a higher or a lower value refuses more.
RISING = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
FALLING = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


def main():
    tag = git("describe", "--tags", "--abbrev=0", "--match", "v*")
    name, old = (tag, document_at(tag)) if tag else last_other_version()
    if old is None:
        print("there is no other version of the description to compare with")
        return
    changes = Comparison(old, lint.document()).changes()
    print(f"{len(changes)} breaking changes since {name}", *changes, sep="\n  ")
    if changes and tag:
        sys.exit("the API may only grow between releases")
    if changes:
        print("There is no release yet: nobody depends on it.")


def git(*command):
    outcome = subprocess.run(["git", *command], cwd=lint.ROOT, capture_output=True, text=True)
    return outcome.stdout.strip() if outcome.returncode == 0 else ""


def document_at(commit):
    text = git("show", f"{commit}:{lint.SNAPSHOT.relative_to(lint.ROOT)}")
    return lint.parsed(text) if text else None


def last_other_version():
    current = lint.document()
    for commit in git("log", "--format=%h", "--", str(lint.SNAPSHOT)).split():
        old = document_at(commit)
        if old is not None and old != current:
            return f"commit {commit}", old
    return "", None


class Comparison:
    """The breaking changes from one description to another."""

    def __init__(self, old, new):
        self.old, self.new = old, new
        self.found = []
        self.compared = set()

    def changes(self):
        for path, item in self.old.get("paths", {}).items():
            for method in METHODS:
                if method in item:
                    new = self.new.get("paths", {}).get(path, {}).get(method)
                    self.operation(f"{method.upper()} {path}", item[method], new)
        return list(dict.fromkeys(self.found))

    def report(self, place, words):
        self.found.append(f"{place}: {words}")

    def operation(self, place, old, new):
        if new is None:
            return self.report(place, "is gone")
        for name in ("operationId", "x-required-scope"):
            if old.get(name) != new.get(name):
                self.report(place, f"{name} was {old.get(name)}, is {new.get(name)}")
        self.parameters(place, old, new)
        self.request_body(place, old.get("requestBody"), new.get("requestBody"))
        for status, response in old.get("responses", {}).items():
            if status not in new.get("responses", {}):
                self.report(place, f"the status {status} is gone")
            else:
                self.response(f"{place} {status}", response, new["responses"][status])

    def parameters(self, place, old, new):
        known, found = (
            {(one["in"], one["name"]): one for one in operation.get("parameters", [])} for operation in (old, new)
        )
        for key, parameter in known.items():
            if key not in found:
                self.report(place, f"the parameter {key[1]} is gone")
            else:
                self.sent(f"{place} {key[1]}", parameter.get("schema", {}), found[key].get("schema", {}))
        for key, parameter in found.items():
            if parameter.get("required") and not known.get(key, {}).get("required"):
                self.report(place, f"the parameter {key[1]} is required")

    def request_body(self, place, old, new):
        if new and new.get("required") and not (old and old.get("required")):
            self.report(place, "the body is required")
        for kind, content in (old or {}).get("content", {}).items():
            if kind not in (new or {}).get("content", {}):
                self.report(place, f"the body cannot be {kind}")
            else:
                self.sent(f"{place} body", content.get("schema", {}), new["content"][kind].get("schema", {}))

    def response(self, place, old, new):
        for name in old.get("headers", {}):
            if name not in new.get("headers", {}):
                self.report(place, f"the header {name} is gone")
        for kind, content in old.get("content", {}).items():
            if kind not in new.get("content", {}):
                self.report(place, f"the answer is no longer {kind}")
            else:
                self.answered(place, content.get("schema", {}), new["content"][kind].get("schema", {}))

    def sent(self, place, old, new):
        """What was accepted must still be."""
        pair = self.resolved(old, new, "sent")
        if pair is None:
            return
        old, new = pair
        if len(old["variants"]) > 1:
            return self.variants(place, old, new, self.sent)
        if new["types"] and not (old["types"] and old["types"] <= new["types"]):
            self.report(place, f"was {words(old['types'])}, must be {words(new['types'])}")
        gone = [value for value in old["enum"] or [] if value not in new["enum"]] if new["enum"] else []
        if gone or (new["enum"] and not old["enum"]):
            self.report(place, f"may no longer be {words(gone) if gone else 'any value'}")
        for name in (*RISING, *FALLING):
            self.limit(place, name, old["plain"].get(name), new["plain"].get(name))
        for name in ("pattern", "format"):
            if new["plain"].get(name) not in (None, old["plain"].get(name)):
                self.report(place, f"must have the {name} {new['plain'][name]}")
        if new["plain"].get("uniqueItems") and not old["plain"].get("uniqueItems"):
            self.report(place, "must have no value twice")
        if new["closed"] and not old["closed"]:
            self.report(place, "may have no other members")
        for name, schema in old["properties"].items():
            if name in new["properties"]:
                self.sent(f"{place}.{name}", schema, new["properties"][name])
            else:
                self.report(place, f"the member {name} is gone")
        for name in sorted(new["required"] - old["required"]):
            self.report(place, f"the member {name} is required")
        self.inner(place, old, new, self.sent)

    def answered(self, place, old, new):
        """What was answered must still be, in the same form."""
        pair = self.resolved(old, new, "answered")
        if pair is None:
            return
        old, new = pair
        if len(old["variants"]) > 1:
            return self.variants(place, old, new, self.answered)
        if old["types"] and not (new["types"] and new["types"] <= old["types"]):
            self.report(place, f"was {words(old['types'])}, can be {words(new['types'])}")
        if old["plain"].get("format") != new["plain"].get("format"):
            self.report(place, f"has another format: {new['plain'].get('format')}")
        for name, schema in old["properties"].items():
            if name in new["properties"]:
                self.answered(f"{place}.{name}", schema, new["properties"][name])
            else:
                self.report(place, f"the member {name} is gone")
        for name in sorted((old["required"] - new["required"]) & new["properties"].keys()):
            self.report(place, f"the member {name} may be absent")
        self.inner(place, old, new, self.answered)

    def inner(self, place, old, new, compare):
        for name, suffix in (("items", "[]"), ("additionalProperties", ".*")):
            parts = [schema["plain"].get(name) for schema in (old, new)]
            if all(isinstance(part, dict) for part in parts):
                compare(f"{place}{suffix}", *parts)

    def variants(self, place, old, new, compare):
        for name, schema in old["variants"].items():
            if name in new["variants"]:
                compare(f"{place}({name})", schema, new["variants"][name])
            elif compare == self.sent:
                self.report(place, f"may no longer be {name}")

    def limit(self, place, name, old, new):
        stricter = new is not None and (old is None or (new > old if name in RISING else new < old))
        # Lengths and counts are never below zero.
        if stricter and not (new == 0 and name.startswith("min") and name != "minimum"):
            self.report(place, f"{name} was {old}, is {new}")

    def resolved(self, old, new, direction):
        """Both schemas as one form; none where they were compared before."""
        key = (json.dumps(old, sort_keys=True), json.dumps(new, sort_keys=True), direction)
        if key in self.compared:
            return None
        if "$ref" in key[0] or "$ref" in key[1]:
            self.compared.add(key)
        return form(self.old, old), form(self.new, new)


def form(document, schema):
    """A schema with its references resolved and its parts joined."""
    result = {
        "types": set(), "enum": [], "plain": {}, "closed": False,
        "properties": {}, "required": set(), "variants": {},
    }
    join(document, schema, result)
    if "null" in result["types"] and result["enum"] and None not in result["enum"]:
        result["enum"] = [*result["enum"], None]
    return result


def join(document, schema, result):
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        join(document, target(document, schema["$ref"]), result)
    types = schema.get("type", [])
    result["types"] |= {types} if isinstance(types, str) else set(types)
    result["enum"] = result["enum"] + schema.get("enum", [schema["const"]] if "const" in schema else [])
    result["plain"].update({name: value for name, value in schema.items() if name not in ("properties", "required")})
    result["closed"] |= schema.get("additionalProperties") is False
    result["properties"].update(schema.get("properties", {}))
    result["required"] |= set(schema.get("required", []))
    for part in schema.get("allOf", []):
        join(document, part, result)
    choices = schema.get("oneOf", []) + schema.get("anyOf", [])
    others = [choice for choice in choices if choice != {"type": "null"}]
    if len(others) < len(choices):
        result["types"].add("null")
    if len(others) == 1:
        join(document, others[0], result)
    result["variants"].update({variant_name(document, choice): choice for choice in others})


def variant_name(document, choice):
    """The value that only this variant has in one of its members, or the name or type of its schema."""
    for schema in form(document, choice)["properties"].values():
        values = form(document, schema)["enum"]
        if len(values) == 1:
            return str(values[0])
    return choice["$ref"].rsplit("/", 1)[-1] if "$ref" in choice else words(form(document, choice)["types"])


def target(document, reference):
    found = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found


def words(values):
    return ", ".join(sorted(map(str, values))) or "anything"


if __name__ == "__main__":
    main()
