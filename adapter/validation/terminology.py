"""Codes against their value sets and code systems, with the verdicts of HL7's own validator.

Without a terminology server that validator checks what it has definitions of, and says of the rest
(SNOMED CT, LOINC, RxNorm ...) only that it was not checked; so does this module, and adds two
things: codes that a required value set lists one by one are compared, and check digits are.
Rules: https://hl7.org/fhir/terminologies.html#strength and the validator's messages of that name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from adapter.errors import UsageError
from adapter.validation import code_forms
from adapter.validation.code_forms import UCUM
from adapter.validation.code_systems import URIS
from adapter.validation.code_tables import SERVER_SIDE, CodeTables, DefinitionSource
from adapter.validation.issues import Issue
from adapter.validation.value_sets import Trace, UnresolvedError, ValueSet
from adapter.validation.verdicts import Codings, Judge, Parts, Verdict

Json = dict[str, Any]
NOTHING: list[Issue] = []
CACHED = 200_000  # answers kept; a run over more distinct codes starts its cache anew
CHECKED = ("required", "extensible", "preferred")

# systems of which a run without server says that it has none
SERVERLESS = frozenset(
    """http://loinc.org http://unitsofmeasure.org http://hl7.org/fhir/sid/icd-9-cm
    http://snomed.info/sct http://www.nlm.nih.gov/research/umls/rxnorm""".split()
)
# URIs that nothing may follow
EXACT = (
    "http://snomed.info/sct",
    "http://loinc.org",
    UCUM,
    "http://www.nlm.nih.gov/research/umls/rxnorm",
)
SECURE = frozenset("https" + one.removeprefix("http") for one in EXACT)
BUILD = ("http://build.fhir.org", "https://build.fhir.org")
HL7 = tuple(f"{s}://{w}hl7.org/fhir" for s in ("http", "https") for w in ("", "www."))
HL7_TEST = "http://hl7.org/fhir/test"
SID = "http://hl7.org/fhir/sid/"
KNOWN_SID = frozenset(
    """ndc icpc-2 icpc-1 icpc-1-nl icd-9 icd-10 cvx srt icd-10-vn icd-10-cm icd-10-am icd-9-cm
    icf-nl ca-hc-npn ca-hc-din dsm5 ex-icd-10-procedures""".split()
)
DOUBTS = frozenset(
    ["UNKNOWN_CODESYSTEM", "UNKNOWN_CODESYSTEM_VERSION", "UNKNOWN_CODESYSTEM_VERSION_NONE"]
)
NO_SERVER = "Terminology_TX_Binding_NoServer"
EXAMPLES = ("http://example.org", "https://example.org")


class Names(NamedTuple):
    """HL7's names of what can be wrong with a bound code, coding or concept."""

    required: str
    extensible: str
    preferred: str
    maximum: str = ""
    maximum_unchecked: str = ""

    @classmethod
    def of(cls, *numbers: str) -> Names:
        """The names of the messages that bear these numbers."""
        return cls(*(f"Terminology_TX_{number}" for number in numbers))


