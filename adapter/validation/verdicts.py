"""What can be said of a code before a binding's strength is applied to it.

The order of the questions is that of HL7's validator: the system, the code in it, its status, its
display, then the value set (https://hl7.org/fhir/valueset-operation-validate-code.html).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from adapter.validation.code_systems import CodeSystem, Concept, is_absolute
from adapter.validation.code_tables import CodeTables, more_detailed
from adapter.validation.issues import Issue
from adapter.validation.languages import is_language, matches
from adapter.validation.value_sets import (
    MIME_TYPES,
    SHORT_MIME_TYPES,
    NoServiceError,
    Trace,
    UnresolvedError,
    ValueSet,
)

Json = dict[str, Any]
# system, version, code, display
Parts = tuple[str | None, str | None, str | None, str | None]
Codings = tuple[tuple[int, Parts], ...]
DEFAULT_LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing said of a code; ``kind`` is that of HL7's tx-issue-type."""

    severity: str
    kind: str
    at: str
    text: str
    name: str
    code: str = "code-invalid"

    def issue(self) -> Issue:
        """The finding as an issue, its path seen from the coding or concept."""
        return Issue(self.severity, self.code, self.at, self.text, self.name)


@dataclass(slots=True)
class Verdict:
    """What came of checking a coding or a concept."""

    severity: str | None = None
    findings: list[Finding] = field(default_factory=list)
    trouble: str | None = None  # no-service, unsupported, other
    messages: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the code may stand."""
        return self.severity in (None, "information", "warning")

    @property
    def message(self) -> str | None:
        """All that was said, in one line."""
        return "; ".join(sorted(set(self.messages))) or None

    @property
    def untold(self) -> bool:
        """Whether something was said that is not among the findings."""
        told = () if self.severity == "fatal" else {f.text for f in self.findings}
        return not set(self.messages) <= set(told)


@dataclass(frozen=True, slots=True)
class Languages:
    """The language asked for; a text of no stated language passes for any."""

    wanted: str

    def right(self, language: str | None) -> bool:
        """Whether a text of a language may be the display."""
        return language is None or matches(self.wanted, language)


class Judge:
    """Gives verdicts with the tables at hand."""

    def __init__(self, tables: CodeTables):
        self.tables = tables

    # -- one coding ----------------------------------------------------------------------------

    def coding(self, parts: Parts, value_set: ValueSet | None, language: str | None) -> Verdict:
        """The verdict on a coding; one without system and display is a bare code."""
        if self.tables.server_side(parts[0]):
            return Verdict("error", [], "no-service")
        return _guarded(language, lambda: self._coding(parts, value_set, language))

    def _coding(self, parts: Parts, value_set: ValueSet | None, language: str | None) -> Verdict:
        system, version, code, display = parts[0] or "", parts[1], parts[2] or "", parts[3]
        if not system and value_set is not None:
            systems = value_set.systems_of(code)
            if len(systems) != 1:
                return _not_inferred(code, systems, value_set)
            system = systems.pop()
        wanted = pinned(value_set, system) if value_set is not None else version
        found = self.tables.system(system, wanted)
        if found is None:
            if system == MIME_TYPES and code in SHORT_MIME_TYPES and value_set is not None:
                return Verdict()
            verdict = self._no_system(system, wanted, value_set, code)
            if verdict.trouble is not None:
                return verdict
        elif not found.usable:
            return _content_missing(found)
        else:
            languages = Languages(language or DEFAULT_LANGUAGE)
            verdict = in_system(found, code, display, "", languages, value_set)
        if not is_absolute(system):
            verdict.findings.insert(0, _relative(system))
        if value_set is not None:
            verdict.findings += self._version(parts, value_set, "", verdict)
            self._member(verdict, value_set, system, code)
        _settle(verdict)
        return verdict

    def _no_system(
        self, system: str, version: str | None, value_set: ValueSet | None, code: str
    ) -> Verdict:
        expanded = value_set.expansion if value_set is not None else None
        if expanded is not None and (system, code) in expanded:
            return Verdict()
        if self.tables.value_set_index(system) is not None:
            text = f"{system} is a value set, not a code system"
            name = "Terminology_TX_System_ValueSet2"
            finding = Finding("error", "invalid-data", ".system", text, name, "invalid")
        else:
            finding = self._unknown(system, version, "")
        if value_set is None:
            text = f"the code cannot be checked without a server ({finding.text})"
            return Verdict("warning", [finding], "other", [text, finding.text])
        return Verdict("warning", [finding], None, [finding.text])

    def _unknown(self, system: str, version: str | None, at: str) -> Finding:
        name = "UNKNOWN_CODESYSTEM"
        text = f"the code system {system} is unknown, so the code was not checked"
        if version is not None:
            name += "_VERSION" if self.tables.system(system) is not None else "_VERSION_NONE"
            text = f"version {version} of the code system {system} is unknown: code not checked"
        return Finding("error", "not-found", at + ".system", text, name, "not-found")

    def _version(
        self, parts: Parts, value_set: ValueSet, at: str, verdict: Verdict
    ) -> list[Finding]:
        """What is said when a coding's version is not that of the value set or of the system."""
        system, version = parts[0], parts[1]
        if system is None or version is None:
            return []
        wanted = pinned(value_set, system)
        effective = version if wanted and more_detailed(wanted, version) else wanted
        held = self.tables.system(system, effective)
        if held is None:
            if effective is None or effective == version:
                return []
            return [_mismatch("error", "", at, system, effective, version)]
        if held.version is None or more_detailed(version, held.version):
            return []
        found = [
            _mismatch("warning", "_DEFAULT", at, system, held.version, version)
            if effective is None
            else _mismatch("error", "", at, system, effective, version)
        ]
        if self.tables.system(system, version) is None:
            verdict.trouble = "unsupported"
            unknown = self._unknown(system, version, at)
            if all(unknown.name != f.name or unknown.at != f.at for f in verdict.findings):
                found.append(unknown)
        return found

    def _member(self, verdict: Verdict, value_set: ValueSet, system: str, code: str) -> None:
        missing = f"'{code}' of {system} is not in the value set {value_set.canonical}"
        if not verdict.ok:
            verdict.messages.append(missing)
            return
        trace = Trace()
        inside = value_set.contains(system, code, trace)
        verdict.findings += _traced(trace, value_set, system, code, "")
        if inside:
            return
        if trace.unsupported:
            verdict.trouble = "unsupported"
        if inside is False and not trace.fragment:
            verdict.severity = "error"
            verdict.messages.append(missing)

    # -- a concept -----------------------------------------------------------------------------

    def concept(
        self, codings: Codings, value_set: ValueSet | None, language: str | None
    ) -> Verdict:
        """The verdict on a CodeableConcept: one of its codings has to be in the value set."""
        if any(self.tables.server_side(system) for _, (system, *_) in codings):
            return Verdict("error", [], "no-service")
        return _guarded(language, lambda: self._concept(codings, value_set, language))

    def _concept(
        self, codings: Codings, value_set: ValueSet | None, language: str | None
    ) -> Verdict:
        verdict = Verdict()
        unresolved: dict[int, Finding] = {}
        for index, parts in codings:
            found = self._one_of(parts, index, value_set, language)
            if isinstance(found, Finding):
                unresolved[index] = found
                if found.name == "UNKNOWN_CODESYSTEM_VERSION":
                    verdict.trouble = "unsupported"
            else:
                verdict.findings += found
        matched, result, fragment = self._members(codings, value_set, unresolved, verdict)
        for index, finding in unresolved.items():
            other = bool(matched) and index not in matched
            verdict.findings.append(_not_checked(finding) if other else finding)
        if value_set is not None and result is False and not fragment:
            text = f"no coding is in the value set {value_set.canonical}"
            verdict.findings.append(Finding("error", "not-in-vs", "", text, ""))
        if any(f.severity == "error" for f in verdict.findings):
            verdict.severity = "error"
        else:
            verdict.trouble = None
            verdict.severity = "warning" if result is None else None
        return verdict

    def _one_of(
        self, parts: Parts, index: int, value_set: ValueSet | None, language: str | None
    ) -> list[Finding] | Finding:
        """What is said of one coding of a concept; a single finding when its system is unknown."""
        system, version, code, display = parts
        at = f".coding[{index}]"
        if system is None:
            text = "a coding without a system has no meaning: give the system"
            name = "Coding_has_no_system__cannot_validate"
            return [Finding("warning", "invalid-data", at, text, name, "invalid")]
        version = version or pinned(value_set, system)
        found = self.tables.system(system, version)
        if found is None:
            return self._unknown(system, version, at)
        if found.content == "supplement":
            text = f"{system} is a supplement, not a code system"
            name = "CODESYSTEM_CS_NO_SUPPLEMENT"
            return [Finding("error", "invalid-data", at + ".system", text, name)]
        if not found.usable:
            return [self._unknown(system, None, at)]
        if code is None:
            text = f"the coding of {system} has no code"
            name = "NO_CODE_PROVIDED_VERSION" if found.version else "NO_CODE_PROVIDED"
            return [Finding("warning", "invalid-data", at + ".code", text, name, "value")]
        languages = Languages(language or DEFAULT_LANGUAGE)
        return in_system(found, code, display, at, languages, value_set).findings

    def _members(
        self,
        codings: Codings,
        value_set: ValueSet | None,
        unresolved: dict[int, Finding],
        verdict: Verdict,
    ) -> tuple[set[int], bool | None, bool]:
        """Which codings are in the value set, whether any is, and whether of a fragment."""
        matched: set[int] = set()
        result: bool | None = False
        fragment = False
        for index, parts in codings if value_set is not None else ():
            system, _, code, _ = parts
            if value_set is None:
                continue
            trace = Trace()
            at = f".coding[{index}]"
            inside = value_set.contains(system, code, trace)
            verdict.findings += _traced(trace, value_set, system or "", code or "", at)
            if system in trace.asked:
                said = [one for one in (unresolved.get(index),) if one is not None]
                known = Verdict(None, [*verdict.findings, *said])
                verdict.findings += self._version(parts, value_set, at, known)
            fragment = fragment or trace.fragment
            if trace.unsupported:
                verdict.trouble = "unsupported"
            if inside:
                matched.add(index)
                result = True
            elif inside is None and result is False:
                result = None
        return matched, result, fragment


