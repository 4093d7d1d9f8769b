"""Pull by searches: what an EHR's pages may do, and what holds."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import adapter.pull.search as search
from adapter.errors import EXIT, BusyError, ConfigurationError, SourceError, UsageError
from adapter.pull.database import alone
from tests.pull.conftest import TOKEN, Puller
from tests.pull.ehr import Asked, Ehr, Reply, bundle, meta, observation, outcome, patient

ALL = [f"{of}-o{number}" for of in ("p1", "p2", "p3") for number in range(5)]


def reasons(pulled: object) -> str:
    return "\n".join(each["reason"] for each in pulled.to_json()["problems"])  # type: ignore[attr-defined]


def next_to(url: str) -> Reply:
    """A first page of p1 whose next page stands elsewhere."""
    return Reply(200, bundle(observation("p1-o0", "p1"), link=[{"relation": "next", "url": url}]))


# --- what a good day looks like -----------------------------------------------------------------


def test_everything_of_the_cohort_is_read_page_by_page(ehr: Ehr, puller: Puller) -> None:
    ehr.page_size = 2
    pulled = puller(ehr)
    assert pulled.exit == EXIT.done
    assert puller.ids("Observation") == ALL
    assert puller.ids("Patient") == ["p1", "p2", "p3"]
    sums = pulled.to_json()["types"]["Observation"]
    assert (sums["read"], sums["new"], sums["open"]) == (15, 15, 0)
    assert not ehr.lines("^(PUT|DELETE|PATCH)")


def test_files_are_for_their_owner_alone(ehr: Ehr, puller: Puller) -> None:
    puller(ehr)
    assert stat.S_IMODE(puller.out.stat().st_mode) == 0o700
    for file in (*puller.out.iterdir(), *puller.state.parent.glob("pull.*")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    puller.out.chmod(0o755)
    with pytest.raises(UsageError, match="other users"):
        puller(ehr)


def test_decimals_keep_their_digits(puller: Puller) -> None:
    body = (
        '{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":'
        '"Observation","id":"o1","subject":{"reference":"Patient/p1"},"valueQuantity":'
        '{"value":12.50}}}]}'
    )
    puller.cohort, puller.types = "patient\np1\n", ("Observation",)
    with Ehr() as ehr:
        json = {"Content-Type": "application/fhir+json"}
        ehr.on("_search", Reply(200, body.encode(), json))
        assert puller(ehr).exit == EXIT.done
    assert '"value":12.50' in (puller.out / "Observation.ndjson").read_text()


def test_a_child_that_leaves_the_cohort_leaves_nothing(ehr: Ehr, puller: Puller) -> None:
    puller(ehr)
    puller.cohort = "patient\np1\n"
    puller(ehr)
    assert puller.ids("Observation") == ALL[:5]
    assert b"p2-o1" not in puller.state.read_bytes()


def test_a_new_child_is_read_whole(ehr: Ehr, puller: Puller) -> None:
    puller.cohort = "patient\np1\n"
    puller(ehr)
    puller.cohort = "patient\np1\np2\n"
    puller(ehr)
    assert puller.ids("Observation") == ALL[:10]


def test_another_server_or_study_is_refused(ehr: Ehr, puller: Puller) -> None:
    puller(ehr)
    with Ehr() as other:
        other.url += "/r4"
        with pytest.raises(ConfigurationError, match="of another address"):
            puller(other)


def test_one_pull_at_a_time(ehr: Ehr, puller: Puller) -> None:
    with alone(puller.state), pytest.raises(BusyError, match="another pull"):
        puller(ehr)
    assert puller(ehr).exit == EXIT.done


@pytest.mark.parametrize(
    ("text", "says", "line"),
    [
        ("name\nCANARY\n", "no column", None),
        ("patient\n", "names nobody", None),
        ("patient\np1\np1\n", "twice", 3),
        ("patient\nCANARY/1\n", "no id of FHIR", 2),
        ("system,value\n,CANARY\n", "needs its system", 2),
        ("patient,system,value\np1,urn:s,CANARY\n", "either", 2),
    ],
)
def test_a_bad_cohort_file_is_named_by_line(
    ehr: Ehr, puller: Puller, text: str, says: str, line: int | None
) -> None:
    puller.cohort = text
    with pytest.raises(SourceError, match=says) as caught:
        puller(ehr)
    assert caught.value.where
    assert caught.value.where.line == line
    assert "CANARY" not in str(caught.value)
    assert ehr.asked == []


def test_a_damaged_database_is_named(ehr: Ehr, puller: Puller) -> None:
    puller(ehr)
    for name in ("pull.sqlite", "pull.lock"):
        file = puller.state.with_name(name)
        kept = file.read_bytes()
        file.write_bytes(b"CANARY" * 2_000)
        with pytest.raises(ConfigurationError, match="cannot be kept") as caught:
            puller(ehr)
        assert caught.value.where
        assert name in str(caught.value.where)
        file.write_bytes(kept)
    assert puller(ehr).exit == EXIT.done


# --- P01: links that lead elsewhere -------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        "{other}/fhir/pages?x=1",
        "//{bare}/fhir",
        "https://{host}/fhir/pages",
        "http://{host}\\@{bare}/fhir",
        "http://{host}@{bare}/fhir",
        "http://user:word@{host}/fhir/pages?x=1",
        "ftp://{host}/fhir",
        "file:///etc/passwd",
        "http://{host}/fhir/pages?x=1\nX: y",
        "\\\\{bare}/fhir",
    ],
)
def test_p01_a_link_that_leads_elsewhere_is_not_followed(
    ehr: Ehr, puller: Puller, link: str
) -> None:
    with Ehr() as other:
        bare, host = (each.origin.removeprefix("http://") for each in (other, ehr))
        ehr.on("patient=p1", next_to(link.format(other=other.origin, bare=bare, host=host)))
        pulled = puller(ehr)
        assert other.asked == []
    assert pulled.exit == EXIT.findings
    assert "the server gives a link that" in reasons(pulled)
    assert "127.0.0.1" not in reasons(pulled)
    assert pulled.to_json()["types"]["Observation"]["open"] == 1
    assert puller.ids("Observation") == ["p1-o0", *ALL[5:]]
    ehr.clear()
    assert puller(ehr).exit == EXIT.done
    assert [each.split("&")[0] for each in ehr.lines("_search")] == [
        "POST /fhir/Observation/_search patient=p1"
    ]
    assert puller.ids("Observation") == ALL


@pytest.mark.parametrize("link", ["{base}/pages?x=1", "pages?x=1", "/fhir/pages?x=1"])
def test_p01_links_of_the_server_itself_are_followed_with_our_token(
    ehr: Ehr, puller: Puller, link: str
) -> None:
    ehr.on("patient=p1", next_to(link.format(base=ehr.url)))
    rest = [observation(f"p1-o{number}", "p1") for number in range(1, 5)]
    ehr.on("GET /fhir/pages", Reply(200, bundle(*rest)))
    assert puller(ehr).exit == EXIT.done
    assert puller.ids("Observation") == ALL
    assert {each.headers["authorization"] for each in ehr.asked} == {TOKEN}


# --- P02: pages without end ---------------------------------------------------------------------


def test_p02_a_loop_is_seen_and_what_was_read_is_kept(ehr: Ehr, puller: Puller) -> None:
    loop = [{"relation": "next", "url": f"{ehr.url}/pages?loop"}]
    ehr.on("patient=p1", Reply(200, bundle(observation("p1-o0", "p1"), link=loop)))
    again = Reply(200, bundle(observation("p1-o1", "p1"), link=loop))
    ehr.on("GET /fhir/pages.loop", again, always=True)
    pulled = puller(ehr)
    assert pulled.exit == EXIT.findings
    assert "in circles" in reasons(pulled)
    assert puller.ids("Observation") == ["p1-o0", "p1-o1", *ALL[5:]]
    assert len(ehr.lines("loop")) == 1
    ehr.calm()
    assert puller(ehr).exit == EXIT.done
    assert puller.ids("Observation") == ALL


@pytest.mark.parametrize("last", [True, False])
def test_p02_a_page_that_comes_again_under_another_link_is_seen(
    ehr: Ehr, puller: Puller, last: bool
) -> None:
    def page(asked: Asked) -> Reply:
        number = len(ehr.asked)
        is_last = last and "pages" in asked.path
        link = [] if is_last else [{"relation": "next", "url": f"{ehr.url}/pages?p1={number}"}]
        return Reply(200, bundle(observation("p1-o0", "p1"), link=link))

    ehr.on("p1", *[page] * 9)
    ehr.on("Patient/p1", Reply(200, patient("p1")))
    pulled = puller(ehr)
    assert "in circles" in reasons(pulled)
    assert pulled.to_json()["types"]["Observation"]["open"] == 1
    ehr.calm()
    ehr.clear()
    assert puller(ehr).exit == EXIT.done
    assert "_lastUpdated" not in ehr.lines("_search")[0]
    assert puller.ids("Observation") == ALL


def test_p02_there_is_a_cap(ehr: Ehr, puller: Puller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAGES", 20)

    def page(_: Asked) -> Reply:
        number = len(ehr.asked)
        link = [{"relation": "next", "url": f"{ehr.url}/pages?n={number}"}]
        return Reply(200, bundle(observation(f"more-{number}", "p1"), link=link))

    ehr.on("patient=p1|pages", page, always=True)
    pulled = puller(ehr)
    assert "the rest is not read" in reasons(pulled)
    assert len([each for each in puller.ids("Observation") if each.startswith("more")]) == 20


# --- P03: one patient fails ---------------------------------------------------------------------


def test_p03_one_patient_that_fails_stays_open_and_alone(ehr: Ehr, puller: Puller) -> None:
    ehr.on("Observation/_search patient=p2", *[Reply(500, outcome("exception"))] * 3)
    pulled = puller(ehr, wait=60)
    assert pulled.exit == EXIT.findings
    assert puller.ids("Observation") == ALL[:5] + ALL[10:]
    assert pulled.to_json()["problems"] == [
        {"type": "Observation", "place": "cohort.csv:3", "reason": "the server is busy: HTTP 500"}
    ]
    ehr.clear()
    assert puller(ehr).exit == EXIT.done
    assert [line.split("&")[0] for line in ehr.lines()] == [
        "POST /fhir/Observation/_search patient=p2"
    ]
    assert puller.ids("Observation") == ALL


def test_p03_who_fails_for_ever_does_not_hold_up_the_others(ehr: Ehr, puller: Puller) -> None:
    ehr.on("Observation/_search patient=p2", Reply(400, outcome("invalid")), always=True)
    puller(ehr)
    ehr.clear()
    ehr.resources.append(observation("p1-late", "p1", meta=meta(1, "2026-03-02T13:00:00Z")))
    assert puller(ehr).exit == EXIT.findings
    assert "p1-late" in puller.ids("Observation")
    assert all("_lastUpdated=ge" in each for each in ehr.lines("patient=p[13]"))


def test_p03_a_server_that_is_away_ends_with_4_and_all_is_kept(ehr: Ehr, puller: Puller) -> None:
    away = Reply(503, None, {"Retry-After": "7"})
    ehr.on("Observation/_search patient=p2", away, always=True)
    pulled = puller(ehr, wait=60)
    assert pulled.exit == EXIT.deferred
    assert puller.time.now <= 60
    assert min(puller.time.naps[:-1]) >= 7
    assert puller.ids("Observation") == ALL[:5]
    ehr.calm()
    ehr.clear()
    assert puller(ehr).exit == EXIT.done
    assert not ehr.lines("p1")
    assert puller.ids("Observation") == ALL


def test_p03_a_server_that_stumbles_over_everything_is_away(ehr: Ehr, puller: Puller) -> None:
    ehr.on("", Reply(500), always=True)
    pulled = puller(ehr)
    assert pulled.exit == EXIT.deferred
    assert ehr.lines("metadata")
    assert not ehr.lines("Observation/_search patient=p3")


def test_p03_a_child_that_fails_in_everything_does_not_hold_up_the_others(
    ehr: Ehr, puller: Puller
) -> None:
    puller.types = ("Patient", "Observation", "Condition", "Encounter", "Procedure", "Specimen")
    ehr.on("patient=p[12]|Patient/p[12]", Reply(500), always=True)
    pulled = puller(ehr)
    assert pulled.exit == EXIT.findings
    assert puller.ids("Observation") == ALL[10:]


def test_p03_who_is_not_let_in_ends_with_5(ehr: Ehr, puller: Puller) -> None:
    ehr.on("", Reply(403, outcome("forbidden")), always=True)
    assert puller(ehr).exit == EXIT.authentication
    ehr.on("", Reply(401), always=True)
    assert puller(ehr).exit == EXIT.authentication


def test_p03_a_type_that_is_closed_to_us_stays_open(ehr: Ehr, puller: Puller) -> None:
    ehr.on("Observation", Reply(403, outcome("forbidden")), always=True)
    pulled = puller(ehr)
    assert pulled.exit == EXIT.findings
    assert pulled.to_json()["types"]["Observation"]["open"] == 3
    assert puller.ids("Patient") == ["p1", "p2", "p3"]


def test_p03_a_patient_that_is_gone_is_taken_out(ehr: Ehr, puller: Puller) -> None:
    puller(ehr)
    ehr.on("Patient/p2 ", Reply(410, outcome("deleted")), always=True)
    pulled = puller(ehr)
    assert pulled.exit == EXIT.findings
    assert puller.ids("Patient") == ["p1", "p3"]
    assert ("Patient/p2", "deleted") in puller.changes()


# --- P04: killed --------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("page", [1, 2, 7, 11])
def test_p04_killed_at_a_page_goes_on_without_a_gap(
    puller: Puller, tmp_path: Path, page: int, moment: str
) -> None:
    held = [observation(f"o{number:02}", "p1") for number in range(20)]
    puller.cohort = "patient\np1\n"
    puller.settings()
    with Ehr(patient("p1"), *held, page_size=2) as ehr:
        child = Path(__file__).with_name("child.py")
        done = subprocess.run(  # noqa: S603
            [sys.executable, str(child), str(tmp_path), ehr.url, str(page), moment],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL, done.stderr
        read = len(ehr.lines("start="))
        ehr.clear()
        pulled = puller(ehr)
        assert pulled.exit == EXIT.done
        assert puller.ids("Observation") == [each["id"] for each in held]
        assert len(ehr.lines("start=")) <= 10 - read + 1  # only the page that was lost comes again
        assert pulled.to_json()["types"]["Observation"]["duplicates"] == 0


def test_p04_a_page_that_the_server_has_forgotten_begins_again(ehr: Ehr, puller: Puller) -> None:
    ehr.page_size = 2
    ehr.on("start=2", *[Reply(500)] * 3)
    assert puller(ehr).exit == EXIT.findings
    ehr.on("start=2", Reply(410, outcome("not-found")))
    pulled = puller(ehr)
    assert pulled.exit == EXIT.done
    assert puller.ids("Observation") == ALL
    assert pulled.to_json()["types"]["Observation"]["duplicates"] == 2


# --- P05: changed during the crawl --------------------------------------------------------------


@pytest.mark.parametrize("date", ["Mon, 02 Mar 2026 12:00:00 GMT", "Mon, 02 Mar 2020 12:00:00 GMT"])
def test_p05_what_changes_during_the_crawl_comes_with_the_next(
    ehr: Ehr, puller: Puller, date: str
) -> None:
    """The server's own clock counts, wherever ours is; and what it stamps late is seen."""
    ehr.page_size, ehr.date = 2, date
    year = date[12:16]

    def changed(asked: Asked) -> Reply:
        new = meta(2, f"{year}-03-02T11:56:00Z")  # stamped before the crawl began
        ehr.resources[3] = observation("p1-o0", "p1", meta=new, status="amended")
        ehr.date = f"Mon, 02 Mar {year} 12:30:00 GMT"
        return ehr.usual(asked)

    ehr.on("start=2", changed)
    puller(ehr)
    assert puller.read("Observation")[0]["status"] == "final"
    ehr.clear()
    pulled = puller(ehr)
    assert f"_lastUpdated=ge{year}-03-02T11%3A55%3A00Z" in ehr.lines("patient=p1")[0]
    assert puller.read("Observation")[0]["status"] == "amended"
    assert puller.ids("Observation") == ALL
    sums = pulled.to_json()["types"]["Observation"]
    assert (sums["updated"], sums["new"]) == (1, 0)


