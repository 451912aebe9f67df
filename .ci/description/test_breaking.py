#!/usr/bin/env python3
"""Tests of breaking.py: one change for each of its rules."""

import copy
import unittest

from breaking import Comparison

OBJECT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "note": {"type": ["string", "null"]},
        "speed": {"$ref": "#/components/schemas/Speed"},
        "until": {"oneOf": [{"$ref": "#/components/schemas/Time"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 9},
    },
}
ANSWER = {"allOf": [{"$ref": "#/components/schemas/Object"}, {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}]}
MESSAGE = {"oneOf": [{"$ref": "#/components/schemas/Text"}, {"$ref": "#/components/schemas/Media"}]}


def variant(kind):
    return {"type": "object", "required": ["type"], "properties": {"type": {"type": "string", "enum": [kind]}}}


def description():
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Object"}}}
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}, "headers": {"ETag": {}}}
    operation = {
        "operationId": "createThing",
        "x-required-scope": "send",
        "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 500}}],
        "requestBody": {"required": False, "content": content},
        "responses": {"201": answer, "422": {}},
    }
    schemas = {
        "Object": {**OBJECT, "properties": {**OBJECT["properties"], "message": MESSAGE}},
        "Answer": ANSWER,
        "Speed": {"type": "string", "enum": ["fast", "slow"]},
        "Time": {"type": "string", "format": "date-time"},
        "Text": variant("text"),
        "Media": variant("media"),
        "Self": {"type": "object", "properties": {"inner": {"$ref": "#/components/schemas/Self"}}},
    }
    return copy.deepcopy({"paths": {"/things": {"post": operation}}, "components": {"schemas": schemas}})


class Breaking(unittest.TestCase):
    def breaks(self, change, *expected):
        self.assertEqual(self.changes(change), list(expected))

    def changes(self, change):
        new = description()
        change(new["paths"]["/things"]["post"], new["components"]["schemas"])
        return [line.removeprefix("POST /things").lstrip(": ") for line in Comparison(description(), new).changes()]

    def test_operations(self):
        new = description()
        new["paths"]["/others"] = new["paths"].pop("/things")
        self.assertEqual(Comparison(description(), new).changes(), ["POST /things: is gone"])
        self.assertEqual(Comparison(description(), description()).changes(), [])
        self.breaks(lambda one, _: one.update(operationId="makeThing"), "operationId was createThing, is makeThing")
        self.breaks(lambda one, _: one.update({"x-required-scope": "admin"}), "x-required-scope was send, is admin")

    def test_parameters(self):
        self.breaks(lambda one, _: one["parameters"].clear(), "the parameter limit is gone")
        self.breaks(lambda one, _: one["parameters"][0].update(required=True), "the parameter limit is required")
        new = {"name": "to", "in": "query", "required": True, "schema": {}}
        self.breaks(lambda one, _: one["parameters"].append(new), "the parameter to is required")
        self.breaks(lambda one, _: one["parameters"].append({**new, "required": False}))
        self.breaks(lambda one, _: one["parameters"][0]["schema"].update(maximum=100), "limit: maximum was 500, is 100")
        self.breaks(lambda one, _: one["parameters"][0]["schema"].update(maximum=900))
        self.breaks(lambda one, _: one["parameters"][0]["schema"].update(minimum=1), "limit: minimum was None, is 1")

    def test_bodies(self):
        self.breaks(lambda one, _: one["requestBody"].update(required=True), "the body is required")
        self.breaks(lambda one, _: one["requestBody"]["content"].clear(), "the body cannot be application/json")

    def test_responses(self):
        self.breaks(lambda one, _: one["responses"].pop("422"), "the status 422 is gone")
        self.breaks(lambda one, _: one["responses"].update({"409": {}}))
        self.breaks(lambda one, _: one["responses"]["201"]["headers"].clear(), "201: the header ETag is gone")
        self.breaks(lambda one, _: one["responses"]["201"]["content"].clear(), "201: the answer is no longer application/json")

    def test_members(self):
        self.breaks(
            lambda _, schemas: schemas["Object"]["properties"].pop("note"),
            "body: the member note is gone", "201: the member note is gone",
        )
        self.breaks(lambda _, schemas: schemas["Object"]["required"].append("note"), "body: the member note is required")
        self.breaks(lambda _, schemas: schemas["Object"]["required"].clear(), "201: the member name may be absent")
        self.breaks(lambda _, schemas: schemas["Object"]["properties"].update(more={"type": "string"}))
        self.breaks(
            lambda _, schemas: schemas["Object"]["properties"]["tags"].update(items={"type": "integer"}),
            "body.tags[]: was string, must be integer", "201.tags[]: was string, can be integer",
        )

    def test_types_and_values(self):
        properties = lambda schemas: schemas["Object"]["properties"]
        self.breaks(lambda _, s: properties(s)["note"].update(type="string"), "body.note: was null, string, must be string")
        self.breaks(
            lambda _, s: properties(s)["name"].update(type=["string", "null"]), "201.name: was string, can be null, string"
        )
        self.breaks(
            lambda _, s: properties(s).update(until={"$ref": "#/components/schemas/Time"}),
            "body.until: was null, string, must be string",
        )
        self.breaks(lambda _, s: s["Speed"]["enum"].remove("slow"), "body.speed: may no longer be slow")
        self.breaks(lambda _, s: s["Speed"]["enum"].append("still"))
        self.breaks(lambda _, s: properties(s)["note"].update(enum=["a"]), "body.note: may no longer be any value")
        self.breaks(lambda _, s: s["Time"].pop("format"), "201.until: has another format: None")
        self.breaks(lambda _, s: s["Text"].update(additionalProperties=False), "body.message(text): may have no other members")
        self.breaks(lambda _, s: s["Object"]["properties"]["message"]["oneOf"].pop(0), "body.message: may no longer be text")

    def test_limits(self):
        name = lambda schemas: schemas["Object"]["properties"]["name"]
        self.breaks(lambda _, s: name(s).update(minLength=2), "body.name: minLength was 1, is 2")
        self.breaks(lambda _, s: name(s).update(minLength=0))
        self.breaks(lambda _, s: name(s).pop("maxLength"))
        self.breaks(lambda _, s: name(s).update(pattern="^a"), "body.name: must have the pattern ^a")
        tags = lambda schemas: schemas["Object"]["properties"]["tags"]
        self.breaks(lambda _, s: tags(s).update(uniqueItems=True), "body.tags: must have no value twice")

    def test_a_schema_that_contains_itself_ends(self):
        def change(one, schemas):
            schemas["Object"]["properties"]["own"] = {"$ref": "#/components/schemas/Self"}

        new, old = description(), description()
        for document in (new, old):
            change(None, document["components"]["schemas"])
        self.assertEqual(Comparison(old, new).changes(), [])


if __name__ == "__main__":
    unittest.main()