def pinned(value_set: ValueSet | None, system: str) -> str | None:
    """The version of a system that the value set's includes ask for."""
    if value_set is None:
        return None
    versions = {i.version for i in value_set.includes if i.system == system and i.version}
    return max(versions) if versions else None


def _guarded(language: str | None, judge: Callable[[], Verdict]) -> Verdict:
    if language is not None and not is_language(language):
        text = f"the resource's language '{language}' is not one, so no code was checked"
        name = "INVALID_DISPLAY_NAME"
        finding = Finding("error", "invalid-display", "", text, name, "processing")
        return Verdict("fatal", [finding], "other", [text])
    try:
        return judge()
    except NoServiceError:
        return Verdict("error", [], "no-service")
    except UnresolvedError as error:
        return Verdict("error", [], "other", [str(error)])
    except RecursionError:
        return Verdict("error", [], "other", ["the value set's imports lead too deep"])


def _relative(system: str) -> Finding:
    text = f"the system '{system}' must be an absolute URI"
    name = "Terminology_TX_System_Relative"
    return Finding("error", "invalid-data", ".system", text, name, "invalid")


def _mismatch(
    severity: str, kind: str, at: str, system: str, meant: str | None, stated: str
) -> Finding:
    text = f"version {stated} of {system} is stated where the value set means {meant}"
    name = f"VALUESET_VALUE_MISMATCH{kind}"
    return Finding(severity, "vs-processing", at + ".version", text, name, "invalid")