def test_p05_an_older_version_never_replaces_a_newer_one(ehr: Ehr, puller: Puller) -> None:
    newer = meta(2, "2026-03-01T01:00:00Z")
    ehr.resources[3] = observation("p1-o0", "p1", meta=newer, status="amended")
    ehr.resources.append(observation("p1-o0", "p1"))  # the one before it, on a later page
    ehr.page_size = 2
    pulled = puller(ehr)
    assert puller.read("Observation")[0]["status"] == "amended"
    assert pulled.to_json()["types"]["Observation"]["duplicates"] == 1


@pytest.mark.parametrize(
    ("date", "bundle_time", "since"),
    [
        ("", None, None),
        ("", "2026-03-02T11:00:00+01:00", "2026-03-02T09%3A55%3A00Z"),
        (None, "2026-03-02T10:00:00Z", "2026-03-02T09%3A55%3A00Z"),  # from a cache
        (None, "soon", "2026-03-02T11%3A55%3A00Z"),
        (None, "0001-01-01T00:00:00Z", None),
    ],
)
def test_p05_the_time_is_the_servers(
    puller: Puller, date: str | None, bundle_time: str | None, since: str | None
) -> None:
    puller.cohort, puller.types = "patient\np1\n", ("Observation",)
    with Ehr() as ehr:
        ehr.date = ehr.date if date is None else date
        ehr.on("_search", Reply(200, bundle(meta={"lastUpdated": bundle_time})))
        puller(ehr)
        puller(ehr)
        last = ehr.lines("_search")[-1]
        assert f"_lastUpdated=ge{since}" in last if since else "_lastUpdated" not in last


