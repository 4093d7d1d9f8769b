"""Keeps people unknown: keyed pseudonyms, and the key that makes them."""

from adapter.privacy.pseudonyms import fingerprint, id_function, study_key

__all__ = ["fingerprint", "id_function", "study_key"]
