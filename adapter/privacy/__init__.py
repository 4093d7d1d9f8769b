"""Keeps people unknown, and what they did not consent to: keyed pseudonyms, the consent gate."""

from adapter.privacy.consent import refusals
from adapter.privacy.files import write_private
from adapter.privacy.pseudonyms import fingerprint, id_function, study_key
from adapter.privacy.withdrawal import judge_withdrawal

__all__ = [
    "fingerprint",
    "id_function",
    "judge_withdrawal",
    "refusals",
    "study_key",
    "write_private",
]
