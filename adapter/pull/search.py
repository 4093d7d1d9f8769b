"""A cohort read by searches: one crawl for each type of each child, page by page.

Searches are POSTed, so that no identifier stands in a URL; further pages are where the server's
links lead, as long as that is the server itself.
https://hl7.org/fhir/R4/http.html#search  https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapter.errors import AuthenticationError, ProtocolError, StudyFhirError, UnavailableError
from adapter.fhir.links import ForeignLinkError
from adapter.fhir.transport import Answer, Refusal, Transport
from adapter.pull.cohort import ID, Child
from adapter.pull.pages import Page, moment_of, page_of
from adapter.pull.patience import AwayError, Patience
from adapter.pull.sieve import DROPPED, Sieve
from adapter.pull.store import Crawl, Store
from adapter.pull.summary import Pulled

COUNT = "200"  # resources a page, as we ask for it
PAGES = 10_000  # of one type of one child: more are no medical record
GONE = 410
STUMBLES = 3  # children in a row with whom something fails: is the server still there?
CAPPED = f"more than {PAGES:,} pages: the rest is not read"
CIRCLE = "the pages go round in circles: the rest is not read"

Tell = Callable[[int, int], None]


class AnewError(ProtocolError):
    """A crawl ends here and cannot go on from here: the next run begins it anew."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """The children by key, with the cohort file's name for places."""

    children: Mapping[str, Child]
    file: str

    def place(self, key: str) -> str:
        """Where a child stands in the cohort file: what is said instead of who it is."""
        return f"{self.file}:{self.children[key].line}"