OF_CODE = Names.of("NoValid_16", "NoValid_17", "NoValid_18", "NoValid_11", "NoValid_9")
OF_CODING = Names.of("NoValid_12", "NoValid_13", "NoValid_14", "NoValid_10", "NoValid_9")
OF_CONCEPT = Names.of("NoValid_1_CC", "NoValid_2_CC", "NoValid_3_CC", "NoValid_8", "NoValid_7")
UNCONFIRMED = Names.of("Confirm_4a", "Confirm_5", "Confirm_6")


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

    Raises UsageError for another mode: a server's URL goes to ``tx_server.choose``. The checks take
    the resource's ``language``, the ``maximum`` value set of the binding, and ``derived`` when a
    profile states the binding; their issues' paths begin with ``path``.
    """

    def __init__(self, definitions: DefinitionSource, release: str, mode: str = "local"):
        if mode not in ("local", "off"):
            raise UsageError(f"terminology is local, off or a server's URL, not {mode}")
        self.release = release
        self.off = mode == "off"
        self.tables = CodeTables(definitions, release)
        self.judge = Judge(self.tables)
        self._members: dict[str, frozenset[str] | None] = {}
        self._answers: dict[Any, list[Issue]] = {}

    def add_csv(self, path: Path) -> None:
        """Adds a user's table of codes; see ``CodeTables.add_csv``."""
        self.tables.add_csv(path)
        self.forget()

    def add_supplement(self, supplement: Json) -> None:
        """Adds a CodeSystem supplement's designations and properties to its system."""
        self.tables.add_supplement(supplement)
        self.forget()

    def forget(self) -> None:
        """Forgets all answers: to be called after definitions were added."""
        self.tables.forget()
        self.forget_answers()

    def forget_answers(self) -> None:
        """Forgets what was answered, and keeps the definitions."""
        self._members.clear()
        self._answers.clear()

    # -- membership ----------------------------------------------------------------------------

    def members(self, value_set_url: str) -> frozenset[str] | None:
        """The codes of which ``check_code`` has nothing to say; None when they cannot be listed."""
        if self.off:
            return None
        if value_set_url not in self._members:
            self._members[value_set_url] = self._list(value_set_url)
        return self._members[value_set_url]

    def _list(self, url: str) -> frozenset[str] | None:
        value_set = self.tables.value_set_index(url)
        codings = value_set.codes() if value_set is not None else None
        if codings is None:
            return None
        codes = {code for _, code in codings}
        return frozenset(c for c in codes if not self.check_code(c, url, "required", ""))

    def member_of(self, value: Any, value_set_url: str) -> bool | None:
        """Whether a code, Coding or CodeableConcept is in a value set; None when unknown here."""
        value_set = None if self.off else self.tables.value_set_index(value_set_url)
        if value_set is None:
            return None
        if isinstance(value, dict):
            concept = "coding" in value or "text" in value
            pairs = [
                (p[0], p[2]) for _, p in (_codings(value) if concept else ((0, _parts(value)),))
            ]
        else:
            pairs = [(None, value)]
        answers = [_is_member(value_set, s, c) for s, c in pairs if isinstance(c, str)]
        if True in answers:
            return True
        return None if None in answers else False

    # -- the checks ------------------------------------------------------------------------------

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
    ) -> list[Issue]:
        """A ``code``, ``uri`` or ``string`` whose system the value set implies."""
        if self.off or not code.strip():
            return NOTHING
        language = language or None
        key = (0, code, value_set_url, strength, language, maximum, derived)
        found = self._answers.get(key)
        if found is None:
            binding = self._binding(value_set_url, strength, maximum, derived)
            found = self._keep(key, self._code(code, binding, language))
        return self._placed(found, path)

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
    ) -> list[Issue]:
        """A Coding: its code, its display, and the value set it is bound to, if any."""
        if self.off:
            return NOTHING
        parts = _parts(coding)
        language = language or None
        key = (1, parts, value_set_url, strength, language, maximum, derived)
        found = self._answers.get(key)
        if found is None:
            binding = self._binding(value_set_url, strength, maximum, derived)
            found = self._keep(key, self._coding(parts, binding, language))
        return self._placed(found, path)

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
    ) -> list[Issue]:
        """A Quantity's system and code, and the unit's grammar where the system is UCUM's."""
        system, code = _text(quantity.get("system")), _text(quantity.get("code")) or None
        if self.off or system is None or code is None:
            return NOTHING
        language = language or None
        key = (3, system, code, value_set_url, strength, language, maximum, derived)
        found = self._answers.get(key)
        if found is None:
            binding = self._binding(value_set_url, strength, maximum, derived)
            parts = (system, None, code, None)
            said = self._coded(parts, binding, language)
            if system == UCUM:  # its grammar is at hand: nothing is left unchecked
                said = [i for i in said if i.severity == "error"]
            said += code_forms.of_coding(system, code, ".code")
            found = self._keep(key, said)
        return self._placed(found, path)

    def check_unit(self, quantity: Json, path: str) -> list[Issue]:
        """The unit's grammar alone, for Age, Duration and Count, whose bindings HL7 leaves out."""
        system, code = _text(quantity.get("system")), _text(quantity.get("code")) or None
        if self.off or system != UCUM or code is None:
            return NOTHING
        return self._placed(code_forms.of_coding(system, code, ".code"), path)

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
    ) -> list[Issue]:
        """A CodeableConcept: all its codings, and the value set it is bound to, if any."""
        if self.off:
            return NOTHING
        codings = _codings(concept)
        language = language or None
        key = (2, codings, value_set_url, strength, language, maximum, derived)
        found = self._answers.get(key)
        if found is None:
            binding = self._binding(value_set_url, strength, maximum, derived)
            found = self._keep(key, self._concept(codings, binding, language))
        return self._placed(found, path)

    def _placed(self, found: list[Issue], path: str) -> list[Issue]:
        return [one.below(path) for one in found] if found else found

    def _keep(self, key: Any, found: list[Issue]) -> list[Issue]:
        if len(self._answers) >= CACHED:
            self._answers.clear()
        self._answers[key] = found or NOTHING
        return self._answers[key]

    def _binding(
        self, url: str | None, strength: str | None, maximum: str | None, derived: bool
    ) -> Binding | str | None:
        """The binding; the URL alone when its value set is unknown."""
        if url is None or strength is None:
            return None
        value_set = self.tables.value_set_index(url)
        return url if value_set is None else Binding(value_set, strength, maximum, derived)

    def _unknown_value_set(self, url: str) -> list[Issue]:
        if self.tables.is_code_system(url):
            text = f"the binding names the code system {url}, not a value set"
            return [_issue("error", text, "Terminology_TX_ValueSet_NotFound_CS")]
        text = f"the value set {url} is unknown, so the code was not compared with it"
        return [_issue("warning", text, "Terminology_TX_ValueSet_NotFound")]

    # -- a bare code -----------------------------------------------------------------------------

    def _code(self, code: str, binding: Binding | str | None, language: str | None) -> list[Issue]:
        if isinstance(binding, str):
            return self._unknown_value_set(binding)
        if binding is None or binding.strength not in CHECKED:
            return []
        strength = binding.strength
        bare = (None, None, code, None)
        verdict = self.judge.coding(bare, binding.value_set, language)
        issues = _said(verdict, strength, keep_inference=strength == "required")
        if verdict.ok:
            name = "TERMINOLOGY_TX_HINT" if verdict.severity == "information" else None
            return issues + _remarks(verdict, name or "TERMINOLOGY_TX_WARNING")
        if verdict.trouble in ("no-service", "unsupported"):
            local = [*issues, *_not_compared(verdict, code, binding)]
            return self.undecided(((0, bare),), binding, OF_CODE, local)
        if strength == "extensible" and binding.maximum:
            return issues + self._maximum(((0, bare),), binding, language, OF_CODE)
        if code.startswith("http://hl7.org/fhirpath/System."):
            return issues  # the types of FHIRPath, which FHIR's list of types leaves out
        text = f"'{code}' is not in the value set {binding.named}{_because(verdict)}"
        return issues + bound(binding, text, OF_CODE)

    # -- a coding --------------------------------------------------------------------------------

    def _coding(
        self, parts: Parts, binding: Binding | str | None, language: str | None
    ) -> list[Issue]:
        system, _, code, _ = parts
        if code is None:
            return []
        if system is None:
            text = "a code without a system has no meaning: give the system"
            return [_issue("warning", text, "TERMINOLOGY_TX_SYSTEM_NO_CODE")]
        return self._coded(parts, binding, language) + code_forms.of_coding(system, code, ".code")

    def _coded(
        self, parts: Parts, binding: Binding | str | None, language: str | None
    ) -> list[Issue]:
        if isinstance(binding, str):
            return self._unknown_value_set(binding) + self._unbound(parts, language)
        if binding is not None and binding.strength in CHECKED:
            return self._bound_coding(parts, binding, language)
        return self._unbound(parts, language)

    def _bound_coding(self, parts: Parts, binding: Binding, language: str | None) -> list[Issue]:
        strength = binding.strength
        verdict = self.judge.coding(parts, binding.value_set, language)
        issues = _said(verdict, strength, keep_inference=strength != "extensible")
        if verdict.ok:
            return issues + _remarks(verdict, None)
        codings = ((0, parts),)
        if verdict.trouble == "no-service":
            local = issues + _unchecked(codings, binding, NO_SERVER)
            return self.undecided(codings, binding, OF_CODING, local)
        if verdict.trouble == "unsupported" and strength == "required":
            local = issues + self._unsupported(parts, verdict)
            return self.undecided(codings, binding, OF_CODING, local)
        if strength == "extensible" and binding.maximum:
            return issues + self._maximum(codings, binding, language, OF_CODING)
        text = f"{_named(codings)} is not in the value set {binding.named}{_because(verdict)}"
        if verdict.trouble is None:
            return issues + bound(binding, text, OF_CODING)
        local = issues + bound(binding, text, UNCONFIRMED)
        return self.undecided(codings, binding, OF_CODING, local)

    def _unsupported(self, parts: Parts, verdict: Verdict) -> list[Issue]:
        told = ("UNKNOWN_CODESYSTEM", "CODESYSTEM_UNSUPPORTED_VERSION")
        if any(f.name in told for f in verdict.findings):
            return []
        name = "UNKNOWN_CODESYSTEM" if parts[1] is None else "UNKNOWN_CODESYSTEM_VERSION_UNK"
        text = f"the code system {parts[0]} is unknown, so the code was not checked"
        return [_issue("warning", text, name, ".system")]

    def _unbound(self, parts: Parts, language: str | None) -> list[Issue]:
        system = parts[0] or ""
        if not system.startswith(("http:", "https:", "urn:")):
            text = f"the system '{system}' must be an absolute URI"
            return [_issue("error", text, "Terminology_TX_System_Relative")]
        if self.tables.value_set_index(system) is not None:
            text = f"{system} is a value set, not a code system"
            return [_issue("error", text, "Terminology_TX_System_ValueSet2")]
        found = self.tables.system(system, parts[1]) if system != URIS else None
        if found is None or found.content == "not-present":
            return self.undecided(((0, parts),), None, OF_CODING, self._unknown(parts))
        verdict = self.judge.coding(parts, None, language)
        if verdict.trouble == "no-service":
            return self.undecided(((0, parts),), None, OF_CODING, self._unknown(parts))
        issues = _said(verdict, None)
        severity = "warning" if verdict.ok else "error"
        return issues + _remarks(verdict, "Terminology_PassThrough_TX_Message", severity)

    def _unknown(self, parts: Parts) -> list[Issue]:
        """What is said of a coding whose system has no content here."""
        system = parts[0] or ""
        if system.startswith(BUILD):
            text = f"{system} is a page of the build, not a code system's URI"
            return [_issue("error", text, "TERMINOLOGY_TX_SYSTEM_WRONG_BUILD")]
        if system.startswith(HL7):
            return self._unknown_hl7(system)
        text = f"'{parts[2]}' of {system} was not checked: that needs a terminology server"
        if system in SERVERLESS:
            name = "Error_validating_code_running_without_terminology_services"
            return [_issue("warning", text, name, code="business-rule")]
        if system.startswith(EXACT):
            text = f"{system} is not a code system's URI: something follows it"
            return [_issue("error", text, "Terminology_TX_System_Invalid")]
        if system in SERVER_SIDE:
            name = "TERMINOLOGY_TX_SYSTEM_UNSUPPORTED"
            return [_issue("warning", text, name, code="business-rule")]
        return self._unknown_elsewhere(system)

    def _unknown_hl7(self, system: str) -> list[Issue]:
        sid = system.removeprefix(SID)
        if (sid != system and sid in KNOWN_SID) or system.startswith(HL7_TEST):
            return []
        if system.endswith(".html"):
            text = f"{system} is a page, not a code system's URI"
            return [_issue("error", text, "TERMINOLOGY_TX_SYSTEM_WRONG_HTML")]
        if self.tables.is_code_system(system):
            return []
        return [
            _issue("error", f"HL7 has no code system {system}", "Terminology_TX_System_Unknown")
        ]

    def _unknown_elsewhere(self, system: str) -> list[Issue]:
        if system.startswith("https:"):
            plain = "http:" + system[6:]
            if system in SECURE or self.tables.is_code_system(plain):
                text = f"the system's URI starts with http:, not https: ({system})"
                return [_issue("error", text, "TERMINOLOGY_TX_SYSTEM_HTTPS")]
        if system.startswith(EXAMPLES):
            return []
        found = self.tables.system(system)
        if found is None or system == URIS:
            text = f"the code system {system} is unknown, so the code was not checked"
            return [_issue("information", text, "UNKNOWN_CODESYSTEM", ".system", "unknown")]
        if found.content == "not-present":
            text = f"the definition of {system} has no codes, so this one was not checked"
            name = "TERMINOLOGY_TX_SYSTEM_NOT_USABLE"
            return [_issue("information", text, name, code="unknown")]
        text = f"the version of {system} that is stated is unknown, so the code was not checked"
        return [_issue("error", text, None, code="unknown")]

    # -- a concept -------------------------------------------------------------------------------

    def _concept(
        self, codings: Codings, binding: Binding | str | None, language: str | None
    ) -> list[Issue]:
        issues: list[Issue] = []
        for index, (system, _, code, _) in codings:
            if code is not None:
                issues += code_forms.of_coding(system, code, f".coding[{index}].code")
        if isinstance(binding, str):
            issues += self._unknown_value_set(binding)
        elif binding is not None and not codings:
            return issues + _no_coding(binding)
        elif binding is not None and binding.strength in CHECKED:
            return issues + self._bound_concept(codings, binding, language)
        if codings:
            verdict = self.judge.concept(codings, None, language)
            local = _said(verdict, None)
            doubt = verdict.trouble is not None or any(i.messageId in DOUBTS for i in local)
            issues += self.undecided(codings, None, OF_CONCEPT, local) if doubt else local
        return issues

    def _bound_concept(
        self, codings: Codings, binding: Binding, language: str | None
    ) -> list[Issue]:
        verdict = self.judge.concept(codings, binding.value_set, language)
        issues = _said(verdict, binding.strength)
        if verdict.ok:
            return issues + _remarks(verdict, None)
        if verdict.trouble == "no-service":
            local = issues + _unchecked(codings, binding, _no_service(binding))
            return self.undecided(codings, binding, OF_CONCEPT, local)
        if verdict.trouble == "unsupported":
            return self.undecided(codings, binding, OF_CONCEPT, issues)
        if binding.strength == "extensible" and binding.maximum:
            issues += self._maximum(codings, binding, language, OF_CONCEPT)
        text = f"none of the codings is in the value set {binding.named} ({_named(codings)})"
        return issues + bound(binding, text, OF_CONCEPT)

    def _maximum(
        self, codings: Codings, binding: Binding, language: str | None, names: Names
    ) -> list[Issue]:
        """The largest value set that an extensible binding allows."""
        url = binding.maximum or ""
        value_set = self.tables.value_set_index(url)
        if value_set is None:
            return self._unknown_value_set(url)
        verdict = (
            self.judge.concept(codings, value_set, language)
            if names == OF_CONCEPT
            else self.judge.coding(codings[0][1], value_set, language)
        )
        issues = _said(verdict, None)
        if verdict.ok:
            return issues
        systems = [include.system for include in value_set.includes]
        misshapen = code_forms.of_code(systems, codings[0][1][2] or "") if codings else []
        if verdict.trouble == "no-service" and not misshapen:
            text = f"{_named(codings)} could not be compared with the maximum value set {url}"
            return [*issues, _issue("warning", text, names.maximum_unchecked)]
        text = f"{_named(codings)} is not in the maximum value set {value_set.canonical}"
        return [*issues, _issue("error", text, names.maximum)]

    def undecided(
        self, codings: Codings, binding: Binding | None, names: Names, local: list[Issue]
    ) -> list[Issue]:
        """What is said of codings that local definitions cannot decide: here, ``local``."""
        del codings, binding, names
        return local


