"""The description of the API is whole: every operation with its words, its answers, its problems and examples."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from hubwatch_console.api_fields import FIELDS, OF_MODELS
from support.console_document import Operation, check_answer, document, operations

IDS = [f"{each.method} {each.path}" for each in operations()]


def test_it_is_openapi_31_with_nothing_of_the_frameworks() -> None:
    assert document()["openapi"].startswith("3.1")
    assert "HTTPValidationError" not in document()["components"]["schemas"]
    jsonschema_rs.meta.validate({"$defs": document()["components"]["schemas"]})
    names = [each.description["operationId"] for each in operations()]
    assert len(set(names)) == len(names) > 70


def test_every_key_says_what_it_means_and_no_meaning_is_left_over() -> None:
    schemas = document()["components"]["schemas"]
    keys = {(name, key): each for name, schema in schemas.items() for key, each in schema.get("properties", {}).items()}
    assert [place for place, each in keys.items() if not each["description"]] == []
    assert FIELDS.keys() - {key for _, key in keys} == set()
    assert OF_MODELS.keys() - {".".join(place) for place in keys} == set()
    assert [name for name, schema in schemas.items() if not schema.get("description") and "enum" not in schema] == []


@pytest.mark.parametrize("operation", operations(), ids=IDS)
def test_operation_is_described(operation: Operation) -> None:
    said = operation.description
    assert said["description"].endswith(".")
    assert said["tags"]
    assert [each["name"] for each in said["parameters"] if not each["description"]] == []
    assert all(each["description"] for each in said["responses"].values())
    assert {"429", "503"} <= said["responses"].keys()
    if "security" in said:
        assert {"401", "403"} <= said["responses"].keys()
        keyed = "Idempotency-Key" in {each["name"] for each in said["parameters"]}
        assert keyed == (operation.method not in {"GET", "HEAD"})
    for status, response in said["responses"].items():
        if status[0] in "45" and "text/html" not in response["content"]:
            assert response["content"].keys() == {"application/problem+json"}
        elif status not in {"204", "304"}:
            assert all("schema" in each or kind == "text/html" for kind, each in response["content"].items())


def media(operation: Operation) -> list[dict[str, Any]]:
    said = operation.description
    answers = [response.get("content", {}) for status, response in said["responses"].items() if status[0] == "2"]
    contents = [*answers, said.get("requestBody", {}).get("content", {})]
    return [each for content in contents for kind, each in content.items() if "json" in kind]


@pytest.mark.parametrize("operation", operations(), ids=IDS)
def test_example_is_one_that_its_schema_has(operation: Operation) -> None:
    for each in media(operation):
        whole = {**each["schema"], "components": document()["components"]}
        assert [error.message for error in jsonschema_rs.validator_for(whole).iter_errors(each["example"])] == []


def test_answer_that_is_not_described_is_told() -> None:
    """The support of all other tests of the API must be able to fail."""
    with pytest.raises(AssertionError, match="is not described"):
        check_answer("GET", "/alarms", 418, "application/json", {})
    with pytest.raises(AssertionError, match="described are"):
        check_answer("GET", "/alarms", 200, "text/plain", "")
    with pytest.raises(AssertionError, match="required"):
        check_answer("GET", "/alarms", 200, "application/json", {"alarms": []})
    with pytest.raises(AssertionError, match="secret"):
        check_answer("GET", "/notice", 200, "application/json", {"notice": None, "secret": 1})
