"""The matrix as data: what goes wrong, and what must come of it. Rows as in docs/faults.md."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from adapter.errors import ConfigurationError, StudyFhirError, UnavailableError
from tests.faults.faults import Fault
from tests.faults.quirks import (
    AZURE,
    BLAZE,
    EPIC,
    HAPI,
    MEDPLUM,
    ORACLE,
    STATEMENT,
    Quirks,
)
from tests.faults.study import CHANGED, name

ALWAYS = range(1, 1_000)
ALWAYS_ODD = range(1, 1_000, 2)
FIRST = range(1, 2)


@dataclass(frozen=True, slots=True)
class Expect:
    """What a scenario must come to; ``commits`` are writes of the changed result or of all."""

    error: type[StudyFhirError] | None = None
    says: str = ""  # a part of the error's message or hint
    dead: int = 0
    parked: int = 0
    remains: int = 0  # dead or parked after the faults are over
    differs: frozenset[str] = frozenset()  # what the server may hold otherwise
    versions: int = 1  # of every resource that this run wrote
    at_most: int = 40  # requests
    waits: bool = False
    waited: float = 0.0  # seconds at least, in all


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the matrix, or one of its variants."""

    row: str
    title: str
    faults: tuple[Fault, ...] = ()
    quirks: Quirks = field(default_factory=Quirks)
    expect: Expect = field(default_factory=Expect)
    meddle: str = ""  # what others did to the changed result after a first push: see test_matrix

    @property
    def id(self) -> str:
        """``T07-ack-lost``."""
        return f"{self.row}-{self.title.replace(' ', '-')}"


def after(name: str, **more: object) -> tuple[Fault, ...]:
    """The fault after the first write was committed."""
    return (Fault(name, after=True, **more),)  # type: ignore[arg-type]


def moved(status: int, to: str) -> tuple[Fault, ...]:
    """Every write is sent elsewhere."""
    return (Fault("status", "write", ALWAYS, status=status, headers={"Location": to}),)


WAITS = Expect(waits=True)
GIVES_UP = Expect(error=UnavailableError, waits=True, at_most=60)
ELSEWHERE = Expect(error=ConfigurationError, says="elsewhere")
OTHER = "http://127.0.0.1:{other}/fhir"
TRANSPORT = (
    Scenario("T03", "reset before the body", (Fault("reset-before-body"),), expect=WAITS),
    Scenario("T04", "reset in the body", (Fault("reset-in-body"),), expect=WAITS),
    Scenario("T05", "no answer before", (Fault("silent"),), expect=WAITS),
    Scenario("T05", "no answer after", after("silent"), expect=WAITS),
    Scenario("T06", "an answer byte by byte", after("drip"), expect=WAITS),
    Scenario("T07", "ack lost", after("reset"), expect=WAITS),
    Scenario("T07", "ack lost five times", after("reset", at=range(1, 6)), expect=WAITS),
    Scenario("T08", "cut in the headers", after("cut-headers"), expect=WAITS),
    Scenario("T09", "cut in the body by length", after("cut-body"), expect=WAITS),
    Scenario("T09", "cut in a chunk", after("cut-chunk"), expect=WAITS),
    Scenario("T09", "cut in an open body", after("cut-open"), expect=WAITS),
    Scenario("T10", "a login page once", after("html"), expect=WAITS),
    Scenario(
        "T10",
        "a login page always",
        (Fault("html", "any", ALWAYS),),
        expect=Expect(error=UnavailableError, says="waited 60 s", waits=True, at_most=60),
    ),
    Scenario("T11", "200 and nothing", after("empty"), expect=WAITS),
    Scenario("T12", "wrong gzip", after("wrong-gzip"), expect=WAITS),
    Scenario("T12", "an unknown encoding", after("unknown-encoding"), expect=WAITS),
    Scenario("T12", "wrong gzip always", (Fault("wrong-gzip", "any", ALWAYS),), expect=GIVES_UP),
    Scenario("T13", "a gzip bomb", after("bomb"), expect=WAITS),
    *(
        Scenario("T14", f"{status} to {where}", moved(status, to), expect=ELSEWHERE)
        for status in (301, 302, 303, 307, 308)
        for where, to in (("the same host", "/other"), ("another host", OTHER))
    ),
    Scenario("T16", "a header of 70 kB", after("long-header"), expect=WAITS),
    Scenario("T16", "150 headers", after("many-headers"), expect=WAITS),
    Scenario("T16", "a garbage status line", after("garbage"), expect=WAITS),
    Scenario("T17", "an idle connection closed", (Fault("close-idle", "look", after=True),)),
)  # fmt: skip


def told(
    status: int, says: str, at: range = FIRST, header: str = "Retry-After"
) -> tuple[Fault, ...]:
    """A busy server that says when to come back."""
    return (Fault("status", "write", at, status=status, headers={header: says}),)