def _text(value: Any) -> str | None:
    """A string; other JSON values, a fault of their own, are read as what they spell."""
    if value is None or isinstance(value, (str, dict, list)):
        return value if isinstance(value, str) else None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parts(coding: Json) -> Parts:
    return (
        _text(coding.get("system")),
        _text(coding.get("version")) or None,
        _text(coding.get("code")) or None,
        _text(coding.get("display")) or None,
    )


def _codings(concept: Json) -> Codings:
    """The codings of a concept that hold anything, with their places."""
    held = concept.get("coding")
    return tuple(
        (index, _parts(one))
        for index, one in enumerate(held if isinstance(held, list) else [held])
        if isinstance(one, dict) and one
    )


def _named(codings: Codings) -> str:
    return ", ".join(f"{s}#{code}" if s else f"'{code}'" for _, (s, _, code, _) in codings)


def _because(verdict: Verdict) -> str:
    return f" ({verdict.message})" if verdict.message else ""


def _is_member(value_set: ValueSet, system: str | None, code: str) -> bool | None:
    """Membership, with lists of codes taken at their word; None when it needs a server."""
    try:
        if system is not None:
            return value_set.contains(system, code, Trace(), True)
        systems = value_set.systems_of(code)
        return any(value_set.contains(one, code, Trace(), True) for one in systems)
    except (UnresolvedError, RecursionError):
        return None


