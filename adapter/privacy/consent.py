"""The consent gate: whose data may leave, and which of them. Pure: no file, no clock.

https://hl7.org/fhir/R4/consent.html says how a consent is sent; what follows from it for the data
is decided here, before anything is mapped. What cannot be told counts as not permitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, get_args

from adapter.settings import ConsentSettings
from mappings.entities import Consent, SequencingResult, Subject, SubjectEntity
from mappings.withdrawal import DAY, is_before

NO_CONSENT = "no-consent"
NO_GENETICS = "no-consent-genetics"

# Why, in words that say what is needed and not what somebody decided.
NOT_GIVEN = "no consent of this subject permits it"
NOBODY = "somebody who may consent is needed: a guardian, or the subject"
GUARDIAN = "the consent of a guardian is needed"
OWN = "the subject's own assent is needed"
EXPIRED = "a consent that has not expired is needed"
NO_EXPORT = "no consent of this subject covers export"
NOT_GENETICS = "no consent of this subject covers genetics"

Refusal: TypeAlias = tuple[str, str]  # rule, why


def refusals(
    subject: Subject, consents: Sequence[Consent], needed: ConsentSettings, today: str
) -> dict[type, Refusal]:
    """The entity classes of a subject that must be held back, each with its rule and the reason.

    ``consents`` are all of the subject's: the latest counts, of several equally late ones every
    one. ``today`` is ``YYYY-MM-DD``. An empty answer lets everything through.
    """
    why = _of_subject(subject, consents, needed, today)
    if why:
        return dict.fromkeys(get_args(SubjectEntity), (NO_CONSENT, why))
    said = _said("genetics", consents)
    if "deny" in said or (needed.genetics and not said):
        return {SequencingResult: (NO_GENETICS, NOT_GENETICS)}
    return {}


def _of_subject(
    subject: Subject, consents: Sequence[Consent], needed: ConsentSettings, today: str
) -> str | None:
    latest = _latest(consents)
    if not latest or any(each.decision != "permit" for each in latest):
        return NOT_GIVEN
    if "deny" in _said("export", consents):
        return NO_EXPORT
    found = (_of_consent(each, subject, needed.own_from, today) for each in latest)
    return next(filter(None, found), None)


def _of_consent(consent: Consent, subject: Subject, own_from: int | None, today: str) -> str | None:
    """Why a consent does not hold; judged on the day that it was withdrawn, or the child died.

    Of a withdrawn one the data up to that day stay: what comes later does not undo it.
    """
    on = min(day[:DAY] for day in (today, consent.withdrawn, subject.deceased) if day)
    if consent.expires and is_before(consent.expires, on):
        return EXPIRED
    if consent.assent == "deny":
        return OWN
    own = consent.assent == "permit"
    if own_from is None:
        return None if consent.guardian or own else NOBODY
    # The day of birth is not known, so in the year of that birthday both are asked for; where no
    # year is known either, always.
    age = int(on[:4]) - int(subject.birth_year[:4]) if subject.birth_year else own_from
    if age >= own_from and not own:
        return OWN
    return GUARDIAN if age <= own_from and not consent.guardian else None


def _said(about: str, consents: Sequence[Consent]) -> set[str]:
    """What the latest consents say that say anything about it: permit, deny."""
    return {getattr(each, about) for each in _latest([c for c in consents if getattr(c, about)])}


def _latest(consents: Sequence[Consent]) -> list[Consent]:
    """Those that no other one is later than."""
    return [c for c in consents if not any(is_before(c.date, other.date) for other in consents)]
