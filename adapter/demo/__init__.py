"""The whole flow on the reference study, against an embedded FHIR server, checking itself."""
