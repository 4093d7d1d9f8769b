"""Codes against their value sets and code systems, with the verdicts of HL7's own validator.

Without a terminology server that validator checks what it has definitions of, and says of the rest
(SNOMED CT, LOINC, RxNorm ...) only that it was not checked; so does this module, and adds two
things: codes that a required value set lists one by one are compared, and check digits are.
Rules: https://hl7.org/fhir/terminologies.html#strength and the validator's messages of that name.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from adapter.errors import UsageError
from adapter.validation import check_digits
from adapter.validation.code_systems import (
    CodeSystem,
    Concept,
    Uris,
    is_absolute,
    of_structure,
    with_supplements,
)
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
Issues = list[Issue]
NOTHING: list[Issue] = []
CACHED = 200_000  # answers kept; a run over more distinct codes starts its cache anew
DEFAULT_LANGUAGE = "en"

# systems that only a server can know: no local content of theirs is trusted
SERVER_SIDE = frozenset(
    """http://hl7.org/fhir/sid/cvx http://loinc.org http://snomed.info/sct
    http://www.nlm.nih.gov/research/umls/rxnorm http://www.ama-assn.org/go/cpt
    http://hl7.org/fhir/ndfrt http://hl7.org/fhir/sid/ndc http://hl7.org/fhir/sid/icd-10
    http://hl7.org/fhir/sid/icd-9-cm http://hl7.org/fhir/sid/icd-10-cm""".split()
)
# systems of which a run without server says that it has none
SERVERLESS = frozenset(
    """http://loinc.org http://unitsofmeasure.org http://hl7.org/fhir/sid/icd-9-cm
    http://snomed.info/sct http://www.nlm.nih.gov/research/umls/rxnorm""".split()
)
EXACT = (
    "http://snomed.info/sct",
    "http://loinc.org",
    "http://unitsofmeasure.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
)
SECURE = frozenset("https" + one.removeprefix("http") for one in EXACT)
HL7 = tuple(f"{s}://{w}hl7.org/fhir" for s in ("http", "https") for w in ("", "www."))
SID = "http://hl7.org/fhir/sid/"
KNOWN_SID = frozenset(
    """ndc icpc-2 icpc-1 icpc-1-nl icd-9 icd-10 cvx srt icd-10-vn icd-10-cm icd-10-am icd-9-cm
    icf-nl ca-hc-npn ca-hc-din dsm5 ex-icd-10-procedures""".split()
)
EXAMPLES = ("http://example.org", "https://example.org")
UCUM = "http://unitsofmeasure.org"
CHECKED = ("required", "extensible", "preferred")


class DefinitionSource(Protocol):
    """What this module needs of ``definitions.Definitions``."""

    def value_set(self, canonical: str, /) -> Json | None:
        """A ValueSet by its canonical."""

    def code_system(self, canonical: str, /) -> Json | None:
        """A CodeSystem by its canonical."""

    def structure(self, canonical: str, /) -> Json | None:
        """A StructureDefinition by its canonical."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing said of a code; ``kind`` is that of HL7's tx-issue-type."""

    severity: str
    kind: str
    at: str
    text: str
    name: str
    code: str = "code-invalid"

    def issue(self, path: str) -> Issue:
        """The finding at a place."""
        return Issue(self.severity, self.code, path + self.at, self.text, self.name)


@dataclass(slots=True)
class Verdict:
    """What came of checking a coding or a concept, before the binding's strength is applied."""

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


@dataclass(frozen=True, slots=True)
class Binding:
    """A value set and how strongly it binds."""

    value_set: ValueSet
    strength: str
    maximum: str | None = None
    derived: bool = False  # stated by a profile: then preferred ones are worth a word

    @property
    def named(self) -> str:
        """The value set's name and canonical."""
        return f"'{self.value_set.name}' ({self.value_set.canonical})"