class Searches:
    """All crawls of a run."""

    def __init__(
        self,
        store: Store,
        transport: Transport,
        cohort: Cohort,
        sieve: Sieve,
        pulled: Pulled,
        patience: Patience,
        overlap: float,
    ):
        self._store, self._transport, self._cohort = store, transport, cohort
        self._sieve, self._pulled, self._patience = sieve, pulled, patience
        self._overlap = overlap
        self._places = store.patients()
        self._renewed: set[str] = set()  # children that turned out to have another Patient
        self._stumbled: set[str] = set()
        self._tried = self._forbidden = 0

    def run(self, tell: Tell) -> None:
        """What an earlier run left open; all of it where none was left.

        What fails once more does not hold up the others: they are read again too. Raises AwayError
        and AuthenticationError, with everything kept that was read before.
        """
        everything = self._store.crawls()
        left = self._store.crawls("open")
        chosen = [*left, *self._store.crawls("new")] if left else everything
        failed = self._all(chosen, tell)
        if any(crawl.failed for crawl in failed):
            self._all(self._others(everything, chosen), tell)
        if self._tried and self._forbidden == self._tried:
            raise AuthenticationError(
                "the server lets us read nothing: HTTP 403 on everything",
                hint="may this client read the types of pull.types?",
            )

    @staticmethod
    def _others(everything: Sequence[Crawl], chosen: Sequence[Crawl]) -> list[Crawl]:
        names = {(crawl.child, crawl.type) for crawl in chosen}
        return [crawl for crawl in everything if (crawl.child, crawl.type) not in names]

    def look_up(self) -> None:
        """Find the Patients of children that are known by an identifier, and read them."""
        crawls = [c for c in self._store.crawls() if c.type == "Patient"]
        named = [c for c in crawls if self._cohort.children[c.child].id is None]
        self._store.reopen(named)
        self._all(named, lambda *_: None)

    def _all(self, crawls: Sequence[Crawl], tell: Tell) -> list[Crawl]:
        """Read these; returns those that are still open."""
        failed = []
        self._store.reopen(crawls)
        ordered = sorted(crawls, key=lambda c: (self._cohort.children[c.child].line,
                                                c.type != "Patient", c.type))  # fmt: skip
        for number, crawl in enumerate(ordered, 1):
            try:
                self._tried += 1
                self._crawl(crawl)
                self._stumbled.clear()
            except (AwayError, AuthenticationError):
                raise
            except (UnavailableError, ProtocolError, Refusal) as error:
                self._failed(crawl, error)
                failed.append(crawl)
            tell(number, len(ordered))
        return failed

    def _failed(self, crawl: Crawl, error: StudyFhirError) -> None:
        self._store.fail(crawl, anew=isinstance(error, AnewError | ForeignLinkError))
        self._pulled.problem(crawl.type, self._cohort.place(crawl.child), error)
        self._forbidden += isinstance(error, Refusal) and error.status == 403
        if isinstance(error, Refusal | AnewError | ForeignLinkError):
            self._stumbled.clear()
            return
        self._stumbled.add(crawl.child)
        if len(self._stumbled) >= STUMBLES:
            self._is_there(error)
            self._stumbled.clear()

    def _is_there(self, error: StudyFhirError) -> None:
        """Raise AwayError when a server that fails again and again does not even say what it is."""
        try:
            self._patience.ask(lambda: self._transport.get_any("metadata"))
        except (UnavailableError, ProtocolError):
            raise AwayError(
                f"{error.message}; so for {STUMBLES} children in a row",
                hint="what was read is kept: the same pull goes on from there",
            ) from None

    # --- one crawl ---

    def _crawl(self, crawl: Crawl) -> None:
        child = self._cohort.children[crawl.child]
        if crawl.type == "Patient":
            self._patient(crawl, child)
            return
        patient = self._places.get(crawl.child)
        if patient is None:
            raise AnewError("its Patient was not found")
        if crawl.child in self._renewed:
            crawl = replace(crawl, since=None, began=None, link=None)
        if crawl.link is not None:
            try:
                self._pages(crawl, patient)
                return
            except (AwayError, AnewError, ForeignLinkError):
                raise
            except (Refusal, UnavailableError, ProtocolError):
                # a server forgets where we were after a while: the beginning is always there
                self._store.fail(crawl, anew=True)
                crawl = replace(crawl, link=None, began=None)
        self._pages(crawl, patient)

    def _pages(self, crawl: Crawl, patient: str) -> None:
        marks = self._store.marks(crawl)
        for _ in range(PAGES):
            answer = self._patience.ask(lambda: self._page(crawl, patient))
            page = page_of(answer)
            crawl.began = crawl.began or moment_of(answer, self._overlap)
            self._keep(crawl, page, patient, marks)
            if page.next is None:
                return
        raise AnewError(CAPPED)

    def _page(self, crawl: Crawl, patient: str) -> Answer:
        if crawl.link is not None:
            return self._transport.follow(crawl.link)
        query = {"patient": patient, "_count": COUNT}
        if crawl.since is not None:
            query["_lastUpdated"] = f"ge{crawl.since}"
        return self._transport.search(crawl.type, query)

    def _keep(self, crawl: Crawl, page: Page, patient: str, marks: set[str]) -> None:
        """Keep a page and where the next one stands. Raises AnewError when one of them was here."""
        new = {_mark(each) for each in (page.fingerprint, page.next) if each}
        found = [self._sieve.judge(each, crawl.type, patient) for each in page.resources]
        if not marks.isdisjoint(new):
            self._pulled.add(self._store.take(found))
            raise AnewError(CIRCLE)
        crawl.link = page.next
        self._pulled.add(self._store.take_page(crawl, found, new))
        marks |= new

    # --- the Patient ---

    def _patient(self, crawl: Crawl, child: Child) -> None:
        resource = self._by_id(child.id) if child.id else self._by_identifier(crawl, child)
        found = self._sieve.judge(resource, "Patient")
        if found.id != (self._places[crawl.child]):
            found = replace(found, verdict=DROPPED, reason="another Patient than was asked for")
        crawl.link = None
        self._pulled.add(self._store.take_page(crawl, [found], ()))
        if found.replaced_by:
            place = self._cohort.place(crawl.child)
            self._pulled.problem("Patient", place, "merged: another Patient stands for this one")

    def _by_id(self, patient: str) -> dict[str, Any]:
        try:
            answer = self._patience.ask(lambda: self._transport.get(f"Patient/{patient}"))
        except Refusal as refusal:
            if refusal.status == GONE:  # a 404 may be a server's way to say no
                self._pulled.add(self._store.delete([("Patient", patient)]))
            raise
        found: dict[str, Any] = answer.body
        return found

    def _by_identifier(self, crawl: Crawl, child: Child) -> dict[str, Any]:
        query = {"identifier": child.token, "_count": "10"}
        found = _only(page_of(self._patience.ask(lambda: self._transport.search("Patient", query))))
        self._places[crawl.child] = str(found["id"])
        if self._store.identify(crawl.child, self._places[crawl.child]):
            self._renewed.add(crawl.child)
        self._sieve.patients = set(self._places.values())
        return found


def _only(page: Page) -> dict[str, Any]:
    """The one Patient of an identifier; of merged ones that which stands for the others."""
    patients = [each for each in page.resources if each.get("resourceType") == "Patient"]
    standing = [each for each in patients if not _is_replaced(each)] or patients
    if page.next is not None or len(standing) > 1:
        raise AnewError("its identifier is that of several Patients")
    if not standing or not ID.fullmatch(str(standing[0].get("id"))):
        raise AnewError("no Patient has its identifier")
    return standing[0]


def _is_replaced(patient: dict[str, Any]) -> bool:
    links = patient.get("link")
    links = links if isinstance(links, list) else []
    return any(isinstance(each, dict) and each.get("type") == "replaced-by" for each in links)


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