def refusing(status: int, said: object = None) -> Quirks:
    """A server that refuses one result."""
    return Quirks(refused={CHANGED: status}, said=said, passes=True)


def stating(*types: dict[str, object]) -> dict[str, object]:
    """A CapabilityStatement that says this of types."""
    return {**STATEMENT, "rest": [{**STATEMENT["rest"][0], "resource": list(types)}]}


NESTED = {"resourceType": "OperationOutcome", "issue": [{"issue": [{"code": 7}]}, None, "x"]}
MANY = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "invalid", "diagnostics": "CANARY-NAME-7f3a"}] * 200,
}
ONE_DEAD = Expect(dead=1, at_most=60)
OVERWRITES_NOTHING = Expect(dead=1, remains=1, differs=frozenset({CHANGED}), versions=2)
UNCONDITIONAL = stating(*(
    {"type": kind, "updateCreate": False, "conditionalCreate": False,
     "interaction": [{"code": "create"}, {"code": "update"}]}
    for kind in ("Organization", "Patient", "Observation", "Group")
))  # fmt: skip
READ_ONLY = stating({"type": "Observation", "interaction": [{"code": "read"}]},
                    {"type": "Group", "interaction": [{"code": "update"}]})  # fmt: skip
SERVER = (
    Scenario("S01", "429 and two seconds", told(429, "2"), expect=Expect(waits=True, waited=2)),
    Scenario("S01", "429 and a date long ago", told(429, "Wed, 21 Oct 2015 07:28:00 GMT"),
             expect=WAITS),
    Scenario("S01", "429 and a negative number", told(429, "-5"), expect=WAITS),
    Scenario("S01", "429 and garbage", told(429, "soon"), expect=WAITS),
    Scenario("S01", "429 and thirty years", told(429, "1000000000"),
             expect=Expect(error=UnavailableError, says="later than --wait")),
    Scenario("S01", "429 and milliseconds of Azure",
             told(429, "2500", header="x-ms-retry-after-ms"),
             expect=Expect(waits=True, waited=2.5)),
    Scenario("S02", "503 for thirty seconds",
             (Fault("status", "any", range(1, 8), status=503),), expect=WAITS),
    Scenario("S03", "500 after the commit", after("status", status=500), expect=WAITS),
    Scenario("S04", "a transaction run as a batch",
             quirks=Quirks(transaction_is_batch=True, spoils_entry={2: 429, 5: 500}),
             expect=WAITS),
    Scenario("S03", "500 for ever over one result", quirks=refusing(500),
             expect=Expect(dead=1, at_most=80, waits=True)),
    Scenario("S03", "500 for ever over what others refer to",
             quirks=Quirks(refused={f"Patient/{name('a')}": 500}, passes=True),
             expect=Expect(dead=4, at_most=80, waits=True)),
    Scenario("S03", "502 for ever over one result", quirks=refusing(502),
             expect=Expect(dead=1, at_most=80, waits=True)),
    Scenario("S03", "504 for ever over one result", quirks=refusing(504),
             expect=Expect(dead=1, at_most=80, waits=True)),
    Scenario("S03", "500 for ever over what is sent alone",
             quirks=Quirks(refused={f"Organization/{name('o')}": 500}, passes=True),
             expect=Expect(dead=7, waits=True, at_most=80)),
    Scenario("S03", "500 for every write",
             (Fault("status", "write", ALWAYS, status=500),), expect=GIVES_UP),
    Scenario("S03", "500 for one type of many",
             quirks=Quirks(refused={"Observation": 500}, passes=True),
             expect=Expect(dead=6, waits=True, at_most=150)),
    *(
        Scenario("S04", f"one entry answers {status} for ever",
                 quirks=Quirks(transaction_is_batch=True, refused={CHANGED: status}, passes=True),
                 expect=Expect(dead=1, waits=True, at_most=60))
        for status in (429, 500)
    ),
    Scenario("S04", "one entry of a batch in conflict",
             quirks=Quirks(transaction_is_batch=True, spoils_entry={3: 409})),
    Scenario("S05", "an answer with too few entries", quirks=Quirks(answers="fewer", passes=True),
             expect=Expect(waits=True, at_most=60)),
    Scenario("S05", "an answer whose entries are null", quirks=Quirks(answers="none", passes=True),
             expect=Expect(waits=True, at_most=60)),
    Scenario("S05", "an answer with too many entries", quirks=Quirks(answers="more")),
    Scenario("S05", "an answer in another order", quirks=Quirks(answers="reordered")),
    Scenario("S06", "412 and it is ours", quirks=Quirks(stale=412), meddle="ours",
             expect=Expect(versions=2)),
    Scenario("S06", "409 and it is ours", quirks=Quirks(stale=409), meddle="ours",
             expect=Expect(versions=2)),
    Scenario("S07", "412 and others changed it", quirks=Quirks(stale=412), meddle="changed",
             expect=OVERWRITES_NOTHING),
    Scenario("S07", "409 and others changed it", quirks=Quirks(stale=409), meddle="changed",
             expect=OVERWRITES_NOTHING),
    Scenario("S08", "an old write lands before the next one", (Fault("late", "write"),),
             expect=Expect(versions=2, waits=True)),
    Scenario("S10", "ids are the server's", quirks=Quirks(takes_ids=False),
             expect=Expect(at_most=80)),
    Scenario("S10", "no bundles and ids of its own", quirks=EPIC, expect=Expect(at_most=80)),
    Scenario("S10", "ids of its own and it says that conditions are not heeded",
             quirks=Quirks(takes_ids=False, takes_conditions=False, capability=UNCONDITIONAL),
             expect=Expect(at_most=120)),
    Scenario("S10", "ids of its own and every create is lost once",
             (Fault("reset", "create", ALWAYS_ODD, after=True),),
             quirks=Quirks(takes_ids=False, takes_conditions=False, capability=UNCONDITIONAL),
             expect=Expect(waits=True, at_most=200)),
    Scenario("S10", "ids of its own and it searches by nothing",
             quirks=Quirks(takes_ids=False, takes_conditions=False, searches=False,
                           capability=UNCONDITIONAL),
             expect=Expect(dead=8, remains=8, at_most=120, differs=frozenset({"*"}))),
    Scenario("S11", "two with our identifier", quirks=Quirks(takes_ids=False), meddle="doubled",
             expect=Expect(dead=1, remains=1, at_most=80, differs=frozenset({CHANGED}))),
    *(
        Scenario("S14", f"{status} and {what}", quirks=refusing(status, said), expect=ONE_DEAD)
        for status in (400, 422)
        for what, said in (("one issue", None), ("200 issues", MANY), ("nonsense", NESTED),
                           ("a text", "no"))
    ),
    Scenario("S15", "409 for a reference not there yet",
             quirks=Quirks(refused_once={"Observation": 409}), expect=Expect(at_most=60)),
    Scenario("S16", "five entries at most", quirks=AZURE, expect=Expect(at_most=60)),
    Scenario("S16", "413", quirks=Quirks(most_entries=3, too_much=413),
             expect=Expect(at_most=60)),
    Scenario("S16", "504 for more than it can do in time",
             quirks=Quirks(most_entries=3, too_much=504), expect=Expect(at_most=60)),
    Scenario("S20", "403 on one type", quirks=Quirks(refused={"Observation": 403}, passes=True),
             expect=Expect(parked=6, dead=0, at_most=60)),
    Scenario("S20", "a type that is only read says the statement",
             quirks=Quirks(capability=READ_ONLY, passes=True), expect=Expect(parked=6)),
    Scenario("S21", "an element is not kept", quirks=Quirks(drops="note"),
             expect=Expect(differs=frozenset({"*"}))),
    Scenario("S22", "no statement", quirks=Quirks(capability=None)),
    Scenario("S22", "a statement that is none", quirks=Quirks(capability={"resourceType": "X"})),
    Scenario("S22", "another release",
             quirks=Quirks(capability={**STATEMENT, "fhirVersion": "5.0.0"}, passes=True),
             expect=Expect(error=ConfigurationError, says="R5")),
    Scenario("S23", "others deleted it", meddle="deleted",
             expect=Expect(dead=1, remains=1, differs=frozenset({CHANGED}), versions=2)),
    Scenario("S25", "strong etags", quirks=Quirks(weak_etags=False)),
    Scenario("quirks", "HAPI", quirks=HAPI),
    Scenario("quirks", "Blaze", quirks=BLAZE),
    Scenario("quirks", "Azure after one 429", told(429, "1"), quirks=AZURE,
             expect=Expect(waits=True, at_most=60)),
    Scenario("quirks", "Azure and throttled in a bundle",
             quirks=replace(AZURE, transaction_is_batch=True, spoils_entry={3: 429}),
             expect=Expect(waits=True, at_most=80)),
    Scenario("quirks", "Azure and throttled for ever",
             quirks=replace(AZURE, transaction_is_batch=True, refused={CHANGED: 429}, passes=True),
             expect=Expect(error=UnavailableError, waits=True, at_most=80)),
    Scenario("S23", "others deleted it and Oracle would restore it", quirks=ORACLE,
             meddle="deleted",
             expect=Expect(dead=1, remains=1, differs=frozenset({CHANGED}), versions=2)),
    Scenario("quirks", "Medplum", quirks=MEDPLUM, expect=WAITS),
    Scenario("quirks", "Oracle", quirks=ORACLE),
)  # fmt: skip
MATRIX = (*TRANSPORT, *SERVER)