class Terminology:
    """Checks codes with the definitions at hand; ``mode`` is ``local`` or ``off``.

    Raises UsageError for another mode: a server's URL goes to ``tx_server.choose``.
    """

    def __init__(self, definitions: DefinitionSource, release: str, mode: str = "local"):
        if mode not in ("local", "off"):
            raise UsageError(f"terminology is local, off or a server's URL, not {mode}")
        self.release = release
        self.off = mode == "off"
        self._definitions = definitions
        self._systems: dict[str, CodeSystem | None] = {}
        self._value_sets: dict[str, ValueSet | None] = {}
        self._members: dict[str, frozenset[str] | None] = {}
        self._answers: dict[Any, Issues] = {}
        self._tables: dict[str, Json] = {}

    # -- definitions ------------------------------------------------------------------------

    def value_set_index(self, url: str) -> ValueSet | None:
        """A value set by its canonical, None when it is unknown."""
        if url not in self._value_sets:
            found = self._definitions.value_set(url)
            self._value_sets[url] = (
                None if found is None else ValueSet(found, self, self.release in ("R4", "R4B"))
            )
        return self._value_sets[url]

    def system(self, url: str, version: str | None = None) -> CodeSystem | None:
        """A code system by its URL, None when it, or the version asked for, is unknown."""
        if url not in self._systems:
            self._systems[url] = self._read_system(url)
        found = self._systems[url]
        if found is not None and version and found.version and not same(version, found.version):
            return None
        return found

    def _read_system(self, url: str) -> CodeSystem | None:
        if url == "urn:ietf:rfc:3986":
            return Uris()
        found = self._tables.get(url) or self._definitions.code_system(url)
        if found is not None:
            return CodeSystem(found)
        structure = self._definitions.structure(url) if is_absolute(url) else None
        return of_structure(structure) if structure is not None else None

    def add_csv(self, path: Path) -> None:
        """Adds a table of codes: columns system, code, display.

        A system that has definitions gets further concepts, another one becomes known by these.
        Raises UsageError for a file that is no such table.
        """
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if not {"system", "code"} <= set(rows.fieldnames or ()):
                raise UsageError(f"{path.name} must have the columns system, code and display")
            for number, row in enumerate(rows, 2):
                system, code = (row["system"] or "").strip(), (row["code"] or "").strip()
                if not system or not code:
                    raise UsageError(f"{path.name} line {number} has no system or no code")
                self._add_concept(system, code, (row.get("display") or "").strip())
        self._forget()

    def _add_concept(self, system: str, code: str, display: str) -> None:
        if system not in self._tables:
            known = self._definitions.code_system(system) or {}
            held = known if known.get("content") in ("complete", "fragment") else {}
            base = {"url": system, "content": "complete", "caseSensitive": True, **held}
            self._tables[system] = {**base, "concept": list(base.get("concept", []))}
        concept = {"code": code, "display": display} if display else {"code": code}
        self._tables[system]["concept"].append(concept)

    def add_supplement(self, supplement: Json) -> None:
        """Adds the designations and properties of a CodeSystem supplement to its system."""
        url = str(supplement.get("supplements", "")).partition("|")[0]
        base = self._tables.get(url) or self._definitions.code_system(url)
        if base is not None:
            self._tables[url] = with_supplements(base, [supplement])
            self._forget()

    def _forget(self) -> None:
        for cache in (self._systems, self._value_sets, self._members, self._answers):
            cache.clear()

    def _server_side(self, system: str | None) -> bool:
        return system in SERVER_SIDE and system not in self._tables

    # -- the hot path ------------------------------------------------------------------------

    def members(self, value_set_url: str) -> frozenset[str] | None:
        """The codes of which ``check_code`` has nothing to say; None when they cannot be listed."""
        if self.off:
            return None
        if value_set_url not in self._members:
            self._members[value_set_url] = self._list(value_set_url)
        return self._members[value_set_url]

    def _list(self, url: str) -> frozenset[str] | None:
        value_set = self.value_set_index(url)
        codings = value_set.codes() if value_set is not None else None
        if codings is None:
            return None
        codes = {code for _, code in codings}
        return frozenset(c for c in codes if not self.check_code(c, url, "required", ""))

    def member_of(self, value: Any, value_set_url: str) -> bool | None:
        """Whether a code, Coding or CodeableConcept is in a value set; None when unknown here."""
        value_set = None if self.off else self.value_set_index(value_set_url)
        if value_set is None:
            return None
        if isinstance(value, dict):
            codings = value.get("coding", []) if "coding" in value or "text" in value else [value]
            pairs = [(c.get("system"), c.get("code")) for c in codings if isinstance(c, dict)]
        else:
            pairs = [(None, value)]
        answers = [self._is_member(value_set, s, c) for s, c in pairs if isinstance(c, str)]
        if True in answers:
            return True
        return None if None in answers else False

    def _is_member(self, value_set: ValueSet, system: str | None, code: str) -> bool | None:
        try:
            if system is None:
                systems: set[str] = set()
                value_set.systems_of(code, systems)
                return any(value_set.contains(s, code, Trace(), True) for s in systems)
            return value_set.contains(system, code, Trace(), True)
        except UnresolvedError:
            return None

    # -- the three checks ----------------------------------------------------------------------

    def check_code(
        self,
        code: str,
        value_set_url: str,
        strength: str,
        path: str,
        *,
        language: str | None = None,
        maximum: str | None = None,
        derived: bool = False,
    ) -> Issues:
        """A ``code``, ``uri`` or ``string`` whose system the value set implies."""
        if self.off:
            return NOTHING
        key = (0, code, value_set_url, strength, language, maximum, derived)
        found = self._answers.get(key)
        if found is None:
            found = self._keep(
                key, self._code(code, value_set_url, strength, language, maximum, derived)
            )
        return [one.below(path) for one in found] if found else NOTHING

    def check_coding(
        self,
        coding: Json,
        value_set_url: str | None,
        strength: str | None,
        path: str,
        *,
        language: str | None = None,
        maximum: str | None = None,
        derived: bool = False,
    ) -> Issues:
        """A Coding: its code, its display, and the value set it is bound to, if any."""
        if self.off:
            return NOTHING
        parts = _parts(coding)
        key = (1, parts, value_set_url, strength, language, maximum, derived)
        found = self._answers.get(key)
        if found is None:
            binding = self._binding(value_set_url, strength, maximum, derived)
            found = self._keep(key, self._coding(parts, binding, language))
        return [one.below(path) for one in found] if found else NOTHING

    def check_quantity(
        self,
        quantity: Json,
        value_set_url: str | None,
        strength: str | None,
        path: str,
        *,
        language: str | None = None,
        maximum: str | None = None,
        derived: bool = False,
    ) -> Issues:
        """A Quantity's system and code; the unit is the display where no value set binds."""
        system, code, unit = (quantity.get(name) for name in ("system", "code", "unit"))
        if self.off or (system is None and code is None):
            return NOTHING
        coding = {"system": system, "code": code}
        if value_set_url is None or strength not in CHECKED:
            coding["display"] = unit
        key = (3, _parts(coding), value_set_url, strength, language, maximum, derived)
        found = self._answers.get(key)
        if found is None:
            binding = self._binding(value_set_url, strength, maximum, derived)
            found = self._keep(key, self._quantity(_parts(coding), binding, language))
        return [one.below(path) for one in found] if found else NOTHING

    def check_concept(
        self,
        concept: Json,
        value_set_url: str | None,
        strength: str | None,
        path: str,
        *,
        language: str | None = None,
        maximum: str | None = None,
        derived: bool = False,
    ) -> Issues:
        """A CodeableConcept: all its codings, and the value set it is bound to, if any."""
        if self.off:
            return NOTHING
        codings = concept.get("coding")
        codings = [c for c in codings if isinstance(c, dict)] if isinstance(codings, list) else []
        parts = tuple(_parts(c) for c in codings)
        key = (2, parts, value_set_url, strength, language, maximum, derived)
        found = self._answers.get(key)
        if found is None:
            binding = self._binding(value_set_url, strength, maximum, derived)
            found = self._keep(key, self._concept(parts, binding, language))
        return [one.below(path) for one in found] if found else NOTHING

    def _keep(self, key: Any, found: list[Issue]) -> Issues:
        if len(self._answers) >= CACHED:
            self._answers.clear()
        self._answers[key] = found or NOTHING
        return self._answers[key]

    # -- bindings ------------------------------------------------------------------------------

    def _binding(
        self, url: str | None, strength: str | None, maximum: str | None, derived: bool
    ) -> Binding | str | None:
        """The binding; the URL alone when its value set is unknown."""
        if url is None or strength is None:
            return None
        value_set = self.value_set_index(url)
        return url if value_set is None else Binding(value_set, strength, maximum, derived)

    def _unknown_value_set(self, url: str) -> list[Issue]:
        if self._definitions.code_system(url) is not None:
            text = f"the binding names the code system {url}, not a value set"
            return [_issue("error", "", text, "Terminology_TX_ValueSet_NotFound_CS")]
        text = f"the value set {url} is unknown, so the code was not compared with it"
        return [_issue("warning", "", text, "Terminology_TX_ValueSet_NotFound")]

    def _code(
        self,
        code: str,
        url: str,
        strength: str,
        language: str | None,
        maximum: str | None,
        derived: bool,
    ) -> list[Issue]:
        binding = self._binding(url, strength, maximum, derived)
        if isinstance(binding, str):
            return self._unknown_value_set(binding)
        if binding is None or strength not in CHECKED:
            return []
        verdict = self._judge((None, None, code, None), binding.value_set, language)
        keep_inference = strength == "required"
        issues = _said(verdict, strength, keep_inference)
        if verdict.ok:
            return issues + _remarks(verdict, "TERMINOLOGY_TX")
        if verdict.trouble == "no-service":
            return issues + self._unchecked_code(code)
        if verdict.trouble == "unsupported":
            text = verdict.message or ""
            return [*issues, _issue("warning", "", text, text)]
        if strength == "extensible" and binding.maximum:
            return issues + self._maximum_code(code, binding.maximum, language)
        text = f"'{code}' is not in the value set {binding.named}"
        if verdict.message:
            text += f" ({verdict.message})"
        return issues + _not_in(binding, text, "16", "17", "18")

    def _unchecked_code(self, code: str) -> list[Issue]:
        text = f"'{code}' was not checked: that needs a terminology server"
        return [_issue("information", "", text, "Terminology_TX_NoValid_15")]

    def _maximum_code(self, code: str, url: str, language: str | None) -> list[Issue]:
        value_set = self.value_set_index(url)
        if value_set is None:
            return self._unknown_value_set(url)
        verdict = self._judge((None, None, code, None), value_set, language)
        issues = _said(verdict, None, True)
        if verdict.ok:
            return issues
        if verdict.trouble == "no-service":
            text = f"'{code}' could not be compared with the maximum value set {url}"
            return [*issues, _issue("warning", "", text, "Terminology_TX_NoValid_9")]
        text = f"'{code}' is not in the maximum value set {value_set.canonical}"
        return [*issues, _issue("error", "", text, "Terminology_TX_NoValid_11")]

    def _coding(
        self, parts: Parts, binding: Binding | str | None, language: str | None
    ) -> list[Issue]:
        system, _, code, _ = parts
        issues: list[Issue] = []
        if code is not None and system is None:
            text = "a code without a system has no meaning: give the system"
            issues.append(_issue("warning", "", text, "TERMINOLOGY_TX_SYSTEM_NO_CODE"))
        if system is None or code is None:
            return issues
        return issues + self._coded(parts, binding, language) + _digits(system, code, ".code")

    def _quantity(
        self, parts: Parts, binding: Binding | str | None, language: str | None
    ) -> list[Issue]:
        system, _, code, _ = parts
        if system is None or code is None:
            return []
        return self._coded(parts, binding, language)

    def _coded(
        self, parts: Parts, binding: Binding | str | None, language: str | None
    ) -> list[Issue]:
        issues: list[Issue] = []
        if isinstance(binding, str):
            issues += self._unknown_value_set(binding)
        elif binding is not None and binding.strength in CHECKED:
            return self._bound_coding(parts, binding, language)
        return issues + self._unbound_coding(parts, language)

    def _bound_coding(self, parts: Parts, binding: Binding, language: str | None) -> list[Issue]:
        system, _, code, _ = parts
        strength = binding.strength
        verdict = self._judge(parts, binding.value_set, language)
        issues = _said(verdict, strength, strength != "extensible")
        if verdict.ok:
            return issues + _remarks(verdict, "")
        named = f"{system}#{code}"
        if verdict.trouble == "no-service":
            return issues + self._unchecked_coding([parts], binding, named)
        text = f"{named} is not in the value set {binding.named}"
        if verdict.message:
            text += f" ({verdict.message})"
        if verdict.trouble == "unsupported" and strength == "required":
            told = ("UNKNOWN_CODESYSTEM", "CODESYSTEM_UNSUPPORTED_VERSION")
            if any(f.name in told for f in verdict.findings):
                return issues
            return [*issues, _unknown_system("warning", str(system), ".system")]
        if strength == "extensible" and binding.maximum:
            return issues + self._maximum_coding(parts, binding.maximum, language)
        if verdict.trouble is not None:
            return issues + _bound(binding, text, "Confirm_4a", "Confirm_5", "Confirm_6")
        return issues + _not_in(binding, text, "12", "13", "14")

    def _maximum_coding(self, parts: Parts, url: str, language: str | None) -> list[Issue]:
        value_set = self.value_set_index(url)
        if value_set is None:
            return self._unknown_value_set(url)
        verdict = self._judge(parts, value_set, language)
        issues = _said(verdict, None, True)
        if verdict.ok:
            return issues
        named = f"{parts[0]}#{parts[2]}"
        if verdict.trouble == "no-service":
            text = f"{named} could not be compared with the maximum value set {url}"
            return [*issues, _issue("warning", "", text, "Terminology_TX_NoValid_9")]
        text = f"{named} is not in the maximum value set {value_set.canonical}"
        return [*issues, _issue("error", "", text, "Terminology_TX_NoValid_10")]

    def _unchecked_coding(
        self, codings: Sequence[Parts], binding: Binding, named: str
    ) -> list[Issue]:
        """What stands in a value set one by one can be compared without a server."""
        found = self._enumerated(codings, binding)
        if found:
            return found
        text = f"{named} was not checked: that needs a terminology server"
        return [_issue("information", "", text, "Terminology_TX_Binding_NoServer")]

    def _enumerated(self, codings: Sequence[Parts], binding: Binding) -> list[Issue]:
        if binding.strength != "required":
            return []
        answers = [
            self._is_member(binding.value_set, system, code) if system and code else False
            for system, _, code, _ in codings
        ]
        if not answers or any(one is not False for one in answers):
            return []
        named = ", ".join(f"{system}#{code}" for system, _, code, _ in codings)
        text = f"{named}: not one of the codes that {binding.named} lists, and one is required"
        return [_issue("error", "", text, "Terminology_Enumerated_Code")]

    def _unbound_coding(self, parts: Parts, language: str | None) -> list[Issue]:
        system = parts[0] or ""
        if not system.startswith(("http:", "https:", "urn:")):
            text = f"the system '{system}' must be an absolute URI"
            return [_issue("error", "", text, "Terminology_TX_System_Relative")]
        if self.value_set_index(system) is not None:
            text = f"{system} is a value set, not a code system"
            return [_issue("error", "", text, "Terminology_TX_System_ValueSet2")]
        known = self._known(system, parts[1])
        if known is None:
            return self._unknown(parts)
        verdict = self._judge(parts, None, language)
        issues = _said(verdict, None, True)
        told = {f.text for f in verdict.findings}
        if verdict.severity == "fatal":
            told = set()
        if not set(verdict.messages) - told:
            return issues
        text = verdict.message or ""
        severity = "warning" if verdict.ok else "error"
        return [*issues, _issue(severity, "", text, "Terminology_PassThrough_TX_Message")]

    def _known(self, system: str, version: str | None) -> CodeSystem | None:
        if self._server_side(system) and self.system(system) is None:
            return None
        if system == "urn:ietf:rfc:3986" or self._definitions.code_system(system) is None:
            return self.system(system) if system in self._tables else None
        found = self.system(system, version)
        return found if found is not None and found.content != "not-present" else None

    def _unknown(self, parts: Parts) -> list[Issue]:
        """What is said of a coding whose system has no content here."""
        system, code = parts[0] or "", parts[2]
        if "://build.fhir.org" in system[:24]:
            text = f"{system} is a page of the build, not a code system's URI"
            return [_issue("error", "", text, "TERMINOLOGY_TX_SYSTEM_WRONG_BUILD")]
        if system.startswith(HL7):
            return self._unknown_hl7(system)
        if system in SERVERLESS:
            text = f"'{code}' of {system} was not checked: that needs a terminology server"
            name = "Error_validating_code_running_without_terminology_services"
            return [_issue("warning", "", text, name, "business-rule")]
        if system.startswith(EXACT) and system not in EXACT:
            text = f"{system} is not a code system's URI: something follows it"
            return [_issue("error", "", text, "Terminology_TX_System_Invalid")]
        if system in SERVER_SIDE:
            text = f"'{code}' of {system} was not checked: that needs a terminology server"
            name = "TERMINOLOGY_TX_SYSTEM_UNSUPPORTED"
            return [_issue("warning", "", text, name, "business-rule")]
        return self._unknown_elsewhere(system)

    def _unknown_hl7(self, system: str) -> list[Issue]:
        sid = system.removeprefix(SID)
        if (sid != system and sid in KNOWN_SID) or system.startswith("http://hl7.org/fhir/test"):
            return []
        if system.endswith(".html"):
            text = f"{system} is a page, not a code system's URI"
            return [_issue("error", "", text, "TERMINOLOGY_TX_SYSTEM_WRONG_HTML")]
        if self._definitions.code_system(system) is not None:
            return []
        text = f"HL7 has no code system {system}"
        return [_issue("error", "", text, "Terminology_TX_System_Unknown")]

    def _unknown_elsewhere(self, system: str) -> list[Issue]:
        issues: list[Issue] = []
        if system.startswith("https:"):
            plain = "http:" + system[6:]
            if system in SECURE or self._definitions.code_system(plain) is not None:
                text = f"the system's URI starts with http:, not https: ({system})"
                issues.append(_issue("error", "", text, "TERMINOLOGY_TX_SYSTEM_HTTPS"))
        if system.startswith(EXAMPLES):
            return issues
        found = self._definitions.code_system(system)
        if found is None:
            if not issues:
                issues.append(_unknown_system("information", system, ".system"))
        elif found.get("content") == "not-present":
            text = f"the definition of {system} has no codes, so this one was not checked"
            name = "TERMINOLOGY_TX_SYSTEM_NOT_USABLE"
            issues.append(_issue("information", "", text, name, "unknown"))
        return issues

    def _concept(
        self, codings: tuple[Parts, ...], binding: Binding | str | None, language: str | None
    ) -> list[Issue]:
        issues: list[Issue] = []
        for index, (system, _, code, _) in enumerate(codings):
            if code is not None:
                issues += _digits(system, code, f".coding[{index}].code")
        if isinstance(binding, str):
            issues += self._unknown_value_set(binding)
        elif binding is not None:
            if not codings:
                return issues + _no_coding(binding)
            if binding.strength in CHECKED:
                return issues + self._bound_concept(codings, binding, language)
        if codings:
            issues += _said(self._judge_concept(codings, None, language), None, True)
        return issues

    def _bound_concept(
        self, codings: tuple[Parts, ...], binding: Binding, language: str | None
    ) -> list[Issue]:
        verdict = self._judge_concept(codings, binding.value_set, language)
        strength = binding.strength
        issues = _said(verdict, strength, True)
        named = ", ".join(f"{system}#{code}" for system, _, code, _ in codings)
        if verdict.ok:
            return issues + _remarks(verdict, "")
        if verdict.trouble == "no-service":
            return issues + self._unchecked_concept(codings, binding)
        if verdict.trouble == "unsupported":
            return issues
        if strength == "extensible" and binding.maximum:
            issues += self._maximum_concept(codings, binding.maximum, language)
        text = f"none of the codings is in the value set {binding.named} ({named})"
        return issues + _not_in(binding, text, "1_CC", "2_CC", "3_CC")

    def _unchecked_concept(self, codings: Sequence[Parts], binding: Binding) -> list[Issue]:
        found = self._enumerated(codings, binding)
        if found:
            return found
        text = f"the codings could not be compared with {binding.named}: that needs a server"
        if binding.strength == "required" or (binding.strength == "extensible" and binding.maximum):
            return [_issue("information", "", text, "TERMINOLOGY_TX_NOSVC_BOUND_REQ")]
        if binding.strength == "extensible":
            return [_issue("information", "", text, "TERMINOLOGY_TX_NOSVC_BOUND_EXT")]
        return []

    def _maximum_concept(
        self, codings: tuple[Parts, ...], url: str, language: str | None
    ) -> list[Issue]:
        value_set = self.value_set_index(url)
        if value_set is None:
            return self._unknown_value_set(url)
        verdict = self._judge_concept(codings, value_set, language)
        issues = _said(verdict, None, True)
        if verdict.ok:
            return issues
        named = ", ".join(f"{system}#{code}" for system, _, code, _ in codings)
        if verdict.trouble == "no-service":
            text = f"the codings could not be compared with the maximum value set {url}"
            return [*issues, _issue("warning", "", text, "Terminology_TX_NoValid_7")]
        text = f"none of the codings is in the maximum value set {value_set.canonical} ({named})"
        return [*issues, _issue("error", "", text, "Terminology_TX_NoValid_8")]

    # -- verdicts --------------------------------------------------------------------------------

    def _judge(self, parts: Parts, value_set: ValueSet | None, language: str | None) -> Verdict:
        """A coding, or a bare code when it has neither system nor display."""
        if self._server_side(parts[0]):
            return Verdict("error", [], "no-service")
        if language is not None and not is_language(language):
            return _bad_language(language)
        try:
            return self._judge_coding(parts, value_set, language)
        except NoServiceError:
            return Verdict("error", [], "no-service")
        except UnresolvedError as error:
            return Verdict("error", [], "other", [str(error)])

    def _judge_coding(
        self, parts: Parts, value_set: ValueSet | None, language: str | None
    ) -> Verdict:
        system, version, code, display = parts[0] or "", parts[1], parts[2] or "", parts[3]
        if not system and value_set is not None:
            systems: set[str] = set()
            value_set.systems_of(code, systems)
            if len(systems) != 1:
                return _not_inferred(code, systems, value_set)
            system = systems.pop()
        pinned = _pinned(value_set, system)
        found = self.system(system, pinned or version)
        if found is None:
            if system == MIME_TYPES and code in SHORT_MIME_TYPES and value_set is not None:
                return Verdict()
            verdict = self._without_system(system, pinned or version, value_set, code)
            if verdict.trouble is not None:
                return verdict
        elif not found.usable:
            return _content_missing(found)
        else:
            verdict = _in_system(found, code, display, "", _languages(language, True), value_set)
        if not is_absolute(system):
            text = f"the system '{system}' must be an absolute URI"
            relative = Finding("error", "invalid-data", ".system", text, *RELATIVE)
            verdict.findings.insert(0, relative)
        if found is not None and version and not pinned:
            self._version(found, version, verdict)
        if value_set is not None:
            self._in_value_set(verdict, value_set, system, code)
        _settle(verdict)
        return verdict

    def _version(self, system: CodeSystem, version: str, verdict: Verdict) -> None:
        """``system`` has the version asked for, or states none."""

    def _without_system(
        self, system: str, version: str | None, value_set: ValueSet | None, code: str
    ) -> Verdict:
        expanded = value_set.expansion if value_set is not None else None
        if expanded is not None and (system, code) in expanded:
            return Verdict()
        if self.value_set_index(system) is not None:
            text = f"{system} is a value set, not a code system"
            name = "Terminology_TX_System_ValueSet2"
            finding = Finding("error", "invalid-data", ".system", text, name, "invalid")
        elif version is not None and self.system(system) is not None:
            text = f"version {version} of the code system {system} is unknown"
            name = "UNKNOWN_CODESYSTEM_VERSION"
            finding = Finding("error", "not-found", ".system", text, name, "not-found")
        elif version is not None:
            text = f"the code system {system} is unknown, so the code was not checked"
            name = "UNKNOWN_CODESYSTEM_VERSION_NONE"
            finding = Finding("error", "not-found", ".system", text, name, "not-found")
        else:
            finding = _unknown("", system)
        if value_set is None:
            text = f"the code cannot be checked without a server ({finding.text})"
            return Verdict("warning", [finding], "other", [text, finding.text])
        return Verdict("warning", [finding], None, [finding.text])

    def _in_value_set(self, verdict: Verdict, value_set: ValueSet, system: str, code: str) -> None:
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

    def _judge_concept(
        self, codings: tuple[Parts, ...], value_set: ValueSet | None, language: str | None
    ) -> Verdict:
        if any(self._server_side(system) for system, *_ in codings):
            return Verdict("error", [], "no-service")
        if language is not None and not is_language(language):
            return _bad_language(language)
        try:
            return self._judge_codings(codings, value_set, language)
        except NoServiceError:
            return Verdict("error", [], "no-service")
        except UnresolvedError as error:
            return Verdict("error", [], "other", [str(error)])

    def _judge_codings(
        self, codings: tuple[Parts, ...], value_set: ValueSet | None, language: str | None
    ) -> Verdict:
        verdict = Verdict()
        unresolved: dict[int, list[Finding]] = {}
        for index, parts in enumerate(codings):
            found, resolved = self._one_of(parts, index, value_set, language)
            if not resolved:
                unresolved[index] = found
            else:
                verdict.findings += found
        matched, result, fragment = self._any_in_value_set(codings, value_set, verdict)
        for index, found in unresolved.items():
            other = matched and index not in matched
            verdict.findings += [_not_checked(f) for f in found] if other else found
        if value_set is not None and result is False and not fragment:
            text = f"no coding is in the value set {value_set.canonical}"
            verdict.findings.append(Finding("error", "not-in-vs", "", text, "", "code-invalid"))
        if any(f.severity == "error" for f in verdict.findings):
            verdict.severity = "error"
        else:
            verdict.trouble = None
            verdict.severity = "warning" if result is None else None
        return verdict

    def _one_of(
        self, parts: Parts, index: int, value_set: ValueSet | None, language: str | None
    ) -> tuple[list[Finding], bool]:
        """What is said of one coding of a concept, and whether its system could be found."""
        system, version, code, display = parts
        at = f".coding[{index}]"
        if system is None:
            text = "a coding without a system has no meaning: give the system"
            name = "Coding_has_no_system__cannot_validate"
            return [Finding("warning", "invalid-data", at, text, name, "invalid")], True
        found = self.system(system, _pinned(value_set, system) or version)
        if found is None:
            return [self._system_missing(system, version, at)], False
        if found.content == "supplement":
            text = f"{system} is a supplement, not a code system"
            name = "CODESYSTEM_CS_NO_SUPPLEMENT"
            return [Finding("error", "invalid-data", at + ".system", text, name)], True
        if not found.usable:
            return [_unknown(at, system)], True
        if code is None:
            text = f"the coding of {system} has no code"
            name = "NO_CODE_PROVIDED_VERSION" if found.version else "NO_CODE_PROVIDED"
            return [Finding("warning", "invalid-data", at + ".code", text, name, "value")], True
        languages = _languages(language, False)
        return _in_system(found, code, display, at, languages, value_set).findings, True

    def _system_missing(self, system: str, version: str | None, at: str) -> Finding:
        if version is None:
            return _unknown(at, system)
        held = self.system(system)
        name = "UNKNOWN_CODESYSTEM_VERSION" + ("_NONE" if held is None else "")
        text = f"version {version} of the code system {system} is unknown: the code is not checked"
        return Finding("error", "not-found", at + ".system", text, name, "not-found")

    def _any_in_value_set(
        self, codings: tuple[Parts, ...], value_set: ValueSet | None, verdict: Verdict
    ) -> tuple[set[int], bool | None, bool]:
        matched: set[int] = set()
        result: bool | None = False
        trace = Trace()
        for index, (system, _, code, _) in enumerate(codings):
            if value_set is None:
                break
            one = Trace()
            inside = value_set.contains(system, code, one) if code is not None else False
            if system is not None and code is not None:
                at = f".coding[{index}]"
                verdict.findings += _traced(one, value_set, system, code, at)
            trace.fragment = trace.fragment or one.fragment
            if one.unsupported:
                verdict.trouble = "unsupported"
            if inside:
                matched.add(index)
                result = True
            elif inside is None and result is False:
                result = None
        return matched, result, trace.fragment


