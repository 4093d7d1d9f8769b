"""What a withdrawal holds back of a subject's data. Pure: no file, no clock.

Rule 4 of the design: the data up to the day of the withdrawal stay, unless the study says
``withdrawal: erase``. Safety follow-up after that day is data too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from adapter.privacy.consent import Refusal
from mappings.entities import Consent, Disposition, Subject, SubjectEntity
from mappings.withdrawal import date_of, is_before, withdrawals

AFTER_WITHDRAWAL = "after-withdrawal"
WITHDRAWN = "withdrawn"

AFTER = "lies after the day on which the subject withdrew"
NOT_READ = "a row that may say since when the subject has withdrawn was not read"
ERASED = "the subject withdrew, and the study says withdrawal: erase"

Span: TypeAlias = tuple[str, str | None]  # withdrawn on, and consented again on
Judge: TypeAlias = Callable[[SubjectEntity], Refusal | None]


def judge_withdrawal(
    subject: Subject, ends: Sequence[Consent | Disposition], unread: bool, *, erase: bool
) -> Judge | None:
    """What says of each entity of a subject why it is held back; None for who did not withdraw.

    ``ends`` are all of the subject's consents and dispositions. ``unread`` says that there is a
    row that may be a withdrawal and was rejected: its day cannot be told, so every day lies after.
    """
    spans = withdrawals([each for each in ends if isinstance(each, Consent)])
    spans += [
        (each.date, None)
        for each in ends
        if isinstance(each, Disposition) and each.status == "withdrawn"
    ]
    is_out = unread or subject.status == "withdrawn" or any(again is None for _, again in spans)
    if erase and is_out:
        return lambda _: (WITHDRAWN, ERASED)
    if unread:
        return lambda each: (AFTER_WITHDRAWAL, NOT_READ) if date_of(each) else None
    return partial(_judged, spans) if spans else None


def _judged(spans: Sequence[Span], entity: SubjectEntity) -> Refusal | None:
    date = date_of(entity)
    if date and any(_within(date, *span) for span in spans):
        return AFTER_WITHDRAWAL, AFTER
    return None


def _within(date: str, withdrawn: str, again: str | None) -> bool:
    return is_before(withdrawn, date) and (again is None or is_before(date, again))