# --- P10, P11, P13: what is not taken as it stands ----------------------------------------------


def test_p10_what_was_entered_in_error_is_taken_out(ehr: Ehr, puller: Puller) -> None:
    puller(ehr)
    wrong = {"coding": [{"code": "entered-in-error"}]}
    new = meta(2, "2026-03-02T13:00:00Z")
    ehr.resources[3] = observation("p1-o0", "p1", meta=new, status="entered-in-error")
    ehr.resources[4] = observation("p1-o1", "p1", meta=new, verificationStatus=wrong)
    pulled = puller(ehr)
    assert puller.ids("Observation") == ALL[2:]
    assert pulled.to_json()["types"]["Observation"]["in-error"] == 2
    assert puller.changes() == [
        ("Observation/p1-o0", "in-error"),
        ("Observation/p1-o1", "in-error"),
    ]
    ehr.resources[3] = observation("p1-o0", "p1", meta=meta(3, "2026-03-02T14:00:00Z"))
    puller(ehr)
    assert puller.ids("Observation") == ["p1-o0", *ALL[2:]]
    assert puller.changes() == [("Observation/p1-o1", "in-error")]


def test_p10_a_merged_patient_is_flagged(ehr: Ehr, puller: Puller) -> None:
    link = [{"type": "replaced-by", "other": {"reference": "Patient/p9"}}]
    ehr.resources[1] = patient("p2", link=link)
    pulled = puller(ehr)
    assert pulled.exit == EXIT.findings
    assert "another Patient stands for this one" in reasons(pulled)
    assert puller.changes() == [("Patient/p2", "replaced-by")]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}, "modifierExtension"),
        ({"component": [{"modifierExtension": [{"url": "urn:x"}]}]}, "modifierExtension"),
        ({"implicitRules": "urn:rules"}, "implicitRules"),
        ({"contained": [{"resourceType": "Device", "implicitRules": "urn:r"}]}, "implicitRules"),
        ({"note": [{"text": "\ud800"}]}, "JSON"),
    ],
)
def test_p11_what_may_mean_something_else_is_skipped(
    ehr: Ehr, puller: Puller, more: dict[str, Any], why: str
) -> None:
    puller(ehr)
    assert "p1-o0" in puller.ids("Observation")
    new = meta(2, "2026-03-02T13:00:00Z")
    ehr.resources[3] = observation("p1-o0", "p1", meta=new, **more)
    pulled = puller(ehr)
    assert pulled.exit == EXIT.findings
    assert pulled.to_json()["types"]["Observation"]["skipped"] == 1
    assert puller.ids("Observation") == ALL[1:]  # nor is the version before it kept
    assert puller.changes() == [("Observation/p1-o0", "skipped")]
    assert why in (puller.out / "reconcile.json").read_text()