Parts = tuple[str | None, str | None, str | None, str | None]
RELATIVE = ("Terminology_TX_System_Relative", "invalid")


def same(wanted: str, held: str) -> bool:
    """Whether a version is the one wanted: exactly, or the one wanted names its first parts."""
    return wanted == held or held.startswith(wanted + ".")


def _parts(coding: Json) -> Parts:
    system, version, code, display = (
        coding.get(name) for name in ("system", "version", "code", "display")
    )
    return (
        system if isinstance(system, str) and system else None,
        version if isinstance(version, str) and version else None,
        code if isinstance(code, str) and code else None,
        display if isinstance(display, str) and display else None,
    )


def _issue(severity: str, at: str, text: str, name: str, code: str = "code-invalid") -> Issue:
    return Issue(severity, code, at, text, name)


def _digits(system: str | None, code: str, at: str) -> list[Issue]:
    text = check_digits.problem(system, code)
    return [] if text is None else [_issue("warning", at, text, "Code_Check_Digit")]


def _pinned(value_set: ValueSet | None, system: str) -> str | None:
    """The version of a system that the value set's includes ask for."""
    if value_set is None:
        return None
    versions = {i.version for i in value_set.includes if i.system == system and i.version}
    return max(versions) if versions else None


def _languages(language: str | None, english: bool) -> tuple[str, bool]:
    """The language asked for, and whether a text of no stated language passes for it."""
    wanted = language or DEFAULT_LANGUAGE
    return wanted, english or "en" in wanted