def _not_checked(finding: Finding) -> Finding:
    name = "UNKNOWN_CODESYSTEM_CODING_NOT_CHECKED"
    text = finding.text + "; another coding is in the value set"
    return replace(finding, severity="warning", text=text, name=name)


def _not_inferred(code: str, systems: set[str], value_set: ValueSet) -> Verdict:
    if systems:
        text = f"'{code}' is in several systems of {value_set.canonical}: {sorted(systems)}"
        name = "Unable_to_resolve_system__value_set_has_multiple_matches"
    else:
        text = f"'{code}' is in none of the systems of {value_set.canonical}"
        name = "UNABLE_TO_INFER_CODESYSTEM"
    finding = Finding("error", "cannot-infer", "", text, name, "not-found")
    return Verdict("error", [finding], None, [text])


def _content_missing(system: CodeSystem) -> Verdict:
    text = f"the definition of {system.url} has no complete list of codes: the code is not checked"
    return Verdict("warning", [], "other", [text])


def _settle(verdict: Verdict) -> None:
    """Faults among the findings of a code that is a member are faults of the code."""
    if not verdict.ok:
        return
    errors = [f.text for f in verdict.findings if f.severity == "error"]
    if errors:
        verdict.severity = "error"
        verdict.messages = errors
    else:
        names = ("INACTIVE_CONCEPT_FOUND",)
        verdict.messages = [f.text for f in verdict.findings if f.name in names]


def _traced(trace: Trace, value_set: ValueSet, system: str, code: str, at: str) -> list[Finding]:
    found = []
    for url in trace.unknown_value_sets:
        text = f"the value set {url}, which {value_set.canonical} imports, is unknown"
        name = "Unable_to_resolve_value_Set_"
        found.append(Finding("error", "not-found", "", text, name, "not-found"))
    if trace.inactive:
        text = f"'{code}' is no longer active, and {value_set.canonical} wants active codes"
        name = "STATUS_CODE_WARNING_CODE"
        found.append(Finding("error", "code-rule", at + ".code", text, name, "business-rule"))
    if trace.deprecated:
        text = f"'{code}' of {system} is {trace.deprecated} in {value_set.canonical}"
        name = "CONCEPT_DEPRECATED_IN_VALUESET"
        found.append(Finding("warning", "code-comment", at + ".code", text, name, "business-rule"))
    return found


