"""The constraints of ElementDefinitions, as closures.

https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from adapter.validation.context import Check, Context, Found
from adapter.validation.definitions import CORE, Definitions
from adapter.validation.elements import EXTENSION, Element
from adapter.validation.fhirpath import NotEvaluated, compile_expression, compile_invariant
from adapter.validation.issues import Issue
from adapter.validation.quick_invariants import QUICK, Quick

Test = Callable[[Any, Any, Any], bool]
Query = Callable[[Any, Any], list[Any]]
BEST_PRACTICE = EXTENSION + "elementdefinition-bestpractice"
# tested elsewhere: empty elements, orphans among contained resources, narrative
BUILT_IN = frozenset({"ele-1", "dom-3", "txt-1", "txt-2"})


class Invariants:
    """Compiles constraints, each expression once for a type."""

    def __init__(self, definitions: Definitions, best_practice: bool):
        self.definitions = definitions
        self.best_practice = best_practice
        self.not_evaluated: dict[str, str] = {}
        self._tests: dict[tuple[str, str], Test | None] = {}
        self._of_type: dict[str, frozenset[str]] = {}

    def of(self, element: Element, context: str, profile: str) -> Check | None:
        """One check of all constraints that the element states, or None without any."""
        return self._check(element, context, profile, frozenset())

    def at_use(self, element: Element, code: str, inlined: bool, profile: str) -> Check | None:
        """The check of what an element demands beyond what its type does."""
        if inlined or code in ("", "Extension"):
            return None
        return self._check(element, code, profile, self._type_keys(code))

    def queries(self, expressions: Iterable[str]) -> list[Query]:
        """Expressions that are asked of a whole resource."""
        made = []
        for text in expressions:
            try:
                made.append(compile_expression(text, self.definitions, None))
            except NotEvaluated as error:
                self.not_evaluated[text] = str(error)
        return made

    def expressions(self, expressions: Iterable[str]) -> list[Test]:
        """Tests of bare expressions."""
        made = (self._test(text, "Element", text) for text in expressions)
        return [test for test in made if test is not None]

    def _type_keys(self, code: str) -> frozenset[str]:
        if code not in self._of_type:
            found = self.definitions.structure(code)
            root = found["snapshot"]["element"][0] if found else {}
            keys = frozenset(c["key"] for c in root.get("constraint", ()))
            self._of_type[code] = keys
        return self._of_type[code]

    def _check(
        self, element: Element, context: str, profile: str, skipped: frozenset[str]
    ) -> Check | None:
        compiled = []
        for constraint in element.definition.get("constraint", ()):
            key, expression = constraint["key"], constraint.get("expression")
            if key in BUILT_IN or key in skipped or not expression:
                continue
            best = any(e["url"] == BEST_PRACTICE for e in constraint.get("extension", ()))
            if best and not self.best_practice:
                continue
            test = self._test(expression, context, key)
            if test is not None:
                compiled.append((QUICK.get(expression), test, _issue(constraint, profile)))
        return _run(tuple(compiled)) if compiled else None

    def _test(self, expression: str, context: str, key: str) -> Test | None:
        at = (expression, context)
        if at not in self._tests:
            try:
                self._tests[at] = compile_invariant(expression, self.definitions, context)
            except NotEvaluated as error:
                self._tests[at] = None
                self.not_evaluated[key] = str(error)
        return self._tests[at]


def _issue(constraint: dict[str, Any], profile: str) -> Issue:
    key, human = constraint["key"], constraint.get("human", "")
    source = constraint.get("source") or profile.partition("|")[0]
    severity = constraint.get("severity", "error")
    text = f"Constraint failed: {key}: '{human}'"
    if not source.startswith(CORE):
        text += f" (defined in {source})"
    return Issue(
        severity, "invariant", "", text, f"{source}#{key}", profile=profile, constraint=key
    )


def _run(tests: tuple[tuple[Quick | None, Test, Issue], ...]) -> Check:
    def check(value: Any, sibling: Any, context: Context) -> Found:
        issues: Found = None
        for quick, test, issue in tests:
            if quick is not None and quick(value):
                continue
            try:
                if test(value, sibling, context):
                    continue
                found = issue.below("")
            except NotEvaluated:
                found = Issue(
                    "information", "not-supported", "", f"{issue.constraint}: not evaluated", None
                )
            issues = [*(issues or ()), found]
        return issues

    return check