def _unknown(at: str, system: str) -> Finding:
    text = f"the code system {system} is unknown, so the code was not checked"
    return Finding("error", "not-found", at + ".system", text, "UNKNOWN_CODESYSTEM", "not-found")


def _unknown_system(severity: str, system: str, at: str) -> Issue:
    text = f"the code system {system} is unknown, so the code was not checked"
    return _issue(severity, at, text, "UNKNOWN_CODESYSTEM", "unknown")


def _not_checked(finding: Finding) -> Finding:
    name = "UNKNOWN_CODESYSTEM_CODING_NOT_CHECKED"
    text = finding.text + "; another coding is in the value set"
    return replace(finding, severity="warning", text=text, name=name)


def _bad_language(language: str) -> Verdict:
    text = f"the resource's language '{language}' is not one, so no code was checked"
    finding = Finding("error", "invalid-display", "", text, "INVALID_DISPLAY_NAME", "processing")
    return Verdict("fatal", [finding], "other", [text])


def _not_inferred(code: str, systems: set[str], value_set: ValueSet) -> Verdict:
    if systems:
        text = f"'{code}' is in several systems of {value_set.canonical}: {sorted(systems)}"
        name = "Unable_to_resolve_system__value_set_has_multiple_matches"
    else:
        text = f"'{code}' is in none of the systems of {value_set.canonical}"
        name = "UNABLE_TO_INFER_CODESYSTEM"
    return Verdict(
        "error", [Finding("error", "cannot-infer", "", text, name, "not-found")], None, [text]
    )