def in_system(
    system: CodeSystem,
    code: str,
    display: str | None,
    at: str,
    languages: Languages,
    value_set: ValueSet | None,
) -> Verdict:
    """A code in a system that has its content: existence, status, display."""
    concept = system.find(code)
    if concept is None:
        return _no_concept(system, code, at)
    verdict = Verdict()
    if concept.code != code:
        text = f"'{code}' is written '{concept.code}' in {system.url}"
        name = "CODE_CASE_DIFFERENCE"
        finding = Finding("information", "code-rule", at + ".code", text, name, "business-rule")
        verdict.findings.append(finding)
    verdict.findings += _status(concept, at)
    # a blank one says nothing: the value's own check warns of it
    if display is not None and display.strip() and not concept.any_display:
        found = _display(system, concept, display, at, languages, value_set)
        if found is not None:
            verdict.findings.append(found)
    return verdict


def _no_concept(system: CodeSystem, code: str, at: str) -> Verdict:
    version = f" {system.version}" if system.version else ""
    if system.content == "fragment":
        text = f"'{code}' is not in the fragment of {system.url}{version} that is known"
        name = "UNKNOWN_CODE_IN_FRAGMENT"
        return Verdict("warning", [Finding("warning", "invalid-code", at + ".code", text, name)])
    text = f"'{code}' is not a code of {system.url}{version}"
    name = "Unknown_Code_in_Version" if system.version else "Unknown_Code_in"
    return Verdict(
        "error", [Finding("error", "invalid-code", at + ".code", text, name)], None, [text]
    )


def _status(concept: Concept, at: str) -> list[Finding]:
    if concept.inactive:
        text = f"the concept '{concept.code}' is no longer active: review its use"
        name = "INACTIVE_CONCEPT_FOUND"
    elif (concept.status or "").lower() == "deprecated":
        text = f"the concept '{concept.code}' is deprecated: review its use"
        name = "DEPRECATED_CONCEPT_FOUND"
    else:
        return []
    return [Finding("warning", "code-comment", at, text, name, "business-rule")]


def _display(
    system: CodeSystem,
    concept: Concept,
    display: str,
    at: str,
    languages: Languages,
    value_set: ValueSet | None,
) -> Finding | None:
    """What is wrong with a display: one of the concept's, in any case, is right."""
    folded, default = display.lower(), False
    valid: list[str] = []
    if concept.display is not None:
        if languages.right(system.language):
            valid.append(concept.display)
        else:
            default = folded == concept.display.lower()
    for language, value in concept.designations:
        if languages.right(language):
            valid.append(value)
        elif language in (None, system.language) and folded == value.lower():
            default = True
    spaced = any(_normal(one) == _normal(display) for one in valid)
    valid += _listed_displays(value_set, system.url, concept.code, languages)
    if folded in {one.lower() for one in valid}:
        return None
    if valid:
        return _other_display(f"{system.url}#{concept.code}", display, at, valid, spaced)
    return _no_display(f"{system.url}#{concept.code}", concept, display, at, default, languages)


def _normal(text: str) -> str:
    return " ".join(text.lower().split())


def _listed_displays(
    value_set: ValueSet | None, url: str, code: str, languages: Languages
) -> list[str]:
    """The displays that the value set itself gives to a code."""
    found: list[str] = []
    for include in value_set.includes if value_set is not None else ():
        listed = include.codes.get(code) if include.system == url else None
        if listed is None or value_set is None:
            continue
        if "display" in listed and languages.right(value_set.language):
            found.append(listed["display"])
        designations = listed.get("designation", [])
        found += [d["value"] for d in designations if languages.right(d.get("language"))]
    return found


def _other_display(named: str, display: str, at: str, valid: list[str], spaced: bool) -> Finding:
    choices = " or ".join(f"'{one}'" for one in valid)
    text = f"the display '{display}' of {named} should be {choices}"
    name = f"Display_Name_{'WS_' if spaced else ''}for__should_be_one_of__instead_of"
    return Finding("error", "invalid-display", at + ".display", text, name, "invalid")


def _no_display(
    named: str, concept: Concept, display: str, at: str, default: bool, languages: Languages
) -> Finding:
    """No display is known in the language asked for."""
    if default:
        severity, name = "information", "NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_OK"
        text = f"{named} has no display in '{languages.wanted}'; '{display}' is its default one"
    elif display != concept.display:
        severity, name = "error", "NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_ERR"
        text = f"the display '{display}' of {named} is unknown: it is '{concept.display or ''}'"
    else:
        severity, name = "warning", "NO_VALID_DISPLAY_FOUND"
        text = f"{named} has no known display in '{languages.wanted}'"
    return Finding(severity, "invalid-display", at + ".display", text, name, "invalid")