def _issue(
    severity: str, text: str, name: str | None, at: str = "", code: str = "code-invalid"
) -> Issue:
    return Issue(severity, code, at, text, name)


def _said(verdict: Verdict, strength: str | None, keep_inference: bool = True) -> list[Issue]:
    """The findings as issues; an unknown system weighs what the binding makes of it."""
    issues = []
    for finding in verdict.findings:
        if finding.kind == "not-in-vs" or (finding.kind == "cannot-infer" and not keep_inference):
            continue
        if finding.kind == "not-found" and finding.severity == "error":
            text = finding.text
            hl7 = "http://hl7.org/fhir" in text or "http://terminology.hl7.org" in text
            if not (strength == "required" and hl7):
                finding = replace(finding, severity="warning")
        issues.append(finding.issue())
    return issues


def _remarks(verdict: Verdict, name: str | None, severity: str | None = None) -> list[Issue]:
    """What is left to say of a code that may stand."""
    if not verdict.untold:
        return []
    if severity is None:
        severity = "information" if verdict.severity == "information" else "warning"
    return [_issue(severity, verdict.message or "", name, code="informational")]


def bound(binding: Binding, text: str, names: Names) -> list[Issue]:
    """A code outside its value set, as the binding's strength weighs it."""
    if binding.strength == "required":
        return [_issue("error", text, names.required)]
    if binding.strength == "extensible":
        return [_issue("warning", text, names.extensible)]
    if binding.derived:
        return [_issue("information", text, names.preferred)]
    return []