def _content_missing(system: CodeSystem) -> Verdict:
    text = f"the definition of {system.url} has no complete list of codes: the code is not checked"
    return Verdict("warning", [], "other", [text])


def _settle(verdict: Verdict) -> None:
    """Faults among the findings of a code that is a member are faults of the code."""
    if verdict.ok:
        errors = [f.text for f in verdict.findings if f.severity == "error"]
        if errors:
            verdict.severity = "error"
            verdict.messages = errors
            return
        verdict.messages = [f.text for f in verdict.findings if f.name == "INACTIVE_CONCEPT_FOUND"]


def _traced(trace: Trace, value_set: ValueSet, system: str, code: str, at: str) -> list[Finding]:
    found = []
    if trace.inactive:
        text = f"'{code}' is no longer active, and {value_set.canonical} wants active codes"
        name = "STATUS_CODE_WARNING_CODE"
        found.append(Finding("error", "code-rule", at + ".code", text, name, "business-rule"))
    if trace.deprecated:
        text = f"'{code}' of {system} is {trace.deprecated} in {value_set.canonical}"
        name = "CONCEPT_DEPRECATED_IN_VALUESET"
        found.append(Finding("warning", "code-comment", at + ".code", text, name, "business-rule"))
    return found


def _in_system(
    system: CodeSystem,
    code: str,
    display: str | None,
    at: str,
    languages: tuple[str, bool],
    value_set: ValueSet | None,
) -> Verdict:
    """A code in a system that has its content: existence, status, display."""
    concept = system.find(code)
    version = f" {system.version}" if system.version else ""
    if concept is None:
        if system.content == "fragment":
            text = f"'{code}' is not in the fragment of {system.url}{version} that is known"
            name = "UNKNOWN_CODE_IN_FRAGMENT"
            return Verdict(
                "warning", [Finding("warning", "invalid-code", at + ".code", text, name)]
            )
        text = f"'{code}' is not a code of {system.url}{version}"
        name = "Unknown_Code_in_Version" if system.version else "Unknown_Code_in"
        finding = Finding("error", "invalid-code", at + ".code", text, name)
        return Verdict("error", [finding], None, [text])
    verdict = Verdict()
    if concept.code != code:
        text = f"'{code}' is written '{concept.code}' in {system.url}"
        finding = Finding(
            "information", "code-rule", at + ".code", text, "CODE_CASE_DIFFERENCE", "business-rule"
        )
        verdict.findings.append(finding)
    verdict.findings += _status(concept, at)
    if display is not None and system.url != "urn:ietf:rfc:3986":
        found = _display(system, concept, display, at, languages, value_set)
        if found is not None:
            verdict.findings.append(found)
    return verdict


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