OUTSIDERS = [
    {"subject": {"reference": "Patient/CANARY-p9"}},
    {"subject": {"reference": "https://other.hospital.test/fhir/Patient/p1"}},
    {"subject": {"type": "Patient", "identifier": {"value": "CANARY"}}},
    {"subject": {"reference": "urn:uuid:0d9c"}},
    {"subject": {"reference": "#c"}, "contained": [{"resourceType": "Patient", "id": "c"}]},
    {"subject": {"reference": "Device/d"}, "patient": {"reference": "Patient/CANARY-p9"}},
    {"subject": None, "participant": [{"actor": {"reference": "Patient/CANARY-p9"}}]},
]


@pytest.mark.parametrize("more", OUTSIDERS, ids=repr)
def test_p13_what_is_of_others_is_dropped(
    ehr: Ehr, puller: Puller, more: dict[str, object]
) -> None:
    stray = {**observation("stray", "p1"), **more}
    good = [observation(f"p1-o{number}", "p1") for number in range(5)]
    ehr.on("patient=p1", Reply(200, bundle(stray, *good)))
    pulled = puller(ehr)
    assert pulled.exit == EXIT.findings
    assert pulled.to_json()["types"]["Observation"]["dropped"] == 1
    assert puller.ids("Observation") == ALL
    assert b"CANARY" not in puller.state.read_bytes()
    assert "CANARY" not in str(pulled.to_json())


