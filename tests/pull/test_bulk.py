"""Pull by a bulk export: what a server may say while it works, and what its files may hold."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest

import adapter.pull.download as download
from adapter.errors import EXIT
from adapter.pull import Pulled
from adapter.pull.ndjson import resources
from tests.pull.conftest import TOKEN, Puller
from tests.pull.ehr import Ehr, Reply, Resource, meta, ndjson, observation, outcome, patient

CHILDREN = ndjson(*(patient(each) for each in ("p1", "p2", "p3")))
GOOD = [observation(f"o{number}", "p1") for number in range(3)]
JOB = "GET /jobs/1"


@pytest.fixture
def bulk(puller: Puller) -> Puller:
    puller.mode = "bulk"
    return puller


@pytest.fixture
def ready(ehr: Ehr) -> Ehr:
    """An EHR whose export is ready at once."""
    ehr.offer(("Patient", "patients", CHILDREN, 3), ("Observation", "obs", ndjson(*GOOD), 3))
    return ehr


def problems(pulled: Pulled) -> list[tuple[str, str]]:
    return [(each.place, each.reason) for each in pulled.problems]


def said(pulled: Pulled) -> str:
    return str(problems(pulled))


def kick_offs(ehr: Ehr) -> list[str]:
    return ehr.lines(r"\$export")


# --- what a good day looks like -----------------------------------------------------------------


def test_an_export_is_asked_for_waited_for_and_read(ready: Ehr, bulk: Puller) -> None:
    ready.on(JOB, Reply(202), Reply(202, headers={"Retry-After": "9"}))
    pulled = bulk(ready, wait=60)
    assert pulled.exit == EXIT.done
    assert bulk.ids("Patient") == ["p1", "p2", "p3"]
    assert bulk.ids("Observation") == ["o0", "o1", "o2"]
    assert bulk.time.naps[1] >= 9
    first = ready.asked[0]
    assert first.headers["prefer"] == "respond-async"
    assert "_type=Patient%2CObservation" in first.path
    assert "_since" not in first.path
    assert not ready.lines("^(POST|PUT|DELETE)")


def test_the_next_export_asks_for_what_changed(ready: Ehr, bulk: Puller) -> None:
    bulk(ready)
    ready.clear()
    amended = observation("o1", "p1", 2, status="amended")
    ready.offer(("Observation", "obs", ndjson(GOOD[0], amended)))
    pulled = bulk(ready)
    assert pulled.exit == EXIT.done
    assert "_since=2026-03-02T11%3A55%3A00Z" in kick_offs(ready)[0]
    assert [each["status"] for each in bulk.read("Observation")] == ["final", "amended", "final"]
    sums = pulled.to_json()["types"]["Observation"]
    assert (sums["updated"], sums["duplicates"]) == (1, 1)


def test_another_cohort_is_another_export(ready: Ehr, bulk: Puller) -> None:
    bulk(ready)
    bulk.cohort = "patient\np1\np2\n"
    ready.clear()
    bulk(ready)
    assert "_since" not in kick_offs(ready)[0]


def test_compressed_files_are_read(ready: Ehr, bulk: Puller) -> None:
    packed = Reply(200, gzip.compress(ndjson(*GOOD)), {"Content-Encoding": "gzip"})
    ready.on("files/obs", packed)
    assert bulk(ready).exit == EXIT.done
    assert bulk.ids("Observation") == ["o0", "o1", "o2"]


# --- P06: not ready -----------------------------------------------------------------------------


def test_p06_never_ready_is_deferred_and_its_address_is_kept(ready: Ehr, bulk: Puller) -> None:
    ready.on(JOB, Reply(202), always=True)
    pulled = bulk(ready, wait=100)
    assert pulled.exit == EXIT.deferred
    assert "not ready" in str(pulled.stopped)
    assert "127.0.0.1" not in str(pulled.stopped)
    naps = bulk.time.naps
    assert sum(naps) <= 100
    assert len(naps) < 15
    assert naps[3] > naps[0]
    ready.calm()
    assert bulk(ready).exit == EXIT.done
    assert len(kick_offs(ready)) == 1
    assert bulk.ids("Observation") == ["o0", "o1", "o2"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(429, outcome("throttled"), {"Retry-After": "20"}),
        Reply(500, outcome("transient"), {"Retry-After": "20"}),
        Reply(503, outcome("transient"), {"Retry-After": "20"}),
        Reply(502, None, {"Retry-After": "20"}),
    ],
    ids=lambda reply: str(reply.status),
)
def test_p06_a_bad_moment_is_no_failed_export(ready: Ehr, bulk: Puller, reply: Reply) -> None:
    ready.on(JOB, reply, reply)
    assert bulk(ready, wait=60).exit == EXIT.done
    assert min(bulk.time.naps) >= 20
    assert len(kick_offs(ready)) == 1


def test_p06_a_retry_beyond_the_budget_is_not_waited_for(ready: Ehr, bulk: Puller) -> None:
    ready.on(JOB, Reply(202, headers={"Retry-After": "3600"}), always=True)
    assert bulk(ready, wait=60).exit == EXIT.deferred
    assert bulk.time.naps == []


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(404, outcome("not-found")), "forgotten"),
        (Reply(410), "forgotten"),
        (Reply(500, outcome("exception")), "failed at the server: HTTP 500 exception"),
        (Reply(400, outcome("invalid")), "failed at the server: HTTP 400"),
    ],
)
def test_p06_an_export_that_is_no_more_is_asked_for_anew_by_the_next_run(
    ready: Ehr, bulk: Puller, reply: Reply, says: str
) -> None:
    ready.on(JOB, reply)
    pulled = bulk(ready, wait=60)
    assert pulled.exit == EXIT.findings
    assert says in said(pulled)
    assert "the next pull asks for a new export" in said(pulled)
    assert "CANARY" not in said(pulled)
    assert len(kick_offs(ready)) == 1
    assert bulk(ready).exit == EXIT.done
    assert len(kick_offs(ready)) == 2


def test_p06_who_is_not_let_in_ends_with_5(ready: Ehr, bulk: Puller) -> None:
    ready.on("export", Reply(403, outcome("forbidden")))
    assert bulk(ready).exit == EXIT.authentication
    ready.on(JOB, Reply(401))
    assert bulk(ready).exit == EXIT.authentication
    assert bulk(ready).exit == EXIT.done


def test_p06_a_server_that_exports_nothing_says_so(ready: Ehr, bulk: Puller) -> None:
    ready.on("export", Reply(404, outcome("not-supported")))
    pulled = bulk(ready)
    assert pulled.exit == EXIT.findings
    assert "does not export this group" in said(pulled)
    ready.on("export", Reply(200, {"resourceType": "Bundle"}))
    assert bulk(ready).exit == EXIT.deferred


def test_p06_a_job_that_is_elsewhere_is_not_asked(ready: Ehr, bulk: Puller) -> None:
    with Ehr() as other:
        ready.on("export", Reply(202, headers={"Content-Location": f"{other.origin}/jobs/1"}))
        assert bulk(ready).exit == EXIT.deferred
        assert other.asked == []


# --- P07: partial -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["error", "outcome"])
def test_p07_what_the_server_could_not_export_makes_it_partial(
    ready: Ehr, bulk: Puller, name: str
) -> None:
    ready.files["bad"] = ndjson(outcome("exception"), outcome("not-found"))
    item = {"type": "OperationOutcome", "url": f"{ready.origin}/files/bad"}
    ready.manifest[name] = [item]
    pulled = bulk(ready)
    assert pulled.exit == EXIT.findings
    assert problems(pulled) == [
        ("outcome.3.ndjson", "the server says that the export is partial: 2 errors")
    ]
    assert bulk.ids("Observation") == ["o0", "o1", "o2"]
    ready.clear()
    bulk(ready)
    assert "_since" not in kick_offs(ready)[0]  # what was left out is asked for again


def test_p07_remarks_are_no_errors(ready: Ehr, bulk: Puller) -> None:
    ready.files["remark"] = ndjson(outcome("informational", severity="information"))
    ready.manifest["error"] = [{"type": "OperationOutcome", "url": f"{ready.origin}/files/remark"}]
    assert bulk(ready).exit == EXIT.done


@pytest.mark.parametrize(
    "manifest",
    [{"transactionTime": "2026-03-02T12:00:00Z"}, {"output": "none"}, [], {"output": [{}]}],
)
def test_p07_a_manifest_without_output_is_none(ready: Ehr, bulk: Puller, manifest: Any) -> None:
    ready.on(JOB, Reply(200, manifest))
    pulled = bulk(ready)
    assert pulled.exit == EXIT.deferred
    assert "manifest" in str(pulled.stopped)
    assert bulk(ready).exit == EXIT.done
    assert len(kick_offs(ready)) == 2


@pytest.mark.parametrize("count", [2, 4])
def test_p07_another_count_is_said_and_read_again(ready: Ehr, bulk: Puller, count: int) -> None:
    ready.offer(("Patient", "patients", CHILDREN), ("Observation", "obs", ndjson(*GOOD), count))
    pulled = bulk(ready)
    assert pulled.exit == EXIT.findings
    assert f"3 lines, where the manifest counts {count}" in said(pulled)
    assert pulled.to_json()["types"]["Observation"]["open"] == 1
    assert bulk.ids("Observation") == ["o0", "o1", "o2"]
    ready.clear()
    ready.files["obs"] = ndjson(*[observation(f"o{n}", "p1") for n in range(count)])
    assert bulk(ready).exit == EXIT.done
    assert ready.lines() == ["GET /files/obs "]


def test_p07_a_file_that_stays_bad_ends_the_export_but_moves_no_time(
    ready: Ehr, bulk: Puller
) -> None:
    ready.offer(("Patient", "patients", CHILDREN), ("Observation", "obs", ndjson(*GOOD), 9))
    bulk(ready)
    pulled = bulk(ready)
    assert "some files cannot be read; the next pull asks for a new export" in said(pulled)
    ready.clear()
    bulk(ready)
    assert len(kick_offs(ready)) == 1
    assert "_since" not in kick_offs(ready)[0]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_p07_an_address_that_has_ended_is_asked_for_once_more(
    ready: Ehr, bulk: Puller, status: int
) -> None:
    ready.on("files/obs", Reply(status, outcome("expired")))
    assert bulk(ready).exit == EXIT.done
    assert len(ready.lines(JOB)) == 2
    assert len(ready.lines("files/patients")) == 1
    assert bulk.ids("Observation") == ["o0", "o1", "o2"]


def test_p07_an_address_that_stays_ended_is_asked_for_only_once_more(
    ready: Ehr, bulk: Puller
) -> None:
    ready.on("files/obs", Reply(403, outcome("expired")), always=True)
    pulled = bulk(ready)
    assert pulled.exit == EXIT.findings
    assert len(ready.lines(JOB)) == 2
    assert pulled.to_json()["types"]["Observation"]["open"] == 1


def test_p07_an_export_that_was_forgotten_meanwhile_is_asked_for_anew(
    ready: Ehr, bulk: Puller
) -> None:
    ready.on("files/obs", Reply(404), always=True)
    ready.on(JOB, Reply(200, ready.manifest), Reply(404))
    pulled = bulk(ready)
    assert "forgotten" in said(pulled)
    assert pulled.exit == EXIT.findings
    ready.calm()
    assert bulk(ready).exit == EXIT.done
    assert len(kick_offs(ready)) == 2


def test_p07_children_that_are_not_in_the_group_are_counted(ready: Ehr, bulk: Puller) -> None:
    ready.offer(("Patient", "patients", ndjson(patient("p1"))))
    pulled = bulk(ready)
    assert pulled.exit == EXIT.findings
    assert "2 children of the cohort are not in the export" in said(pulled)


# --- P08: where our token goes ------------------------------------------------------------------


@pytest.mark.parametrize(("needs", "sent"), [(True, TOKEN), (False, None), (None, TOKEN)])
def test_p08_the_token_goes_where_the_manifest_says(
    ready: Ehr, bulk: Puller, needs: bool | None, sent: str | None
) -> None:
    ready.manifest["requiresAccessToken"] = needs
    assert bulk(ready).exit == EXIT.done
    files = [each for each in ready.asked if each.path.startswith("/files/")]
    assert [each.headers.get("authorization") for each in files] == [sent, sent]


@pytest.mark.parametrize("needs", [True, None, "false"])
def test_p08_another_host_that_wants_our_token_is_not_asked(
    ready: Ehr, bulk: Puller, needs: Any
) -> None:
    with Ehr() as other:
        ready.manifest["requiresAccessToken"] = needs
        ready.manifest["output"][1]["url"] = f"{other.origin}/files/obs"
        pulled = bulk(ready)
        assert other.asked == []
    assert pulled.exit == EXIT.findings
    assert "our token: it goes nowhere else" in said(pulled)
    assert bulk.ids("Patient") == ["p1", "p2", "p3"]


def test_p08_another_host_that_wants_none_gets_none(ready: Ehr, bulk: Puller) -> None:
    with Ehr() as other:
        other.files["obs"] = ndjson(*GOOD)
        ready.manifest["requiresAccessToken"] = False
        ready.manifest["output"][1]["url"] = f"{other.origin}/files/obs?signature=CANARY"
        pulled = bulk(ready)
        assert pulled.exit == EXIT.done
        assert [each.headers.get("authorization") for each in other.asked] == [None]
        other.on("obs", Reply(401))
        ready.on(JOB, Reply(200, ready.manifest), always=True)
        bulk(ready)
        other.on("obs", Reply(500), always=True)
        assert "CANARY" not in said(bulk(ready))


@pytest.mark.parametrize("url", ["http://{host}\\@{other}/f", "http://a:b@{other}/f", "file:///f"])
def test_p08_an_address_with_two_readings_is_refused(ready: Ehr, bulk: Puller, url: str) -> None:
    with Ehr() as other:
        host, elsewhere = (each.origin.removeprefix("http://") for each in (ready, other))
        ready.manifest["requiresAccessToken"] = False
        ready.manifest["output"][1]["url"] = url.format(host=host, other=elsewhere)
        assert bulk(ready).exit == EXIT.findings
        assert other.asked == []
        assert len(ready.lines("files")) == 1


# --- P09: broken files --------------------------------------------------------------------------

LINES = [json.dumps(each).encode() for each in GOOD]


@pytest.mark.parametrize(
    ("data", "place", "why"),
    [
        (LINES[0] + b"\n" + LINES[1] + b"\n" + LINES[2][:40], ":3", "is the file cut off"),
        (b"\n".join([LINES[0], b"{", LINES[1], LINES[2]]), ":2", "no JSON"),
        (b"\n".join([LINES[0], b"[]", LINES[1], LINES[2]]), ":2", "no JSON object"),
        (b"\n".join([*LINES, json.dumps(patient("p1")).encode()]), ":4", "another type"),
        (b"\n".join([LINES[0], b'{"a":NaN}', LINES[2]]), ":2", "no JSON"),
        (b"\n".join([*LINES, b"\xff\xfe"]), ":4", "no JSON"),
        (b"\n\n" + b"\n".join([*LINES, b"x" * 5_000]), ":6", "longer than 4,000 bytes"),
    ],
)
def test_p09_a_bad_line_is_named_and_the_file_is_not_done(
    ready: Ehr, bulk: Puller, monkeypatch: pytest.MonkeyPatch, data: bytes, place: str, why: str
) -> None:
    monkeypatch.setattr(download, "LINE_BYTES", 4_000)
    ready.offer(("Patient", "patients", CHILDREN), ("Observation", "obs", data))
    pulled = bulk(ready)
    assert pulled.exit == EXIT.findings
    first = problems(pulled)[0]
    assert first[0] == f"Observation.2.ndjson{place}"
    assert why in first[1]
    assert pulled.to_json()["types"]["Observation"]["open"] == 1
    assert bulk.ids("Observation")[0] == "o0"
    ready.clear()
    ready.files["obs"] = ndjson(*GOOD)
    assert bulk(ready).exit == EXIT.done
    assert ready.lines() == ["GET /files/obs "]
    assert bulk.ids("Observation") == ["o0", "o1", "o2"]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + ndjson(*GOOD),
        b"\n\r\n" + b"\r\n".join(LINES) + b"\n\n  \n",
        b"\n".join(LINES),
    ],
    ids=["BOM", "blank lines", "no end of line"],
)
def test_p09_what_is_only_untidy_is_read(ready: Ehr, bulk: Puller, data: bytes) -> None:
    ready.offer(("Patient", "patients", CHILDREN), ("Observation", "obs", data, 3))
    assert bulk(ready).exit == EXIT.done
    assert bulk.ids("Observation") == ["o0", "o1", "o2"]


def test_p09_a_connection_that_breaks_is_tried_again(ready: Ehr, bulk: Puller) -> None:
    whole = ndjson(*GOOD)
    ready.on("files/obs", Reply(200, whole, cut=len(whole) - 60))
    assert bulk(ready).exit == EXIT.done
    assert bulk.ids("Observation") == ["o0", "o1", "o2"]


def test_p09_a_page_of_html_is_no_file(ready: Ehr, bulk: Puller) -> None:
    ready.on("files/obs", Reply(200, b"<html>CANARY", {"Content-Type": "text/html"}))
    pulled = bulk(ready)
    assert pulled.exit == EXIT.findings
    assert "HTML" in said(pulled)
    assert "CANARY" not in said(pulled)


def test_p09_a_line_of_200_mb_takes_little_memory() -> None:
    chunk = b"x" * 65_536

    def chunks() -> Iterable[bytes]:
        yield LINES[0] + b"\n"
        for _ in range(3_200):
            yield chunk
        yield b"\n" + LINES[1]

    tracemalloc.start()
    lines = list(resources(chunks(), "Observation", 1_000_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(line.number, line.fault) for line in lines] == [
        (1, ""), (2, "longer than 1,000,000 bytes"), (3, ""),
    ]  # fmt: skip
    assert peak < 10_000_000


# --- P10, P13 -----------------------------------------------------------------------------------


def deletions(*places: str, kind: str = "transaction") -> bytes:
    entries = [{"request": {"method": "DELETE", "url": place}} for place in places]
    return ndjson({"resourceType": "Bundle", "type": kind, "entry": entries})


def test_p10_what_was_deleted_is_taken_out_and_listed(ready: Ehr, bulk: Puller) -> None:
    bulk(ready)
    ready.offer(("Patient", "patients", CHILDREN))
    ready.files["gone"] = deletions("Observation/o1", "Observation/never-seen", "Patient/p3")
    ready.manifest["deleted"] = [{"type": "Bundle", "url": f"{ready.origin}/files/gone"}]
    pulled = bulk(ready)
    assert bulk.ids("Observation") == ["o0", "o2"]
    assert bulk.ids("Patient") == ["p1", "p2"]
    assert bulk.changes() == [("Observation/o1", "deleted"), ("Patient/p3", "deleted")]
    assert pulled.to_json()["types"]["Observation"]["deleted"] == 1
    assert "o1" not in str(pulled.to_json())


@pytest.mark.parametrize(
    "data",
    [
        deletions("Observation/o1", kind="batch"),
        deletions("Observation?subject=p1"),
        ndjson({"resourceType": "Bundle", "type": "transaction", "entry": [{"request": None}]}),
        ndjson(GOOD[0]),
    ],
)
def test_p10_what_is_no_deletion_deletes_nothing(ready: Ehr, bulk: Puller, data: bytes) -> None:
    ready.files["gone"] = data
    ready.manifest["deleted"] = [{"type": "Bundle", "url": f"{ready.origin}/files/gone"}]
    pulled = bulk(ready)
    assert pulled.exit == EXIT.findings
    assert problems(pulled)[0][0] == "deleted.3.ndjson:1"
    assert bulk.ids("Observation") == ["o0", "o1", "o2"]


def test_p10_and_p11_hold_for_an_export_too(ready: Ehr, bulk: Puller) -> None:
    merged = patient("p2", link=[{"type": "replaced-by", "other": {"reference": "Patient/p9"}}])
    strange: list[Resource] = [
        observation("o1", "p1", status="entered-in-error"),
        observation("o2", "p1", implicitRules="urn:rules"),
    ]
    ready.offer(
        ("Patient", "patients", ndjson(patient("p1"), merged, patient("p3"))),
        ("Observation", "obs", ndjson(GOOD[0], *strange)),
    )
    pulled = bulk(ready)
    assert pulled.exit == EXIT.findings
    assert ("Patient.1.ndjson:2", "merged: another Patient stands for this one") in problems(pulled)
    assert bulk.ids("Observation") == ["o0"]
    assert bulk.changes() == [
        ("Observation/o1", "in-error"),
        ("Observation/o2", "skipped"),
        ("Patient/p2", "replaced-by"),
    ]


def test_p13_who_is_in_the_group_and_not_in_the_cohort_is_dropped(ready: Ehr, bulk: Puller) -> None:
    ready.offer(
        ("Patient", "patients", CHILDREN + ndjson(patient("CANARY-p9"))),
        ("Observation", "obs", ndjson(*GOOD, observation("CANARY-o9", "CANARY-p9"))),
        ("Condition", "more", ndjson({"resourceType": "Condition", "id": "CANARY-c"})),
    )
    pulled = bulk(ready)
    assert pulled.exit == EXIT.findings
    sums = pulled.to_json()["types"]
    assert [sums[kind]["dropped"] for kind in ("Patient", "Observation", "Condition")] == [1, 1, 1]
    assert bulk.ids("Patient") == ["p1", "p2", "p3"]
    assert b"CANARY" not in bulk.state.read_bytes()
    assert not (bulk.out / "Condition.ndjson").exists()


def test_a_version_that_is_older_is_not_taken(ready: Ehr, bulk: Puller) -> None:
    new = observation("o0", "p1", meta=meta(2, "2026-03-01T01:00:00Z"), status="amended")
    ready.offer(("Patient", "patients", CHILDREN), ("Observation", "obs", ndjson(new, GOOD[0])))
    bulk(ready)
    assert bulk.read("Observation")[0]["status"] == "amended"
