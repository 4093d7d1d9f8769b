"""A cohort read by one bulk export of a Group: asked for, waited for, fetched file by file.

The export goes on at the server when this process ends; its address is kept, and the next run
goes on with it. https://hl7.org/fhir/uv/bulkdata/export.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from adapter.errors import AuthenticationError, ProtocolError, StudyFhirError, UnavailableError
from adapter.fhir.backoff import backoff
from adapter.fhir.links import ForeignLinkError, own_link
from adapter.fhir.transport import Answer, Refusal, Transport, judged
from adapter.fhir.writing import issue_codes
from adapter.pull.download import Downloads
from adapter.pull.jobs import File, Job, Jobs
from adapter.pull.manifest import Manifest, manifest_of
from adapter.pull.pages import earlier
from adapter.pull.patience import AwayError, Patience, Sleep
from adapter.pull.summary import Pulled

ASYNC = {"Prefer": "respond-async", "Accept": "application/fhir+json"}
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0  # seconds between two questions whether it is ready
TRIES = 2  # runs that a file that cannot be read is asked for before the export is given up
EXPIRED = (403, 404, 410)
FORGOTTEN = (404, 410)
LATER = "the export goes on at the server and is not lost: the same pull asks for it again"
ANEW = "the next pull asks for a new export"

Tell = Callable[[int, int], None]


class GoneError(ProtocolError):
    """The export is no more: it failed at the server, or the server has forgotten it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: the Group, the types, and which cohort is meant (a hash)."""

    group: str
    types: tuple[str, ...]
    cohort: str
    overlap: float  # seconds

    @property
    def query(self) -> str:
        """What tells one export from another."""
        return f"{self.group} {','.join(sorted(self.types))} {self.cohort}"


class Export:
    """The export of one run."""

    def __init__(
        self,
        jobs: Jobs,
        transport: Transport,
        downloads: Downloads,
        pulled: Pulled,
        patience: Patience,
        sleep: Sleep,
        wanted: Wanted,
    ):
        self._jobs, self._transport, self._downloads = jobs, transport, downloads
        self._pulled, self._patience, self._sleep = pulled, patience, sleep
        self._wanted = wanted
        self._is_renewed = False  # the manifest was asked for once more in this run

    def run(self, tell: Tell) -> None:
        """Ask for an export, or go on with the one under way.

        Raises AwayError when it is not ready in time, AuthenticationError, and ProtocolError for
        what is no export.
        """
        job = self._jobs.open(self._wanted.query)
        try:
            if job.link is None:
                self._ask_for(job)
            if not job.is_ready:
                self._ready(job, self._manifest(job))
            self._fetch(job, tell)
        except GoneError as error:
            self._pulled.problem("", "", f"{error.message}; {ANEW}")
            self._jobs.end(job, job.since)

    def settle(self, *, missing: bool) -> None:
        """End the job when all of it is read; only a whole export moves the time forward."""
        job = self._jobs.open(self._wanted.query)
        if job.link is None or not job.is_ready:
            return
        if not self._jobs.files():
            self._jobs.end(job, job.since if job.partial or missing else job.next_since)
        elif job.failed + 1 >= TRIES:
            self._pulled.problem("", "", f"some files cannot be read; {ANEW}")
            self._jobs.end(job, job.since)
        else:
            self._jobs.fail(job)

    # --- asking and waiting ---

    def _ask_for(self, job: Job) -> None:
        query = {"_type": ",".join(self._wanted.types), "_outputFormat": "application/fhir+ndjson"}
        if job.since is not None:
            query["_since"] = job.since
        path = f"Group/{self._wanted.group}/$export?{urlencode(query)}"

        def ask() -> Answer:
            return judged(self._transport.exchange("GET", path, None, ASYNC), has_body=False)

        try:
            answer = self._patience.ask(ask)
        except Refusal as refusal:
            if refusal.status == 403:
                raise AuthenticationError(
                    "the server lets us export nothing: HTTP 403",
                    hint="may this client read the group of pull.group?",
                ) from None
            raise GoneError(f"the server does not export this group: {refusal.message}") from None
        link = answer.headers.get("content-location")
        if answer.status != 202 or link is None:
            raise ProtocolError(
                "the server does not say where the export will be",
                hint="does it support $export of a Group? mode: search reads without it",
            )
        self._jobs.asked(job, own_link(self._transport.base_url, link))

    def _manifest(self, job: Job) -> Manifest:
        """Ask until the export is ready, ever less often. Raises AwayError after ``wait``."""
        end = self._patience.clock() + self._patience.wait
        number = 0
        while True:
            asked = 0.0
            try:
                answer = self._transport.ask(job.link or "")
                if answer.status == 200:
                    return self._checked(job, answer)
                _still_running(answer)
                asked = answer.retry_after
            except ForeignLinkError:
                raise GoneError("the export is of another origin than the server") from None
            except UnavailableError:
                pass  # the way to the server is bad for a while; the export is not
            left = end - self._patience.clock()
            if left <= 0 or asked > left:
                raise AwayError(
                    f"the export is not ready; waited {self._patience.wait:.0f} s", hint=LATER
                )
            self._sleep(min(max(backoff(number, FIRST_DELAY, LONGEST_DELAY), asked), left))
            number += 1

    def _checked(self, job: Job, answer: Answer) -> Manifest:
        try:
            return manifest_of(answer.body)
        except ProtocolError:
            self._jobs.end(job, job.since)
            raise

    def _ready(self, job: Job, manifest: Manifest) -> None:
        self._jobs.ready(job, manifest, earlier(manifest.moment, self._wanted.overlap))
        if manifest.moment is None:
            self._pulled.problem("", "", "the export says no transactionTime: the next one is full")
        if manifest.has_more:
            self._pulled.problem("", "", "the export has further manifests that are not read")

    # --- fetching ---

    def _fetch(self, job: Job, tell: Tell) -> None:
        files = self._jobs.files()
        total, failed = len(files), set[int]()
        while todo := [file for file in files if file.number not in failed]:
            file = todo[0]
            try:
                self._file(job, file)
            except (AwayError, AuthenticationError, GoneError):
                raise
            except StudyFhirError as error:
                failed.add(file.number)
                self._pulled.problem(file.type, self._downloads.place(file), error)
            files = self._jobs.files()
            tell(total - len(files), total)
        self._pulled.left(Counter(file.type for file in files))

    def _file(self, job: Job, file: File) -> None:
        try:
            is_whole = self._patience.ask(lambda: self._downloads.read(job, file))
        except Refusal as refusal:
            if refusal.status not in EXPIRED or self._is_renewed:
                raise
            self._renew(job)
            return
        if is_whole:
            self._jobs.read(file)
            return
        raise ProtocolError("the file is not whole; it is read again by the next pull")

    def _renew(self, job: Job) -> None:
        """The addresses of files end after a while: ask for the manifest once more, once a run."""
        self._is_renewed = True
        self._jobs.renew(job, self._manifest(job))


def _still_running(answer: Answer) -> None:
    """Return when an answer says that the export is not ready yet. Raises GoneError if it failed.

    A busy server is no failed export; nor is one that calls its error transient.
    """
    status = answer.status
    if status in FORGOTTEN:
        raise GoneError(f"the server has forgotten the export: HTTP {status}")
    if status == 403:
        raise AuthenticationError("the server does not tell us of the export: HTTP 403")
    if status in (202, 408, 425, 429):
        return
    codes = issue_codes(answer.body)
    if status >= 500 and (not codes or "transient" in codes):
        return
    if status >= 400 and status != 401:
        raise GoneError(f"the export failed at the server: HTTP {status} {', '.join(codes)}")
    judged(answer, has_body=False)  # 401 and redirects
    raise ProtocolError(f"the server answers HTTP {status} when asked for the export")