@pytest.mark.parametrize(
    "more",
    [
        {"subject": {"reference": "{base}/Patient/p1"}},
        {"subject": {"reference": "Patient/p1/_history/3"}},
        {"subject": {"reference": "Device/d"}},
        {"performer": [{"reference": "Patient/mother"}]},
    ],
)
def test_p13_what_is_of_the_child_is_kept(
    ehr: Ehr, puller: Puller, more: dict[str, object]
) -> None:
    subject = more.get("subject")
    if isinstance(subject, dict):
        more = {"subject": {"reference": subject["reference"].format(base=ehr.url)}}
    ehr.on("patient=p1", Reply(200, bundle({**observation("kept", "p1"), **more})))
    assert puller(ehr).exit == EXIT.done
    assert "kept" in puller.ids("Observation")


def test_p13_another_patient_than_was_asked_for_is_dropped(ehr: Ehr, puller: Puller) -> None:
    ehr.on("Patient/p1 ", Reply(200, patient("p2", gender="male")))
    pulled = puller(ehr)
    assert pulled.exit == EXIT.findings
    assert pulled.to_json()["types"]["Patient"]["dropped"] == 1
    assert puller.read("Patient") == [patient("p2"), patient("p3")]


def test_p13_what_was_moved_to_somebody_else_is_taken_out(ehr: Ehr, puller: Puller) -> None:
    puller(ehr)
    moved = observation("p1-o0", "p9", meta=meta(2, "2026-03-02T13:00:00Z"))
    ehr.on("patient=p1", Reply(200, bundle(moved)))
    puller(ehr)
    assert puller.ids("Observation") == ALL[1:]
    assert puller.changes() == [("Observation/p1-o0", "dropped")]