def _normal(text: str) -> str:
    return " ".join(text.lower().split())


def _display(
    system: CodeSystem,
    concept: Concept,
    display: str,
    at: str,
    languages: tuple[str, bool],
    value_set: ValueSet | None,
) -> Finding | None:
    """What is wrong with a display: one of the concept's, of any case, is right."""
    wanted, untagged = languages

    def right(language: str | None) -> bool:
        return untagged if language is None else matches(wanted, language)

    folded, default = display.lower(), False
    valid: list[str] = []
    if concept.display is not None:
        if right(system.language):
            valid.append(concept.display)
        else:
            default = folded == concept.display.lower()
    for language, value in concept.designations:
        if right(language):
            valid.append(value)
        elif language in (None, system.language) and folded == value.lower():
            default = True
    spaced = any(_normal(one) == _normal(display) for one in valid)
    valid += _listed_displays(value_set, system.url, concept.code, right)
    if folded in {one.lower() for one in valid}:
        return None
    return _wrong_display(system, concept, display, at, valid, spaced, default, wanted)


def _listed_displays(value_set: ValueSet | None, url: str, code: str, right: Any) -> list[str]:
    found = []
    for include in value_set.includes if value_set is not None else ():
        listed = include.codes.get(code) if include.system == url else None
        if listed is not None:
            if "display" in listed and value_set is not None and right(value_set.language):
                found.append(listed["display"])
            found += [d["value"] for d in listed.get("designation", []) if right(d.get("language"))]
    return found


