"""Talking to FHIR servers."""