def _not_compared(verdict: Verdict, code: str, binding: Binding) -> list[Issue]:
    """What is said of a bare code that only a server can check."""
    if verdict.trouble == "unsupported":
        return [_issue("warning", verdict.message or "", None)]
    value_set = binding.value_set
    text = f"'{code}' was not compared with {value_set.canonical}: that needs a server"
    systems = [include.system for include in value_set.includes]
    form = code_forms.of_code(systems, code)
    return [*form, _issue("information", text, "Terminology_TX_NoValid_15")]


def _unchecked(codings: Codings, binding: Binding, name: str | None) -> list[Issue]:
    """What is said of codings that only a server can check.

    Where a required value set lists its codes one by one, they are compared all the same.
    """
    if binding.strength == "required":
        answers = [
            _is_member(binding.value_set, system, code) if system and code else False
            for _, (system, _, code, _) in codings
        ]
        if answers and all(one is False for one in answers):
            named = _named(codings)
            text = f"{named}: not among the codes that {binding.named} lists; one is required"
            return [_issue("error", text, "Terminology_Enumerated_Code")]
    if name is None:
        return []
    text = f"{_named(codings)} was not compared with {binding.named}: that needs a server"
    return [_issue("information", text, name)]


def _no_service(binding: Binding) -> str | None:
    if binding.strength == "required" or (binding.strength == "extensible" and binding.maximum):
        return "TERMINOLOGY_TX_NOSVC_BOUND_REQ"
    return "TERMINOLOGY_TX_NOSVC_BOUND_EXT" if binding.strength == "extensible" else None


def _no_coding(binding: Binding) -> list[Issue]:
    if binding.strength == "required":
        text = f"no code is given, and one of {binding.named} is required"
        return [_issue("error", text, "Terminology_TX_Code_ValueSet")]
    if binding.strength != "extensible":
        return []
    if binding.maximum:
        text = f"no code is given, and one of {binding.maximum} is required"
        return [_issue("error", text, "Terminology_TX_Code_ValueSetMax")]
    text = f"no code is given, and one of {binding.named} should be"
    return [_issue("warning", text, "Terminology_TX_Code_ValueSet_Ext")]