def _wrong_display(
    system: CodeSystem,
    concept: Concept,
    display: str,
    at: str,
    valid: list[str],
    spaced: bool,
    default: bool,
    wanted: str,
) -> Finding | None:
    at += ".display"
    named = f"{system.url}#{concept.code}"
    if valid:
        choices = " or ".join(f"'{one}'" for one in valid)
        text = f"the display '{display}' of {named} should be {choices}"
        name = "Display_Name_for__should_be_one_of__instead_of"
        if spaced:
            name = "Display_Name_WS_for__should_be_one_of__instead_of"
        return Finding("error", "invalid-display", at, text, name, "invalid")
    if default:
        text = f"{named} has no display in '{wanted}'; '{display}' is its default one"
        name = "NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_OK"
        return Finding("information", "invalid-display", at, text, name, "invalid")
    if concept.display is not None and display != concept.display:
        text = f"the display '{display}' of {named} is unknown: it is '{concept.display}'"
        name = "NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_ERR"
        return Finding("error", "invalid-display", at, text, name, "invalid")
    text = f"{named} has no known display in '{wanted}'"
    return Finding("warning", "invalid-display", at, text, "NO_VALID_DISPLAY_FOUND", "invalid")


def _said(verdict: Verdict, strength: str | None, keep_inference: bool) -> list[Issue]:
    """The findings as issues; an unknown system weighs what the binding makes of it."""
    issues = []
    for finding in verdict.findings:
        if finding.kind == "not-in-vs" or (finding.kind == "cannot-infer" and not keep_inference):
            continue
        if finding.kind == "not-found" and finding.severity == "error":
            hl7 = "http://hl7.org/fhir" in finding.text or (
                "http://terminology.hl7.org" in finding.text
            )
            if not (strength == "required" and hl7):
                finding = replace(finding, severity="warning")
        issues.append(finding.issue(""))
    return issues


def _remarks(verdict: Verdict, prefix: str) -> list[Issue]:
    """What is left to say of a code that may stand."""
    told = {f.text for f in verdict.findings}
    text = verdict.message
    if text is None or not set(verdict.messages) - told:
        return []
    severity = "information" if verdict.severity == "information" else "warning"
    name = f"{prefix}_{'HINT' if severity == 'information' else 'WARNING'}" if prefix else text
    return [_issue(severity, "", text, name, "informational")]


def _not_in(binding: Binding, text: str, *names: str) -> list[Issue]:
    required, extensible, preferred = (f"NoValid_{name}" for name in names)
    return _bound(binding, text, required, extensible, preferred)


def _bound(
    binding: Binding, text: str, required: str, extensible: str, preferred: str
) -> list[Issue]:
    if binding.strength == "required":
        return [_issue("error", "", text, f"Terminology_TX_{required}")]
    if binding.strength == "extensible":
        return [_issue("warning", "", text, f"Terminology_TX_{extensible}")]
    if binding.derived:
        return [_issue("information", "", text, f"Terminology_TX_{preferred}")]
    return []


def _no_coding(binding: Binding) -> list[Issue]:
    if binding.strength == "required":
        text = f"no code is given, and one of {binding.named} is required"
        return [_issue("error", "", text, "Terminology_TX_Code_ValueSet")]
    if binding.strength != "extensible":
        return []
    if binding.maximum:
        text = f"no code is given, and one of {binding.maximum} is required"
        return [_issue("error", "", text, "Terminology_TX_Code_ValueSetMax")]
    text = f"no code is given, and one of {binding.named} should be"
    return [_issue("warning", "", text, "Terminology_TX_Code_ValueSet_Ext")]
